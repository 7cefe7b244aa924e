/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Meter: the processor time, user and system, that a process has used.
 */
#ifndef TESTS_BENCH_METER_H
#define TESTS_BENCH_METER_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct meter {
    clockid_t clock;
};

/* Ends the program when there is no process `pid`. */
struct meter meter_of(pid_t pid);

/* Since the process started; of all its threads, also those that ended. */
uint64_t meter_read_ns(const struct meter *meter);

#endif
