/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics: the answers to `stats`.
 *
 * Threads: the crew's.
 * Fails:   when memory is out; the connection is to be closed then.
 */
#ifndef SERVER_SESSION_STATISTICS_H
#define SERVER_SESSION_STATISTICS_H

#include "server/session/crew.h"

/* Answers a COMMAND_STATS, or begins to. */
MUST_USE bool statistics_answer(struct session *session,
                                const struct command *command);

/* Writes the rows of `stats farm` (farm_statistics.c). */
MUST_USE bool farm_statistics_write(struct crew *crew,
                                    const struct command *command,
                                    struct output *output);

#endif
