/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parsing: a parser, alone, on what a fuzzer makes up.
 *
 * The driver of the unit tests holds the parser to what it owes, and the
 * address sanitizer to the input's size; here the same bytes cut into reads
 * of any sizes have to make the same commands.
 */
#ifndef TESTS_FUZZ_PARSING_H
#define TESTS_FUZZ_PARSING_H

#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/reads.h"
#include "tests/unit/conversation.h"

#define PARSING_CUTS_MAX 256
#define PARSING_ITEM_BYTES_MAX ((size_t)1024 * 1024)

/* Each control byte is the length of a read. */
static inline size_t parsing_cuts(struct reads *reads,
                                  size_t cuts[PARSING_CUTS_MAX])
{
    size_t count = 0;
    size_t at = 0;

    while (reads->controls.length > 0) {
        at += reads_control(reads);
        if (at > reads->sent.length)
            break;
        cuts[count++] = at;
    }
    return count;
}

static inline void parsing_try_all(enum protocol protocol, bool is_stranger,
                                   const uint8_t *data, size_t size,
                                   size_t bytes_max)
{
    struct reads reads = reads_of(data, size);
    struct conversation conversation = {
        .protocol = protocol,
        .limits = {.item_bytes_max = PARSING_ITEM_BYTES_MAX, .with_sasl = true},
        .bytes = reads.sent,
        .is_stranger = is_stranger};
    size_t cuts[PARSING_CUTS_MAX];
    size_t count = parsing_cuts(&reads, cuts);
    char *whole = conversation_transcript(&conversation, NULL, 0);
    char *cut = conversation_transcript(&conversation, cuts, count);

    if (strcmp(whole, cut) != 0 && reads.sent.length <= bytes_max) {
        fprintf(stderr, "in one read:\n%sin %zu reads:\n%s", whole, count + 1,
                cut);
        abort();
    }
    free(whole);
    free(cut);
}

/* `bytes_max`: more may be understood only if it comes in one read. */
static inline void parsing_try(enum protocol protocol, const uint8_t *data,
                               size_t size, size_t bytes_max)
{
    parsing_try_all(protocol, false, data, size, bytes_max);
}

/* The same of a client that was not let in. */
static inline void parsing_try_stranger(enum protocol protocol,
                                        const uint8_t *data, size_t size,
                                        size_t bytes_max)
{
    parsing_try_all(protocol, true, data, size, bytes_max);
}

#endif
