/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Conversation: what a parser makes of a client's bytes, whatever the reads
 * in which they come.
 *
 * Drives text_parse() or binary_parse(), or those of credentials.h, as a
 * session does: input that is not
 * enough is grown, what a command announces is skipped, and after a command
 * that closes nothing more is parsed.  Every call gets its input at the end
 * of guarded memory, so that one byte over is a fault, and so is any span
 * kept from before.
 *
 * Asserts what parsers owe to whoever drives them: progress, nothing used or
 * pointed at beyond the input, and no command asked for with input enough.
 */
#ifndef TESTS_UNIT_CONVERSATION_H
#define TESTS_UNIT_CONVERSATION_H

#include "proto/memcached/command.h"

struct conversation {
    enum protocol protocol;
    struct parse_limits limits;
    struct span bytes; /* all that the client sends */
    bool is_stranger;  /* it was not let in, and is not by what it says */
};

/*
 * One line for each command, with all its fields but those that have their
 * rest value, and one that says how it ends.  Read i brings the bytes before
 * `cuts[i]`, which ascend, and one more read the rest.  To be freed.
 */
char *conversation_transcript(const struct conversation *conversation,
                              const size_t *cuts, size_t cuts_count);

/* The same in one read, in every two reads, and in reads of one byte: false,
 * with a word on the difference printed, where the transcripts differ. */
MUST_USE bool
conversation_is_split_proof(const struct conversation *conversation);

#endif
