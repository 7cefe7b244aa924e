/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/bulletin.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/session/session.h"

/* Before each line, as lines of a bulletin are shown to different watchers. */
struct head {
    uint16_t stream;
    uint16_t length;
};

#define LINE_ROOM_BYTES (sizeof(struct head) + 96 + BULLETIN_LINE_BYTES_MAX)

/* A bulletin on its way to one crew. */
struct letter_of_lines {
    struct crew *crew;
    size_t length;
    uint8_t bytes[];
};

unsigned watch_stream_named(struct span name)
{
    static const struct {
        const char *name;
        enum watch_stream stream;
    } rows[] = {
        {"fetchers", WATCH_FETCHERS},   {"mutations", WATCH_MUTATIONS},
        {"evictions", WATCH_EVICTIONS}, {"connevents", WATCH_CONNEVENTS},
        {"deletions", WATCH_DELETIONS}, {"sysevents", WATCH_SYSEVENTS},
        {"rawcmds", WATCH_RAWCMDS},     {"farm", WATCH_FARM},
        {"proxyreqs", WATCH_PROXY},     {"proxyevents", WATCH_PROXY},
        {"proxyuser", WATCH_PROXY}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (span_equal(name, span_of_string(rows[i].name)))
            return rows[i].stream;
    }
    return WATCH_NOTHING;
}

void bulletin_release(struct bulletin *bulletin)
{
    free(bulletin->bytes);
    *bulletin = (struct bulletin){0};
}

/* ---- writing ---- */

static size_t capacity_bytes(const struct clients *clients)
{
    size_t bytes = clients->settings.bulletin_bytes;

    return bytes > BULLETIN_BYTES_MIN ? bytes : BULLETIN_BYTES_MIN;
}

static bool has_room(struct bulletin *bulletin, const struct clients *clients)
{
    if (bulletin->bytes == NULL) {
        bulletin->capacity_bytes = capacity_bytes(clients);
        bulletin->bytes = malloc(bulletin->capacity_bytes);
    }
    return bulletin->bytes != NULL &&
           bulletin->used_bytes + LINE_ROOM_BYTES <= bulletin->capacity_bytes;
}

uint8_t *bulletin_begin(struct bulletin *bulletin, struct clients *clients,
                        enum watch_stream stream, const char *type)
{
    struct head head = {.stream = (uint16_t)stream};
    char text[96];

    assert(bulletin->line == NULL);
    if (!has_room(bulletin, clients))
        return NULL;
    time_us now = clock_now(clients->settings.clock);
    int length = snprintf(
        text, sizeof(text), "ts=%llu.%06llu gid=%llu %s%s",
        (unsigned long long)(now / TIME_US_PER_S),
        (unsigned long long)(now % TIME_US_PER_S),
        (unsigned long long)(1 + atomic_fetch_add(&clients->lines_count, 1)),
        type == NULL ? "" : "type=", type == NULL ? "" : type);
    bulletin->line = bulletin->bytes + bulletin->used_bytes;
    bulletin->streams |= stream;
    memcpy(bulletin->line, &head, sizeof(head));
    return span_copy(bulletin->line + sizeof(head),
                     span_of(text, (size_t)length));
}

void bulletin_end(struct bulletin *bulletin, uint8_t *end)
{
    struct head head;

    *end++ = '\n';
    memcpy(&head, bulletin->line, sizeof(head));
    head.length = (uint16_t)(end - bulletin->line - (ptrdiff_t)sizeof(head));
    memcpy(bulletin->line, &head, sizeof(head));
    bulletin->used_bytes = (size_t)(end - bulletin->bytes);
    bulletin->line = NULL;
    bulletin->lines_count++;
    assert(bulletin->used_bytes <= bulletin->capacity_bytes);
}

/* ---- on the way ---- */

static void take_lines(void *context)
{
    struct letter_of_lines *letter = context;
    struct crew *crew = letter->crew;

    session_tell_all(crew, span_of(letter->bytes, letter->length));
    atomic_fetch_sub(&crew->lines_waiting_bytes,
                     sizeof(*letter) + letter->length);
    free(letter);
}

static bool post_to(struct crew *crew, struct span lines)
{
    size_t bytes = sizeof(struct letter_of_lines) + lines.length;
    struct letter_of_lines *letter = NULL;

    size_t waiting_bytes = atomic_fetch_add(&crew->lines_waiting_bytes, bytes);
    if (waiting_bytes + bytes <=
        BULLETIN_WAITING_MAX * capacity_bytes(crew->clients))
        letter = malloc(bytes);
    if (letter != NULL) {
        letter->crew = crew;
        letter->length = lines.length;
        span_copy(letter->bytes, lines);
        if (worker_post(crew->worker, take_lines, letter))
            return true;
        free(letter);
    }
    atomic_fetch_sub(&crew->lines_waiting_bytes, bytes);
    return false;
}

unsigned bulletin_post(struct bulletin *bulletin, struct clients *clients)
{
    struct span lines = span_of(bulletin->bytes, bulletin->used_bytes);
    unsigned dropped_count = 0;

    for (size_t i = 0; i < clients->crews_count; i++) {
        struct crew *crew = clients->crews[i];
        if ((atomic_load(&crew->watched) & bulletin->streams) != 0 &&
            !post_to(crew, lines))
            dropped_count = bulletin->lines_count;
    }
    bulletin->used_bytes = 0;
    bulletin->streams = 0;
    bulletin->lines_count = 0;
    return dropped_count;
}

bool bulletin_next(struct span *rest, unsigned *stream, struct span *line)
{
    struct head head;

    if (rest->length == 0)
        return false;
    memcpy(&head, rest->data, sizeof(head));
    *stream = head.stream;
    *line = span_of(rest->data + sizeof(head), head.length);
    size_t used = sizeof(head) + head.length;
    *rest = span_of(rest->data + used, rest->length - used);
    return true;
}
