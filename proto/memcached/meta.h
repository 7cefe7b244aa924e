/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Meta: the meta commands, from words to commands: mg ms md ma me mn.
 *
 * A line is a word, a key, for ms a length, then flags: one letter each, some
 * with a token right behind it.  What they ask for is in `struct command`;
 * the reply takes them up in the order in which they came, so that they stay
 * with it as `tokens`.
 */
#ifndef PROTO_MEMCACHED_META_H
#define PROTO_MEMCACHED_META_H

#include "proto/memcached/command.h"

/* Words of a line, the first and the key among them. */
#define META_WORDS_MAX 20
/* An opaque token, its letter included. */
#define META_OPAQUE_BYTES_MAX 32

/* What meta_keep_flags() writes: an opaque token, and letters with blanks. */
#define META_KEPT_BYTES_MAX (META_OPAQUE_BYTES_MAX + 2 * META_WORDS_MAX)

/*
 * False where `word` is none of them.  Else `command` is filled: executable,
 * or refused; a COMMAND_STORE still lacks its value, of `value_bytes`.
 * `rest` is the line behind the word.
 */
MUST_USE bool meta_parse(struct span word, struct span rest,
                         struct command *command);

/* Takes the next flag, token included, off `tokens`; false: there is none. */
static inline bool meta_next_flag(struct span *tokens, struct span *flag)
{
    if (tokens->length == 0)
        return false;
    *flag = span_take_word(tokens);
    return flag->length > 0;
}

/* Copies of the flags what a reply to a store takes up, for a command that
 * outlives its line. */
struct span meta_keep_flags(struct span tokens,
                            uint8_t to[META_KEPT_BYTES_MAX]);

#endif
