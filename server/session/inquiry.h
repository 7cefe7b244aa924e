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

/* About nothing yet.  NULL if memory is out. */
struct inquiry *inquiry_create(struct crew *crew, struct session *session);

/* One key more; what was added before, or is too much, is not added. */
void inquiry_add(struct inquiry *inquiry, const struct command *command);

/* Asks; session_resume() is called when all answers are there.  False if
 * memory is out. */
MUST_USE bool inquiry_send(struct inquiry *inquiry);

/* True where the key was asked about; whether everybody answered. */
bool inquiry_knows(const struct inquiry *inquiry, uint64_t hash,
                   bool *is_certain);

/* The session has no use for it any more.  NULL is fine. */
void inquiry_drop(struct inquiry *inquiry);

/* For the thread of the peers: what it calls when a lookup has ended. */
void inquiry_found(uint64_t waiter, bool is_certain);

/* Frees what the crew's sessions asked and nobody will answer. */
void inquiries_destroy(struct crew *crew);

#endif
