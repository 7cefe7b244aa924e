/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/state.h"

#include <stdio.h>

void watching_begin(struct session *session)
{
    struct crew *crew = session->crew;

    if (session->watching_link != NULL || session_peers(session) == NULL)
        return;
    session->next_watching = crew->watching;
    session->watching_link = &crew->watching;
    if (session->next_watching != NULL)
        session->next_watching->watching_link = &session->next_watching;
    crew->watching = session;
    atomic_fetch_add(&crew->watching_count, 1);
    peers_watch(session_peers(session), 1);
}

void watching_end(struct session *session)
{
    if (session->watching_link == NULL)
        return;
    *session->watching_link = session->next_watching;
    if (session->next_watching != NULL)
        session->next_watching->watching_link = session->watching_link;
    atomic_fetch_sub(&session->crew->watching_count, 1);
    peers_watch(session_peers(session), -1);
}

void watching_tell(struct session *session, struct span line)
{
    char head[64];
    time_us now = clock_now(session->crew->clients->settings.clock);
    int head_bytes = snprintf(head, sizeof(head), "ts=%llu.%06llu type=farm ",
                              (unsigned long long)(now / TIME_US_PER_S),
                              (unsigned long long)(now % TIME_US_PER_S));

    if (session->state != SESSION_OPEN || output_is_high(&session->output))
        return;
    uint8_t *to = output_room(&session->output,
                              sizeof(head) + line.length + sizeof("\r\n"));
    if (to == NULL)
        return;
    uint8_t *at = span_copy(to, span_of(head, (size_t)head_bytes));
    at = span_copy(at, line);
    at = span_copy(at, SPAN("\r\n"));
    output_add(&session->output, (size_t)(at - to));
}
