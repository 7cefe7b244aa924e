/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Linear: whether what clients were told of one key can be true.
 *
 * A history is what concurrent clients asked of a key, on whatever servers,
 * when, and what they were told.  It is linearizable when the operations can
 * be put in one order that keeps theirs in time, in which one memcached would
 * have told each what it was told (Herlihy and Wing 1990).  Found by going
 * through calls and returns in time with all configurations that are possible
 * so far (Wing and Gong 1993; just in time, as Lowe 2017): what has returned
 * needs no further thought, so a history may be as long as one likes.
 *
 * Key:     at first it is not there.
 * Values:  decimal numbers, or none in it (LINEAR_EMPTY).  Where a wrong
 *          order is to be noticed, values are used once.
 * Tokens:  known where an answer told them, 0 where none did.  A token names
 *          one state, ever.
 * Times:   any unit, above 0; operations that touch are concurrent.
 * Unknown: may take effect at any time from its start on, or never.
 * Memory:  as much as configurations_max allows; LINEAR_UNDECIDED beyond,
 *          which a test has to take for a failure.
 * Pure:    the same history is judged the same way.
 */
#ifndef TESTS_LINEAR_LINEAR_H
#define TESTS_LINEAR_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/span.h"

#define LINEAR_EMPTY UINT64_MAX /* what a win leaves; not a number */

enum linear_kind {
    LINEAR_SET,       /* `number` is stored */
    LINEAR_ADD,       /* where nothing is; NO: something was */
    LINEAR_REPLACE,   /* where something is; NO: nothing was */
    LINEAR_APPEND,    /* the digits of `number`, where something is */
    LINEAR_CAS,       /* where `expected` is; OTHER: another, NO: nothing */
    LINEAR_INCR,      /* by `number`; NO: nothing was, OTHER: no number */
    LINEAR_DECR,      /* so, and never below 0 */
    LINEAR_DELETE,    /* NO: nothing was */
    LINEAR_DELETE_IF, /* where `expected` is; OTHER: another, NO: nothing */
    /* Nobody asked for it: what `through` stored last is taken away, as
     * locks of the dead are.  Its outcome is UNKNOWN. */
    LINEAR_RELEASE,
    LINEAR_VIVIFY, /* `mg` with N; YES: a win, NO: something was */
    LINEAR_GET,    /* a read in the same order; NO: nothing */
    /* A read of a regular register: it tells of a write that it overlaps, or
     * of the last before it; reads of one client do not go back. */
    LINEAR_READ,
    LINEAR_KINDS_COUNT,
};

enum linear_outcome {
    LINEAR_YES,
    LINEAR_NO,
    LINEAR_OTHER,
    LINEAR_NOTHING, /* an error that says that nothing was done */
    LINEAR_UNKNOWN, /* no answer, or one that does not say */
};

struct linear_operation {
    enum linear_kind kind;
    enum linear_outcome outcome;
    uint32_t client;
    uint32_t through; /* the server that was asked, from 1; 0: any */
    uint64_t start;
    uint64_t end; /* without meaning where the outcome is unknown */
    uint64_t number;
    uint64_t expected;
    bool has_told; /* `told` is what the answer said the value is, or was */
    uint64_t told;
    uint64_t told_token;
};

struct linear_rules {
    /* Tokens rise from each state to the next. */
    bool tokens_rise;
    size_t configurations_max; /* 0: as many as are good for all tests */
};

enum linear_verdict { LINEAR_RIGHT, LINEAR_WRONG, LINEAR_UNDECIDED };

struct linear_judgement {
    enum linear_verdict verdict;
    size_t operation; /* that has no place, if it is not right */
    const char *why;  /* a sentence about it */
    size_t configurations_peak;
};

struct linear_judgement linear_judge(const struct linear_operation *operations,
                                     size_t count,
                                     const struct linear_rules *rules);

#endif
