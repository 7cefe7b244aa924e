/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A session without its socket: what a fuzzer makes up is parsed, executed
 * on a store that is soon full, and answered, in either protocol.
 *
 * What was just stored is found and what was deleted is not, every reply has
 * the form of its protocol, and in the end the store's books are in order.
 */
#include <assert.h>
#include <stdlib.h>

#include "proto/base/bigendian.h"
#include "proto/memcached/binary.h"
#include "proto/memcached/text.h"
#include "server/command/execute.h"
#include "tests/fuzz/frames.h"
#include "tests/fuzz/reads.h"
#include "tests/support/guarded.h"

#define MEGABYTE ((size_t)1024 * 1024)
#define MEMORY_BYTES (2 * MEGABYTE)
#define ITEM_BYTES_MAX ((size_t)256 * 1024)
#define START_US (UINT64_C(1800000000) * TIME_US_PER_S)
/* Beyond this an input only repeats itself, slowly. */
#define LARGE_BYTES_MAX (8 * MEGABYTE)
#define READ_BYTES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed);

struct client {
    struct store *store;
    struct counters counters;
    struct reads reads;
    time_us now;
    enum protocol protocol;
    struct text_parser text;
    size_t received_bytes;
    size_t start_bytes;
    size_t need_bytes;
    size_t skip_bytes;
    size_t large_bytes; /* of values that followed, so far */
    bool never_fills;   /* the store evicts, so there is always memory */
    bool is_over;
};

/* ---- replies ---- */

static void check_text(const uint8_t *reply, size_t bytes)
{
    assert(bytes == 0 ||
           (bytes >= 2 && memcmp(reply + bytes - 2, "\r\n", 2) == 0));
}

static void check_binary(const struct command *command, const uint8_t *reply,
                         size_t bytes)
{
    assert(bytes >= BINARY_HEADER_BYTES);
    assert(reply[0] == BINARY_MAGIC_RESPONSE && reply[1] == command->opcode);
    assert(bytes == BINARY_HEADER_BYTES + bigendian_load32(reply + 8));
    assert((size_t)bigendian_load16(reply + 2) + reply[4] <=
           bigendian_load32(reply + 8));
    assert(bigendian_load32(reply + 12) == command->opaque);
}

/* Each part has room of exactly the size that is promised to be enough. */
static void answer(const struct command *command, const struct outcome *outcome)
{
    if (reply_is_silent(command, outcome))
        return;
    uint8_t *head = malloc(REPLY_HEAD_BYTES_MAX);
    uint8_t *tail = malloc(REPLY_TAIL_BYTES_MAX);
    assert(head != NULL && tail != NULL);
    size_t head_bytes = reply_head(command, outcome, head);
    size_t tail_bytes = reply_tail(command, outcome, tail);
    struct span value =
        outcome->kind == OUTCOME_HIT ? outcome->value : SPAN("");
    uint8_t *reply = malloc(head_bytes + value.length + tail_bytes + 1);
    assert(reply != NULL);
    uint8_t *at = span_copy(reply, span_of(head, head_bytes));
    at = span_copy(span_copy(at, value), span_of(tail, tail_bytes));
    if (command->protocol == PROTOCOL_BINARY)
        check_binary(command, reply, (size_t)(at - reply));
    else
        check_text(reply, (size_t)(at - reply));
    free(reply);
    free(tail);
    free(head);
}

/* ---- what a command did ---- */

static struct execution begin(struct client *client)
{
    return (struct execution){.store = client->store,
                              .now = client->now,
                              .counters = &client->counters};
}

static void check_stored(const struct command *command,
                         const struct outcome *found)
{
    bool is_whole = command->mode == MODE_SET || command->mode == MODE_ADD ||
                    command->mode == MODE_REPLACE;

    if (command->kind != COMMAND_STORE || !is_whole || command->exptime != 0)
        return;
    assert(found->kind == OUTCOME_HIT);
    assert(found->flags == command->flags);
    assert(found->value.length == command->value_bytes);
    assert(command->value_follows || span_equal(found->value, command->value));
}

/* What was just done is seen by whoever looks next. */
static void check_done(struct client *client, const struct command *command,
                       enum outcome_kind kind)
{
    struct execution look = begin(client);
    struct command get = {.kind = COMMAND_RETRIEVE,
                          .protocol = command->protocol,
                          .key = command->key,
                          .hash = command->hash};

    assert(kind != OUTCOME_NO_MEMORY || !client->never_fills);
    command_execute(&get, &look);
    switch (kind) {
    case OUTCOME_STORED:
        check_stored(command, &look.outcome);
        break;
    case OUTCOME_MISS:
    case OUTCOME_NOT_FOUND:
        assert(look.outcome.kind == OUTCOME_MISS);
        break;
    case OUTCOME_DELETED:
        assert(command->empties || look.outcome.kind == OUTCOME_MISS);
        break;
    case OUTCOME_NOT_STORED:
        assert(command->mode != MODE_ADD || look.outcome.kind == OUTCOME_HIT);
        break;
    case OUTCOME_TOO_LARGE:
        assert((!command->is_meta &&
                (command->mode != MODE_SET || command->has_compare)) ||
               look.outcome.kind == OUTCOME_MISS);
        break;
    case OUTCOME_EXISTS:
        assert(look.outcome.kind == OUTCOME_HIT);
        break;
    default:
        break;
    }
    command_finish(&look);
}

/* ---- commands ---- */

/* A value that follows is made up: all of one byte, and well ended or not. */
static void execute_following(struct client *client, struct command *command)
{
    struct execution execution = begin(client);
    struct store_reservation reservation;
    uint8_t control = reads_control(&client->reads);

    client->large_bytes += command->value_bytes;
    if (client->large_bytes > LARGE_BYTES_MAX) {
        client->is_over = true;
        return;
    }
    if (!command_reserve(command, &execution, &reservation)) {
        answer(command, &execution.outcome);
        check_done(client, command, execution.outcome.kind);
        return;
    }
    memset(reservation.value, control, command->value_bytes);
    if (command->protocol == PROTOCOL_TEXT && control % 8 == 7)
        command->block_fault = BLOCK_UNTERMINATED;
    execution.reservation = &reservation;
    command_execute(command, &execution);
    answer(command, &execution.outcome);
    command_finish(&execution);
    store_cancel(client->store, &reservation);
    check_done(client, command, execution.outcome.kind);
}

static void execute(struct client *client, const struct command *command)
{
    struct execution execution = begin(client);

    command_execute(command, &execution);
    answer(command, &execution.outcome);
    enum outcome_kind kind = execution.outcome.kind;
    command_finish(&execution);
    if (command->kind != COMMAND_FLUSH)
        check_done(client, command, kind);
}

static void take_command(struct client *client, struct command *command)
{
    struct outcome outcome = {.kind = OUTCOME_OK};

    command->hash = store_hash(client->store, command->key);
    client->skip_bytes = command->swallow_bytes;
    client->is_over = command->closes || command->kind == COMMAND_QUIT;
    if (command->value_follows) {
        execute_following(client, command);
    } else if (command_is_executed(command->kind)) {
        execute(client, command);
    } else {
        if (command->kind == COMMAND_REFUSED)
            outcome.kind = OUTCOME_REFUSED;
        else if (command->kind == COMMAND_VERSION)
            outcome.kind = OUTCOME_VERSION;
        answer(command, &outcome);
    }
}

/* ---- the connection ---- */

/* One call of the parser, on a copy of exactly what has been received.  It
 * stays while the command that was made of it is executed. */
static void parse(struct client *client)
{
    size_t bytes = client->received_bytes - client->start_bytes;
    struct span input = guarded_copy(
        span_of(client->reads.sent.data + client->start_bytes, bytes));
    struct parse_limits limits = {.item_bytes_max = ITEM_BYTES_MAX};
    struct command command;
    struct parsed parsed;

    if (client->protocol == PROTOCOL_UNKNOWN)
        client->protocol = input.data[0] == BINARY_MAGIC_REQUEST
                               ? PROTOCOL_BINARY
                               : PROTOCOL_TEXT;
    if (client->protocol == PROTOCOL_BINARY)
        parsed = binary_parse(input, &limits, &command);
    else
        parsed = text_parse(&client->text, input, &limits, &command);
    client->need_bytes = 1;
    if (parsed.result == PARSE_MORE) {
        assert(parsed.need > bytes);
        client->need_bytes = parsed.need;
    } else if (parsed.result == PARSE_CLOSE) {
        client->is_over = true;
    } else {
        assert(parsed.used > 0 && parsed.used <= bytes);
        client->start_bytes += parsed.used;
        take_command(client, &command);
    }
    guarded_return();
}

/* A control byte is the length of a read and the time that passes before. */
static bool receive(struct client *client)
{
    static const unsigned seconds[] = {0, 1, 100, 3000000};
    uint8_t control = reads_control(&client->reads);
    size_t left_bytes = client->reads.sent.length - client->received_bytes;
    size_t read_bytes = control == 0 ? left_bytes : control % READ_BYTES_MAX;

    if (left_bytes == 0)
        return false;
    client->received_bytes += read_bytes < left_bytes ? read_bytes : left_bytes;
    client->now += seconds[control / READ_BYTES_MAX] * TIME_US_PER_S + 1;
    if (control / READ_BYTES_MAX > 0)
        store_maintain(client->store, client->now);
    return true;
}

static void converse(struct client *client)
{
    while (!client->is_over) {
        size_t waiting_bytes = client->received_bytes - client->start_bytes;
        size_t skipped_bytes = client->skip_bytes < waiting_bytes
                                   ? client->skip_bytes
                                   : waiting_bytes;
        client->start_bytes += skipped_bytes;
        client->skip_bytes -= skipped_bytes;
        if (waiting_bytes - skipped_bytes < client->need_bytes) {
            if (!receive(client))
                return;
        } else {
            parse(client);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct client client = {
        .reads = reads_of(data, size), .now = START_US, .need_bytes = 1};
    uint8_t control = reads_control(&client.reads);
    struct store_settings settings = {.memory_bytes_max = MEMORY_BYTES,
                                      .item_bytes_max = ITEM_BYTES_MAX,
                                      .evicts = (control & 1) == 0,
                                      .replicates = (control & 2) != 0,
                                      .grave_s = 60,
                                      .seed = 1};

    client.store = store_create(&settings);
    assert(client.store != NULL);
    /* What a grave takes is not evicted at once. */
    client.never_fills = settings.evicts && !settings.replicates;
    converse(&client);
    store_check(client.store);
    store_destroy(client.store);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed)
{
    return frames_mutate(data, size, max_size, seed);
}
