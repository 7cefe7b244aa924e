/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hits: a `get` of what is here, most of all that clients ask for.
 *
 * It is answered at once, without what other commands need to be executed: a
 * fifth of its instructions.  Whatever is special about it, a miss, too, is
 * left to those who know (requests.c, server/command/).
 */
#ifndef SERVER_SESSION_HITS_H
#define SERVER_SESSION_HITS_H

#include "server/session/state.h"

/* It is a plain `get`, of the text protocol. */
static inline bool hits_may_take(const struct command *command)
{
    return command_only_reads(command) && command->protocol == PROTOCOL_TEXT &&
           !command->with_token;
}

/* Answers such a `command`, whose hash is set, and counts it; or false: nothing
 * was done. */
bool hits_take(struct session *session, const struct command *command);

#endif
