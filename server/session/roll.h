/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Roll: a walk over the connections of all threads, for `stats conns`.
 *
 * A connection is known to its own thread only, so the roll travels: it
 * visits one thread after the other, some connections at a time, and comes
 * back to the session that asked each time.  Nobody waits for it but that
 * session.
 */
#ifndef SERVER_SESSION_ROLL_H
#define SERVER_SESSION_ROLL_H

#include "proto/base/span.h"

struct clients;
struct crew;
struct roll;
struct session;

/* Threads: the session's, but for rolls_pass() and rolls_destroy(). */

/* NULL if memory is out. */
struct roll *roll_create(struct session *session);

/* What it brought, until it is cleared of it. */
struct span roll_text(const struct roll *roll);
void roll_clear(struct roll *roll);

/* Sends it on; session_resume() when it is back.  False: it has been to all,
 * or the post has no memory. */
MUST_USE bool roll_travel(struct roll *roll);

/* The session does not want it any more. */
void roll_drop(struct roll *roll);

/* The rows of the sockets that accept, for the same list. */
size_t roll_write_door(const struct clients *clients, size_t number,
                       uint8_t *to, size_t room_bytes);

/* In the crew's thread: rolls that stand at that session go on without it. */
void rolls_pass(struct crew *crew, const struct session *session);

/* When all threads have ended. */
void rolls_destroy(struct clients *clients);

#endif
