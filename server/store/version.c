/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/store/version.h"

#include <assert.h>

void version_clock_init(struct version_clock *clock, uint16_t tag)
{
    assert(tag <= VERSION_TAG_MAX);
    atomic_init(&clock->last_us, 0);
    atomic_init(&clock->tag, tag);
}

void version_set_tag(struct version_clock *clock, uint16_t tag)
{
    assert(tag <= VERSION_TAG_MAX);
    atomic_store_explicit(&clock->tag, tag, memory_order_relaxed);
}

uint64_t version_next(struct version_clock *clock, time_us now)
{
    time_us last = atomic_load_explicit(&clock->last_us, memory_order_relaxed);
    time_us next;

    do
        next = now > last ? now : last + 1;
    while (!atomic_compare_exchange_weak_explicit(&clock->last_us, &last, next,
                                                  memory_order_relaxed,
                                                  memory_order_relaxed));
    return version_at(next) |
           atomic_load_explicit(&clock->tag, memory_order_relaxed);
}

uint64_t version_after(struct version_clock *clock, uint64_t version)
{
    uint64_t after = version_at(version_time(version) + 1) |
                     atomic_load_explicit(&clock->tag, memory_order_relaxed);

    version_saw(clock, after);
    return after;
}

void version_saw(struct version_clock *clock, uint64_t version)
{
    time_us seen = version_time(version);
    time_us last = atomic_load_explicit(&clock->last_us, memory_order_relaxed);

    while (last < seen && !atomic_compare_exchange_weak_explicit(
                              &clock->last_us, &last, seen,
                              memory_order_relaxed, memory_order_relaxed))
        ;
}
