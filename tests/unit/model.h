/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Model: what the store should know of each key, as plain as can be, and a
 * player that does whatever chance says to both and compares.
 *
 * Threads: players of one store have keys of their own, and one each.
 */
#ifndef TESTS_UNIT_MODEL_H
#define TESTS_UNIT_MODEL_H

#include <stdatomic.h>

#include "proto/base/prng.h"
#include "server/store/store.h"

#define MODEL_START_US (UINT64_C(1800000000) * TIME_US_PER_S)
#define MODEL_GRAVE_S 60

/* One key: the two registers, and the value if it is here. */
struct known {
    bool is_known;
    bool is_deleted;
    bool has_value;
    uint64_t version;
    uint64_t stamp;
    uint64_t token;
    time_s exptime;
    uint32_t flags;
    uint8_t marks;
    uint8_t filler;
    size_t length;
};

struct player {
    struct store *store;
    unsigned number;
    struct onlooker *onlooker;
    struct prng prng;
    time_us now;
    _Atomic time_us *clocks; /* of all players of the store, by their numbers */
    unsigned players_count;  /* 0: it is the only one */
    uint64_t floor;          /* of versions: all that is older was flushed */
    bool replicates;
    bool may_flush;
    bool may_lose; /* the store may evict */
    size_t length_max;
    unsigned keys_count;
    struct known *keys;
    uint64_t compared; /* times that a key was there and as it should be */
};

/* `player` has all but `keys`, `now` and `onlooker`; ended by model_release().
 */
void model_init(struct player *player);
void model_release(struct player *player);

/* Does `steps` things, each of them to a key that is compared before and
 * after. */
void model_play(struct player *player, unsigned steps);

/* How many steps tests take: those of the environment (MODEL_STEPS), or
 * `otherwise`. */
unsigned model_steps(unsigned otherwise);

#endif
