/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inquiry: the keys that one session asks the farm about at once, while it
 * waits.
 *
 * Threads: its crew's; the thread of the peers fills in the answers.
 */
#ifndef SERVER_SESSION_INQUIRY_H
#define SERVER_SESSION_INQUIRY_H

#include "server/session/crew.h"

struct inquiry;

/* Asks about the first of these commands, and what the others miss here;
 * until the answers come, and session_resume() is called, the session does
 * nothing else. */
void inquiry_begin(struct session *session, const struct command *commands,
                   size_t count);

/* True where the key was asked about; whether everybody answered. */
bool inquiry_knows(const struct inquiry *inquiry, uint64_t hash,
                   bool *is_certain);

/* What the farm answered is good for one turn: this one has ended. */
void inquiry_forget(struct session *session);

/* The session has no use for it any more.  NULL is fine. */
void inquiry_drop(struct inquiry *inquiry);

/* For the thread of the peers: what it calls when a lookup has ended. */
void inquiry_found(uint64_t waiter, bool is_certain);

/* Frees what the crew's sessions asked and nobody will answer. */
void inquiries_destroy(struct crew *crew);

#endif
