/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Idle: TCP connections that are silent for idle_timeout are closed.
 *
 * One look at all sessions of a crew now and then, rather than a timer for
 * each: a silent one stays up to a tenth of its time longer, or a second.
 */
#ifndef SERVER_SESSION_IDLE_H
#define SERVER_SESSION_IDLE_H

#include "server/session/crew.h"

/* For the thread that makes the crew; false if memory is out. */
MUST_USE bool idle_begin(struct crew *crew);

#endif
