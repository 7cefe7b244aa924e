/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/start/server.h"

#include <stdlib.h>

#include "server/session/appeal.h"
#include "server/session/inquiry.h"
#include "server/session/service.h"
#include "server/store/version.h"

uint16_t membership_tag(const struct server *server)
{
    return (uint16_t)(server->farm_id % (VERSION_TAG_MAX + 1));
}

static void on_answered(void *context, size_t crew, uint64_t number,
                        bool is_degraded)
{
    const struct server *server = context;

    clients_answered(server->clients, crew, number, is_degraded);
}

static void on_execute(void *context, const struct peers_call *call,
                       struct peers_result *result)
{
    const struct server *server = context;

    service_execute(server->clients, call, result);
}

static void on_release(void *context, struct span key, uint64_t version,
                       bool gives_way)
{
    const struct server *server = context;

    service_delete(server->clients, key, version, gives_way);
}

static void on_told(void *context, struct span line)
{
    const struct server *server = context;

    clients_told(server->clients, line);
}

static void open_to_clients(void *context)
{
    struct server *server = context;

    doors_accept(server->doors, true);
}

static void on_opened(void *context)
{
    struct server *server = context;

    if (!worker_post(server->worker, open_to_clients, server))
        abort();
}

static void on_ready(void *context)
{
    struct server *server = context;

    process_tell_ready(&server->process);
}

static void on_left(void *context)
{
    struct server *server = context;

    worker_stop(server->worker);
}

static bool reload_proofs(void *context, char error[RELOAD_ERROR_BYTES])
{
    struct server *server = context;

    _Static_assert(RELOAD_ERROR_BYTES >= TLS_ERROR_BYTES, "a line fits");
    if (!tls_reload(server->links_tls, error))
        return false;
    peers_prove_again(server->peers);
    return true;
}

bool membership_open(struct server *server)
{
    struct tls_farm_settings settings = settings_tls_farm(&server->config);
    char error[TLS_ERROR_BYTES];

    if (!settings_has_keyed_links(&server->config))
        return true;
    server->links_tls = tls_create_for_farm(&settings, error);
    return server->links_tls != NULL || server_fail(error);
}

void membership_destroy(struct server *server)
{
    peers_destroy(server->peers);
    tls_destroy(server->links_tls);
}

bool membership_create(struct server *server)
{
    struct peers_settings settings = settings_peers(&server->config);
    char error[PEERS_ERROR_BYTES];

    if (!settings_has_farm(&server->config))
        return true;
    settings.store = server->store;
    settings.log = server->log;
    settings.clock = &server->clock;
    settings.tls = server->links_tls;
    settings.id = server->farm_id;
    settings.tag = membership_tag(server);
    settings.seed = server->farm_id;
    server->peers = peers_create(&settings, error);
    if (server->peers == NULL)
        return server_fail(error);
    if (server->links_tls != NULL)
        reloads_add(&server->reloads,
                    server->config.farm_keys != NULL
                        ? "the farm's keys"
                        : "the farm's certificates",
                    reload_proofs, server);
    return true;
}

bool membership_start(struct server *server)
{
    struct peers_callbacks callbacks = {.context = server,
                                        .answered = on_answered,
                                        .found = inquiry_found,
                                        .execute = on_execute,
                                        .release = on_release,
                                        .decided = appeal_decided,
                                        .told = on_told,
                                        .opened = on_opened,
                                        .ready = on_ready,
                                        .left = on_left};

    return server->peers == NULL || peers_start(server->peers, &callbacks) ||
           server_fail("threads are out");
}
