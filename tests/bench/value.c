/* SPDX-License-Identifier: BSD-3-Clause */
#include "value.h"

#include <string.h>

#include "dice.h"

#define WORD_BYTES sizeof(uint64_t)
#define STRIDE 0x9e3779b97f4a7c15

/*
 * A value is the sequence stamp, stamp + STRIDE, ... in 8-byte words, the
 * last one cut: it costs the generator little beside the server's work.
 */
static uint64_t stamp(uint64_t number, size_t bytes)
{
    struct dice dice = dice_seeded(number << 32 ^ bytes);

    return dice_roll(&dice);
}

void value_fill(uint64_t number, char *at, size_t bytes)
{
    uint64_t word = stamp(number, bytes);

    for (; bytes >= WORD_BYTES; bytes -= WORD_BYTES) {
        memcpy(at, &word, WORD_BYTES);
        at += WORD_BYTES;
        word += STRIDE;
    }
    memcpy(at, &word, bytes);
}

bool value_is(uint64_t number, const char *at, size_t bytes)
{
    uint64_t word = stamp(number, bytes);

    for (; bytes >= WORD_BYTES; bytes -= WORD_BYTES) {
        if (memcmp(at, &word, WORD_BYTES) != 0)
            return false;
        at += WORD_BYTES;
        word += STRIDE;
    }
    return memcmp(at, &word, bytes) == 0;
}
