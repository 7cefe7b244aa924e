/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clock: the present on the clock of time.h.
 *
 * The wall clock is looked at once, at clock_start(); from there on the
 * monotonic clock counts, so that no jump of the wall clock kills an item.
 */
#ifndef SERVER_LOOP_CLOCK_H
#define SERVER_LOOP_CLOCK_H

#include <stdatomic.h>

#include "proto/base/time.h"

struct clock {
    time_us wall_at_zero; /* wall clock less monotonic clock at the start */
    _Atomic int64_t offset_us; /* of the farm's time, where there is a farm */
};

void clock_start(struct clock *clock);

/* Threads: any. */
time_us clock_now(const struct clock *clock);

/* The same without the farm's offset. */
time_us clock_own(const struct clock *clock);

#endif
