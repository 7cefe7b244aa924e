/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Client: what a session of a simulated server does to one key, and what
 * that server's replica shows of it.
 */
#ifndef TESTS_SIMULATOR_CLIENT_H
#define TESTS_SIMULATOR_CLIENT_H

#include "tests/simulator/world.h"

enum client_kind { CLIENT_SET, CLIENT_TOUCH, CLIENT_DELETE };

struct client_write {
    enum client_kind kind;
    struct span key;
    struct span value;
    time_s exptime; /* 0: never */
};

/* What the replica knows of a key: value or grave, each with its age. */
struct client_view {
    bool is_item;
    bool is_want;
    uint64_t version;
    uint64_t stamp;
    size_t value_bytes;
    char value[64]; /* its beginning */
};

/* What a value is about to be made from; `is_there` false: from nothing. */
struct client_change {
    bool is_there;
    uint64_t base;
    struct splice splice;
};

/* As a server that has others finds it, and journals it: `record` is of the
 * state that `value` made. */
struct client_change client_before(const struct store_hold *hold,
                                   struct span value);
uint64_t client_journal(struct journal *journal,
                        const struct client_change *before,
                        const struct record *record);

/* Changes the key at `server`; its answer comes for `waiter`.  Returns the
 * version, or stamp of a touch; 0 where nothing changed. */
uint64_t client_write(struct world *world, unsigned server,
                      const struct client_write *write, uint64_t waiter);

struct client_view client_look(struct world *world, unsigned server,
                               struct span key);

/* The server may read from its replica alone. */
bool client_is_fresh(struct world *world, unsigned server);

#endif
