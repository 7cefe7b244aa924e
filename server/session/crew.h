/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Crew: what the sessions of one thread share, and what all threads share;
 * the inside of this room.
 */
#ifndef SERVER_SESSION_CREW_H
#define SERVER_SESSION_CREW_H

#include <pthread.h>
#include <stdatomic.h>

#include "proto/memcached/text.h"
#include "server/command/execute.h"
#include "server/loop/worker.h"
#include "server/peer/peers.h"
#include "server/session/bulletin.h"
#include "server/session/clients.h"
#include "server/session/output.h"
#include "server/session/service.h"

/* One read brings at most so much. */
#define CREW_INPUT_BYTES ((size_t)64 * 1024)
/* Commands that are parsed, and prefetched, before the first is executed. */
#define CREW_BATCH_MAX 32
/* Keys of one connection, in one turn; then others are served.  (Requests
 * have their own limit, turn_commands_max of the settings.) */
#define CREW_TURN_KEYS_MAX 2048

/* Sessions that are ready at the same time, and have their turns together. */
#define CREW_READY_MAX 64

/* Doors beyond these are not told of. */
#define CLIENTS_DOORS_MAX 128

/* What one `stats` counts for in a turn, in keys. */
#define CREW_STATS_KEYS 256
/* What an operator's word counts for: it may read files, or resize the
 * memory, which takes milliseconds. */
#define CREW_OPERATOR_KEYS (CREW_TURN_KEYS_MAX / 2)

struct session;
struct appeal;
struct delivery;
struct inquiry;
struct logins;
struct roll;

/* Memory of one kind that a crew's sessions have of their own; that crew
 * counts, any thread reads. */
struct holdings {
    _Atomic uint64_t count;
    _Atomic uint64_t bytes;
};

static inline void holdings_add(struct holdings *holdings, uint64_t count,
                                uint64_t bytes)
{
    atomic_store_explicit(
        &holdings->count,
        atomic_load_explicit(&holdings->count, memory_order_relaxed) + count,
        memory_order_relaxed);
    atomic_store_explicit(
        &holdings->bytes,
        atomic_load_explicit(&holdings->bytes, memory_order_relaxed) + bytes,
        memory_order_relaxed);
}

/* Where parsing stood before a command of the batch. */
struct mark {
    struct span rest;
    struct text_parser text;
};

/* A key that may be the first of those in the input, and its hash. */
struct guess {
    struct span key; /* empty: none */
    uint64_t hash;
};

/* One thread.  Buffers are lent to whichever session has its turn. */
struct crew {
    struct clients *clients;
    struct worker *worker;
    struct counters counters;
    struct onlooker *onlooker; /* of the store, for this thread */
    struct holdings inputs;    /* of requests that are not whole */
    struct holdings outputs;   /* of replies that are not read */
    size_t number;             /* among the crews */
    struct session *sessions;  /* all of this thread */
    struct session *holding;   /* those with replies that are held back */
    struct session *greeting;  /* encrypted ones that have yet to begin */
    struct session **greeting_end;
    struct timer *greeting_timer;
    struct session *watching;
    _Atomic unsigned watched;           /* streams, by these */
    _Atomic size_t lines_waiting_bytes; /* on their way to these */
    unsigned reporting; /* streams that anybody watches, as of this turn */
    struct sighting sighting; /* of the command that is executed */
    struct bulletin bulletin; /* what this crew has to tell */
    struct inquiry *inquiries;
    struct appeal *appeals;
    struct delivery *deliveries;
    size_t deliveries_count;
    struct roll *rolls;           /* that stand before a session here */
    _Atomic bool counts_prefixes; /* as `stats detail` was told */
    bool is_ended;                /* its sessions are gone for good */
    struct timer *idle_timer;     /* NULL: the silent may stay */
    uint64_t answered; /* records up to here are waited for no more */
    uint64_t awaited;  /* the last one that somebody waits for */
    /* Since the peers were told: */
    bool has_written;
    bool has_awaited;     /* and somebody waits for it */
    time_us untold_since; /* farm time; while there is either */
    struct output output;
    struct timer *turns;                   /* when all who are ready are here */
    struct session *ready[CREW_READY_MAX]; /* NULL: it has gone since */
    size_t ready_count;
    struct guess guess; /* of this turn */
    struct command batch[CREW_BATCH_MAX];
    struct mark marks[CREW_BATCH_MAX];
    uint8_t input[CREW_INPUT_BYTES];
    uint8_t ahead[2][CREW_INPUT_BYTES]; /* of those whose turn comes next */
};

struct clients {
    struct clients_settings settings;
    struct parse_limits limits; /* what these come to for the parsers */
    struct crew **crews;
    size_t crews_count;
    struct logins *logins; /* NULL: no SASL */
    bool is_left;          /* to a thread that does not end */
    size_t next_crew;
    bool is_stopped;
    bool restricts; /* commands have to be looked at, as -C and -F say */
    _Atomic uint64_t connections;
    _Atomic uint64_t connections_total;
    _Atomic uint64_t connections_rejected;
    _Atomic unsigned watched;      /* streams, by anybody */
    _Atomic uint64_t lines_count;  /* for watchers, ever begun */
    pthread_mutex_t watchers_lock; /* of changing what is watched */
    pthread_mutex_t outside_lock;  /* of what follows: what threads that serve
                                      no clients have to tell */
    struct bulletin outside;
    unsigned outside_dropped_count;
    pthread_mutex_t tuning_lock;
    struct tuning tuning;       /* as operators left it */
    _Atomic bool has_crawler;   /* or operators said that there is none */
    _Atomic uintptr_t dumping;  /* the session that dumps; 0: none */
    _Atomic time_us dump_moved; /* when its client read last */
    /* For whoever does these things to count; shown by `stats`. */
    _Atomic uint64_t listen_disabled;      /* times that accepting stopped */
    _Atomic uint64_t listen_disabled_us;   /* for so long in all, until ... */
    _Atomic time_us listen_disabled_since; /* 0: clients are let in */
    _Atomic bool is_full;                  /* nobody is let in until one goes */
    _Atomic uint64_t watchers;             /* that are connected now */
    _Atomic uint64_t crawls;               /* under way */
    _Atomic int doors[CLIENTS_DOORS_MAX];  /* that are listened at */
    _Atomic size_t doors_count;
    time_us doors_shown_at;
    struct service service;     /* for the thread of the peers */
    struct prefixes *prefixes;  /* of the stats */
    pthread_mutex_t rolls_lock; /* of `rolls`, all there are */
    struct roll *rolls;
};

/* A client has gone, or did not come to be one. */
void clients_lose(struct clients *clients);

/* From now on threads count, or do not, what is asked of keys by prefix;
 * false if there is no memory to count in. */
MUST_USE bool clients_count_prefixes(struct clients *clients, bool counts);

/* The sums over all threads, as of now. */
void clients_read_live(struct clients *clients, struct stats_live *live);

#endif
