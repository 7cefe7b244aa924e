/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/base/splice.h"

/* Compared at a time: long enough for memcmp() to be at its best, short enough
 * for the block that differs to be looked at once more. */
#define BLOCK_BYTES ((size_t)256)
#define WORD_BYTES sizeof(uint64_t)

static size_t common_start(const uint8_t *a, const uint8_t *b, size_t bytes)
{
    size_t at = 0;

    while (bytes - at >= BLOCK_BYTES &&
           memcmp(a + at, b + at, BLOCK_BYTES) == 0)
        at += BLOCK_BYTES;
    while (bytes - at >= WORD_BYTES && memcmp(a + at, b + at, WORD_BYTES) == 0)
        at += WORD_BYTES;
    while (at < bytes && a[at] == b[at])
        at++;
    return at;
}

/* Of the `bytes` before the two ends. */
static size_t common_end(const uint8_t *a, const uint8_t *b, size_t bytes)
{
    size_t left = bytes;

    while (left >= BLOCK_BYTES &&
           memcmp(a - BLOCK_BYTES, b - BLOCK_BYTES, BLOCK_BYTES) == 0) {
        a -= BLOCK_BYTES;
        b -= BLOCK_BYTES;
        left -= BLOCK_BYTES;
    }
    while (left >= WORD_BYTES &&
           memcmp(a - WORD_BYTES, b - WORD_BYTES, WORD_BYTES) == 0) {
        a -= WORD_BYTES;
        b -= WORD_BYTES;
        left -= WORD_BYTES;
    }
    while (left > 0 && a[-1] == b[-1]) {
        a--;
        b--;
        left--;
    }
    return bytes - left;
}

struct splice splice_between(struct span before, struct span after)
{
    size_t bytes = before.length < after.length ? before.length : after.length;
    size_t start = common_start(before.data, after.data, bytes);
    size_t end = common_end(before.data + before.length,
                            after.data + after.length, bytes - start);

    return (struct splice){.offset = start,
                           .cut_bytes = before.length - start - end,
                           .put_bytes = after.length - start - end};
}
