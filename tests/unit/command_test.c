/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The rules of the commands, on a real store and without a socket: what each
 * answers and what it leaves behind.
 */
#include "tests/unit/customer.h"

/* ---- storing ---- */

static void a_set_stores_and_overwrites(void **state)
{
    (void)state;
    assert_gone("a");
    assert_int_equal(put(MODE_SET, "a", "red", 0), OUTCOME_STORED);
    assert_held("a", "red");
    assert_int_equal(put(MODE_SET, "a", "green and long", 0), OUTCOME_STORED);
    assert_held("a", "green and long");
    assert_int_equal(put(MODE_SET, "a", "", 0), OUTCOME_STORED);
    assert_held("a", "");
}

static void an_add_stores_only_what_is_not_there(void **state)
{
    (void)state;
    assert_int_equal(put(MODE_ADD, "a", "first", 0), OUTCOME_STORED);
    assert_int_equal(put(MODE_ADD, "a", "second", 0), OUTCOME_NOT_STORED);
    assert_held("a", "first");
    assert_int_equal(put(MODE_ADD, "b", "", 0), OUTCOME_STORED);
    assert_int_equal(put(MODE_ADD, "b", "x", 0), OUTCOME_NOT_STORED);
}

static void an_add_that_fails_is_a_use_of_the_item(void **state)
{
    struct store_hold hold;
    struct span key = SPAN("a");

    (void)state;
    put(MODE_SET, "a", "x", 0);
    assert_int_equal(put(MODE_ADD, "a", "y", 0), OUTCOME_NOT_STORED);
    store_hold(store, key, store_hash(store, key), now, &hold);
    assert_int_equal(item_use(hold.item).count, 1);
    store_release(&hold);
}

static void replace_append_and_prepend_need_an_item(void **state)
{
    static const enum command_mode modes[] = {MODE_REPLACE, MODE_APPEND,
                                              MODE_PREPEND};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(put(modes[i], "a", "x", 0), OUTCOME_NOT_STORED);
        assert_gone("a");
    }
    put(MODE_SET, "a", "mid", 0);
    assert_int_equal(put(MODE_APPEND, "a", "-end", 0), OUTCOME_STORED);
    assert_int_equal(put(MODE_PREPEND, "a", "start-", 0), OUTCOME_STORED);
    assert_held("a", "start-mid-end");
    assert_int_equal(put(MODE_APPEND, "a", "", 0), OUTCOME_STORED);
    assert_held("a", "start-mid-end");
    assert_int_equal(put(MODE_REPLACE, "a", "new", 0), OUTCOME_STORED);
    assert_held("a", "new");
}

static void what_is_extended_keeps_its_flags_and_its_life(void **state)
{
    static const enum command_mode modes[] = {MODE_APPEND, MODE_PREPEND};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct command set = storing(MODE_SET, "a", "x", 100);
        struct command extend = storing(modes[i], "a", "y", 5);
        set.flags = 0xffffffff;
        extend.flags = 3;
        now = START_US;
        assert_int_equal(run(set).kind, OUTCOME_STORED);
        assert_int_equal(run(extend).kind, OUTCOME_STORED);
        assert_int_equal(get("a").flags, 0xffffffff);
        pass(99);
        assert_int_equal(get("a").kind, OUTCOME_HIT);
        pass(1);
        assert_gone("a");
    }
}

static void an_item_may_grow_to_the_limit_and_not_beyond(void **state)
{
    static const enum command_mode modes[] = {MODE_APPEND, MODE_PREPEND};
    char *large = calloc(1, ITEM_BYTES_MAX);

    (void)state;
    memset(large, 'x', ITEM_BYTES_MAX - 3);
    for (size_t i = 0; i < 2; i++) {
        /* One byte of key, all but three of value. */
        assert_int_equal(put(MODE_SET, "a", large, 0), OUTCOME_STORED);
        assert_int_equal(put(modes[i], "a", "123", 0), OUTCOME_NOT_STORED);
        assert_int_equal(get("a").value.length, ITEM_BYTES_MAX - 3);
        assert_int_equal(put(modes[i], "a", "12", 0), OUTCOME_STORED);
        assert_int_equal(get("a").value.length, ITEM_BYTES_MAX - 1);
        assert_int_equal(put(modes[i], "a", "1", 0), OUTCOME_NOT_STORED);
        assert_int_equal(put(modes[i], "a", "", 0), OUTCOME_STORED);
    }
    assert_int_equal(counted(&counters, COUNTER_STORE_TOO_LARGE), 0);
    free(large);
}

static void of_what_is_too_large_only_a_set_drops_the_old_value(void **state)
{
    static const enum command_mode modes[] = {
        MODE_ADD, MODE_REPLACE, MODE_APPEND, MODE_PREPEND, MODE_SET};

    (void)state;
    put(MODE_SET, "a", "old", 0);
    for (size_t i = 0; i < 5; i++) {
        struct command large = storing(modes[i], "a", "", 0);
        large.block_fault = BLOCK_TOO_LARGE;
        large.value_bytes = ITEM_BYTES_MAX;
        large.swallow_bytes = ITEM_BYTES_MAX;
        assert_held("a", "old");
        assert_int_equal(run(large).kind, OUTCOME_TOO_LARGE);
    }
    assert_gone("a");
    put(MODE_SET, "a", "old", 0);
    struct command cas = storing(MODE_SET, "a", "", 0);
    cas.has_compare = true;
    cas.compare = token_of("a");
    cas.block_fault = BLOCK_TOO_LARGE;
    assert_int_equal(run(cas).kind, OUTCOME_TOO_LARGE);
    assert_held("a", "old");
}

static void an_unterminated_block_changes_nothing(void **state)
{
    static const enum command_mode modes[] = {MODE_SET, MODE_ADD, MODE_REPLACE,
                                              MODE_APPEND, MODE_PREPEND};

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct command broken = storing(modes[i], "a", "new", 0);
        broken.block_fault = BLOCK_UNTERMINATED;
        put(MODE_SET, "a", "old", 0);
        assert_int_equal(run(broken).kind, OUTCOME_UNTERMINATED);
        assert_held("a", "old");
        broken.key = SPAN("b");
        assert_int_equal(run(broken).kind, OUTCOME_UNTERMINATED);
        assert_gone("b");
    }
}

/* ---- tokens ---- */

static void a_cas_stores_only_over_the_state_it_saw(void **state)
{
    (void)state;
    assert_int_equal(compare_and_put(MODE_SET, "a", 1), OUTCOME_NOT_FOUND);
    put(MODE_SET, "a", "old", 0);
    uint64_t token = token_of("a");
    assert_int_equal(compare_and_put(MODE_SET, "a", token - 1), OUTCOME_EXISTS);
    assert_int_equal(compare_and_put(MODE_SET, "a", token + 1), OUTCOME_EXISTS);
    assert_held("a", "old");
    assert_int_equal(compare_and_put(MODE_SET, "a", token), OUTCOME_STORED);
    assert_held("a", "new");
    assert_int_equal(compare_and_put(MODE_SET, "a", token), OUTCOME_EXISTS);
}

static void a_token_of_zero_matches_nothing(void **state)
{
    (void)state;
    put(MODE_SET, "a", "old", 0);
    assert_int_equal(compare_and_put(MODE_SET, "a", 0), OUTCOME_EXISTS);
    assert_held("a", "old");
    assert_int_equal(compare_and_put(MODE_SET, "b", 0), OUTCOME_NOT_FOUND);
}

static void a_token_makes_add_and_replace_a_cas(void **state)
{
    static const enum command_mode modes[] = {MODE_ADD, MODE_REPLACE};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        drop("a");
        assert_int_equal(compare_and_put(modes[i], "a", 1), OUTCOME_NOT_FOUND);
        put(MODE_SET, "a", "old", 0);
        assert_int_equal(compare_and_put(modes[i], "a", 1), OUTCOME_EXISTS);
        assert_held("a", "old");
        assert_int_equal(compare_and_put(modes[i], "a", token_of("a")),
                         OUTCOME_STORED);
        assert_held("a", "new");
    }
}

static void a_token_is_honoured_when_extending(void **state)
{
    static const enum command_mode modes[] = {MODE_APPEND, MODE_PREPEND};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        drop("a");
        assert_int_equal(compare_and_put(modes[i], "a", 1), OUTCOME_NOT_STORED);
        put(MODE_SET, "a", "", 0);
        assert_int_equal(compare_and_put(modes[i], "a", 1), OUTCOME_EXISTS);
        assert_held("a", "");
        assert_int_equal(compare_and_put(modes[i], "a", token_of("a")),
                         OUTCOME_STORED);
        assert_held("a", "new");
    }
}

static void every_change_draws_a_larger_token(void **state)
{
    uint64_t last = 0;

    (void)state;
    for (unsigned step = 0; step < 7; step++) {
        switch (step) {
        case 0:
            assert_int_equal(put(MODE_ADD, "a", "1", 0), OUTCOME_STORED);
            break;
        case 1:
            assert_int_equal(put(MODE_SET, "a", "1", 0), OUTCOME_STORED);
            break;
        case 2:
            assert_int_equal(put(MODE_REPLACE, "a", "1", 0), OUTCOME_STORED);
            break;
        case 3:
            assert_int_equal(put(MODE_APPEND, "a", "1", 0), OUTCOME_STORED);
            break;
        case 4:
            assert_int_equal(put(MODE_PREPEND, "a", "1", 0), OUTCOME_STORED);
            break;
        case 5:
            assert_int_equal(increment("a", 0).kind, OUTCOME_NUMBER);
            break;
        default:
            assert_int_equal(compare_and_put(MODE_SET, "a", last),
                             OUTCOME_STORED);
            break;
        }
        assert_true(token_of("a") > last);
        last = token_of("a");
    }
}

static void reads_and_touches_keep_the_token(void **state)
{
    (void)state;
    put(MODE_SET, "a", "x", 0);
    uint64_t token = token_of("a");
    assert_int_equal(touch("a", 100), OUTCOME_TOUCHED);
    assert_true(get_and_touch("a", 200).token == token);
    assert_int_equal(put(MODE_ADD, "a", "y", 0), OUTCOME_NOT_STORED);
    assert_true(token_of("a") == token);
}

static void a_success_tells_the_token_that_the_item_has(void **state)
{
    (void)state;
    struct outcome outcome = run(storing(MODE_SET, "a", "1", 0));
    assert_true(outcome.token == token_of("a"));
    outcome = run(storing(MODE_APPEND, "a", "1", 0));
    assert_true(outcome.token == token_of("a"));
    outcome = increment("a", 1);
    assert_true(outcome.token == token_of("a"));
}

/* ---- removing ---- */

static void a_delete_is_done_once(void **state)
{
    (void)state;
    assert_int_equal(drop("a"), OUTCOME_NOT_FOUND);
    put(MODE_SET, "a", "x", 0);
    assert_int_equal(drop("a"), OUTCOME_DELETED);
    assert_gone("a");
    assert_int_equal(drop("a"), OUTCOME_NOT_FOUND);
}

static void a_delete_may_compare(void **state)
{
    struct command command = {
        .kind = COMMAND_REMOVE, .key = SPAN("a"), .has_compare = true};

    (void)state;
    command.compare = 1;
    assert_int_equal(run(command).kind, OUTCOME_NOT_FOUND);
    put(MODE_SET, "a", "x", 0);
    assert_int_equal(run(command).kind, OUTCOME_EXISTS);
    assert_held("a", "x");
    command.compare = token_of("a");
    assert_int_equal(run(command).kind, OUTCOME_DELETED);
    assert_gone("a");
}

/* ---- arithmetic ---- */

static void counting_up_wraps_at_64_bits(void **state)
{
    (void)state;
    put(MODE_SET, "n", "18446744073709551614", 0);
    assert_true(increment("n", 1).number == UINT64_MAX);
    assert_held("n", "18446744073709551615");
    assert_true(increment("n", 1).number == 0);
    assert_held("n", "0");
    assert_true(increment("n", UINT64_MAX).number == UINT64_MAX);
    assert_true(increment("n", 10).number == 9);
}

static void counting_down_stops_at_zero(void **state)
{
    (void)state;
    put(MODE_SET, "n", "5", 0);
    assert_true(decrement("n", 5).number == 0);
    assert_true(decrement("n", 1).number == 0);
    put(MODE_SET, "n", "5", 0);
    assert_true(decrement("n", 6).number == 0);
    put(MODE_SET, "n", "18446744073709551615", 0);
    assert_true(decrement("n", UINT64_MAX).number == 0);
    put(MODE_SET, "n", "5", 0);
    assert_true(decrement("n", UINT64_MAX).number == 0);
}

static void a_number_grows_and_shrinks_with_its_digits(void **state)
{
    (void)state;
    put(MODE_SET, "n", "99", 0);
    assert_true(increment("n", 1).number == 100);
    assert_held("n", "100");
    assert_true(decrement("n", 1).number == 99);
    struct outcome held = get("n");
    /* memcached pads with blanks on the right; both will do. */
    assert_true(held.value.length == 2 || held.value.length == 3);
    assert_memory_equal(held.value.data, "99 ", held.value.length);
    assert_true(increment("n", 1).number == 100);
}

static void what_is_no_number_is_left_alone(void **state)
{
    static const char *const others[] = {"",
                                         "x",
                                         "-1",
                                         "+1",
                                         "1x",
                                         "1.5",
                                         " ",
                                         "0x10",
                                         "18446744073709551616",
                                         "99999999999999999999",
                                         "999999999999999999999"};

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        put(MODE_SET, "n", others[i], 0);
        assert_int_equal(increment("n", 1).kind, OUTCOME_NON_NUMERIC);
        assert_int_equal(decrement("n", 1).kind, OUTCOME_NON_NUMERIC);
        assert_held("n", others[i]);
    }
}

static void blanks_and_zeros_around_a_number_are_no_harm(void **state)
{
    static const char *const sevens[] = {
        "7", "07", "00000000000000000007", " 7", "7 ", "7 of nine", "\t7"};

    (void)state;
    for (size_t i = 0; i < sizeof(sevens) / sizeof(sevens[0]); i++) {
        put(MODE_SET, "n", sevens[i], 0);
        assert_true(increment("n", 1).number == 8);
    }
}

static void counting_keeps_flags_and_life(void **state)
{
    struct command set = storing(MODE_SET, "n", "9", 100);

    (void)state;
    set.flags = 77;
    run(set);
    increment("n", 1);
    assert_int_equal(get("n").flags, 77);
    decrement("n", 1);
    assert_int_equal(get("n").flags, 77);
    pass(99);
    assert_int_equal(get("n").kind, OUTCOME_HIT);
    pass(1);
    assert_gone("n");
}

static void counting_what_is_absent_creates_only_where_asked(void **state)
{
    struct command command = counting(MODE_INCREMENT, "n", 5);

    (void)state;
    assert_int_equal(run(command).kind, OUTCOME_NOT_FOUND);
    assert_gone("n");
    command.creates = true;
    command.initial = 40;
    command.exptime = 10;
    struct outcome outcome = run(command);
    assert_int_equal(outcome.kind, OUTCOME_NUMBER);
    /* The initial value is stored as it is, the delta not applied. */
    assert_true(outcome.number == 40);
    assert_true(outcome.token == token_of("n"));
    assert_held("n", "40");
    assert_true(run(command).number == 45);
    pass(10);
    assert_gone("n");
}

static void what_is_created_dead_is_counted_and_not_kept(void **state)
{
    struct command command = counting(MODE_DECREMENT, "n", 5);

    (void)state;
    command.creates = true;
    command.initial = 40;
    command.exptime = DAYS_30 + 1;
    assert_true(run(command).number == 40);
    assert_gone("n");
    assert_int_equal(items(), 0);
}

static void counting_may_compare(void **state)
{
    struct command command = counting(MODE_INCREMENT, "n", 5);

    (void)state;
    put(MODE_SET, "n", "1", 0);
    command.has_compare = true;
    command.compare = 1;
    assert_int_equal(run(command).kind, OUTCOME_EXISTS);
    assert_held("n", "1");
    command.compare = token_of("n");
    assert_true(run(command).number == 6);
}

/* ---- values that arrive in pieces ---- */

static void assert_large(size_t bytes, uint8_t filler)
{
    struct outcome outcome = get("a");

    assert_int_equal(outcome.kind, OUTCOME_HIT);
    assert_int_equal(outcome.value.length, bytes);
    for (size_t i = 0; i < bytes; i++)
        assert_int_equal(outcome.value.data[i], filler);
}

static void a_value_in_pieces_is_stored_like_any(void **state)
{
    struct command set = storing_large(MODE_SET, 60000);

    (void)state;
    set.flags = 5;
    set.exptime = 100;
    assert_int_equal(run_reserved(set, 'x').kind, OUTCOME_STORED);
    assert_large(60000, 'x');
    assert_int_equal(get("a").flags, 5);
    assert_int_equal(run_reserved(storing_large(MODE_ADD, 60000), 'y').kind,
                     OUTCOME_NOT_STORED);
    assert_large(60000, 'x');
    assert_int_equal(run_reserved(storing_large(MODE_REPLACE, 60001), 'z').kind,
                     OUTCOME_STORED);
    assert_large(60001, 'z');
}

static void a_value_in_pieces_extends_like_any(void **state)
{
    (void)state;
    assert_int_equal(run_reserved(storing_large(MODE_APPEND, 30000), 'x').kind,
                     OUTCOME_NOT_STORED);
    run_reserved(storing_large(MODE_SET, 30000), 'x');
    assert_int_equal(run_reserved(storing_large(MODE_APPEND, 30000), 'x').kind,
                     OUTCOME_STORED);
    assert_large(60000, 'x');
    assert_int_equal(run_reserved(storing_large(MODE_PREPEND, 5000), 'x').kind,
                     OUTCOME_STORED);
    assert_large(65000, 'x');
    assert_int_equal(run_reserved(storing_large(MODE_PREPEND, 536), 'x').kind,
                     OUTCOME_NOT_STORED);
    assert_large(65000, 'x');
}

static void a_value_in_pieces_may_be_refused_and_dead(void **state)
{
    struct command broken = storing_large(MODE_SET, 60000);
    struct command dead = storing_large(MODE_SET, 60000);

    (void)state;
    broken.block_fault = BLOCK_UNTERMINATED;
    dead.exptime = -1;
    put(MODE_SET, "a", "old", 0);
    assert_int_equal(run_reserved(broken, 'x').kind, OUTCOME_UNTERMINATED);
    assert_held("a", "old");
    assert_int_equal(run_reserved(dead, 'x').kind, OUTCOME_STORED);
    assert_gone("a");
    assert_int_equal(items(), 0);
}

static void a_cas_in_pieces_compares_when_it_is_whole(void **state)
{
    struct command cas = storing_large(MODE_SET, 60000);

    (void)state;
    cas.has_compare = true;
    cas.compare = 1;
    assert_int_equal(run_reserved(cas, 'x').kind, OUTCOME_NOT_FOUND);
    put(MODE_SET, "a", "old", 0);
    assert_int_equal(run_reserved(cas, 'x').kind, OUTCOME_EXISTS);
    assert_held("a", "old");
    cas.compare = token_of("a");
    assert_int_equal(run_reserved(cas, 'x').kind, OUTCOME_STORED);
    assert_large(60000, 'x');
}

/* ---- out of memory ---- */

static void a_full_store_says_so_and_keeps_what_it_has(void **state)
{
    char key[32];

    (void)state;
    unsigned count = fill(150);
    assert_int_equal(put(MODE_ADD, "another", "", 0), OUTCOME_STORED);
    count = fill(0);
    assert_int_equal(put(MODE_ADD, "a-new-one", "x", 0), OUTCOME_NO_MEMORY);
    assert_gone("a-new-one");
    for (unsigned i = 0; i < count; i++) {
        snprintf(key, sizeof(key), "%07u", i);
        assert_int_equal(get(key).kind, OUTCOME_HIT);
    }
}

static void without_memory_only_a_set_drops_the_old_value(void **state)
{
    static const enum command_mode modes[] = {MODE_REPLACE, MODE_APPEND,
                                              MODE_PREPEND, MODE_SET};
    char large[2000];

    (void)state;
    put(MODE_SET, "a", "old", 0);
    fill(0);
    memset(large, 'l', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    for (size_t i = 0; i < 4; i++) {
        assert_held("a", "old");
        assert_int_equal(put(modes[i], "a", large, 0), OUTCOME_NO_MEMORY);
    }
    assert_gone("a");
}

static void without_memory_a_value_in_pieces_is_refused_at_once(void **state)
{
    struct command set = storing_large(MODE_SET, 60000);
    struct command add = storing_large(MODE_ADD, 60000);
    struct store_reservation reservation;
    struct execution execution = begin();

    (void)state;
    put(MODE_SET, "a", "old", 0);
    fill(0);
    uint64_t before = counted(&counters, COUNTER_STORE_NO_MEMORY);
    set.hash = add.hash = store_hash(store, set.key);
    assert_false(command_reserve(&add, &execution, &reservation));
    assert_int_equal(execution.outcome.kind, OUTCOME_NO_MEMORY);
    assert_held("a", "old");
    assert_false(command_reserve(&set, &execution, &reservation));
    assert_int_equal(execution.outcome.kind, OUTCOME_NO_MEMORY);
    assert_gone("a");
    assert_int_equal(counted(&counters, COUNTER_STORE_NO_MEMORY), before + 2);
}

static void with_eviction_there_is_always_memory(void **state)
{
    static char text[30000];
    char key[32];

    (void)state;
    memset(text, 'e', sizeof(text) - 1);
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(key, sizeof(key), "key-%u", i);
        text[i % 29000 + 10] = '\0';
        assert_int_equal(put(MODE_SET, key, text, 0), OUTCOME_STORED);
        text[i % 29000 + 10] = 'e';
    }
    struct command large = storing_large(MODE_SET, 65000);
    for (unsigned i = 0; i < 200; i++) {
        snprintf(key, sizeof(key), "large-%u", i);
        large.key = span_of_string(key);
        assert_int_equal(run_reserved(large, 'x').kind, OUTCOME_STORED);
    }
}

/* ---- who executes ---- */

static void only_commands_on_the_replica_are_executed(void **state)
{
    static const enum command_kind executed[] = {
        COMMAND_RETRIEVE,   COMMAND_STORE, COMMAND_REMOVE,
        COMMAND_ARITHMETIC, COMMAND_TOUCH, COMMAND_FLUSH};
    static const enum command_kind others[] = {
        COMMAND_REFUSED, COMMAND_VERSION, COMMAND_OPERATOR,
        COMMAND_STATS,   COMMAND_NOOP,    COMMAND_QUIT};

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        assert_true(command_is_executed(executed[i]));
        assert_false(command_is_executed(others[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STORE(a_set_stores_and_overwrites),
        ON_STORE(an_add_stores_only_what_is_not_there),
        ON_STORE(an_add_that_fails_is_a_use_of_the_item),
        ON_STORE(replace_append_and_prepend_need_an_item),
        ON_STORE(what_is_extended_keeps_its_flags_and_its_life),
        ON_STORE(an_item_may_grow_to_the_limit_and_not_beyond),
        ON_STORE(of_what_is_too_large_only_a_set_drops_the_old_value),
        ON_STORE(an_unterminated_block_changes_nothing),
        ON_STORE(a_cas_stores_only_over_the_state_it_saw),
        ON_STORE(a_token_of_zero_matches_nothing),
        ON_STORE(a_token_makes_add_and_replace_a_cas),
        ON_STORE(a_token_is_honoured_when_extending),
        ON_STORE(every_change_draws_a_larger_token),
        ON_STORE(reads_and_touches_keep_the_token),
        ON_STORE(a_success_tells_the_token_that_the_item_has),
        ON_STORE(a_delete_is_done_once),
        ON_REPLICA(a_delete_is_done_once),
        ON_STORE(a_delete_may_compare),
        ON_STORE(counting_up_wraps_at_64_bits),
        ON_STORE(counting_down_stops_at_zero),
        ON_STORE(a_number_grows_and_shrinks_with_its_digits),
        ON_STORE(what_is_no_number_is_left_alone),
        ON_STORE(blanks_and_zeros_around_a_number_are_no_harm),
        ON_STORE(counting_keeps_flags_and_life),
        ON_STORE(counting_what_is_absent_creates_only_where_asked),
        ON_STORE(what_is_created_dead_is_counted_and_not_kept),
        ON_STORE(counting_may_compare),
        ON_STORE(a_value_in_pieces_is_stored_like_any),
        ON_STORE(a_value_in_pieces_extends_like_any),
        ON_STORE(a_value_in_pieces_may_be_refused_and_dead),
        ON_STORE(a_cas_in_pieces_compares_when_it_is_whole),
        ON_FULL_STORE(a_full_store_says_so_and_keeps_what_it_has),
        ON_FULL_STORE(without_memory_only_a_set_drops_the_old_value),
        ON_FULL_STORE(without_memory_a_value_in_pieces_is_refused_at_once),
        ON_STORE(with_eviction_there_is_always_memory),
        ON_STORE(only_commands_on_the_replica_are_executed),
    };

    return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
