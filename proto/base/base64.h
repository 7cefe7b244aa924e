/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Base64: bytes as letters (RFC 4648).
 */
#ifndef PROTO_BASE_BASE64_H
#define PROTO_BASE_BASE64_H

#include "proto/base/span.h"

/* What so many bytes become. */
#define BASE64_BYTES(bytes) (((bytes) + 2) / 3 * 4)

/*
 * Writes what padded `text` stands for to `to`, which has room for three
 * bytes in four of it, and tells how many that are; 0 where it is not base64,
 * or nothing.  Bits that the last letter has too much are not looked at.
 */
size_t base64_decode(uint8_t *to, struct span text);

/* Writes `bytes`, padded, and returns the byte behind it. */
uint8_t *base64_encode(uint8_t *to, struct span bytes);

#endif
