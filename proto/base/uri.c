/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/base/uri.h"

/* By letter and digit, not by ctype: a locale has no say in this. */
static bool is_unreserved(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '.' ||
           byte == '_' || byte == '~';
}

static uint8_t *escape(uint8_t *to, uint8_t byte)
{
    static const char digits[] = "0123456789ABCDEF";

    *to++ = '%';
    *to++ = (uint8_t)digits[byte >> 4];
    *to++ = (uint8_t)digits[byte & 15];
    return to;
}

uint8_t *uri_escape(uint8_t *to, struct span text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (is_unreserved(text.data[i]))
            *to++ = text.data[i];
        else
            to = escape(to, text.data[i]);
    }
    return to;
}

uint8_t *uri_escape_blanks(uint8_t *to, struct span text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] > ' ' && text.data[i] != 0x7f)
            *to++ = text.data[i];
        else
            to = escape(to, text.data[i]);
    }
    return to;
}
