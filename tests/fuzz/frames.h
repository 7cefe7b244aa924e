/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames: changes to a binary conversation that chance seldom makes, lengths
 * at their borders with the bytes to match.
 */
#ifndef TESTS_FUZZ_FRAMES_H
#define TESTS_FUZZ_FRAMES_H

#include "proto/base/bigendian.h"
#include "proto/base/prng.h"
#include "proto/memcached/binary.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* Where some frame of the conversation begins, `size` if none does. */
static inline size_t frames_pick(const uint8_t *data, size_t size,
                                 struct prng *prng)
{
    size_t picked = size;
    size_t count = 0;

    for (size_t at = 0; at + BINARY_HEADER_BYTES <= size;) {
        if (data[at] != BINARY_MAGIC_REQUEST)
            break;
        count++;
        if (prng_below(prng, count) == 0)
            picked = at;
        size_t body_bytes = bigendian_load32(data + at + 8);
        if (body_bytes > size - at - BINARY_HEADER_BYTES)
            break;
        at += BINARY_HEADER_BYTES + body_bytes;
    }
    return picked;
}

/* Makes the part of a frame behind its header `bytes` long, if there is room
 * for that; the new size. */
static inline size_t frames_resize(uint8_t *data, size_t size, size_t max_size,
                                   size_t start, size_t bytes)
{
    size_t body_at = start + BINARY_HEADER_BYTES;
    size_t old_bytes = bigendian_load32(data + start + 8);

    if (old_bytes > size - body_at)
        old_bytes = size - body_at;
    if (size - old_bytes + bytes > max_size)
        return size;
    memmove(data + body_at + bytes, data + body_at + old_bytes,
            size - body_at - old_bytes);
    if (bytes > old_bytes)
        memset(data + body_at + old_bytes, 'x', bytes - old_bytes);
    bigendian_store32(data + start + 8, (uint32_t)bytes);
    return size - old_bytes + bytes;
}

static inline size_t frames_mutate(uint8_t *data, size_t size, size_t max_size,
                                   unsigned seed)
{
    static const uint16_t keys[] = {0, 1, 2, 249, 250, 251, 256, 65535};
    static const uint8_t extras[] = {0, 1, 4, 8, 20, 21, 255};
    static const uint32_t bodies[] = {
        0, 1, 65536, 1048576, INT32_MAX, UINT32_C(0x80000000), UINT32_MAX};
    struct prng prng = {.state = seed};
    size_t start = frames_pick(data, size, &prng);

    if (start == size || prng_below(&prng, 3) != 0)
        return LLVMFuzzerMutate(data, size, max_size);
    uint8_t *header = data + start;
    switch (prng_below(&prng, 5)) {
    case 0:
        header[1] = (uint8_t)prng_below(&prng, BINARY_GATKQ + 2);
        return size;
    case 1:
        bigendian_store16(header + 2, keys[prng_below(&prng, 8)]);
        break;
    case 2:
        header[4] = prng_below(&prng, 2) == 0
                        ? extras[prng_below(&prng, 7)]
                        : (uint8_t)(header[4] + 2 * prng_below(&prng, 2) - 1);
        break;
    case 3:
        bigendian_store32(header + 8, bodies[prng_below(&prng, 7)]);
        return size;
    default:
        break;
    }
    /* The body that goes with it, give or take a byte. */
    size_t framed_bytes = (size_t)bigendian_load16(header + 2) + header[4];
    size_t body_bytes = framed_bytes + prng_below(&prng, 4);
    return frames_resize(data, size, max_size, start,
                         body_bytes - (framed_bytes > 0));
}

#endif
