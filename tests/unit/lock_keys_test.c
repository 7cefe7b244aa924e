/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keys that are locks by the patterns of --farm-lock-keys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/session/lock_keys.h"

static bool is_lock(const char *pattern, const char *key)
{
    struct lock_keys locks = {.count = 0};

    lock_keys_add(&locks, span_of_string(pattern));
    return lock_keys_match(&locks, span_of_string(key));
}

static void without_patterns_nothing_is_a_lock(void **state)
{
    struct lock_keys locks = {.count = 0};

    (void)state;
    assert_false(lock_keys_match(&locks, SPAN("a.lock")));
    assert_false(lock_keys_match(&locks, SPAN("")));
}

static void a_star_stands_for_what_is_before_or_behind(void **state)
{
    (void)state;
    assert_true(is_lock("lock.*", "lock.a"));
    assert_true(is_lock("lock.*", "lock."));
    assert_false(is_lock("lock.*", "lock"));
    assert_false(is_lock("lock.*", "a.lock.b"));
    assert_true(is_lock("*.lock", "a.lock"));
    assert_true(is_lock("*.lock", ".lock"));
    assert_false(is_lock("*.lock", "lock"));
    assert_false(is_lock("*.lock", "a.lock.b"));
    assert_true(is_lock("*", ""));
    assert_true(is_lock("*", "a"));
}

static void without_a_star_it_is_the_key(void **state)
{
    (void)state;
    assert_true(is_lock("lock", "lock"));
    assert_false(is_lock("lock", "locks"));
    assert_false(is_lock("lock", "alock"));
    assert_false(is_lock("lock", "loc"));
}

static void one_of_many_is_enough(void **state)
{
    struct lock_keys locks = {.count = 0};

    (void)state;
    for (size_t i = 0; i < LOCK_KEYS_MAX - 1; i++)
        lock_keys_add(&locks, SPAN("x*"));
    lock_keys_add(&locks, SPAN("memc.sess.key.lock.*"));
    assert_true(lock_keys_match(&locks, SPAN("memc.sess.key.lock.1")));
    assert_false(lock_keys_match(&locks, SPAN("memc.sess.key.1")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_patterns_nothing_is_a_lock),
        cmocka_unit_test(a_star_stands_for_what_is_before_or_behind),
        cmocka_unit_test(without_a_star_it_is_the_key),
        cmocka_unit_test(one_of_many_is_enough),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
