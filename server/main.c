/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * grapevined: options, build, run, take down.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "proto/base/digest.h"
#include "proto/memcached/reply.h"
#include "server/config/config.h"
#include "server/log/log.h"
#include "server/loop/clock.h"
#include "server/loop/tls.h"
#include "server/loop/worker.h"
#include "server/maintenance/maintenance.h"
#include "server/peer/peers.h"
#include "server/process/process.h"
#include "server/session/clients.h"
#include "server/session/doors.h"
#include "server/session/inquiry.h"
#include "server/stats/stats.h"
#include "server/store/store.h"
#include "server/store/version.h"
#include "server/version.h"

#define TITLE                                                                  \
    "memcached " REPLY_MEMCACHED_VERSION " (grapevined " GRAPEVINE_VERSION ")"

/* Connections that wait to be accepted; memcached's default. */
#define LISTEN_BACKLOG 1024
/* How long a deleted key is remembered, against older states of it. */
#define GRAVE_S 3600

struct server {
    struct config config;
    struct process process;
    struct clock clock;
    struct log *log;
    struct store *store;
    struct stats *stats;
    struct worker *worker; /* of this thread */
    struct peers *peers;   /* NULL: alone */
    uint64_t farm_id;      /* of this start */
    struct clients *clients;
    struct tls *tls; /* NULL: clients are served in the clear */
    struct doors *doors;
    struct maintenance *maintenance;
    struct timer *signals[3];
    bool is_daemon;
};

static bool fail(const char *reason)
{
    fprintf(stderr, "grapevined: %s\n", reason);
    return false;
}

/* Before root is left, who alone may read the key perhaps. */
static bool create_tls(struct server *server)
{
    const struct config *config = &server->config;
    char error[TLS_ERROR_BYTES];
    struct tls_settings settings = {
        .chain_file = config->tls_chain,
        .key_file = config->tls_key,
        .is_key_der = config->tls_key_is_der,
        .authorities_file = config->tls_authority,
        .ciphers = config->tls_ciphers,
        .verify = (enum tls_verify)config->tls_verify,
        .is_only_13 = config->tls_version_min == 3,
        .caches_sessions = config->tls_session_cache,
        .record_bytes = config->tls_buffer_kilobytes * 1024};

    if (!config->tls)
        return true;
    server->tls = tls_create(&settings, error);
    return server->tls != NULL || fail(error);
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
        !process_open_pid(&server->process, config->pid_file, error))
        return fail(error);
    if (!create_tls(server))
        return false;
    if (!process_become(config->user, error))
        return fail(error);
    return true;
}

static enum protocol usual_protocol(const struct config *config)
{
    return config->protocol == SPEAKS_ASCII    ? PROTOCOL_TEXT
           : config->protocol == SPEAKS_BINARY ? PROTOCOL_BINARY
                                               : PROTOCOL_UNKNOWN;
}

static bool open_doors(struct server *server)
{
    const struct config *config = &server->config;
    char error[LISTENER_ERROR_BYTES];
    struct doors_settings settings = {.worker = server->worker,
                                      .clients = server->clients,
                                      .backlog = LISTEN_BACKLOG,
                                      .endpoints = config->listen,
                                      .endpoints_count = config->listen_count,
                                      .port = (unsigned)config->port,
                                      .unix_socket = config->unix_socket,
                                      .unix_mode = (unsigned)config->unix_mask,
                                      .protocol = usual_protocol(config),
                                      .tls = server->tls};

    server->doors = doors_open(&settings, error);
    if (server->doors == NULL)
        return fail(error);
    /* In a farm clients wait until its time is known. */
    doors_accept(server->doors, server->peers == NULL);
    return true;
}

/* Of the versions that this server draws.  What two draw alike is noticed
 * when they meet. */
static uint16_t farm_tag(const struct server *server)
{
    return (uint16_t)(server->farm_id % (VERSION_TAG_MAX + 1));
}

static bool is_in_farm(const struct server *server)
{
    return server->config.farm_listen != NULL ||
           server->config.farm_join_count > 0;
}

static bool create_store(struct server *server)
{
    const struct config *config = &server->config;
    struct store_settings settings = {.memory_bytes_max =
                                          config->memory_megabytes << 20,
                                      .item_bytes_max = config->item_bytes_max,
                                      .evicts = !config->disable_evictions,
                                      .replicates = is_in_farm(server),
                                      .grave_s = GRAVE_S};

    if (getrandom(&settings.seed, sizeof(settings.seed), 0) < 0 ||
        getrandom(&server->farm_id, sizeof(server->farm_id), 0) < 0)
        return fail("the system gives no random numbers");
    if (is_in_farm(server)) {
        /* Everybody in the farm files keys alike, and draws versions that
         * nobody else draws. */
        settings.seed = digest64(span_of_string(config->farm_name), 0);
        settings.origin_tag = farm_tag(server);
    }
    server->store = store_create(&settings);
    return server->store != NULL ||
           fail("option -m (--memory-limit): this much memory cannot be had; "
                "lower it");
}

/* ---- the farm ---- */

static void on_answered(void *context, size_t crew, uint64_t number,
                        bool is_degraded)
{
    const struct server *server = context;

    clients_answered(server->clients, crew, number, is_degraded);
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

static bool create_peers(struct server *server)
{
    const struct config *config = &server->config;
    char error[PEERS_ERROR_BYTES];
    struct peers_settings settings = {
        .store = server->store,
        .log = server->log,
        .clock = &server->clock,
        .listen = config->farm_listen,
        .advertise = config->farm_advertise,
        .joins = config->farm_join,
        .joins_count = config->farm_join_count,
        .is_insecure = config->farm_insecure,
        .farm_name = config->farm_name,
        .name = config->farm_server_name,
        .id = server->farm_id,
        .tag = farm_tag(server),
        .seed = server->farm_id,
        .heartbeat = config->farm_heartbeat_ms * TIME_US_PER_MS,
        .ack_timeout = config->farm_ack_timeout_ms * TIME_US_PER_MS,
        .lookup_timeout = config->farm_lookup_timeout_ms * TIME_US_PER_MS,
        .journal_bytes = config->farm_journal_megabytes << 20,
        .memory_bytes = config->memory_megabytes << 20,
        .item_bytes_max = config->item_bytes_max,
        .lookup = config->farm_lookup == LOOKUP_NEVER  ? PEERS_LOOKUP_NEVER
                  : config->farm_lookup == LOOKUP_AUTO ? PEERS_LOOKUP_AUTO
                                                       : PEERS_LOOKUP_ALWAYS,
        .waits_for_acks = config->farm_ack == ACK_ALL,
        .crews_count = config->threads};

    if (!is_in_farm(server))
        return true;
    server->peers = peers_create(&settings, error);
    return server->peers != NULL || fail(error);
}

static bool start_peers(struct server *server)
{
    struct peers_callbacks callbacks = {.context = server,
                                        .answered = on_answered,
                                        .found = inquiry_found,
                                        .told = on_told,
                                        .opened = on_opened,
                                        .ready = on_ready,
                                        .left = on_left};

    return server->peers == NULL || peers_start(server->peers, &callbacks) ||
           fail("threads are out");
}

/* Clients go first, so that nothing more is written; then the others are
 * told all that was. */
static void stop(void *context)
{
    struct server *server = context;

    if (server->peers == NULL) {
        worker_stop(server->worker);
        return;
    }
    doors_accept(server->doors, false);
    clients_stop(server->clients);
    peers_leave(server->peers);
}

static bool build(struct server *server)
{
    clock_start(&server->clock);
    server->log = log_create();
    if (server->log == NULL || !create_store(server) || !create_peers(server))
        return false;
    log_set_verbosity(server->log, (unsigned)server->config.verbosity);
    server->worker = worker_create();
    server->stats =
        stats_create(&server->config, server->store, clock_now(&server->clock));
    struct clients_settings clients = {
        .store = server->store,
        .stats = server->stats,
        .log = server->log,
        .clock = &server->clock,
        .peers = server->peers,
        .fails_when_degraded =
            server->config.farm_ack_fallback == ACK_FALLBACK_ERROR,
        .threads_count = server->config.threads,
        .connections_max = server->config.connections_max,
        .backlog = LISTEN_BACKLOG,
        .enable_shutdown = server->config.enable_shutdown,
        .disable_flush_all = server->config.disable_flush_all,
        .disable_dumping = server->config.disable_dumping,
        .disable_watch = server->config.disable_watch};
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
    return open_doors(server) && start_peers(server);
}

static void run(struct server *server)
{
    log_event(server->log, EVENT_SERVER, SEVERITY_NOTICE,
              "%s serves clients with %llu MB and %llu threads", TITLE,
              (unsigned long long)server->config.memory_megabytes,
              (unsigned long long)server->config.threads);
    if (server->is_daemon)
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
    clients_destroy(server->clients);
    doors_destroy(server->doors);
    tls_destroy(server->tls);
    maintenance_destroy(server->maintenance);
    timer_destroy(server->signals[0]);
    timer_destroy(server->signals[1]);
    timer_destroy(server->signals[2]);
    peers_destroy(server->peers);
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
