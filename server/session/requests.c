/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/state.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>

#include "proto/memcached/binary.h"
#include "server/session/delivery.h"
#include "server/session/hits.h"
#include "server/session/statistics.h"

void requests_count_prefix(struct session *session,
                           const struct command *command,
                           const struct execution *execution)
{
    struct prefixes *prefixes = session->crew->clients->prefixes;

    /* memcached knows of prefixes in the classic commands only. */
    if (command->refusal != REFUSAL_NONE || command->is_meta)
        return;
    switch (command->kind) {
    case COMMAND_RETRIEVE:
        prefixes_count(prefixes, command->key, PREFIX_GETS,
                       execution->outcome.kind == OUTCOME_HIT);
        break;
    case COMMAND_STORE:
        prefixes_count(prefixes, command->key, PREFIX_SETS, false);
        break;
    case COMMAND_REMOVE:
        prefixes_count(prefixes, command->key, PREFIX_DELETES, false);
        break;
    default:
        break;
    }
}

static void answer_without_key(struct session *session,
                               const struct command *command)
{
    struct execution execution;

    session_begin_execution(session, command, &execution);
    command_skip(&execution);
    switch (command->kind) {
    case COMMAND_REFUSED:
        if (command->refusal == REFUSAL_FLUSH)
            count(&session->crew->counters, COUNTER_CMD_FLUSH, 1);
        execution.outcome.kind = OUTCOME_REFUSED;
        log_event(session_log(session), EVENT_REFUSAL, SEVERITY_DEBUG,
                  "connection %d: a request was refused (%d)",
                  session->transport.fd, (int)command->refusal);
        break;
    case COMMAND_VERSION:
        execution.outcome.kind = OUTCOME_VERSION;
        break;
    case COMMAND_QUIT:
        execution.outcome.kind =
            command->protocol == PROTOCOL_TEXT ? OUTCOME_SILENT : OUTCOME_OK;
        session_end(session, false);
        break;
    default:
        execution.outcome.kind = OUTCOME_OK;
        break;
    }
    session_reply(session, command, &execution);
    session->swallow_bytes = command->swallow_bytes;
    if (command->closes)
        session_end(session, true);
}

/* What is not asked of the replica; only such commands end a connection. */
static void answer(struct session *session, const struct command *command)
{
    switch (command->kind) {
    case COMMAND_STATS:
        if (!statistics_answer(session, command))
            session_break(session, COUNTER_NO_OUTPUT_MEMORY);
        break;
    case COMMAND_OPERATOR:
        operator_answer(session, command);
        break;
    default:
        answer_without_key(session, command);
        break;
    }
}

/* Why a batch does not go on behind a command. */
enum halt {
    HALT_NONE,
    HALT_ASKS,     /* the farm has to be asked first */
    HALT_GOES_HOME /* the command is a home's to decide */
};

static inline enum halt execute(struct session *session,
                                const struct command *command)
{
    struct execution execution;

    if (hits_may_take(command) && hits_take(session, command))
        return HALT_NONE;
    if (!command_is_executed(command->kind)) {
        answer(session, command);
        return HALT_NONE;
    }
    if (command->value_follows) {
        filling_begin(session, command);
        return HALT_NONE;
    }
    session_begin_execution(session, command, &execution);
    command_execute(command, &execution);
    if (command_is_halted(&execution))
        return execution.must_ask ? HALT_ASKS : HALT_GOES_HOME;
    session_count_prefix(session, command, &execution);
    if (command->kind == COMMAND_FLUSH)
        log_event(session_log(session), EVENT_SERVER, SEVERITY_NOTICE,
                  "flush_all by connection %d", session->transport.fd);
    session_reply(session, command, &execution);
    session->swallow_bytes = command->swallow_bytes;
    return HALT_NONE;
}

/* After such a command the input is not simply the next command. */
static bool ends_batch(const struct command *command)
{
    return command->value_follows || command->swallow_bytes > 0 ||
           command->closes || command->kind == COMMAND_QUIT ||
           command->kind == COMMAND_STATS || command->kind == COMMAND_OPERATOR;
}

static inline struct parsed parse(struct session *session, struct span input,
                                  struct command *command)
{
    const struct parse_limits *limits = &session->crew->clients->limits;

    if (session->protocol == PROTOCOL_UNKNOWN)
        session->protocol = input.data[0] == BINARY_MAGIC_REQUEST
                                ? PROTOCOL_BINARY
                                : PROTOCOL_TEXT;
    return session->protocol == PROTOCOL_BINARY
               ? binary_parse(input, limits, command)
               : text_parse(&session->text, input, limits, command);
}

static void stop_parsing(struct session *session, const struct parsed *parsed)
{
    switch (parsed->result) {
    case PARSE_CLOSE:
        session_end(session, false);
        break;
    case PARSE_CREDENTIALS:
        session->standing = STANDING_RENEWS;
        break;
    case PARSE_MORE:
        session->needed_bytes = parsed->need;
        break;
    case PARSE_COMMAND:
        break;
    }
}

/* As -F and -C have it. */
static void restrict_command(const struct clients_settings *settings,
                             struct command *command)
{
    if (settings->disable_flush_all && command->kind == COMMAND_FLUSH) {
        command->kind = COMMAND_REFUSED;
        command->refusal = REFUSAL_FLUSH;
    }
    if (!settings->disable_cas || !command->has_compare)
        return;
    /* In memcached the binary protocol's storage then compares nothing, and
     * all else compares with items whose token is 0, which only storage takes
     * for none at all. */
    command->has_compare = command->kind == COMMAND_STORE
                               ? command->protocol != PROTOCOL_BINARY
                               : command->compare != 0;
    command->compare = UINT64_MAX;
}

/* Nobody can guess the key of somebody else's session. */
static void mint(struct command *command)
{
    uint8_t random[COMMAND_MINTED_BYTES / 2];

    /* So few are had at once, or the system never started properly. */
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        abort();
    command_mint(command, random);
}

/* Hashes the key, and asks for what leads to its item. */
static inline void file(struct crew *crew, struct command *command)
{
    const struct store *store = crew->clients->settings.store;

    if (command->key.data == crew->guess.key.data &&
        command->key.length == crew->guess.key.length) {
        command->hash = crew->guess.hash;
        return;
    }
    command->hash = store_hash(store, command->key);
    store_prefetch(store, command->hash);
}

/* By now most of what leads to them has come. */
static void prefetch_items(const struct crew *crew, size_t batch_count)
{
    const struct store *store = crew->clients->settings.store;

    for (size_t i = 0; batch_count > 1 && i < batch_count; i++) {
        if (crew->batch[i].key.length > 0)
            store_prefetch_item(store, crew->batch[i].hash);
    }
}

static bool is_of_lock(const struct crew *crew, const struct command *command)
{
    return !command_only_reads(command) &&
           lock_keys_match(&crew->clients->settings.lock_keys, command->key);
}

/* Between two lines a parser has nothing to remember. */
static inline void set_mark(struct mark *mark, struct span rest,
                            const struct text_parser *text)
{
    mark->rest = rest;
    if (text->line_bytes_left > 0)
        mark->text = *text;
    else
        mark->text.line_bytes_left = 0;
}

/* Parses up to a batch, and asks for the memory that it will need. */
static size_t parse_batch(struct session *session, size_t batch_max,
                          struct span *input)
{
    struct crew *crew = session->crew;
    const struct clients *clients = crew->clients;
    struct span rest = *input;
    size_t batch_count = 0;

    while (batch_count < batch_max && rest.length > 0) {
        struct command *command = &crew->batch[batch_count];
        set_mark(&crew->marks[batch_count], rest, &session->text);
        struct parsed parsed = parse(session, rest, command);
        if (parsed.result != PARSE_COMMAND) {
            stop_parsing(session, &parsed);
            break;
        }
        assert(parsed.used <= rest.length);
        rest = span_of(rest.data + parsed.used, rest.length - parsed.used);
        if (clients->restricts)
            restrict_command(&clients->settings, command);
        batch_count++;
        if (command->mints && command->kind == COMMAND_STORE)
            mint(command);
        if (command->key.length > 0)
            file(crew, command);
        command->is_of_lock =
            session->homing != HOMING_NONE && is_of_lock(crew, command);
        if (ends_batch(command))
            break;
    }
    *input = rest;
    prefetch_items(crew, batch_count);
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
    session->text =
        mark->text.line_bytes_left > 0 ? mark->text : (struct text_parser){0};
    session->standing = STANDING_KNOWN;
    if (session->state == SESSION_ENDING)
        session->state = SESSION_OPEN;
}

/* What a client may still ask for in its turn; below 0 it had more. */
struct share {
    ptrdiff_t keys;
    ptrdiff_t requests;
};

static ptrdiff_t keys_of(const struct command *command)
{
    if (command->kind == COMMAND_OPERATOR)
        return CREW_OPERATOR_KEYS;
    return command->kind == COMMAND_STATS ? CREW_STATS_KEYS : 1;
}

static void take_from(struct share *share, const struct command *command)
{
    share->keys -= keys_of(command);
    /* A line that asks for many keys is one request. */
    if (command->kind != COMMAND_RETRIEVE || command->last)
        share->requests--;
}

/* Those at the start of the batch that homes have decided; how many. */
static size_t answer_decided(struct session *session, size_t batch_count,
                             struct share *share)
{
    struct crew *crew = session->crew;
    size_t count = 0;

    for (; session->appeal != NULL && count < batch_count; count++) {
        appeal_answer(session, &crew->batch[count]);
        session->swallow_bytes = crew->batch[count].swallow_bytes;
        if (crew->reporting & WATCH_RAWCMDS)
            report_request(session, &crew->marks[count]);
        take_from(share, &crew->batch[count]);
    }
    return count;
}

/*
 * Executes the batch, as far as the client takes the answers and the farm
 * need not be asked: there, parsing goes back to the first command that was
 * not executed.  Takes what that was from the share of the turn.
 */
static void execute_batch(struct session *session, size_t batch_count,
                          struct share *share, struct span *input)
{
    struct crew *crew = session->crew;
    size_t answered_count = session->appeal == NULL
                                ? 0
                                : answer_decided(session, batch_count, share);

    for (size_t i = answered_count; i < batch_count; i++) {
        enum halt halt = execute(session, &crew->batch[i]);
        if (halt != HALT_NONE) {
            if (halt == HALT_ASKS)
                inquiry_begin(session, &crew->batch[i], batch_count - i);
            else
                appeal_begin(session, &crew->batch[i], batch_count - i);
            go_back(session, i, input);
            share->keys = 0;
            return;
        }
        if (crew->reporting & WATCH_RAWCMDS)
            report_request(session, &crew->marks[i]);
        take_from(share, &crew->batch[i]);
        if (!output_is_high(&session->output))
            continue;
        /* So much is a turn's work, whether it was sent or not. */
        share->keys = 0;
        if (delivery_flush(session) || i + 1 == batch_count)
            continue;
        go_back(session, i + 1, input);
        break;
    }
}

struct span requests_process(struct session *session, struct span input)
{
    struct crew *crew = session->crew;
    struct share share = {
        .keys = CREW_TURN_KEYS_MAX,
        .requests = (ptrdiff_t)crew->clients->settings.turn_commands_max};

    session->has_backlog = session->waits;
    session->needed_bytes = 0;
    while (session->state <= SESSION_ENDING &&
           (input.length > 0 || session->listing != NULL) && !session->waits &&
           session->dump == NULL) {
        if (session->listing != NULL) {
            if (!listing_continue(session))
                break;
        } else if (session->swallow_bytes > 0) {
            swallow(session, &input);
        } else if (session->filling != NULL) {
            input = filling_take(session, input);
        } else if (session->state == SESSION_ENDING) {
            break;
        } else if (share.keys <= 0 || share.requests <= 0) {
            count(&crew->counters, COUNTER_CONN_YIELDS, 1);
            session->has_backlog = true;
            break;
        } else if (session->standing != STANDING_KNOWN) {
            if (!authentication_take(session, &input))
                break;
            share.requests--;
            if (output_is_high(&session->output))
                share.keys = 0;
        } else {
            size_t batch_max = share.requests < CREW_BATCH_MAX
                                   ? (size_t)share.requests
                                   : CREW_BATCH_MAX;
            size_t batch_count = parse_batch(session, batch_max, &input);
            if (batch_count == 0 && session->standing == STANDING_KNOWN)
                break;
            execute_batch(session, batch_count, &share, &input);
        }
    }
    if (session->listing != NULL || session->dump != NULL)
        session->has_backlog = true;
    return input;
}
