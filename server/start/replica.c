/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/start/server.h"

#include <sys/random.h>

static void on_evicted(const struct item *item, time_us now, void *context)
{
    const struct server *server = context;

    clients_evicted(item, now, server->clients);
}

bool replica_create(struct server *server)
{
    struct store_settings settings = settings_store(&server->config);
    uint64_t chance[2];

    if (getrandom(chance, sizeof(chance), 0) < 0)
        return server_fail("the system gives no random numbers");
    server->farm_id = chance[0];
    settings.witness = on_evicted;
    settings.witness_context = server;
    if (settings.replicates)
        settings.origin_tag = membership_tag(server);
    else
        settings.seed = chance[1];
    server->store = store_create(&settings);
    return server->store != NULL ||
           server_fail(
               "option -m (--memory-limit): this much memory cannot be had; "
               "lower it");
}
