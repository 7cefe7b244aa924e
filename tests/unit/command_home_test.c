/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which commands are left to a home, by what is here; and what a home marks,
 * so that the next change of it comes home, too.
 */
#include "tests/unit/customer.h"

#include "server/store/item.h"

struct asked {
    enum homing homing;
    bool is_home;
    enum asking asking;
};

static const struct asked by_home = {HOMING_ATOMIC, true, ASK_NEVER};
static const struct asked by_other = {HOMING_ATOMIC, false, ASK_NEVER};
static const struct asked by_other_of_all = {HOMING_ALL, false, ASK_NEVER};
static const struct asked out_of_touch = {HOMING_ATOMIC, false, ASK_ALWAYS};

/* The item's marks afterwards, or -1: it went home, and nothing was done. */
static int marks_after(struct command command, struct asked asked)
{
    struct execution execution = begin();
    uint64_t items_before = items();

    execution.replicates = true;
    execution.homing = asked.homing;
    execution.is_home = asked.is_home;
    execution.asking = asked.asking;
    command.hash = store_hash(store, command.key);
    bool goes_home = command_goes_home(&command, &execution);
    command_execute(&command, &execution);
    assert_int_equal(execution.goes_home, goes_home);
    int marks = 0;
    if (execution.goes_home) {
        assert_int_equal(execution.mutation.kind, MUTATION_NONE);
        assert_int_equal(items(), items_before);
        assert_false(execution.is_held);
        marks = -1;
    } else if (execution.is_held && execution.hold.item != NULL) {
        marks = item_marks(execution.hold.item);
    }
    command_finish(&execution);
    return marks;
}

static bool goes_home(struct command command)
{
    return marks_after(command, by_other) == -1;
}

static struct command retrieving(struct command command)
{
    command.kind = COMMAND_RETRIEVE;
    command.key = SPAN("a");
    return command;
}

static struct command removing(void)
{
    return (struct command){.kind = COMMAND_REMOVE, .key = SPAN("a")};
}

static struct command touching(void)
{
    return (struct command){
        .kind = COMMAND_TOUCH, .key = SPAN("a"), .exptime = 100};
}

static struct command comparing(struct command command)
{
    command.has_compare = true;
    command.compare = 1;
    return command;
}

static struct command of_lock(struct command command)
{
    command.is_of_lock = true;
    return command;
}

static void what_depends_on_the_item_goes_home(void **state)
{
    static const enum command_mode modes[] = {MODE_ADD, MODE_REPLACE,
                                              MODE_APPEND, MODE_PREPEND};

    (void)state;
    for (int is_there = 0; is_there < 2; is_there++) {
        for (size_t i = 0; i < 4; i++)
            assert_true(goes_home(storing(modes[i], "a", "1", 0)));
        assert_true(goes_home(comparing(storing(MODE_SET, "a", "1", 0))));
        assert_true(goes_home(comparing(removing())));
        assert_true(goes_home(counting(MODE_INCREMENT, "a", 1)));
        assert_true(goes_home(counting(MODE_DECREMENT, "a", 1)));
        put(MODE_SET, "a", "1", 0);
    }
}

static void what_does_not_is_done_here(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        assert_false(goes_home(retrieving((struct command){0})));
        assert_false(goes_home(retrieving((struct command){.touches = true})));
        assert_false(goes_home(touching()));
        assert_false(goes_home(removing()));
        assert_false(goes_home(storing(MODE_SET, "a", "1", 0)));
        assert_held("a", "1");
    }
}

static void under_all_each_change_goes_home(void **state)
{
    struct command minting = storing(MODE_SET, "a", "1", 0);

    (void)state;
    minting.mints = true;
    assert_int_equal(marks_after(minting, by_other_of_all), 0);
    assert_int_equal(marks_after(removing(), by_other_of_all), -1);
    assert_int_equal(marks_after(touching(), by_other_of_all), -1);
    assert_int_equal(
        marks_after(storing(MODE_SET, "a", "1", 0), by_other_of_all), -1);
    assert_int_equal(marks_after(retrieving((struct command){.touches = true}),
                                 by_other_of_all),
                     -1);
    assert_int_equal(
        marks_after(retrieving((struct command){0}), by_other_of_all), 0);
}

static void each_change_of_a_lock_goes_home(void **state)
{
    (void)state;
    assert_true(goes_home(of_lock(storing(MODE_SET, "a", "1", 0))));
    assert_true(goes_home(of_lock(removing())));
    assert_true(goes_home(of_lock(touching())));
    assert_false(goes_home(of_lock(retrieving((struct command){0}))));
}

static void a_grave_that_may_be_out_of_date_is_asked_about(void **state)
{
    struct command touching_get = retrieving((struct command){.touches = true});

    (void)state;
    put(MODE_SET, "a", "1", 0);
    assert_int_equal(marks_after(removing(), by_other), 0);
    assert_false(goes_home(removing()));
    assert_false(goes_home(touching()));
    assert_int_equal(marks_after(removing(), out_of_touch), -1);
    assert_int_equal(marks_after(touching(), out_of_touch), -1);
    assert_int_equal(marks_after(touching_get, out_of_touch), -1);
    assert_int_equal(marks_after(storing(MODE_SET, "a", "1", 0), out_of_touch),
                     0);
}

static void what_is_too_large_goes_where_it_drops_something(void **state)
{
    struct command large = storing(MODE_SET, "a", "", 0);

    (void)state;
    large.block_fault = BLOCK_TOO_LARGE;
    assert_false(goes_home(large));
    assert_true(goes_home(of_lock(large)));
    large.mode = MODE_ADD;
    assert_false(goes_home(of_lock(large)));
    large.block_fault = BLOCK_UNTERMINATED;
    assert_false(goes_home(of_lock(large)));
}

static void what_a_home_made_is_changed_by_homes(void **state)
{
    (void)state;
    assert_int_equal(marks_after(storing(MODE_ADD, "a", "1", 0), by_home),
                     ITEM_HOMED);
    assert_true(goes_home(storing(MODE_SET, "a", "2", 0)));
    assert_true(goes_home(removing()));
    assert_true(goes_home(touching()));
    assert_true(goes_home(retrieving((struct command){.touches = true})));
    assert_false(goes_home(retrieving((struct command){0})));
    assert_int_equal(marks_after(touching(), by_home), ITEM_HOMED);
    assert_int_equal(marks_after(counting(MODE_INCREMENT, "a", 1), by_home),
                     ITEM_HOMED);
    assert_int_equal(marks_after(storing(MODE_APPEND, "a", "1", 0), by_home),
                     ITEM_HOMED);
    assert_held("a", "21");
}

static void a_plain_set_at_home_makes_it_ordinary(void **state)
{
    (void)state;
    marks_after(storing(MODE_ADD, "a", "1", 0), by_home);
    assert_int_equal(marks_after(storing(MODE_SET, "a", "2", 0), by_home), 0);
    assert_false(goes_home(storing(MODE_SET, "a", "3", 0)));
    assert_int_equal(marks_after(counting(MODE_INCREMENT, "a", 1), by_home),
                     ITEM_HOMED);
}

static void a_retrieval_goes_home_where_it_decides(void **state)
{
    struct command winning = retrieving((struct command){
        .is_meta = true, .recaches = true, .recache_exptime = 100});
    struct command creating = retrieving((struct command){
        .is_meta = true, .creates = true, .created_exptime = 30});

    (void)state;
    assert_true(goes_home(creating));
    assert_false(goes_home(winning));
    put(MODE_SET, "a", "1", 50);
    assert_false(goes_home(creating));
    assert_true(goes_home(winning));
    assert_int_equal(marks_after(winning, by_home), ITEM_WIN_SENT | ITEM_HOMED);
    /* Somebody has won. */
    assert_false(goes_home(winning));
    assert_true(goes_home(removing()));
}

static void a_stale_item_is_won_at_home(void **state)
{
    struct command invalidating = removing();
    struct command looking = retrieving((struct command){.is_meta = true});

    (void)state;
    put(MODE_SET, "a", "1", 0);
    invalidating.is_meta = true;
    invalidating.invalidates = true;
    assert_int_equal(marks_after(invalidating, by_other), ITEM_STALE);
    assert_true(goes_home(looking));
    marks_after(looking, by_home);
    assert_false(goes_home(looking));
}

/* PHP asks so whether a session is known. */
static void a_probe_changes_nothing_and_is_answered_here(void **state)
{
    struct command probe = storing(MODE_ADD, "a", "", 2678400);

    (void)state;
    assert_false(goes_home(probe));
    assert_int_equal(marks_after(probe, by_home), 0);
    assert_int_equal(items(), 0);
    assert_int_equal(run(probe).kind, OUTCOME_STORED);
    put(MODE_SET, "a", "1", 0);
    assert_false(goes_home(of_lock(probe)));
    assert_int_equal(run(probe).kind, OUTCOME_NOT_STORED);
    assert_held("a", "1");
}

static void without_homes_nothing_is_marked(void **state)
{
    (void)state;
    struct asked by_each = {HOMING_NONE, false, ASK_NEVER};

    assert_int_equal(marks_after(storing(MODE_ADD, "a", "1", 0), by_each), 0);
    assert_int_equal(marks_after(counting(MODE_INCREMENT, "a", 1), by_each), 0);
}

#define ON_REPLICA(test)                                                       \
    cmocka_unit_test_setup_teardown(test, set_up_replicating, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_REPLICA(what_depends_on_the_item_goes_home),
        ON_REPLICA(what_does_not_is_done_here),
        ON_REPLICA(under_all_each_change_goes_home),
        ON_REPLICA(each_change_of_a_lock_goes_home),
        ON_REPLICA(a_grave_that_may_be_out_of_date_is_asked_about),
        ON_REPLICA(what_is_too_large_goes_where_it_drops_something),
        ON_REPLICA(what_a_home_made_is_changed_by_homes),
        ON_REPLICA(a_plain_set_at_home_makes_it_ordinary),
        ON_REPLICA(a_retrieval_goes_home_where_it_decides),
        ON_REPLICA(a_stale_item_is_won_at_home),
        ON_REPLICA(a_probe_changes_nothing_and_is_answered_here),
        ON_REPLICA(without_homes_nothing_is_marked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
