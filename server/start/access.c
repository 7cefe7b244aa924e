/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/start/server.h"

static bool reload_certificates(void *context, char error[RELOAD_ERROR_BYTES])
{
    return tls_reload(context, error);
}

bool access_open(struct server *server)
{
    struct tls_settings settings = settings_tls(&server->config);
    char error[TLS_ERROR_BYTES];

    if (!server->config.tls)
        return true;
    server->tls = tls_create(&settings, error);
    if (server->tls == NULL)
        return server_fail(error);
    reloads_add(&server->reloads, "certificates", reload_certificates,
                server->tls);
    return true;
}

static bool reload_users(void *context, char error[RELOAD_ERROR_BYTES])
{
    _Static_assert(RELOAD_ERROR_BYTES >= USERS_ERROR_BYTES, "a line fits");
    return users_reload(context, error);
}

static bool create_users(struct server *server)
{
    const char *path = server->config.auth_file;
    char error[USERS_ERROR_BYTES];

    if (path == NULL)
        return true;
    server->users = users_create(path, error);
    if (server->users == NULL)
        return server_fail(error);
    reloads_add(&server->reloads, "the users of -Y", reload_users,
                server->users);
    return true;
}

static void on_sasl_told(void *context, bool is_failure, const char *line)
{
    struct server *server = context;

    log_event(server->log, EVENT_REFUSAL,
              is_failure ? SEVERITY_WARNING : SEVERITY_DEBUG, "SASL: %s", line);
}

static bool create_exchanges(struct server *server)
{
    char error[EXCHANGE_ERROR_BYTES];

    if (!server->config.sasl)
        return true;
    server->exchanges = exchanges_create(on_sasl_told, server, error);
    return server->exchanges != NULL || server_fail(error);
}

static bool create_throttle(struct server *server)
{
    server->throttle = throttle_create();
    return server->throttle != NULL || server_fail("memory is out");
}

bool access_create(struct server *server)
{
    return create_users(server) && create_exchanges(server) &&
           create_throttle(server);
}

void access_destroy(struct server *server)
{
    tls_destroy(server->tls);
    exchanges_destroy(server->exchanges);
    users_destroy(server->users);
    throttle_destroy(server->throttle);
}
