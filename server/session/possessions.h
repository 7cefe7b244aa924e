/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Possessions: the locks that one session's client has taken and not given
 * back, each by the cas token that its taking, or its own last write over it,
 * had.
 *
 * Threads: that of the session's crew.
 */
#ifndef SERVER_SESSION_POSSESSIONS_H
#define SERVER_SESSION_POSSESSIONS_H

#include "server/command/lock.h"

/* Those beyond are not kept in mind: they live until their exptime. */
#define POSSESSIONS_MAX 256

struct possession {
    struct possession *next;
    uint64_t token;
    size_t reply_bytes; /* of the output, before the reply that told of it */
    uint8_t key_bytes;
    uint8_t key[COMMAND_KEY_BYTES_MAX];
};

struct possessions {
    struct possession *first;
    size_t count;
};

/* Notes what came of a command. */
void possessions_note(struct possessions *possessions,
                      const struct command *command,
                      const struct execution *execution);

/* The same, but what was written over a lock is no new possession: it may be
 * the renewal of one that its client goes on to hold.  Returns what was taken,
 * borrowed, or NULL. */
struct possession *possessions_note_taking(struct possessions *possessions,
                                           const struct command *command,
                                           const struct execution *execution);

/* Forgets the one that `at` leads to. */
void possessions_forget(struct possessions *possessions,
                        struct possession **at);

void possessions_release(struct possessions *possessions);

#endif
