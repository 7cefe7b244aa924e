/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Crowd: seeds that are lived through by several processes at a time.
 */
#ifndef TESTS_SIMULATOR_CROWD_H
#define TESTS_SIMULATOR_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CROWD_JOBS_MAX 64

/* The seeds `first`, `first` + stride ... below `end`; fills `result`. */
typedef void crowd_work(uint64_t first, uint64_t stride, uint64_t end,
                        void *result);

/* Adds one result to another. */
typedef void crowd_sum(void *to, const void *result);

/* Runs `work` in `jobs` processes and sums up; a process that dies is a
 * failure: the sum is false. */
bool crowd_run(unsigned jobs, uint64_t first, uint64_t end, crowd_work *work,
               crowd_sum *sum, void *result, size_t result_bytes);

#endif
