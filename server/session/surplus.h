/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Surplus: clients beyond connections_max who wait outside until another one
 * goes, where surplus_waits says so; the inside of this room.
 *
 * Threads: any, unless said otherwise.
 */
#ifndef SERVER_SESSION_SURPLUS_H
#define SERVER_SESSION_SURPLUS_H

#include "server/session/crew.h"

/* Another client is inside: the main thread's.  With the last that there is
 * room for, nobody is let in any more. */
void surplus_came(struct clients *clients);

/* One has gone: whoever waits is let in. */
void surplus_went(struct clients *clients);

/* Since the start, as of `now`. */
void surplus_read(struct clients *clients, time_us now,
                  struct stats_live *live);

#endif
