/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/state.h"

#include "server/session/replication.h"

/* Each message to the peers, and the answer to it, costs more than many a
 * change: those who are ready together write for one. */
#define UNTOLD_MAX (TIME_US_PER_S / 5000)
/* More than this is worth a write of its own. */
#define DELAYED_BYTES_MAX ((size_t)16 * 1024)

static void enter_list(struct session *session, struct session **first)
{
    session->next_holding = *first;
    session->holding_link = first;
    if (session->next_holding != NULL)
        session->next_holding->holding_link = &session->next_holding;
    *first = session;
}

void holding_leave(struct session *session)
{
    if (session->holding_link == NULL)
        return;
    *session->holding_link = session->next_holding;
    if (session->next_holding != NULL)
        session->next_holding->holding_link = session->holding_link;
    session->holding_link = NULL;
}

/* The reply that begins there tells of record `number`: it goes out when
 * that is held by others. */
static void hold_back(struct session *session, const struct command *command,
                      size_t begin_bytes, uint64_t number)
{
    struct crew *crew = session->crew;
    struct held_reply held = {.begin_bytes = begin_bytes,
                              .end_bytes = session->output.used_bytes,
                              .number = number,
                              .opaque = command->opaque,
                              .opcode = command->opcode,
                              .is_plain = command->kind == COMMAND_RETRIEVE};

    if (held.end_bytes == begin_bytes || number <= crew->answered ||
        !peers_waits(session_peers(session)))
        return;
    if (!output_hold(&session->output, &held)) {
        session->state = SESSION_BROKEN;
        return;
    }
    if (session->holding_link == NULL)
        enter_list(session, &crew->holding);
    if (number > crew->awaited) {
        crew->awaited = number;
        crew->has_awaited = true;
    }
}

/* The change goes into the journal while its key is held.  What was quiet is
 * answered for by the noop behind it. */
static uint64_t journal(struct session *session, const struct command *command,
                        const struct execution *execution)
{
    if (execution->mutation.kind == MUTATION_NONE)
        return session->last_number;
    uint64_t number = replication_journal(session_peers(session), command->key,
                                          execution, NULL);
    if (number > 0) {
        session->last_number = number;
        session->crew->has_written = true;
    }
    return number;
}

/* Who decides after this server may not have heard of this. */
static void doubt(struct session *session, struct execution *execution)
{
    if (peers_were_alone(session_peers(session), session->term))
        return;
    outcome_clear(&execution->outcome);
    execution->outcome.kind = OUTCOME_UNKNOWN;
    session_ask_who_decides(session);
}

void holding_reply(struct session *session, const struct command *command,
                   struct execution *execution)
{
    size_t begin_bytes = session->output.used_bytes;
    uint64_t number = journal(session, command, execution);

    if (execution->is_decision && execution->mutation.kind != MUTATION_NONE)
        doubt(session, execution);
    replies_write(session, command, execution);
    if (number > 0)
        hold_back(session, command, begin_bytes, number);
}

void holding_tell_peers(struct crew *crew)
{
    struct peers *peers = crew->clients->settings.peers;

    if (crew->has_awaited)
        peers_await(peers, crew->number, crew->awaited);
    else if (crew->has_written)
        peers_written(peers);
    crew->has_written = false;
    crew->has_awaited = false;
    crew->untold_since = 0;
}

void holding_end_turn(struct session *session)
{
    struct crew *crew = session->crew;

    if (crew->untold_since == 0)
        crew->untold_since = session->now;
    if (crew->ready_count == 0 ||
        session->now - crew->untold_since >= UNTOLD_MAX)
        holding_tell_peers(crew);
}

bool holding_delays(const struct session *session)
{
    const struct output *output = &session->output;
    const struct held_reply *held = output_first_held(output);

    return held != NULL && output->references_used == 0 &&
           held->begin_bytes - output->sent_bytes <= DELAYED_BYTES_MAX;
}

/* Not everybody holds what the client was to be told of. */
static void tell_of_doubt(struct session *session,
                          const struct held_reply *held)
{
    struct command command = {.protocol = session->protocol,
                              .opcode = held->opcode,
                              .opaque = held->opaque};
    struct outcome outcome = {.kind = OUTCOME_NOT_HELD};
    uint8_t text[REPLY_HEAD_BYTES_MAX];

    if (held->is_plain || !session->crew->clients->settings.fails_when_degraded)
        return;
    size_t bytes = reply_head(&command, &outcome, text);
    if (!output_replace_held(&session->output, span_of(text, bytes)))
        session->state = SESSION_BROKEN;
}

void holding_let_go(struct session *session, uint64_t number, bool is_degraded)
{
    const struct held_reply *held;

    while ((held = output_first_held(&session->output)) != NULL &&
           held->number <= number) {
        if (is_degraded) {
            count(&session->crew->counters, COUNTER_FARM_ACK_DEGRADED, 1);
            tell_of_doubt(session, held);
        }
        output_let_go(&session->output);
    }
    if (held == NULL)
        holding_leave(session);
}
