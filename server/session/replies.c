/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/state.h"

#include <string.h>

/* Writes the reply, value included, and lets go of the key. */
static bool write_reply(struct session *session, const struct command *command,
                        struct execution *execution)
{
    struct output *output = &session->output;
    const struct outcome *outcome = &execution->outcome;
    struct segment *pinned = NULL;
    size_t copied_bytes = 0;

    if (outcome->kind == OUTCOME_HIT) {
        /* What a home told lies elsewhere. */
        if (execution->is_held && outcome->value.length >= STORE_PIN_BYTES_MIN)
            pinned = store_pin(&execution->hold);
        copied_bytes = pinned == NULL ? outcome->value.length : 0;
    }
    uint8_t *to = output_room(output, REPLY_HEAD_BYTES_MAX + copied_bytes +
                                          2 * REPLY_TAIL_BYTES_MAX);
    if (to == NULL) {
        if (pinned != NULL)
            store_unpin(session_store(session), pinned);
        return false;
    }
    size_t head_bytes = reply_head(command, outcome, to);
    if (pinned != NULL) {
        output_add(output, head_bytes);
        if (!output_refer(output, session_store(session), outcome->value,
                          pinned))
            return false;
        output_add(output, reply_tail(command, outcome, to + head_bytes));
        return true;
    }
    if (copied_bytes > 0)
        memcpy(to + head_bytes, outcome->value.data, copied_bytes);
    size_t bytes = head_bytes + copied_bytes;
    bytes += reply_tail(command, outcome, to + bytes);
    output_add(output, bytes);
    return true;
}

void replies_write(struct session *session, const struct command *command,
                   struct execution *execution)
{
    if (!reply_is_silent(command, &execution->outcome) &&
        !write_reply(session, command, execution))
        session_break(session, COUNTER_NO_OUTPUT_MEMORY);
    command_finish(execution);
}

void replies_say(struct session *session, const char *line)
{
    struct span text = span_of_string(line);
    uint8_t *to = output_room(&session->output, text.length);

    if (to == NULL) {
        session_break(session, COUNTER_NO_OUTPUT_MEMORY);
        return;
    }
    span_copy(to, text);
    output_add(&session->output, text.length);
}

bool replies_flush(struct session *session)
{
    size_t sent_bytes = 0;

    session->sending = output_send(&session->output, session_store(session),
                                   &session->transport, &sent_bytes);
    count(&session->crew->counters, COUNTER_BYTES_WRITTEN, sent_bytes);
    if (session->sending == OUTPUT_BROKEN)
        session->state = SESSION_BROKEN;
    return session->sending == OUTPUT_SENT;
}
