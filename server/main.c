/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * grapevined: options, build, run, take down.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "proto/memcached/reply.h"
#include "server/auth/exchange.h"
#include "server/auth/throttle.h"
#include "server/auth/users.h"
#include "server/config/config.h"
#include "server/log/log.h"
#include "server/loop/clock.h"
#include "server/loop/worker.h"
#include "server/maintenance/maintenance.h"
#include "server/process/reloads.h"
#include "server/session/inquiry.h"
#include "server/session/ports.h"
#include "server/settings.h"
#include "server/stats/stats.h"
#include "server/store/version.h"
#include "server/version.h"

#define TITLE                                                                  \
    "memcached " REPLY_MEMCACHED_VERSION " (grapevined " GRAPEVINE_VERSION ")"

#define SIGNALS 4

struct server {
    struct config config;
    struct process process;
    struct clock clock;
    struct log *log;
    struct store *store;
    struct stats *stats;
    struct users *users;         /* NULL: no -Y */
    struct exchanges *exchanges; /* NULL: no -S */
    struct throttle *throttle;
    struct worker *worker; /* of this thread */
    struct peers *peers;   /* NULL: alone */
    uint64_t farm_id;      /* of this start */
    struct clients *clients;
    struct tls *tls; /* NULL: clients are served in the clear */
    struct doors *doors;
    struct maintenance *maintenance;
    struct reloads reloads;
    struct timer *signals[SIGNALS];
};

static bool fail(const char *reason)
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
    return process_start(&server->process, &settings, error) || fail(error);
}

/* While this is still root, who alone may read the key perhaps. */
static bool create_tls(struct server *server)
{
    struct tls_settings settings = settings_tls(&server->config);
    char error[TLS_ERROR_BYTES];

    if (!server->config.tls)
        return true;
    server->tls = tls_create(&settings, error);
    return server->tls != NULL || fail(error);
}

/* Of the versions that this server draws.  What two draw alike is noticed
 * when they meet. */
static uint16_t farm_tag(const struct server *server)
{
    return (uint16_t)(server->farm_id % (VERSION_TAG_MAX + 1));
}

static void on_evicted(const struct item *item, time_us now, void *context)
{
    const struct server *server = context;

    clients_evicted(item, now, server->clients);
}

static bool create_store(struct server *server)
{
    struct store_settings settings = settings_store(&server->config);
    uint64_t chance[2];

    if (getrandom(chance, sizeof(chance), 0) < 0)
        return fail("the system gives no random numbers");
    server->farm_id = chance[0];
    settings.witness = on_evicted;
    settings.witness_context = server;
    if (settings.replicates)
        settings.origin_tag = farm_tag(server);
    else
        settings.seed = chance[1];
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
    struct peers_settings settings = settings_peers(&server->config);
    char error[PEERS_ERROR_BYTES];

    if (!settings_has_farm(&server->config))
        return true;
    settings.store = server->store;
    settings.log = server->log;
    settings.clock = &server->clock;
    settings.id = server->farm_id;
    settings.tag = farm_tag(server);
    settings.seed = server->farm_id;
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

/* ---- clients ---- */

static void admit(void *context, bool is_open)
{
    struct server *server = context;

    doors_accept(server->doors, is_open);
}

/* ---- who may come in ---- */

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
        return fail(error);
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
    return server->exchanges != NULL || fail(error);
}

static bool create_throttle(struct server *server)
{
    server->throttle = throttle_create();
    return server->throttle != NULL || fail("memory is out");
}

static bool create_clients(struct server *server)
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
           fail("threads are out; lower -t (--threads)");
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
           fail(error);
}

static bool open_doors(struct server *server)
{
    struct doors_settings settings = settings_doors(&server->config);
    char error[LISTENER_ERROR_BYTES];

    settings.worker = server->worker;
    settings.clients = server->clients;
    settings.tls = server->tls;
    server->doors = doors_open(&settings, error);
    if (server->doors == NULL)
        return fail(error);
    clients_show_doors(server->clients, doors_listeners(server->doors));
    /* In a farm clients wait until its time is known. */
    doors_accept(server->doors, server->peers == NULL);
    return tell_ports(server);
}

/* ---- signals ---- */

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

static void reload(void *context)
{
    struct server *server = context;

    reloads_run(&server->reloads);
}

static bool reload_certificates(void *context, char error[RELOAD_ERROR_BYTES])
{
    return tls_reload(context, error);
}

static bool heed_signals(struct server *server)
{
    static const struct {
        int number;
        worker_task *task;
    } signals[SIGNALS] = {
        {SIGTERM, stop}, {SIGINT, stop}, {SIGUSR1, stop}, {SIGHUP, reload}};

    server->reloads.log = server->log;
    if (server->tls != NULL)
        reloads_add(&server->reloads, "certificates", reload_certificates,
                    server->tls);
    for (size_t i = 0; i < SIGNALS; i++) {
        server->signals[i] = signal_create(server->worker, signals[i].number,
                                           signals[i].task, server);
        if (server->signals[i] == NULL)
            return fail("memory or descriptors are out");
    }
    return true;
}

/* ---- from the start to the end ---- */

static bool create_loop(struct server *server)
{
    server->worker = worker_create();
    server->stats =
        stats_create(&server->config, server->store, clock_now(&server->clock));
    return (server->worker != NULL && server->stats != NULL) ||
           fail("memory or descriptors are out");
}

static bool create_maintenance(struct server *server)
{
    server->maintenance =
        maintenance_create(server->store, server->log, &server->clock);
    return server->maintenance != NULL ||
           fail("threads are out; lower -t (--threads)");
}

static bool build(struct server *server)
{
    clock_start(&server->clock);
    server->log = log_create();
    if (server->log == NULL)
        return fail("memory is out");
    log_set_verbosity(server->log, (unsigned)server->config.verbosity);
    return create_store(server) && create_peers(server) &&
           create_loop(server) && heed_signals(server) &&
           create_users(server) && create_exchanges(server) &&
           create_throttle(server) && create_clients(server) &&
           create_maintenance(server) && open_doors(server) &&
           start_peers(server);
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
    tls_destroy(server->tls);
    for (size_t i = 0; i < SIGNALS; i++)
        timer_destroy(server->signals[i]);
    peers_destroy(server->peers);
    worker_destroy(server->worker);
    stats_destroy(server->stats);
    exchanges_destroy(server->exchanges);
    users_destroy(server->users);
    throttle_destroy(server->throttle);
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
        return fail(error) ? 0 : 64;
    if (has_answered(&server.config))
        return 0;
    bool is_built =
        create_tls(&server) && start_process(&server) && build(&server);
    if (is_built)
        run(&server);
    take_down(&server);
    return is_built ? 0 : 1;
}
