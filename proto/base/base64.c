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
