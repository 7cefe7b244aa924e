/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/base/decimal.h"

struct decimal decimal_parse(struct span text)
{
    struct decimal parsed = {.ok = false};

    for (; parsed.used < text.length; parsed.used++) {
        unsigned digit = (unsigned)text.data[parsed.used] - '0';
        if (digit > 9)
            break;
        if (parsed.value > (UINT64_MAX - digit) / 10)
            return (struct decimal){.ok = false};
        parsed.value = parsed.value * 10 + digit;
    }

    parsed.ok = parsed.used > 0;
    return parsed;
}

bool decimal_parse_whole(struct span text, uint64_t *value)
{
    struct decimal parsed = decimal_parse(text);

    *value = parsed.value;
    return parsed.ok && parsed.used == text.length;
}

bool decimal_parse_signed(struct span text, int64_t *value)
{
    bool is_negative = text.length > 0 && text.data[0] == '-';
    uint64_t size;

    if (is_negative)
        text = span_of(text.data + 1, text.length - 1);
    if (!decimal_parse_whole(text, &size) || size > INT64_MAX)
        return false;
    *value = is_negative ? -(int64_t)size : (int64_t)size;
    return true;
}

uint8_t *decimal_format(uint8_t to[DECIMAL_DIGITS_MAX], uint64_t value)
{
    uint8_t digits[DECIMAL_DIGITS_MAX];
    size_t first = sizeof(digits);

    do {
        digits[--first] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return span_copy(to, span_of(digits + first, sizeof(digits) - first));
}
