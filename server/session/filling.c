/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/state.h"

#include <stdlib.h>
#include <string.h>

#include "proto/memcached/meta.h"

/* So much of a value is read at once: a client that sends as fast as this
 * would else keep others waiting for the whole of it. */
#define READ_BYTES_MAX ((size_t)1024 * 1024)

/* A value that arrives in pieces, and the command it belongs to. */
struct filling {
    struct command command;
    struct store_reservation reservation;
    size_t received_bytes;
    size_t end_bytes; /* of the line end behind a text value, received */
    uint8_t end[2];
    uint8_t key[COMMAND_KEY_BYTES_MAX];
    uint8_t tokens[META_KEPT_BYTES_MAX];
};

static size_t line_end_bytes(const struct command *command)
{
    return command->protocol == PROTOCOL_TEXT ? 2 : 0;
}

void filling_begin(struct session *session, const struct command *command)
{
    struct execution execution;
    struct filling *filling = calloc(1, sizeof(*filling));

    session_begin_execution(session, command, &execution);
    if (filling == NULL) {
        session_break(session, COUNTER_NO_SESSION_MEMORY);
        return;
    }
    if (!command_reserve(command, &execution, &filling->reservation)) {
        free(filling);
        session->swallow_bytes = command->value_bytes + line_end_bytes(command);
        session_count_prefix(session, command, &execution);
        session_reply(session, command, &execution);
        return;
    }
    filling->command = *command;
    memcpy(filling->key, command->key.data, command->key.length);
    filling->command.key = span_of(filling->key, command->key.length);
    filling->command.tokens = meta_keep_flags(command->tokens, filling->tokens);
    session->filling = filling;
}

static size_t take(uint8_t *to, size_t wanted_bytes, struct span *from)
{
    size_t bytes = from->length < wanted_bytes ? from->length : wanted_bytes;

    memcpy(to, from->data, bytes);
    *from = span_of(from->data + bytes, from->length - bytes);
    return bytes;
}

static bool is_filled(const struct filling *filling)
{
    return filling->received_bytes == filling->command.value_bytes &&
           filling->end_bytes == line_end_bytes(&filling->command);
}

static void send_home(struct session *session)
{
    const struct filling *filling = session->filling;
    struct command whole = filling->command;

    whole.value =
        span_of(filling->reservation.value, filling->reservation.value_bytes);
    appeal_begin(session, &whole, 1);
}

static void end_filling(struct session *session)
{
    struct filling *filling = session->filling;
    struct execution execution;

    if (session->appeal != NULL) {
        appeal_answer(session, &filling->command);
        filling_drop(session);
        return;
    }
    session_begin_execution(session, &filling->command, &execution);
    if (line_end_bytes(&filling->command) > 0 &&
        (filling->end[0] != '\r' || filling->end[1] != '\n'))
        filling->command.block_fault = BLOCK_UNTERMINATED;
    execution.reservation = &filling->reservation;
    command_execute(&filling->command, &execution);
    if (execution.must_ask) {
        inquiry_begin(session, &filling->command, 1);
        return;
    }
    if (execution.goes_home) {
        send_home(session);
        return;
    }
    session_count_prefix(session, &filling->command, &execution);
    session_reply(session, &filling->command, &execution);
    filling_drop(session);
}

struct span filling_take(struct session *session, struct span input)
{
    struct filling *filling = session->filling;
    size_t value_left = filling->command.value_bytes - filling->received_bytes;

    filling->received_bytes +=
        take(filling->reservation.value + filling->received_bytes, value_left,
             &input);
    filling->end_bytes +=
        take(filling->end + filling->end_bytes,
             line_end_bytes(&filling->command) - filling->end_bytes, &input);
    if (is_filled(filling))
        end_filling(session);
    return input;
}

int filling_place(struct filling *filling, struct iovec places[2])
{
    const struct command *command = &filling->command;
    size_t value_left = command->value_bytes - filling->received_bytes;

    places[0] = (struct iovec){.iov_base = filling->reservation.value +
                                           filling->received_bytes,
                               .iov_len = value_left};
    if (value_left > READ_BYTES_MAX) {
        places[0].iov_len = READ_BYTES_MAX;
        return 1;
    }
    places[1] =
        (struct iovec){.iov_base = filling->end + filling->end_bytes,
                       .iov_len = line_end_bytes(command) - filling->end_bytes};
    return 2;
}

size_t filling_settle(struct session *session, size_t bytes)
{
    struct filling *filling = session->filling;

    size_t value_left = filling->command.value_bytes - filling->received_bytes;
    size_t part = bytes < value_left ? bytes : value_left;
    filling->received_bytes += part;
    bytes -= part;
    size_t end_left = line_end_bytes(&filling->command) - filling->end_bytes;
    part = bytes < end_left ? bytes : end_left;
    filling->end_bytes += part;
    bytes -= part;
    if (is_filled(filling))
        end_filling(session);
    return bytes;
}

void filling_resume(struct session *session)
{
    if (session->filling != NULL && is_filled(session->filling))
        end_filling(session);
}

void filling_drop(struct session *session)
{
    if (session->filling == NULL)
        return;
    store_cancel(session_store(session), &session->filling->reservation);
    free(session->filling);
    session->filling = NULL;
}
