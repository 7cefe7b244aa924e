/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Agenda: what is due next on virtual time.
 *
 * A heap of entries that lie in what they are about.  Two that are due at
 * the same moment come in the order of their ranks, which are unique: so a
 * seed has one course of events, whatever the heap looked like.
 */
#ifndef TESTS_SIMULATOR_AGENDA_H
#define TESTS_SIMULATOR_AGENDA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/time.h"

#define AGENDA_NEVER UINT64_MAX

/* Set `rank` and `subject`, zero the rest, then only agenda_set(). */
struct agenda_entry {
    time_us at;
    uint64_t rank;
    void *subject;
    size_t place; /* in the heap, counted from 1; 0: not in it */
};

struct agenda {
    struct agenda_entry **heap;
    size_t count;
    size_t capacity;
};

/* The entry is due at `at`; AGENDA_NEVER takes it out. */
void agenda_set(struct agenda *agenda, struct agenda_entry *entry, time_us at);

/* What is due first, or NULL. */
struct agenda_entry *agenda_first(const struct agenda *agenda);

void agenda_release(struct agenda *agenda);

#endif
