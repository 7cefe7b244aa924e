/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * World: servers of a farm on virtual time and a virtual network.
 *
 * One seed decides everything: delays, faults, what clients do.  The pure
 * rooms are linked unchanged; what is simulated is the driver: links, dials,
 * ticks, and clocks that are wrong by up to an hour and do not keep step.  A
 * link keeps the order of what is sent on it; different links do not keep step.
 */
#ifndef TESTS_SIMULATOR_WORLD_H
#define TESTS_SIMULATOR_WORLD_H

#include "proto/base/prng.h"
#include "server/farm/farm.h"
#include "tests/simulator/agenda.h"
#include "tests/simulator/bounds.h"

#define WORLD_SERVERS_MAX 128
#define WORLD_START_US (UINT64_C(1800000000) * TIME_US_PER_S)

struct packet {
    struct packet *next;
    time_us due;
    size_t length;
    uint8_t bytes[];
};

/* One end of a connection. */
struct end {
    struct wire *wire;
    unsigned server;
    farm_link link; /* by which its server knows it; 0: closed there */
    bool is_dialler;
    struct packet *first; /* on their way to this end */
    struct packet *last;
    size_t packets_count;
    size_t packets_bytes;
    time_us last_due;
    time_us busy_until;       /* of a slow link: with what was sent so far */
    uint64_t told_backlog;    /* to the server at the other end, who sends */
    struct agenda_entry next; /* delivery, or news of the break */
    uint8_t *input;           /* delivered, not yet a whole frame */
    size_t input_bytes;
};

struct wire {
    struct wire *next;
    struct wire *previous;
    struct wire *next_closed; /* at both ends: to be swept */
    bool is_broken;           /* the other end will hear of it, when it can */
    time_us broken_at;
    struct end ends[2];
};

struct server {
    bool is_running;
    int64_t skew_us; /* of its clock, from the start on */
    int64_t drift_ppm;
    time_us frozen_until;
    bool has_left;  /* it ends at once */
    bool has_slept; /* and not taken a step since */
    time_us woke;
    time_us dial_pause;
    unsigned number;
    uint64_t id;
    char address[16];
    struct store *store;
    struct journal *journal;
    struct farm *farm;
    farm_link next_link;
    struct end **ends; /* by link; NULL: closed here */
    size_t ends_capacity;
    struct agenda_entry tick;
    unsigned starts;
};

struct world_totals {
    uint64_t steps;
    uint64_t packets;
    uint64_t answers;
    uint64_t degraded;
    uint64_t operations;
    uint64_t faults;
};

struct world {
    struct prng prng;
    time_us now;
    unsigned servers_count;
    struct server servers[WORLD_SERVERS_MAX];
    const char *addresses[WORLD_SERVERS_MAX];
    struct wire *wires;
    struct wire *closed;
    struct agenda agenda;
    uint64_t serial; /* of wires and dials */
    bool is_dialling[WORLD_SERVERS_MAX][WORLD_SERVERS_MAX];
    /* True: what the first sends does not reach the second. */
    bool is_cut[WORLD_SERVERS_MAX][WORLD_SERVERS_MAX];
    /* Bytes a second from the first to the second; 0: no limit. */
    uint64_t rate[WORLD_SERVERS_MAX][WORLD_SERVERS_MAX];
    bool has_rates;
    size_t memory_bytes; /* of each server's items, and of its ring */
    enum farm_ack ack;
    size_t journal_bytes;
    time_us delay_least;
    time_us delay_most;
    uint64_t next_id;
    bool traces;
    struct world_totals totals;
    struct bounds bounds;
    /* Called for each answer that a waiting client gets. */
    void (*answered)(struct world *world, unsigned server, uint64_t waiter,
                     bool is_degraded);
    /* Called for each lookup that has come to its end; may be NULL. */
    void (*found)(struct world *world, unsigned server, uint64_t waiter,
                  bool is_certain);
    /* Called after each step of a server; may be NULL. */
    void (*stepped)(struct world *world, unsigned server);
    /* Called before each step of a server that was frozen, for a tenth of a
     * second; `is_first`: the farm does not know yet that it was. */
    void (*woken)(struct world *world, unsigned server, bool is_first);
    /* Homes decide; `quorum` as in struct farm_settings. */
    bool has_homes;
    unsigned quorum;
    /* Executes a command as its home, now; writes the result, and what it is
     * called, into `input`.  NULL: there are no such commands. */
    void (*execute)(struct world *world, unsigned server,
                    const struct farm_effect *effect, struct farm_input *input);
    /* Deletes a lock, if it is still that version. */
    void (*release)(struct world *world, unsigned server, struct span key,
                    uint64_t version);
    /* Called for what became of a client's commands. */
    void (*decided)(struct world *world, unsigned server, uint64_t waiter,
                    struct span results);
    /* All begin with the same tags for their versions, or nearly so. */
    bool has_few_tags;
    void *judge;
};

void world_create(struct world *world, uint64_t seed, unsigned servers_count);
void world_destroy(struct world *world);

void world_start(struct world *world, unsigned server);
/* At once, without a word; what it had not sent is lost. */
void world_crash(struct world *world, unsigned server);
/* Tells the others, then ends by itself. */
void world_leave(struct world *world, unsigned server);
void world_freeze(struct world *world, unsigned server, time_us until);
void world_cut(struct world *world, unsigned from, unsigned to, bool is_cut);
/* Their link ends, for both; what is under way still comes. */
void world_reset(struct world *world, unsigned one, unsigned other);

/* The first sends no more than so many bytes a second to the second. */
void world_slow(struct world *world, unsigned from, unsigned to, uint64_t rate);

/* Lets time pass until `moment`. */
void world_run(struct world *world, time_us moment);

/* Tells a server's farm that its journal has grown, and who waits for it. */
void world_written(struct world *world, unsigned server, uint64_t number,
                   uint64_t waiter);

/* The same where nobody waits. */
void world_written_unawaited(struct world *world, unsigned server);

/* A client waits for what others have of the key. */
void world_look_up(struct world *world, unsigned server, struct span key,
                   uint64_t waiter);
/* A client waits for what homes make of these commands. */
void world_command(struct world *world, unsigned server, struct span commands,
                   uint64_t waiter);
/* What the server's own clock shows, and its farm's. */
time_us world_clock(const struct world *world, unsigned server);
time_us world_time(const struct world *world, unsigned server);

bool world_is_awake(const struct world *world, unsigned server);
bool world_is_ready(struct world *world, unsigned server);

#endif
