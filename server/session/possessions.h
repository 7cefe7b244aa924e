/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Possessions: the locks that one session's client has taken and not given
 * back, each as of the version that it wrote.
 *
 * Threads: that of the session's crew.
 */
#ifndef SERVER_SESSION_POSSESSIONS_H
#define SERVER_SESSION_POSSESSIONS_H

#include "proto/memcached/reply.h"

/* Those beyond are not kept in mind: they live until their exptime. */
#define POSSESSIONS_MAX 256

struct possession {
    struct possession *next;
    uint64_t token;
    uint8_t key_bytes;
    uint8_t key[COMMAND_KEY_BYTES_MAX];
};

struct possessions {
    struct possession *first;
    size_t count;
};

/* The command took a lock, says what came of it. */
bool possessions_is_taken(const struct command *command,
                          const struct outcome *outcome);

/* Notes what came of a command on a lock. */
void possessions_note(struct possessions *possessions,
                      const struct command *command,
                      const struct outcome *outcome);

/* False where memory is out, or there are too many. */
MUST_USE bool possessions_add(struct possessions *possessions, struct span key,
                              uint64_t token);

void possessions_release(struct possessions *possessions);

#endif
