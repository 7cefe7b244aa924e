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
    uint64_t number = 0;
    size_t used = 0;

    /* Only numbers as long as the largest can be too large. */
    if (text.length >= DECIMAL_DIGITS_MAX) {
        struct decimal parsed = decimal_parse(text);
        *value = parsed.value;
        return parsed.ok && parsed.used == text.length;
    }
    for (; used < text.length; used++) {
        unsigned digit = (unsigned)text.data[used] - '0';
        if (digit > 9)
            break;
        number = number * 10 + digit;
    }
    *value = number;
    return used > 0 && used == text.length;
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

/* How many digits `value` has. */
static size_t count_digits(uint64_t value)
{
    size_t count = 1;
    uint64_t above = 10;

    for (; count < DECIMAL_DIGITS_MAX && value >= above; count++)
        above *= 10;
    return count;
}

uint8_t *decimal_format(uint8_t to[DECIMAL_DIGITS_MAX], uint64_t value)
{
    /* Most flags, and many lengths, are that short. */
    if (value < 10) {
        *to = (uint8_t)('0' + value);
        return to + 1;
    }
    if (value < 100) {
        to[0] = (uint8_t)('0' + value / 10);
        to[1] = (uint8_t)('0' + value % 10);
        return to + 2;
    }
    if (value < 1000) {
        to[0] = (uint8_t)('0' + value / 100);
        to[1] = (uint8_t)('0' + value / 10 % 10);
        to[2] = (uint8_t)('0' + value % 10);
        return to + 3;
    }
    uint8_t *end = to + count_digits(value);
    uint8_t *at = end;

    for (; value >= 10; value /= 10)
        *--at = (uint8_t)('0' + value % 10);
    *--at = (uint8_t)('0' + value);
    return end;
}
