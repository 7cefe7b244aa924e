/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connection: one client, which sends a batch of requests and checks the
 * replies to all of them before it is given the next one.
 *
 * Fails:  a wrong value, a reply that belongs to another request and a
 *         conversation that breaks end the program with 1.
 */
#ifndef TESTS_BENCH_CONNECTION_H
#define TESTS_BENCH_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "plan.h"
#include "protocol.h"
#include "tally.h"

struct connection {
    const struct plan *plan;
    int socket;
    struct buffer out;
    struct buffer in;
    struct request *requests; /* the batch; room for `batch_max` of them */
    uint64_t *keys;           /* of all requests of the batch */
    unsigned requests_count;
    unsigned answered_count;
    uint64_t since_ns;     /* when the batch was sent, or should have been */
    bool is_awaiting_room; /* for the owner: EPOLLOUT is watched */
};

/* Connects; borrows the plan for the life of the connection. */
void connection_init(struct connection *connection, const struct plan *plan,
                     unsigned batch_max);

void connection_release(struct connection *connection);

/* Makes the first `count` of `requests`, drawn by the caller, the batch. */
void connection_begin(struct connection *connection, unsigned count);

/* Writes what it can; false if the rest has to wait for room. */
bool connection_send(struct connection *connection);

/* Reads once, counts what was answered; true if the batch is complete. */
bool connection_receive(struct connection *connection, struct tally *tally);

#endif
