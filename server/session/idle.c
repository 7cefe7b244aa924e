/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/idle.h"

#include "server/session/session.h"
#include "server/session/state.h"

#define LOOKS_PER_TIMEOUT 10
#define INTERVAL_MAX_US (60 * TIME_US_PER_S)

/* Whoever waits for us is not silent, and who watches has nothing to say. */
static bool is_silent(const struct session *session)
{
    return session->state != SESSION_ENDING && !session->waits &&
           session->watching_link == NULL && session->listing == NULL &&
           session->dump == NULL && output_is_empty(&session->output);
}

static void look(void *context)
{
    struct crew *crew = context;
    const struct clients_settings *settings = &crew->clients->settings;
    time_us now = clock_now(settings->clock);
    struct session *next;

    for (struct session *at = crew->sessions; at != NULL; at = next) {
        next = at->next;
        if (now < at->now + settings->idle_timeout || !is_silent(at) ||
            at->door->is_local)
            continue;
        count(&crew->counters, COUNTER_IDLE_KICKS, 1);
        log_event(session_log(at), EVENT_CONNECTION, SEVERITY_INFO,
                  "connection %d: was silent for too long", at->transport.fd);
        at->departure = DEPARTURE_IDLE;
        session_destroy(at);
    }
}

bool idle_begin(struct crew *crew)
{
    time_us timeout = crew->clients->settings.idle_timeout;
    time_us interval = timeout / LOOKS_PER_TIMEOUT;

    if (timeout == 0)
        return true;
    if (interval < TIME_US_PER_S)
        interval = TIME_US_PER_S;
    if (interval > INTERVAL_MAX_US)
        interval = INTERVAL_MAX_US;
    crew->idle_timer = timer_create_every(crew->worker, interval, look, crew);
    return crew->idle_timer != NULL;
}
