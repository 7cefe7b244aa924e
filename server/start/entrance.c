/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/start/server.h"

#include <stdlib.h>

#include "server/session/ports.h"

static void admit(void *context, bool is_open)
{
    struct server *server = context;

    doors_accept(server->doors, is_open);
}

bool entrance_create(struct server *server)
{
    struct clients_settings settings = settings_clients(&server->config);

    settings.store = server->store;
    settings.stats = server->stats;
    settings.log = server->log;
    settings.clock = &server->clock;
    settings.peers = server->peers;
    settings.tls = server->tls;
    settings.users = server->users;
    settings.exchanges = server->exchanges;
    settings.throttle = server->throttle;
    settings.worker = server->worker;
    settings.admit = admit;
    settings.admit_context = server;
    server->clients = clients_create(&settings);
    return server->clients != NULL ||
           server_fail("threads are out; lower -t (--threads)");
}

/* To operators, and to test suites that ask in the environment. */
static bool tell_ports(struct server *server)
{
    const char *path = getenv("MEMCACHED_PORT_FILENAME");
    char error[PORTS_ERROR_BYTES];

    if (server->config.port == CONFIG_PORT_ANY)
        server->config.port = ports_first(doors_listeners(server->doors));
    if (path == NULL || server->config.unix_socket != NULL)
        return true;
    return ports_write(doors_listeners(server->doors), path, error) ||
           server_fail(error);
}

bool entrance_open(struct server *server)
{
    struct doors_settings settings = settings_doors(&server->config);
    char error[LISTENER_ERROR_BYTES];

    settings.worker = server->worker;
    settings.clients = server->clients;
    settings.tls = server->tls;
    server->doors = doors_open(&settings, error);
    if (server->doors == NULL)
        return server_fail(error);
    clients_show_doors(server->clients, doors_listeners(server->doors));
    /* In a farm clients wait until its time is known. */
    doors_accept(server->doors, server->peers == NULL);
    return tell_ports(server);
}
