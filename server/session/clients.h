/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients: everybody who is connected, and the threads that serve them.
 *
 * A connection is given to one thread in turn and stays there.
 * Threads: all calls are for the main thread, unless said otherwise.
 */
#ifndef SERVER_SESSION_CLIENTS_H
#define SERVER_SESSION_CLIENTS_H

#include "server/command/execute.h"
#include "server/log/log.h"
#include "server/loop/clock.h"
#include "server/loop/listener.h"
#include "server/loop/tls.h"
#include "server/loop/worker.h"
#include "server/peer/peers.h"
#include "server/session/lock_keys.h"
#include "server/stats/prefixes.h"
#include "server/stats/stats.h"

struct clients;
struct exchanges;
struct throttle;
struct users;

/* All borrowed for the life of the clients. */
struct clients_settings {
    struct store *store;
    struct stats *stats;
    struct log *log;
    const struct clock *clock;
    struct peers *peers;         /* NULL: alone */
    struct users *users;         /* NULL: anybody; else text clients say who */
    struct exchanges *exchanges; /* likewise, of binary clients */
    struct throttle *throttle;   /* of those who say it wrongly */
    bool fails_when_degraded;    /* rather than answering as if all held it */
    bool locks_end_with_connection; /* with that of the client that has them */
    enum homing homing;             /* what homes decide, where there are any */
    struct lock_keys lock_keys;     /* keys that they decide all of */
    size_t threads_count;
    size_t connections_max;
    size_t turn_commands_max; /* of one client, before others have a turn */
    unsigned backlog;         /* of the listeners, for stats */
    struct tls *tls;          /* NULL: all come in the clear */
    bool has_tls_sessions;    /* it remembers its clients */
    time_us idle_timeout;     /* of TCP connections; 0: none */
    /* Clients beyond connections_max wait, rather than being told and closed:
     * `admit` is called, in the thread of `worker`, when the doors are to be
     * closed, and when they are to be opened again. */
    bool surplus_waits;
    struct worker *worker;
    void (*admit)(void *context, bool is_open);
    void *admit_context;
    size_t watcher_bytes;  /* lines that wait for one that watches */
    size_t bulletin_bytes; /* and those that a thread gathers for all */
    /* What clients may ask for, as -A, -F, -X and -W say. */
    bool enable_shutdown;
    bool disable_flush_all;
    bool disable_dumping;
    bool disable_watch;
    bool counts_prefixes; /* from the start, as -D says */
    bool disable_cas;     /* as -C: no token is told, none compared */
    struct tuning tuning; /* what operators may change, for stats to show */
};

/* NULL when memory or threads are out. */
struct clients *clients_create(const struct clients_settings *settings);

/* How many are connected. */
size_t clients_count(const struct clients *clients);

/* Ends all connections and threads; what the peers have to say is not heard
 * any more, but may still be said. */
void clients_stop(struct clients *clients);

/* False where a thread does not end, as what it asked outside gives no answer:
 * all that it may use is left as it is, and the process has to end. */
MUST_USE bool clients_destroy(struct clients *clients);

/* For the thread of the peers: the callbacks of that name. */
void clients_answered(void *context, size_t crew, uint64_t number,
                      bool is_degraded);
void clients_told(void *context, struct span line);

/* For any thread, while `item` is held: it is about to be evicted. */
void clients_evicted(const struct item *item, time_us now, void *context);
/* Where they come in, for `stats conns`; once, before the first of them. */
void clients_show_doors(struct clients *clients, const struct listener *doors);

/* Takes a connection that was accepted; the context is the door. */
void clients_accept(int fd, void *context);

#endif
