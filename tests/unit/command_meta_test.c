/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What only meta commands do: recaching, items that are stale or emptied, and
 * tokens that clients choose; and what of it others are told.
 */
#include "tests/unit/customer.h"

#define A .is_meta = true, .key = SPAN("a")

static struct outcome meta_get(struct span tokens, struct command command)
{
    command.kind = COMMAND_RETRIEVE;
    command.is_meta = true;
    command.key = SPAN("a");
    command.tokens = tokens;
    return run(command);
}

static struct outcome look(void)
{
    return meta_get(SPAN(""), (struct command){0});
}

static struct outcome invalidate(void)
{
    return run(
        (struct command){.kind = COMMAND_REMOVE, A, .invalidates = true});
}

static struct outcome get_or_create(int64_t exptime)
{
    return meta_get(SPAN("N"), (struct command){.creates = true,
                                                .created_exptime = exptime});
}

/* ---- recaching ---- */

static void of_a_missing_item_one_client_wins(void **state)
{
    (void)state;
    struct outcome first = get_or_create(30);
    assert_int_equal(first.kind, OUTCOME_FOUND);
    assert_true(first.item.is_won && first.item.is_created);
    assert_false(first.item.was_won);
    struct outcome second = get_or_create(30);
    assert_false(second.item.is_won || second.item.is_created);
    assert_true(second.item.was_won);
    assert_held("a", "");
    assert_int_equal(put(MODE_SET, "a", "new", 0), OUTCOME_STORED);
    assert_false(look().item.was_won);
}

static void what_was_created_dies_in_its_time(void **state)
{
    (void)state;
    get_or_create(30);
    pass(29);
    assert_int_equal(look().kind, OUTCOME_FOUND);
    pass(1);
    assert_int_equal(look().kind, OUTCOME_MISS);
    assert_true(get_or_create(-1).item.is_won);
    assert_gone("a");
}

static void below_the_time_named_one_client_wins(void **state)
{
    struct command recaching = {.recaches = true, .recache_exptime = 30};

    (void)state;
    put(MODE_SET, "a", "value", 60);
    assert_false(meta_get(SPAN("R30"), recaching).item.is_won);
    pass(30);
    assert_false(meta_get(SPAN("R30"), recaching).item.is_won);
    pass(1);
    assert_true(meta_get(SPAN("R30"), recaching).item.is_won);
    struct outcome next = meta_get(SPAN("R30"), recaching);
    assert_true(next.item.was_won && !next.item.is_won);
    put(MODE_SET, "a", "value", 0);
    assert_false(meta_get(SPAN("R30"), recaching).item.is_won);
}

static void flags_act_in_their_order(void **state)
{
    struct command both = {.recaches = true,
                           .recache_exptime = 30,
                           .touches = true,
                           .exptime = 60};

    (void)state;
    put(MODE_SET, "a", "value", 20);
    assert_false(meta_get(SPAN("T60 R30"), both).item.is_won);
    put(MODE_SET, "a", "value", 20);
    assert_true(meta_get(SPAN("R30 T60"), both).item.is_won);
    assert_int_equal(look().item.exptime, START_S + 60);
}

static void what_is_stale_is_won_once(void **state)
{
    (void)state;
    put(MODE_SET, "a", "value", 0);
    uint64_t token = token_of("a");
    assert_int_equal(invalidate().kind, OUTCOME_STORED);
    assert_true(token_of("a") > token);
    token = token_of("a");
    struct outcome first = look();
    assert_true(first.item.was_stale && first.item.is_won);
    struct outcome second = look();
    assert_true(second.item.was_stale && second.item.was_won);
    assert_false(second.item.is_won);
    assert_int_equal(token_of("a"), token);
    invalidate();
    assert_true(look().item.is_won);
    assert_held("a", "value");
}

static void what_was_outdated_is_stored_as_stale(void **state)
{
    struct command late = storing(MODE_SET, "a", "late", 5);

    (void)state;
    put(MODE_SET, "a", "old", 100);
    uint64_t old = token_of("a");
    put(MODE_SET, "a", "newer", 100);
    late.is_meta = true;
    late.has_compare = true;
    late.compare = old;
    assert_int_equal(run(late).kind, OUTCOME_EXISTS);
    late.invalidates = true;
    assert_int_equal(run(late).kind, OUTCOME_STORED);
    struct outcome outcome = look();
    assert_true(outcome.item.was_stale && outcome.item.is_won);
    assert_int_equal(outcome.item.exptime, START_S + 100);
    assert_held("a", "late");
    late.compare = token_of("a") + 1;
    assert_int_equal(run(late).kind, OUTCOME_EXISTS);
}

static void an_emptied_item_is_there(void **state)
{
    (void)state;
    struct command command = storing(MODE_SET, "a", "value", 100);
    command.flags = 7;
    run(command);
    struct outcome outcome = run((struct command){
        .kind = COMMAND_REMOVE, A, .empties = true, .token = 99});
    assert_int_equal(outcome.kind, OUTCOME_DELETED);
    assert_held("a", "");
    outcome = get("a");
    assert_int_equal(outcome.flags, 0);
    assert_int_equal(outcome.token, 99);
    assert_int_equal(look().item.exptime, 0);
}

/* ---- what is known of use ---- */

static void an_unnoticed_retrieval_is_no_use(void **state)
{
    struct command unnoticed = {.is_unnoticed = true};

    (void)state;
    put(MODE_SET, "a", "value", 0);
    pass(10);
    assert_false(meta_get(SPAN("u"), unnoticed).item.was_fetched);
    assert_int_equal(meta_get(SPAN("u"), unnoticed).item.idle_s, 10);
    look();
    assert_true(meta_get(SPAN("u"), unnoticed).item.was_fetched);
    assert_int_equal(meta_get(SPAN("u"), unnoticed).item.idle_s, 0);
    assert_int_equal(run(counting(MODE_INCREMENT, "a", 1)).kind,
                     OUTCOME_NON_NUMERIC);
}

/* ---- tokens ---- */

static void a_chosen_token_is_kept_until_the_next_change(void **state)
{
    struct command chosen = storing(MODE_SET, "a", "5", 0);

    (void)state;
    chosen.is_meta = true;
    chosen.token = 12345;
    assert_int_equal(run(chosen).token, 12345);
    assert_int_equal(token_of("a"), 12345);
    touch("a", 100);
    assert_int_equal(token_of("a"), 12345);
    assert_true(increment("a", 1).token > 12345);
    assert_true(token_of("a") > 12345);
    chosen.mode = MODE_APPEND;
    chosen.token = 7;
    assert_int_equal(run(chosen).token, 7);
    assert_int_equal(token_of("a"), 7);
}

static void a_known_value_is_not_told_again(void **state)
{
    struct command command = {.with_value = true, .has_compare = true};

    (void)state;
    put(MODE_SET, "a", "value", 0);
    command.compare = token_of("a");
    assert_int_equal(meta_get(SPAN("v C"), command).kind, OUTCOME_FOUND);
    command.compare++;
    assert_int_equal(meta_get(SPAN("v C"), command).kind, OUTCOME_HIT);
}

/* ---- large values ---- */

static void a_value_too_large_takes_the_old_one_with_it(void **state)
{
    static const enum command_mode modes[] = {MODE_SET, MODE_ADD, MODE_REPLACE,
                                              MODE_APPEND, MODE_PREPEND};

    (void)state;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        struct command command = storing(modes[i], "a", "", 0);
        put(MODE_SET, "a", "value", 0);
        command.is_meta = true;
        command.block_fault = BLOCK_TOO_LARGE;
        assert_int_equal(run(command).kind, OUTCOME_TOO_LARGE);
        assert_gone("a");
    }
}

/* ---- what others are told ---- */

struct told {
    struct outcome outcome;
    enum mutation_kind mutation;
    uint8_t marks;
    uint64_t version;
    uint64_t stamp;
    uint64_t token;
};

static struct told tell(struct command command, bool is_asked, bool is_certain)
{
    struct execution execution = begin();

    execution.replicates = true;
    execution.is_asked = is_asked;
    execution.is_certain = is_certain;
    command.hash = store_hash(store, command.key);
    command_execute(&command, &execution);
    struct told told = {.outcome = execution.outcome,
                        .mutation = execution.mutation.kind};
    if (execution.is_held && execution.hold.item != NULL) {
        const struct item *item = execution.hold.item;
        told.marks = item_marks(item);
        told.version = item->version;
        told.stamp = item_stamp(item);
        told.token = item_token(item);
    }
    command_finish(&execution);
    return told;
}

static void a_win_is_told_without_a_new_token(void **state)
{
    (void)state;
    struct told stored =
        tell(storing(MODE_SET, "a", "value", 20), false, false);
    assert_int_equal(stored.mutation, MUTATION_CREATE);
    struct command recaching = {.kind = COMMAND_RETRIEVE,
                                A,
                                .tokens = SPAN("R30"),
                                .recaches = true,
                                .recache_exptime = 30};
    struct told won = tell(recaching, false, false);
    assert_true(won.outcome.item.is_won);
    assert_int_equal(won.mutation, MUTATION_UPDATE);
    assert_int_equal(won.marks, ITEM_WIN_SENT);
    assert_int_equal(won.token, stored.token);
    assert_int_equal(won.stamp, stored.stamp);
    assert_true(won.version > stored.version);
    /* Less than anything that is written later. */
    assert_true(won.version - stored.version < UINT64_C(2) << 12);
    assert_int_equal(tell(recaching, false, false).mutation, MUTATION_NONE);
}

static void a_win_with_a_touch_is_told_at_once(void **state)
{
    (void)state;
    struct told stored =
        tell(storing(MODE_SET, "a", "value", 20), false, false);
    struct told won = tell((struct command){.kind = COMMAND_RETRIEVE,
                                            A,
                                            .tokens = SPAN("R30 T60"),
                                            .recaches = true,
                                            .recache_exptime = 30,
                                            .touches = true,
                                            .exptime = 60},
                           false, false);
    assert_int_equal(won.mutation, MUTATION_UPDATE);
    assert_true(won.stamp > stored.stamp);
    assert_int_equal(won.token, stored.token);
    assert_int_equal(look().item.exptime, START_S + 60);
}

static void what_others_may_have_is_not_created(void **state)
{
    struct command creating = {.kind = COMMAND_RETRIEVE,
                               A,
                               .tokens = SPAN("N30"),
                               .creates = true,
                               .created_exptime = 30};

    (void)state;
    struct told told = tell(creating, true, false);
    assert_int_equal(told.outcome.kind, OUTCOME_MISS);
    assert_int_equal(told.mutation, MUTATION_NONE);
    told = tell(creating, true, true);
    assert_int_equal(told.outcome.kind, OUTCOME_FOUND);
    assert_int_equal(told.mutation, MUTATION_CREATE);
    assert_int_equal(told.marks, ITEM_WIN_SENT);
}

static int set_up_full(void **state)
{
    static char text[30000];

    (void)state;
    open_store(false, true);
    memset(text, 'v', sizeof(text) - 1);
    assert_int_equal(put(MODE_SET, "a", text, 20), OUTCOME_STORED);
    fill(30000);
    fill(1000);
    return 0;
}

static void without_memory_it_is_read_and_nobody_wins(void **state)
{
    struct command command = {.kind = COMMAND_RETRIEVE,
                              A,
                              .tokens = SPAN("R30 T60 v"),
                              .with_value = true,
                              .recaches = true,
                              .recache_exptime = 30,
                              .touches = true,
                              .exptime = 60};

    (void)state;
    struct told told = tell(command, false, false);
    assert_int_equal(told.outcome.kind, OUTCOME_HIT);
    assert_int_equal(told.mutation, MUTATION_NONE);
    assert_false(told.outcome.item.is_won);
    assert_int_equal(told.outcome.item.touched_exptime, START_S + 20);
}

static void what_is_invalid_is_told_with_its_value(void **state)
{
    (void)state;
    struct told stored =
        tell(storing(MODE_SET, "a", "value", 20), false, false);
    struct told told = tell(
        (struct command){
            .kind = COMMAND_REMOVE, A, .invalidates = true, .token = 5},
        false, false);
    assert_int_equal(told.mutation, MUTATION_UPDATE);
    assert_int_equal(told.marks, ITEM_STALE);
    assert_int_equal(told.token, 5);
    assert_int_equal(told.stamp, stored.stamp);
    assert_held("a", "value");
}

static void of_a_key_in_base64_the_mark_is_told(void **state)
{
    struct command command = storing(MODE_SET, "a", "5", 0);

    (void)state;
    command.is_meta = true;
    command.key_is_base64 = true;
    assert_int_equal(tell(command, false, false).marks, ITEM_KEY_BASE64);
    command.mode = MODE_APPEND;
    command.key_is_base64 = false;
    assert_int_equal(tell(command, false, false).marks, ITEM_KEY_BASE64);
    assert_int_equal(tell(counting(MODE_INCREMENT, "a", 1), false, false).marks,
                     ITEM_KEY_BASE64);
    assert_int_equal(tell(storing(MODE_SET, "a", "5", 0), false, false).marks,
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STORE(of_a_missing_item_one_client_wins),
        ON_STORE(what_was_created_dies_in_its_time),
        ON_STORE(below_the_time_named_one_client_wins),
        ON_STORE(flags_act_in_their_order),
        ON_STORE(what_is_stale_is_won_once),
        ON_STORE(what_was_outdated_is_stored_as_stale),
        ON_STORE(an_emptied_item_is_there),
        ON_STORE(an_unnoticed_retrieval_is_no_use),
        ON_STORE(a_chosen_token_is_kept_until_the_next_change),
        ON_STORE(a_known_value_is_not_told_again),
        ON_STORE(a_value_too_large_takes_the_old_one_with_it),
        ON_REPLICA(of_a_missing_item_one_client_wins),
        ON_REPLICA(flags_act_in_their_order),
        ON_REPLICA(what_is_stale_is_won_once),
        ON_REPLICA(what_was_outdated_is_stored_as_stale),
        ON_REPLICA(a_chosen_token_is_kept_until_the_next_change),
        ON_REPLICA(a_win_is_told_without_a_new_token),
        ON_REPLICA(a_win_with_a_touch_is_told_at_once),
        ON_REPLICA(what_others_may_have_is_not_created),
        cmocka_unit_test_setup_teardown(
            without_memory_it_is_read_and_nobody_wins, set_up_full, tear_down),
        ON_REPLICA(what_is_invalid_is_told_with_its_value),
        ON_REPLICA(of_a_key_in_base64_the_mark_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
