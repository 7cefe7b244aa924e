/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/session.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "proto/memcached/binary.h"
#include "proto/memcached/text.h"
#include "server/session/inquiry.h"
#include "server/session/replication.h"

#define INPUT_BYTES_MIN ((size_t)16 * 1024)
/* What a client may still send that was told why its connection ends. */
#define DRAIN_BYTES_MAX ((size_t)16 * 1024 * 1024)

/* A value that arrives in pieces, and the command it belongs to. */
struct filling {
    struct command command;
    struct store_reservation reservation;
    size_t received_bytes;
    size_t end_bytes; /* of the line end behind a text value, received */
    uint8_t end[2];
    uint8_t key[COMMAND_KEY_BYTES_MAX];
};

enum session_state {
    SESSION_OPEN,
    SESSION_ENDING,   /* what was answered is sent, then it is closed */
    SESSION_DRAINING, /* the client was told; it has to stop sending */
    SESSION_BROKEN    /* to be destroyed at the end of the turn */
};

struct session {
    struct crew *crew;
    struct session *next;
    struct session **link; /* what leads to this one in the crew's list */
    struct watch *watch;
    int fd;
    enum session_state state;
    enum protocol protocol;
    bool has_backlog; /* the input may hold whole commands */
    bool drains;      /* after the last reply, rather than closing at once */
    struct text_parser text;
    uint8_t *input; /* what was read and not yet understood; or NULL */
    size_t input_bytes;
    size_t input_capacity_bytes;
    size_t needed_bytes; /* of input, before it is worth a look */
    size_t swallow_bytes;
    size_t drained_bytes;
    struct filling *filling;
    struct output output;
    enum output_result sending; /* what came of sending last */
    time_us now;                /* of this turn */

    /* In a farm. */
    enum peers_reading reading; /* of this turn */
    struct inquiry *inquiry;    /* to others, under way or answered */
    bool waits;                 /* for the inquiry */
    uint64_t last_number;       /* of what it changed last */
    struct session *next_holding;
    struct session **holding_link; /* NULL: no reply is held back */
    struct session *next_watching;
    struct session **watching_link; /* NULL: it does not watch */
};

static struct store *store_of(const struct session *session)
{
    return session->crew->clients->settings.store;
}

static struct log *log_of(const struct session *session)
{
    return session->crew->clients->settings.log;
}

/* ---- output ---- */

/* While nothing waits to be sent, a session has no buffer of its own: it
 * writes into the crew's. */
static void borrow_output(struct session *session)
{
    if (session->output.bytes == NULL)
        output_hand_over(&session->crew->output, &session->output);
}

static void return_output(struct session *session)
{
    if (!output_is_empty(&session->output))
        return;
    /* A giant's buffer is not kept for dwarfs. */
    if (session->crew->output.bytes == NULL &&
        session->output.capacity_bytes <= 2 * OUTPUT_BYTES_HIGH)
        output_hand_over(&session->output, &session->crew->output);
    else
        output_release(&session->output, store_of(session));
}

/* True when all is sent. */
static bool flush(struct session *session)
{
    size_t sent_bytes = 0;

    session->sending = output_send(&session->output, store_of(session),
                                   session->fd, &sent_bytes);
    count(&session->crew->counters, COUNTER_BYTES_WRITTEN, sent_bytes);
    if (session->sending == OUTPUT_BROKEN)
        session->state = SESSION_BROKEN;
    return session->sending == OUTPUT_SENT;
}

/* The client, or the farm, has to come after before more is answered. */
static bool is_congested(const struct session *session)
{
    if (session->sending == OUTPUT_SENT)
        return false;
    return session->sending == OUTPUT_BLOCKED ||
           output_is_high(&session->output);
}

static void end(struct session *session, bool drains)
{
    if (session->state == SESSION_OPEN)
        session->state = SESSION_ENDING;
    session->drains = drains;
}

/* Writes the reply, value included, and lets go of the key. */
static bool write_reply(struct session *session, const struct command *command,
                        struct execution *execution)
{
    struct output *output = &session->output;
    const struct outcome *outcome = &execution->outcome;
    struct segment *pinned = NULL;
    size_t copied_bytes = 0;

    if (outcome->kind == OUTCOME_HIT) {
        pinned = store_pin(&execution->hold);
        copied_bytes = pinned == NULL ? outcome->value.length : 0;
    }
    uint8_t *to = output_room(output, REPLY_HEAD_BYTES_MAX + copied_bytes +
                                          2 * REPLY_TAIL_BYTES_MAX);
    if (to == NULL) {
        if (pinned != NULL)
            store_unpin(store_of(session), pinned);
        return false;
    }
    size_t head_bytes = reply_head(command, outcome, to);
    if (pinned != NULL) {
        output_add(output, head_bytes);
        if (!output_refer(output, store_of(session), outcome->value, pinned))
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

/* ---- the farm ---- */

static struct peers *peers_of(const struct session *session)
{
    return session->crew->clients->settings.peers;
}

static void enter_list(struct session *session, struct session **first)
{
    session->next_holding = *first;
    session->holding_link = first;
    if (session->next_holding != NULL)
        session->next_holding->holding_link = &session->next_holding;
    *first = session;
}

static void leave_holding(struct session *session)
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
        !peers_waits(peers_of(session)))
        return;
    if (!output_hold(&session->output, &held)) {
        session->state = SESSION_BROKEN;
        return;
    }
    if (session->holding_link == NULL)
        enter_list(session, &crew->holding);
    if (number > crew->awaited)
        crew->awaited = number;
}

/* The change goes into the journal while its key is held.  What was quiet is
 * answered for by the noop behind it. */
static uint64_t journal(struct session *session, const struct command *command,
                        const struct execution *execution)
{
    if (execution->mutation.kind == MUTATION_NONE)
        return session->last_number;
    uint64_t number =
        replication_journal(peers_of(session), command, execution);
    if (number > 0) {
        session->last_number = number;
        session->crew->has_written = true;
    }
    return number;
}

/* Once for all that was written in a turn. */
static void tell_peers(struct crew *crew, uint64_t awaited_before)
{
    struct peers *peers = crew->clients->settings.peers;

    if (peers == NULL)
        return;
    if (crew->awaited > awaited_before)
        peers_await(peers, crew->number, crew->awaited);
    else if (crew->has_written)
        peers_written(peers);
    crew->has_written = false;
}

static void write_and_finish(struct session *session,
                             const struct command *command,
                             struct execution *execution)
{
    if (!reply_is_silent(command, &execution->outcome) &&
        !write_reply(session, command, execution))
        session->state = SESSION_BROKEN;
    command_finish(execution);
}

/* The reply tells of a change, or of the quiet ones before it. */
static bool may_wait(const struct command *command,
                     const struct execution *execution)
{
    return execution->replicates &&
           (execution->mutation.kind != MUTATION_NONE ||
            command->kind == COMMAND_NOOP);
}

static void tell_and_reply(struct session *session,
                           const struct command *command,
                           struct execution *execution)
{
    size_t begin_bytes = session->output.used_bytes;
    uint64_t number = journal(session, command, execution);

    write_and_finish(session, command, execution);
    if (number > 0)
        hold_back(session, command, begin_bytes, number);
}

static inline void reply(struct session *session, const struct command *command,
                         struct execution *execution)
{
    if (may_wait(command, execution))
        tell_and_reply(session, command, execution);
    else
        write_and_finish(session, command, execution);
}

static enum asking asking_of(const struct session *session,
                             const struct command *command, bool *is_certain)
{
    if (session->inquiry != NULL &&
        inquiry_knows(session->inquiry, command->hash, is_certain))
        return ASK_NEVER;
    switch (session->reading) {
    case PEERS_ASK_ON_MISS:
        return ASK_ON_MISS;
    case PEERS_ASK_ALWAYS:
        return ASK_ALWAYS;
    case PEERS_READ_HERE:
        break;
    }
    return ASK_NEVER;
}

/* What is the caller's of an execution; zeroing the rest of it as well would
 * cost a get 3 % of all its instructions. */
static inline void begin_execution(const struct session *session,
                                   const struct command *command,
                                   struct execution *execution)
{
    execution->store = store_of(session);
    execution->now = session->now;
    execution->counters = &session->crew->counters;
    execution->reservation = NULL;
    execution->replicates = peers_of(session) != NULL;
    execution->asking = ASK_NEVER;
    execution->is_certain = false;
    if (execution->replicates)
        execution->asking = asking_of(session, command, &execution->is_certain);
}

/* Asks about what these commands miss here; until the answers come the
 * session does nothing else. */
static void ask(struct session *session, const struct command *commands,
                size_t count)
{
    struct inquiry *inquiry = inquiry_create(session->crew, session);

    inquiry_drop(session->inquiry);
    session->inquiry = inquiry;
    if (inquiry == NULL) {
        session->state = SESSION_BROKEN;
        return;
    }
    inquiry_add(inquiry, &commands[0]);
    for (size_t i = 1; i < count; i++) {
        struct execution execution;
        begin_execution(session, &commands[i], &execution);
        if (command_must_ask(&commands[i], &execution))
            inquiry_add(inquiry, &commands[i]);
    }
    session->waits = true;
    session->has_backlog = true;
    if (!inquiry_send(inquiry))
        session->state = SESSION_BROKEN;
}

/* ---- values that arrive in pieces ---- */

static size_t line_end_bytes(const struct command *command)
{
    return command->protocol == PROTOCOL_TEXT ? 2 : 0;
}

static void begin_filling(struct session *session,
                          const struct command *command)
{
    struct execution execution;
    struct filling *filling = calloc(1, sizeof(*filling));

    begin_execution(session, command, &execution);
    if (filling == NULL) {
        session->state = SESSION_BROKEN;
        return;
    }
    if (!command_reserve(command, &execution, &filling->reservation)) {
        free(filling);
        session->swallow_bytes = command->value_bytes + line_end_bytes(command);
        reply(session, command, &execution);
        return;
    }
    filling->command = *command;
    memcpy(filling->key, command->key.data, command->key.length);
    filling->command.key = span_of(filling->key, command->key.length);
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

static void end_filling(struct session *session)
{
    struct filling *filling = session->filling;
    struct execution execution;

    begin_execution(session, &filling->command, &execution);
    if (line_end_bytes(&filling->command) > 0 &&
        (filling->end[0] != '\r' || filling->end[1] != '\n'))
        filling->command.block_fault = BLOCK_UNTERMINATED;
    execution.reservation = &filling->reservation;
    command_execute(&filling->command, &execution);
    if (execution.must_ask) {
        ask(session, &filling->command, 1);
        return;
    }
    reply(session, &filling->command, &execution);
    store_cancel(store_of(session), &filling->reservation);
    free(filling);
    session->filling = NULL;
}

/* Takes from `input` what belongs to the value; executes when it is whole. */
static void fill(struct session *session, struct span *input)
{
    struct filling *filling = session->filling;
    size_t value_left = filling->command.value_bytes - filling->received_bytes;

    filling->received_bytes +=
        take(filling->reservation.value + filling->received_bytes, value_left,
             input);
    filling->end_bytes +=
        take(filling->end + filling->end_bytes,
             line_end_bytes(&filling->command) - filling->end_bytes, input);
    if (is_filled(filling))
        end_filling(session);
}

/* ---- commands ---- */

/* From now on it is told what happens in the farm. */
static void begin_to_watch(struct session *session)
{
    struct crew *crew = session->crew;

    if (session->watching_link != NULL || peers_of(session) == NULL)
        return;
    session->next_watching = crew->watching;
    session->watching_link = &crew->watching;
    if (session->next_watching != NULL)
        session->next_watching->watching_link = &session->next_watching;
    crew->watching = session;
    atomic_fetch_add(&crew->watching_count, 1);
    peers_watch(peers_of(session), 1);
}

static void end_watching(struct session *session)
{
    if (session->watching_link == NULL)
        return;
    *session->watching_link = session->next_watching;
    if (session->next_watching != NULL)
        session->next_watching->watching_link = session->watching_link;
    atomic_fetch_sub(&session->crew->watching_count, 1);
    peers_watch(peers_of(session), -1);
}

static void answer_without_key(struct session *session,
                               const struct command *command,
                               struct execution *execution)
{
    command_skip(execution);
    switch (command->kind) {
    case COMMAND_REFUSED:
        execution->outcome.kind = OUTCOME_REFUSED;
        log_event(log_of(session), EVENT_REFUSAL, SEVERITY_DEBUG,
                  "connection %d: a request was refused (%d)", session->fd,
                  (int)command->refusal);
        break;
    case COMMAND_VERSION:
        execution->outcome.kind = OUTCOME_VERSION;
        break;
    case COMMAND_VERBOSITY:
        log_set_verbosity(log_of(session),
                          command->delta > 2 ? 2 : (unsigned)command->delta);
        execution->outcome.kind = OUTCOME_OK;
        break;
    case COMMAND_QUIT:
        execution->outcome.kind =
            command->protocol == PROTOCOL_TEXT ? OUTCOME_SILENT : OUTCOME_OK;
        end(session, false);
        break;
    case COMMAND_WATCH:
        begin_to_watch(session);
        execution->outcome.kind = OUTCOME_OK;
        break;
    default:
        execution->outcome.kind = OUTCOME_OK;
        break;
    }
}

/* False where the farm has to be asked first. */
static inline bool execute(struct session *session,
                           const struct command *command)
{
    struct execution execution;

    if (command->kind == COMMAND_STATS) {
        if (!statistics_answer(session->crew, command, &session->output))
            session->state = SESSION_BROKEN;
        return true;
    }
    if (command->value_follows) {
        begin_filling(session, command);
        return true;
    }
    begin_execution(session, command, &execution);
    if (command_is_executed(command->kind))
        command_execute(command, &execution);
    else
        answer_without_key(session, command, &execution);
    if (execution.must_ask)
        return false;
    if (command->kind == COMMAND_FLUSH)
        log_event(log_of(session), EVENT_SERVER, SEVERITY_NOTICE,
                  "flush_all by connection %d", session->fd);
    reply(session, command, &execution);
    session->swallow_bytes = command->swallow_bytes;
    if (command->closes)
        end(session, true);
    return true;
}

/* After such a command the input is not simply the next command. */
static bool ends_batch(const struct command *command)
{
    return command->value_follows || command->swallow_bytes > 0 ||
           command->closes || command->kind == COMMAND_QUIT ||
           command->kind == COMMAND_STATS;
}

static struct parsed parse(struct session *session, struct span input,
                           struct command *command)
{
    struct parse_limits limits = {.item_bytes_max =
                                      store_item_bytes_max(store_of(session))};

    if (session->protocol == PROTOCOL_UNKNOWN)
        session->protocol = input.data[0] == BINARY_MAGIC_REQUEST
                                ? PROTOCOL_BINARY
                                : PROTOCOL_TEXT;
    return session->protocol == PROTOCOL_BINARY
               ? binary_parse(input, &limits, command)
               : text_parse(&session->text, input, &limits, command);
}

/* Parses up to a batch, and asks for the memory that it will need. */
static size_t parse_batch(struct session *session, struct span *input)
{
    struct crew *crew = session->crew;
    size_t batch_count = 0;

    while (batch_count < CREW_BATCH_MAX && input->length > 0) {
        struct command *command = &crew->batch[batch_count];
        crew->marks[batch_count] =
            (struct mark){.rest = *input, .text = session->text};
        struct parsed parsed = parse(session, *input, command);
        if (parsed.result == PARSE_CLOSE) {
            end(session, false);
            break;
        }
        if (parsed.result == PARSE_MORE) {
            session->needed_bytes = parsed.need;
            break;
        }
        assert(parsed.used <= input->length);
        *input =
            span_of(input->data + parsed.used, input->length - parsed.used);
        batch_count++;
        if (command->key.length > 0) {
            command->hash = store_hash(store_of(session), command->key);
            store_prefetch(store_of(session), command->hash);
        }
        if (ends_batch(command))
            break;
    }
    return batch_count;
}

static void swallow(struct session *session, struct span *input)
{
    size_t bytes = session->swallow_bytes < input->length
                       ? session->swallow_bytes
                       : input->length;

    *input = span_of(input->data + bytes, input->length - bytes);
    session->swallow_bytes -= bytes;
}

/* Parsing goes back to the first command of the batch that was not executed. */
static void go_back(struct session *session, size_t executed_count,
                    struct span *input)
{
    const struct mark *mark = &session->crew->marks[executed_count];

    *input = mark->rest;
    session->text = mark->text;
    if (session->state == SESSION_ENDING)
        session->state = SESSION_OPEN;
}

/*
 * Executes the batch, as far as the client takes the answers and the farm
 * need not be asked: there, parsing goes back to the first command that was
 * not executed.  Tells how many commands that was, or what they are worth.
 */
static size_t execute_batch(struct session *session, size_t batch_count,
                            struct span *input)
{
    struct crew *crew = session->crew;
    size_t worth = 0;

    for (size_t i = 0; i < batch_count; i++) {
        if (!execute(session, &crew->batch[i])) {
            ask(session, &crew->batch[i], batch_count - i);
            go_back(session, i, input);
            return CREW_TURN_COMMANDS_MAX;
        }
        worth += crew->batch[i].kind == COMMAND_STATS ? CREW_STATS_COMMANDS : 1;
        if (!output_is_high(&session->output))
            continue;
        /* So much is a turn's work, whether it was sent or not. */
        worth = CREW_TURN_COMMANDS_MAX;
        if (flush(session) || i + 1 == batch_count)
            continue;
        go_back(session, i + 1, input);
        break;
    }
    return worth;
}

/* Answers what `input` holds; what is left of it waits for more input, or,
 * with a backlog, for the session's next turn. */
static struct span process(struct session *session, struct span input)
{
    size_t commands = 0;

    session->has_backlog = session->waits;
    session->needed_bytes = 0;
    while (session->state <= SESSION_ENDING && input.length > 0 &&
           !session->waits) {
        if (session->swallow_bytes > 0) {
            swallow(session, &input);
        } else if (session->filling != NULL) {
            fill(session, &input);
        } else if (session->state == SESSION_ENDING) {
            break;
        } else if (commands >= CREW_TURN_COMMANDS_MAX) {
            count(&session->crew->counters, COUNTER_CONN_YIELDS, 1);
            session->has_backlog = true;
            break;
        } else {
            size_t batch_count = parse_batch(session, &input);
            if (batch_count == 0)
                break;
            commands += execute_batch(session, batch_count, &input);
        }
    }
    return input;
}

/* ---- input ---- */

/* Keeps what is left of the input for the next turn. */
static bool keep(struct session *session, struct span rest)
{
    if (rest.length == 0) {
        free(session->input);
        session->input = NULL;
        session->input_bytes = 0;
        session->input_capacity_bytes = 0;
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
    session->input = grown;
    session->input_capacity_bytes = capacity_bytes;
    return true;
}

/* The places where the next bytes belong; a value's own memory first. */
static int place_input(struct session *session, struct iovec places[3])
{
    struct filling *filling = session->filling;
    int places_count = 0;

    if (filling != NULL) {
        const struct command *command = &filling->command;
        places[places_count++] = (struct iovec){
            .iov_base = filling->reservation.value + filling->received_bytes,
            .iov_len = command->value_bytes - filling->received_bytes};
        places[places_count++] = (struct iovec){
            .iov_base = filling->end + filling->end_bytes,
            .iov_len = line_end_bytes(command) - filling->end_bytes};
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

/* What a read brought beyond the value that is being filled. */
static size_t settle_filling(struct session *session, size_t bytes)
{
    struct filling *filling = session->filling;

    if (filling == NULL)
        return bytes;
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

static void process_and_keep(struct session *session, struct span input)
{
    if (!keep(session, process(session, input)))
        session->state = SESSION_BROKEN;
}

static void receive(struct session *session)
{
    struct iovec places[3];

    if (session->input != NULL && !grow_input(session)) {
        session->state = SESSION_BROKEN;
        return;
    }
    int places_count = place_input(session, places);
    ssize_t got = places_count == 1 ? recv(session->fd, places[0].iov_base,
                                           places[0].iov_len, 0)
                                    : readv(session->fd, places, places_count);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    /* It sends no more; what it waits for still goes there. */
    if (got == 0 && !output_is_empty(&session->output)) {
        end(session, false);
        return;
    }
    if (got <= 0) {
        session->state = SESSION_BROKEN;
        return;
    }
    count(&session->crew->counters, COUNTER_BYTES_READ, (uint64_t)got);
    size_t bytes = settle_filling(session, (size_t)got);
    if (session->input == NULL) {
        process_and_keep(session, span_of(session->crew->input, bytes));
        return;
    }
    session->input_bytes += bytes;
    if (session->input_bytes >= session->needed_bytes)
        process_and_keep(session,
                         span_of(session->input, session->input_bytes));
}

/* A client that still sends would lose the last reply to a reset: it is
 * read, unheard, until it stops. */
static void drain(struct session *session)
{
    ssize_t got = recv(session->fd, session->crew->input, CREW_INPUT_BYTES, 0);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0)
        session->drained_bytes += (size_t)got;
    if (got <= 0 || session->drained_bytes > DRAIN_BYTES_MAX)
        session->state = SESSION_BROKEN;
}

/* ---- turns ---- */

static inline void finish_turn(struct session *session)
{
    session->sending = OUTPUT_SENT;
    bool is_sent = session->state != SESSION_BROKEN &&
                   (output_is_empty(&session->output) || flush(session));

    return_output(session);
    if (session->state == SESSION_ENDING && is_sent) {
        if (session->drains && shutdown(session->fd, SHUT_WR) == 0)
            session->state = SESSION_DRAINING;
        else
            session->state = SESSION_BROKEN;
    }
    if (session->state == SESSION_BROKEN) {
        session_destroy(session);
        return;
    }
    bool takes_more = !is_congested(session) && !session->waits;
    watch_want(session->watch,
               takes_more && (session->state == SESSION_OPEN ||
                              session->state == SESSION_DRAINING),
               session->sending == OUTPUT_BLOCKED);
    if (takes_more && session->has_backlog)
        watch_again(session->watch);
}

static inline void begin_turn(struct session *session)
{
    session->now = clock_now(session->crew->clients->settings.clock);
    if (peers_of(session) != NULL)
        session->reading = peers_reading(peers_of(session), session->now);
    borrow_output(session);
}

/* What the farm answered is good for one turn. */
static void forget_inquiry(struct session *session)
{
    if (session->inquiry == NULL || session->waits)
        return;
    inquiry_drop(session->inquiry);
    session->inquiry = NULL;
}

static void take_turn(void *context)
{
    struct session *session = context;
    struct crew *crew = session->crew;
    uint64_t awaited_before = crew->awaited;

    begin_turn(session);
    if (session->state == SESSION_DRAINING)
        drain(session);
    else if (!output_is_empty(&session->output) && !flush(session) &&
             (is_congested(session) || session->waits))
        ; /* the client has not read enough: nothing new is begun */
    else if (session->waits)
        ; /* nor while it waits for the farm */
    else if (session->has_backlog)
        process_and_keep(session,
                         span_of(session->input, session->input_bytes));
    else if (session->state == SESSION_OPEN)
        receive(session);
    tell_peers(crew, awaited_before);
    finish_turn(session);
}

void session_resume(struct session *session)
{
    struct crew *crew = session->crew;
    uint64_t awaited_before = crew->awaited;

    session->waits = false;
    begin_turn(session);
    if (session->filling != NULL && is_filled(session->filling))
        end_filling(session);
    if (session->has_backlog && !session->waits)
        process_and_keep(session,
                         span_of(session->input, session->input_bytes));
    forget_inquiry(session);
    tell_peers(crew, awaited_before);
    finish_turn(session);
}

/* ---- replies that were held back ---- */

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

static void let_go(struct session *session, uint64_t number, bool is_degraded)
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
        leave_holding(session);
}

void session_answer_all(struct crew *crew, uint64_t number, bool is_degraded)
{
    struct session *session = crew->holding;

    /* An answer that was given up at once overtakes those before it. */
    if (number > crew->answered)
        crew->answered = number;
    while (session != NULL) {
        struct session *next = session->next_holding;
        if (output_first_held(&session->output)->number <= number) {
            let_go(session, number, is_degraded);
            finish_turn(session);
        }
        session = next;
    }
}

/* ---- watching ---- */

/* Who does not read fast enough misses lines, and nobody else does. */
static void tell(struct session *session, struct span line)
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

void session_tell_all(struct crew *crew, struct span line)
{
    struct session *session = crew->watching;

    while (session != NULL) {
        struct session *next = session->next_watching;
        borrow_output(session);
        tell(session, line);
        finish_turn(session);
        session = next;
    }
}

/* ---- beginning and end ---- */

bool session_create(struct crew *crew, int fd)
{
    struct session *session = calloc(1, sizeof(*session));

    if (session == NULL)
        return false;
    session->crew = crew;
    session->fd = fd;
    session->watch = watch_create(crew->worker, fd, take_turn, session);
    if (session->watch == NULL) {
        free(session);
        return false;
    }
    session->next = crew->sessions;
    session->link = &crew->sessions;
    if (session->next != NULL)
        session->next->link = &session->next;
    crew->sessions = session;
    watch_want(session->watch, true, false);
    log_event(log_of(session), EVENT_CONNECTION, SEVERITY_INFO,
              "connection %d: opened", fd);
    return true;
}

void session_destroy(struct session *session)
{
    struct store *store = store_of(session);

    log_event(log_of(session), EVENT_CONNECTION, SEVERITY_INFO,
              "connection %d: closed", session->fd);
    leave_holding(session);
    end_watching(session);
    inquiry_drop(session->inquiry);
    if (session->filling != NULL)
        store_cancel(store, &session->filling->reservation);
    free(session->filling);
    output_release(&session->output, store);
    free(session->input);
    watch_destroy(session->watch);
    close(session->fd);
    *session->link = session->next;
    if (session->next != NULL)
        session->next->link = session->link;
    atomic_fetch_sub(&session->crew->clients->connections, 1);
    free(session);
}
