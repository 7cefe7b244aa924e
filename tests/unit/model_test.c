/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The store against a plain model: whatever is done to it, in whatever order,
 * each key is what the model says, or was lost where it may be.  A million
 * steps from a seed; MODEL_STEPS says another number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model.h"

#define MEGABYTE ((size_t)1024 * 1024)
#define STEPS 250000
#define CHECKS 10

static void run(size_t megabytes, bool replicates, bool may_lose,
                unsigned keys_count)
{
    struct store_settings settings = {.memory_bytes_max = megabytes * MEGABYTE,
                                      .memory_bytes_limit =
                                          64 * megabytes * MEGABYTE,
                                      .item_bytes_max = MEGABYTE,
                                      .evicts = true,
                                      .replicates = replicates,
                                      .grave_s = MODEL_GRAVE_S,
                                      .counts_sizes = true,
                                      .seed = 11,
                                      .origin_tag = 3};
    struct player player = {.store = store_create(&settings),
                            .number = (unsigned)megabytes,
                            .replicates = replicates,
                            .may_flush = true,
                            .may_lose = may_lose,
                            .length_max = 200000,
                            .keys_count = keys_count};
    struct store_figures figures;

    assert_non_null(player.store);
    model_init(&player);
    for (int i = 0; i < CHECKS; i++) {
        model_play(&player, model_steps(4 * STEPS) / 4 / CHECKS);
        store_check(player.store);
    }
    store_read_figures(player.store, &figures);
    assert_true((figures.evicted > 0) == may_lose);
    assert_true(player.compared > 0);
    model_release(&player);
    store_destroy(player.store);
}

static void alone_with_room_for_all_nothing_is_lost(void **state)
{
    (void)state;
    run(64, false, false, 4000);
}

static void alone_and_short_of_memory_what_is_there_is_right(void **state)
{
    (void)state;
    run(4, false, true, 8000);
}

static void a_replica_with_room_for_all_knows_all_versions(void **state)
{
    (void)state;
    run(64, true, false, 4000);
}

static void a_replica_short_of_memory_knows_no_wrong_version(void **state)
{
    (void)state;
    run(4, true, true, 8000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alone_with_room_for_all_nothing_is_lost),
        cmocka_unit_test(alone_and_short_of_memory_what_is_there_is_right),
        cmocka_unit_test(a_replica_with_room_for_all_knows_all_versions),
        cmocka_unit_test(a_replica_short_of_memory_knows_no_wrong_version),
    };

    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
