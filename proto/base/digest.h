/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Digest: seeded hashes of bytes and the mixing of numbers.
 *
 * The seed keeps strangers from choosing keys that collide; servers of one
 * farm share it, so that their hashes of a key are the same.
 */
#ifndef PROTO_BASE_DIGEST_H
#define PROTO_BASE_DIGEST_H

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "proto/base/span.h"

struct digest128 {
    uint64_t low;
    uint64_t high;
};

static inline uint64_t digest64(struct span bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.data, bytes.length, seed);
}

static inline struct digest128 digest128(struct span bytes, uint64_t seed)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(bytes.data, bytes.length, seed);
    return (struct digest128){hash.low64, hash.high64};
}

/* Spreads every bit of `value` over all 64 (the finaliser of MurmurHash3). */
static inline uint64_t digest_mix(uint64_t value)
{
    value ^= value >> 33;
    value *= UINT64_C(0xff51afd7ed558ccd);
    value ^= value >> 33;
    value *= UINT64_C(0xc4ceb9fe1a85ec53);
    return value ^ (value >> 33);
}

#endif
