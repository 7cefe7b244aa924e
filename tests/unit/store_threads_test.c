/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many threads on one store that is too small for them: no reader ever sees
 * a value that nobody wrote, no counter loses a step, the figures add up.
 * Worth most when built with --enable-sanitize=thread.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/base/prng.h"
#include "server/command/execute.h"

#define THREADS 4
#define STEPS 40000
#define KEYS 4000
#define COUNTER_KEYS 4
#define VALUE_BYTES_MAX 12000 /* some are large enough to be pinned */
#define VALUE_BYTES_TIGHT 3000
#define START_US (UINT64_C(1800000000) * TIME_US_PER_S)

struct player {
    pthread_t thread;
    struct store *store;
    struct onlooker *onlooker; /* NULL for some: they read under locks */
    struct counters counters;
    size_t value_bytes_max;
    unsigned number;
    unsigned wrong;
    unsigned refused;
    uint64_t counted;
};

/* A value is one byte, over and over: torn ones show. */
static bool is_whole(struct span value)
{
    for (size_t i = 1; i < value.length; i++) {
        if (value.data[i] != value.data[0])
            return false;
    }
    return true;
}

static enum outcome_kind run(struct player *player, struct command *command,
                             time_us now)
{
    struct execution execution = {.store = player->store,
                                  .now = now,
                                  .counters = &player->counters,
                                  .onlooker = player->onlooker};

    command->hash = store_hash(player->store, command->key);
    command_execute(command, &execution);
    enum outcome_kind kind = execution.outcome.kind;
    struct segment *pinned = NULL;
    if (kind == OUTCOME_HIT) {
        player->wrong += !is_whole(execution.outcome.value);
        pinned = store_pin(&execution.hold);
    }
    command_finish(&execution);
    if (pinned != NULL) {
        player->wrong += !is_whole(execution.outcome.value);
        store_unpin(player->store, pinned);
    }
    return kind;
}

static void count_up(struct player *player, struct prng *prng, time_us now)
{
    char key[32];
    int length = snprintf(key, sizeof(key), "counter-%u",
                          (unsigned)prng_below(prng, COUNTER_KEYS));
    struct command command = {.kind = COMMAND_ARITHMETIC,
                              .mode = MODE_INCREMENT,
                              .delta = 1,
                              .key = span_of(key, (size_t)length)};

    if (run(player, &command, now) == OUTCOME_NUMBER)
        player->counted++;
}

static void *play(void *context)
{
    struct player *player = context;
    struct prng prng = {.state = player->number};
    uint8_t value[VALUE_BYTES_MAX];
    char key[32];

    for (unsigned step = 0; step < STEPS; step++) {
        time_us now = START_US + step * UINT64_C(500);
        int length = snprintf(key, sizeof(key), "key-%u",
                              (unsigned)prng_below(&prng, KEYS));
        struct command command = {.key = span_of(key, (size_t)length)};
        switch (prng_below(&prng, 8)) {
        case 0:
        case 1:
            command.kind = COMMAND_STORE;
            command.exptime = (int64_t)prng_below(&prng, 20);
            memset(value, (int)prng_below(&prng, 256), sizeof(value));
            command.value =
                span_of(value, prng_below(&prng, player->value_bytes_max));
            if (run(player, &command, now) != OUTCOME_STORED)
                player->refused++;
            break;
        case 2:
            command.kind = COMMAND_REMOVE;
            run(player, &command, now);
            break;
        case 3:
            count_up(player, &prng, now);
            break;
        case 4:
            if (step % 64 == 0)
                store_maintain(player->store, now);
            store_prefetch_item(player->store,
                                store_hash(player->store, command.key));
            break;
        default:
            command.kind = COMMAND_RETRIEVE;
            run(player, &command, now);
            break;
        }
    }
    return NULL;
}

static uint64_t read_counters(struct player *player)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < COUNTER_KEYS; i++) {
        char key[32];
        int length = snprintf(key, sizeof(key), "counter-%u", i);
        struct span span = span_of(key, (size_t)length);
        struct store_hold held;
        store_hold(player->store, span, store_hash(player->store, span),
                   START_US, &held);
        assert_non_null(held.item);
        struct span value = item_value(held.item);
        char digits[32] = {0};
        span_copy((uint8_t *)digits, value);
        total += strtoull(digits, NULL, 10);
        store_release(&held);
    }
    return total;
}

static void start_counters(struct player *player)
{
    for (unsigned i = 0; i < COUNTER_KEYS; i++) {
        char key[32];
        int length = snprintf(key, sizeof(key), "counter-%u", i);
        struct command command = {.kind = COMMAND_STORE,
                                  .key = span_of(key, (size_t)length),
                                  .value = SPAN("0")};
        assert_int_equal(run(player, &command, START_US), OUTCOME_STORED);
    }
}

static void run_threads(size_t megabytes, bool evicts, size_t value_bytes_max)
{
    struct store_settings settings = {.memory_bytes_max = megabytes << 20,
                                      .item_bytes_max = (megabytes << 20) / 2,
                                      .evicts = evicts,
                                      .seed = 1};
    static struct player players[THREADS];
    uint64_t counted = 0;
    struct store *store = store_create(&settings);

    assert_non_null(store);
    memset(players, 0, sizeof(players));
    players[0].store = store;
    start_counters(&players[0]);
    for (unsigned i = 0; i < THREADS; i++) {
        players[i].store = store;
        players[i].onlooker = i > 0 ? store_add_onlooker(store) : NULL;
        players[i].value_bytes_max = value_bytes_max;
        players[i].number = i;
        assert_int_equal(
            pthread_create(&players[i].thread, NULL, play, &players[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(players[i].thread, NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(players[i].wrong, 0);
        assert_int_equal(players[i].refused, 0);
        counted += players[i].counted;
    }
    /* Nobody evicts the counters then: no step may be missing. */
    if (!evicts)
        assert_int_equal(read_counters(&players[0]), counted);
    store_check(store);
    store_destroy(store);
}

static void with_room_for_all_no_step_is_lost(void **state)
{
    (void)state;
    run_threads(96, false, VALUE_BYTES_MAX);
}

static void short_of_memory_no_value_is_torn(void **state)
{
    (void)state;
    run_threads(4, true, VALUE_BYTES_TIGHT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_room_for_all_no_step_is_lost),
        cmocka_unit_test(short_of_memory_no_value_is_torn),
    };

    return cmocka_run_group_tests_name("store with threads", tests, NULL, NULL);
}
