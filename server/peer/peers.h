/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Peers: the thread that makes this server a member of a farm.
 *
 * It owns every link and drives the farm machine: what links, clients and
 * time bring goes in, what the machine asks for is carried out.
 *
 * Threads: as said with each call.
 * Fails:   at the start, with one sentence for whoever started the server.
 */
#ifndef SERVER_PEER_PEERS_H
#define SERVER_PEER_PEERS_H

#include "server/farm/farm.h"
#include "server/log/log.h"
#include "server/loop/clock.h"
#include "server/loop/tls.h"
#include "server/loop/worker.h"

#define PEERS_ERROR_BYTES 512

struct peers;

enum peers_lookup {
    PEERS_LOOKUP_ALWAYS,
    PEERS_LOOKUP_AUTO, /* not where this replica is known to be complete */
    PEERS_LOOKUP_NEVER /* but where something may have been missed */
};

/* All borrowed for the life of the peers. */
struct peers_settings {
    struct store *store;
    struct log *log;
    struct clock *clock;      /* gets the farm's offset */
    const char *listen;       /* HOST or HOST:PORT; NULL: as `joins` suggests */
    const char *advertise;    /* where others dial this server; NULL: there */
    const char *const *joins; /* HOST or HOST:PORT */
    size_t joins_count;
    struct tls *tls;       /* what members prove themselves by; NULL: nothing */
    bool is_insecure;      /* may go beyond this host without that */
    size_t handshakes_max; /* connections that are to be proven, at once */
    time_us handshake_timeout;
    const char *farm_name;
    const char *name; /* NULL: host and farm port */
    uint64_t id;
    uint16_t tag;
    uint64_t seed;
    time_us heartbeat;
    time_us ack_timeout;
    time_us lookup_timeout;
    size_t journal_bytes;
    size_t memory_bytes;
    size_t item_bytes_max;
    enum peers_lookup lookup;
    bool waits_for_acks;
    enum farm_ack ack; /* if so */
    bool has_homes;
    unsigned quorum;
    time_us lock_grace;
    uint64_t shared_settings; /* a digest of what is the same at all members */
    size_t crews_count;       /* threads that wait for acknowledgements */
};

/* A command that this server is to execute as its home. */
struct peers_call {
    struct span bytes;
    time_us now;     /* farm time, when this server was known to be home */
    uint64_t asker;  /* the server whose client asks */
    bool gives_way;  /* what is written of a lock that is there gives way to
                        whatever else was */
    bool is_asked;   /* the others were asked about its key */
    bool is_certain; /* and all have answered */
};

/* What came of it; or nothing was done, as the others have to be asked about
 * the key in `bytes` first.  The bytes last until the next call. */
struct peers_result {
    bool must_ask;
    bool is_refused;       /* nothing was done; it may be asked again */
    uint64_t number;       /* of the record that it wrote; 0: none */
    struct span lock;      /* the key of a lock that was written or deleted */
    struct farm_lock held; /* and what became of it */
    struct span bytes;     /* for whoever asked */
};

/* Called by the thread of the peers. */
struct peers_callbacks {
    void *context;
    /* All records up to `number` that the crew awaits may be answered. */
    void (*answered)(void *context, size_t crew, uint64_t number,
                     bool is_degraded);
    /* A lookup has ended. */
    void (*found)(uint64_t waiter, bool is_certain);
    /* Executes, at once. */
    void (*execute)(void *context, const struct peers_call *call,
                    struct peers_result *result);
    /* Deletes, at once, the lock of that key, if it is of that version. */
    void (*release)(void *context, struct span key, uint64_t version,
                    bool gives_way);
    /* What homes made of the commands of `waiter`: for each, enum farm_verdict
     * u8, length u32, result. */
    void (*decided)(uint64_t waiter, struct span verdicts);
    /* A line for people who watch; without a line end. */
    void (*told)(void *context, struct span line);
    /* Clients may be served from now on. */
    void (*opened)(void *context);
    /* This server is READY, for the first time. */
    void (*ready)(void *context);
    /* After peers_leave(): all is said. */
    void (*left)(void *context);
};

/* NULL with the reason in `error`; what is said there is heard of only after
 * peers_start(). */
struct peers *peers_create(const struct peers_settings *settings,
                           char error[PEERS_ERROR_BYTES]);
MUST_USE bool peers_start(struct peers *peers,
                          const struct peers_callbacks *callbacks);

/* Tells everybody, then calls `left`; within some seconds whatever comes. */
void peers_leave(struct peers *peers);

/* Ends the thread; nothing is called back any more. */
void peers_stop(struct peers *peers);
void peers_destroy(struct peers *peers);

/* ---- for `execute`, while it is called ---- */

/* As farm_find_lock() and farm_lock_after(). */
MUST_USE bool peers_find_lock(const struct peers *peers, struct span key,
                              struct farm_lock *lock);
struct farm_lock peers_lock_after(const struct peers *peers, struct span key,
                                  uint64_t before, uint64_t asker,
                                  bool is_taking);

/* ---- for any thread ---- */

struct journal *peers_journal(struct peers *peers);

/* How reads may be answered at `now`. */
enum peers_reading {
    PEERS_READ_HERE,   /* what is here is all there is */
    PEERS_ASK_ON_MISS, /* what is here is right; what is not may be elsewhere */
    PEERS_ASK_ALWAYS   /* something may have been missed */
};
enum peers_reading peers_reading(const struct peers *peers, time_us now);

/*
 * Who decides what homes decide, as of now: an enum farm_deciding, and besides
 * how often this server has ceased to decide alone.
 */
typedef uint64_t peers_term;
#define PEERS_TERM_DECIDING 3U

peers_term peers_deciding(const struct peers *peers);

static inline enum farm_deciding peers_decides(peers_term term)
{
    return (enum farm_deciding)(term & PEERS_TERM_DECIDING);
}

/* This server has decided alone all the while since `term`: what was journalled
 * before this call is known to whoever decides next. */
bool peers_were_alone(const struct peers *peers, peers_term term);

/* True where answers to mutations wait for others. */
bool peers_waits(const struct peers *peers);

/* The journal has grown, by what nobody waits for: others hear of it within
 * 2 ms. */
void peers_written(struct peers *peers);

/* It has grown, and the crew wants to hear when record `number` is held: others
 * hear of all at once; or when they have acknowledged what they were asked
 * before, or 2 ms later.  A crew awaits growing numbers. */
void peers_await(struct peers *peers, size_t crew, uint64_t number);

/* Has `task` run by the thread of the peers. */
MUST_USE bool peers_post(struct peers *peers, worker_task *task, void *context);

/* Keys or certificates were read again: links with members that would not be
 * let in by these are cut. */
void peers_prove_again(struct peers *peers);

/* Somebody watches, or (-1) does no longer. */
void peers_watch(struct peers *peers, int more);

/* What `stats farm` tells. */
struct peers_member {
    struct farm_member row; /* its texts are those below */
    char name[FARM_TEXT_BYTES_MAX + 1];
    char address[FARM_TEXT_BYTES_MAX + 1];
};

struct peers_view {
    struct farm_figures figures;
    uint64_t digest;
    uint64_t handshakes_failed; /* who wanted a link and got none */
    char keys[TLS_KEY_NAMES_BYTES];
    size_t members_count;
    struct peers_member members[FARM_MEMBERS_MAX + 1];
};

void peers_read(struct peers *peers, struct peers_view *view);

/* ---- for tasks of peers_post() ---- */

struct peers_question {
    struct span key;
    uint64_t waiter;
};

/* Asks the others about the keys; `found` tells, for each, when that has
 * ended.  The questions are not looked at once the last is answered. */
void peers_look_up(struct peers *peers, const struct peers_question *questions,
                   size_t count);

/* Has homes decide the commands, as a FARM_COMMAND has them; `decided` tells
 * when they did. */
void peers_command(struct peers *peers, uint64_t waiter, struct span commands);

#endif
