/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * grapevined: options, build, run, take down.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>

#include "proto/memcached/reply.h"
#include "server/config/config.h"
#include "server/log/log.h"
#include "server/loop/clock.h"
#include "server/loop/worker.h"
#include "server/maintenance/maintenance.h"
#include "server/process/process.h"
#include "server/session/clients.h"
#include "server/session/doors.h"
#include "server/stats/stats.h"
#include "server/store/store.h"
#include "server/version.h"

#define TITLE                                                                  \
    "memcached " REPLY_MEMCACHED_VERSION " (grapevined " GRAPEVINE_VERSION ")"

/* Connections that wait to be accepted; memcached's default. */
#define LISTEN_BACKLOG 1024

struct server {
    struct config config;
    struct process process;
    struct clock clock;
    struct log *log;
    struct store *store;
    struct stats *stats;
    struct worker *worker; /* of this thread */
    struct clients *clients;
    struct listener *doors;
    struct maintenance *maintenance;
    struct timer *signals[3];
    bool is_daemon;
};

static bool fail(const char *reason)
{
    fprintf(stderr, "grapevined: %s\n", reason);
    return false;
}

static bool start_process(struct server *server)
{
    const struct config *config = &server->config;
    char error[PROCESS_ERROR_BYTES];

    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    server->is_daemon = config->daemon && !process_has_supervisor();
    if (!process_raise_files(config->connections_max, config->threads, error) ||
        (server->is_daemon && !process_daemonise(&server->process, error)) ||
        !process_open_pid(&server->process, config->pid_file, error) ||
        !process_become(config->user, error))
        return fail(error);
    return true;
}

static bool open_doors(struct server *server)
{
    const struct config *config = &server->config;
    char error[LISTENER_ERROR_BYTES];
    struct doors_settings doors = {.addresses = config->listen,
                                   .addresses_count = config->listen_count,
                                   .port = (unsigned)config->port,
                                   .unix_socket = config->unix_socket,
                                   .unix_mode = (unsigned)config->unix_mask};
    struct listener_settings listeners = {.worker = server->worker,
                                          .backlog = LISTEN_BACKLOG,
                                          .accepted = clients_accept,
                                          .context = server->clients};

    server->doors = doors_open(&doors, &listeners, error);
    return server->doors != NULL || fail(error);
}

static bool create_store(struct server *server)
{
    struct store_settings settings = {
        .memory_bytes_max = server->config.memory_megabytes << 20,
        .item_bytes_max = server->config.item_bytes_max,
        .evicts = !server->config.disable_evictions};

    if (getrandom(&settings.seed, sizeof(settings.seed), 0) < 0)
        return fail("the system gives no random numbers");
    server->store = store_create(&settings);
    return server->store != NULL ||
           fail("option -m (--memory-limit): this much memory cannot be had; "
                "lower it");
}

static void stop(void *context)
{
    struct server *server = context;

    worker_stop(server->worker);
}

static bool build(struct server *server)
{
    clock_start(&server->clock);
    server->log = log_create();
    if (server->log == NULL || !create_store(server))
        return false;
    log_set_verbosity(server->log, (unsigned)server->config.verbosity);
    server->worker = worker_create();
    server->stats =
        stats_create(&server->config, server->store, clock_now(&server->clock));
    struct clients_settings clients = {.store = server->store,
                                       .stats = server->stats,
                                       .log = server->log,
                                       .clock = &server->clock,
                                       .threads_count = server->config.threads,
                                       .connections_max =
                                           server->config.connections_max,
                                       .backlog = LISTEN_BACKLOG};
    if (server->worker == NULL || server->stats == NULL)
        return fail("memory or descriptors are out");
    server->signals[0] = signal_create(server->worker, SIGTERM, stop, server);
    server->signals[1] = signal_create(server->worker, SIGINT, stop, server);
    server->signals[2] = signal_create(server->worker, SIGUSR1, stop, server);
    server->clients = clients_create(&clients);
    server->maintenance =
        maintenance_create(server->store, server->log, &server->clock);
    if (server->signals[0] == NULL || server->signals[1] == NULL ||
        server->signals[2] == NULL)
        return fail("memory or descriptors are out");
    if (server->clients == NULL || server->maintenance == NULL)
        return fail("threads are out; lower -t (--threads)");
    return open_doors(server);
}

static void run(struct server *server)
{
    log_event(server->log, EVENT_SERVER, SEVERITY_NOTICE,
              "%s serves clients with %llu MB and %llu threads", TITLE,
              (unsigned long long)server->config.memory_megabytes,
              (unsigned long long)server->config.threads);
    if (server->is_daemon)
        log_use_syslog(server->log);
    process_tell_ready(&server->process);
    worker_run(server->worker);
    log_event(server->log, EVENT_SERVER, SEVERITY_NOTICE, "stops");
}

static void take_down(struct server *server)
{
    listener_close(server->doors);
    clients_destroy(server->clients);
    maintenance_destroy(server->maintenance);
    timer_destroy(server->signals[0]);
    timer_destroy(server->signals[1]);
    timer_destroy(server->signals[2]);
    worker_destroy(server->worker);
    stats_destroy(server->stats);
    store_destroy(server->store);
    log_destroy(server->log);
    process_end(&server->process);
}

int main(int argc, char **argv)
{
    static struct server server;
    char error[CONFIG_ERROR_BYTES];

    if (config_read(&server.config, argc, argv, error) != CONFIG_OK)
        return fail(error) ? 0 : 64;
    if (server.config.version || server.config.help) {
        puts(TITLE);
        if (server.config.help)
            config_print_help(stdout);
        return 0;
    }
    bool is_built = start_process(&server) && build(&server);
    if (is_built)
        run(&server);
    take_down(&server);
    return is_built ? 0 : 1;
}
