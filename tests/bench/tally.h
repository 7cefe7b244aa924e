/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tally: what has come of the requests answered so far.
 */
#ifndef TESTS_BENCH_TALLY_H
#define TESTS_BENCH_TALLY_H

#include <stdint.h>

#include "histogram.h"

struct tally {
    uint64_t requests; /* answered; those below are parts of them */
    uint64_t errors;   /* replies that refused what was asked */
    uint64_t stored;
    uint64_t hits; /* keys; the same holds for misses */
    uint64_t misses;
    struct histogram latency;
};

#endif
