/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Service: commands of anybody's clients, executed here as their home.
 *
 * What they come to is counted and told by whoever is asked by the client;
 * here it is nobody's.
 *
 * Threads: that of the peers.
 */
#ifndef SERVER_SESSION_SERVICE_H
#define SERVER_SESSION_SERVICE_H

#include "server/command/counters.h"
#include "server/peer/peers.h"

struct clients;

struct service {
    struct counters counters; /* for what is counted elsewhere */
    uint8_t *result;
    size_t result_capacity;
};

/* Executes one; the context is the clients. */
void service_execute(void *context, const struct peers_call *call,
                     struct peers_result *result);

/* Deletes a lock, if it is of that version; the context is the clients. */
void service_delete(void *context, struct span key, uint64_t version,
                    bool gives_way);

void service_release(struct service *service);

#endif
