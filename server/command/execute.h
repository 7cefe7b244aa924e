/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Execute: what each command does to the replica, whoever asks.
 *
 * (store, command, now) -> outcome.  A hit keeps its key locked, so that the
 * value can be copied from where it lies: command_finish() ends that.
 *
 * Threads: any; one execution at a time for each.
 */
#ifndef SERVER_COMMAND_EXECUTE_H
#define SERVER_COMMAND_EXECUTE_H

#include "proto/memcached/reply.h"
#include "server/command/counters.h"
#include "server/store/store.h"

struct execution {
    struct store *store;
    time_us now;
    struct counters *counters;
    /* The value of a COMMAND_STORE that arrived in pieces, or NULL. */
    struct store_reservation *reservation;

    struct outcome outcome;
    struct store_hold hold;
    bool is_held;    /* until command_finish() */
    bool is_created; /* arithmetic made the item */
    enum store_absence absence;
    size_t needed_bytes; /* after STORE_NO_ROOM */
};

/* True for commands on the replica; the others are the session's. */
bool command_is_executed(enum command_kind kind);

/*
 * Executes `command`, one of those, whose `hash` is that of its key; the
 * first four fields of `execution` are the caller's.
 */
void command_execute(const struct command *command,
                     struct execution *execution);

/* Releases the key; the outcome's value is gone. */
void command_finish(struct execution *execution);

/* Takes memory for a value that follows; false: answer `outcome`. */
MUST_USE bool command_reserve(const struct command *command,
                              struct execution *execution,
                              struct store_reservation *reservation);

#endif
