/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Delivery: whether clients got to know of the locks that they took.
 *
 * A client that hung up while its command was on the way is not there to give
 * its lock back, and nobody else gets it before its exptime.  So a lock is
 * released whose taking could not be told: the reply was not sent, or what it
 * was sent to was closed.  A client that only ceased to send, and still reads,
 * has its lock.
 *
 * Threads: the crew's.
 */
#ifndef SERVER_SESSION_DELIVERY_H
#define SERVER_SESSION_DELIVERY_H

#include "server/session/crew.h"

/* As replies_flush(), and looks whether it gets there, if that matters: false
 * also where nobody is there any more; the session is broken then. */
bool delivery_flush(struct session *session);

/* The session ends; its descriptor is open yet, its output as it was. */
void delivery_end(struct session *session);

/* Forgets those that the crew waits for. */
void deliveries_destroy(struct crew *crew);

#endif
