/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Span: bytes that belong to somebody else.
 *
 * Borrows: `data` stays the owner's; how long it may be used is said by the
 *          function that hands the span out.
 */
#ifndef PROTO_BASE_SPAN_H
#define PROTO_BASE_SPAN_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_USE __attribute__((warn_unused_result))

struct span {
    const uint8_t *data;
    size_t length;
};

/* The span of a string literal, without its closing zero. */
#define SPAN(literal)                                                          \
    ((struct span){(const uint8_t *)(literal), sizeof(literal) - 1})

static inline struct span span_of(const void *data, size_t length)
{
    return (struct span){(const uint8_t *)data, length};
}

static inline struct span span_of_string(const char *string)
{
    return span_of(string, strlen(string));
}

static inline bool span_equal(struct span a, struct span b)
{
    return a.length == b.length &&
           (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

/* Copies `span` to `to` and returns the byte after it. */
static inline uint8_t *span_copy(uint8_t *to, struct span span)
{
    if (span.length > 0)
        memcpy(to, span.data, span.length);
    return to + span.length;
}

/* The first blank from `at` on, or `end`: eight bytes at a time.  (Mycroft's
 * test for a byte that is 0; words are too short for a call of memchr.) */
static inline const uint8_t *span_find_blank(const uint8_t *at,
                                             const uint8_t *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t bytes;

    for (; end - at >= (ptrdiff_t)sizeof(bytes); at += sizeof(bytes)) {
        memcpy(&bytes, at, sizeof(bytes));
        bytes = le64toh(bytes) ^ ones * ' ';
        uint64_t found = (bytes - ones) & ~bytes & ones << 7;
        if (found != 0)
            return at + __builtin_ctzll(found) / 8;
    }
    while (at < end && *at != ' ')
        at++;
    return at;
}

/* The first byte from `at` on that ends a word: a blank, or what controls; or
 * `end`.  (The same test, for bytes below a bound.) */
static inline const uint8_t *span_find_end(const uint8_t *at,
                                           const uint8_t *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t bytes;

    for (; end - at >= (ptrdiff_t)sizeof(bytes); at += sizeof(bytes)) {
        memcpy(&bytes, at, sizeof(bytes));
        bytes = le64toh(bytes);
        uint64_t found = (bytes - ones * (' ' + 1)) & ~bytes & ones << 7;
        if (found != 0)
            return at + __builtin_ctzll(found) / 8;
    }
    while (at<end && * at> ' ')
        at++;
    return at;
}

/* Takes the first word of `rest`: what stands up to a blank, behind any
 * number of them; empty where there is none. */
static inline struct span span_take_word(struct span *rest)
{
    const uint8_t *at = rest->data;
    const uint8_t *end = rest->data + rest->length;

    while (at < end && *at == ' ')
        at++;
    const uint8_t *start = at;
    at = span_find_blank(at, end);
    *rest = span_of(at, (size_t)(end - at));
    return span_of(start, (size_t)(at - start));
}

#endif
