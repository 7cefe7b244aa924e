/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Server: what grapevined is made of, and who puts which part in its place;
 * main.c says in which order.
 *
 * Fails:   false, once the reason was told to whoever starts it.
 * Threads: the main one's.
 */
#ifndef SERVER_START_SERVER_H
#define SERVER_START_SERVER_H

#include "server/auth/exchange.h"
#include "server/auth/throttle.h"
#include "server/auth/users.h"
#include "server/config/config.h"
#include "server/log/log.h"
#include "server/loop/clock.h"
#include "server/loop/worker.h"
#include "server/maintenance/maintenance.h"
#include "server/process/reloads.h"
#include "server/start/settings.h"
#include "server/stats/stats.h"

/* TERM, INT, USR1 and HUP. */
#define SERVER_SIGNALS 4

struct server {
    struct config config;
    struct process process;
    struct clock clock;
    struct log *log;
    struct store *store;
    struct stats *stats;
    struct users *users;         /* NULL: no -Y */
    struct exchanges *exchanges; /* NULL: no -S */
    struct throttle *throttle;
    struct worker *worker; /* of this thread */
    struct tls *links_tls; /* NULL: links of the farm are in the clear */
    struct peers *peers;   /* NULL: alone */
    uint64_t farm_id;      /* of this start */
    struct clients *clients;
    struct tls *tls; /* NULL: clients are served in the clear */
    struct doors *doors;
    struct maintenance *maintenance;
    struct reloads reloads;
    struct timer *signals[SERVER_SIGNALS];
    struct timer *farewell; /* of clients, once it was told to end, or NULL */
    time_us leaves_at;      /* then at the latest, on its own clock */
    bool is_leaving;
};

/* Tells the reason on stderr; false. */
bool server_fail(const char *reason);

/* ---- replica.c: the store ---- */

bool replica_create(struct server *server);

/* ---- access.c: who may come in, and by what certificate ---- */

/* While this is still root, who alone may read the key perhaps. */
bool access_open(struct server *server);
bool access_create(struct server *server);
void access_destroy(struct server *server);

/* ---- membership.c: the farm, if there is one ---- */

/* While this is still root, as access_open(). */
bool membership_open(struct server *server);
void membership_destroy(struct server *server);
bool membership_create(struct server *server);
bool membership_start(struct server *server);

/* Of the versions that this server draws.  What two draw alike is noticed
 * when they meet. */
uint16_t membership_tag(const struct server *server);

/* ---- entrance.c: the clients, and where they come in ---- */

bool entrance_create(struct server *server);
bool entrance_open(struct server *server);

/* ---- signals.c ---- */

bool signals_heed(struct server *server);
void signals_forget(struct server *server);

#endif
