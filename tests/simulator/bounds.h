/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bounds: how much of anything a server may ask for or keep (guarantee 7),
 * judged while it runs; the most that was seen is kept, too.
 */
#ifndef TESTS_SIMULATOR_BOUNDS_H
#define TESTS_SIMULATOR_BOUNDS_H

#include <stdint.h>

enum bound {
    BOUND_EFFECTS,       /* of one step, answers not counted */
    BOUND_EFFECT_BYTES,  /* of one step, on one link */
    BOUND_FLIGHT,        /* packets on their way to one end of a link */
    BOUND_FLIGHT_BYTES,  /* the same in bytes */
    BOUND_WAITING,       /* clients that wait for their answers */
    BOUND_MEMORY_PERCENT /* of a store, of what it may take */
};
#define BOUNDS (BOUND_MEMORY_PERCENT + 1)

struct bounds {
    uint64_t peaks[BOUNDS];
    uint64_t excesses;
};

/* What the server has of it now; an excess is counted and told. */
void bounds_judge(struct bounds *bounds, enum bound bound, unsigned server,
                  uint64_t amount);

/* A line with the peaks and their limits. */
void bounds_print(const struct bounds *bounds);

#endif
