/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/start/server.h"

#include <signal.h>

#define FAREWELL_TICK_US (TIME_US_PER_S / 100)

/* Clients go first, so that nothing more is written; then the others are
 * told all that was. */
static void leave(struct server *server)
{
    clients_stop(server->clients);
    peers_leave(server->peers);
}

static void see_off(void *context)
{
    struct server *server = context;

    if (server->is_leaving || (clients_count(server->clients) > 0 &&
                               clock_own(&server->clock) < server->leaves_at))
        return;
    server->is_leaving = true;
    leave(server);
}

/* Who is refused turns to another server.  Who is in the middle of something
 * may not be able to: PHP has its session's lock from here, and knows nobody
 * else to store the session with. */
static void stop(void *context)
{
    struct server *server = context;

    if (server->peers == NULL) {
        worker_stop(server->worker);
        return;
    }
    if (server->farewell != NULL || server->is_leaving)
        return;
    clients_show_doors(server->clients, NULL);
    doors_close(server->doors);
    server->leaves_at = clock_own(&server->clock) +
                        server->config.farm_leave_timeout_ms * TIME_US_PER_MS;
    server->farewell =
        timer_create_every(server->worker, FAREWELL_TICK_US, see_off, server);
    if (server->farewell == NULL)
        server->leaves_at = 0;
    see_off(server);
}

static void reload(void *context)
{
    struct server *server = context;

    reloads_run(&server->reloads);
}

/* What is heeded now is ignored when it is heeded no more: who asks twice
 * for the end must not cut it short. */
static struct timer *heed(struct server *server, int number, worker_task *task)
{
    sigset_t set;
    sigset_t before;

    /* One that comes in between waits. */
    sigemptyset(&set);
    sigaddset(&set, number);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    signal(number, SIG_IGN);
    struct timer *heeded = signal_create(server->worker, number, task, server);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return heeded;
}

bool signals_heed(struct server *server)
{
    static const struct {
        int number;
        worker_task *task;
    } signals[SERVER_SIGNALS] = {
        {SIGTERM, stop}, {SIGINT, stop}, {SIGUSR1, stop}, {SIGHUP, reload}};

    for (size_t i = 0; i < SERVER_SIGNALS; i++) {
        server->signals[i] = heed(server, signals[i].number, signals[i].task);
        if (server->signals[i] == NULL)
            return server_fail("memory or descriptors are out");
    }
    return true;
}

void signals_forget(struct server *server)
{
    for (size_t i = 0; i < SERVER_SIGNALS; i++)
        timer_destroy(server->signals[i]);
    timer_destroy(server->farewell);
}
