/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Customer: one client of one small store, without a socket and with a clock
 * of its own; what the tests of the commands have in common.
 */
#ifndef TESTS_UNIT_CUSTOMER_H
#define TESTS_UNIT_CUSTOMER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/command/execute.h"

#define MEGABYTE ((size_t)1024 * 1024)
#define ITEM_BYTES_MAX ((size_t)64 * 1024)
#define START_S UINT64_C(1800000000)
/* Late in its second, so that rounding shows. */
#define START_US (START_S * TIME_US_PER_S + 900000)
#define DAYS_30 2592000

static struct store *store;
static struct onlooker *onlooker;
static struct counters counters;
static time_us now;
/* The value of the last hit. */
static uint8_t value[4 * ITEM_BYTES_MAX];

static inline void open_store(bool evicts, bool replicates)
{
    struct store_settings settings = {.memory_bytes_max = 2 * MEGABYTE,
                                      .item_bytes_max = ITEM_BYTES_MAX,
                                      .evicts = evicts,
                                      .replicates = replicates,
                                      .grave_s = 3600,
                                      .seed = 7};

    store = store_create(&settings);
    assert_non_null(store);
    onlooker = store_add_onlooker(store);
    assert_non_null(onlooker);
    memset(&counters, 0, sizeof(counters));
    now = START_US;
}

static inline int set_up(void **state)
{
    (void)state;
    open_store(true, false);
    return 0;
}

static inline int set_up_without_eviction(void **state)
{
    (void)state;
    open_store(false, false);
    return 0;
}

static inline int set_up_replicating(void **state)
{
    (void)state;
    open_store(true, true);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    store_check(store);
    store_destroy(store);
    return 0;
}

static inline void pass(uint64_t seconds)
{
    now += seconds * TIME_US_PER_S;
}

static inline struct execution begin(void)
{
    return (struct execution){.store = store,
                              .now = now,
                              .counters = &counters,
                              .onlooker = onlooker};
}

static inline struct outcome run(struct command command)
{
    struct execution execution = begin();

    command.hash = store_hash(store, command.key);
    command_execute(&command, &execution);
    struct outcome outcome = execution.outcome;
    if (outcome.kind == OUTCOME_HIT) {
        assert_true(outcome.value.length <= sizeof(value));
        span_copy(value, outcome.value);
        outcome.value.data = value;
    }
    command_finish(&execution);
    return outcome;
}

static inline struct command storing(enum command_mode mode, const char *key,
                                     const char *text, int64_t exptime)
{
    return (struct command){.kind = COMMAND_STORE,
                            .mode = mode,
                            .key = span_of_string(key),
                            .value = span_of_string(text),
                            .value_bytes = strlen(text),
                            .exptime = exptime};
}

static inline enum outcome_kind put(enum command_mode mode, const char *key,
                                    const char *text, int64_t exptime)
{
    return run(storing(mode, key, text, exptime)).kind;
}

static inline struct outcome get(const char *key)
{
    return run(
        (struct command){.kind = COMMAND_RETRIEVE, .key = span_of_string(key)});
}

static inline struct outcome get_and_touch(const char *key, int64_t exptime)
{
    return run((struct command){.kind = COMMAND_RETRIEVE,
                                .touches = true,
                                .exptime = exptime,
                                .key = span_of_string(key)});
}

static inline enum outcome_kind touch(const char *key, int64_t exptime)
{
    return run((struct command){.kind = COMMAND_TOUCH,
                                .exptime = exptime,
                                .key = span_of_string(key)})
        .kind;
}

static inline enum outcome_kind drop(const char *key)
{
    return run((struct command){.kind = COMMAND_REMOVE,
                                .key = span_of_string(key)})
        .kind;
}

static inline enum outcome_kind flush(int64_t delay)
{
    return run((struct command){.kind = COMMAND_FLUSH, .exptime = delay}).kind;
}

static inline struct command counting(enum command_mode mode, const char *key,
                                      uint64_t delta)
{
    return (struct command){.kind = COMMAND_ARITHMETIC,
                            .mode = mode,
                            .key = span_of_string(key),
                            .delta = delta};
}

static inline struct outcome increment(const char *key, uint64_t delta)
{
    return run(counting(MODE_INCREMENT, key, delta));
}

static inline struct outcome decrement(const char *key, uint64_t delta)
{
    return run(counting(MODE_DECREMENT, key, delta));
}

static inline void assert_held(const char *key, const char *expected)
{
    struct outcome outcome = get(key);

    assert_int_equal(outcome.kind, OUTCOME_HIT);
    assert_int_equal(outcome.value.length, strlen(expected));
    assert_memory_equal(outcome.value.data, expected, strlen(expected));
}

static inline void assert_gone(const char *key)
{
    assert_int_equal(get(key).kind, OUTCOME_MISS);
}

static inline uint64_t token_of(const char *key)
{
    struct outcome outcome = get(key);

    assert_int_equal(outcome.kind, OUTCOME_HIT);
    return outcome.token;
}

static inline uint64_t items(void)
{
    struct store_figures figures;

    store_read_figures(store, &figures);
    return figures.items;
}

static inline enum outcome_kind compare_and_put(enum command_mode mode,
                                                const char *key, uint64_t token)
{
    struct command command = storing(mode, key, "new", 0);

    command.has_compare = true;
    command.compare = token;
    return run(command).kind;
}

static inline struct outcome run_reserved(struct command command,
                                          uint8_t filler)
{
    struct store_reservation reservation;
    struct execution execution = begin();

    command.hash = store_hash(store, command.key);
    command.value = SPAN("");
    assert_true(command_reserve(&command, &execution, &reservation));
    memset(reservation.value, filler, command.value_bytes);
    execution.reservation = &reservation;
    command_execute(&command, &execution);
    command_finish(&execution);
    store_cancel(store, &reservation);
    return execution.outcome;
}

static inline struct command storing_large(enum command_mode mode, size_t bytes)
{
    struct command command = storing(mode, "a", "", 0);

    command.value_bytes = bytes;
    command.value_follows = true;
    return command;
}

/* Stores of one size until there is no room; how many there were. */
static inline unsigned fill(size_t value_bytes)
{
    static char text[40000];
    char key[32];

    assert_true(value_bytes < sizeof(text));
    memset(text, 'f', value_bytes);
    text[value_bytes] = '\0';
    for (unsigned i = 0;; i++) {
        snprintf(key, sizeof(key), "%07u", i);
        if (put(MODE_SET, key, text, 0) != OUTCOME_STORED)
            return i;
    }
}

#define ON_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define ON_FULL_STORE(test)                                                    \
    cmocka_unit_test_setup_teardown(test, set_up_without_eviction, tear_down)
#define ON_REPLICA(test)                                                       \
    cmocka_unit_test_setup_teardown(test, set_up_replicating, tear_down)

#endif
