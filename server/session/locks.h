/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks: which keys are those of locks, by patterns.
 *
 * A pattern is text with one `*` at its start or at its end, which stands for
 * anything, or with none.
 *
 * Threads: any, once all are added.
 */
#ifndef SERVER_SESSION_LOCKS_H
#define SERVER_SESSION_LOCKS_H

#include "proto/base/span.h"

#define LOCKS_PATTERNS_MAX 32

struct lock_pattern {
    struct span text; /* without the star */
    bool is_open_before;
    bool is_open_behind;
};

struct locks {
    struct lock_pattern patterns[LOCKS_PATTERNS_MAX];
    size_t count;
};

/* Borrows the pattern; no more than there is room for. */
void locks_add(struct locks *locks, struct span pattern);

bool locks_match(const struct locks *locks, struct span key);

#endif
