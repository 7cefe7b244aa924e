/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time: the two clocks of the house, as sized types.
 *
 * time_us: microseconds since 1970 on a clock that never goes back and that
 *          follows no later jump of the wall clock.
 * time_s:  whole seconds of the same clock.  0 stands for "never".
 */
#ifndef PROTO_BASE_TIME_H
#define PROTO_BASE_TIME_H

#include <stdint.h>

typedef uint64_t time_us;
typedef uint32_t time_s;

#define TIME_US_PER_S UINT64_C(1000000)
#define TIME_US_PER_MS UINT64_C(1000)

static inline time_s time_seconds(time_us now)
{
    return (time_s)(now / TIME_US_PER_S);
}

#endif
