/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The store keeps what it was given, within its memory, as long as it was
 * told to: one rule a test, then random operations against a plain model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/base/prng.h"
#include "server/store/store.h"

#define MEGABYTE ((size_t)1024 * 1024)
#define START_US (UINT64_C(1800000000) * TIME_US_PER_S)
#define GRAVE_S 3600

static struct store_settings settings_of(size_t megabytes)
{
    return (struct store_settings){.memory_bytes_max = megabytes * MEGABYTE,
                                   .item_bytes_max = megabytes * MEGABYTE / 2,
                                   .evicts = true,
                                   .counts_sizes = true,
                                   .seed = 7,
                                   .origin_tag = 5};
}

static struct store *create(size_t megabytes)
{
    struct store_settings settings = settings_of(megabytes);
    struct store *store = store_create(&settings);

    assert_non_null(store);
    return store;
}

static struct store *create_replicating(void)
{
    struct store_settings settings = settings_of(8);
    settings.replicates = true;
    settings.grave_s = GRAVE_S;
    struct store *store = store_create(&settings);

    assert_non_null(store);
    return store;
}

static void hold(struct store *store, const char *key, time_us now,
                 struct store_hold *held)
{
    struct span span = span_of_string(key);

    store_hold(store, span, store_hash(store, span), now, held);
}

static bool put_span(struct store *store, const char *key, struct span value,
                     time_s exptime, time_us now)
{
    struct store_hold held;

    for (int attempt = 0; attempt < 16; attempt++) {
        struct store_write write = {.parts = {value},
                                    .exptime = exptime,
                                    .version = store_next_version(store, now)};
        hold(store, key, now, &held);
        enum store_result result = store_put(&held, &write);
        store_release(&held);
        if (result == STORE_OK)
            return true;
        if (!store_make_room(
                store, store_item_bytes(store, strlen(key), value.length), now))
            return false;
    }
    return false;
}

static bool put(struct store *store, const char *key, const char *value,
                time_s exptime, time_us now)
{
    return put_span(store, key, span_of_string(value), exptime, now);
}

/* True where the key is there; its value, with an end, in `to`. */
static bool get(struct store *store, const char *key, time_us now, char to[256])
{
    struct store_hold held;

    hold(store, key, now, &held);
    bool found = held.item != NULL;
    if (found) {
        struct span value = item_value(held.item);
        assert_true(value.length < 256);
        span_copy((uint8_t *)to, value);
        to[value.length] = '\0';
        store_use(&held);
    }
    store_release(&held);
    return found;
}

static void drop(struct store *store, const char *key, time_us now)
{
    struct store_hold held;

    hold(store, key, now, &held);
    assert_int_equal(store_remove(&held, store_next_version(store, now)),
                     STORE_OK);
    store_release(&held);
}

static struct store_figures figures_of(struct store *store)
{
    struct store_figures figures;

    store_read_figures(store, &figures);
    return figures;
}

/* ---- one rule a test ---- */

static void keeps_the_newest_value(void **state)
{
    struct store *store = create(4);
    char value[256];

    (void)state;
    assert_true(put(store, "apple", "red", 0, START_US));
    assert_true(put(store, "apple", "green and large", 0, START_US));
    assert_true(get(store, "apple", START_US, value));
    assert_string_equal(value, "green and large");
    assert_false(get(store, "pear", START_US, value));
    assert_int_equal(figures_of(store).items, 1);
    store_check(store);
    store_destroy(store);
}

static void dies_at_its_second_and_not_before(void **state)
{
    struct store *store = create(4);
    time_s second = time_seconds(START_US);
    char value[256];

    (void)state;
    assert_true(put(store, "apple", "red", second + 10, START_US));
    assert_true(get(store, "apple", START_US + 10 * TIME_US_PER_S - 1, value));
    assert_false(get(store, "apple", START_US + 10 * TIME_US_PER_S, value));
    store_check(store);
    store_destroy(store);
}

static void frees_what_nobody_asks_for(void **state)
{
    struct store *store = create(4);
    time_s second = time_seconds(START_US);
    char key[32];

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "key-%u", i);
        assert_true(put(store, key, "value", second + 1 + i % 100, START_US));
    }
    store_maintain(store, START_US + 50 * TIME_US_PER_S);
    assert_int_equal(figures_of(store).items, 500);
    store_maintain(store, START_US + 100 * TIME_US_PER_S);
    assert_int_equal(figures_of(store).items, 0);
    assert_int_equal(figures_of(store).item_bytes, 0);
    assert_int_equal(store_digest(store), 0);
    store_check(store);
    store_destroy(store);
}

static void a_touch_moves_the_moment_of_death(void **state)
{
    struct store *store = create(4);
    time_s second = time_seconds(START_US);
    struct store_hold held;
    char value[256];

    (void)state;
    assert_true(put(store, "apple", "red", second + 10, START_US));
    hold(store, "apple", START_US, &held);
    uint64_t token = item_token(held.item);
    assert_int_equal(store_touch(&held, second + 100, 1), STORE_OK);
    assert_int_equal(item_token(held.item), token);
    store_release(&held);
    store_maintain(store, START_US + 50 * TIME_US_PER_S);
    assert_true(get(store, "apple", START_US + 50 * TIME_US_PER_S, value));
    store_maintain(store, START_US + 100 * TIME_US_PER_S);
    assert_int_equal(figures_of(store).items, 0);
    store_destroy(store);
}

static void a_flush_spares_what_comes_after_it(void **state)
{
    struct store *store = create(4);
    char value[256];

    (void)state;
    assert_true(put(store, "before", "old", 0, START_US));
    store_flush(store, 0, START_US);
    assert_true(put(store, "after", "new", 0, START_US));
    assert_false(get(store, "before", START_US, value));
    assert_true(get(store, "after", START_US, value));
    store_maintain(store, START_US);
    assert_int_equal(figures_of(store).items, 1);
    store_check(store);
    store_destroy(store);
}

static void a_flush_is_cleared_away_at_once_however_often(void **state)
{
    struct store *store = create(8);

    (void)state;
    /* Little dies in each: the segment would rest from being looked at. */
    for (unsigned i = 0; i < 4; i++) {
        assert_true(put(store, "a", "value", 0, START_US));
        store_flush(store, 0, START_US);
        store_maintain(store, START_US);
        assert_int_equal(figures_of(store).items, 0);
    }
    store_check(store);
    store_destroy(store);
}

/* How many of them are there: each `i` until 1 + 7 `i` % 60 seconds on. */
static unsigned alive_at(unsigned count, unsigned second)
{
    unsigned alive = 0;

    for (unsigned i = 0; i < count; i++)
        alive += 1 + 7 * i % 60 > second;
    return alive;
}

static void what_expires_is_freed_within_a_second_of_it(void **state)
{
    const unsigned count = 6000;
    struct store *store = create(8);
    time_s start = time_seconds(START_US);
    char key[32];
    char text[300];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (unsigned i = 0; i < count; i++) {
        snprintf(key, sizeof(key), "key-%u", i);
        assert_true(put(store, key, text, start + 1 + 7 * i % 60, START_US));
    }
    for (unsigned second = 0; second <= 60; second++) {
        store_maintain(store, START_US + second * TIME_US_PER_S);
        store_maintain(store,
                       START_US + second * TIME_US_PER_S + TIME_US_PER_S / 2);
        assert_int_equal(figures_of(store).items, alive_at(count, second));
        assert_true(figures_of(store).sweeps <= (second + 1) * 64);
    }
    assert_int_equal(figures_of(store).item_bytes, 0);
    store_check(store);
    store_destroy(store);
}

static void a_flush_to_come_kills_all_that_is_older_when_it_is_due(void **state)
{
    struct store *store = create(4);
    time_us due = START_US + 10 * TIME_US_PER_S;
    char value[256];

    (void)state;
    assert_true(put(store, "before", "1", 0, START_US));
    store_flush(store, due, START_US);
    assert_true(put(store, "between", "2", 0, due - 2));
    assert_true(get(store, "before", due - 1, value));
    assert_false(get(store, "before", due, value));
    store_maintain(store, due + 1);
    assert_true(put(store, "after", "3", 0, due + 2));
    assert_false(get(store, "between", due + 3, value));
    assert_true(get(store, "after", due + 3, value));
    store_destroy(store);
}

static void evicts_what_is_not_used_first(void **state)
{
    struct store *store = create(4);
    char key[32];
    char text[200];
    char value[256];
    unsigned used_left = 0;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (unsigned i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "used-%u", i);
        assert_true(put(store, key, text, 0, START_US));
    }
    for (unsigned i = 0; i < 100000; i++) {
        snprintf(key, sizeof(key), "idle-%u", i);
        assert_true(put(store, key, text, 0, START_US));
        if (i % 1000 == 0) {
            for (unsigned used = 0; used < 100; used++) {
                snprintf(key, sizeof(key), "used-%u", used);
                get(store, key, START_US, value);
            }
        }
    }
    for (unsigned i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "used-%u", i);
        used_left += get(store, key, START_US, value);
    }
    assert_int_equal(used_left, 100);
    assert_true(figures_of(store).evicted > 0);
    assert_true(figures_of(store).segment_bytes +
                    figures_of(store).index_bytes <=
                4 * MEGABYTE + MEGABYTE / 8);
    store_check(store);
    store_destroy(store);
}

static void without_eviction_a_full_store_refuses_and_keeps_all(void **state)
{
    struct store_settings settings = settings_of(4);
    char key[32];
    char value[256];
    unsigned stored = 0;

    (void)state;
    settings.evicts = false;
    struct store *store = store_create(&settings);
    for (;; stored++) {
        snprintf(key, sizeof(key), "key-%u", stored);
        if (!put(store, key, "0123456789012345678901234567890123456789", 0,
                 START_US))
            break;
    }
    for (unsigned i = 0; i < stored; i++) {
        snprintf(key, sizeof(key), "key-%u", i);
        assert_true(get(store, key, START_US, value));
    }
    assert_true(stored > 20000);
    /* What is deleted makes room again. */
    for (unsigned i = 0; i < stored / 2; i++) {
        snprintf(key, sizeof(key), "key-%u", i);
        drop(store, key, START_US);
    }
    assert_true(put(store, "one more", "value", 0, START_US));
    store_check(store);
    store_destroy(store);
}

static void sessions_rewritten_for_ever_evict_nobody(void **state)
{
    struct store *store = create(4);
    struct prng prng = {.state = 3};
    char key[32];
    uint8_t bytes[4096] = {0};

    (void)state;
    /* A third of the memory, rewritten fifty times at changing sizes. */
    for (unsigned i = 0; i < 500 * 50; i++) {
        snprintf(key, sizeof(key), "session-%u",
                 (unsigned)prng_below(&prng, 500));
        struct span value = span_of(bytes, 1000 + prng_below(&prng, 3000));
        assert_true(put_span(store, key, value, 0, START_US));
    }
    assert_int_equal(figures_of(store).evicted, 0);
    store_check(store);
    store_destroy(store);
}

static void keeps_values_larger_than_a_segment(void **state)
{
    struct store *store = create(8);
    size_t bytes = 3 * MEGABYTE;
    uint8_t *large = malloc(bytes);
    struct store_hold held;

    (void)state;
    memset(large, 'L', bytes);
    for (unsigned i = 0; i < 20; i++) {
        char key[32];
        snprintf(key, sizeof(key), "large-%u", i);
        large[bytes - 1] = (uint8_t)i;
        assert_true(put_span(store, key, span_of(large, bytes), 0, START_US));
        hold(store, key, START_US, &held);
        assert_non_null(held.item);
        assert_memory_equal(item_value(held.item).data, large, bytes);
        store_release(&held);
        assert_true(figures_of(store).segment_bytes <= 8 * MEGABYTE);
    }
    assert_true(figures_of(store).items <= 2);
    free(large);
    store_check(store);
    store_destroy(store);
}

static void a_pinned_value_outlives_its_item(void **state)
{
    struct store *store = create(8);
    uint8_t *large = malloc(MEGABYTE);
    struct store_hold held;

    (void)state;
    memset(large, 'a', MEGABYTE);
    assert_true(put_span(store, "k", span_of(large, MEGABYTE), 0, START_US));
    hold(store, "k", START_US, &held);
    struct span value = item_value(held.item);
    struct segment *pinned = store_pin(&held);
    assert_non_null(pinned);
    store_release(&held);

    memset(large, 'b', MEGABYTE);
    assert_true(put_span(store, "k", span_of(large, MEGABYTE), 0, START_US));
    drop(store, "k", START_US);
    assert_int_equal(value.data[0], 'a');
    assert_int_equal(value.data[MEGABYTE - 1], 'a');
    store_unpin(store, pinned);
    assert_int_equal(figures_of(store).items, 0);
    free(large);
    store_destroy(store);
}

static bool look(struct store *store, struct onlooker *onlooker,
                 const char *key, time_us now, struct store_hold *held)
{
    struct span span = span_of_string(key);

    return store_look(store, onlooker, span, store_hash(store, span), now,
                      held);
}

static void who_looks_sees_what_lives_and_nobody_writes(void **state)
{
    struct store *store = create(8);
    struct onlooker *one = store_add_onlooker(store);
    struct onlooker *other = store_add_onlooker(store);
    struct store_hold first;
    struct store_hold second;
    struct store_hold written;

    (void)state;
    assert_true(put_span(store, "k", SPAN("value"), 0, START_US));
    assert_true(put_span(store, "dead", SPAN("v"), time_seconds(START_US) + 1,
                         START_US));
    assert_false(look(store, NULL, "k", START_US, &first));

    assert_true(look(store, one, "k", START_US, &first));
    assert_true(look(store, other, "k", START_US, &second));
    assert_ptr_equal(first.item, second.item);
    store_use(&first);
    store_use(&second);
    assert_int_equal(item_use(first.item).count, 2);
    store_release(&first);
    store_release(&second);
    assert_true(look(store, one, "none", START_US, &first));
    assert_null(first.item);
    store_release(&first);

    hold(store, "k", START_US, &written);
    assert_false(look(store, one, "k", START_US, &first));
    store_release(&written);
    assert_true(look(store, one, "k", START_US, &first));
    store_release(&first);

    /* It is to be buried, which takes a lock. */
    time_us later = START_US + 2 * TIME_US_PER_S;
    assert_false(look(store, one, "dead", later, &first));
    hold(store, "dead", later, &written);
    assert_int_equal(written.absence, STORE_EXPIRED);
    store_release(&written);
    assert_true(look(store, one, "dead", later, &first));
    store_release(&first);
    store_destroy(store);
}

static void a_reserved_value_is_stored_or_cancelled(void **state)
{
    struct store *store = create(8);
    struct store_reservation reservation;
    struct store_hold held;
    size_t before = figures_of(store).segment_bytes;

    (void)state;
    assert_int_equal(store_reserve(store, SPAN("k"), 100000, &reservation),
                     STORE_OK);
    store_cancel(store, &reservation);
    assert_int_equal(figures_of(store).segment_bytes, before);

    assert_int_equal(store_reserve(store, SPAN("k"), 100000, &reservation),
                     STORE_OK);
    memset(reservation.value, 'r', 100000);
    struct store_write write = {.flags = 9,
                                .version = store_next_version(store, START_US)};
    hold(store, "k", START_US, &held);
    assert_int_equal(store_put_reserved(&held, &write, &reservation), STORE_OK);
    store_release(&held);
    hold(store, "k", START_US, &held);
    assert_int_equal(item_flags(held.item), 9);
    assert_int_equal(item_value(held.item).length, 100000);
    assert_int_equal(item_value(held.item).data[99999], 'r');
    assert_int_equal(item_token(held.item), write.version);
    store_release(&held);
    store_check(store);
    store_destroy(store);
}

static void reservations_never_take_more_than_half(void **state)
{
    struct store *store = create(8);
    struct store_reservation reservations[16];
    size_t count = 0;

    (void)state;
    while (count < 16 && store_reserve(store, SPAN("k"), MEGABYTE - 4096,
                                       &reservations[count]) == STORE_OK)
        count++;
    assert_int_equal(count, 4);
    while (count > 0)
        store_cancel(store, &reservations[--count]);
    assert_int_equal(
        store_reserve(store, SPAN("k"), MEGABYTE, &reservations[0]), STORE_OK);
    store_cancel(store, &reservations[0]);
    store_destroy(store);
}

static void versions_grow_whatever_the_clock_does(void **state)
{
    struct store *store = create(2);
    uint64_t last = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t next = store_next_version(store, START_US - i * 1000);
        assert_true(next > last);
        assert_int_equal(next & 0xfff, 5);
        last = next;
    }
    store_destroy(store);
}

/* ---- for other servers ---- */

static void a_delete_leaves_a_grave_for_its_time(void **state)
{
    struct store *store = create_replicating();
    struct store_hold held;
    char value[256];

    (void)state;
    assert_true(put(store, "apple", "red", 0, START_US));
    uint64_t version = store_next_version(store, START_US);
    hold(store, "apple", START_US, &held);
    assert_int_equal(store_remove(&held, version), STORE_OK);
    store_release(&held);

    assert_false(get(store, "apple", START_US, value));
    hold(store, "apple", START_US, &held);
    assert_int_equal(held.stub.version, version);
    store_release(&held);
    assert_int_equal(figures_of(store).stubs, 1);
    assert_int_equal(store_digest(store), 0);

    store_maintain(store, START_US + (GRAVE_S - 1) * TIME_US_PER_S);
    assert_int_equal(figures_of(store).stubs, 1);
    store_maintain(store, START_US + (GRAVE_S + 1) * TIME_US_PER_S);
    assert_int_equal(figures_of(store).stubs, 0);
    store_check(store);
    store_destroy(store);
}

static void a_key_that_is_absent_can_have_a_grave(void **state)
{
    struct store *store = create_replicating();
    char value[256];

    (void)state;
    drop(store, "never there", START_US);
    assert_int_equal(figures_of(store).stubs, 1);
    assert_true(put(store, "never there", "now", 0, START_US));
    assert_true(get(store, "never there", START_US, value));
    assert_int_equal(figures_of(store).stubs, 0);
    store_check(store);
    store_destroy(store);
}

static void a_touch_has_a_stamp_of_its_own(void **state)
{
    struct store *store = create_replicating();
    time_s second = time_seconds(START_US);
    struct store_hold held;

    (void)state;
    assert_true(put(store, "apple", "red", second + 10, START_US));
    uint64_t first_digest = store_digest(store);
    uint64_t stamp = store_next_version(store, START_US);
    hold(store, "apple", START_US, &held);
    uint64_t version = held.item->version;
    assert_int_equal(item_stamp(held.item), version);
    assert_int_equal(store_touch(&held, second + 20, stamp), STORE_OK);
    assert_int_equal(held.item->version, version);
    assert_int_equal(item_stamp(held.item), stamp);
    assert_int_equal(item_token(held.item), version);
    assert_int_equal(store_touch(&held, second + 30, stamp + 4096), STORE_OK);
    assert_int_equal(item_stamp(held.item), stamp + 4096);
    store_release(&held);
    assert_int_not_equal(store_digest(store), first_digest);
    store_check(store);
    store_destroy(store);
}

static void the_digest_does_not_depend_on_the_order(void **state)
{
    struct store *one = create_replicating();
    struct store *other = create_replicating();
    struct store_hold held;

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        for (unsigned side = 0; side < 2; side++) {
            unsigned number = side == 0 ? i : 199 - i;
            struct store *store = side == 0 ? one : other;
            struct store_write write = {.parts = {SPAN("value")},
                                        .version = 1000 + number};
            char key[32];
            snprintf(key, sizeof(key), "key-%u", number);
            hold(store, key, START_US, &held);
            assert_int_equal(store_put(&held, &write), STORE_OK);
            store_release(&held);
        }
    }
    assert_int_equal(store_digest(one), store_digest(other));
    assert_int_not_equal(store_digest(one), 0);
    drop(other, "key-7", START_US);
    assert_int_not_equal(store_digest(one), store_digest(other));
    store_destroy(one);
    store_destroy(other);
}

/* ---- against a model ---- */

#define MODEL_KEYS 3000
#define MODEL_STEPS 300000
#define MODEL_VALUE_BYTES 20000

struct model_item {
    bool is_stored;
    size_t length;
    uint8_t filler;
    time_s exptime;
};

static struct model_item model[MODEL_KEYS];

static bool model_lives(const struct model_item *item, time_us now)
{
    return item->is_stored &&
           (item->exptime == 0 || item->exptime > time_seconds(now));
}

static void check_against_model(struct store *store, unsigned number,
                                const char *key, time_us now, bool evicts)
{
    struct model_item *item = &model[number];
    struct store_hold held;

    hold(store, key, now, &held);
    if (held.item != NULL) {
        struct span value = item_value(held.item);
        assert_true(model_lives(item, now));
        assert_int_equal(value.length, item->length);
        for (size_t i = 0; i < value.length; i++)
            assert_int_equal(value.data[i], item->filler);
        assert_int_equal(item_exptime(held.item), item->exptime);
    } else if (!evicts) {
        assert_false(model_lives(item, now));
    }
    store_release(&held);
}

static void run_model(size_t megabytes, uint64_t seed, bool evicts)
{
    struct store *store = create(megabytes);
    struct prng prng = {.state = seed};
    uint8_t *bytes = malloc(MODEL_VALUE_BYTES);
    time_us now = START_US;
    char key[32];

    memset(model, 0, sizeof(model));
    for (unsigned step = 0; step < MODEL_STEPS; step++) {
        unsigned number = (unsigned)prng_below(&prng, MODEL_KEYS);
        struct model_item *item = &model[number];
        snprintf(key, sizeof(key), "key-%u", number);
        now += prng_below(&prng, 20000);
        switch (prng_below(&prng, 10)) {
        case 0:
        case 1:
        case 2: {
            bool is_large = prng_below(&prng, 50) == 0;
            *item = (struct model_item){
                .is_stored = true,
                .length =
                    prng_below(&prng, is_large ? MODEL_VALUE_BYTES : 1600),
                .filler = (uint8_t)prng_next(&prng),
                .exptime = prng_below(&prng, 2) == 0
                               ? 0
                               : time_seconds(now) + 1 +
                                     (time_s)prng_below(&prng, 300)};
            memset(bytes, item->filler, item->length);
            assert_true(put_span(store, key, span_of(bytes, item->length),
                                 item->exptime, now));
            break;
        }
        case 3:
            drop(store, key, now);
            item->is_stored = false;
            break;
        case 4:
            store_maintain(store, now);
            break;
        default:
            check_against_model(store, number, key, now, evicts);
            break;
        }
        if (step % 50000 == 0)
            store_check(store);
    }
    for (unsigned number = 0; number < MODEL_KEYS; number++) {
        snprintf(key, sizeof(key), "key-%u", number);
        check_against_model(store, number, key, now, evicts);
    }
    assert_true(evicts ? figures_of(store).evicted > 0
                       : figures_of(store).evicted == 0);
    store_check(store);
    free(bytes);
    store_destroy(store);
}

static void does_what_a_plain_model_does(void **state)
{
    (void)state;
    run_model(16, 11, false);
}

static void when_full_it_forgets_but_never_confuses(void **state)
{
    (void)state;
    run_model(2, 12, true);
}

/* ---- use and marks ---- */

static void use_is_known_until_something_else_is_written(void **state)
{
    struct store *store = create(8);
    struct store_hold held;
    char text[256];

    (void)state;
    assert_true(put(store, "a", "one", 0, START_US));
    hold(store, "a", START_US, &held);
    assert_false(item_is_fetched(held.item));
    assert_int_equal(item_accessed(held.item), time_seconds(START_US));
    store_release(&held);

    assert_true(get(store, "a", START_US + 5 * TIME_US_PER_S, text));
    hold(store, "a", START_US + 9 * TIME_US_PER_S, &held);
    assert_true(item_is_fetched(held.item));
    assert_int_equal(item_accessed(held.item), time_seconds(START_US) + 5);
    store_release(&held);

    /* In place and elsewhere alike. */
    for (unsigned i = 0; i < 2; i++) {
        time_us later = START_US + (20 + i) * TIME_US_PER_S;
        assert_true(get(store, "a", later, text));
        assert_true(put(store, "a", i == 0 ? "two" : "much longer than it was",
                        0, later));
        hold(store, "a", later, &held);
        assert_false(item_is_fetched(held.item));
        assert_int_equal(item_accessed(held.item), time_seconds(later));
        store_release(&held);
    }
    store_check(store);
    store_destroy(store);
}

static void a_touch_is_no_use_wherever_it_moves_the_item(void **state)
{
    (void)state;
    for (unsigned replicates = 0; replicates < 2; replicates++) {
        struct store *store = replicates ? create_replicating() : create(8);
        struct store_hold held;
        time_us later = START_US + 7 * TIME_US_PER_S;
        char text[256];

        assert_true(put(store, "a", "value", 0, START_US));
        assert_true(get(store, "a", START_US + TIME_US_PER_S, text));
        hold(store, "a", later, &held);
        assert_int_equal(store_touch(&held, time_seconds(later) + 60,
                                     store_next_version(store, later)),
                         STORE_OK);
        assert_true(item_is_fetched(held.item));
        assert_int_equal(item_accessed(held.item), time_seconds(START_US) + 1);
        store_release(&held);
        store_check(store);
        store_destroy(store);
    }
}

static void a_mark_changes_nothing_else(void **state)
{
    (void)state;
    for (unsigned replicates = 0; replicates < 2; replicates++) {
        struct store *store = replicates ? create_replicating() : create(8);
        struct store_hold held;
        struct store_write write = {.parts = {SPAN("value")},
                                    .flags = 77,
                                    .exptime = time_seconds(START_US) + 60,
                                    .version =
                                        store_next_version(store, START_US)};

        hold(store, "a", START_US, &held);
        assert_int_equal(store_put(&held, &write), STORE_OK);
        store_use(&held);
        uint64_t stamp = item_stamp(held.item);
        assert_int_equal(store_mark(&held, ITEM_WIN_SENT, 0, 0), STORE_OK);
        assert_int_equal(item_marks(held.item), ITEM_WIN_SENT);
        assert_int_equal(item_token(held.item), write.version);
        assert_int_equal(item_stamp(held.item), stamp);
        assert_int_equal(item_exptime(held.item), write.exptime);
        assert_int_equal(item_flags(held.item), 77);
        assert_true(span_equal(item_value(held.item), SPAN("value")));
        assert_true(item_is_fetched(held.item));
        store_release(&held);
        store_check(store);
        store_destroy(store);
    }
}

static void a_mark_is_news_that_undoes_no_write(void **state)
{
    struct store *store = create_replicating();
    struct store_hold held;
    struct store_write write = {.parts = {SPAN("old")},
                                .version = store_next_version(store, START_US)};

    (void)state;
    hold(store, "a", START_US, &held);
    assert_int_equal(store_put(&held, &write), STORE_OK);
    assert_int_equal(store_mark(&held, ITEM_WIN_SENT, 0, 0), STORE_OK);
    /* Higher, so that others take it; and so are those drawn after it. */
    uint64_t marked = held.item->version;
    assert_true(marked > write.version);
    assert_true(store_next_version(store, START_US) > marked);
    /* Written elsewhere a moment after the value, heard of after the mark. */
    struct store_write mark = {.parts = {SPAN("old")},
                               .version = marked + 1,
                               .stamp = write.version,
                               .token = write.version,
                               .marks = ITEM_STALE};
    store_use(&held);
    assert_int_equal(store_merge(&held, NEWS_STATE, &mark), MERGE_TAKEN);
    assert_true(item_is_fetched(held.item));
    struct store_write elsewhere = {
        .parts = {SPAN("new")}, .version = write.version + (UINT64_C(2) << 12)};
    assert_true(elsewhere.version > marked);
    assert_int_equal(store_merge(&held, NEWS_STATE, &elsewhere), MERGE_TAKEN);
    assert_true(span_equal(item_value(held.item), SPAN("new")));
    assert_int_equal(item_marks(held.item), 0);
    assert_false(item_is_fetched(held.item));
    store_release(&held);
    store_check(store);
    store_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_newest_value),
        cmocka_unit_test(dies_at_its_second_and_not_before),
        cmocka_unit_test(frees_what_nobody_asks_for),
        cmocka_unit_test(a_touch_moves_the_moment_of_death),
        cmocka_unit_test(a_flush_spares_what_comes_after_it),
        cmocka_unit_test(what_expires_is_freed_within_a_second_of_it),
        cmocka_unit_test(a_flush_is_cleared_away_at_once_however_often),
        cmocka_unit_test(
            a_flush_to_come_kills_all_that_is_older_when_it_is_due),
        cmocka_unit_test(evicts_what_is_not_used_first),
        cmocka_unit_test(without_eviction_a_full_store_refuses_and_keeps_all),
        cmocka_unit_test(sessions_rewritten_for_ever_evict_nobody),
        cmocka_unit_test(keeps_values_larger_than_a_segment),
        cmocka_unit_test(a_pinned_value_outlives_its_item),
        cmocka_unit_test(who_looks_sees_what_lives_and_nobody_writes),
        cmocka_unit_test(a_reserved_value_is_stored_or_cancelled),
        cmocka_unit_test(reservations_never_take_more_than_half),
        cmocka_unit_test(versions_grow_whatever_the_clock_does),
        cmocka_unit_test(a_delete_leaves_a_grave_for_its_time),
        cmocka_unit_test(a_key_that_is_absent_can_have_a_grave),
        cmocka_unit_test(a_touch_has_a_stamp_of_its_own),
        cmocka_unit_test(the_digest_does_not_depend_on_the_order),
        cmocka_unit_test(does_what_a_plain_model_does),
        cmocka_unit_test(when_full_it_forgets_but_never_confuses),
        cmocka_unit_test(use_is_known_until_something_else_is_written),
        cmocka_unit_test(a_touch_is_no_use_wherever_it_moves_the_item),
        cmocka_unit_test(a_mark_changes_nothing_else),
        cmocka_unit_test(a_mark_is_news_that_undoes_no_write),
    };

    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
