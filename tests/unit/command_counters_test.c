/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What commands count: as memcached does, since monitors add and subtract.
 */
#include "tests/unit/customer.h"

#define COUNTS_MAX 4

/* ---- counters ---- */

struct tally {
    enum counter counter;
    uint64_t amount;
};

/* What `command` adds to the counters, and that it adds to no other. */
static void assert_counts(struct command command, enum outcome_kind kind,
                          const struct tally expected[COUNTS_MAX])
{
    memset(&counters, 0, sizeof(counters));
    assert_int_equal(run(command).kind, kind);
    for (unsigned counter = 0; counter < COUNTERS; counter++) {
        uint64_t amount = 0;
        for (size_t i = 0; i < COUNTS_MAX; i++) {
            if (expected[i].counter == counter)
                amount += expected[i].amount;
        }
        assert_int_equal(counted(&counters, (enum counter)counter), amount);
    }
}

#define COUNTS(...) ((const struct tally[COUNTS_MAX]){__VA_ARGS__})

static void a_get_counts_as_a_hit_or_a_miss(void **state)
{
    struct command command = {.kind = COMMAND_RETRIEVE, .key = SPAN("a")};

    (void)state;
    assert_counts(command, OUTCOME_MISS,
                  COUNTS({COUNTER_CMD_GET, 1}, {COUNTER_GET_MISSES, 1}));
    put(MODE_SET, "a", "x", 5);
    assert_counts(command, OUTCOME_HIT,
                  COUNTS({COUNTER_CMD_GET, 1}, {COUNTER_GET_HITS, 1}));
    pass(5);
    assert_counts(command, OUTCOME_MISS,
                  COUNTS({COUNTER_CMD_GET, 1}, {COUNTER_GET_MISSES, 1},
                         {COUNTER_GET_EXPIRED, 1}));
    /* It is found dead once. */
    assert_counts(command, OUTCOME_MISS,
                  COUNTS({COUNTER_CMD_GET, 1}, {COUNTER_GET_MISSES, 1}));
    put(MODE_SET, "a", "x", 0);
    flush(0);
    assert_counts(command, OUTCOME_MISS,
                  COUNTS({COUNTER_CMD_GET, 1}, {COUNTER_GET_MISSES, 1},
                         {COUNTER_GET_FLUSHED, 1}));
}

static void a_get_and_touch_counts_as_a_touch(void **state)
{
    struct command command = {
        .kind = COMMAND_RETRIEVE, .touches = true, .key = SPAN("a")};

    (void)state;
    assert_counts(command, OUTCOME_MISS,
                  COUNTS({COUNTER_CMD_TOUCH, 1}, {COUNTER_TOUCH_MISSES, 1}));
    put(MODE_SET, "a", "x", 0);
    assert_counts(command, OUTCOME_HIT,
                  COUNTS({COUNTER_CMD_TOUCH, 1}, {COUNTER_TOUCH_HITS, 1}));
    command.kind = COMMAND_TOUCH;
    assert_counts(command, OUTCOME_TOUCHED,
                  COUNTS({COUNTER_CMD_TOUCH, 1}, {COUNTER_TOUCH_HITS, 1}));
    command.key = SPAN("b");
    assert_counts(command, OUTCOME_NOT_FOUND,
                  COUNTS({COUNTER_CMD_TOUCH, 1}, {COUNTER_TOUCH_MISSES, 1}));
}

static void every_store_that_had_its_data_counts_as_a_set(void **state)
{
    (void)state;
    assert_counts(storing(MODE_SET, "a", "x", 0), OUTCOME_STORED,
                  COUNTS({COUNTER_CMD_SET, 1}, {COUNTER_ITEMS_STORED, 1}));
    assert_counts(storing(MODE_APPEND, "a", "x", 0), OUTCOME_STORED,
                  COUNTS({COUNTER_CMD_SET, 1}, {COUNTER_ITEMS_STORED, 1}));
    assert_counts(storing(MODE_ADD, "a", "x", 0), OUTCOME_NOT_STORED,
                  COUNTS({COUNTER_CMD_SET, 1}));
    assert_counts(storing(MODE_REPLACE, "b", "x", 0), OUTCOME_NOT_STORED,
                  COUNTS({COUNTER_CMD_SET, 1}));
    struct command broken = storing(MODE_SET, "a", "x", 0);
    broken.block_fault = BLOCK_UNTERMINATED;
    assert_counts(broken, OUTCOME_UNTERMINATED, COUNTS({COUNTER_CMD_SET, 1}));
}

static void what_is_too_large_counts_as_that_alone(void **state)
{
    struct command large = storing(MODE_SET, "a", "", 0);

    (void)state;
    large.block_fault = BLOCK_TOO_LARGE;
    assert_counts(large, OUTCOME_TOO_LARGE,
                  COUNTS({COUNTER_STORE_TOO_LARGE, 1}));
    large.has_compare = true;
    assert_counts(large, OUTCOME_TOO_LARGE,
                  COUNTS({COUNTER_STORE_TOO_LARGE, 1}));
}

static void a_cas_counts_as_a_set_and_as_what_came_of_it(void **state)
{
    struct command cas = storing(MODE_SET, "a", "x", 0);

    (void)state;
    cas.has_compare = true;
    cas.compare = 1;
    assert_counts(cas, OUTCOME_NOT_FOUND,
                  COUNTS({COUNTER_CMD_SET, 1}, {COUNTER_CAS_MISSES, 1}));
    put(MODE_SET, "a", "x", 0);
    assert_counts(cas, OUTCOME_EXISTS,
                  COUNTS({COUNTER_CMD_SET, 1}, {COUNTER_CAS_BADVAL, 1}));
    cas.compare = token_of("a");
    assert_counts(cas, OUTCOME_STORED,
                  COUNTS({COUNTER_CMD_SET, 1}, {COUNTER_CAS_HITS, 1},
                         {COUNTER_ITEMS_STORED, 1}));
}

static void counting_counts_hits_and_misses_and_no_set(void **state)
{
    struct command up = counting(MODE_INCREMENT, "n", 1);
    struct command down = counting(MODE_DECREMENT, "n", 1);

    (void)state;
    assert_counts(up, OUTCOME_NOT_FOUND, COUNTS({COUNTER_INCR_MISSES, 1}));
    assert_counts(down, OUTCOME_NOT_FOUND, COUNTS({COUNTER_DECR_MISSES, 1}));
    put(MODE_SET, "n", "5", 0);
    assert_counts(up, OUTCOME_NUMBER, COUNTS({COUNTER_INCR_HITS, 1}));
    assert_counts(down, OUTCOME_NUMBER, COUNTS({COUNTER_DECR_HITS, 1}));
    put(MODE_SET, "n", "x", 0);
    assert_counts(up, OUTCOME_NON_NUMERIC, COUNTS({0, 0}));
}

static void what_counting_creates_is_an_item_and_no_miss(void **state)
{
    struct command up = counting(MODE_INCREMENT, "n", 1);

    (void)state;
    up.creates = true;
    assert_counts(up, OUTCOME_NUMBER, COUNTS({COUNTER_ITEMS_STORED, 1}));
}

static void what_counting_cannot_create_is_no_item(void **state)
{
    struct command up = counting(MODE_INCREMENT, "a-number", 1);

    (void)state;
    fill(0);
    up.creates = true;
    assert_counts(up, OUTCOME_NO_MEMORY, COUNTS({0, 0}));
    assert_gone("a-number");
}

static void without_memory_a_store_counts_as_that_alone(void **state)
{
    (void)state;
    fill(0);
    assert_counts(storing(MODE_SET, "a-new-one", "x", 0), OUTCOME_NO_MEMORY,
                  COUNTS({COUNTER_STORE_NO_MEMORY, 1}));
}

static void deletes_and_flushes_count(void **state)
{
    struct command command = {.kind = COMMAND_REMOVE, .key = SPAN("a")};

    (void)state;
    assert_counts(command, OUTCOME_NOT_FOUND,
                  COUNTS({COUNTER_DELETE_MISSES, 1}));
    put(MODE_SET, "a", "x", 0);
    assert_counts(command, OUTCOME_DELETED, COUNTS({COUNTER_DELETE_HITS, 1}));
    assert_counts((struct command){.kind = COMMAND_FLUSH}, OUTCOME_OK,
                  COUNTS({COUNTER_CMD_FLUSH, 1}));
    assert_counts(
        (struct command){.kind = COMMAND_FLUSH, .refusal = REFUSAL_EXPTIME},
        OUTCOME_REFUSED, COUNTS({COUNTER_CMD_FLUSH, 1}));
}

static void whoever_asks_of_the_dead_counts_that(void **state)
{
    const struct {
        struct command command;
        enum outcome_kind kind;
        enum counter counters[3];
        size_t counters_count;
    } rows[] = {
        {{.kind = COMMAND_TOUCH, .key = SPAN("a")},
         OUTCOME_NOT_FOUND,
         {COUNTER_CMD_TOUCH, COUNTER_TOUCH_MISSES},
         2},
        {{.kind = COMMAND_RETRIEVE, .touches = true, .key = SPAN("a")},
         OUTCOME_MISS,
         {COUNTER_CMD_TOUCH, COUNTER_TOUCH_MISSES},
         2},
        {{.kind = COMMAND_REMOVE, .key = SPAN("a")},
         OUTCOME_NOT_FOUND,
         {COUNTER_DELETE_MISSES},
         1},
        {counting(MODE_INCREMENT, "a", 1),
         OUTCOME_NOT_FOUND,
         {COUNTER_INCR_MISSES},
         1},
        {storing(MODE_REPLACE, "a", "y", 0),
         OUTCOME_NOT_STORED,
         {COUNTER_CMD_SET},
         1},
        {storing(MODE_SET, "a", "y", 0),
         OUTCOME_STORED,
         {COUNTER_CMD_SET, COUNTER_ITEMS_STORED},
         2},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (unsigned is_flushed = 0; is_flushed < 2; is_flushed++) {
            struct tally expected[COUNTS_MAX] = {
                {is_flushed ? COUNTER_GET_FLUSHED : COUNTER_GET_EXPIRED, 1}};
            for (size_t at = 0; at < rows[i].counters_count; at++)
                expected[1 + at] = (struct tally){rows[i].counters[at], 1};
            put(MODE_SET, "a", "x", is_flushed ? 0 : 5);
            if (is_flushed)
                flush(0);
            else
                pass(5);
            assert_counts(rows[i].command, rows[i].kind, expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STORE(a_get_counts_as_a_hit_or_a_miss),
        ON_STORE(a_get_and_touch_counts_as_a_touch),
        ON_STORE(whoever_asks_of_the_dead_counts_that),
        ON_STORE(every_store_that_had_its_data_counts_as_a_set),
        ON_STORE(what_is_too_large_counts_as_that_alone),
        ON_STORE(a_cas_counts_as_a_set_and_as_what_came_of_it),
        ON_STORE(counting_counts_hits_and_misses_and_no_set),
        ON_STORE(what_counting_creates_is_an_item_and_no_miss),
        ON_FULL_STORE(what_counting_cannot_create_is_no_item),
        ON_FULL_STORE(without_memory_a_store_counts_as_that_alone),
        ON_STORE(deletes_and_flushes_count),
    };

    return cmocka_run_group_tests_name("command and counters", tests, NULL,
                                       NULL);
}
