/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The same model with four threads on one store, each with keys of its own:
 * nobody's keys are touched by what is done to others'.  Worth most when built
 * with --enable-sanitize=thread.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model.h"

#define MEGABYTE ((size_t)1024 * 1024)
#define THREADS 4
#define STEPS 15000

static void *play(void *context)
{
    struct player *player = context;

    model_play(player, model_steps(2 * THREADS * STEPS) / 2 / THREADS);
    return NULL;
}

static void run(bool replicates)
{
    struct store_settings settings = {.memory_bytes_max = 4 * MEGABYTE,
                                      .memory_bytes_limit = 64 * MEGABYTE,
                                      .item_bytes_max = MEGABYTE,
                                      .evicts = true,
                                      .replicates = replicates,
                                      .grave_s = MODEL_GRAVE_S,
                                      .seed = 11,
                                      .origin_tag = 3};
    struct store *store = store_create(&settings);
    struct player players[THREADS];
    _Atomic time_us clocks[THREADS];
    pthread_t threads[THREADS];

    assert_non_null(store);
    for (unsigned i = 0; i < THREADS; i++)
        atomic_init(&clocks[i], MODEL_START_US);
    for (unsigned i = 0; i < THREADS; i++) {
        players[i] = (struct player){.store = store,
                                     .number = i,
                                     .replicates = replicates,
                                     .clocks = clocks,
                                     .players_count = THREADS,
                                     .may_lose = true,
                                     .length_max = 100000,
                                     .keys_count = 2000};
        model_init(&players[i]);
        assert_int_equal(pthread_create(&threads[i], NULL, play, &players[i]),
                         0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_true(players[i].compared > 0);
        model_release(&players[i]);
    }
    store_check(store);
    store_destroy(store);
}

static void threads_alone_disturb_nobody(void **state)
{
    (void)state;
    run(false);
}

static void threads_of_a_replica_disturb_nobody(void **state)
{
    (void)state;
    run(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_alone_disturb_nobody),
        cmocka_unit_test(threads_of_a_replica_disturb_nobody),
    };

    return cmocka_run_group_tests_name("model with threads", tests, NULL, NULL);
}
