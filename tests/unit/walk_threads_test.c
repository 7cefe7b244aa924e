/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Walks over a store in use: whatever is there all the while is shown once,
 * and only once, while the index grows, shrinks, and other keys come and go.
 */
#include <pthread.h>
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
#define LASTING 5000
#define PASSING 60000
#define ROUNDS 3
#define WALKS_MIN 3

struct walk {
    uint8_t shown[LASTING];
    unsigned others;
};

static _Atomic bool is_over;

static struct span key_of(const char *prefix, unsigned number, char text[32])
{
    int length = snprintf(text, 32, "%s%u", prefix, number);

    return span_of(text, (size_t)length);
}

static void put(struct store *store, struct span key)
{
    struct store_hold held;
    struct store_write write = {.parts = {SPAN("value")}};

    store_hold(store, key, store_hash(store, key), NOW, &held);
    write.version = store_next_version(store, NOW);
    enum store_result result = store_put(&held, &write);
    store_release(&held);
    if (result != STORE_OK)
        abort();
}

static void drop(struct store *store, struct span key)
{
    struct store_hold held;

    store_hold(store, key, store_hash(store, key), NOW, &held);
    enum store_result result =
        store_remove(&held, store_next_version(store, NOW));
    store_release(&held);
    if (result != STORE_OK)
        abort();
}

/* The index grows with what comes, and shrinks when it has gone and memory
 * is asked back; nothing is evicted. */
static void *come_and_go(void *context)
{
    struct store *store = context;
    char text[32];

    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned number = 0; number < PASSING; number++)
            put(store, key_of("passing-", number, text));
        for (unsigned number = 0; number < PASSING; number++)
            drop(store, key_of("passing-", number, text));
        if (!store_resize(store, (60 + round % 2) * MEGABYTE) ||
            !store_resize(store, 50 * MEGABYTE))
            abort();
        for (unsigned i = 0; i < 20; i++)
            store_maintain(store, NOW);
    }
    atomic_store(&is_over, true);
    return NULL;
}

static void *touch(void *context)
{
    struct store *store = context;
    char text[32];

    for (unsigned number = 0; !atomic_load(&is_over); number++)
        put(store, key_of("lasting-", number % LASTING, text));
    return NULL;
}

static void show(const struct item *item, void *context)
{
    struct walk *walk = context;
    char text[32] = {0};
    unsigned number;

    span_copy((uint8_t *)text, item_key(item));
    if (sscanf(text, "lasting-%u", &number) == 1)
        walk->shown[number]++;
    else
        walk->others++;
}

static void walk_all(struct store *store)
{
    static struct walk walk;
    uint64_t cursor = 0;
    uint64_t before;

    walk = (struct walk){.others = 0};
    do {
        before = cursor;
        cursor = store_visit_from(store, cursor, NOW, show, &walk);
        assert_true(cursor == 0 || cursor > before);
    } while (cursor != 0);
    for (unsigned number = 0; number < LASTING; number++)
        assert_int_equal(walk.shown[number], 1);
}

static struct store *create(void)
{
    struct store_settings settings = {.memory_bytes_max = 64 * MEGABYTE,
                                      .memory_bytes_limit = 64 * MEGABYTE,
                                      .item_bytes_max = MEGABYTE,
                                      .evicts = true,
                                      .seed = 3};
    struct store *store = store_create(&settings);
    char text[32];

    assert_non_null(store);
    for (unsigned number = 0; number < LASTING; number++)
        put(store, key_of("lasting-", number, text));
    return store;
}

static void a_walk_shows_each_item_once(void **state)
{
    struct store *store = create();

    (void)state;
    walk_all(store);
    store_destroy(store);
}

/* Between any two portions the index doubles, or halves. */
static void a_walk_goes_on_in_another_index(void **state)
{
    static struct walk walk;
    struct store *store = create();
    struct store_figures small;
    struct store_figures large;
    char text[32];
    uint64_t cursor = 0;

    (void)state;
    walk = (struct walk){.others = 0};
    store_read_figures(store, &small);
    for (unsigned portion = 0; portion == 0 || cursor != 0; portion++) {
        if (portion == 100 || portion == 700) {
            for (unsigned number = 0; number < PASSING; number++)
                put(store, key_of("passing-", number, text));
            store_read_figures(store, &large);
            assert_true(large.index_buckets > 4 * small.index_buckets);
        }
        if (portion == 333 || portion == 3000) {
            for (unsigned number = 0; number < PASSING; number++)
                drop(store, key_of("passing-", number, text));
            assert_true(store_resize(store, (63 - portion / 333) * MEGABYTE));
            for (unsigned i = 0; i < 20; i++)
                store_maintain(store, NOW);
            store_read_figures(store, &large);
            assert_true(large.index_buckets < 3 * small.index_buckets);
        }
        cursor = store_visit_from(store, cursor, NOW, show, &walk);
    }
    for (unsigned number = 0; number < LASTING; number++)
        assert_int_equal(walk.shown[number], 1);
    store_check(store);
    store_destroy(store);
}

static void walks_beside_threads_miss_and_repeat_nothing(void **state)
{
    struct store *store = create();
    pthread_t threads[2];
    unsigned walks = 0;

    (void)state;
    assert_int_equal(pthread_create(&threads[0], NULL, come_and_go, store), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, touch, store), 0);
    while (!atomic_load(&is_over) || walks < WALKS_MIN) {
        walk_all(store);
        walks++;
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    store_check(store);
    store_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_walk_shows_each_item_once),
        cmocka_unit_test(a_walk_goes_on_in_another_index),
        cmocka_unit_test(walks_beside_threads_miss_and_repeat_nothing),
    };

    return cmocka_run_group_tests_name("walks", tests, NULL, NULL);
}
