/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Session: one client connection; bytes in, commands, bytes out.
 *
 * A turn reads once, answers what came, writes once.  Replies keep the order
 * of the requests.  While a reply waits for the client to read, nothing more
 * is read from it; other clients are not kept waiting by it.
 *
 * Threads: its crew's.
 */
#ifndef SERVER_SESSION_SESSION_H
#define SERVER_SESSION_SESSION_H

#include "server/session/crew.h"
#include "server/session/doors.h"

/* Takes `fd`, that came in through `door`, unless it returns false. */
MUST_USE bool session_create(struct crew *crew, const struct door *door,
                             int fd);
void session_destroy(struct session *session);

/* What the session asked the farm is answered. */
void session_resume(struct session *session);

/* Records up to `number` need not be waited for any more. */
void session_answer_all(struct crew *crew, uint64_t number, bool is_degraded);

/* Shows lines of a bulletin to all sessions of the crew that watch. */
void session_tell_all(struct crew *crew, struct span lines);

#endif
