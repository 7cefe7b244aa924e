/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Order: what a client of a simulated farm has homes do to one key, and how
 * a simulated server does it.
 *
 * Values are numbers, in decimal, so that plays can show them.
 */
#ifndef TESTS_SIMULATOR_ORDER_H
#define TESTS_SIMULATOR_ORDER_H

#include "tests/linear/linear.h"
#include "tests/simulator/world.h"

#define ORDER_KEY_BYTES_MAX 63
/* Of an order as a FARM_COMMAND has it. */
#define ORDER_BYTES_MAX 128

struct order {
    enum linear_kind kind;
    bool is_lock; /* what is written belongs to who asked */
    bool creates; /* LINEAR_INCR: where nothing is, it begins at `number` */
    uint64_t number;
    uint64_t expected;
    struct span key;
};

struct order_result {
    uint64_t outcome; /* enum linear_outcome */
    uint64_t number;
    uint64_t token;
};

/* Writes it as one of the commands of a FARM_COMMAND. */
void order_write(struct writer *writer, const struct store *store,
                 const struct order *order);

/* False where the home could not find out, and did nothing. */
bool order_read_result(struct span bytes, struct order_result *result);

/* As world's `execute` wants it. */
void order_execute(struct world *world, unsigned server,
                   const struct farm_effect *effect, struct farm_input *input);

/* Deletes a lock that is still this version, or any where that is 0; true if
 * it was there. */
bool order_release(struct world *world, unsigned server, struct span key,
                   uint64_t version);

/* Puts a number, and journals that; returns the record's number.  `lock` is
 * whose it is then, or NULL. */
uint64_t order_put(struct server *server, struct store_hold *hold,
                   uint64_t number, const struct farm_lock *lock, time_us now);
uint64_t order_number(const struct item *item);

#endif
