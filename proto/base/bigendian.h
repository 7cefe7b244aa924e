/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bigendian: unsigned numbers in network byte order, at any alignment.
 */
#ifndef PROTO_BASE_BIGENDIAN_H
#define PROTO_BASE_BIGENDIAN_H

#include <stdint.h>

static inline uint16_t bigendian_load16(const uint8_t *from)
{
    return (uint16_t)((unsigned)from[0] << 8 | from[1]);
}

static inline uint32_t bigendian_load32(const uint8_t *from)
{
    return (uint32_t)bigendian_load16(from) << 16 | bigendian_load16(from + 2);
}

static inline uint64_t bigendian_load64(const uint8_t *from)
{
    return (uint64_t)bigendian_load32(from) << 32 | bigendian_load32(from + 4);
}

/* Each store returns the byte after what it wrote. */
static inline uint8_t *bigendian_store16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
    return to + 2;
}

static inline uint8_t *bigendian_store32(uint8_t *to, uint32_t value)
{
    to = bigendian_store16(to, (uint16_t)(value >> 16));
    return bigendian_store16(to, (uint16_t)value);
}

static inline uint8_t *bigendian_store64(uint8_t *to, uint64_t value)
{
    to = bigendian_store32(to, (uint32_t)(value >> 32));
    return bigendian_store32(to, (uint32_t)value);
}

#endif
