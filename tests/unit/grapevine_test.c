/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What members say to each other survives the wire, and whatever else
 * arrives there does no harm: every message is cut at every byte, grown by
 * the fields of a later version, and lied about.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/base/prng.h"
#include "proto/grapevine/message.h"

#define INNER_BYTES_MAX 4096

static uint8_t vector_bytes[2 * MESSAGE_VECTOR_ENTRY_BYTES];
static uint8_t member_bytes[256];
static uint8_t entry_bytes[3 * MESSAGE_ENTRY_BYTES];
static uint8_t record_bytes_here[128];

static struct message_list make_vector(void)
{
    struct writer writer = writer_of(vector_bytes, sizeof(vector_bytes));

    write_u64(&writer, 0x1111);
    write_u64(&writer, 7);
    write_u64(&writer, 0x2222);
    write_u64(&writer, UINT64_MAX);
    return (struct message_list){2, span_of(vector_bytes, writer.used_bytes)};
}

static struct message_list make_members(void)
{
    struct writer writer = writer_of(member_bytes, sizeof(member_bytes));
    struct message_member members[] = {
        {1, MEMBER_READY, SPAN("web1:11311"), SPAN("127.0.0.1:11311")},
        {2, MEMBER_SUSPECT, SPAN(""), SPAN("[::1]:11312")}};

    message_write_member(&writer, &members[0]);
    message_write_member(&writer, &members[1]);
    assert_true(writer.ok);
    return (struct message_list){2, span_of(member_bytes, writer.used_bytes)};
}

static struct message_list make_entries(void)
{
    struct writer writer = writer_of(entry_bytes, sizeof(entry_bytes));

    for (uint64_t i = 0; i < 3; i++) {
        struct message_entry entry = {i, 100 + i, 200 + i, (uint8_t)i};
        message_write_entry(&writer, &entry);
    }
    assert_true(writer.ok);
    return (struct message_list){3, span_of(entry_bytes, writer.used_bytes)};
}

static struct span make_record(void)
{
    struct writer writer =
        writer_of(record_bytes_here, sizeof(record_bytes_here));
    struct record record = {.kind = RECORD_UPDATE,
                            .version = 5,
                            .stamp = 6,
                            .token = 5,
                            .key = SPAN("apple"),
                            .value = SPAN("red")};

    record_encode(&record, &writer);
    assert_true(writer.ok);
    return span_of(record_bytes_here, writer.used_bytes);
}

/* One message of each kind, with something in every field. */
static size_t make_messages(struct message messages[32])
{
    size_t count = 0;

    messages[count++] = (struct message){
        .kind = MESSAGE_HELLO,
        .hello = {1, 3, 0xabcdef, 77, MEMBER_JOINING, 1234567, 1234, 99,
                  UINT64_C(64) << 20, 1 << 20, SPAN("farm"), SPAN("web1:11311"),
                  SPAN("10.0.0.1:11311")}};
    messages[count++] = (struct message){.kind = MESSAGE_REFUSE,
                                         .refuse = SPAN("another farm")};
    messages[count++] =
        (struct message){.kind = MESSAGE_MEMBERS, .members = make_members()};
    messages[count++] =
        (struct message){.kind = MESSAGE_HEARTBEAT,
                         .heartbeat = {MEMBER_READY, 9, 10, 11, 12, 13, 14, 15,
                                       16, make_vector()}};
    messages[count++] =
        (struct message){.kind = MESSAGE_HEARTBEAT_REQUEST, .subject = 5};
    messages[count++] = (struct message){.kind = MESSAGE_ALIVE, .subject = 6};
    messages[count++] = (struct message){.kind = MESSAGE_ATTACH, .number = 8};
    messages[count++] = (struct message){.kind = MESSAGE_OVERRUN, .number = 9};
    messages[count++] =
        (struct message){.kind = MESSAGE_ACK, .number = UINT64_MAX};
    messages[count++] =
        (struct message){.kind = MESSAGE_ACK_AWAITED, .number = 7};
    messages[count++] = (struct message){
        .kind = MESSAGE_RECORD, .state = {.number = 3, .bytes = make_record()}};
    messages[count++] =
        (struct message){.kind = MESSAGE_RECORD_AWAITED,
                         .state = {.number = 3, .bytes = make_record()}};
    messages[count++] = (struct message){
        .kind = MESSAGE_REQUEST, .request = {42, make_vector(), SPAN("apple")}};
    messages[count++] = (struct message){
        .kind = MESSAGE_STATE, .state = {.id = 42, .bytes = make_record()}};
    messages[count++] =
        (struct message){.kind = MESSAGE_HAVE, .have = {42, 5, 6, 1 << 20}};
    messages[count++] = (struct message){
        .kind = MESSAGE_MISSING, .missing = {42, 2, 5, 6, 1800000000, true}};
    messages[count++] = (struct message){
        .kind = MESSAGE_FETCH,
        .fetch = {
            42, 5, 65536, 65536, SPAN("apple"), {1, span_of(vector_bytes, 8)}}};
    messages[count++] =
        (struct message){.kind = MESSAGE_PIECE,
                         .piece = {42, 65536, make_record(), SPAN("bytes")}};
    messages[count++] =
        (struct message){.kind = MESSAGE_FORWARD,
                         .forward = {1, 2, SPAN("\x06\0\0\0\0\0\0\0\1")}};
    messages[count++] =
        (struct message){.kind = MESSAGE_SYNC_BEGIN,
                         .sync = {.session = 4, .list = make_vector()}};
    messages[count++] = (struct message){.kind = MESSAGE_SYNC_LIST,
                                         .sync = {4, 1023, 20, make_entries()}};
    messages[count++] = (struct message){
        .kind = MESSAGE_SYNC_PULL,
        .sync = {.session = 4, .list = {2, span_of(vector_bytes, 16)}}};
    messages[count++] =
        (struct message){.kind = MESSAGE_SYNC_STATE,
                         .state = {.session = 4, .bytes = make_record()}};
    messages[count++] =
        (struct message){.kind = MESSAGE_SYNC_END,
                         .sync = {.session = 4, .list = make_vector()}};
    messages[count++] = (struct message){
        .kind = MESSAGE_ENTER, .enter = {77, 76, 3, 5, make_vector()}};
    messages[count++] = (struct message){
        .kind = MESSAGE_COMMAND,
        .command = {
            42, 77, true, 1000000, make_vector(), 2,
            SPAN("\0\0\0\0\0\0\0\1\0\0\0\3abc\0\0\0\0\0\0\0\2\0\0\0\0")}};
    messages[count++] = (struct message){
        .kind = MESSAGE_DECISION,
        .decision = {42, true, make_vector(), 2, SPAN("\0\0\0\3abc\0\0\0\0")}};
    messages[count++] = (struct message){.kind = MESSAGE_LOCK,
                                         .lock = {5, 42, SPAN("apple"), 4}};
    return count;
}

static size_t encode(const struct message *message, uint8_t *to, size_t bytes)
{
    struct writer writer = writer_of(to, bytes);

    message_encode(message, &writer);
    return writer.ok ? writer.used_bytes : 0;
}

/* An exact-size copy, so that a byte too far is seen. */
static enum decode_result decode_copy(struct span inner,
                                      struct message *message, uint8_t **copy)
{
    *copy = malloc(inner.length > 0 ? inner.length : 1);
    span_copy(*copy, inner);
    return message_decode(span_of(*copy, inner.length), message);
}

static void every_message_comes_back_as_it_was_sent(void **state)
{
    struct message messages[32];
    size_t count = make_messages(messages);

    (void)state;
    assert_int_equal(count, MESSAGE_RECORD_AWAITED);
    for (size_t i = 0; i < count; i++) {
        uint8_t first[1024];
        uint8_t second[1024];
        uint8_t *copy;
        struct message decoded;
        struct span inner;
        size_t used;
        size_t length = encode(&messages[i], first, sizeof(first));
        assert_true(length > 0);
        assert_int_equal(message_frame(span_of(first, length), INNER_BYTES_MAX,
                                       &inner, &used),
                         FRAME_OK);
        assert_int_equal(used, length);
        assert_int_equal(decode_copy(inner, &decoded, &copy), DECODE_OK);
        assert_int_equal(decoded.kind, messages[i].kind);
        assert_int_equal(encode(&decoded, second, sizeof(second)), length);
        assert_memory_equal(first, second, length);
        free(copy);
    }
}

static bool ends_with_record(enum message_kind kind)
{
    return kind == MESSAGE_RECORD || kind == MESSAGE_RECORD_AWAITED ||
           kind == MESSAGE_STATE || kind == MESSAGE_SYNC_STATE;
}

static void a_message_cut_short_is_malformed_or_only_shorter(void **state)
{
    struct message messages[32];
    size_t count = make_messages(messages);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[1024];
        size_t length = encode(&messages[i], bytes, sizeof(bytes));
        for (size_t cut = 0; cut < length - MESSAGE_FRAME_BYTES; cut++) {
            struct message decoded;
            uint8_t *copy;
            enum decode_result result = decode_copy(
                span_of(bytes + MESSAGE_FRAME_BYTES, cut), &decoded, &copy);
            /* What fills the rest of its frame has no length to miss. */
            bool has_rest = ends_with_record(messages[i].kind) ||
                            messages[i].kind == MESSAGE_PIECE ||
                            messages[i].kind == MESSAGE_FORWARD;
            bool is_older =
                messages[i].kind == MESSAGE_LOCK &&
                cut + sizeof(uint64_t) == length - MESSAGE_FRAME_BYTES;
            if (is_older)
                assert_true(result == DECODE_OK && decoded.lock.taken == 0);
            else if (!has_rest)
                assert_int_equal(result, DECODE_MALFORMED);
            free(copy);
        }
    }
}

static void no_frame_is_believed_beyond_its_bytes(void **state)
{
    uint8_t bytes[8] = {0, 0, 0, 5, MESSAGE_ACK};
    struct span inner;
    size_t used;

    (void)state;
    for (size_t length = 0; length < 4; length++)
        assert_int_equal(message_frame(span_of(bytes, length), INNER_BYTES_MAX,
                                       &inner, &used),
                         FRAME_MORE);
    assert_int_equal(
        message_frame(span_of(bytes, 8), INNER_BYTES_MAX, &inner, &used),
        FRAME_MORE);
    assert_int_equal(used, 9);
    assert_int_equal(message_frame(span_of(bytes, 8), 4, &inner, &used),
                     FRAME_TOO_LARGE);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(
        message_frame(span_of(bytes, 8), INNER_BYTES_MAX, &inner, &used),
        FRAME_TOO_LARGE);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(
        message_frame(span_of(bytes, 8), INNER_BYTES_MAX, &inner, &used),
        FRAME_TOO_LARGE);
}

/* A peer of a later minor version: more fields, more kinds. */
static void what_a_later_version_adds_is_skipped(void **state)
{
    struct message messages[32];
    size_t count = make_messages(messages);
    struct message decoded;
    uint8_t bytes[1024];

    (void)state;
    for (size_t i = 0; i < count; i++) {
        uint8_t again[1024];
        size_t length = encode(&messages[i], bytes, sizeof(bytes));
        /* What ends with a list of its own has no fields behind it. */
        if (messages[i].kind == MESSAGE_COMMAND ||
            messages[i].kind == MESSAGE_DECISION)
            continue;
        bool has_rest = messages[i].kind == MESSAGE_PIECE ||
                        messages[i].kind == MESSAGE_FORWARD;
        memset(bytes + length, 0xee, 5);
        assert_int_equal(
            message_decode(span_of(bytes + MESSAGE_FRAME_BYTES,
                                   length - MESSAGE_FRAME_BYTES + 5),
                           &decoded),
            DECODE_OK);
        if (ends_with_record(messages[i].kind)) {
            struct record record;
            assert_int_equal(record_decode(decoded.state.bytes, &record),
                             DECODE_OK);
            assert_int_equal(record.value.length, 3);
        } else if (!has_rest) {
            assert_int_equal(encode(&decoded, again, sizeof(again)), length);
            assert_memory_equal(bytes, again, length);
        }
    }
    assert_int_equal(message_decode(SPAN("\xc8 anything"), &decoded),
                     DECODE_OK);
    assert_int_equal(decoded.kind, MESSAGE_UNKNOWN);
    struct record record;
    assert_int_equal(record_decode(SPAN("\xc8 anything"), &record), DECODE_OK);
    assert_int_equal(record.kind, RECORD_UNKNOWN);
}

static void random_bytes_are_decoded_or_refused(void **state)
{
    struct prng prng = {.state = 5};

    (void)state;
    for (unsigned round = 0; round < 200000; round++) {
        uint8_t bytes[96];
        size_t length = prng_below(&prng, sizeof(bytes) + 1);
        struct message message;
        struct record record;
        uint8_t *copy;
        for (size_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)prng_below(&prng, 4) == 0
                           ? (uint8_t)prng_next(&prng)
                           : (uint8_t)prng_below(&prng, 24);
        if (decode_copy(span_of(bytes, length), &message, &copy) == DECODE_OK &&
            message.kind == MESSAGE_MEMBERS) {
            struct reader list = reader_of(message.members.bytes);
            for (size_t i = 0; i < message.members.count; i++)
                message_read_member(&list);
            assert_true(list.ok);
            assert_int_equal(list.rest.length, 0);
        }
        if (record_decode(span_of(copy, length), &record) == DECODE_OK &&
            record.kind != RECORD_UNKNOWN)
            assert_true(record.value.length <= length);
        free(copy);
    }
}

/* ---- records ---- */

static void records_have_the_size_they_claim(void **state)
{
    struct record records[] = {
        {.kind = RECORD_CREATE,
         .version = 9,
         .stamp = 9,
         .token = 9,
         .flags = 3,
         .exptime = 100,
         .marks = 8,
         .key = SPAN("k"),
         .value = SPAN("value")},
        {.kind = RECORD_UPDATE,
         .version = 9,
         .stamp = 10,
         .token = 11,
         .key = SPAN("k"),
         .value = SPAN("")},
        {.kind = RECORD_UPDATE,
         .version = 9,
         .stamp = 9,
         .token = 9,
         .owner = 77,
         .is_kept = true,
         .key = SPAN("k"),
         .value = SPAN("2")},
        {.kind = RECORD_ANNOUNCE,
         .version = 9,
         .stamp = 9,
         .token = 9,
         .key = SPAN("k"),
         .value_bytes = 1 << 30},
        {.kind = RECORD_TOUCH,
         .version = 9,
         .stamp = 10,
         .exptime = 5,
         .key = SPAN("k")},
        {.kind = RECORD_SPLICE,
         .version = 9,
         .stamp = 10,
         .token = 11,
         .marks = 3,
         .base = 8,
         .offset = 6,
         .cut_bytes = 7,
         .value_bytes = 12,
         .key = SPAN("k"),
         .value = SPAN("put")},
        {.kind = RECORD_DELETE, .version = 9, .key = SPAN("k")},
        {.kind = RECORD_FLUSH, .version = 9, .moment = 10},
        {.kind = RECORD_LEAVE, .version = 9},
        {.kind = RECORD_STUB,
         .stub_kind = 2,
         .hash = 1,
         .version = 9,
         .stamp = 10,
         .exptime = 4,
         .key = SPAN("0123456789abcdef")},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        uint8_t bytes[96];
        struct record decoded;
        struct writer writer = writer_of(bytes, sizeof(bytes));
        record_encode(&records[i], &writer);
        assert_true(writer.ok);
        assert_int_equal(writer.used_bytes, record_bytes(&records[i]));
        assert_int_equal(
            record_decode(span_of(bytes, writer.used_bytes), &decoded),
            DECODE_OK);
        assert_int_equal(decoded.kind, records[i].kind);
        assert_int_equal(decoded.version, 9);
        assert_int_equal(decoded.stamp, records[i].stamp);
        assert_int_equal(decoded.token, records[i].token);
        assert_int_equal(decoded.owner, records[i].owner);
        assert_int_equal(decoded.is_kept, records[i].is_kept);
        assert_int_equal(decoded.exptime, records[i].exptime);
        assert_int_equal(decoded.marks, records[i].marks);
        assert_int_equal(decoded.base, records[i].base);
        assert_int_equal(decoded.offset, records[i].offset);
        assert_int_equal(decoded.cut_bytes, records[i].cut_bytes);
        assert_true(span_equal(decoded.key, records[i].key));
        assert_true(span_equal(decoded.value, records[i].value));
        for (size_t cut = 0; cut < writer.used_bytes; cut++)
            assert_int_equal(record_decode(span_of(bytes, cut), &decoded),
                             DECODE_MALFORMED);
    }
}

static void a_touch_of_a_session_is_small(void **state)
{
    struct record touch = {
        .kind = RECORD_TOUCH,
        .key = SPAN("memc.sess.key.0123456789abcdef0123456789")};

    (void)state;
    assert_true(record_bytes(&touch) < 100);
}

static void records_without_a_proper_key_are_malformed(void **state)
{
    uint8_t bytes[300];
    struct record record;
    struct writer writer = writer_of(bytes, sizeof(bytes));

    (void)state;
    write_u8(&writer, RECORD_DELETE);
    write_u64(&writer, 1);
    write_u8(&writer, 0);
    assert_int_equal(record_decode(span_of(bytes, writer.used_bytes), &record),
                     DECODE_MALFORMED);
    bytes[9] = 251;
    memset(bytes + 10, 'k', 251);
    assert_int_equal(record_decode(span_of(bytes, 261), &record),
                     DECODE_MALFORMED);
    bytes[9] = 250;
    assert_int_equal(record_decode(span_of(bytes, 260), &record), DECODE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_comes_back_as_it_was_sent),
        cmocka_unit_test(a_message_cut_short_is_malformed_or_only_shorter),
        cmocka_unit_test(no_frame_is_believed_beyond_its_bytes),
        cmocka_unit_test(what_a_later_version_adds_is_skipped),
        cmocka_unit_test(random_bytes_are_decoded_or_refused),
        cmocka_unit_test(records_have_the_size_they_claim),
        cmocka_unit_test(a_touch_of_a_session_is_small),
        cmocka_unit_test(records_without_a_proper_key_are_malformed),
    };

    return cmocka_run_group_tests_name("grapevine", tests, NULL, NULL);
}
