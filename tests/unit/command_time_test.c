/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long items live: every form of a time, touches, and flushes that are
 * done at once or are still to come.
 */
#include "tests/unit/customer.h"

/* ---- time ---- */

static void assert_lives_for(int64_t exptime, uint64_t seconds)
{
    now = START_US;
    assert_int_equal(put(MODE_SET, "a", "x", exptime), OUTCOME_STORED);
    assert_held("a", "x");
    pass(seconds - 1);
    assert_held("a", "x");
    pass(1);
    assert_gone("a");
}

static void up_to_30_days_are_seconds_from_now(void **state)
{
    (void)state;
    assert_lives_for(1, 1);
    assert_lives_for(60, 60);
    assert_lives_for(DAYS_30 - 1, DAYS_30 - 1);
    assert_lives_for(DAYS_30, DAYS_30);
}

static void more_is_a_time_since_1970(void **state)
{
    (void)state;
    assert_lives_for((int64_t)START_S + 1, 1);
    assert_lives_for((int64_t)START_S + 100, 100);
    assert_lives_for((int64_t)START_S + DAYS_30 + 1, DAYS_30 + 1);
}

static void zero_is_never(void **state)
{
    (void)state;
    assert_int_equal(put(MODE_SET, "a", "x", 0), OUTCOME_STORED);
    pass(UINT64_C(50) * 365 * 86400);
    assert_held("a", "x");
}

static void beyond_the_end_of_32_bits_is_the_end(void **state)
{
    static const int64_t times[] = {INT64_C(0xfffffffe), INT64_C(0xffffffff),
                                    INT64_C(0x100000000), INT64_MAX};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(put(MODE_SET, "a", "x", times[i]), OUTCOME_STORED);
        assert_held("a", "x");
        pass(DAYS_30);
        assert_held("a", "x");
    }
}

static void a_time_already_past_is_stored_and_leaves_nothing(void **state)
{
    static const int64_t times[] = {-1,
                                    -DAYS_30,
                                    INT64_MIN,
                                    DAYS_30 + 1,
                                    (int64_t)START_S - 1,
                                    (int64_t)START_S};

    (void)state;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        put(MODE_SET, "a", "old", 0);
        assert_int_equal(put(MODE_SET, "a", "new", times[i]), OUTCOME_STORED);
        assert_int_equal(items(), 0);
        assert_gone("a");
        assert_int_equal(put(MODE_ADD, "a", "new", times[i]), OUTCOME_STORED);
        assert_int_equal(items(), 0);
        assert_gone("a");
    }
}

static void a_probe_for_a_session_leaves_nothing(void **state)
{
    (void)state;
    /* PHP asks with an add of 31 days, a time in 1970, whether an id is in
     * use; STORED is "no". */
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(put(MODE_ADD, "id", "", 2678400), OUTCOME_STORED);
        assert_gone("id");
        assert_int_equal(items(), 0);
    }
    put(MODE_SET, "id", "session", 0);
    assert_int_equal(put(MODE_ADD, "id", "", 2678400), OUTCOME_NOT_STORED);
    assert_held("id", "session");
}

static void a_probe_leaves_no_grave_for_other_servers(void **state)
{
    struct store_figures before;
    struct store_figures after;

    (void)state;
    store_read_figures(store, &before);
    assert_int_equal(put(MODE_ADD, "id", "", 2678400), OUTCOME_STORED);
    store_read_figures(store, &after);
    /* Not even memory was taken. */
    assert_int_equal(after.segment_bytes, before.segment_bytes);
}

static void a_touch_renews_the_life_and_nothing_else(void **state)
{
    struct command set = storing(MODE_SET, "a", "x", 10);

    (void)state;
    assert_int_equal(touch("a", 10), OUTCOME_NOT_FOUND);
    set.flags = 8;
    run(set);
    assert_int_equal(touch("a", 100), OUTCOME_TOUCHED);
    pass(99);
    assert_held("a", "x");
    assert_int_equal(get("a").flags, 8);
    assert_int_equal(touch("a", 0), OUTCOME_TOUCHED);
    pass(DAYS_30);
    assert_held("a", "x");
    assert_int_equal(touch("a", (int64_t)(now / TIME_US_PER_S) + 5),
                     OUTCOME_TOUCHED);
    pass(4);
    assert_held("a", "x");
    pass(1);
    assert_int_equal(touch("a", 100), OUTCOME_NOT_FOUND);
}

static void a_touch_with_a_time_past_ends_the_item(void **state)
{
    static const int64_t times[] = {-1, DAYS_30 + 1, (int64_t)START_S};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        put(MODE_SET, "a", "x", 0);
        assert_int_equal(touch("a", times[i]), OUTCOME_TOUCHED);
        assert_gone("a");
    }
}

static void a_get_and_touch_shows_the_value_a_last_time(void **state)
{
    (void)state;
    assert_int_equal(get_and_touch("a", -1).kind, OUTCOME_MISS);
    put(MODE_SET, "a", "x", 10);
    assert_int_equal(get_and_touch("a", 100).kind, OUTCOME_HIT);
    pass(99);
    struct outcome last = get_and_touch("a", -1);
    assert_int_equal(last.kind, OUTCOME_HIT);
    assert_int_equal(last.value.length, 1);
    assert_int_equal(last.value.data[0], 'x');
    assert_gone("a");
}

static void dead_items_can_be_added_and_not_extended(void **state)
{
    (void)state;
    put(MODE_SET, "a", "1", 5);
    pass(5);
    assert_int_equal(put(MODE_APPEND, "a", "x", 0), OUTCOME_NOT_STORED);
    assert_int_equal(put(MODE_REPLACE, "a", "x", 0), OUTCOME_NOT_STORED);
    assert_int_equal(increment("a", 1).kind, OUTCOME_NOT_FOUND);
    assert_int_equal(drop("a"), OUTCOME_NOT_FOUND);
    assert_int_equal(compare_and_put(MODE_SET, "a", 1), OUTCOME_NOT_FOUND);
    assert_int_equal(put(MODE_ADD, "a", "x", 0), OUTCOME_STORED);
}

/* ---- flushes ---- */

static void a_flush_spares_what_comes_after_it(void **state)
{
    static const int64_t delays[] = {0, -1, -DAYS_30};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        put(MODE_SET, "a", "x", 0);
        put(MODE_SET, "b", "x", 100);
        assert_int_equal(flush(delays[i]), OUTCOME_OK);
        put(MODE_SET, "c", "x", 0);
        assert_gone("a");
        assert_gone("b");
        assert_held("c", "x");
    }
}

static void a_flush_to_come_takes_all_that_is_older_then(void **state)
{
    (void)state;
    put(MODE_SET, "a", "x", 0);
    assert_int_equal(flush(10), OUTCOME_OK);
    assert_held("a", "x");
    pass(8);
    put(MODE_SET, "b", "x", 0);
    assert_held("a", "x");
    pass(2);
    assert_gone("a");
    assert_gone("b");
    put(MODE_SET, "c", "x", 0);
    assert_held("c", "x");
    pass(1000);
    assert_held("c", "x");
}

static void a_later_flush_replaces_one_to_come(void **state)
{
    (void)state;
    put(MODE_SET, "a", "x", 0);
    flush(10);
    flush(20);
    pass(15);
    assert_held("a", "x");
    pass(5);
    assert_gone("a");

    flush(10);
    flush(0);
    put(MODE_SET, "b", "x", 0);
    pass(10);
    assert_held("b", "x");
}

static void a_flush_may_be_told_its_time_since_1970(void **state)
{
    (void)state;
    put(MODE_SET, "a", "x", 0);
    flush((int64_t)START_S + 10);
    pass(9);
    assert_held("a", "x");
    pass(1);
    assert_gone("a");
    put(MODE_SET, "b", "x", 0);
    pass(10);
    put(MODE_SET, "c", "x", 0);
    flush(DAYS_30 + 1);
    assert_held("b", "x");
    flush((int64_t)START_S + 15);
    assert_gone("b");
    assert_held("c", "x");
    pass(1);
    flush((int64_t)START_S + 21);
    assert_gone("c");
}

static void a_flush_refused_does_not_flush(void **state)
{
    (void)state;
    put(MODE_SET, "a", "x", 0);
    assert_int_equal(
        run((struct command){.kind = COMMAND_FLUSH, .refusal = REFUSAL_EXPTIME})
            .kind,
        OUTCOME_REFUSED);
    assert_held("a", "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STORE(up_to_30_days_are_seconds_from_now),
        ON_STORE(more_is_a_time_since_1970),
        ON_STORE(zero_is_never),
        ON_STORE(beyond_the_end_of_32_bits_is_the_end),
        ON_STORE(a_time_already_past_is_stored_and_leaves_nothing),
        ON_STORE(a_probe_for_a_session_leaves_nothing),
        ON_REPLICA(a_probe_leaves_no_grave_for_other_servers),
        ON_STORE(a_touch_renews_the_life_and_nothing_else),
        ON_REPLICA(a_touch_renews_the_life_and_nothing_else),
        ON_STORE(a_touch_with_a_time_past_ends_the_item),
        ON_STORE(a_get_and_touch_shows_the_value_a_last_time),
        ON_REPLICA(a_get_and_touch_shows_the_value_a_last_time),
        ON_STORE(dead_items_can_be_added_and_not_extended),
        ON_STORE(a_flush_spares_what_comes_after_it),
        ON_STORE(a_flush_to_come_takes_all_that_is_older_then),
        ON_STORE(a_later_flush_replaces_one_to_come),
        ON_STORE(a_flush_may_be_told_its_time_since_1970),
        ON_STORE(a_flush_refused_does_not_flush),
    };

    return cmocka_run_group_tests_name("command and time", tests, NULL, NULL);
}
