/* SPDX-License-Identifier: BSD-3-Clause */
#include "histogram.h"

#include <assert.h>

#define STEP_BITS 6

_Static_assert(HISTOGRAM_STEPS == 1 << STEP_BITS, "steps are a power of two");

/*
 * The first cells hold one number each; from there on, every power of two
 * has HISTOGRAM_STEPS cells of equal width.
 */
static unsigned cell_of(uint64_t duration_ns)
{
    unsigned shift;

    if (duration_ns < HISTOGRAM_STEPS)
        return (unsigned)duration_ns;
    shift = 63 - STEP_BITS - (unsigned)__builtin_clzll(duration_ns);
    return shift * HISTOGRAM_STEPS + (unsigned)(duration_ns >> shift);
}

/* The largest duration that falls into `cell`. */
static uint64_t cell_end_ns(unsigned cell)
{
    unsigned shift = cell < HISTOGRAM_STEPS ? 0 : cell / HISTOGRAM_STEPS - 1;
    uint64_t steps = cell - shift * HISTOGRAM_STEPS;

    return ((steps + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t duration_ns)
{
    unsigned cell = cell_of(duration_ns);

    assert(cell < HISTOGRAM_CELLS);
    histogram->cells[cell]++;
    histogram->total++;
}

uint64_t histogram_quantile_ns(const struct histogram *histogram, double share)
{
    double wanted = share * (double)histogram->total;
    uint64_t counted = 0;
    unsigned cell = 0;

    if (histogram->total == 0)
        return 0;
    while (cell < HISTOGRAM_CELLS - 1) {
        counted += histogram->cells[cell];
        if (counted > 0 && (double)counted >= wanted)
            break;
        cell++;
    }
    return cell_end_ns(cell);
}
