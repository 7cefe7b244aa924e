/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/simulator/bounds.h"

#include <stdio.h>

#define TOLD_MAX 5

/*
 * The limits, all of them.  The world's ring has 256 KiB and its items are
 * small: one step streams at most a ring on a link, or a range of a
 * synchronisation.
 */
static const struct {
    const char *name;
    uint64_t limit;
} limits[BOUNDS] = {
    [BOUND_EFFECTS] = {"effects of a step", 1024},
    [BOUND_EFFECT_BYTES] = {"bytes of a step on a link", 512 * 1024},
    [BOUND_FLIGHT] = {"packets on a link", 4096},
    [BOUND_FLIGHT_BYTES] = {"bytes on a link", 4 * 1024 * 1024},
    [BOUND_WAITING] = {"waiting clients", 1024},
    [BOUND_MEMORY_PERCENT] = {"percent of memory", 100}};

void bounds_judge(struct bounds *bounds, enum bound bound, unsigned server,
                  uint64_t amount)
{
    if (amount > bounds->peaks[bound])
        bounds->peaks[bound] = amount;
    if (amount <= limits[bound].limit)
        return;
    if (bounds->excesses++ < TOLD_MAX)
        printf("# server %u: %llu %s, more than %llu\n", server,
               (unsigned long long)amount, limits[bound].name,
               (unsigned long long)limits[bound].limit);
}

void bounds_print(const struct bounds *bounds)
{
    printf("at most");
    for (unsigned i = 0; i < BOUNDS; i++)
        printf("%s %llu %s", i == 0 ? "" : ",",
               (unsigned long long)bounds->peaks[i], limits[i].name);
    printf("\n");
}
