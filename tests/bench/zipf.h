/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Zipf: ranks of which the k-th is drawn in proportion to 1 / (k+1)^theta.
 *
 * Needs no table, so a key space of any size costs nothing to set up.
 */
#ifndef TESTS_BENCH_ZIPF_H
#define TESTS_BENCH_ZIPF_H

#include <stdint.h>

#include "dice.h"

struct zipf {
    double theta;
    double ranks_count;
    double area_first;
    double area_last;
    double sure_width;
};

/* `ranks_count` is at least 1, `theta` above 0; 1.0 is as good as any. */
void zipf_init(struct zipf *zipf, uint64_t ranks_count, double theta);

/* A rank in 0 .. ranks_count - 1, the likeliest being 0. */
uint64_t zipf_draw(const struct zipf *zipf, struct dice *dice);

#endif
