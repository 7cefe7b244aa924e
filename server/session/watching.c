/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "server/session/state.h"

/* As many as memcached takes. */
#define WATCHERS_MAX 20

/* What is watched has changed: by a crew, and so by all. */
static void sum_up(struct crew *crew)
{
    struct clients *clients = crew->clients;
    unsigned watched = 0;

    for (const struct session *one = crew->watching; one != NULL;
         one = one->next_watching)
        watched |= one->streams;
    pthread_mutex_lock(&clients->watchers_lock);
    atomic_store(&crew->watched, watched);
    for (size_t i = 0; i < clients->crews_count; i++)
        watched |= atomic_load(&clients->crews[i]->watched);
    atomic_store(&clients->watched, watched);
    pthread_mutex_unlock(&clients->watchers_lock);
}

/* The farm tells nothing unless somebody listens. */
static void listen_to_farm(struct session *session, unsigned streams, int more)
{
    if ((streams & WATCH_FARM) && session_peers(session) != NULL)
        peers_watch(session_peers(session), more);
}

static void enter(struct session *session)
{
    struct crew *crew = session->crew;

    session->next_watching = crew->watching;
    session->watching_link = &crew->watching;
    if (session->next_watching != NULL)
        session->next_watching->watching_link = &session->next_watching;
    crew->watching = session;
}

static bool take_place(struct clients *clients)
{
    uint64_t taken = atomic_load(&clients->watchers);

    while (taken < WATCHERS_MAX) {
        if (atomic_compare_exchange_weak(&clients->watchers, &taken, taken + 1))
            return true;
    }
    return false;
}

const char *watching_begin(struct session *session, unsigned streams)
{
    if (session->watching_link == NULL) {
        if (!take_place(session->crew->clients))
            return "WATCHER_TOO_MANY log watcher limit reached\r\n";
        enter(session);
    }
    listen_to_farm(session, session->streams, -1);
    session->streams = streams;
    listen_to_farm(session, streams, 1);
    sum_up(session->crew);
    return "OK\r\n";
}

void watching_end(struct session *session)
{
    if (session->watching_link == NULL)
        return;
    *session->watching_link = session->next_watching;
    if (session->next_watching != NULL)
        session->next_watching->watching_link = session->watching_link;
    session->watching_link = NULL;
    listen_to_farm(session, session->streams, -1);
    atomic_fetch_sub(&session->crew->clients->watchers, 1);
    sum_up(session->crew);
}

/* Before its next line a watcher learns how many it missed.  False where it
 * does not read fast enough: this one is lost, too. */
static bool write_line(struct session *session, struct span line)
{
    struct output *output = &session->output;
    char skipped[48];
    int length = 0;

    if (session->skipped_count > 0)
        length = snprintf(skipped, sizeof(skipped), "skipped=%llu\n",
                          (unsigned long long)session->skipped_count);
    size_t bytes = (size_t)length + line.length;
    if (output->used_bytes + bytes >
        session->crew->clients->settings.watcher_bytes)
        return false;
    uint8_t *to = output_room(output, bytes);
    if (to == NULL)
        return false;
    span_copy(span_copy(to, span_of(skipped, (size_t)length)), line);
    output_add(output, bytes);
    session->skipped_count = 0;
    return true;
}

void watching_tell(struct session *session, struct span lines)
{
    struct counters *counters = &session->crew->counters;
    struct span line;
    unsigned stream;

    while (session->state == SESSION_OPEN &&
           bulletin_next(&lines, &stream, &line)) {
        if ((stream & session->streams) == 0)
            continue;
        if (write_line(session, line)) {
            count(counters, COUNTER_LOG_SENT, 1);
        } else {
            session->skipped_count++;
            count(counters, COUNTER_LOG_SKIPPED, 1);
        }
    }
}
