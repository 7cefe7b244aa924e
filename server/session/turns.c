/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Turns: whoever is ready has a turn, all of them one behind the other.
 *
 * A request that comes alone has to wait for memory: for what leads to its
 * item, then for the item.  So the session whose turn is next is read from
 * ahead of that, and what its first request needs is asked for: it comes
 * while others are served.
 */
#include <errno.h>

#include "server/session/state.h"

/* Where a first key ends, or it is none. */
#define GUESSED_BYTES_MAX 280

/* What is known of a session before its turn. */
struct ahead {
    struct reading reading;
    struct guess guess;
};

/* What it is to do is to read, and nothing else. */
static bool reads_plainly(const struct session *session)
{
    return session->state == SESSION_OPEN && session->transport.tls == NULL &&
           session->input == NULL && session->filling == NULL &&
           session->listing == NULL && session->dump == NULL &&
           !session->waits && !session->has_backlog &&
           output_is_empty(&session->output);
}

/* Most requests name their key behind the first word.  It is a guess: if it
 * is wrong something is brought near that nobody needs. */
static struct span guess_key(struct span input)
{
    const uint8_t *end = input.data + input.length;
    struct span rest = input;

    span_take_word(&rest);
    struct span key = span_take_word(&rest);
    for (const uint8_t *at = key.data; at < end; at++) {
        if (*at <= ' ')
            return span_of(key.data, (size_t)(at - key.data));
    }
    return key;
}

static void look_ahead(struct session *session, uint8_t *bytes,
                       struct ahead *ahead)
{
    const struct store *store = session_store(session);

    if (!reads_plainly(session))
        return;
    ahead->reading.bytes = bytes;
    ahead->reading.got =
        recv(session->transport.fd, bytes, CREW_INPUT_BYTES, 0);
    ahead->reading.error = errno;
    if (ahead->reading.got <= 0)
        return;
    size_t got = (size_t)ahead->reading.got;
    struct span key = guess_key(
        span_of(bytes, got < GUESSED_BYTES_MAX ? got : GUESSED_BYTES_MAX));
    if (key.length == 0 || key.length > COMMAND_KEY_BYTES_MAX)
        return;
    ahead->guess = (struct guess){key, store_hash(store, key)};
    store_prefetch(store, ahead->guess.hash);
}

/* The one at `number`, if it is still there. */
static struct ahead prepare(struct crew *crew, size_t number)
{
    struct ahead ahead = {0};

    if (number < crew->ready_count && crew->ready[number] != NULL)
        look_ahead(crew->ready[number], crew->ahead[number % 2], &ahead);
    return ahead;
}

static void take_turns(void *context)
{
    struct crew *crew = context;
    const struct store *store = crew->clients->settings.store;
    struct ahead now = prepare(crew, 0);

    for (size_t i = 0; i < crew->ready_count; i++) {
        if (now.guess.key.length > 0)
            store_prefetch_item(store, now.guess.hash);
        struct ahead next = prepare(crew, i + 1);
        struct session *session = crew->ready[i];
        if (session != NULL) {
            session->is_ready = false;
            crew->guess = now.guess;
            session_take_turn(session,
                              now.reading.bytes != NULL ? &now.reading : NULL);
        }
        now = next;
    }
    crew->ready_count = 0;
    crew->guess = (struct guess){0};
    if (crew->has_written || crew->has_awaited)
        holding_tell_peers(crew);
}

void turns_await(void *context)
{
    struct session *session = context;
    struct crew *crew = session->crew;

    if (session->is_ready)
        return;
    if (crew->ready_count == 0) {
        if (!worker_is_busy(crew->worker)) {
            session_take_turn(session, NULL);
            return;
        }
        timer_hurry(crew->turns);
    }
    session->is_ready = true;
    session->ready_at = crew->ready_count;
    crew->ready[crew->ready_count++] = session;
    if (crew->ready_count == CREW_READY_MAX)
        take_turns(crew);
}

void turns_forget(struct session *session)
{
    if (session->is_ready)
        session->crew->ready[session->ready_at] = NULL;
}

bool turns_begin(struct crew *crew)
{
    crew->turns = timer_create_once(crew->worker, take_turns, crew);
    return crew->turns != NULL;
}
