/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/loop/clock.h"

#include <time.h>

static time_us read_clock(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (time_us)now.tv_sec * TIME_US_PER_S + (time_us)now.tv_nsec / 1000;
}

void clock_start(struct clock *clock)
{
    clock->wall_at_zero =
        read_clock(CLOCK_REALTIME) - read_clock(CLOCK_BOOTTIME);
    atomic_init(&clock->offset_us, 0);
}

time_us clock_own(const struct clock *clock)
{
    return clock->wall_at_zero + read_clock(CLOCK_BOOTTIME);
}

time_us clock_now(const struct clock *clock)
{
    return clock_own(clock) + (time_us)atomic_load_explicit(
                                  &clock->offset_us, memory_order_relaxed);
}
