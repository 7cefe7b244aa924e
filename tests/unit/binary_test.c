/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The binary protocol: what each frame means, which frames are refused and
 * what is skipped after them, every opcode with every length at its borders;
 * and that none of it depends on how the bytes were cut into reads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/base/bigendian.h"
#include "proto/memcached/binary.h"
#include "tests/unit/conversation.h"

#define ITEM_BYTES_MAX ((size_t)1024 * 1024)

/* A frame as a client writes it; the lengths follow from the spans. */
struct frame {
    uint8_t opcode;
    struct span extras;
    struct span key;
    struct span value;
    uint32_t opaque;
    uint64_t cas;
};

static uint8_t said[3 * 1024 * 1024];
static size_t said_bytes;

static void begin(void)
{
    said_bytes = 0;
}

static void say_header(uint8_t opcode, size_t key_bytes, size_t extras_bytes,
                       uint32_t body_bytes, uint32_t opaque, uint64_t cas)
{
    uint8_t *to = said + said_bytes;

    *to++ = BINARY_MAGIC_REQUEST;
    *to++ = opcode;
    to = bigendian_store16(to, (uint16_t)key_bytes);
    *to++ = (uint8_t)extras_bytes;
    /* Data type and vbucket are nobody's business. */
    *to++ = 0x55;
    to = bigendian_store16(to, 0xaa55);
    to = bigendian_store32(to, body_bytes);
    to = bigendian_store32(to, opaque);
    bigendian_store64(to, cas);
    said_bytes += BINARY_HEADER_BYTES;
}

static void say_bytes(struct span bytes)
{
    assert_true(said_bytes + bytes.length <= sizeof(said));
    span_copy(said + said_bytes, bytes);
    said_bytes += bytes.length;
}

static void say(const struct frame *frame)
{
    size_t body_bytes =
        frame->extras.length + frame->key.length + frame->value.length;

    say_header(frame->opcode, frame->key.length, frame->extras.length,
               (uint32_t)body_bytes, frame->opaque, frame->cas);
    say_bytes(frame->extras);
    say_bytes(frame->key);
    say_bytes(frame->value);
}

static struct conversation conversation(void)
{
    return (struct conversation){.protocol = PROTOCOL_BINARY,
                                 .limits = {.item_bytes_max = ITEM_BYTES_MAX},
                                 .bytes = span_of(said, said_bytes)};
}

static void assert_heard_once(const char *heard)
{
    struct conversation all = conversation();
    char *transcript = conversation_transcript(&all, NULL, 0);

    assert_string_equal(transcript, heard);
    free(transcript);
}

static void assert_heard(const char *heard)
{
    struct conversation all = conversation();

    assert_heard_once(heard);
    assert_true(conversation_is_split_proof(&all));
}

/* One frame, and one more that shows where the first one ended. */
static void assert_frame(const struct frame *frame, const char *heard)
{
    char both[1000];
    size_t heard_bytes = strlen(heard);

    assert_true(heard_bytes + 10 < sizeof(both));
    memcpy(both, heard, heard_bytes);
    memcpy(both + heard_bytes, "noop 0a\n", 9);
    begin();
    say(frame);
    say(&(struct frame){.opcode = BINARY_NOOP});
    assert_heard(both);
}

/* ---- frames ---- */

static void a_frame_not_there_yet_waits_for_more(void **state)
{
    (void)state;
    begin();
    assert_heard("");
    say(&(struct frame){.opcode = BINARY_GET, .key = SPAN("apple")});
    said_bytes = 1;
    assert_heard("1 bytes of 24\n");
    said_bytes = 23;
    assert_heard("23 bytes of 24\n");
    said_bytes = 24;
    assert_heard("24 bytes of 29\n");
    said_bytes = 28;
    assert_heard("28 bytes of 29\n");
    begin();
    say(&(struct frame){.opcode = BINARY_SET,
                        .extras = SPAN("\0\0\0\0\0\0\0\0"),
                        .key = SPAN("apple"),
                        .value = SPAN("red")});
    said_bytes--;
    assert_heard("39 bytes of 40\n");
}

static void another_magic_is_closed_without_a_reply(void **state)
{
    static const uint8_t others[] = {0x00, 0x7f, 0x81, 0xff, 'g'};

    (void)state;
    for (size_t i = 0; i < sizeof(others); i++) {
        begin();
        say(&(struct frame){.opcode = BINARY_NOOP});
        say(&(struct frame){.opcode = BINARY_NOOP});
        said[BINARY_HEADER_BYTES] = others[i];
        assert_heard("noop 0a\nclosed without a reply\n");
        said_bytes = BINARY_HEADER_BYTES + 1;
        assert_heard("noop 0a\nclosed without a reply\n");
    }
}

static void retrievals_differ_in_what_they_hide_and_name(void **state)
{
    static const struct {
        uint8_t opcode;
        const char *heard;
    } rows[] = {
        {BINARY_GET, "retrieve 00 key='apple'\n"},
        {BINARY_GETQ, "retrieve 09 key='apple' quiet\n"},
        {BINARY_GETK, "retrieve 0c key='apple' with_key\n"},
        {BINARY_GETKQ, "retrieve 0d key='apple' quiet with_key\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_frame(
            &(struct frame){.opcode = rows[i].opcode, .key = SPAN("apple")},
            rows[i].heard);
}

static void touching_retrievals_carry_an_exptime(void **state)
{
    static const struct {
        uint8_t opcode;
        const char *heard;
    } rows[] = {
        {BINARY_TOUCH, "touch 1c key='apple' exptime=258\n"},
        {BINARY_GAT, "retrieve 1d key='apple' exptime=258 touches\n"},
        {BINARY_GATQ, "retrieve 1e key='apple' exptime=258 quiet touches\n"},
        {BINARY_GATK, "retrieve 23 key='apple' exptime=258 with_key touches\n"},
        {BINARY_GATKQ, "retrieve 24 key='apple' exptime=258 quiet with_key "
                       "touches\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_frame(&(struct frame){.opcode = rows[i].opcode,
                                     .extras = SPAN("\0\0\1\2"),
                                     .key = SPAN("apple")},
                     rows[i].heard);
}

static void stores_carry_flags_exptime_and_value(void **state)
{
    static const struct {
        uint8_t opcode;
        const char *heard;
    } rows[] = {
        {BINARY_SET, "store 01 set key='a' value='red' flags=16909060 "
                     "exptime=10\n"},
        {BINARY_ADD, "store 02 add key='a' value='red' flags=16909060 "
                     "exptime=10\n"},
        {BINARY_REPLACE, "store 03 replace key='a' value='red' "
                         "flags=16909060 exptime=10\n"},
        {BINARY_SETQ, "store 11 set key='a' value='red' flags=16909060 "
                      "exptime=10 quiet\n"},
        {BINARY_ADDQ, "store 12 add key='a' value='red' flags=16909060 "
                      "exptime=10 quiet\n"},
        {BINARY_REPLACEQ, "store 13 replace key='a' value='red' "
                          "flags=16909060 exptime=10 quiet\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_frame(&(struct frame){.opcode = rows[i].opcode,
                                     .extras = SPAN("\1\2\3\4\0\0\0\12"),
                                     .key = SPAN("a"),
                                     .value = SPAN("red")},
                     rows[i].heard);
}

static void extending_stores_have_no_extras(void **state)
{
    static const struct {
        uint8_t opcode;
        const char *heard;
    } rows[] = {
        {BINARY_APPEND, "store 0e append key='a' value='red'\n"},
        {BINARY_PREPEND, "store 0f prepend key='a' value='red'\n"},
        {BINARY_APPENDQ, "store 19 append key='a' value='red' quiet\n"},
        {BINARY_PREPENDQ, "store 1a prepend key='a' value='red' quiet\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_frame(&(struct frame){.opcode = rows[i].opcode,
                                     .key = SPAN("a"),
                                     .value = SPAN("red")},
                     rows[i].heard);
}

static void arithmetic_carries_delta_initial_and_exptime(void **state)
{
    static const struct {
        uint8_t opcode;
        const char *heard;
    } rows[] = {
        {BINARY_INCREMENT, "arithmetic 05 up key='a' exptime=7 delta=5 "
                           "initial=72057594037927936 creates\n"},
        {BINARY_DECREMENT, "arithmetic 06 down key='a' exptime=7 delta=5 "
                           "initial=72057594037927936 creates\n"},
        {BINARY_INCREMENTQ, "arithmetic 15 up key='a' exptime=7 delta=5 "
                            "initial=72057594037927936 quiet creates\n"},
        {BINARY_DECREMENTQ, "arithmetic 16 down key='a' exptime=7 delta=5 "
                            "initial=72057594037927936 quiet creates\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_frame(&(struct frame){.opcode = rows[i].opcode,
                                     .extras = SPAN("\0\0\0\0\0\0\0\5"
                                                    "\1\0\0\0\0\0\0\0"
                                                    "\0\0\0\7"),
                                     .key = SPAN("a")},
                     rows[i].heard);
}

static void one_exptime_asks_arithmetic_not_to_create(void **state)
{
    (void)state;
    assert_frame(&(struct frame){.opcode = BINARY_INCREMENT,
                                 .extras = SPAN("\0\0\0\0\0\0\0\0"
                                                "\0\0\0\0\0\0\0\0"
                                                "\xff\xff\xff\xff"),
                                 .key = SPAN("a")},
                 "arithmetic 05 up key='a' exptime=4294967295\n");
    assert_frame(&(struct frame){.opcode = BINARY_INCREMENT,
                                 .extras = SPAN("\0\0\0\0\0\0\0\0"
                                                "\0\0\0\0\0\0\0\0"
                                                "\xff\xff\xff\xfe"),
                                 .key = SPAN("a")},
                 "arithmetic 05 up key='a' exptime=4294967294 creates\n");
}

static void a_header_with_a_token_compares(void **state)
{
    (void)state;
    assert_frame(&(struct frame){.opcode = BINARY_ADD,
                                 .extras = SPAN("\0\0\0\0\0\0\0\0"),
                                 .key = SPAN("a"),
                                 .cas = UINT64_MAX},
                 "store 02 add key='a' compare=18446744073709551615 "
                 "compares\n");
    assert_frame(
        &(struct frame){.opcode = BINARY_DELETE, .key = SPAN("a"), .cas = 1},
        "remove 04 key='a' compare=1 compares\n");
}

static void commands_without_a_key(void **state)
{
    static const struct {
        uint8_t opcode;
        const char *heard;
    } rows[] = {
        {BINARY_FLUSH, "flush 08\n"}, {BINARY_FLUSHQ, "flush 18 quiet\n"},
        {BINARY_NOOP, "noop 0a\n"},   {BINARY_VERSION, "version 0b\n"},
        {BINARY_STAT, "stats 10\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_frame(&(struct frame){.opcode = rows[i].opcode}, rows[i].heard);
    assert_frame(
        &(struct frame){.opcode = BINARY_FLUSH, .extras = SPAN("\0\0\0\3")},
        "flush 08 exptime=3\n");
    assert_frame(
        &(struct frame){.opcode = BINARY_STAT, .key = SPAN("settings")},
        "stats 10 key='settings' argument='settings'\n");
}

static void nothing_is_heard_after_a_quit(void **state)
{
    (void)state;
    begin();
    say(&(struct frame){.opcode = BINARY_QUIT});
    say(&(struct frame){.opcode = BINARY_NOOP});
    assert_heard("quit 07\n");
    begin();
    say(&(struct frame){.opcode = BINARY_QUITQ, .opaque = 9});
    assert_heard("quit 17 opaque=9 quiet\n");
}

static void deletes_name_their_key(void **state)
{
    (void)state;
    assert_frame(&(struct frame){.opcode = BINARY_DELETE, .key = SPAN("a")},
                 "remove 04 key='a'\n");
    assert_frame(&(struct frame){.opcode = BINARY_DELETEQ, .key = SPAN("a")},
                 "remove 14 key='a' quiet\n");
}

static void keys_and_values_are_any_bytes(void **state)
{
    (void)state;
    assert_frame(&(struct frame){.opcode = BINARY_SET,
                                 .extras = SPAN("\0\0\0\0\0\0\0\0"),
                                 .key = SPAN("a \r\n\0\x80"),
                                 .value = SPAN("\x80\0\r\n")},
                 "store 01 set key='a \\x0d\\x0a\\x00\\x80' "
                 "value='\\x80\\x00\\x0d\\x0a'\n");
}

static void what_is_unknown_skips_its_body(void **state)
{
    /* Verbosity, authentication and the range commands are not known. */
    static const uint8_t unknown[] = {0x1b, 0x1f, 0x20, 0x21, 0x22,
                                      0x25, 0x30, 0x3c, 0x80, 0xff};

    (void)state;
    for (size_t i = 0; i < sizeof(unknown); i++) {
        char heard[100] = "refused 00 opaque=3735928559 unknown swallow=12\n"
                          "noop 0a\n";
        heard[8] = "0123456789abcdef"[unknown[i] >> 4];
        heard[9] = "0123456789abcdef"[unknown[i] & 15];
        begin();
        say(&(struct frame){.opcode = unknown[i],
                            .extras = SPAN("1234"),
                            .key = SPAN("key"),
                            .value = SPAN("value"),
                            .opaque = 0xdeadbeef});
        say(&(struct frame){.opcode = BINARY_NOOP});
        assert_heard(heard);
    }
    begin();
    say(&(struct frame){.opcode = 0x20});
    say(&(struct frame){.opcode = BINARY_NOOP});
    assert_heard("refused 20 unknown\nnoop 0a\n");
}

static void a_frame_of_the_wrong_shape_closes(void **state)
{
    (void)state;
    begin();
    say(&(struct frame){.opcode = BINARY_GET});
    say(&(struct frame){.opcode = BINARY_NOOP});
    assert_heard("refused 00 arguments closes\n");
    begin();
    say(&(struct frame){.opcode = BINARY_GETQ,
                        .extras = SPAN("1234"),
                        .key = SPAN("a"),
                        .opaque = 7,
                        .cas = 3});
    assert_heard("refused 09 opaque=7 arguments compare=3 closes\n");
    begin();
    say(&(struct frame){.opcode = BINARY_NOOP, .value = SPAN("x")});
    assert_heard("refused 0a arguments closes\n");
    begin();
    say(&(struct frame){.opcode = BINARY_FLUSH, .extras = SPAN("\0\0\0")});
    assert_heard("refused 08 arguments closes\n");
}

static void parts_longer_than_the_body_close(void **state)
{
    (void)state;
    begin();
    say_header(BINARY_GET, 6, 0, 5, 0, 0);
    say_bytes(SPAN("apples"));
    assert_heard("refused 00 unknown closes\n");
    begin();
    say_header(BINARY_SET, 0xffff, 0xff, 0xffff + 0xff - 1, 0, 0);
    assert_heard("refused 01 unknown closes\n");
}

static void a_key_has_250_bytes_and_not_one_more(void **state)
{
    uint8_t key[COMMAND_KEY_BYTES_MAX + 1];

    (void)state;
    memset(key, 'k', sizeof(key));
    begin();
    say(&(struct frame){.opcode = BINARY_DELETE,
                        .key = span_of(key, COMMAND_KEY_BYTES_MAX)});
    struct conversation all = conversation();
    char *transcript = conversation_transcript(&all, NULL, 0);
    assert_int_equal(strncmp(transcript, "remove 04 key='kkk", 18), 0);
    assert_int_equal(strlen(transcript),
                     strlen("remove 04 key=''\n") + COMMAND_KEY_BYTES_MAX);
    assert_true(conversation_is_split_proof(&all));
    free(transcript);
    begin();
    say(&(struct frame){.opcode = BINARY_DELETE,
                        .key = span_of(key, sizeof(key))});
    assert_heard("refused 04 arguments closes\n");
}

/* ---- sizes ---- */

static void say_large(uint8_t opcode, size_t value_bytes)
{
    struct span extras = SPAN("\0\0\0\0\0\0\0\0");
    bool extends = opcode == BINARY_APPEND;

    begin();
    say_header(opcode, 1, extends ? 0 : 8,
               (uint32_t)((extends ? 1 : 9) + value_bytes), 0, 0);
    if (!extends)
        say_bytes(extras);
    say_bytes(SPAN("a"));
    assert_true(said_bytes + value_bytes <= sizeof(said));
    memset(said + said_bytes, 'v', value_bytes);
    said_bytes += value_bytes;
    say(&(struct frame){.opcode = BINARY_NOOP});
}

/* Around every boundary of the conversation, not at every byte of a value. */
static void assert_cut_proof(size_t head_bytes)
{
    struct conversation all = conversation();
    char *whole = conversation_transcript(&all, NULL, 0);

    for (size_t i = 0; i < 60; i++) {
        size_t cuts[] = {i < 30 ? head_bytes - 15 + i : said_bytes - 60 + i};
        char *cut = conversation_transcript(&all, cuts, 1);
        assert_string_equal(cut, whole);
        free(cut);
    }
    free(whole);
}

static void a_value_is_parsed_whole_follows_or_is_too_large(void **state)
{
    (void)state;
    say_large(BINARY_SET, COMMAND_INLINE_BYTES_MAX);
    struct conversation all = conversation();
    char *transcript = conversation_transcript(&all, NULL, 0);
    assert_null(strstr(transcript, "follows"));
    assert_non_null(strstr(transcript, "vvv'\nnoop 0a\n"));
    free(transcript);
    assert_cut_proof(33);

    say_large(BINARY_SET, COMMAND_INLINE_BYTES_MAX + 1);
    assert_heard_once("store 01 set key='a' value_bytes=65537 follows\n"
                      "noop 0a\n");
    assert_cut_proof(33);

    say_large(BINARY_APPEND, ITEM_BYTES_MAX - 1);
    assert_heard_once("store 0e append key='a' value_bytes=1048575 follows\n"
                      "noop 0a\n");
    assert_cut_proof(25);

    say_large(BINARY_APPEND, ITEM_BYTES_MAX);
    assert_heard_once("store 0e append too_large key='a' value_bytes=1048576 "
                      "swallow=1048576\n"
                      "noop 0a\n");
    assert_cut_proof(25);
}

static void a_small_item_limit_holds_for_small_values_too(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < 2; i++)
        say(&(struct frame){.opcode = BINARY_SETQ,
                            .extras = SPAN("\0\0\0\0\0\0\0\0"),
                            .key = i == 0 ? SPAN("abc") : SPAN("abcd"),
                            .value = SPAN("1234567")});
    struct conversation all = conversation();
    all.limits.item_bytes_max = 10;
    char *transcript = conversation_transcript(&all, NULL, 0);
    assert_string_equal(transcript,
                        "store 11 set key='abc' value='1234567' quiet\n"
                        "store 11 set too_large key='abcd' value_bytes=7 "
                        "swallow=7 quiet\n");
    assert_true(conversation_is_split_proof(&all));
    free(transcript);
}

static void a_pipeline_is_heard_in_its_order(void **state)
{
    (void)state;
    begin();
    say(&(struct frame){.opcode = BINARY_SETQ,
                        .extras = SPAN("\0\0\0\1\0\0\0\2"),
                        .key = SPAN("k"),
                        .value = SPAN("v"),
                        .opaque = 1});
    say(&(struct frame){.opcode = 0x20, .key = SPAN("PLAIN"), .opaque = 2});
    say(&(struct frame){.opcode = BINARY_GETKQ, .key = SPAN("k"), .opaque = 3});
    say(&(struct frame){.opcode = BINARY_NOOP, .opaque = 4});
    say(&(struct frame){.opcode = BINARY_QUITQ, .opaque = 5});
    assert_heard("store 11 opaque=1 set key='k' value='v' flags=1 exptime=2 "
                 "quiet\n"
                 "refused 20 opaque=2 unknown swallow=5\n"
                 "retrieve 0d opaque=3 key='k' quiet with_key\n"
                 "noop 0a opaque=4\n"
                 "quit 17 opaque=5 quiet\n");
}

/* ---- every opcode with every length ---- */

enum key_rule { KEY_NONE, KEY_MAY, KEY_MUST };

/* The protocol's document, once more, as what a frame has to look like. */
struct rule {
    uint8_t opcode;
    uint8_t extras_bytes;
    bool may_lack_extras;
    enum key_rule key;
    bool may_have_value;
};

static const struct rule rules[] = {
    {0x00, 0, false, KEY_MUST, false},  {0x01, 8, false, KEY_MUST, true},
    {0x02, 8, false, KEY_MUST, true},   {0x03, 8, false, KEY_MUST, true},
    {0x04, 0, false, KEY_MUST, false},  {0x05, 20, false, KEY_MUST, false},
    {0x06, 20, false, KEY_MUST, false}, {0x07, 0, false, KEY_NONE, false},
    {0x08, 4, true, KEY_NONE, false},   {0x09, 0, false, KEY_MUST, false},
    {0x0a, 0, false, KEY_NONE, false},  {0x0b, 0, false, KEY_NONE, false},
    {0x0c, 0, false, KEY_MUST, false},  {0x0d, 0, false, KEY_MUST, false},
    {0x0e, 0, false, KEY_MUST, true},   {0x0f, 0, false, KEY_MUST, true},
    {0x10, 0, false, KEY_MAY, false},   {0x11, 8, false, KEY_MUST, true},
    {0x12, 8, false, KEY_MUST, true},   {0x13, 8, false, KEY_MUST, true},
    {0x14, 0, false, KEY_MUST, false},  {0x15, 20, false, KEY_MUST, false},
    {0x16, 20, false, KEY_MUST, false}, {0x17, 0, false, KEY_NONE, false},
    {0x18, 4, true, KEY_NONE, false},   {0x19, 0, false, KEY_MUST, true},
    {0x1a, 0, false, KEY_MUST, true},   {0x1c, 4, false, KEY_MUST, false},
    {0x1d, 4, false, KEY_MUST, false},  {0x1e, 4, false, KEY_MUST, false},
    {0x23, 4, false, KEY_MUST, false},  {0x24, 4, false, KEY_MUST, false},
};

static const struct rule *find_rule(uint8_t opcode)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (rules[i].opcode == opcode)
            return &rules[i];
    }
    return NULL;
}

struct lengths {
    uint8_t opcode;
    size_t key_bytes;
    size_t extras_bytes;
    size_t body_bytes;
};

static bool is_in_shape(const struct rule *rule, const struct lengths *lengths)
{
    size_t framed_bytes = lengths->key_bytes + lengths->extras_bytes;

    if (lengths->extras_bytes != rule->extras_bytes &&
        (lengths->extras_bytes != 0 || !rule->may_lack_extras))
        return false;
    if (rule->key == KEY_MUST && lengths->key_bytes == 0)
        return false;
    if (rule->key == KEY_NONE && lengths->key_bytes > 0)
        return false;
    return lengths->key_bytes <= 250 &&
           (rule->may_have_value || lengths->body_bytes == framed_bytes);
}

static void assert_refused(const struct parsed *parsed,
                           const struct command *command, enum refusal refusal,
                           bool closes, size_t swallow_bytes)
{
    assert_int_equal(parsed->result, PARSE_COMMAND);
    assert_int_equal(parsed->used, BINARY_HEADER_BYTES);
    assert_int_equal(command->kind, COMMAND_REFUSED);
    assert_int_equal(command->refusal, refusal);
    assert_int_equal(command->closes, closes);
    assert_int_equal(command->swallow_bytes, swallow_bytes);
    assert_false(command->quiet);
}

/* What has to come of a frame in shape of which `have_bytes` are there. */
static void assert_taken(const struct parsed *parsed,
                         const struct command *command,
                         const struct lengths *lengths, size_t have_bytes)
{
    size_t framed_bytes = lengths->key_bytes + lengths->extras_bytes;
    size_t head_bytes = BINARY_HEADER_BYTES + framed_bytes;
    size_t value_bytes = lengths->body_bytes - framed_bytes;
    bool is_too_large = value_bytes + lengths->key_bytes > ITEM_BYTES_MAX;
    bool follows = !is_too_large && value_bytes > COMMAND_INLINE_BYTES_MAX;
    size_t needed_bytes =
        head_bytes + (is_too_large || follows ? 0 : value_bytes);

    if (have_bytes < needed_bytes) {
        assert_int_equal(parsed->result, PARSE_MORE);
        assert_true(parsed->need > have_bytes);
        assert_int_equal(parsed->need,
                         have_bytes < head_bytes ? head_bytes : needed_bytes);
        return;
    }
    assert_int_equal(parsed->result, PARSE_COMMAND);
    assert_int_equal(parsed->used, needed_bytes);
    assert_int_not_equal(command->kind, COMMAND_REFUSED);
    assert_int_equal(command->refusal, REFUSAL_NONE);
    assert_int_equal(command->key.length, lengths->key_bytes);
    assert_int_equal(command->value_bytes, value_bytes);
    assert_int_equal(command->value_follows, follows);
    assert_int_equal(command->block_fault,
                     is_too_large ? BLOCK_TOO_LARGE : BLOCK_SOUND);
    assert_int_equal(command->swallow_bytes, is_too_large ? value_bytes : 0);
    assert_false(command->closes);
}

static void judge(const struct lengths *lengths)
{
    const struct rule *rule = find_rule(lengths->opcode);
    size_t framed_bytes = lengths->key_bytes + lengths->extras_bytes;
    size_t sent_bytes = lengths->body_bytes < 600 ? lengths->body_bytes : 600;
    size_t have_bytes = BINARY_HEADER_BYTES + sent_bytes;
    uint8_t *copy = malloc(have_bytes);
    struct parse_limits limits = {.item_bytes_max = ITEM_BYTES_MAX};
    struct command command;

    assert_non_null(copy);
    begin();
    say_header(lengths->opcode, lengths->key_bytes, lengths->extras_bytes,
               (uint32_t)lengths->body_bytes, 77, 0);
    memcpy(copy, said, BINARY_HEADER_BYTES);
    memset(copy + BINARY_HEADER_BYTES, 1, sent_bytes);
    struct parsed parsed =
        binary_parse(span_of(copy, have_bytes), &limits, &command);

    assert_int_equal(command.opcode, lengths->opcode);
    assert_int_equal(command.opaque, 77);
    if (framed_bytes > lengths->body_bytes)
        assert_refused(&parsed, &command, REFUSAL_UNKNOWN_COMMAND, true, 0);
    else if (lengths->body_bytes > INT32_MAX)
        assert_refused(&parsed, &command, REFUSAL_ARGUMENTS, true, 0);
    else if (rule == NULL)
        assert_refused(&parsed, &command, REFUSAL_UNKNOWN_COMMAND, false,
                       lengths->body_bytes);
    else if (!is_in_shape(rule, lengths))
        assert_refused(&parsed, &command, REFUSAL_ARGUMENTS, true, 0);
    else
        assert_taken(&parsed, &command, lengths, have_bytes);
    free(copy);
}

static void every_opcode_judges_every_length_at_its_borders(void **state)
{
    static const size_t key_bytes[] = {0, 1, 250, 251, 0x7fff, 0x8000, 0xffff};
    static const size_t extras_bytes[] = {0, 1, 3, 4, 5, 8, 9, 19, 20, 21, 255};
    /* Of the body: what it holds besides key and extras, or all of it. */
    static const size_t value_bytes[] = {0, 1, 600, COMMAND_INLINE_BYTES_MAX,
                                         COMMAND_INLINE_BYTES_MAX + 1};
    static const size_t body_bytes[] = {
        0, 1, ITEM_BYTES_MAX, INT32_MAX, (size_t)INT32_MAX + 1, UINT32_MAX};

    (void)state;
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        for (size_t k = 0; k < sizeof(key_bytes) / sizeof(size_t); k++) {
            for (size_t e = 0; e < sizeof(extras_bytes) / sizeof(size_t); e++) {
                struct lengths lengths = {.opcode = (uint8_t)opcode,
                                          .key_bytes = key_bytes[k],
                                          .extras_bytes = extras_bytes[e]};
                size_t framed_bytes = key_bytes[k] + extras_bytes[e];
                for (size_t v = 0; v < sizeof(value_bytes) / sizeof(size_t);
                     v++) {
                    lengths.body_bytes = framed_bytes + value_bytes[v];
                    judge(&lengths);
                }
                for (size_t b = 0; b < sizeof(body_bytes) / sizeof(size_t);
                     b++) {
                    lengths.body_bytes = body_bytes[b];
                    judge(&lengths);
                }
                lengths.body_bytes = framed_bytes - (framed_bytes > 0);
                judge(&lengths);
                /* The largest value that is kept, and one byte more. */
                lengths.body_bytes = ITEM_BYTES_MAX + extras_bytes[e];
                judge(&lengths);
                lengths.body_bytes++;
                judge(&lengths);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_not_there_yet_waits_for_more),
        cmocka_unit_test(another_magic_is_closed_without_a_reply),
        cmocka_unit_test(retrievals_differ_in_what_they_hide_and_name),
        cmocka_unit_test(touching_retrievals_carry_an_exptime),
        cmocka_unit_test(stores_carry_flags_exptime_and_value),
        cmocka_unit_test(extending_stores_have_no_extras),
        cmocka_unit_test(arithmetic_carries_delta_initial_and_exptime),
        cmocka_unit_test(one_exptime_asks_arithmetic_not_to_create),
        cmocka_unit_test(a_header_with_a_token_compares),
        cmocka_unit_test(commands_without_a_key),
        cmocka_unit_test(nothing_is_heard_after_a_quit),
        cmocka_unit_test(deletes_name_their_key),
        cmocka_unit_test(keys_and_values_are_any_bytes),
        cmocka_unit_test(what_is_unknown_skips_its_body),
        cmocka_unit_test(a_frame_of_the_wrong_shape_closes),
        cmocka_unit_test(parts_longer_than_the_body_close),
        cmocka_unit_test(a_key_has_250_bytes_and_not_one_more),
        cmocka_unit_test(a_value_is_parsed_whole_follows_or_is_too_large),
        cmocka_unit_test(a_small_item_limit_holds_for_small_values_too),
        cmocka_unit_test(a_pipeline_is_heard_in_its_order),
        cmocka_unit_test(every_opcode_judges_every_length_at_its_borders),
    };

    return cmocka_run_group_tests_name("binary", tests, NULL, NULL);
}
