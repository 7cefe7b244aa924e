/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dice: seeded chance, so that a run can be repeated request by request.
 */
#ifndef TESTS_BENCH_DICE_H
#define TESTS_BENCH_DICE_H

#include <stdint.h>

struct dice {
    uint64_t state;
};

struct dice dice_seeded(uint64_t seed);

uint64_t dice_roll(struct dice *dice);

/* Uniform in 0 .. `sides` - 1; `sides` is at least 1 and below 2^32. */
uint64_t dice_below(struct dice *dice, uint64_t sides);

/* Uniform in the open interval (0, 1): a logarithm of it is finite. */
double dice_unit(struct dice *dice);

/* From the standard normal distribution. */
double dice_normal(struct dice *dice);

#endif
