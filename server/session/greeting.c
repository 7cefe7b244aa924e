/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/session.h"
#include "server/session/state.h"

/* Between the connection and its first request; clients on other continents
 * take less than one. */
#define GREETING_US (10 * TIME_US_PER_S)

/* All have the same time, so that who came first has to be through first. */
static void enter_list(struct session *session)
{
    struct crew *crew = session->crew;

    if (crew->greeting == NULL)
        crew->greeting_end = &crew->greeting;
    session->greeting_link = crew->greeting_end;
    *crew->greeting_end = session;
    crew->greeting_end = &session->next_greeting;
}

static void arm(struct crew *crew, time_us now)
{
    if (crew->greeting != NULL)
        timer_arm(crew->greeting_timer, crew->greeting->greeted_by > now
                                            ? crew->greeting->greeted_by - now
                                            : 0);
}

static void give_up(void *context)
{
    struct crew *crew = context;
    time_us now = clock_now(crew->clients->settings.clock);

    while (crew->greeting != NULL && crew->greeting->greeted_by <= now) {
        log_event(session_log(crew->greeting), EVENT_REFUSAL, SEVERITY_DEBUG,
                  "connection %d: no TLS handshake in time",
                  crew->greeting->transport.fd);
        count(&crew->counters, COUNTER_TLS_HANDSHAKE_ERRORS, 1);
        session_destroy(crew->greeting);
    }
    arm(crew, now);
}

bool greeting_begin(struct session *session)
{
    struct crew *crew = session->crew;
    time_us now = clock_now(crew->clients->settings.clock);
    bool is_first = crew->greeting == NULL;

    if (crew->greeting_timer == NULL)
        crew->greeting_timer = timer_create_once(crew->worker, give_up, crew);
    if (crew->greeting_timer == NULL)
        return false;
    session->greeted_by = now + GREETING_US;
    enter_list(session);
    if (is_first)
        arm(crew, now);
    return true;
}

void greeting_end(struct session *session)
{
    struct crew *crew = session->crew;

    if (session->greeting_link == NULL)
        return;
    *session->greeting_link = session->next_greeting;
    if (session->next_greeting != NULL)
        session->next_greeting->greeting_link = session->greeting_link;
    else
        crew->greeting_end = session->greeting_link;
    session->greeting_link = NULL;
}

void greeting_go_on(struct session *session)
{
    switch (tls_shake_hands(session->transport.tls)) {
    case TLS_WAITS_TO_READ:
        watch_want(session->watch, true, false);
        break;
    case TLS_WAITS_TO_WRITE:
        watch_want(session->watch, false, true);
        break;
    case TLS_READY:
        if (!tls_is_resumed(session->transport.tls))
            count(&session->crew->counters, COUNTER_TLS_SESSIONS, 1);
        greeting_end(session);
        session_begin(session);
        break;
    case TLS_FAILED:
        count(&session->crew->counters, COUNTER_TLS_HANDSHAKE_ERRORS, 1);
        log_event(session_log(session), EVENT_REFUSAL, SEVERITY_DEBUG,
                  "connection %d: the TLS handshake failed",
                  session->transport.fd);
        session_destroy(session);
        break;
    }
}
