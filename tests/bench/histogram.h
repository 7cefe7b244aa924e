/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Histogram: how long requests took, to about one part in sixty-four.
 *
 * Units: nanoseconds.
 */
#ifndef TESTS_BENCH_HISTOGRAM_H
#define TESTS_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 64 /* per power of two */
#define HISTOGRAM_CELLS (60 * HISTOGRAM_STEPS)

struct histogram {
    uint64_t total;
    uint64_t cells[HISTOGRAM_CELLS];
};

void histogram_add(struct histogram *histogram, uint64_t duration_ns);

/* What `share` (0 to 1) of the durations did not exceed; 0 if there are none.
 */
uint64_t histogram_quantile_ns(const struct histogram *histogram, double share);

#endif
