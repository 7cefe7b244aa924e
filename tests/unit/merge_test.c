/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * News of a key may arrive in any order, more than once, through anybody:
 * what is known in the end is the same.
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

#define START_US (UINT64_C(1800000000) * TIME_US_PER_S)
/* Versions are told apart by small numbers above a recent one. */
#define BASE ((START_US - TIME_US_PER_S) << 12)
#define NEWS_MAX 8
#define ROUNDS 20000

struct news {
    enum news_kind kind;
    struct store_write write;
    char value[16];
};

/* The two registers, and where the value is. */
struct view {
    uint64_t version;
    uint64_t stamp;
    time_s exptime;
    bool is_deleted;
    bool is_live;
    char value[16];
};

static struct store *create(void)
{
    struct store_settings settings = {.memory_bytes_max = 4 << 20,
                                      .item_bytes_max = 1 << 20,
                                      .evicts = true,
                                      .replicates = true,
                                      .grave_s = 3600,
                                      .seed = 1};
    struct store *store = store_create(&settings);

    assert_non_null(store);
    return store;
}

static void hold(struct store *store, time_us now, struct store_hold *held)
{
    store_hold(store, SPAN("key"), store_hash(store, SPAN("key")), now, held);
}

static enum merge_result tell(struct store *store, const struct news *news,
                              time_us now)
{
    struct store_write write = news->write;
    struct store_hold held;

    write.parts[0] = span_of_string(news->value);
    hold(store, now, &held);
    enum merge_result result = store_merge(&held, news->kind, &write);
    store_release(&held);
    assert_int_not_equal(result, MERGE_NO_ROOM);
    return result;
}

static struct view look(struct store *store, time_us now)
{
    struct store_hold held;
    struct view view = {0};

    hold(store, now, &held);
    if (held.item != NULL) {
        struct span value = item_value(held.item);
        view.version = held.item->version;
        view.stamp = item_stamp(held.item);
        view.exptime = item_exptime(held.item);
        view.is_live = true;
        span_copy((uint8_t *)view.value, value);
    } else {
        view.version = held.stub.version;
        view.stamp = held.stub.stamp;
        view.exptime = held.stub.exptime;
        view.is_deleted = held.stub.kind == STUB_DELETED;
        view.is_live = held.stub.kind == STUB_WANTED;
    }
    store_release(&held);
    return view;
}

static struct news state(uint64_t version, time_s exptime, const char *value)
{
    struct news news = {.kind = NEWS_STATE,
                        .write = {.version = BASE + version,
                                  .stamp = BASE + version,
                                  .exptime = exptime}};

    snprintf(news.value, sizeof(news.value), "%s", value);
    return news;
}

static struct news touch(uint64_t version, uint64_t stamp, time_s exptime)
{
    return (struct news){.kind = NEWS_LIFE,
                         .write = {.version = BASE + version,
                                   .stamp = BASE + stamp,
                                   .exptime = exptime}};
}

static struct news deletion(uint64_t version)
{
    return (struct news){
        .kind = NEWS_DELETED,
        .write = {.version = BASE + version, .stamp = BASE + version}};
}

/* ---- by example ---- */

static void an_older_state_changes_nothing(void **unused)
{
    struct store *store = create();
    struct news newer = state(20, 0, "newer");
    struct news older = state(10, 0, "older");

    (void)unused;
    assert_int_equal(tell(store, &newer, START_US), MERGE_TAKEN);
    assert_int_equal(tell(store, &older, START_US), MERGE_OLDER);
    assert_int_equal(tell(store, &newer, START_US), MERGE_OLDER);
    assert_string_equal(look(store, START_US).value, "newer");
    store_destroy(store);
}

static void a_touch_does_not_undo_a_concurrent_write(void **unused)
{
    struct store *store = create();
    time_s second = time_seconds(START_US);
    struct news old = state(10, second + 5, "old");
    struct news new = state(20, second + 6, "new");
    struct news touched = touch(10, 30, second + 99);

    (void)unused;
    tell(store, &old, START_US);
    tell(store, &new, START_US);
    assert_int_equal(tell(store, &touched, START_US), MERGE_TAKEN);
    struct view view = look(store, START_US);
    assert_string_equal(view.value, "new");
    assert_int_equal(view.version, BASE + 20);
    assert_int_equal(view.stamp, BASE + 30);
    assert_int_equal(view.exptime, second + 99);
    store_destroy(store);
}

static void a_grave_defends_against_what_is_older(void **unused)
{
    struct store *store = create();
    struct news gone = deletion(20);
    struct news older = state(10, 0, "older");
    struct news newer = state(30, 0, "newer");

    (void)unused;
    tell(store, &gone, START_US);
    assert_int_equal(tell(store, &older, START_US), MERGE_OLDER);
    assert_true(look(store, START_US).is_deleted);
    assert_int_equal(tell(store, &newer, START_US), MERGE_TAKEN);
    assert_string_equal(look(store, START_US).value, "newer");
    store_destroy(store);
}

static void what_expired_does_not_come_back_as_it_was_before(void **unused)
{
    struct store *store = create();
    time_s second = time_seconds(START_US);
    struct news old = state(10, 0, "for ever");
    struct news brief = state(20, second + 5, "brief");
    time_us later = START_US + 10 * TIME_US_PER_S;

    (void)unused;
    tell(store, &old, START_US);
    tell(store, &brief, START_US);
    store_maintain(store, later);
    assert_int_equal(tell(store, &old, later), MERGE_OLDER);
    assert_int_equal(tell(store, &brief, later), MERGE_OLDER);
    assert_false(look(store, later).is_live);
    store_destroy(store);
}

static void a_touch_of_what_is_not_here_is_a_want(void **unused)
{
    struct store *store = create();
    time_s second = time_seconds(START_US);
    struct news touched = touch(10, 15, second + 99);
    struct news pulled = state(10, second + 5, "pulled");

    (void)unused;
    assert_int_equal(tell(store, &touched, START_US), MERGE_WANTED);
    assert_true(look(store, START_US).is_live);
    assert_int_equal(tell(store, &pulled, START_US), MERGE_TAKEN);
    struct view view = look(store, START_US);
    assert_string_equal(view.value, "pulled");
    assert_int_equal(view.exptime, second + 99);
    store_destroy(store);
}

static void a_touch_elsewhere_revives_what_just_died_here(void **unused)
{
    struct store *store = create();
    time_s second = time_seconds(START_US);
    struct news brief = state(10, second + 5, "brief");
    struct news touched = touch(10, 15, second + 99);
    time_us later = START_US + 6 * TIME_US_PER_S;

    (void)unused;
    tell(store, &brief, START_US);
    assert_false(look(store, later).is_live);
    assert_int_equal(tell(store, &touched, later), MERGE_TAKEN);
    assert_string_equal(look(store, later).value, "brief");
    store_check(store);
    store_destroy(store);
}

static void what_is_older_than_a_flush_is_dead_on_arrival(void **unused)
{
    struct store *store = create();
    struct news older = state(10, 0, "older");

    (void)unused;
    store_flush(store, 0, START_US);
    tell(store, &older, START_US);
    assert_false(look(store, START_US).is_live);
    store_destroy(store);
}

static void what_a_flush_kills_is_not_wanted(void **unused)
{
    struct store *store = create();
    struct news touched = touch(10, 15, 0);
    struct store_hold held;

    (void)unused;
    assert_int_equal(tell(store, &touched, START_US), MERGE_WANTED);
    store_flush(store, 0, START_US);
    hold(store, START_US, &held);
    assert_null(held.item);
    assert_int_equal(held.stub.kind, STUB_EXPIRED);
    store_release(&held);
    store_destroy(store);
}

/* ---- by law ---- */

/* Random news of one key; what has one version has one content. */
static size_t make_news(struct prng *prng, struct news news[NEWS_MAX])
{
    size_t count = 2 + prng_below(prng, NEWS_MAX - 1);
    time_s second = time_seconds(START_US);

    for (size_t i = 0; i < count; i++) {
        uint64_t version = 10 * (i + 1);
        time_s exptime = prng_below(prng, 3) == 0
                             ? 0
                             : second + (time_s)prng_below(prng, 20);
        char value[16];
        switch (prng_below(prng, 4)) {
        case 0:
            news[i] = deletion(version);
            break;
        case 1:
            /* A touch of some state, perhaps one never heard of. */
            news[i] =
                touch(10 * (1 + prng_below(prng, i + 1)), version, exptime);
            /* What that version was is decided by whoever wrote it. */
            for (size_t j = 0; j < i; j++) {
                if (news[j].kind == NEWS_DELETED &&
                    news[j].write.version == news[i].write.version)
                    news[i] = deletion(version);
            }
            if (news[i].write.version == BASE + version)
                news[i] = state(version, exptime, "own");
            break;
        default:
            snprintf(value, sizeof(value), "v%u", (unsigned)version);
            news[i] = state(version, exptime, value);
            break;
        }
    }
    return count;
}

static void shuffle(struct prng *prng, struct news *news, size_t count)
{
    for (size_t i = count - 1; i > 0; i--) {
        size_t other = prng_below(prng, i + 1);
        struct news swapped = news[i];
        news[i] = news[other];
        news[other] = swapped;
    }
}

static void tell_all(struct prng *prng, struct store *store, struct news *news,
                     size_t count, time_us end)
{
    time_us now = START_US;

    shuffle(prng, news, count);
    for (size_t i = 0; i < count; i++) {
        tell(store, &news[i], now);
        if (prng_below(prng, 3) == 0)
            tell(store, &news[prng_below(prng, i + 1)], now);
        if (prng_below(prng, 4) == 0)
            store_maintain(store, now);
        now += prng_below(prng, (end - now) / 2 + 1);
    }
}

static void order_and_repetition_do_not_matter(void **unused)
{
    struct prng prng = {.state = 99};

    (void)unused;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct news news[NEWS_MAX];
        size_t count = make_news(&prng, news);
        time_us end = START_US + prng_below(&prng, 30) * TIME_US_PER_S + 1;
        struct view views[2];
        for (unsigned side = 0; side < 2; side++) {
            struct store *store = create();
            tell_all(&prng, store, news, count, end);
            /* What has died unseen shows when it is buried. */
            store_maintain(store, end);
            views[side] = look(store, end);
            if (round % 100 == 0)
                store_check(store);
            store_destroy(store);
        }
        assert_int_equal(views[0].version, views[1].version);
        assert_int_equal(views[0].stamp, views[1].stamp);
        assert_int_equal(views[0].exptime, views[1].exptime);
        assert_int_equal(views[0].is_deleted, views[1].is_deleted);
        assert_int_equal(views[0].is_live, views[1].is_live);
        if (views[0].value[0] != '\0' && views[1].value[0] != '\0')
            assert_string_equal(views[0].value, views[1].value);
    }
}

/* A value that came in pieces is one like any other, and its memory is given
 * back where it is of no use any more. */
static void a_value_in_pieces_is_merged_like_any_other(void **unused)
{
    struct store *store = create();
    size_t value_bytes = 300000;

    (void)unused;
    for (uint64_t version = 2; version > 0; version--) {
        struct store_write news = {.version = BASE + version};
        struct store_reservation reservation;
        struct store_hold held;
        assert_int_equal(
            store_reserve(store, SPAN("key"), value_bytes, &reservation),
            STORE_OK);
        memset(reservation.value, (int)version, value_bytes);
        hold(store, START_US, &held);
        assert_int_equal(store_merge_reserved(&held, &news, &reservation),
                         version == 2 ? MERGE_TAKEN : MERGE_OLDER);
        assert_null(reservation.item);
        assert_int_equal(held.item->version, BASE + 2);
        assert_int_equal(item_value(held.item).length, value_bytes);
        assert_int_equal(item_value(held.item).data[value_bytes - 1], 2);
        store_release(&held);
    }
    store_check(store);
    store_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_older_state_changes_nothing),
        cmocka_unit_test(a_touch_does_not_undo_a_concurrent_write),
        cmocka_unit_test(a_grave_defends_against_what_is_older),
        cmocka_unit_test(what_expired_does_not_come_back_as_it_was_before),
        cmocka_unit_test(a_touch_of_what_is_not_here_is_a_want),
        cmocka_unit_test(a_touch_elsewhere_revives_what_just_died_here),
        cmocka_unit_test(what_is_older_than_a_flush_is_dead_on_arrival),
        cmocka_unit_test(what_a_flush_kills_is_not_wanted),
        cmocka_unit_test(order_and_repetition_do_not_matter),
        cmocka_unit_test(a_value_in_pieces_is_merged_like_any_other),
    };

    return cmocka_run_group_tests_name("merge", tests, NULL, NULL);
}
