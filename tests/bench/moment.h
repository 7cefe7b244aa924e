/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Moment: the clock that durations are taken from.
 */
#ifndef TESTS_BENCH_MOMENT_H
#define TESTS_BENCH_MOMENT_H

#include <stdint.h>
#include <time.h>

static inline uint64_t moment_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#endif
