/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file of users: what is a line of it, what is not, who comes in by it,
 * and that a file that will not do leaves those who could.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/auth/users.h"

static char path[64];
static char error[USERS_ERROR_BYTES];

static void write_file(const void *text, size_t bytes)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static int make_file(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/grapevine-users-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    return close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static struct users *read_users(const char *text)
{
    write_file(text, strlen(text));
    error[0] = '\0';
    return users_create(path, error);
}

static bool check(struct users *users, const char *user, const char *password)
{
    return users_check(users, span_of_string(user), span_of_string(password));
}

static void assert_refused(const char *text, const char *word)
{
    assert_null(read_users(text));
    assert_non_null(strstr(error, "-Y (--auth-file)"));
    assert_non_null(strstr(error, path));
    if (strstr(error, word) == NULL)
        print_message("'%s' lacks '%s'\n", error, word);
    assert_non_null(strstr(error, word));
}

/* The last line without its end (CVE-2021-37519) is one like the others. */
static void only_the_whole_name_and_password_come_in(void **state)
{
    struct users *users = read_users("foo:bar\nbaz:qux quux:x\r\nlast:one");

    (void)state;
    assert_non_null(users);
    assert_true(check(users, "foo", "bar"));
    assert_true(check(users, "baz", "qux quux:x"));
    assert_true(check(users, "last", "one"));
    static const char *const wrong[][2] = {
        {"foo", "ba"},  {"foo", "barr"}, {"foo", ""},    {"foo", "BAR"},
        {"fo", "bar"},  {"fooo", "bar"}, {"", "bar"},    {"", ""},
        {"baz", "bar"}, {"foo", "one"},  {"last", "on"}, {"last", "one\n"},
        {"baz", "qux"}, {"foo:bar", ""}, {"fo", "o:bar"}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(check(users, wrong[i][0], wrong[i][1]));
    assert_false(users_check(users, SPAN("foo\0"), SPAN("bar")));
    assert_false(users_check(users, SPAN("foo"), SPAN("bar\0")));
    users_destroy(users);
}

static void the_longest_line_comes_in_whole(void **state)
{
    char text[300];
    char longer[300];

    (void)state;
    memset(text, 'p', sizeof(text));
    memcpy(text, "u:", 2);
    text[256] = '\0';
    struct users *users = read_users(text);
    assert_non_null(users);
    assert_true(check(users, "u", text + 2));
    /* Beyond the room for words only the length tells. */
    memset(longer, 'p', sizeof(longer));
    for (size_t length = 255; length < sizeof(longer); length++)
        assert_false(users_check(users, SPAN("u"), span_of(longer, length)));
    users_destroy(users);
    text[256] = 'p';
    text[257] = '\0';
    assert_refused(text, "line 1 is longer than 256 bytes");
}

static void what_is_no_list_of_users_is_refused(void **state)
{
    (void)state;
    assert_refused("", "names nobody");
    assert_refused("foo", "line 1 is malformed");
    assert_refused("foo:bar\n\nbaz:qux\n", "line 2 is malformed");
    assert_refused("# users\nfoo:bar\n", "line 1 is malformed");
    assert_refused(":bar\n", "line 1 is malformed");
    assert_refused("foo:\n", "line 1 is malformed");
    assert_refused("foo:\r\n", "line 1 is malformed");
    assert_refused("foo bar:baz\n", "blank in its user");
    assert_refused("a:1\nb:1\nc:1\nd:1\ne:1\nf:1\ng:1\nh:1\ni:1\n",
                   "line 9 is the ninth user");
    write_file("foo:b\0r\n", 8);
    assert_null(users_create(path, error));
    assert_non_null(strstr(error, "line 1 holds a zero byte"));
    assert_null(users_create("/nonexistent/users", error));
    assert_non_null(strstr(error, "cannot read '/nonexistent/users'"));
    assert_null(users_create("/tmp", error));
    assert_non_null(strstr(error, "cannot read '/tmp'"));
}

static void errors_show_nothing_of_the_file(void **state)
{
    (void)state;
    assert_refused("secret\n", "malformed");
    assert_null(strstr(error, "secret"));
}

static void eight_users_come_in(void **state)
{
    struct users *users =
        read_users("a:1\nb:2\nc:3\nd:4\ne:5\nf:6\ng:7\nh:8\n");

    (void)state;
    assert_non_null(users);
    assert_true(check(users, "a", "1"));
    assert_true(check(users, "h", "8"));
    assert_false(check(users, "h", "1"));
    users_destroy(users);
}

/* ---- time ---- */

#define ROUNDS 2001
#define GUESSES 8

static int compare_ns(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* CVE-2026-47783 and -47784: a comparison that ended at the first byte that
 * differs, or at a length, would be many times faster for some of these. */
static void time_tells_neither_users_nor_passwords(void **state)
{
    static uint64_t times[GUESSES][ROUNDS];
    static const char *const guesses[GUESSES][2] = {
        {"first", "a long password that is right"},
        {"first", "a long password that is wrong"},
        {"first", "x"},
        {"first", "X long password that is right"},
        {"nobody", "a long password that is right"},
        {"firs", "a long password that is right"},
        {"last", "a long password that is right"},
        {"last", "another"}};
    struct users *users =
        read_users("first:a long password that is right\n"
                   "b:2\nc:3\nd:4\ne:5\nf:6\ng:7\nlast:another\n");
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;

    (void)state;
    assert_non_null(users);
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < GUESSES; i++) {
            uint64_t before = now_ns();
            bool is_right = check(users, guesses[i][0], guesses[i][1]);
            times[i][round] = now_ns() - before;
            assert_int_equal(is_right, i == 0 || i == 7);
        }
    }
    for (size_t i = 0; i < GUESSES; i++) {
        qsort(times[i], ROUNDS, sizeof(times[i][0]), compare_ns);
        uint64_t median = times[i][ROUNDS / 2];
        least = median < least ? median : least;
        most = median > most ? median : most;
    }
    print_message("medians from %llu to %llu ns\n", (unsigned long long)least,
                  (unsigned long long)most);
    assert_true(4 * most < 5 * least);
    users_destroy(users);
}

static void a_file_that_will_not_do_leaves_who_was_there(void **state)
{
    struct users *users = read_users("foo:bar\nbaz:qux\n");

    (void)state;
    assert_non_null(users);
    write_file("new:one\n", 8);
    assert_true(users_reload(users, error));
    assert_true(check(users, "new", "one"));
    assert_false(check(users, "foo", "bar"));
    assert_false(check(users, "baz", "qux"));
    write_file("broken\n", 7);
    assert_false(users_reload(users, error));
    assert_true(check(users, "new", "one"));
    users_destroy(users);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_whole_name_and_password_come_in),
        cmocka_unit_test(the_longest_line_comes_in_whole),
        cmocka_unit_test(what_is_no_list_of_users_is_refused),
        cmocka_unit_test(errors_show_nothing_of_the_file),
        cmocka_unit_test(eight_users_come_in),
        cmocka_unit_test(time_tells_neither_users_nor_passwords),
        cmocka_unit_test(a_file_that_will_not_do_leaves_who_was_there),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
