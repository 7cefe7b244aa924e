/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/base/base64.h"

static uint8_t letter(uint32_t six)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789+/";

    return (uint8_t)letters[six & 63];
}

uint8_t *base64_encode(uint8_t *to, struct span bytes)
{
    for (size_t i = 0; i < bytes.length; i += 3) {
        size_t left = bytes.length - i;
        uint32_t group = (uint32_t)bytes.data[i] << 16;
        if (left > 1)
            group |= (uint32_t)bytes.data[i + 1] << 8;
        if (left > 2)
            group |= bytes.data[i + 2];
        *to++ = letter(group >> 18);
        *to++ = letter(group >> 12);
        *to++ = left > 1 ? letter(group >> 6) : '=';
        *to++ = left > 2 ? letter(group) : '=';
    }
    return to;
}

/* 64 where it is none. */
static uint32_t six_bits(uint8_t letter)
{
    if (letter >= 'A' && letter <= 'Z')
        return letter - (uint32_t)'A';
    if (letter >= 'a' && letter <= 'z')
        return letter - (uint32_t)'a' + 26;
    if (letter >= '0' && letter <= '9')
        return letter - (uint32_t)'0' + 52;
    if (letter == '+')
        return 62;
    return letter == '/' ? 63 : 64;
}

size_t base64_decode(uint8_t *to, struct span text)
{
    size_t bytes = 0;

    if (text.length % 4 != 0)
        return 0;
    for (size_t i = 0; i < text.length; i += 4) {
        const uint8_t *at = text.data + i;
        size_t padding = 0;
        if (i + 4 == text.length && at[3] == '=')
            padding = at[2] == '=' ? 2 : 1;
        uint32_t group = 0;
        for (size_t k = 0; k < 4; k++) {
            uint32_t bits = k < 4 - padding ? six_bits(at[k]) : 0;
            if (bits > 63)
                return 0;
            group = group << 6 | bits;
        }
        for (size_t k = 0; k < 3 - padding; k++)
            to[bytes++] = (uint8_t)(group >> (16 - 8 * k));
    }
    return bytes;
}
