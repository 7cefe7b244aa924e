/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Version: a hybrid logical clock; every mutation draws one number from it.
 *
 * Layout:  52 bits of microseconds since 1970, 12 bits of origin tag.
 * Promise: numbers grow, whatever the physical clock does, and those of two
 *          origins never tie.
 * Threads: any.
 */
#ifndef SERVER_STORE_VERSION_H
#define SERVER_STORE_VERSION_H

#include <stdatomic.h>

#include "proto/base/time.h"

#define VERSION_TAG_BITS 12
#define VERSION_TAG_MAX ((1U << VERSION_TAG_BITS) - 1)

struct version_clock {
    _Atomic uint64_t last_us; /* the latest time part given out or seen */
    _Atomic uint64_t tag;
};

void version_clock_init(struct version_clock *clock, uint16_t tag);

/* Those that are drawn from now on have this tag. */
void version_set_tag(struct version_clock *clock, uint16_t tag);

/* A version above all that were drawn here or seen. */
uint64_t version_next(struct version_clock *clock, time_us now);

/* A version hardly above `version`, for what gives way to whatever was
 * written since; those that are drawn from now on are above it. */
uint64_t version_after(struct version_clock *clock, uint64_t version);

/* Makes the next version exceed `version`, which came from elsewhere. */
void version_saw(struct version_clock *clock, uint64_t version);

static inline time_us version_time(uint64_t version)
{
    return version >> VERSION_TAG_BITS;
}

/* The first version of that moment: all drawn before it are smaller. */
static inline uint64_t version_at(time_us moment)
{
    return moment << VERSION_TAG_BITS;
}

#endif
