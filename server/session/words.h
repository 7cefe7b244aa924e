/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Words: a line of an operator's, taken apart.
 *
 * Borrows: the line, as long as the words are used.
 */
#ifndef SERVER_SESSION_WORDS_H
#define SERVER_SESSION_WORDS_H

#include "proto/base/span.h"

#define WORDS_KEPT_MAX 12

/* The words behind the first; those that are missing are empty. */
struct words {
    size_t count; /* of all, also where there are more than these */
    struct span at[WORDS_KEPT_MAX];
};

/* Returns the first word, and the others in `words`. */
struct span words_split(struct span line, struct words *words);

/* True where the last word is noreply: whoever ends a line so wants no answer,
 * and it is no word of the line any more. */
bool words_drop_noreply(struct words *words);

/* Whether the word at `index` is `word`, a number from 0 to 2^64 - 1, one
 * perhaps with a sign and a fraction, or one from -2^31 + 1 to 2^31 - 1. */
bool words_is(const struct words *words, size_t index, const char *word);
bool words_number(const struct words *words, size_t index, uint64_t *number);
bool words_real(const struct words *words, size_t index, double *number);
bool words_integer(const struct words *words, size_t index, int64_t *number);

#endif
