/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is asked of keys, by prefix: what counts for which, and that there is
 * an end to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/stats/prefixes.h"

#define SEED 11

static struct prefixes *prefixes;

static int set_up(void **state)
{
    (void)state;
    prefixes = prefixes_create(':', SEED);
    return prefixes != NULL && prefixes_prepare(prefixes) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    prefixes_destroy(prefixes);
    return 0;
}

static void count_get(const char *key, bool is_hit)
{
    prefixes_count(prefixes, span_of_string(key), PREFIX_GETS, is_hit);
}

static size_t count_all(void)
{
    struct prefix prefix;
    size_t count = 0;

    while (prefixes_read(prefixes, count, &prefix))
        count++;
    return count;
}

static void assert_line(size_t number, const char *line)
{
    struct prefix prefix;
    uint8_t text[PREFIX_LINE_BYTES_MAX];

    assert_true(prefixes_read(prefixes, number, &prefix));
    size_t length = prefix_format(&prefix, text);
    assert_int_equal(length, strlen(line));
    assert_memory_equal(text, line, length);
}

static void a_key_counts_for_what_is_before_its_first_delimiter(void **state)
{
    (void)state;
    count_get("user:1:name", true);
    count_get("user:2", false);
    prefixes_count(prefixes, SPAN("user:"), PREFIX_SETS, false);
    prefixes_count(prefixes, SPAN("page:x"), PREFIX_DELETES, false);
    count_get(":nameless", false);
    assert_int_equal(count_all(), 3);
    assert_line(0, "PREFIX user get 2 hit 1 set 1 del 0\r\n");
    assert_line(1, "PREFIX page get 0 hit 0 set 0 del 1\r\n");
    assert_line(2, "PREFIX  get 1 hit 0 set 0 del 0\r\n");
}

static void a_key_without_a_delimiter_counts_for_none(void **state)
{
    (void)state;
    count_get("user", true);
    count_get("", true);
    assert_int_equal(count_all(), 0);
}

static void another_delimiter_may_be_chosen(void **state)
{
    (void)state;
    prefixes_destroy(prefixes);
    prefixes = prefixes_create('/', SEED);
    assert_true(prefixes_prepare(prefixes));
    count_get("a:b/c", true);
    assert_line(0, "PREFIX a:b get 1 hit 1 set 0 del 0\r\n");
}

static void nothing_counts_before_there_is_memory(void **state)
{
    (void)state;
    prefixes_destroy(prefixes);
    prefixes = prefixes_create(':', SEED);
    count_get("a:b", true);
    prefixes_clear(prefixes);
    assert_int_equal(count_all(), 0);
}

static void what_would_end_a_word_or_a_line_is_written_otherwise(void **state)
{
    (void)state;
    prefixes_count(prefixes, SPAN("a b\r\n\x7f\xff:x"), PREFIX_SETS, false);
    assert_line(0, "PREFIX a%20b%0D%0A%7F\xff get 0 hit 0 set 1 del 0\r\n");
}

static void a_line_has_room_for_the_worst_of_prefixes(void **state)
{
    struct prefix worst = {.name_bytes = COMMAND_KEY_BYTES_MAX};
    uint8_t *line = malloc(PREFIX_LINE_BYTES_MAX);

    (void)state;
    memset(worst.name, '\n', sizeof(worst.name));
    for (size_t i = 0; i < PREFIX_FIGURES; i++)
        worst.figures[i] = UINT64_MAX;
    assert_non_null(line);
    assert_true(prefix_format(&worst, line) <= PREFIX_LINE_BYTES_MAX);
    free(line);
}

static void there_are_only_so_many_and_the_first_go_on_counting(void **state)
{
    char key[32];

    (void)state;
    for (unsigned i = 0; i < PREFIXES_MAX + 1000; i++) {
        snprintf(key, sizeof(key), "%u:x", i);
        count_get(key, false);
    }
    assert_int_equal(count_all(), PREFIXES_MAX);
    count_get("0:y", true);
    assert_line(0, "PREFIX 0 get 2 hit 1 set 0 del 0\r\n");
}

static void there_is_only_so_much_memory_for_names(void **state)
{
    char key[256];
    size_t name_bytes = 240;

    (void)state;
    for (unsigned i = 0; i < PREFIXES_MAX; i++) {
        snprintf(key, sizeof(key), "%0*u:x", (int)name_bytes, i);
        count_get(key, false);
    }
    assert_int_equal(count_all(), PREFIXES_BYTES_MAX / name_bytes);
    /* There is room for a short one still, and then no more. */
    count_get("short:x", false);
    assert_int_equal(count_all(), PREFIXES_BYTES_MAX / name_bytes + 1);
}

static void after_a_clear_all_begin_anew(void **state)
{
    (void)state;
    count_get("a:1", true);
    count_get("b:1", true);
    prefixes_clear(prefixes);
    assert_int_equal(count_all(), 0);
    count_get("b:1", false);
    assert_int_equal(count_all(), 1);
    assert_line(0, "PREFIX b get 1 hit 0 set 0 del 0\r\n");
}

#define ON_PREFIXES(test)                                                      \
    cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_PREFIXES(a_key_counts_for_what_is_before_its_first_delimiter),
        ON_PREFIXES(a_key_without_a_delimiter_counts_for_none),
        ON_PREFIXES(another_delimiter_may_be_chosen),
        ON_PREFIXES(nothing_counts_before_there_is_memory),
        ON_PREFIXES(what_would_end_a_word_or_a_line_is_written_otherwise),
        ON_PREFIXES(a_line_has_room_for_the_worst_of_prefixes),
        ON_PREFIXES(there_are_only_so_many_and_the_first_go_on_counting),
        ON_PREFIXES(there_is_only_so_much_memory_for_names),
        ON_PREFIXES(after_a_clear_all_begin_anew),
    };

    return cmocka_run_group_tests_name("prefixes", tests, NULL, NULL);
}
