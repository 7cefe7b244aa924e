/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stage: what a play remembers while it is acted: who is who, what clients
 * wrote and were answered, and the transcript.
 */
#ifndef TESTS_SIMULATOR_STAGE_H
#define TESTS_SIMULATOR_STAGE_H

#include "tests/simulator/client.h"
#include "tests/simulator/order.h"

#define STAGE_SERVERS_MAX 16
#define STAGE_NAME_BYTES_MAX 15
#define STAGE_KEY_BYTES_MAX 63
#define STAGE_KEYS_MAX 4096
#define STAGE_WRITES_MAX 16384
#define STAGE_LINE_BYTES_MAX 128
#define STAGE_ORDERS_MAX 4096
#define STAGE_NICKNAMES_MAX 8

enum stage_outcome { STAGE_WAITING, STAGE_ANSWERED, STAGE_DEGRADED };

/* One write of a client, by waiter. */
struct stage_write {
    enum client_kind kind;
    unsigned key;
    uint64_t version;
    enum stage_outcome outcome;
};

/* One order of a client to homes, by waiter. */
struct stage_order {
    enum linear_kind kind;
    unsigned key;
    bool is_told;
    enum farm_verdict verdict;
    struct order_result result; /* where that is DECIDED */
};

/* What a play calls a key that is chosen for its home. */
struct stage_nickname {
    char name[STAGE_KEY_BYTES_MAX + 1];
    char key[STAGE_KEY_BYTES_MAX + 1];
};

/* What was answered, not degraded, of a key. */
struct stage_key {
    char name[STAGE_KEY_BYTES_MAX + 1];
    uint64_t version;
    uint64_t stamp;
};

/* A member as one server saw it last. */
struct stage_sight {
    uint64_t id;
    uint8_t state;
};

struct stage_server {
    char name[STAGE_NAME_BYTES_MAX + 1];
    bool is_traced; /* what it sees goes into the transcript */
    int last_write; /* -1: none */
    int last_order; /* likewise */
    bool is_leaving;
    struct stage_sight sights[FARM_MEMBERS_MAX + 1];
};

struct stage {
    struct world world;
    struct stage_server servers[STAGE_SERVERS_MAX];
    unsigned servers_count;
    struct stage_key keys[STAGE_KEYS_MAX];
    unsigned keys_count;
    struct stage_write writes[STAGE_WRITES_MAX];
    unsigned writes_count;
    struct stage_order orders[STAGE_ORDERS_MAX];
    unsigned orders_count;
    struct stage_nickname nicknames[STAGE_NICKNAMES_MAX];
    unsigned nicknames_count;
    uint64_t lookup;  /* the last; lookups are numbered from 1 */
    uint64_t found;   /* the last that came to its end */
    char *transcript; /* NULL while it is empty */
    size_t transcript_bytes;
};

void stage_open(struct stage *stage, uint64_t seed);
void stage_close(struct stage *stage);

/* -1 if it has no such server. */
int stage_find_server(const struct stage *stage, const char *name);

/* The key's number; -1 where there are too many keys. */
int stage_key(struct stage *stage, const char *name);

/* False where nothing changed, or too much was written. */
bool stage_write(struct stage *stage, unsigned server,
                 const struct client_write *write);

/* False where too much was asked. */
bool stage_order(struct stage *stage, unsigned server,
                 const struct order *order);

/* What a client was told: "yes", "no", a number, "undecided", "unknown", or
 * "nothing" yet. */
#define STAGE_TOLD_BYTES 24
void stage_told(const struct stage_order *order, char told[STAGE_TOLD_BYTES]);

/* Who is home of the key, as the server sees it; -1: nobody. */
int stage_home(struct stage *stage, unsigned server, const char *key);

/* From here on `name` is a key whose home is `home`, as that sees it. */
bool stage_choose(struct stage *stage, const char *name, unsigned home);

/* The key that is called so; the name itself, where none is. */
char *stage_key_called(struct stage *stage, char *name);

/* Asks the farm for the key, and lets time pass until it has answered. */
bool stage_look_up(struct stage *stage, unsigned server, const char *key);

/* What the server sees and answers from now on is put down. */
void stage_trace(struct stage *stage, unsigned server);

const char *stage_state_name(uint8_t state);

#endif
