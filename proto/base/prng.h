/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Prng: a seeded stream of numbers (SplitMix64, Steele et al. 2014).
 *
 * The same seed gives the same numbers on every machine.  Not for secrets.
 */
#ifndef PROTO_BASE_PRNG_H
#define PROTO_BASE_PRNG_H

#include <stdint.h>

__extension__ typedef unsigned __int128 prng_product;

struct prng {
    uint64_t state;
};

static inline uint64_t prng_next(struct prng *prng)
{
    prng->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = prng->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* A number below `bound`, which is not 0. */
static inline uint64_t prng_below(struct prng *prng, uint64_t bound)
{
    return (uint64_t)(((prng_product)prng_next(prng) * bound) >> 64);
}

#endif
