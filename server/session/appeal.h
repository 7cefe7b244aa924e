/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Appeal: a run of commands that one session has homes decide at once, while it
 * waits.
 *
 * Threads: its crew's; the thread of the peers fills in what was decided.
 */
#ifndef SERVER_SESSION_APPEAL_H
#define SERVER_SESSION_APPEAL_H

#include "server/session/crew.h"
#include "server/session/possessions.h"

struct appeal;

/* Has homes decide the first of these commands, and those behind it up to the
 * first that need not go there.  Until that is done, and session_resume() is
 * called, the session does nothing else; then it meets them again. */
void appeal_begin(struct session *session, const struct command *commands,
                  size_t count);

/* Answers the next command of the run that came back, which is `command`. */
void appeal_answer(struct session *session, const struct command *command);

/* Deletes locks, each if it is still of that taking, for nobody who waits. */
void appeal_release(struct crew *crew, const struct possessions *locks);

/* The session has no use for it any more: locks that it was to be told of are
 * given back.  NULL is fine. */
void appeal_drop(struct appeal *appeal);

/* For the thread of the peers: what it calls when homes have decided. */
void appeal_decided(uint64_t waiter, struct span verdicts);

/* Frees what the crew's sessions asked and nobody will answer. */
void appeals_destroy(struct crew *crew);

#endif
