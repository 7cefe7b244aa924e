/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Meta lines: what each flag means, which lines are refused, what is skipped
 * after them; however the bytes were cut into reads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/memcached/meta.h"
#include "tests/unit/conversation.h"

#define ITEM_BYTES_MAX ((size_t)1024 * 1024)

/* What is said, and the transcript of what is heard. */
struct scene {
    const char *said;
    const char *heard;
};

static void assert_heard(const struct scene *scene)
{
    struct conversation conversation = {
        .protocol = PROTOCOL_TEXT,
        .limits = {.item_bytes_max = ITEM_BYTES_MAX},
        .bytes = span_of_string(scene->said)};
    char *transcript = conversation_transcript(&conversation, NULL, 0);

    assert_string_equal(transcript, scene->heard);
    free(transcript);
    assert_true(conversation_is_split_proof(&conversation));
}

#define assert_scenes(scenes)                                                  \
    do {                                                                       \
        for (size_t i = 0; i < sizeof(scenes) / sizeof((scenes)[0]); i++)      \
            assert_heard(&(scenes)[i]);                                        \
    } while (0)

static void a_line_wants_a_key(void **state)
{
    static const struct scene scenes[] = {
        {"mg\r\n", "refused format delta=1 meta\n"},
        {"mg   \r\n", "refused format delta=1 meta\n"},
        {"md\r\n", "refused format delta=1 meta\n"},
        {"ma\r\n", "refused format delta=1 meta\n"},
        {"me\r\n", "refused format delta=1 meta\n"},
        {"ms\r\n", "refused format delta=1 meta\n"},
        {"mn\r\n", "noop delta=1 meta\n"},
        {"mn a b c\r\n", "noop delta=1 meta\n"},
        {"mx a\r\n", "refused unknown\n"},
        {"m a\r\n", "refused unknown\n"},
        {"mgg a\r\n", "refused unknown\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void a_bad_length_skips_nothing(void **state)
{
    static const struct scene scenes[] = {
        {"ms a\r\n", "refused format key='a' delta=1 meta\n"},
        {"ms a x\r\nmn\r\n",
         "refused format key='a' delta=1 meta\nnoop delta=1 meta\n"},
        {"ms a -1\r\n", "refused format key='a' delta=1 meta\n"},
        {"ms a 2147483646\r\n", "refused format key='a' delta=1 meta\n"},
        {"ms a S2\r\n", "refused format key='a' delta=1 meta\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void a_bad_flag_skips_the_block(void **state)
{
    static const struct scene scenes[] = {
        {"ms a 2 z\r\nhi\r\nmn\r\n",
         "refused flag key='a' delta=1 value_bytes=2 swallow=4 meta "
         "tokens=' z'\nnoop delta=1 meta\n"},
        {"ms a 2 MX\r\nhi\r\nmn\r\n",
         "refused store_mode key='a' delta=1 value_bytes=2 swallow=4 meta "
         "tokens=' MX'\nnoop delta=1 meta\n"},
        {"ms a 2147483645 z\r\n",
         "refused flag key='a' delta=1 value_bytes=2147483645 "
         "swallow=2147483647 meta tokens=' z'\n2147483647 bytes to skip\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void each_flag_has_its_meaning(void **state)
{
    static const struct scene scenes[] = {
        {"mg a\r\n", "retrieve key='a' delta=1 meta\n"},
        {"mg a v k c q u\r\n",
         "retrieve key='a' delta=1 quiet with_key with_token meta with_value "
         "unnoticed tokens=' v k c q u'\n"},
        {"mg a f h l s t Oxyz Pab Lcd\r\n",
         "retrieve key='a' delta=1 meta tokens=' f h l s t Oxyz Pab Lcd'\n"},
        {"mg a T30 N60 R90\r\n",
         "retrieve key='a' exptime=30 delta=1 touches creates meta recaches "
         "created=60 recache=90 tokens=' T30 N60 R90'\n"},
        {"mg a T-1 N0 R-5\r\n",
         "retrieve key='a' exptime=-1 delta=1 touches creates meta recaches "
         "recache=-5 tokens=' T-1 N0 R-5'\n"},
        {"mg a C7 E8\r\n", "retrieve key='a' compare=7 delta=1 compares meta "
                           "token=8 tokens=' C7 E8'\n"},
        {"md a I x T5 q\r\n",
         "remove key='a' exptime=5 delta=1 quiet touches meta invalidates "
         "empties tokens=' I x T5 q'\n"},
        {"ma a N30 J5 D7 MD\r\n",
         "arithmetic down key='a' delta=7 initial=5 creates meta created=30 "
         "tokens=' N30 J5 D7 MD'\n"},
        {"ma a\r\n", "arithmetic up key='a' delta=1 meta\n"},
        {"ms a 2 F5 T30\r\nhi\r\n",
         "store set key='a' value='hi' flags=5 exptime=30 delta=1 touches "
         "meta tokens=' F5 T30'\n"},
        {"ms a 0\r\n\r\n", "store set key='a' delta=1 meta\n"},
        {"me a z z z\r\n", "inspect key='a' delta=1 meta tokens=' z z z'\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void modes_are_letters(void **state)
{
    static const struct scene scenes[] = {
        {"ms a 1 ME C5\r\nx\r\n",
         "store add key='a' value='x' compare=5 delta=1 meta "
         "tokens=' ME C5'\n"},
        {"ms a 1 MAppend\r\nx\r\n", "store append key='a' value='x' delta=1 "
                                    "meta tokens=' MAppend'\n"},
        {"ms a 1 MP\r\nx\r\n",
         "store prepend key='a' value='x' delta=1 meta tokens=' MP'\n"},
        {"ms a 1 MR\r\nx\r\n",
         "store replace key='a' value='x' delta=1 meta tokens=' MR'\n"},
        {"ms a 1 MS C5\r\nx\r\n",
         "store set key='a' value='x' compare=5 delta=1 compares meta "
         "tokens=' MS C5'\n"},
        {"ma a M+\r\n", "arithmetic up key='a' delta=1 meta tokens=' M+'\n"},
        {"ma a M-\r\n", "arithmetic down key='a' delta=1 meta tokens=' M-'\n"},
        {"ma a M\r\n", "refused count_mode key='a' delta=1 meta tokens=' M'\n"},
        {"mg a MX\r\n", "retrieve key='a' delta=1 meta tokens=' MX'\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void of_several_faults_one_is_told(void **state)
{
    static const struct scene scenes[] = {
        {"mg a v v\r\n", "refused twice key='a' delta=1 meta with_value "
                         "tokens=' v v'\n"},
        {"mg a z v v\r\n",
         "refused flag key='a' delta=1 meta tokens=' z v v'\n"},
        {"mg a Tx\r\n",
         "refused number key='a' delta=1 touches meta tokens=' Tx'\n"},
        {"mg a Jx Cx\r\n", "refused number key='a' delta=1 compares meta "
                           "tokens=' Jx Cx'\n"},
        {"mg a Fx\r\n", "refused format key='a' delta=1 meta tokens=' Fx'\n"},
        {"mg a Fx Jx\r\n",
         "refused initial key='a' delta=1 meta tokens=' Fx Jx'\n"},
        {"mg a O01234567890123456789012345678901 Jx\r\n",
         "refused initial key='a' delta=1 meta "
         "tokens=' O01234567890123456789012345678901 Jx'\n"},
        {"ma a Jx\r\n", "refused of_count key='a' delta=1 meta tokens=' Jx'\n"},
        {"mg a !\r\n", "refused format key='a' delta=1 meta tokens=' !'\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

static void a_key_in_base64_is_decoded(void **state)
{
    static const struct scene scenes[] = {
        {"mg Zm9v b\r\n",
         "retrieve key='foo' delta=1 meta base64 tokens=' b'\n"},
        {"mg /wAN b k\r\nmg Zm9v\r\n",
         "retrieve key='\\xff\\x00\\x0d' delta=1 with_key meta base64 "
         "tokens=' b k'\nretrieve key='Zm9v' delta=1 meta\n"},
        {"ms Zm9v 2 b\r\nhi\r\n",
         "store set key='foo' value='hi' delta=1 meta base64 tokens=' b'\n"},
        {"me Zm9v b\r\n",
         "inspect key='foo' delta=1 meta base64 tokens=' b'\n"},
        {"me foo b\r\n", "refused format key='foo' delta=1 meta "
                         "tokens=' b'\n"},
        {"mg foo b\r\n", "refused key_code key='foo' delta=1 meta "
                         "tokens=' b'\n"},
        {"ma foo b\r\n", "refused of_count key='foo' delta=1 meta "
                         "tokens=' b'\n"},
    };

    (void)state;
    assert_scenes(scenes);
}

/* Words of a line, the key among them, and whether they are too many. */
static bool is_refused(unsigned words_count, const char *key)
{
    static const char flags[] = "cfhklstuvxIqO";
    char line[1024];
    int length = snprintf(line, sizeof(line), "%s", key);
    struct command command;

    for (unsigned i = 2; i < words_count; i++) {
        const char letter =
            i - 2 < sizeof(flags) - 1
                ? flags[i - 2]
                : (char)("PLCEFNRT"[i - 2 - (sizeof(flags) - 1)]);
        length += snprintf(line + length, sizeof(line) - (size_t)length, " %c1",
                           letter);
    }
    command_clear(&command, PROTOCOL_TEXT);
    assert_true(
        meta_parse(SPAN("mg"), span_of(line, (size_t)length), &command));
    return command.kind == COMMAND_REFUSED;
}

static void lines_have_twenty_words_at_most(void **state)
{
    (void)state;
    assert_false(is_refused(META_WORDS_MAX, "a"));
    assert_true(is_refused(META_WORDS_MAX + 1, "a"));
}

static void keys_have_250_bytes_at_most(void **state)
{
    char key[COMMAND_KEY_BYTES_MAX + 2];

    (void)state;
    memset(key, 'k', sizeof(key));
    key[COMMAND_KEY_BYTES_MAX] = '\0';
    assert_false(is_refused(2, key));
    key[COMMAND_KEY_BYTES_MAX] = 'k';
    key[COMMAND_KEY_BYTES_MAX + 1] = '\0';
    assert_true(is_refused(2, key));
}

static void what_is_kept_of_flags_is_what_a_store_returns(void **state)
{
    uint8_t kept[META_KEPT_BYTES_MAX];
    struct span longest =
        SPAN(" k b s c O0123456789012345678901234567890 T30 F5 Pabc I q");

    (void)state;
    struct span flags = meta_keep_flags(longest, kept);
    assert_true(
        span_equal(flags, SPAN("k b s c O0123456789012345678901234567890 ")));
    flags = meta_keep_flags(SPAN(""), kept);
    assert_int_equal(flags.length, 0);
    flags = meta_keep_flags((struct span){0}, kept);
    assert_int_equal(flags.length, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_wants_a_key),
        cmocka_unit_test(a_bad_length_skips_nothing),
        cmocka_unit_test(a_bad_flag_skips_the_block),
        cmocka_unit_test(each_flag_has_its_meaning),
        cmocka_unit_test(modes_are_letters),
        cmocka_unit_test(of_several_faults_one_is_told),
        cmocka_unit_test(a_key_in_base64_is_decoded),
        cmocka_unit_test(lines_have_twenty_words_at_most),
        cmocka_unit_test(keys_have_250_bytes_at_most),
        cmocka_unit_test(what_is_kept_of_flags_is_what_a_store_returns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
