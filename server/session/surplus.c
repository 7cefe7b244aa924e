/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/surplus.h"

static void set_open(struct clients *clients, bool is_open)
{
    clients->settings.admit(clients->settings.admit_context, is_open);
}

/* In the main thread. */
static void reopen(void *context)
{
    struct clients *clients = context;
    time_us since = atomic_exchange(&clients->listen_disabled_since, 0);

    atomic_fetch_add(&clients->listen_disabled_us,
                     clock_now(clients->settings.clock) - since);
    /* Who goes because the server ends makes room for nobody. */
    if (!clients->is_stopped)
        set_open(clients, true);
}

/* True for one of those who saw that there is room again. */
static bool takes_note(struct clients *clients)
{
    return atomic_load(&clients->is_full) &&
           atomic_exchange(&clients->is_full, false);
}

static bool has_room(struct clients *clients)
{
    return atomic_load(&clients->connections) <
           clients->settings.connections_max;
}

void surplus_came(struct clients *clients)
{
    if (!clients->settings.surplus_waits || has_room(clients))
        return;
    atomic_store(&clients->is_full, true);
    /* One may have gone between the two, and told nobody. */
    if (has_room(clients) && takes_note(clients))
        return;
    atomic_store(&clients->listen_disabled_since,
                 clock_now(clients->settings.clock));
    atomic_fetch_add(&clients->listen_disabled, 1);
    log_event(clients->settings.log, EVENT_REFUSAL, SEVERITY_WARNING,
              "no more clients are let in: %zu are connected; raise -c "
              "(--conn-limit)",
              clients->settings.connections_max);
    set_open(clients, false);
}

void surplus_went(struct clients *clients)
{
    /* Without memory for a letter the next one who goes sends it. */
    if (takes_note(clients) &&
        !worker_post(clients->settings.worker, reopen, clients))
        atomic_store(&clients->is_full, true);
}

void surplus_read(struct clients *clients, time_us now, struct stats_live *live)
{
    time_us since = atomic_load(&clients->listen_disabled_since);

    live->accepts = since == 0;
    live->listen_disabled = atomic_load(&clients->listen_disabled);
    live->listen_disabled_us = atomic_load(&clients->listen_disabled_us);
    if (since != 0 && now > since)
        live->listen_disabled_us += now - since;
}
