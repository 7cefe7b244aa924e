/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Decimal: unsigned numbers as text, both ways.
 */
#ifndef PROTO_BASE_DECIMAL_H
#define PROTO_BASE_DECIMAL_H

#include "proto/base/span.h"

/* Digits of the largest number, 18446744073709551615. */
#define DECIMAL_DIGITS_MAX 20

/* `used` digits held `value`; `ok` is false for no digits or overflow. */
struct decimal {
    bool ok;
    uint64_t value;
    size_t used;
};

/* Reads the digits that `text` begins with; stops before any other byte. */
struct decimal decimal_parse(struct span text);

/* True, with the number in `value`, where `text` is digits and no more. */
MUST_USE bool decimal_parse_whole(struct span text, uint64_t *value);

/* The same, perhaps behind a minus, for what an int64_t holds. */
MUST_USE bool decimal_parse_signed(struct span text, int64_t *value);

/* Writes `value` to `to` and returns the byte after the last digit. */
uint8_t *decimal_format(uint8_t to[DECIMAL_DIGITS_MAX], uint64_t value);

#endif
