/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Another limit of memory while the store is in use: more is there at once,
 * less is given back in rounds of maintenance, and what is left is in order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/store/store.h"

#define MEGABYTE ((size_t)1024 * 1024)
#define NOW (UINT64_C(1800000000) * TIME_US_PER_S)
#define ROUNDS_MAX 2000

static struct store *create(size_t megabytes, bool evicts)
{
    struct store_settings settings = {.memory_bytes_max = megabytes * MEGABYTE,
                                      .memory_bytes_limit = 256 * MEGABYTE,
                                      .item_bytes_max = 2 * MEGABYTE,
                                      .evicts = evicts,
                                      .seed = 7};
    struct store *store = store_create(&settings);

    assert_non_null(store);
    return store;
}

static struct span key_of(unsigned number, char text[32])
{
    int length = snprintf(text, 32, "key-%u", number);

    return span_of(text, (size_t)length);
}

static void hold(struct store *store, struct span key, struct store_hold *held)
{
    store_hold(store, key, store_hash(store, key), NOW, held);
}

/* False where memory is out. */
static bool put(struct store *store, unsigned number, size_t bytes)
{
    static uint8_t value[2 * MEGABYTE];
    char text[32];
    struct span key = key_of(number, text);
    struct store_hold held;
    enum store_result result = STORE_NO_ROOM;

    memset(value, (int)(number % 251), bytes);
    for (int attempt = 0; attempt < 16 && result != STORE_OK; attempt++) {
        struct store_write write = {.parts = {span_of(value, bytes)}};
        hold(store, key, &held);
        write.version = store_next_version(store, NOW);
        result = store_put(&held, &write);
        store_release(&held);
        if (result != STORE_OK &&
            !store_make_room(store, store_item_bytes(store, key.length, bytes),
                             NOW))
            break;
    }
    return result == STORE_OK;
}

static bool has(struct store *store, unsigned number, size_t bytes)
{
    char text[32];
    struct store_hold held;

    hold(store, key_of(number, text), &held);
    bool is_there = held.item != NULL;
    if (is_there) {
        struct span value = item_value(held.item);
        assert_int_equal(value.length, bytes);
        for (size_t i = 0; i < bytes; i += 97)
            assert_int_equal(value.data[i], number % 251);
    }
    store_release(&held);
    return is_there;
}

static void remove_one(struct store *store, unsigned number)
{
    char text[32];
    struct store_hold held;

    hold(store, key_of(number, text), &held);
    assert_int_equal(store_remove(&held, store_next_version(store, NOW)),
                     STORE_OK);
    store_release(&held);
}

static unsigned count(struct store *store, unsigned from, unsigned to,
                      size_t bytes)
{
    unsigned found = 0;

    for (unsigned number = from; number < to; number++)
        found += has(store, number, bytes);
    return found;
}

static size_t taken_bytes(struct store *store)
{
    struct store_figures figures;

    store_read_figures(store, &figures);
    return figures.segment_bytes + figures.index_bytes;
}

static void maintain_until(struct store *store, size_t bytes)
{
    for (unsigned i = 0; taken_bytes(store) > bytes; i++) {
        assert_true(i < ROUNDS_MAX);
        store_maintain(store, NOW);
    }
}

static void more_memory_is_there_at_once(void **state)
{
    struct store *store = create(4, true);
    struct store_figures figures;

    (void)state;
    for (unsigned number = 0; number < 10000; number++)
        assert_true(put(store, number, 1000));
    assert_true(count(store, 0, 10000, 1000) < 4000);
    assert_true(store_resize(store, 64 * MEGABYTE));
    store_read_figures(store, &figures);
    assert_int_equal(figures.memory_bytes_max, 64 * MEGABYTE);
    for (unsigned number = 10000; number < 60000; number++)
        assert_true(put(store, number, 1000));
    assert_int_equal(count(store, 10000, 60000, 1000), 50000);
    assert_true(taken_bytes(store) > 50 * MEGABYTE);
    store_check(store);
    store_destroy(store);
}

static void less_memory_costs_the_oldest(void **state)
{
    struct store *store = create(64, true);

    (void)state;
    for (unsigned number = 0; number < 100000; number++)
        assert_true(put(store, number, 500));
    assert_int_equal(count(store, 0, 100000, 500), 100000);
    assert_true(store_resize(store, 16 * MEGABYTE));
    maintain_until(store, 16 * MEGABYTE);
    unsigned left = count(store, 0, 100000, 500);
    assert_in_range(left, 10000, 30000);
    /* Life goes on, within the new limit. */
    for (unsigned number = 100000; number < 110000; number++) {
        assert_true(put(store, number, 500));
        assert_true(taken_bytes(store) <= 16 * MEGABYTE);
    }
    assert_int_equal(count(store, 109000, 110000, 500), 1000);
    store_check(store);
    store_destroy(store);
}

static void the_index_shrinks_when_most_keys_are_gone(void **state)
{
    struct store *store = create(64, true);
    struct store_figures before;
    struct store_figures after;

    (void)state;
    for (unsigned number = 0; number < 300000; number++)
        assert_true(put(store, number, 10));
    store_read_figures(store, &before);
    for (unsigned number = 0; number < 290000; number++)
        remove_one(store, number);
    for (unsigned round = 0; round < 200; round++)
        store_maintain(store, NOW);
    store_read_figures(store, &after);
    assert_true(after.index_buckets < before.index_buckets / 6);
    assert_int_equal(count(store, 290000, 300000, 10), 10000);
    /* And grows again with what comes. */
    for (unsigned number = 0; number < 290000; number++)
        assert_true(put(store, number, 10));
    assert_int_equal(count(store, 0, 300000, 10), 300000);
    store_check(store);
    store_destroy(store);
}

static void the_index_shrinks_with_it(void **state)
{
    struct store *store = create(64, true);
    struct store_figures before;
    struct store_figures after;

    (void)state;
    for (unsigned number = 0; number < 600000; number++)
        assert_true(put(store, number, 10));
    store_read_figures(store, &before);
    assert_true(before.index_bytes > 4 * MEGABYTE);
    assert_true(store_resize(store, 8 * MEGABYTE));
    maintain_until(store, 8 * MEGABYTE);
    for (unsigned round = 0; round < 200; round++)
        store_maintain(store, NOW);
    store_read_figures(store, &after);
    assert_true(after.index_buckets < before.index_buckets / 2);
    assert_true(after.items > 10000);
    store_check(store);
    /* And grows again with what comes. */
    assert_true(store_resize(store, 64 * MEGABYTE));
    for (unsigned number = 600000; number < 1000000; number++)
        assert_true(put(store, number, 10));
    assert_int_equal(count(store, 600000, 1000000, 10), 400000);
    store_check(store);
    store_destroy(store);
}

static void a_store_that_does_not_evict_loses_nothing(void **state)
{
    struct store *store = create(64, false);

    (void)state;
    for (unsigned number = 0; number < 40000; number++)
        assert_true(put(store, number, 1000));
    assert_true(store_resize(store, 16 * MEGABYTE));
    for (unsigned round = 0; round < 100; round++)
        store_maintain(store, NOW);
    assert_int_equal(count(store, 0, 40000, 1000), 40000);
    /* It is still in use, and what is deleted makes it smaller. */
    assert_true(put(store, 5, 1000));
    for (unsigned number = 0; number < 38000; number++)
        remove_one(store, number);
    maintain_until(store, 16 * MEGABYTE);
    assert_int_equal(count(store, 38000, 40000, 1000), 2000);
    store_check(store);
    store_destroy(store);
}

static void what_is_pinned_stays_until_it_is_read(void **state)
{
    struct store *store = create(64, true);
    char text[32];
    struct store_hold held;

    (void)state;
    for (unsigned number = 0; number < 25; number++)
        assert_true(put(store, number, 2 * MEGABYTE - 100));
    hold(store, key_of(0, text), &held);
    struct segment *pinned = store_pin(&held);
    struct span value = item_value(held.item);
    store_release(&held);
    assert_non_null(pinned);
    assert_true(store_resize(store, 8 * MEGABYTE));
    maintain_until(store, 8 * MEGABYTE);
    for (size_t i = 0; i < value.length; i += 97)
        assert_int_equal(value.data[i], 0);
    store_unpin(store, pinned);
    for (unsigned number = 100; number < 120; number++)
        assert_true(put(store, number, 2 * MEGABYTE - 100));
    assert_true(taken_bytes(store) <= 8 * MEGABYTE);
    store_check(store);
    store_destroy(store);
}

static void a_limit_that_cannot_be_is_refused(void **state)
{
    struct store *store = create(64, true);
    struct store_figures figures;

    (void)state;
    assert_false(store_resize(store, 257 * MEGABYTE));
    assert_false(store_resize(store, SIZE_MAX));
    assert_false(store_resize(store, 4 * MEGABYTE - 1));
    assert_false(store_resize(store, 0));
    store_read_figures(store, &figures);
    assert_int_equal(figures.memory_bytes_max, 64 * MEGABYTE);
    assert_true(store_resize(store, 256 * MEGABYTE));
    assert_true(store_resize(store, 4 * MEGABYTE));
    store_check(store);
    store_destroy(store);
}

static void up_and_down_again_many_times(void **state)
{
    struct store *store = create(16, true);

    (void)state;
    for (unsigned number = 0; number < 60000; number++) {
        assert_true(put(store, number, number % 3000));
        if (number % 500 == 0)
            assert_true(
                store_resize(store, (5 + number / 500 * 7 % 60) * MEGABYTE));
        if (number % 100 == 0)
            store_maintain(store, NOW);
    }
    assert_true(store_resize(store, 8 * MEGABYTE));
    maintain_until(store, 8 * MEGABYTE);
    store_check(store);
    store_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_memory_is_there_at_once),
        cmocka_unit_test(less_memory_costs_the_oldest),
        cmocka_unit_test(the_index_shrinks_when_most_keys_are_gone),
        cmocka_unit_test(the_index_shrinks_with_it),
        cmocka_unit_test(a_store_that_does_not_evict_loses_nothing),
        cmocka_unit_test(what_is_pinned_stays_until_it_is_read),
        cmocka_unit_test(a_limit_that_cannot_be_is_refused),
        cmocka_unit_test(up_and_down_again_many_times),
    };

    return cmocka_run_group_tests_name("resize", tests, NULL, NULL);
}
