/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that grows and shrinks under threads that use it: nobody reads what
 * nobody wrote, nobody is told that memory is out, the figures add up.
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

#define MEGABYTE ((size_t)1024 * 1024)
#define THREADS 3
#define STEPS 30000
#define KEYS 20000
#define VALUE_BYTES_MAX 3000
/* Above an eighth of a segment: an item with its own mapping. */
#define LARGE_BYTES 40000
#define NOW (UINT64_C(1800000000) * TIME_US_PER_S)

struct player {
    pthread_t thread;
    struct store *store;
    struct counters counters;
    unsigned number;
    unsigned wrong;
    unsigned refused;
};

static _Atomic bool is_over;

static bool is_whole(struct span value)
{
    for (size_t i = 1; i < value.length; i++) {
        if (value.data[i] != value.data[0])
            return false;
    }
    return true;
}

static enum outcome_kind run(struct player *player, struct command *command)
{
    struct execution execution = {
        .store = player->store, .now = NOW, .counters = &player->counters};

    command->hash = store_hash(player->store, command->key);
    command_execute(command, &execution);
    if (execution.outcome.kind == OUTCOME_HIT &&
        !is_whole(execution.outcome.value))
        player->wrong++;
    enum outcome_kind kind = execution.outcome.kind;
    command_finish(&execution);
    return kind;
}

static void *play(void *context)
{
    struct player *player = context;
    struct prng prng = {.state = player->number};
    static _Thread_local uint8_t value[LARGE_BYTES];
    char key[32];

    for (unsigned step = 0; step < STEPS; step++) {
        int length = snprintf(key, sizeof(key), "key-%u",
                              (unsigned)prng_below(&prng, KEYS));
        struct command command = {.key = span_of(key, (size_t)length)};
        uint64_t choice = prng_below(&prng, 8);
        if (choice < 4) {
            size_t bytes = choice == 0 && step % 16 == 0
                               ? LARGE_BYTES
                               : prng_below(&prng, VALUE_BYTES_MAX);
            memset(value, (int)prng_below(&prng, 256), bytes);
            command.kind = COMMAND_STORE;
            command.value = span_of(value, bytes);
            player->refused += run(player, &command) != OUTCOME_STORED;
        } else {
            command.kind = choice == 4 ? COMMAND_REMOVE : COMMAND_RETRIEVE;
            run(player, &command);
        }
    }
    return NULL;
}

/* What maintenance and an operator do. */
static void *resize(void *context)
{
    struct store *store = context;
    struct prng prng = {.state = 99};

    for (unsigned round = 0; !atomic_load(&is_over); round++) {
        if (round % 8 == 0 &&
            !store_resize(store, (4 + prng_below(&prng, 28)) * MEGABYTE))
            abort();
        store_maintain(store, NOW);
    }
    return NULL;
}

static void all_is_served_while_memory_comes_and_goes(void **state)
{
    struct store_settings settings = {.memory_bytes_max = 16 * MEGABYTE,
                                      .memory_bytes_limit = 32 * MEGABYTE,
                                      .item_bytes_max = 2 * MEGABYTE,
                                      .evicts = true,
                                      .seed = 1};
    static struct player players[THREADS];
    struct store *store = store_create(&settings);
    pthread_t resizer;

    (void)state;
    assert_non_null(store);
    assert_int_equal(pthread_create(&resizer, NULL, resize, store), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        players[i] = (struct player){.store = store, .number = i};
        assert_int_equal(
            pthread_create(&players[i].thread, NULL, play, &players[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(players[i].thread, NULL);
    atomic_store(&is_over, true);
    pthread_join(resizer, NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(players[i].wrong, 0);
        assert_int_equal(players[i].refused, 0);
    }
    store_check(store);
    store_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_served_while_memory_comes_and_goes),
    };

    return cmocka_run_group_tests_name("resize with threads", tests, NULL,
                                       NULL);
}
