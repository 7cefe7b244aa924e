/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bytes that a client gets for each outcome, in either protocol, and
 * what the quiet forms hide.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/base/bigendian.h"
#include "proto/memcached/binary.h"
#include "proto/memcached/reply.h"

#define KEY "apple"
#define TOKEN UINT64_C(0x0102030405060708)

static const enum outcome_kind all_kinds[] = {
    OUTCOME_REFUSED,      OUTCOME_HIT,           OUTCOME_MISS,
    OUTCOME_STORED,       OUTCOME_NOT_STORED,    OUTCOME_EXISTS,
    OUTCOME_NOT_FOUND,    OUTCOME_DELETED,       OUTCOME_TOUCHED,
    OUTCOME_NUMBER,       OUTCOME_NON_NUMERIC,   OUTCOME_TOO_LARGE,
    OUTCOME_UNTERMINATED, OUTCOME_NO_MEMORY,     OUTCOME_OK,
    OUTCOME_VERSION,      OUTCOME_AUTHENTICATED, OUTCOME_SILENT};

static uint8_t sent[2048];
static size_t sent_bytes;

/* Head, value and tail as a session sends them; each part in room of exactly
 * the size that is promised to be enough. */
static void answer(const struct command *command, const struct outcome *outcome)
{
    uint8_t *head = malloc(REPLY_HEAD_BYTES_MAX);
    uint8_t *tail = malloc(REPLY_TAIL_BYTES_MAX);
    uint8_t *at = sent;

    assert_non_null(head);
    assert_non_null(tail);
    assert_true(outcome->value.length <= 1024);
    at = span_copy(at, span_of(head, reply_head(command, outcome, head)));
    at = span_copy(at, outcome->value);
    at = span_copy(at, span_of(tail, reply_tail(command, outcome, tail)));
    sent_bytes = (size_t)(at - sent);
    free(head);
    free(tail);
}

static void assert_sent(const void *expected, size_t length)
{
    assert_int_equal(sent_bytes, length);
    assert_memory_equal(sent, expected, length);
}

/* ---- text ---- */

static struct command text_command(enum command_kind kind)
{
    return (struct command){.kind = kind,
                            .protocol = PROTOCOL_TEXT,
                            .last = true,
                            .with_key = kind == COMMAND_RETRIEVE,
                            .key = SPAN(KEY)};
}

static void assert_line(const struct command *command, enum outcome_kind kind,
                        const char *expected)
{
    struct outcome outcome = {.kind = kind, .token = TOKEN};

    answer(command, &outcome);
    assert_sent(expected, strlen(expected));
}

static void each_outcome_has_its_line(void **state)
{
    struct command store = text_command(COMMAND_STORE);
    struct command count = text_command(COMMAND_ARITHMETIC);

    (void)state;
    assert_line(&store, OUTCOME_STORED, "STORED\r\n");
    assert_line(&store, OUTCOME_NOT_STORED, "NOT_STORED\r\n");
    assert_line(&store, OUTCOME_EXISTS, "EXISTS\r\n");
    assert_line(&store, OUTCOME_NOT_FOUND, "NOT_FOUND\r\n");
    assert_line(&store, OUTCOME_DELETED, "DELETED\r\n");
    assert_line(&store, OUTCOME_TOUCHED, "TOUCHED\r\n");
    assert_line(&store, OUTCOME_OK, "OK\r\n");
    assert_line(&store, OUTCOME_VERSION, "VERSION 1.6.45\r\n");
    assert_line(&store, OUTCOME_TOO_LARGE,
                "SERVER_ERROR object too large for cache\r\n");
    assert_line(&store, OUTCOME_UNTERMINATED,
                "CLIENT_ERROR bad data chunk\r\n");
    assert_line(&store, OUTCOME_NO_MEMORY,
                "SERVER_ERROR out of memory storing object\r\n");
    assert_line(&count, OUTCOME_NO_MEMORY,
                "SERVER_ERROR out of memory in incr\r\n");
    assert_line(&count, OUTCOME_NON_NUMERIC,
                "CLIENT_ERROR cannot increment or decrement non-numeric "
                "value\r\n");
}

static void each_refusal_has_its_line(void **state)
{
    static const struct {
        enum refusal refusal;
        const char *line;
    } rows[] = {
        {REFUSAL_UNKNOWN_COMMAND, "ERROR\r\n"},
        {REFUSAL_FORMAT, "CLIENT_ERROR bad command line format\r\n"},
        {REFUSAL_EXPTIME, "CLIENT_ERROR invalid exptime argument\r\n"},
        {REFUSAL_DELTA, "CLIENT_ERROR invalid numeric delta argument\r\n"},
        {REFUSAL_DELETE, "CLIENT_ERROR bad command line format.  Usage: "
                         "delete <key> [noreply]\r\n"},
        {REFUSAL_LINE_TOO_LONG, "CLIENT_ERROR line too long\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct command command = text_command(COMMAND_REFUSED);
        command.refusal = rows[i].refusal;
        assert_line(&command, OUTCOME_REFUSED, rows[i].line);
    }
}

static void a_hit_is_a_value_line_and_the_block(void **state)
{
    struct command command = text_command(COMMAND_RETRIEVE);
    struct outcome outcome = {.kind = OUTCOME_HIT,
                              .flags = UINT32_MAX,
                              .token = UINT64_MAX,
                              .value = SPAN("r\0d")};

    (void)state;
    answer(&command, &outcome);
    assert_sent("VALUE apple 4294967295 3\r\nr\0d\r\nEND\r\n", 36);
    command.with_token = true;
    answer(&command, &outcome);
    assert_sent("VALUE apple 4294967295 3 18446744073709551615\r\n"
                "r\0d\r\nEND\r\n",
                57);
    outcome.value = SPAN("");
    command.last = false;
    answer(&command, &outcome);
    assert_sent("VALUE apple 4294967295 0 18446744073709551615\r\n\r\n", 49);
}

static void only_the_last_key_is_followed_by_end(void **state)
{
    struct command command = text_command(COMMAND_RETRIEVE);
    struct outcome miss = {.kind = OUTCOME_MISS};

    (void)state;
    answer(&command, &miss);
    assert_sent("END\r\n", 5);
    command.last = false;
    answer(&command, &miss);
    assert_sent("", 0);
}

static void a_number_is_its_digits(void **state)
{
    struct command command = text_command(COMMAND_ARITHMETIC);
    struct outcome outcome = {.kind = OUTCOME_NUMBER, .number = UINT64_MAX};

    (void)state;
    answer(&command, &outcome);
    assert_sent("18446744073709551615\r\n", 22);
    outcome.number = 0;
    answer(&command, &outcome);
    assert_sent("0\r\n", 3);
}

static void the_longest_head_fits_its_room(void **state)
{
    uint8_t key[COMMAND_KEY_BYTES_MAX];
    struct command command = text_command(COMMAND_RETRIEVE);
    struct outcome outcome = {
        .kind = OUTCOME_HIT, .flags = UINT32_MAX, .token = UINT64_MAX};

    (void)state;
    memset(key, 'k', sizeof(key));
    command.key = span_of(key, sizeof(key));
    command.with_token = true;
    outcome.value = span_of(key, sizeof(key));
    answer(&command, &outcome);
    assert_int_equal(sent_bytes, strlen("VALUE  4294967295 250 "
                                        "18446744073709551615\r\n\r\nEND\r\n") +
                                     2 * sizeof(key));
    command.protocol = PROTOCOL_BINARY;
    answer(&command, &outcome);
    assert_int_equal(sent_bytes, BINARY_HEADER_BYTES + 4 + 2 * sizeof(key));
}

static void noreply_hides_every_line(void **state)
{
    struct command command = text_command(COMMAND_STORE);

    (void)state;
    command.quiet = true;
    for (size_t i = 0; i < sizeof(all_kinds) / sizeof(all_kinds[0]); i++) {
        struct outcome outcome = {.kind = all_kinds[i]};
        assert_true(reply_is_silent(&command, &outcome));
    }
}

static void without_noreply_only_a_quit_is_silent(void **state)
{
    struct command command = text_command(COMMAND_STORE);

    (void)state;
    for (size_t i = 0; i < sizeof(all_kinds) / sizeof(all_kinds[0]); i++) {
        struct outcome outcome = {.kind = all_kinds[i]};
        assert_int_equal(reply_is_silent(&command, &outcome),
                         all_kinds[i] == OUTCOME_SILENT);
    }
}

/* ---- binary ---- */

static struct command binary_command(enum command_kind kind, uint8_t opcode)
{
    return (struct command){.kind = kind,
                            .protocol = PROTOCOL_BINARY,
                            .opcode = opcode,
                            .opaque = 0xdeadbeef,
                            .last = true,
                            .with_token = true,
                            .key = SPAN(KEY)};
}

struct response {
    uint16_t status;
    uint16_t key_bytes;
    uint8_t extras_bytes;
    uint64_t token;
    struct span body; /* extras, key and value */
};

static void assert_response(const struct command *command,
                            const struct response *response)
{
    uint8_t frame[1024];
    uint8_t *at = frame;

    *at++ = 0x81;
    *at++ = command->opcode;
    at = bigendian_store16(at, response->key_bytes);
    *at++ = response->extras_bytes;
    *at++ = 0;
    at = bigendian_store16(at, response->status);
    at = bigendian_store32(at, (uint32_t)response->body.length);
    at = bigendian_store32(at, command->opaque);
    at = bigendian_store64(at, response->token);
    at = span_copy(at, response->body);
    assert_sent(frame, (size_t)(at - frame));
}

static void assert_failure(const struct command *command,
                           enum outcome_kind kind, uint16_t status,
                           const char *text)
{
    struct outcome outcome = {.kind = kind, .token = TOKEN};

    answer(command, &outcome);
    /* No failure tells a token. */
    assert_response(command, &(struct response){.status = status,
                                                .body = span_of_string(text)});
}

static void a_response_is_laid_out_like_this(void **state)
{
    struct command command = binary_command(COMMAND_RETRIEVE, BINARY_GETK);
    struct outcome outcome = {.kind = OUTCOME_HIT,
                              .flags = 0x01020304,
                              .token = TOKEN,
                              .value = SPAN("red")};

    (void)state;
    command.with_key = true;
    answer(&command, &outcome);
    assert_sent("\x81\x0c\0\5\4\0\0\0\0\0\0\x0c\xde\xad\xbe\xef"
                "\1\2\3\4\5\6\7\10"
                "\1\2\3\4"
                "applered",
                BINARY_HEADER_BYTES + 4 + 5 + 3);
}

static void each_failure_has_its_status_and_text(void **state)
{
    struct command store = binary_command(COMMAND_STORE, BINARY_SET);
    struct command get = binary_command(COMMAND_RETRIEVE, BINARY_GET);

    (void)state;
    assert_failure(&get, OUTCOME_MISS, 0x01, "Not found");
    assert_failure(&store, OUTCOME_NOT_FOUND, 0x01, "Not found");
    assert_failure(&store, OUTCOME_EXISTS, 0x02, "Data exists for key.");
    assert_failure(&store, OUTCOME_TOO_LARGE, 0x03, "Too large.");
    assert_failure(&store, OUTCOME_NON_NUMERIC, 0x06,
                   "Non-numeric server-side value for incr or decr");
    assert_failure(&store, OUTCOME_NO_MEMORY, 0x82, "Out of memory");
}

static void what_was_not_stored_depends_on_the_mode(void **state)
{
    struct command store = binary_command(COMMAND_STORE, BINARY_ADD);

    (void)state;
    store.mode = MODE_ADD;
    assert_failure(&store, OUTCOME_NOT_STORED, 0x02, "Data exists for key.");
    store.mode = MODE_REPLACE;
    assert_failure(&store, OUTCOME_NOT_STORED, 0x01, "Not found");
    store.mode = MODE_APPEND;
    assert_failure(&store, OUTCOME_NOT_STORED, 0x05, "Not stored.");
    store.mode = MODE_PREPEND;
    assert_failure(&store, OUTCOME_NOT_STORED, 0x05, "Not stored.");
}

static void a_refused_frame_is_unknown_or_has_bad_arguments(void **state)
{
    struct command command = binary_command(COMMAND_REFUSED, 0xff);

    (void)state;
    command.refusal = REFUSAL_UNKNOWN_COMMAND;
    assert_failure(&command, OUTCOME_REFUSED, 0x81, "Unknown command");
    command.refusal = REFUSAL_ARGUMENTS;
    assert_failure(&command, OUTCOME_REFUSED, 0x04, "Invalid arguments");
}

static void a_binary_hit_has_its_flags_as_extras(void **state)
{
    struct command command = binary_command(COMMAND_RETRIEVE, BINARY_GET);
    struct outcome outcome = {
        .kind = OUTCOME_HIT, .flags = 5, .token = TOKEN, .value = SPAN("red")};

    (void)state;
    answer(&command, &outcome);
    assert_response(&command, &(struct response){.extras_bytes = 4,
                                                 .token = TOKEN,
                                                 .body = SPAN("\0\0\0\5red")});
    command.with_key = true;
    answer(&command, &outcome);
    assert_response(&command,
                    &(struct response){.extras_bytes = 4,
                                       .key_bytes = 5,
                                       .token = TOKEN,
                                       .body = SPAN("\0\0\0\5applered")});
    outcome.value = SPAN("");
    command.with_key = false;
    answer(&command, &outcome);
    assert_response(&command, &(struct response){.extras_bytes = 4,
                                                 .token = TOKEN,
                                                 .body = SPAN("\0\0\0\5")});
}

static void a_miss_names_the_key_where_it_was_asked_for(void **state)
{
    struct command command = binary_command(COMMAND_RETRIEVE, BINARY_GETK);
    struct outcome miss = {.kind = OUTCOME_MISS};

    (void)state;
    command.with_key = true;
    answer(&command, &miss);
    assert_response(
        &command,
        &(struct response){.status = 1, .key_bytes = 5, .body = SPAN(KEY)});
    /* Other failures are told in words. */
    assert_failure(&command, OUTCOME_NO_MEMORY, 0x82, "Out of memory");
}

static void a_touch_has_flags_and_no_value(void **state)
{
    struct command command = binary_command(COMMAND_TOUCH, BINARY_TOUCH);
    struct outcome outcome = {
        .kind = OUTCOME_TOUCHED, .flags = 9, .token = TOKEN};

    (void)state;
    answer(&command, &outcome);
    assert_response(&command, &(struct response){.extras_bytes = 4,
                                                 .token = TOKEN,
                                                 .body = SPAN("\0\0\0\11")});
}

static void a_binary_number_has_eight_bytes(void **state)
{
    struct command command =
        binary_command(COMMAND_ARITHMETIC, BINARY_INCREMENT);
    struct outcome outcome = {
        .kind = OUTCOME_NUMBER, .number = TOKEN + 1, .token = TOKEN};

    (void)state;
    answer(&command, &outcome);
    assert_response(
        &command,
        &(struct response){.token = TOKEN, .body = SPAN("\1\2\3\4\5\6\7\11")});
}

static void successes_are_empty_and_tell_the_token(void **state)
{
    struct command command = binary_command(COMMAND_STORE, BINARY_SET);
    struct outcome outcome = {.kind = OUTCOME_STORED, .token = TOKEN};

    (void)state;
    answer(&command, &outcome);
    assert_response(&command, &(struct response){.token = TOKEN});
    outcome = (struct outcome){.kind = OUTCOME_DELETED};
    answer(&command, &outcome);
    assert_response(&command, &(struct response){0});
    outcome = (struct outcome){.kind = OUTCOME_OK};
    answer(&command, &outcome);
    assert_response(&command, &(struct response){0});
    outcome = (struct outcome){.kind = OUTCOME_VERSION, .token = TOKEN};
    answer(&command, &outcome);
    assert_response(&command, &(struct response){.body = SPAN("1.6.45")});
}

static void quiet_changes_hide_successes_only(void **state)
{
    static const enum outcome_kind successes[] = {
        OUTCOME_STORED, OUTCOME_DELETED, OUTCOME_NUMBER, OUTCOME_OK};
    static const enum outcome_kind failures[] = {
        OUTCOME_NOT_STORED,  OUTCOME_EXISTS,    OUTCOME_NOT_FOUND,
        OUTCOME_NON_NUMERIC, OUTCOME_TOO_LARGE, OUTCOME_NO_MEMORY,
        OUTCOME_REFUSED};
    struct command command = binary_command(COMMAND_STORE, BINARY_SETQ);

    (void)state;
    command.quiet = true;
    for (size_t i = 0; i < sizeof(successes) / sizeof(successes[0]); i++)
        assert_true(
            reply_is_silent(&command, &(struct outcome){.kind = successes[i]}));
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
        assert_false(
            reply_is_silent(&command, &(struct outcome){.kind = failures[i]}));
}

static void quiet_retrievals_hide_misses_only(void **state)
{
    struct command command = binary_command(COMMAND_RETRIEVE, BINARY_GETQ);

    (void)state;
    command.quiet = true;
    for (size_t i = 0; i < sizeof(all_kinds) / sizeof(all_kinds[0]); i++) {
        struct outcome outcome = {.kind = all_kinds[i]};
        assert_int_equal(reply_is_silent(&command, &outcome),
                         all_kinds[i] == OUTCOME_MISS ||
                             all_kinds[i] == OUTCOME_SILENT);
    }
}

static void nothing_is_hidden_that_is_not_quiet(void **state)
{
    struct command command = binary_command(COMMAND_RETRIEVE, BINARY_GET);

    (void)state;
    for (size_t i = 0; i < sizeof(all_kinds) / sizeof(all_kinds[0]); i++) {
        struct outcome outcome = {.kind = all_kinds[i]};
        assert_int_equal(reply_is_silent(&command, &outcome),
                         all_kinds[i] == OUTCOME_SILENT);
    }
}

/* ---- statistics ---- */

static void take_stat(size_t length, const uint8_t *to)
{
    assert_true(length <= sizeof(sent));
    memcpy(sent, to, length);
    sent_bytes = length;
}

static void a_statistic_is_a_line_or_a_packet(void **state)
{
    struct command text = text_command(COMMAND_STATS);
    struct command binary = binary_command(COMMAND_STATS, BINARY_STAT);
    uint8_t to[REPLY_HEAD_BYTES_MAX];

    (void)state;
    take_stat(reply_stat(&text, SPAN("pid"), SPAN("42"), to), to);
    assert_sent("STAT pid 42\r\n", 13);
    take_stat(reply_stat(&binary, SPAN("pid"), SPAN("42"), to), to);
    assert_response(&binary,
                    &(struct response){.key_bytes = 3, .body = SPAN("pid42")});
}

static void the_largest_statistic_fits_its_room(void **state)
{
    struct command text = text_command(COMMAND_STATS);
    struct command binary = binary_command(COMMAND_STATS, BINARY_STAT);
    uint8_t *to = malloc(REPLY_HEAD_BYTES_MAX);
    uint8_t value[REPLY_HEAD_BYTES_MAX - 32 - 4];
    struct span name = SPAN("name");

    (void)state;
    assert_non_null(to);
    memset(value, 'v', sizeof(value));
    assert_true(reply_stat(&text, name, span_of(value, sizeof(value)), to) <=
                REPLY_HEAD_BYTES_MAX);
    assert_true(reply_stat(&binary, name, span_of(value, sizeof(value)), to) <=
                REPLY_HEAD_BYTES_MAX);
    free(to);
}

static void statistics_end_reset_and_are_unknown(void **state)
{
    struct command text = text_command(COMMAND_STATS);
    struct command binary = binary_command(COMMAND_STATS, BINARY_STAT);
    uint8_t to[REPLY_HEAD_BYTES_MAX];

    (void)state;
    take_stat(reply_stats_end(&text, to), to);
    assert_sent("END\r\n", 5);
    take_stat(reply_stats_reset(&text, to), to);
    assert_sent("RESET\r\n", 7);
    take_stat(reply_stats_unknown(&text, to), to);
    assert_sent("ERROR\r\n", 7);
    take_stat(reply_stats_end(&binary, to), to);
    assert_response(&binary, &(struct response){0});
    take_stat(reply_stats_reset(&binary, to), to);
    assert_response(&binary, &(struct response){0});
    take_stat(reply_stats_unknown(&binary, to), to);
    assert_response(&binary,
                    &(struct response){.status = 1, .body = SPAN("Not found")});
}

/* ---- who says who it is ---- */

static void refusals_of_strangers_have_their_lines(void **state)
{
    static const struct {
        enum refusal refusal;
        const char *line;
    } lines[] = {
        {REFUSAL_UNAUTHENTICATED, "CLIENT_ERROR unauthenticated\r\n"},
        {REFUSAL_AUTHENTICATION, "CLIENT_ERROR authentication failure\r\n"},
        {REFUSAL_TOKEN_FORMAT,
         "CLIENT_ERROR bad authentication token format\r\n"},
        {REFUSAL_TOKEN_END, "CLIENT_ERROR bad command line termination\r\n"},
        {REFUSAL_TOKEN_TOO_LONG, "CLIENT_ERROR auth token too long\r\n"},
    };
    struct outcome outcome = {.kind = OUTCOME_REFUSED};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct command command = {.protocol = PROTOCOL_TEXT,
                                  .refusal = lines[i].refusal};
        answer(&command, &outcome);
        assert_sent(lines[i].line, strlen(lines[i].line));
    }
}

static void assert_frame(uint8_t opcode, unsigned status, const char *body)
{
    size_t length = strlen(body);

    assert_int_equal(sent_bytes, BINARY_HEADER_BYTES + length);
    assert_int_equal(sent[0], BINARY_MAGIC_RESPONSE);
    assert_int_equal(sent[1], opcode);
    assert_int_equal(bigendian_load16(sent + 6), status);
    assert_int_equal(bigendian_load32(sent + 8), length);
    assert_memory_equal(sent + BINARY_HEADER_BYTES, body, length);
}

static void sasl_is_answered_in_frames(void **state)
{
    struct command command = {.protocol = PROTOCOL_BINARY,
                              .opcode = BINARY_SASL_AUTH,
                              .kind = COMMAND_AUTHENTICATE};
    struct outcome outcome = {.kind = OUTCOME_AUTHENTICATED};

    (void)state;
    answer(&command, &outcome);
    assert_frame(BINARY_SASL_AUTH, 0, "Authenticated");
    outcome.kind = OUTCOME_CHALLENGE;
    outcome.value = SPAN("<1234@here>");
    answer(&command, &outcome);
    assert_frame(BINARY_SASL_AUTH, 0x21, "<1234@here>");
    outcome.kind = OUTCOME_MECHANISMS;
    outcome.value = SPAN("PLAIN CRAM-MD5");
    answer(&command, &outcome);
    assert_frame(BINARY_SASL_AUTH, 0, "PLAIN CRAM-MD5");
    outcome = (struct outcome){.kind = OUTCOME_REFUSED};
    command.refusal = REFUSAL_AUTHENTICATION;
    answer(&command, &outcome);
    assert_frame(BINARY_SASL_AUTH, 0x20, "Auth failure.");
    command.refusal = REFUSAL_UNAUTHENTICATED;
    answer(&command, &outcome);
    assert_frame(BINARY_SASL_AUTH, 0x20, "Auth failure.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_of_strangers_have_their_lines),
        cmocka_unit_test(sasl_is_answered_in_frames),
        cmocka_unit_test(each_outcome_has_its_line),
        cmocka_unit_test(each_refusal_has_its_line),
        cmocka_unit_test(a_hit_is_a_value_line_and_the_block),
        cmocka_unit_test(only_the_last_key_is_followed_by_end),
        cmocka_unit_test(a_number_is_its_digits),
        cmocka_unit_test(the_longest_head_fits_its_room),
        cmocka_unit_test(noreply_hides_every_line),
        cmocka_unit_test(without_noreply_only_a_quit_is_silent),
        cmocka_unit_test(a_response_is_laid_out_like_this),
        cmocka_unit_test(each_failure_has_its_status_and_text),
        cmocka_unit_test(what_was_not_stored_depends_on_the_mode),
        cmocka_unit_test(a_refused_frame_is_unknown_or_has_bad_arguments),
        cmocka_unit_test(a_binary_hit_has_its_flags_as_extras),
        cmocka_unit_test(a_miss_names_the_key_where_it_was_asked_for),
        cmocka_unit_test(a_touch_has_flags_and_no_value),
        cmocka_unit_test(a_binary_number_has_eight_bytes),
        cmocka_unit_test(successes_are_empty_and_tell_the_token),
        cmocka_unit_test(quiet_changes_hide_successes_only),
        cmocka_unit_test(quiet_retrievals_hide_misses_only),
        cmocka_unit_test(nothing_is_hidden_that_is_not_quiet),
        cmocka_unit_test(a_statistic_is_a_line_or_a_packet),
        cmocka_unit_test(the_largest_statistic_fits_its_room),
        cmocka_unit_test(statistics_end_reset_and_are_unknown),
    };

    return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
