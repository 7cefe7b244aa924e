/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands on their way to a home and results on their way back: whatever was
 * cut off, lengthened or changed on the way is refused or is another command
 * that can be executed, and nothing beside the bytes is read.
 */
#include "tests/unit/customer.h"

#include "proto/base/prng.h"
#include "proto/memcached/binary.h"
#include "proto/memcached/text.h"
#include "server/command/parcel.h"

static uint8_t buffer[PARCEL_BYTES_BESIDE_VALUE + ITEM_BYTES_MAX];

/* On the heap, to the byte, so that a sanitizer sees one read too many. */
static bool decode(struct span bytes, struct command *command)
{
    uint8_t *copy = malloc(bytes.length + 1);

    assert_non_null(copy);
    span_copy(copy + 1, bytes);
    bool is_good =
        parcel_decode(span_of(copy + 1, bytes.length), ITEM_BYTES_MAX, command);
    /* Spans into the copy are not looked at any more. */
    free(copy);
    return is_good;
}

static void assert_same(struct span left, struct span right)
{
    assert_int_equal(left.length, right.length);
    if (left.length > 0)
        assert_memory_equal(left.data, right.data, left.length);
}

static void assert_arrives(const struct command *sent)
{
    struct command came;
    size_t length = parcel_encode(sent, buffer);

    assert_true(parcel_decode(span_of(buffer, length), ITEM_BYTES_MAX, &came));
    assert_int_equal(came.kind, sent->kind);
    assert_int_equal(came.mode, sent->mode);
    assert_int_equal(came.block_fault, sent->block_fault);
    assert_int_equal(came.touches, sent->touches);
    assert_int_equal(came.has_compare, sent->has_compare);
    assert_int_equal(came.creates, sent->creates);
    assert_int_equal(came.is_meta, sent->is_meta);
    assert_int_equal(came.key_is_base64, sent->key_is_base64);
    assert_int_equal(came.with_value, sent->with_value);
    assert_int_equal(came.is_unnoticed, sent->is_unnoticed);
    assert_int_equal(came.recaches, sent->recaches);
    assert_int_equal(came.invalidates, sent->invalidates);
    assert_int_equal(came.empties, sent->empties);
    assert_int_equal(came.flags, sent->flags);
    assert_true(came.exptime == sent->exptime);
    assert_true(came.compare == sent->compare);
    assert_true(came.delta == sent->delta);
    assert_true(came.initial == sent->initial);
    assert_true(came.created_exptime == sent->created_exptime);
    assert_true(came.recache_exptime == sent->recache_exptime);
    assert_true(came.token == sent->token);
    assert_same(came.key, sent->key);
    assert_same(came.value, sent->value);
    /* Cut anywhere, it is none; with more behind it, it is the same. */
    for (size_t cut = 0; cut < length; cut++)
        assert_false(decode(span_of(buffer, cut), &came));
    buffer[length] = 0xff;
    assert_true(decode(span_of(buffer, length + 1), &came));
}

static void what_was_said_in_text_arrives(void **state)
{
    static const char *const lines[] = {
        "set a 1 2 3\r\nabc\r\n",
        "add a 4294967295 -1 0\r\n\r\n",
        "replace a 1 2592001 3\r\nabc\r\n",
        "append a 0 0 1\r\n1\r\n",
        "prepend a 0 0 1\r\n1\r\n",
        "cas a 0 0 1 18446744073709551615\r\n1\r\n",
        "incr a 18446744073709551615\r\n",
        "decr a 1 noreply\r\n",
        "delete a\r\n",
        "touch a 100\r\n",
        "gat 100 a\r\n",
        "gats -1 a\r\n",
        "mg a v t N30 R10 T100 O123 k\r\n",
        "mg YWJj b N0 E5\r\n",
        "ms a 3 C5 E7 F9 I T30 MA\r\nabc\r\n",
        "ms a 3 MA N60 q\r\nabc\r\n",
        "md a C5 I T3 q\r\n",
        "md a x E9\r\n",
        "ma a N0 J13 D5 MD v t c T7\r\n",
    };
    const struct parse_limits limits = {.item_bytes_max = ITEM_BYTES_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct text_parser parser = {0};
        struct command command;
        struct parsed parsed =
            text_parse(&parser, span_of_string(lines[i]), &limits, &command);
        assert_int_equal(parsed.result, PARSE_COMMAND);
        assert_int_equal(command.refusal, REFUSAL_NONE);
        assert_arrives(&command);
    }
}

static void the_end_of_a_taking_arrives(void **state)
{
    struct command sent = {.kind = COMMAND_REMOVE,
                           .has_compare = true,
                           .compare = 7,
                           .ends_taking = true,
                           .key = SPAN("a.lock")};
    struct command came;
    size_t length = parcel_encode(&sent, buffer);

    (void)state;
    assert_true(decode(span_of(buffer, length), &came));
    assert_true(came.ends_taking);
    /* Who does not know of that reads the rest: it deletes that version. */
    assert_true(decode(span_of(buffer, length - 1), &came));
    assert_false(came.ends_taking);
    assert_true(came.has_compare && came.compare == 7);
    sent.kind = COMMAND_TOUCH;
    length = parcel_encode(&sent, buffer);
    assert_true(decode(span_of(buffer, length), &came));
    assert_false(came.ends_taking);
}

/* Header, extras, key, value. */
static struct span packet(uint8_t opcode, uint8_t extras_bytes,
                          const char *value_text)
{
    static uint8_t bytes[64];
    size_t value_bytes = strlen(value_text);

    memset(bytes, 0, sizeof(bytes));
    bytes[0] = BINARY_MAGIC_REQUEST;
    bytes[1] = opcode;
    bytes[3] = 1;
    bytes[4] = extras_bytes;
    bytes[11] = (uint8_t)(extras_bytes + 1 + value_bytes);
    bytes[23] = 9; /* the token to compare with */
    for (size_t i = 0; i < extras_bytes; i++)
        bytes[24 + i] = (uint8_t)(i + 1);
    bytes[24 + extras_bytes] = 'k';
    memcpy(bytes + 25 + extras_bytes, value_text, value_bytes);
    return span_of(bytes, 25U + extras_bytes + value_bytes);
}

static void what_was_said_in_binary_arrives(void **state)
{
    static const struct {
        uint8_t opcode;
        uint8_t extras_bytes;
        const char *text;
    } requests[] = {
        {BINARY_SET, 8, "abc"},      {BINARY_ADDQ, 8, "abc"},
        {BINARY_REPLACE, 8, ""},     {BINARY_APPEND, 0, "abc"},
        {BINARY_PREPENDQ, 0, "abc"}, {BINARY_DELETE, 0, ""},
        {BINARY_INCREMENT, 20, ""},  {BINARY_DECREMENTQ, 20, ""},
        {BINARY_TOUCH, 4, ""},       {BINARY_GAT, 4, ""},
        {BINARY_GATKQ, 4, ""},
    };
    const struct parse_limits limits = {.item_bytes_max = ITEM_BYTES_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct command command;
        struct parsed parsed =
            binary_parse(packet(requests[i].opcode, requests[i].extras_bytes,
                                requests[i].text),
                         &limits, &command);
        assert_int_equal(parsed.result, PARSE_COMMAND);
        assert_int_equal(command.refusal, REFUSAL_NONE);
        assert_arrives(&command);
    }
}

/* Which flags stand before which decides how long an item is to live. */
static void the_order_of_flags_arrives(void **state)
{
    struct command sent = {.kind = COMMAND_RETRIEVE,
                           .is_meta = true,
                           .key = SPAN("a"),
                           .tokens = SPAN("v T30 Oabc R5 k N9 s t")};
    struct command came;

    (void)state;
    size_t length = parcel_encode(&sent, buffer);
    assert_true(parcel_decode(span_of(buffer, length), ITEM_BYTES_MAX, &came));
    assert_same(came.tokens, SPAN("T R N "));
}

static void the_longest_key_and_the_largest_value_arrive(void **state)
{
    static uint8_t bytes[ITEM_BYTES_MAX];
    struct command command = storing(MODE_SET, "a", "", 0);
    struct command came;

    (void)state;
    memset(bytes, 'x', sizeof(bytes));
    command.key = span_of(bytes, COMMAND_KEY_BYTES_MAX);
    command.value = span_of(bytes, ITEM_BYTES_MAX - COMMAND_KEY_BYTES_MAX);
    size_t length = parcel_encode(&command, buffer);
    assert_true(decode(span_of(buffer, length), &came));
    command.value.length++;
    length = parcel_encode(&command, buffer);
    assert_false(decode(span_of(buffer, length), &came));
    command.value = SPAN("");
    command.key.length++;
    length = parcel_encode(&command, buffer);
    assert_false(decode(span_of(buffer, length), &came));
    command.key.length = 0;
    length = parcel_encode(&command, buffer);
    assert_false(decode(span_of(buffer, length), &came));
}

static void what_no_home_decides_is_refused(void **state)
{
    struct command command = {.key = SPAN("a")};
    struct command came;

    (void)state;
    for (int kind = 0; kind < 256; kind++) {
        bool is_decided = kind == COMMAND_RETRIEVE || kind == COMMAND_STORE ||
                          kind == COMMAND_REMOVE || kind == COMMAND_TOUCH;
        command.kind = (enum command_kind)kind;
        size_t length = parcel_encode(&command, buffer);
        assert_int_equal(decode(span_of(buffer, length), &came), is_decided);
    }
    for (int mode = 0; mode < 256; mode++) {
        command.mode = (enum command_mode)mode;
        command.kind = COMMAND_STORE;
        size_t length = parcel_encode(&command, buffer);
        assert_int_equal(decode(span_of(buffer, length), &came),
                         mode <= MODE_PREPEND);
        command.kind = COMMAND_ARITHMETIC;
        length = parcel_encode(&command, buffer);
        assert_int_equal(decode(span_of(buffer, length), &came),
                         mode == MODE_INCREMENT || mode == MODE_DECREMENT);
    }
    /* Nothing but a store brings a value. */
    command.kind = COMMAND_REMOVE;
    command.mode = MODE_SET;
    command.value = SPAN("x");
    size_t length = parcel_encode(&command, buffer);
    assert_false(decode(span_of(buffer, length), &came));
}

/* Whatever comes is refused, or can be executed and answered. */
static void noise_does_no_harm(void **state)
{
    struct prng prng = {.state = 5};
    unsigned executed_count = 0;

    (void)state;

    for (unsigned round = 0; round < 200000; round++) {
        struct command command = counting(MODE_INCREMENT, "a", 1);
        command.kind = (enum command_kind)(1 + prng_below(&prng, 5));
        command.is_meta = prng_below(&prng, 2) == 0;
        command.tokens = SPAN("T1 N2 R3");
        command.mode = (enum command_mode)prng_below(&prng, 7);
        size_t length = parcel_encode(&command, buffer);
        for (unsigned i = 0; i < 4; i++)
            buffer[prng_below(&prng, length)] = (uint8_t)prng_next(&prng);
        uint8_t *copy = malloc(length);
        assert_non_null(copy);
        memcpy(copy, buffer, length);
        if (parcel_decode(span_of(copy, length), ITEM_BYTES_MAX, &command)) {
            struct execution execution = begin();
            uint8_t reply[REPLY_HEAD_BYTES_MAX];
            execution.replicates = true;
            execution.homing = HOMING_ATOMIC;
            execution.is_home = true;
            command.hash = store_hash(store, command.key);
            command_execute(&command, &execution);
            uint8_t *result = malloc(PARCEL_BYTES_BESIDE_VALUE +
                                     execution.outcome.value.length);
            assert_non_null(result);
            size_t bytes = parcel_encode_result(&execution, result);
            struct execution told = begin();
            command_skip(&told);
            assert_true(
                parcel_decode_result(span_of(result, bytes), &command, &told));
            command.protocol = PROTOCOL_TEXT;
            reply_head(&command, &told.outcome, reply);
            command_finish(&execution);
            free(result);
            executed_count++;
        }
        free(copy);
    }
    assert_true(executed_count > 1000);
}

/* ---- results ---- */

static struct execution result_of(struct command command)
{
    struct execution execution = begin();
    static struct sighting sighting;

    sighting = (struct sighting){.is_seen = false};
    execution.sighting = &sighting;
    execution.replicates = true;
    command.hash = store_hash(store, command.key);
    command_execute(&command, &execution);
    return execution;
}

static void assert_result_arrives(struct command command)
{
    struct execution done = result_of(command);
    struct sighting seen = {.is_seen = false};
    struct execution told = begin();
    size_t length = parcel_encode_result(&done, buffer);

    command_skip(&told);
    told.sighting = &seen;
    assert_true(parcel_decode_result(span_of(buffer, length), &command, &told));
    assert_int_equal(told.outcome.kind, done.outcome.kind);
    assert_int_equal(told.outcome.flags, done.outcome.flags);
    assert_true(told.outcome.token == done.outcome.token);
    assert_true(told.outcome.number == done.outcome.number);
    assert_same(told.outcome.value, done.outcome.value);
    assert_int_equal(told.is_created, done.is_created);
    assert_int_equal(told.absence, done.absence);
    assert_int_equal(seen.is_found, done.sighting->is_found);
    assert_int_equal(seen.value_bytes, done.sighting->value_bytes);
    if (command.is_meta) {
        uint8_t said[REPLY_HEAD_BYTES_MAX];
        uint8_t heard[REPLY_HEAD_BYTES_MAX];
        size_t said_bytes = reply_head(&command, &done.outcome, said);
        size_t heard_bytes = reply_head(&command, &told.outcome, heard);
        assert_same(span_of(said, said_bytes), span_of(heard, heard_bytes));
    }
    command_finish(&done);
    for (size_t cut = 0; cut < length; cut++)
        assert_false(
            parcel_decode_result(span_of(buffer, cut), &command, &told));
}

static void what_came_of_it_arrives(void **state)
{
    struct command meta = {.kind = COMMAND_RETRIEVE,
                           .is_meta = true,
                           .protocol = PROTOCOL_TEXT,
                           .key = SPAN("m"),
                           .with_value = true,
                           .creates = true,
                           .created_exptime = 30,
                           .tokens = SPAN("N30 t f h l s c k v Oabc")};

    (void)state;
    assert_result_arrives(storing(MODE_ADD, "a", "12", 0));
    assert_result_arrives(storing(MODE_ADD, "a", "12", 0));
    assert_result_arrives(counting(MODE_INCREMENT, "a", 7));
    assert_result_arrives(counting(MODE_INCREMENT, "b", 7));
    assert_result_arrives((struct command){.kind = COMMAND_RETRIEVE,
                                           .touches = true,
                                           .exptime = 9,
                                           .key = SPAN("a")});
    pass(20);
    assert_result_arrives((struct command){
        .kind = COMMAND_TOUCH, .exptime = 9, .key = SPAN("a")});
    assert_result_arrives(meta);
    assert_result_arrives(meta);
    meta.kind = COMMAND_REMOVE;
    assert_result_arrives(meta);
}

static void a_result_of_another_command_is_refused(void **state)
{
    struct execution done = result_of(storing(MODE_ADD, "a", "1", 0));
    struct execution told = begin();
    struct command other = {.kind = COMMAND_RETRIEVE, .key = SPAN("a")};

    (void)state;
    size_t length = parcel_encode_result(&done, buffer);
    command_finish(&done);
    assert_false(parcel_decode_result(span_of(buffer, length), &other, &told));
    for (int kind = 0; kind < 256; kind++) {
        struct command store_it = storing(MODE_ADD, "a", "1", 0);
        bool is_fitting =
            kind == OUTCOME_STORED || kind == OUTCOME_NOT_STORED ||
            kind == OUTCOME_EXISTS || kind == OUTCOME_NOT_FOUND ||
            kind == OUTCOME_TOO_LARGE || kind == OUTCOME_NO_MEMORY ||
            kind == OUTCOME_UNDECIDED;
        buffer[0] = (uint8_t)kind;
        assert_int_equal(
            parcel_decode_result(span_of(buffer, length), &store_it, &told),
            is_fitting);
    }
}

#define ON_REPLICA(test)                                                       \
    cmocka_unit_test_setup_teardown(test, set_up_replicating, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_REPLICA(what_was_said_in_text_arrives),
        ON_REPLICA(the_end_of_a_taking_arrives),
        ON_REPLICA(what_was_said_in_binary_arrives),
        ON_REPLICA(the_order_of_flags_arrives),
        ON_REPLICA(the_longest_key_and_the_largest_value_arrive),
        ON_REPLICA(what_no_home_decides_is_refused),
        ON_REPLICA(noise_does_no_harm),
        ON_REPLICA(what_came_of_it_arrives),
        ON_REPLICA(a_result_of_another_command_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
