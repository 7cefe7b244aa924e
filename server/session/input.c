/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define INPUT_BYTES_MIN ((size_t)16 * 1024)
/* What a client may still send that was told why its connection ends. */
#define DRAIN_BYTES_MAX ((size_t)16 * 1024 * 1024)

void input_drop(struct session *session)
{
    if (session->input == NULL)
        return;
    holdings_add(&session->crew->inputs, (uint64_t)-1,
                 -(uint64_t)session->input_capacity_bytes);
    free(session->input);
    session->input = NULL;
    session->input_bytes = 0;
    session->input_capacity_bytes = 0;
}

/* Keeps what is left of the input for the next turn. */
static bool keep(struct session *session, struct span rest)
{
    if (rest.length == 0) {
        input_drop(session);
        return true;
    }
    if (session->input != NULL) {
        memmove(session->input, rest.data, rest.length);
    } else {
        size_t capacity_bytes = rest.length + INPUT_BYTES_MIN;
        session->input = malloc(capacity_bytes);
        if (session->input == NULL)
            return false;
        session->input_capacity_bytes = capacity_bytes;
        holdings_add(&session->crew->inputs, 1, capacity_bytes);
        memcpy(session->input, rest.data, rest.length);
    }
    session->input_bytes = rest.length;
    return true;
}

/* Room to read on behind what was kept. */
static bool grow_input(struct session *session)
{
    size_t capacity_bytes = session->input_bytes + INPUT_BYTES_MIN;

    if (capacity_bytes < session->needed_bytes)
        capacity_bytes = session->needed_bytes;
    if (capacity_bytes <= session->input_capacity_bytes)
        return true;
    uint8_t *grown = realloc(session->input, capacity_bytes);
    if (grown == NULL)
        return false;
    holdings_add(&session->crew->inputs, 0,
                 capacity_bytes - session->input_capacity_bytes);
    session->input = grown;
    session->input_capacity_bytes = capacity_bytes;
    return true;
}

/* The places where the next bytes belong; a value's own memory first. */
static int place_input(struct session *session, struct iovec places[3])
{
    int places_count = 0;

    if (session->filling != NULL) {
        places_count = filling_place(session->filling, places);
        if (places_count == 1)
            return places_count;
    }
    places[places_count++] =
        session->input != NULL
            ? (struct iovec){.iov_base = session->input + session->input_bytes,
                             .iov_len = session->input_capacity_bytes -
                                        session->input_bytes}
            : (struct iovec){.iov_base = session->crew->input,
                             .iov_len = CREW_INPUT_BYTES};
    return places_count;
}

static inline void process_and_keep(struct session *session, struct span input)
{
    struct span rest = requests_process(session, input);

    if (rest.length == 0 && session->input == NULL)
        return;
    if (!keep(session, rest))
        session_break(session, COUNTER_NO_INPUT_MEMORY);
}

/* What a read for so many bytes came to; false where it brought nothing. */
static inline bool has_come(struct session *session, ssize_t got,
                            size_t room_bytes)
{
    if (got > 0) {
        session->has_read_all = (size_t)got < room_bytes;
        count(&session->crew->counters, COUNTER_BYTES_READ, (uint64_t)got);
        return true;
    }
    if (got < 0 && errno == EAGAIN)
        watch_found_nothing(session->watch);
    else if (got < 0 && errno != EINTR)
        session->state = SESSION_BROKEN;
    if (got < 0)
        return false;
    /* It sends no more; what it waits for still goes there. */
    if (output_is_empty(&session->output))
        session_leave(session);
    else
        session_end(session, false);
    return false;
}

/* Behind what was kept, and into the value that is being filled. */
static void receive_more(struct session *session)
{
    struct iovec places[3];

    if (session->input != NULL && !grow_input(session)) {
        session_break(session, COUNTER_NO_INPUT_MEMORY);
        return;
    }
    int places_count = place_input(session, places);
    size_t room_bytes = 0;
    for (int i = 0; i < places_count; i++)
        room_bytes += places[i].iov_len;
    ssize_t got = transport_receive(&session->transport, places, places_count);
    if (!has_come(session, got, room_bytes))
        return;
    size_t bytes = (size_t)got;
    if (session->filling != NULL)
        bytes = filling_settle(session, bytes);
    if (session->input == NULL) {
        process_and_keep(session, span_of(session->crew->input, bytes));
        return;
    }
    session->input_bytes += bytes;
    if (session->input_bytes >= session->needed_bytes)
        input_resume(session);
}

void input_receive(struct session *session)
{
    uint8_t *input = session->crew->input;

    if (session->input != NULL || session->filling != NULL) {
        receive_more(session);
        return;
    }
    struct iovec place = {.iov_base = input, .iov_len = CREW_INPUT_BYTES};
    ssize_t got = transport_receive(&session->transport, &place, 1);
    if (has_come(session, got, CREW_INPUT_BYTES))
        process_and_keep(session, span_of(input, (size_t)got));
}

void input_take(struct session *session, const struct reading *reading)
{
    errno = reading->error;
    if (has_come(session, reading->got, CREW_INPUT_BYTES))
        process_and_keep(session,
                         span_of(reading->bytes, (size_t)reading->got));
}

void input_resume(struct session *session)
{
    process_and_keep(session, span_of(session->input, session->input_bytes));
}

void input_drain(struct session *session)
{
    ssize_t got =
        recv(session->transport.fd, session->crew->input, CREW_INPUT_BYTES, 0);

    if (got < 0 && errno == EAGAIN)
        watch_found_nothing(session->watch);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0)
        session->drained_bytes += (size_t)got;
    if (got <= 0 || session->drained_bytes > DRAIN_BYTES_MAX)
        session_leave(session);
}
