/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/base/uri.h"

/* By letter and digit, not by ctype: a locale has no say in this. */
static bool is_unreserved(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' ||
           byte == '_' || byte == '~';
}

uint8_t *uri_escape(uint8_t *to, struct span text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = text.data[i];
        if (is_unreserved(byte)) {
            *to++ = byte;
            continue;
        }
        *to++ = '%';
        *to++ = (uint8_t)digits[byte >> 4];
        *to++ = (uint8_t)digits[byte & 15];
    }
    return to;
}
