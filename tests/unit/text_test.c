/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text protocol: what each line means, which lines are refused and what
 * is skipped after them; and that none of it depends on how the bytes were
 * cut into reads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/memcached/text.h"
#include "tests/unit/conversation.h"

#define ITEM_BYTES_MAX ((size_t)1024 * 1024)
#define SAID(literal) (literal), sizeof(literal) - 1

/* What is said, and the transcript of what is heard. */
struct scene {
    const char *said;
    size_t said_bytes;
    const char *heard;
};

static struct conversation conversation_of(const char *said, size_t bytes)
{
    return (struct conversation){.protocol = PROTOCOL_TEXT,
                                 .limits = {.item_bytes_max = ITEM_BYTES_MAX},
                                 .bytes = span_of(said, bytes)};
}

static void assert_heard_once(const char *said, size_t bytes, const char *heard)
{
    struct conversation conversation = conversation_of(said, bytes);
    char *transcript = conversation_transcript(&conversation, NULL, 0);

    assert_string_equal(transcript, heard);
    free(transcript);
}

static void assert_heard(const char *said, size_t bytes, const char *heard)
{
    struct conversation conversation = conversation_of(said, bytes);

    assert_heard_once(said, bytes, heard);
    assert_true(conversation_is_split_proof(&conversation));
}

#define assert_scenes(scenes)                                                  \
    do {                                                                       \
        for (size_t i = 0; i < sizeof(scenes) / sizeof((scenes)[0]); i++)      \
            assert_heard((scenes)[i].said, (scenes)[i].said_bytes,             \
                         (scenes)[i].heard);                                   \
    } while (0)

/* ---- lines ---- */

static void a_line_without_its_end_waits_for_more(void **state)
{
    static const struct scene scenes[] = {
        {SAID(""), ""},
        {SAID("g"), "1 bytes of 2\n"},
        {SAID("version"), "7 bytes of 8\n"},
        {SAID("version\r"), "8 bytes of 9\n"},
        {SAID("get a b c"), "9 bytes of 10\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

/* What is said most is read in one go; a blank more, and it is not. */
static void a_plain_line_means_what_it_means_with_blanks(void **state)
{
    static const char *const lines[][2] = {
        {"get a\r\nversion\r\n", "get  a\r\nversion\r\n"},
        {"get abcdefghijklmnopqrst\nversion\r\n",
         "get  abcdefghijklmnopqrst\nversion\r\n"},
        {"get a\tb\r\nversion\r\n", "get  a\tb\r\nversion\r\n"},
        {"get \x80\xff\r\nversion\r\n", "get  \x80\xff\r\nversion\r\n"},
        {"get \r\nversion\r\n", "get  \r\nversion\r\n"},
        {"set a 1 2 3\r\nabc\r\nversion\r\n",
         "set  a 1 2 3\r\nabc\r\nversion\r\n"},
        {"set a 999999999 0 0\n\r\nversion\r\n",
         "set  a 999999999 0 0\n\r\nversion\r\n"},
        {"set a 4294967295 0 1\r\nx\r\nversion\r\n",
         "set  a 4294967295 0 1\r\nx\r\nversion\r\n"},
        {"set a 0 0 3\r\nabcdversion\r\n", "set  a 0 0 3\r\nabcdversion\r\n"},
        {"set a 0 x 3\r\nabc\r\nversion\r\n",
         "set  a 0 x 3\r\nabc\r\nversion\r\n"},
        {"set a 0 0 3x\r\nabc\r\nversion\r\n",
         "set  a 0 0 3x\r\nabc\r\nversion\r\n"},
        {"set a 0 0 999999999\r\nversion\r\n",
         "set  a 0 0 999999999\r\nversion\r\n"},
        {"set a 0 0 1 noreply\r\nx\r\nversion\r\n",
         "set  a 0 0 1 noreply\r\nx\r\nversion\r\n"},
        {"set a 0 0\r\nversion\r\nversion\r\n",
         "set  a 0 0\r\nversion\r\nversion\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct conversation padded =
            conversation_of(lines[i][1], strlen(lines[i][1]));
        char *heard = conversation_transcript(&padded, NULL, 0);
        assert_heard(lines[i][0], strlen(lines[i][0]), heard);
        free(heard);
    }
}

static void a_line_shorter_than_two_bytes_is_badly_formed(void **state)
{
    static const struct scene scenes[] = {
        {SAID("\n"), "refused format\n"},
        {SAID("\r\n"), "refused format\n"},
        {SAID("x\r\n"), "refused format\n"},
        {SAID(" \r\n"), "refused format\n"},
        {SAID("\0\n"), "refused format\n"},
        {SAID("xx\r\n"), "refused unknown\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void a_line_ends_at_its_newline_with_or_without_a_return(void **state)
{
    static const struct scene scenes[] = {
        {SAID("version\n"), "version\n"},
        {SAID("version\r\n"), "version\n"},
        {SAID("get a\nget b\r\n"), "retrieve key='a' with_key\n"
                                   "retrieve key='b' with_key\n"},
        {SAID("set a 0 0 1\nx\r\n"), "store set key='a' value='x'\n"},
        /* Only one return is dropped; others are bytes of the word. */
        {SAID("version\r\r\n"), "refused unknown\n"},
        {SAID("get a\r\r\n"), "retrieve key='a\\x0d' with_key\n"},
        {SAID("get a\rb\n"), "retrieve key='a\\x0db' with_key\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void words_are_parted_by_spaces_and_nothing_else(void **state)
{
    static const struct scene scenes[] = {
        {SAID("get   a    b  \r\n"), "retrieve key='a' with_key more\n"
                                     "retrieve key='b' with_key\n"},
        {SAID("set  a  1  2  1  \r\nx\r\n"),
         "store set key='a' value='x' flags=1 exptime=2\n"},
        {SAID("delete a   \r\n"), "remove key='a'\n"},
        {SAID("get a\tb\r\n"), "retrieve key='a\\x09b' with_key\n"},
        {SAID("get\ta\r\n"), "refused unknown\n"},
        {SAID("get a\0b\r\n"), "retrieve key='a\\x00b' with_key\n"},
        {SAID("set \x01\x7f\x80\xff 0 0 1\r\nx\r\n"),
         "store set key='\\x01\\x7f\\x80\\xff' value='x'\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void a_space_before_the_command_makes_it_unknown(void **state)
{
    static const struct scene scenes[] = {
        {SAID(" get a\r\n"), "refused unknown\n"},
        {SAID(" version\r\n"), "refused unknown\n"},
        {SAID("  \r\n"), "refused unknown\n"},
        {SAID(" set a 0 0 1 noreply\r\n"), "refused unknown quiet\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void commands_are_lower_case_and_whole_words(void **state)
{
    static const struct scene scenes[] = {
        {SAID("GET a\r\n"), "refused unknown\n"},
        {SAID("Set a 0 0 1\r\n"), "refused unknown\n"},
        {SAID("getx a\r\n"), "refused unknown\n"},
        {SAID("ge a\r\n"), "refused unknown\n"},
        {SAID("versions\r\n"), "refused unknown\n"},
        {SAID("flush\r\n"), "refused unknown\n"},
        {SAID("config get cluster\r\n"), "refused unknown\n"},
        {SAID("nonsense noreply\r\n"), "refused unknown quiet\n"},
        {SAID("noreply\r\n"), "refused unknown\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void a_browser_is_closed_without_a_reply(void **state)
{
    static const struct scene scenes[] = {
        {SAID("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "closed without a reply\n"},
        {SAID("POST /x HTTP/1.0\n"), "closed without a reply\n"},
        {SAID(" GET / HTTP/1.1\r\n"), "closed without a reply\n"},
        {SAID("x HTTP/\r\n"), "closed without a reply\n"},
        {SAID("x HTTP\r\n"), "refused unknown\n"},
        {SAID("GET / HTTP/1.1 x\r\n"), "refused unknown\n"},
        /* A command that is known may ask for such a key. */
        {SAID("get / HTTP/1.1\r\n"), "retrieve key='/' with_key more\n"
                                     "retrieve key='HTTP/1.1' with_key\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

/* A line of `bytes` without its end that begins with `start`. */
static char *long_line(const char *start, size_t bytes)
{
    char *line = malloc(bytes + 1);
    size_t start_bytes = strlen(start);

    assert_non_null(line);
    assert_true(start_bytes <= bytes);
    memcpy(line, start, start_bytes);
    memset(line + start_bytes, 'x', bytes - start_bytes);
    line[bytes] = '\n';
    return line;
}

static void a_line_that_does_not_end_is_closed_beyond_its_limit(void **state)
{
    char *line = long_line("set ", TEXT_LINE_BYTES_MAX + 1);

    (void)state;
    assert_heard(line, TEXT_LINE_BYTES_MAX, "2048 bytes of 2049\n");
    assert_heard_once(line, TEXT_LINE_BYTES_MAX + 1,
                      "closed without a reply\n");
    free(line);
}

static void a_long_line_that_came_with_its_end_is_judged_as_any(void **state)
{
    char *line = long_line("nonsense ", 9000);

    (void)state;
    assert_heard_once(line, 9001, "refused unknown\n");
    free(line);
    line = long_line("set ", 9000);
    assert_heard_once(line, 9001, "refused format\n");
    free(line);
}

static void only_get_and_gets_may_wait_for_a_longer_line(void **state)
{
    static const struct {
        const char *start;
        bool may_wait;
    } lines[] = {{"get ", true},     {"gets ", true},  {"gat ", false},
                 {"gats ", false},   {"getx", false},  {"getsx", false},
                 {"delete ", false}, {"   get ", true}};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char *line = long_line(lines[i].start, 3000);
        assert_heard_once(line, 3000,
                          lines[i].may_wait ? "3000 bytes of 3001\n"
                                            : "closed without a reply\n");
        free(line);
    }
}

static void a_get_is_looked_for_behind_a_hundred_spaces(void **state)
{
    char *line = long_line("", 3000);

    (void)state;
    memset(line, ' ', 100);
    memcpy(line + 100, "get ", 4);
    assert_heard_once(line, 3000, "3000 bytes of 3001\n");
    memset(line, ' ', 101);
    memcpy(line + 101, "get ", 4);
    assert_heard_once(line, 3000, "closed without a reply\n");
    free(line);
}

static void a_get_line_longer_than_its_limit_is_told_and_closed(void **state)
{
    size_t bytes = TEXT_GET_LINE_BYTES_MAX;
    char *line = long_line("get a ", bytes + 1);
    size_t cuts[] = {bytes, bytes};

    (void)state;
    memset(line + 6, ' ', bytes - 5);
    assert_heard_once(line, bytes, "1048576 bytes of 1048577\n");
    assert_heard_once(line, bytes + 1, "refused long closes\n");
    line[bytes - 1] = '\n';
    assert_heard_once(line, bytes, "retrieve key='a' with_key\n");
    line[bytes - 1] = ' ';
    line[bytes] = '\n';
    assert_heard_once(line, bytes + 1, "refused long closes\n");
    struct conversation conversation = conversation_of(line, bytes + 1);
    char *transcript = conversation_transcript(&conversation, cuts, 1);
    assert_string_equal(transcript, "refused long closes\n");
    free(transcript);
    free(line);
}

/* ---- storing ---- */

static void a_store_carries_all_that_was_sent(void **state)
{
    static const struct scene scenes[] = {
        {SAID("set apple 5 10 3\r\nred\r\n"),
         "store set key='apple' value='red' flags=5 exptime=10\n"},
        {SAID("add apple 5 10 3\r\nred\r\n"),
         "store add key='apple' value='red' flags=5 exptime=10\n"},
        {SAID("replace apple 5 10 3\r\nred\r\n"),
         "store replace key='apple' value='red' flags=5 exptime=10\n"},
        {SAID("append apple 5 10 3\r\nred\r\n"),
         "store append key='apple' value='red' flags=5 exptime=10\n"},
        {SAID("prepend apple 5 10 3\r\nred\r\n"),
         "store prepend key='apple' value='red' flags=5 exptime=10\n"},
        {SAID("cas apple 5 10 3 99\r\nred\r\n"),
         "store set key='apple' value='red' flags=5 exptime=10 compare=99 "
         "compares\n"},
        {SAID("set a 0 0 0\r\n\r\n"), "store set key='a'\n"},
        {SAID("set a 0 0 8\r\n\r\nget b\n\r\n"),
         "store set key='a' value='\\x0d\\x0aget b\\x0a'\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void a_block_not_there_yet_waits_for_its_last_byte(void **state)
{
    static const struct scene scenes[] = {
        {SAID("set a 0 0 3\r\n"), "13 bytes of 18\n"},
        {SAID("set a 0 0 3\r\nre"), "15 bytes of 18\n"},
        {SAID("set a 0 0 3\r\nred\r"), "17 bytes of 18\n"},
        {SAID("set a 0 0 0\r\n\r"), "14 bytes of 15\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void a_block_without_its_end_takes_its_length_and_two(void **state)
{
    static const struct scene scenes[] = {
        {SAID("set a 0 0 1\r\nxyz\r\n"),
         "store set unterminated key='a' value='x'\n"
         "refused format\n"},
        {SAID("set a 0 0 1\r\nx\nversion\r\n"),
         "store set unterminated key='a' value='x'\n"
         "refused unknown\n"},
        {SAID("set a 0 0 1\r\nx\rversion\r\n"),
         "store set unterminated key='a' value='x'\n"
         "refused unknown\n"},
        {SAID("set a 0 0 1 noreply\r\nxyz\r\nversion\r\n"),
         "store set unterminated key='a' value='x' quiet\n"
         "refused format\n"
         "version\n"},
        {SAID("set a 0 0 0\r\n\n\rversion\r\n"),
         "store set unterminated key='a'\n"
         "version\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void a_length_that_is_none_skips_nothing(void **state)
{
    static const char *const lengths[] = {
        "-1", "+1",         "1abc",       "1.0",        "0x1",
        "a",  "2147483646", "4294967296", "4294967297", "18446744073709551616"};
    char line[128];

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        int bytes = snprintf(line, sizeof(line), "set a 0 0 %s\r\nversion\r\n",
                             lengths[i]);
        assert_heard(line, (size_t)bytes, "refused format\nversion\n");
    }
}

static void the_largest_length_is_too_large_but_a_length(void **state)
{
    (void)state;
    assert_heard(SAID("set a 0 0 2147483645\r\nversion\r\n"),
                 "store set too_large key='a' value_bytes=2147483645 "
                 "swallow=2147483647\n"
                 "2147483638 bytes to skip\n");
}

static void a_line_refused_after_its_length_skips_the_block(void **state)
{
    static const struct scene scenes[] = {
        {SAID("set a x 0 1\r\nv\r\nversion\r\n"),
         "refused format key='a' value_bytes=1 swallow=3\nversion\n"},
        {SAID("set a -1 0 1\r\nv\r\nversion\r\n"),
         "refused format key='a' value_bytes=1 swallow=3\nversion\n"},
        {SAID("set a 0 1.5 1\r\nv\r\nversion\r\n"),
         "refused format key='a' value_bytes=1 swallow=3\nversion\n"},
        {SAID("set a 0 - 1\r\nv\r\nversion\r\n"),
         "refused format key='a' value_bytes=1 swallow=3\nversion\n"},
        {SAID("set a 0 --1 1\r\nv\r\nversion\r\n"),
         "refused format key='a' value_bytes=1 swallow=3\nversion\n"},
        {SAID("cas a 0 0 1\r\nv\r\nversion\r\n"),
         "refused format key='a' value_bytes=1 swallow=3 compares\nversion\n"},
        {SAID("cas a 0 0 1 x\r\nv\r\nversion\r\n"),
         "refused format key='a' value_bytes=1 swallow=3 compares\nversion\n"},
        {SAID("cas a 0 0 1 -1\r\nv\r\nversion\r\n"),
         "refused format key='a' value_bytes=1 swallow=3 compares\nversion\n"},
        {SAID("set a 0 0 noreply\r\nversion\r\n"),
         "refused format quiet\nversion\n"},
        {SAID("cas a 0 0 1 noreply\r\nv\r\nversion\r\n"),
         "refused format key='a' value_bytes=1 swallow=3 quiet "
         "compares\nversion\n"},
        {SAID("cas a 0 0 1 18446744073709551616\r\nv\r\nversion\r\n"),
         "refused format key='a' value_bytes=1 swallow=3 compares\nversion\n"},
        {SAID("add a x 0 1 noreply\r\nv\r\nversion\r\n"),
         "refused add format key='a' value_bytes=1 swallow=3 quiet\n"
         "version\n"},
        {SAID("set a x 0 5\r\nv\r\n"),
         "refused format key='a' value_bytes=5 swallow=7\n4 bytes to skip\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void a_store_with_too_few_words_is_badly_formed(void **state)
{
    static const struct scene scenes[] = {
        {SAID("set\r\n"), "refused format\n"},
        {SAID("set a\r\n"), "refused format\n"},
        {SAID("set a 0\r\n"), "refused format\n"},
        {SAID("set a 0 0\r\nversion\r\n"), "refused format\nversion\n"},
        {SAID("cas a 0 0\r\n"), "refused format\n"},
        {SAID("append\r\n"), "refused format\n"},
        {SAID("prepend a\r\n"), "refused format\n"},
        {SAID("replace a 0\r\n"), "refused format\n"},
        {SAID("add a 0 0\r\n"), "refused format\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void flags_are_32_bits_and_keep_their_low_half(void **state)
{
    static const struct scene scenes[] = {
        {SAID("set a 4294967295 0 1\r\nx\r\n"),
         "store set key='a' value='x' flags=4294967295\n"},
        {SAID("set a 4294967296 0 1\r\nx\r\n"),
         "store set key='a' value='x'\n"},
        {SAID("set a 4294967301 0 1\r\nx\r\n"),
         "store set key='a' value='x' flags=5\n"},
        {SAID("set a 18446744073709551616 0 1\r\nx\r\n"),
         "refused format key='a' value_bytes=1 swallow=3\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void an_exptime_may_be_negative_or_beyond_2038(void **state)
{
    static const struct scene scenes[] = {
        {SAID("set a 0 -1 1\r\nx\r\n"),
         "store set key='a' value='x' exptime=-1\n"},
        {SAID("set a 0 -0 1\r\nx\r\n"), "store set key='a' value='x'\n"},
        {SAID("set a 0 2592000 1\r\nx\r\n"),
         "store set key='a' value='x' exptime=2592000\n"},
        {SAID("set a 0 2147483648 1\r\nx\r\n"),
         "store set key='a' value='x' exptime=2147483648\n"},
        {SAID("touch a 9223372036854775807\r\n"),
         "touch key='a' exptime=9223372036854775807\n"},
        {SAID("touch a -9223372036854775807\r\n"),
         "touch key='a' exptime=-9223372036854775807\n"},
        {SAID("touch a 9223372036854775808\r\n"), "refused exptime\n"},
        {SAID("touch a 18446744073709551616\r\n"), "refused exptime\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void a_cas_token_has_64_bits_and_may_be_zero(void **state)
{
    static const struct scene scenes[] = {
        {SAID("cas a 0 0 1 0\r\nx\r\n"),
         "store set key='a' value='x' compares\n"},
        {SAID("cas a 0 0 1 18446744073709551615 noreply\r\nx\r\n"),
         "store set key='a' value='x' compare=18446744073709551615 quiet "
         "compares\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

/* ---- keys ---- */

/* FORMAT has one %s, the key. */
static char *line_with_key(const char *format, size_t key_bytes)
{
    static char key[400];
    static char line[1000];

    assert_true(key_bytes < sizeof(key));
    memset(key, 'k', key_bytes);
    key[key_bytes] = '\0';
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(line, sizeof(line), format, key);
#pragma GCC diagnostic pop
    return line;
}

static void assert_key_taken(const char *format, const char *heard_start)
{
    char *line = line_with_key(format, COMMAND_KEY_BYTES_MAX);
    struct conversation conversation = conversation_of(line, strlen(line));
    char *transcript = conversation_transcript(&conversation, NULL, 0);

    assert_int_equal(strncmp(transcript, heard_start, strlen(heard_start)), 0);
    assert_non_null(strstr(transcript, "version\n"));
    assert_null(strstr(transcript, "refused"));
    assert_true(conversation_is_split_proof(&conversation));
    free(transcript);
}

static void assert_key_refused(const char *format, const char *heard_start)
{
    char *line = line_with_key(format, COMMAND_KEY_BYTES_MAX + 1);
    struct conversation conversation = conversation_of(line, strlen(line));
    char *transcript = conversation_transcript(&conversation, NULL, 0);
    const char *second = strchr(transcript, '\n') + 1;

    assert_int_equal(strncmp(transcript, heard_start, strlen(heard_start)), 0);
    /* The line is one refusal, and what follows it is heard. */
    assert_string_equal(second, "version\n");
    assert_true(conversation_is_split_proof(&conversation));
    free(transcript);
}

static void a_key_has_250_bytes_and_not_one_more(void **state)
{
    static const struct {
        const char *format;
        const char *taken;
        const char *refused;
    } lines[] = {
        {"get %s\r\nversion\r\n", "retrieve", "refused format"},
        {"get a %s\r\nversion\r\n", "retrieve", "refused format"},
        {"get %s a\r\nversion\r\n", "retrieve", "refused format"},
        {"gets %s\r\nversion\r\n", "retrieve", "refused format"},
        {"gat 0 %s\r\nversion\r\n", "retrieve", "refused format"},
        {"gats 0 a %s\r\nversion\r\n", "retrieve", "refused format"},
        {"delete %s\r\nversion\r\n", "remove", "refused format"},
        {"incr %s 1\r\nversion\r\n", "arithmetic up", "refused format"},
        {"decr %s 1\r\nversion\r\n", "arithmetic down", "refused format"},
        {"touch %s 1\r\nversion\r\n", "touch", "refused format"},
        {"set %s 0 0 1\r\nx\r\nversion\r\n", "store set", "refused format"},
        {"cas %s 0 0 1 1\r\nx\r\nversion\r\n", "store set", "refused format"},
        {"append %s 0 0 9\r\nversion\r\n\r\nversion\r\n", "store append",
         "refused append format"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_key_taken(lines[i].format, lines[i].taken);
        assert_key_refused(lines[i].format, lines[i].refused);
    }
}

/* ---- retrieving ---- */

static void a_retrieval_is_one_command_for_each_key(void **state)
{
    static const struct scene scenes[] = {
        {SAID("get a\r\n"), "retrieve key='a' with_key\n"},
        {SAID("get a b a\r\n"), "retrieve key='a' with_key more\n"
                                "retrieve key='b' with_key more\n"
                                "retrieve key='a' with_key\n"},
        {SAID("gets a b\n"), "retrieve key='a' with_key with_token more\n"
                             "retrieve key='b' with_key with_token\n"},
        {SAID("gat 30 a b\r\n"),
         "retrieve key='a' exptime=30 with_key more touches\n"
         "retrieve key='b' exptime=30 with_key touches\n"},
        {SAID("gats -1 a\r\n"),
         "retrieve key='a' exptime=-1 with_key with_token touches\n"},
        {SAID("gat 30 a\r\nget b\r\n"),
         "retrieve key='a' exptime=30 with_key touches\n"
         "retrieve key='b' with_key\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void a_mint_is_a_set_of_a_prefix(void **state)
{
    static const struct scene scenes[] = {
        {SAID("mint s. 3 60 2\r\nab\r\n"),
         "store set key='s.' value='ab' flags=3 exptime=60 mints\n"},
        {SAID("mint s. 0 0 2 noreply\r\nab\r\n"),
         "store set key='s.' value='ab' quiet mints\n"},
        {SAID("mint s. 0 0\r\n"), "refused format mints\n"},
        {SAID("mint\r\n"), "refused format mints\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void a_retrieval_takes_noreply_for_a_key(void **state)
{
    static const struct scene scenes[] = {
        {SAID("get noreply\r\n"), "retrieve key='noreply' with_key\n"},
        {SAID("get a noreply\r\n"), "retrieve key='a' with_key more\n"
                                    "retrieve key='noreply' with_key\n"},
        {SAID("gat 0 noreply\r\n"),
         "retrieve key='noreply' with_key touches\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void a_retrieval_without_a_key_is_badly_formed(void **state)
{
    static const struct scene scenes[] = {
        {SAID("get\r\n"), "refused format\n"},
        {SAID("get \r\n"), "refused format\n"},
        {SAID("get      \n"), "refused format\n"},
        {SAID("gets\r\n"), "refused format\n"},
        {SAID("gat\r\n"), "refused format\n"},
        {SAID("gat 10\r\n"), "refused format\n"},
        {SAID("gat 10 \r\n"), "refused format\n"},
        {SAID("gat x\r\n"), "refused format\n"},
        {SAID("gats\r\n"), "refused format\n"},
        {SAID("gats 1\r\n"), "refused format\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void a_get_and_touch_needs_a_number(void **state)
{
    static const struct scene scenes[] = {
        {SAID("gat x a\r\n"), "refused exptime\n"},
        {SAID("gat 1.5 a\r\n"), "refused exptime\n"},
        {SAID("gats 1x a b\r\n"), "refused exptime\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

/* ---- the other commands ---- */

static void a_delete_takes_a_zero_and_no_other_word(void **state)
{
    static const struct scene scenes[] = {
        {SAID("delete a\r\n"), "remove key='a'\n"},
        {SAID("delete a 0\r\n"), "remove key='a'\n"},
        {SAID("delete a noreply\r\n"), "remove key='a' quiet\n"},
        {SAID("delete a 0 noreply\r\n"), "remove key='a' quiet\n"},
        {SAID("delete noreply\r\n"), "remove key='noreply'\n"},
        {SAID("delete a 1\r\n"), "refused delete\n"},
        {SAID("delete a 00\r\n"), "refused delete\n"},
        {SAID("delete a b\r\n"), "refused delete\n"},
        {SAID("delete a 0 0\r\n"), "refused delete\n"},
        {SAID("delete a noreply 0\r\n"), "refused delete\n"},
        {SAID("delete a b noreply\r\n"), "refused delete quiet\n"},
        {SAID("delete\r\n"), "refused format\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void arithmetic_needs_a_key_and_a_number(void **state)
{
    static const struct scene scenes[] = {
        {SAID("incr a 0\r\n"), "arithmetic up key='a'\n"},
        {SAID("incr a 5\r\n"), "arithmetic up key='a' delta=5\n"},
        {SAID("decr a 18446744073709551615 noreply\r\n"),
         "arithmetic down key='a' delta=18446744073709551615 quiet\n"},
        {SAID("incr a 5 extra\r\n"), "arithmetic up key='a' delta=5\n"},
        {SAID("incr a 18446744073709551616\r\n"), "refused delta\n"},
        {SAID("incr a -1\r\n"), "refused delta\n"},
        {SAID("incr a x\r\n"), "refused delta\n"},
        {SAID("decr a 1x noreply\r\n"), "refused delta delta=1 quiet\n"},
        {SAID("incr\r\n"), "refused format\n"},
        {SAID("incr a\r\n"), "refused format\n"},
        {SAID("decr a\r\n"), "refused format\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void a_touch_needs_a_key_and_a_number(void **state)
{
    static const struct scene scenes[] = {
        {SAID("touch a 10\r\n"), "touch key='a' exptime=10\n"},
        {SAID("touch a 0 noreply\r\n"), "touch key='a' quiet\n"},
        {SAID("touch a -5\r\n"), "touch key='a' exptime=-5\n"},
        {SAID("touch a x\r\n"), "refused exptime\n"},
        {SAID("touch a 1.5 noreply\r\n"), "refused exptime quiet\n"},
        {SAID("touch a\r\n"), "refused format\n"},
        {SAID("touch\r\n"), "refused format\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void a_flush_may_have_a_delay(void **state)
{
    static const struct scene scenes[] = {
        {SAID("flush_all\r\n"), "flush\n"},
        {SAID("flush_all noreply\r\n"), "flush quiet\n"},
        {SAID("flush_all 0\r\n"), "flush\n"},
        {SAID("flush_all 10\r\n"), "flush exptime=10\n"},
        {SAID("flush_all -10 noreply\r\n"), "flush exptime=-10 quiet\n"},
        {SAID("flush_all 10 20\r\n"), "flush exptime=10\n"},
        /* Refused, it counts as a flush all the same. */
        {SAID("flush_all x\r\n"), "flush exptime\n"},
        {SAID("flush_all x noreply\r\n"), "flush exptime quiet\n"},
        {SAID("flush_all noreply 10\r\n"), "flush exptime\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void operators_words_are_left_to_the_session(void **state)
{
    static const struct scene scenes[] = {
        {SAID("verbosity 1\r\n"), "operator argument='verbosity 1'\n"},
        {SAID("verbosity\r\n"), "operator argument='verbosity'\n"},
        {SAID("watch\n"), "operator argument='watch'\n"},
        {SAID("lru mode  flat noreply\r\n"),
         "operator argument='lru mode  flat noreply'\n"},
        {SAID("slabs\r\n"), "operator argument='slabs'\n"},
        {SAID("lru_crawler metadump all\r\n"),
         "operator argument='lru_crawler metadump all'\n"},
        {SAID("shutdown\r\n"), "operator argument='shutdown'\n"},
        {SAID("cache_memlimit 64\r\n"),
         "operator argument='cache_memlimit 64'\n"},
        {SAID("refresh_certs\r\n"), "operator argument='refresh_certs'\n"},
        {SAID("extstore\r\n"), "operator argument='extstore'\n"},
        {SAID("shutdowns\r\n"), "refused unknown\n"},
        {SAID("lru_\r\n"), "refused unknown\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void the_plain_words_are_never_quiet(void **state)
{
    static const struct scene scenes[] = {
        {SAID("version\r\n"), "version\n"},
        {SAID("stats\r\n"), "stats\n"},
        {SAID("stats settings\r\n"), "stats argument=' settings'\n"},
        {SAID("stats cachedump 1 0\r\n"), "stats argument=' cachedump 1 0'\n"},
        {SAID("stats noreply\r\n"), "stats argument=' noreply'\n"},
        {SAID("quit\r\n"), "quit\n"},
        {SAID("quit\r\nversion\r\n"), "quit\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void noreply_counts_only_as_the_last_word(void **state)
{
    static const struct scene scenes[] = {
        {SAID("set a 0 0 1 noreply\r\nx\r\n"),
         "store set key='a' value='x' quiet\n"},
        {SAID("set a 0 0 1 noreply  \r\nx\r\n"),
         "store set key='a' value='x' quiet\n"},
        {SAID("set a 0 0 1 NOREPLY\r\nx\r\n"), "store set key='a' value='x'\n"},
        {SAID("set a 0 0 1 noreplyx\r\nx\r\n"),
         "store set key='a' value='x'\n"},
        {SAID("set a 0 0 1 noreply x\r\nx\r\n"),
         "store set key='a' value='x'\n"},
        {SAID("set a 0 0 1 2 3 4 5 6 7 8 9 noreply\r\nx\r\n"),
         "store set key='a' value='x' quiet\n"},
        {SAID("set noreply 0 0 1\r\nx\r\n"),
         "store set key='noreply' value='x'\n"},
        {SAID("incr a 1 noreply x\r\n"), "arithmetic up key='a' delta=1\n"},
        {SAID("touch noreply 1\r\n"), "touch key='noreply' exptime=1\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

/* ---- sizes ---- */

/* A store of `value_bytes`, its block and a `version` behind it. */
static char *store_of(size_t value_bytes, size_t *bytes)
{
    char *said = malloc(value_bytes + 100);

    assert_non_null(said);
    int head = snprintf(said, 100, "set a 0 0 %zu\r\n", value_bytes);
    memset(said + head, 'v', value_bytes);
    size_t at = (size_t)head + value_bytes;
    memcpy(said + at, "\r\nversion\r\n", 11);
    *bytes = at + 11;
    return said;
}

/* Around every boundary of the conversation, not at every byte of a value. */
static void assert_cut_proof(const struct conversation *conversation,
                             size_t line_bytes)
{
    char *whole = conversation_transcript(conversation, NULL, 0);
    size_t length = conversation->bytes.length;

    for (size_t i = 0; i < 40; i++) {
        size_t cuts[] = {i < 20 ? line_bytes - 10 + i : length - 40 + i};
        char *cut = conversation_transcript(conversation, cuts, 1);
        assert_string_equal(cut, whole);
        free(cut);
    }
    free(whole);
}

static void a_value_up_to_the_inline_limit_is_parsed_whole(void **state)
{
    size_t bytes;
    char *said = store_of(COMMAND_INLINE_BYTES_MAX, &bytes);
    struct conversation conversation = conversation_of(said, bytes);
    char *transcript = conversation_transcript(&conversation, NULL, 0);

    (void)state;
    assert_null(strstr(transcript, "follows"));
    assert_non_null(strstr(transcript, "vvv'\nversion\n"));
    assert_cut_proof(&conversation, strlen("set a 0 0 65536\r\n"));
    free(transcript);
    free(said);
}

static void a_value_above_the_inline_limit_follows(void **state)
{
    size_t bytes;
    char *said = store_of(COMMAND_INLINE_BYTES_MAX + 1, &bytes);
    struct conversation conversation = conversation_of(said, bytes);

    (void)state;
    assert_heard_once(said, bytes,
                      "store set key='a' value_bytes=65537 follows\n"
                      "version\n");
    assert_heard_once(said, 17,
                      "store set key='a' value_bytes=65537 follows\n"
                      "65539 bytes to skip\n");
    assert_cut_proof(&conversation, strlen("set a 0 0 65537\r\n"));
    free(said);
}

static void key_and_value_together_have_the_item_limit(void **state)
{
    size_t bytes;
    char *said = store_of(ITEM_BYTES_MAX - 1, &bytes);

    (void)state;
    assert_heard_once(said, bytes,
                      "store set key='a' value_bytes=1048575 follows\n"
                      "version\n");
    free(said);
    said = store_of(ITEM_BYTES_MAX, &bytes);
    struct conversation conversation = conversation_of(said, bytes);
    assert_heard_once(said, bytes,
                      "store set too_large key='a' value_bytes=1048576 "
                      "swallow=1048578\n"
                      "version\n");
    assert_cut_proof(&conversation, strlen("set a 0 0 1048576\r\n"));
    free(said);
}

static void a_small_item_limit_holds_for_small_values_too(void **state)
{
    struct conversation conversation =
        conversation_of(SAID("set abc 0 0 7\r\n1234567\r\n"
                             "set abcd 0 0 7 noreply\r\n1234567\r\n"
                             "version\r\n"));

    (void)state;
    conversation.limits.item_bytes_max = 10;
    char *transcript = conversation_transcript(&conversation, NULL, 0);
    assert_string_equal(transcript,
                        "store set key='abc' value='1234567'\n"
                        "store set too_large key='abcd' value_bytes=7 "
                        "swallow=9 quiet\n"
                        "version\n");
    assert_true(conversation_is_split_proof(&conversation));
    free(transcript);
}

static void a_thousand_keys_are_a_thousand_commands(void **state)
{
    static char said[20000] = "get";
    size_t bytes = 3;

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        bytes +=
            (size_t)snprintf(said + bytes, sizeof(said) - bytes, " key-%u", i);
    said[bytes++] = '\n';
    struct conversation conversation = conversation_of(said, bytes);
    char *transcript = conversation_transcript(&conversation, NULL, 0);
    size_t lines = 0;
    for (const char *at = transcript; *at != '\0'; at++)
        lines += *at == '\n';
    assert_int_equal(lines, 1000);
    assert_non_null(strstr(transcript, "retrieve key='key-999' with_key\n"));
    for (size_t cut = 1; cut < bytes; cut += 97) {
        char *other = conversation_transcript(&conversation, &cut, 1);
        assert_string_equal(other, transcript);
        free(other);
    }
    free(transcript);
}

static void a_pipeline_is_heard_in_its_order(void **state)
{
    (void)state;
    assert_heard(SAID("set a 1 2 3\r\nabc\r\n"
                      "get a b\r\n"
                      "nonsense\r\n"
                      "cas a 0 0 2 7 noreply\r\nxy\r\n"
                      "set b x 0 4\r\nskip\r\n"
                      "gats 9 a\n"
                      "incr n 4 noreply\r\n"
                      "decr n x\r\n"
                      "delete a 0\r\n"
                      "touch a -1\r\n"
                      "flush_all 5\r\n"
                      "verbosity 1\r\n"
                      "stats items\r\n"
                      "version\r\n"
                      "quit\r\n"),
                 "store set key='a' value='abc' flags=1 exptime=2\n"
                 "retrieve key='a' with_key more\n"
                 "retrieve key='b' with_key\n"
                 "refused unknown\n"
                 "store set key='a' value='xy' compare=7 quiet compares\n"
                 "refused format key='b' value_bytes=4 swallow=6\n"
                 "retrieve key='a' exptime=9 with_key with_token touches\n"
                 "arithmetic up key='n' delta=4 quiet\n"
                 "refused delta\n"
                 "remove key='a'\n"
                 "touch key='a' exptime=-1\n"
                 "flush exptime=5\n"
                 "operator argument='verbosity 1'\n"
                 "stats argument=' items'\n"
                 "version\n"
                 "quit\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_without_its_end_waits_for_more),
        cmocka_unit_test(a_plain_line_means_what_it_means_with_blanks),
        cmocka_unit_test(a_line_shorter_than_two_bytes_is_badly_formed),
        cmocka_unit_test(a_line_ends_at_its_newline_with_or_without_a_return),
        cmocka_unit_test(words_are_parted_by_spaces_and_nothing_else),
        cmocka_unit_test(a_space_before_the_command_makes_it_unknown),
        cmocka_unit_test(commands_are_lower_case_and_whole_words),
        cmocka_unit_test(a_browser_is_closed_without_a_reply),
        cmocka_unit_test(a_line_that_does_not_end_is_closed_beyond_its_limit),
        cmocka_unit_test(a_long_line_that_came_with_its_end_is_judged_as_any),
        cmocka_unit_test(only_get_and_gets_may_wait_for_a_longer_line),
        cmocka_unit_test(a_get_is_looked_for_behind_a_hundred_spaces),
        cmocka_unit_test(a_get_line_longer_than_its_limit_is_told_and_closed),
        cmocka_unit_test(a_store_carries_all_that_was_sent),
        cmocka_unit_test(a_block_not_there_yet_waits_for_its_last_byte),
        cmocka_unit_test(a_block_without_its_end_takes_its_length_and_two),
        cmocka_unit_test(a_length_that_is_none_skips_nothing),
        cmocka_unit_test(the_largest_length_is_too_large_but_a_length),
        cmocka_unit_test(a_line_refused_after_its_length_skips_the_block),
        cmocka_unit_test(a_store_with_too_few_words_is_badly_formed),
        cmocka_unit_test(flags_are_32_bits_and_keep_their_low_half),
        cmocka_unit_test(an_exptime_may_be_negative_or_beyond_2038),
        cmocka_unit_test(a_cas_token_has_64_bits_and_may_be_zero),
        cmocka_unit_test(a_key_has_250_bytes_and_not_one_more),
        cmocka_unit_test(a_retrieval_is_one_command_for_each_key),
        cmocka_unit_test(a_mint_is_a_set_of_a_prefix),
        cmocka_unit_test(a_retrieval_takes_noreply_for_a_key),
        cmocka_unit_test(a_retrieval_without_a_key_is_badly_formed),
        cmocka_unit_test(a_get_and_touch_needs_a_number),
        cmocka_unit_test(a_delete_takes_a_zero_and_no_other_word),
        cmocka_unit_test(arithmetic_needs_a_key_and_a_number),
        cmocka_unit_test(a_touch_needs_a_key_and_a_number),
        cmocka_unit_test(a_flush_may_have_a_delay),
        cmocka_unit_test(operators_words_are_left_to_the_session),
        cmocka_unit_test(the_plain_words_are_never_quiet),
        cmocka_unit_test(noreply_counts_only_as_the_last_word),
        cmocka_unit_test(a_value_up_to_the_inline_limit_is_parsed_whole),
        cmocka_unit_test(a_value_above_the_inline_limit_follows),
        cmocka_unit_test(key_and_value_together_have_the_item_limit),
        cmocka_unit_test(a_small_item_limit_holds_for_small_values_too),
        cmocka_unit_test(a_thousand_keys_are_a_thousand_commands),
        cmocka_unit_test(a_pipeline_is_heard_in_its_order),
    };

    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
