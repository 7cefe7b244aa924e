/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients: everybody who is connected, and the threads that serve them.
 *
 * A connection is given to one thread in turn and stays there.
 * Threads: all calls are for the main thread, unless said otherwise.
 */
#ifndef SERVER_SESSION_CLIENTS_H
#define SERVER_SESSION_CLIENTS_H

#include "proto/memcached/command.h"
#include "server/log/log.h"
#include "server/loop/clock.h"
#include "server/peer/peers.h"
#include "server/stats/stats.h"

struct clients;

/* All borrowed for the life of the clients. */
struct clients_settings {
    struct store *store;
    struct stats *stats;
    struct log *log;
    const struct clock *clock;
    struct peers *peers;      /* NULL: alone */
    bool fails_when_degraded; /* rather than answering as if all held it */
    size_t threads_count;
    size_t connections_max;
    size_t turn_commands_max; /* of one client, before others have a turn */
    unsigned backlog;         /* of the listeners, for stats */
    enum protocol protocol;   /* PROTOCOL_UNKNOWN: each client's own */
    /* What clients may ask for, as -A, -F, -X and -W say. */
    bool enable_shutdown;
    bool disable_flush_all;
    bool disable_dumping;
    bool disable_watch;
    bool disable_cas; /* as -C: no token is told, none compared */
};

/* NULL when memory or threads are out. */
struct clients *clients_create(const struct clients_settings *settings);

/* Ends all connections and threads; what the peers have to say is not heard
 * any more, but may still be said. */
void clients_stop(struct clients *clients);
void clients_destroy(struct clients *clients);

/* For the thread of the peers: the callbacks of that name. */
void clients_answered(void *context, size_t crew, uint64_t number,
                      bool is_degraded);
void clients_told(void *context, struct span line);

/* Takes a connection that was accepted; the context is the clients. */
void clients_accept(int fd, void *context);

#endif
