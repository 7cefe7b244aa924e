/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is heard of a client that was not let in: credentials, in either
 * protocol, and of everything else that it was refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/memcached/credentials.h"
#include "tests/unit/conversation.h"

#define SAID(literal) (literal), sizeof(literal) - 1
#define HEAD_BYTES 24

static void assert_heard(enum protocol protocol, bool is_stranger,
                         const void *said, size_t bytes, const char *heard)
{
    struct conversation conversation = {
        .protocol = protocol,
        .limits = {.item_bytes_max = 1024, .with_sasl = true},
        .bytes = span_of(said, bytes),
        .is_stranger = is_stranger};
    char *transcript = conversation_transcript(&conversation, NULL, 0);

    assert_string_equal(transcript, heard);
    free(transcript);
    assert_true(conversation_is_split_proof(&conversation));
}

static void assert_text(const char *said, size_t bytes, const char *heard)
{
    assert_heard(PROTOCOL_TEXT, true, said, bytes, heard);
}

static void a_set_brings_user_and_password(void **state)
{
    (void)state;
    assert_text(SAID("set x 0 0 7\r\nfoo bar\r\n"),
                "authenticate key='foo' value='bar'\n");
    assert_text(SAID("set  auth  0 0  7\nfoo bar\r\n"),
                "authenticate key='foo' value='bar'\n");
    /* Neither key, flags, time nor what follows the length matter. */
    assert_text(SAID("set x a b 7 noreply\r\nfoo bar\r\n"),
                "authenticate key='foo' value='bar'\n");
    /* The password is all behind the first blank. */
    assert_text(SAID("set x 0 0 12\r\nbaz qux\nquux\r\n"),
                "authenticate key='baz' value='qux\\x0aquux'\n");
    assert_text(SAID("set x 0 0 8\r\nfoo  bar\r\n"),
                "authenticate key='foo' value=' bar'\n");
    assert_text(SAID("set x 0 0 4\r\nfoo \r\n"), "authenticate key='foo'\n");
    assert_text(SAID("set x 0 0 4\r\n bar\r\n"), "authenticate value='bar'\n");
}

static void a_bad_token_is_refused_whole(void **state)
{
    (void)state;
    assert_text(SAID("set x 0 0 6\r\nfoobar\r\nset x 0 0 7\r\nfoo bar\r\n"),
                "refused token_format\nauthenticate key='foo' value='bar'\n");
    assert_text(SAID("set x 0 0 0\r\n\r\n"), "refused token_format\n");
    assert_text(SAID("set x 0 0 7\r\nfoo barXXversion\r\n"),
                "refused token_end\nrefused unauthenticated\n");
    assert_text(SAID("set x 0 0 7\r\nfoo bar\n\n"), "refused token_end\n");
}

static void a_long_token_is_skipped(void **state)
{
    (void)state;
    assert_text(SAID("set x 0 0 16385\r\n"),
                "refused token_too_long swallow=16387\n16387 bytes to skip\n");
    assert_text(SAID("set x 0 0 2147483645\r\nfoo bar"),
                "refused token_too_long swallow=2147483647\n"
                "2147483640 bytes to skip\n");
    /* No length at all: nothing is skipped. */
    assert_text(SAID("set x 0 0 2147483646\r\nget foo\r\n"),
                "refused unauthenticated\nrefused unauthenticated\n");
    assert_text(SAID("set x 0 0 16384\r\nfoo b"), "22 bytes of 16403\n");
}

static void nothing_else_is_heard(void **state)
{
    static const char *const lines[] = {
        "get foo",      "gets foo",     "gat 0 foo",      "version",
        "stats",        "stats reset",  "flush_all",      "watch fetchers",
        "mg foo v",     "ms foo 2",     "md foo",         "me foo",
        "delete foo",   "incr foo 1",   "touch foo 0",    "verbosity 2",
        "shutdown",     "Set x 0 0 1",  "settle x 0 0 1", "add x 0 0 7",
        "set x 0 0",    "set x 0 0 +7", "set x 0 0 -1",   "set x 0 0 7x",
        " set x 0 0 7", "      ",       "set   ",         "\tset x 0 0 7"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char said[64];
        int bytes = snprintf(said, sizeof(said), "%s\r\n", lines[i]);
        assert_text(said, (size_t)bytes, "refused unauthenticated\n");
    }
}

static void who_says_next_to_nothing_is_closed(void **state)
{
    static char endless[2049];

    (void)state;
    assert_text(SAID("\r\n"), "closed without a reply\n");
    assert_text(SAID("\n"), "closed without a reply\n");
    assert_text(SAID("quit\r\n"), "closed without a reply\n");
    assert_text(SAID("mn\r\nget foo\r\n"), "closed without a reply\n");
    memset(endless, 'a', sizeof(endless));
    assert_text(endless, 2048, "2048 bytes of 2049\n");
    assert_text(endless, 2049, "closed without a reply\n");
    memcpy(endless, "get ", 4); /* whose line may be long once one is in */
    assert_text(endless, 2049, "closed without a reply\n");
}

/* ---- binary ---- */

static size_t put_frame(uint8_t *to, uint8_t opcode, size_t key_bytes,
                        size_t extras_bytes, size_t body_bytes)
{
    memset(to, 0, HEAD_BYTES);
    to[0] = 0x80;
    to[1] = opcode;
    to[2] = (uint8_t)(key_bytes >> 8);
    to[3] = (uint8_t)key_bytes;
    to[4] = (uint8_t)extras_bytes;
    for (int i = 0; i < 4; i++)
        to[8 + i] = (uint8_t)(body_bytes >> (24 - 8 * i));
    to[15] = 7;
    return HEAD_BYTES;
}

static uint8_t said[65536];

/* A frame with a body of `body`, said by a stranger or by one who is in. */
static void assert_frame_of(bool is_stranger, uint8_t opcode, size_t key_bytes,
                            const char *body, size_t body_bytes,
                            const char *heard)
{
    size_t bytes = put_frame(said, opcode, key_bytes, 0, body_bytes);

    memcpy(said + bytes, body, body_bytes);
    assert_heard(PROTOCOL_BINARY, is_stranger, said, bytes + body_bytes, heard);
}

static void sasl_frames_are_heard_of_both(void **state)
{
    (void)state;
    for (int is_stranger = 0; is_stranger < 2; is_stranger++) {
        assert_frame_of(is_stranger, 0x20, 0, "", 0,
                        "mechanisms 20 opaque=7\n");
        assert_frame_of(is_stranger, 0x21, 5, SAID("PLAIN\0foo\0bar"),
                        "authenticate 21 opaque=7 key='PLAIN' "
                        "value='\\x00foo\\x00bar'\n");
        assert_frame_of(is_stranger, 0x22, 5, SAID("PLAIN"),
                        "authenticate 22 opaque=7 key='PLAIN'\n");
        assert_frame_of(is_stranger, 0x0b, 0, "", 0, "version 0b opaque=7\n");
    }
}

static void a_mechanism_has_32_bytes_at_most(void **state)
{
    char name[251];

    (void)state;
    memset(name, 'F', sizeof(name));
    for (int is_stranger = 0; is_stranger < 2; is_stranger++) {
        assert_frame_of(is_stranger, 0x21, 33, name, 33,
                        "refused 21 opaque=7 arguments swallow=33\n");
        assert_frame_of(is_stranger, 0x21, 251, name, 251,
                        "refused 21 opaque=7 arguments closes\n");
        assert_frame_of(is_stranger, 0x21, 0, name, 32,
                        "refused 21 opaque=7 arguments closes\n");
    }
}

static void lengths_that_lie_are_closed(void **state)
{
    static const size_t lengths[] = {16385,      0x7fffffff, 0x80000000,
                                     0xfffffffe, 0xffffffff, 4};

    (void)state;
    for (uint8_t opcode = 0x20; opcode <= 0x22; opcode++) {
        for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
            char heard[64];
            size_t bytes = put_frame(said, opcode, 5, 0, lengths[i]);
            snprintf(heard, sizeof(heard),
                     "refused %02x opaque=7 arguments closes\n", opcode);
            assert_heard(PROTOCOL_BINARY, true, said, bytes, heard);
            if (lengths[i] > 5) /* else it is a frame in no protocol */
                assert_heard(PROTOCOL_BINARY, false, said, bytes, heard);
            bytes = put_frame(said, opcode, 5, 4, 20);
            assert_heard(PROTOCOL_BINARY, true, said, bytes, heard);
        }
    }
}

static void of_other_opcodes_a_header_is_enough_to_refuse(void **state)
{
    (void)state;
    for (unsigned opcode = 0; opcode < 256; opcode++) {
        char heard[64];
        if (opcode == 0x0b || (opcode >= 0x20 && opcode <= 0x22))
            continue;
        size_t bytes = put_frame(said, (uint8_t)opcode, 5, 8, 1024);
        snprintf(heard, sizeof(heard),
                 "refused %02x opaque=7 unauthenticated closes\n", opcode);
        assert_heard(PROTOCOL_BINARY, true, said, bytes, heard);
    }
}

static void text_is_not_heard_where_binary_is_spoken(void **state)
{
    (void)state;
    assert_heard(PROTOCOL_BINARY, true, SAID("set x 0 0 7\r\nfoo bar\r\n"),
                 "closed without a reply\n");
}

static void without_sasl_its_opcodes_are_unknown(void **state)
{
    struct conversation conversation = {.protocol = PROTOCOL_BINARY,
                                        .limits = {.item_bytes_max = 1024}};

    (void)state;
    conversation.bytes = span_of(said, put_frame(said, 0x21, 0, 0, 0));
    char *transcript = conversation_transcript(&conversation, NULL, 0);
    assert_string_equal(transcript, "refused 21 opaque=7 unknown\n");
    free(transcript);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_brings_user_and_password),
        cmocka_unit_test(a_bad_token_is_refused_whole),
        cmocka_unit_test(a_long_token_is_skipped),
        cmocka_unit_test(nothing_else_is_heard),
        cmocka_unit_test(who_says_next_to_nothing_is_closed),
        cmocka_unit_test(sasl_frames_are_heard_of_both),
        cmocka_unit_test(a_mechanism_has_32_bytes_at_most),
        cmocka_unit_test(lengths_that_lie_are_closed),
        cmocka_unit_test(of_other_opcodes_a_header_is_enough_to_refuse),
        cmocka_unit_test(text_is_not_heard_where_binary_is_spoken),
        cmocka_unit_test(without_sasl_its_opcodes_are_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
