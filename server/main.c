/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * grapevined: options, build, run, take down.
 */
#include <signal.h>
#include <stdio.h>

#include "proto/memcached/reply.h"
#include "server/start/server.h"
#include "server/version.h"

#define TITLE                                                                  \
    "memcached " REPLY_MEMCACHED_VERSION " (grapevined " GRAPEVINE_VERSION ")"

bool server_fail(const char *reason)
{
    fprintf(stderr, "grapevined: %s\n", reason);
    return false;
}

static bool start_process(struct server *server)
{
    struct process_settings settings = settings_process(&server->config);
    char error[PROCESS_ERROR_BYTES];

    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    return process_start(&server->process, &settings, error) ||
           server_fail(error);
}

static bool create_loop(struct server *server)
{
    server->worker = worker_create();
    server->stats =
        stats_create(&server->config, server->store, clock_now(&server->clock));
    return (server->worker != NULL && server->stats != NULL) ||
           server_fail("memory or descriptors are out");
}

static bool create_maintenance(struct server *server)
{
    server->maintenance =
        maintenance_create(server->store, server->log, &server->clock);
    return server->maintenance != NULL ||
           server_fail("threads are out; lower -t (--threads)");
}

static bool build(struct server *server)
{
    clock_start(&server->clock);
    server->log = log_create();
    if (server->log == NULL)
        return server_fail("memory is out");
    log_set_verbosity(server->log, (unsigned)server->config.verbosity);
    server->reloads.log = server->log;
    return replica_create(server) && membership_create(server) &&
           create_loop(server) && signals_heed(server) &&
           access_create(server) && entrance_create(server) &&
           create_maintenance(server) && entrance_open(server) &&
           membership_start(server);
}

static void run(struct server *server)
{
    log_event(server->log, EVENT_SERVER, SEVERITY_NOTICE,
              "%s serves clients with %llu MB and %llu threads", TITLE,
              (unsigned long long)server->config.memory_megabytes,
              (unsigned long long)server->config.threads);
    if (server->process.is_daemon)
        log_use_syslog(server->log);
    if (server->peers == NULL)
        process_tell_ready(&server->process);
    worker_run(server->worker);
    log_event(server->log, EVENT_SERVER, SEVERITY_NOTICE, "stops");
}

static void take_down(struct server *server)
{
    doors_close(server->doors);
    clients_stop(server->clients);
    peers_stop(server->peers);
    maintenance_destroy(server->maintenance);
    if (!clients_destroy(server->clients)) {
        process_end(&server->process);
        return;
    }
    doors_destroy(server->doors);
    signals_forget(server);
    membership_destroy(server);
    worker_destroy(server->worker);
    stats_destroy(server->stats);
    access_destroy(server);
    store_destroy(server->store);
    log_destroy(server->log);
    process_end(&server->process);
}

/* What is asked of the program rather than of a server. */
static bool has_answered(const struct config *config)
{
    if (!config->version && !config->help && !config->license)
        return false;
    puts(TITLE);
    if (config->help)
        config_print_help(stdout);
    else if (config->license)
        config_print_license(stdout);
    return true;
}

int main(int argc, char **argv)
{
    static struct server server;
    char error[CONFIG_ERROR_BYTES];

    if (config_read(&server.config, argc, argv, error) != CONFIG_OK)
        return server_fail(error) ? 0 : 64;
    if (has_answered(&server.config))
        return 0;
    bool is_built = access_open(&server) && membership_open(&server) &&
                    start_process(&server) && build(&server);
    if (is_built)
        run(&server);
    take_down(&server);
    return is_built ? 0 : 1;
}
