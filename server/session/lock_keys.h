/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lock keys: which keys are those of locks, by patterns.
 *
 * A pattern is text with one `*` at its start or at its end, which stands for
 * anything, or with none.
 *
 * Threads: any, once all are added.
 */
#ifndef SERVER_SESSION_LOCK_KEYS_H
#define SERVER_SESSION_LOCK_KEYS_H

#include "proto/base/span.h"

#define LOCK_KEYS_MAX 32

struct lock_pattern {
    struct span text; /* without the star */
    bool is_open_before;
    bool is_open_behind;
};

struct lock_keys {
    struct lock_pattern patterns[LOCK_KEYS_MAX];
    size_t count;
};

/* Borrows the pattern; no more than there is room for. */
void lock_keys_add(struct lock_keys *locks, struct span pattern);

bool lock_keys_match(const struct lock_keys *locks, struct span key);

#endif
