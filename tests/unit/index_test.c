/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The index finds every key at all times: while it grows, where buckets
 * overflow, when hashes collide, and when its own memory has run out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/base/prng.h"
#include "server/store/index.h"

#define SEED 7
#define BUCKET_BYTES sizeof(struct bucket)
#define SPARE_BYTES sizeof(struct spare)
#define PAGE_BYTES 4096
#define MANY 100000
#define ITEM_BYTES_MAX 64

static struct index table;
/* Where the items lie, each at the end of its place. */
static uint8_t arena[(MANY + 1) * ITEM_BYTES_MAX];
/* By the number in their keys; NULL: not made. */
static struct item *items[MANY];

static int set_up_with(size_t bytes_max)
{
    memset(items, 0, sizeof(items));
    if (!index_init(&table, bytes_max, bytes_max, SEED))
        return -1;
    index_set_arena(&table, arena);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return set_up_with(1024 * 1024);
}

/* Room for twice the buckets that it begins with. */
static int set_up_small(void **state)
{
    (void)state;
    return set_up_with(2 * INDEX_STRIPES * BUCKET_BYTES);
}

static int tear_down(void **state)
{
    (void)state;
    index_release(&table);
    return 0;
}

static struct span key_of(unsigned number)
{
    static char key[32];
    int length = snprintf(key, sizeof(key), "key-%u", number);

    return span_of(key, (size_t)length);
}

static uint64_t hash_of(unsigned number)
{
    return index_hash(&table, key_of(number));
}

static struct item *make_item_at(size_t place, unsigned number)
{
    struct span key = key_of(number);
    size_t bytes = sizeof(struct item) + key.length;
    struct item *item =
        (struct item *)(arena + (place + 1) * ITEM_BYTES_MAX - bytes);

    assert_true(number < MANY && items[number] == NULL);
    memset(item, 0, bytes);
    item->room = (uint16_t)bytes;
    item->key_bytes = (uint8_t)key.length;
    span_copy((uint8_t *)item + sizeof(*item), key);
    items[number] = item;
    return item;
}

static struct item *make_item(unsigned number)
{
    return make_item_at(number, number);
}

/* Files the item of that number under any hash; false: no bucket is left. */
static bool insert_under(uint64_t hash, unsigned number)
{
    struct item *item = make_item(number);
    struct stripe *stripe = index_lock(&table, hash);
    bool is_in = index_insert(&table, hash, item) != NULL;

    index_unlock(stripe);
    if (!is_in)
        items[number] = NULL;
    return is_in;
}

static void insert(unsigned number)
{
    assert_true(insert_under(hash_of(number), number));
}

static const struct item *find_under(uint64_t hash, unsigned number)
{
    struct stripe *stripe = index_lock(&table, hash);
    struct item *item;
    struct slot *slot = index_find(&table, hash, key_of(number), &item);

    if (slot != NULL) {
        assert_ptr_equal(index_item(&table, slot), item);
        assert_ptr_equal(index_find_item(&table, hash, item), slot);
    }
    index_unlock(stripe);
    return slot != NULL ? item : NULL;
}

static const struct item *find(unsigned number)
{
    return find_under(hash_of(number), number);
}

static void remove_under(uint64_t hash, unsigned number)
{
    struct stripe *stripe = index_lock(&table, hash);
    struct item *item;
    struct slot *slot = index_find(&table, hash, key_of(number), &item);

    assert_non_null(slot);
    index_remove(&table, hash, slot);
    index_unlock(stripe);
    items[number] = NULL;
}

/* Whatever was inserted is found, and nothing else is. */
static void assert_all_found(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_ptr_equal(find(i), items[i]);
}

static size_t buckets_count(void)
{
    return atomic_load(&table.buckets_count);
}

static size_t bytes(void)
{
    return atomic_load(&table.bytes);
}

static bool is_crowded(uint64_t hash)
{
    return index_is_crowded(&table, hash);
}

static size_t chain_length(size_t bucket)
{
    size_t length = 1;

    for (uint32_t number = table.buckets[bucket].overflow; number != 0;
         number = table.spares[number - 1].overflow)
        length++;
    return length;
}

static void an_empty_index_finds_nothing(void **state)
{
    (void)state;
    assert_int_equal(buckets_count(), INDEX_STRIPES);
    assert_null(find(1));
    insert(1);
    assert_null(find(2));
}

static void what_is_inserted_is_found_until_it_is_removed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3000; i++)
        insert(i);
    for (unsigned i = 0; i < 3000; i += 3)
        remove_under(hash_of(i), i);
    assert_all_found(3000);
    for (unsigned i = 0; i < 3000; i += 3)
        insert(i);
    assert_all_found(3000);
}

static void equal_hashes_are_told_apart_by_their_keys(void **state)
{
    uint64_t hash = UINT64_C(0x1234567890abcdef);

    (void)state;
    for (unsigned i = 0; i < 50; i++)
        assert_true(insert_under(hash, i));
    for (unsigned i = 0; i < 50; i++)
        assert_ptr_equal(find_under(hash, i), items[i]);
    assert_null(find_under(hash, 50));
    /* The same bucket and key, but another hash: not this item. */
    assert_null(find_under(hash ^ (UINT64_C(1) << 63), 1));
}

static void an_item_is_found_as_itself_only(void **state)
{
    struct span key = key_of(1);
    uint64_t hash = index_hash(&table, key);
    (void)state;
    insert(1);
    struct item *first = items[1];
    items[1] = NULL;
    struct item *twin = make_item_at(MANY, 1);
    items[1] = first;
    struct stripe *stripe = index_lock(&table, hash);
    assert_non_null(index_find_item(&table, hash, items[1]));
    assert_null(index_find_item(&table, hash, twin));
    index_unlock(stripe);
}

static void a_slot_may_lead_to_another_item_of_its_key(void **state)
{
    struct item *old;

    (void)state;
    insert(1);
    old = items[1];
    items[1] = NULL;
    struct item *fresh = make_item_at(MANY, 1);
    uint64_t hash = hash_of(1);
    struct stripe *stripe = index_lock(&table, hash);
    struct item *item;
    struct slot *slot = index_find(&table, hash, key_of(1), &item);
    index_replace(&table, slot, fresh);
    assert_null(index_find_item(&table, hash, old));
    index_unlock(stripe);
    assert_ptr_equal(find(1), fresh);
}

/* ---- overflow ---- */

#define OVERFLOWING (INDEX_SLOTS + 9 * INDEX_SPARE_SLOTS)

static void a_bucket_overflows_and_shrinks_again(void **state)
{
    uint64_t hash = 5;
    size_t empty_bytes = bytes();

    (void)state;
    for (unsigned i = 0; i < INDEX_SLOTS; i++)
        assert_true(insert_under(hash, i));
    assert_int_equal(chain_length(5), 1);
    for (unsigned i = INDEX_SLOTS; i < OVERFLOWING; i++)
        assert_true(insert_under(hash, i));
    assert_int_equal(chain_length(5), 10);
    size_t full_bytes = bytes();
    assert_true(full_bytes > empty_bytes);
    for (unsigned i = 0; i < OVERFLOWING; i++)
        assert_ptr_equal(find_under(hash, i), items[i]);

    for (unsigned i = 0; i < OVERFLOWING; i++)
        remove_under(hash, i);
    assert_int_equal(chain_length(5), 1);
    /* The buckets are used again before new ones are. */
    for (unsigned i = 0; i < OVERFLOWING; i++)
        assert_true(insert_under(hash + i % 2, i));
    assert_int_equal(bytes(), full_bytes);
}

static void a_gap_is_filled_before_a_bucket_is_added(void **state)
{
    (void)state;
    for (unsigned i = 0; i < INDEX_SLOTS + 2 * INDEX_SPARE_SLOTS; i++)
        assert_true(insert_under(5, i));
    remove_under(5, 0);
    remove_under(5, INDEX_SLOTS);
    assert_true(insert_under(5, 100));
    assert_true(insert_under(5, 101));
    assert_int_equal(chain_length(5), 3);
    assert_ptr_equal(find_under(5, 100), items[100]);
    assert_ptr_equal(find_under(5, 101), items[101]);
}

/* ---- growth ---- */

static void an_index_is_crowded_above_nine_items_a_bucket(void **state)
{
    (void)state;
    /* They are counted for all of a group. */
    unsigned most = 9 * INDEX_STRIPES / INDEX_GROUPS;
    for (unsigned i = 0; i < most; i++)
        assert_true(insert_under(9 + i % 20 * INDEX_GROUPS, i));
    assert_false(is_crowded(9));
    assert_true(insert_under(9, most));
    assert_true(is_crowded(9));
    assert_false(is_crowded(10));
}

static void it_grows_by_one_bucket_and_loses_no_key(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6000; i++)
        insert(i);
    for (unsigned i = 0; i < 3 * INDEX_STRIPES; i++) {
        index_grow(&table);
        assert_int_equal(buckets_count(), INDEX_STRIPES + i + 1);
        for (unsigned j = i % 50; j < 6000; j += 50)
            assert_ptr_equal(find(j), items[j]);
    }
    assert_all_found(6000);
    for (size_t i = 0; i < buckets_count(); i++)
        assert_true(chain_length(i) <= 1);
}

/* As the store does it: one insertion, at most two splits. */
static void insert_and_grow(unsigned number)
{
    insert(number);
    if (is_crowded(hash_of(number))) {
        index_grow(&table);
        index_grow(&table);
    }
}

static void growth_keeps_ahead_of_filling(void **state)
{
    struct prng prng = {.state = 1};
    size_t longest = 0;

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        insert_and_grow(i);
        for (unsigned looks = 0; looks < 3; looks++) {
            unsigned number = (unsigned)prng_below(&prng, i + 1);
            assert_ptr_equal(find(number), items[number]);
        }
        if (i % 10000 == 0)
            assert_all_found(i);
    }
    assert_all_found(MANY);
    assert_true(buckets_count() > MANY / 10);
    assert_true(buckets_count() < MANY / 6);
    for (size_t i = 0; i < buckets_count(); i++) {
        if (chain_length(i) > longest)
            longest = chain_length(i);
    }
    assert_true(longest <= 6);
    assert_true(bytes() >= buckets_count() * BUCKET_BYTES);
    assert_true(bytes() <= buckets_count() * BUCKET_BYTES + PAGE_BYTES +
                               (table.spare_count + 128) * SPARE_BYTES);
}

static void keys_come_and_go_while_it_grows(void **state)
{
    struct prng prng = {.state = 2};
    unsigned count = 0;

    (void)state;
    for (unsigned step = 0; step < 200000; step++) {
        unsigned number = (unsigned)prng_below(&prng, 20000);
        if (items[number] == NULL) {
            insert_and_grow(number);
            count++;
        } else if (prng_below(&prng, 3) == 0) {
            remove_under(hash_of(number), number);
            count--;
        }
        if (step % 20000 == 0)
            assert_all_found(20000);
    }
    assert_all_found(20000);
    size_t used = 0;
    for (size_t i = 0; i < INDEX_GROUPS; i++)
        used += atomic_load(&table.groups[i].slots_used);
    assert_int_equal(used, count);
}

static void it_stops_growing_at_its_limit(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6000; i++)
        insert(i);
    for (unsigned i = 0; i < 2 * INDEX_STRIPES; i++)
        index_grow(&table);
    assert_int_equal(buckets_count(), 2 * INDEX_STRIPES);
    assert_true(bytes() <= 2 * INDEX_STRIPES * BUCKET_BYTES +
                               (table.spare_count + 128) * SPARE_BYTES);
    assert_all_found(6000);
}

static void a_table_smaller_than_the_smallest_is_the_smallest(void **state)
{
    (void)state;
    index_release(&table);
    assert_int_equal(set_up_with(1), 0);
    assert_int_equal(buckets_count(), INDEX_STRIPES);
    index_grow(&table);
    assert_int_equal(buckets_count(), INDEX_STRIPES);
    for (unsigned i = 0; i < 3000; i++)
        insert(i);
    assert_all_found(3000);
}

/* ---- out of buckets ---- */

/* Fills bucket 5 until no overflow bucket is left; how many items it took. */
static unsigned use_up_overflow_buckets(unsigned first)
{
    unsigned number = first;

    while (insert_under(5, number))
        number++;
    return number - first;
}

static void without_buckets_an_insertion_fails_and_changes_nothing(void **state)
{
    (void)state;
    unsigned count = use_up_overflow_buckets(0);
    size_t full_bytes = bytes();

    assert_int_equal(count, INDEX_SLOTS + INDEX_SPARE_SLOTS * table.spare_max);
    for (unsigned i = 0; i < 100; i++)
        assert_false(insert_under(5, count));
    assert_int_equal(bytes(), full_bytes);
    assert_int_equal(table.groups[5].slots_used, count);
    for (unsigned i = 0; i < count; i++)
        assert_ptr_equal(find_under(5, i), items[i]);
    assert_null(find_under(5, count));
    /* Other buckets still have slots of their own. */
    assert_true(insert_under(6, count));
    remove_under(5, 0);
    assert_true(insert_under(5, 0));
}

static void without_buckets_a_split_is_undone(void **state)
{
    unsigned numbers[3 * INDEX_SLOTS];
    unsigned found = 0;

    (void)state;
    /* Keys that all would move to the first new bucket, and not fit it. */
    for (unsigned i = 20000; found < 3 * INDEX_SLOTS; i++) {
        assert_true(i < MANY);
        if (hash_of(i) % (2 * INDEX_STRIPES) == INDEX_STRIPES) {
            insert(i);
            numbers[found++] = i;
        }
    }
    use_up_overflow_buckets(0);
    size_t full_bytes = bytes();
    for (unsigned i = 0; i < 10; i++) {
        index_grow(&table);
        assert_int_equal(buckets_count(), INDEX_STRIPES);
        for (unsigned j = 0; j < found; j++)
            assert_ptr_equal(find(numbers[j]), items[numbers[j]]);
    }
    /* Nothing was added, so it takes no more memory than before. */
    assert_int_equal(bytes(), full_bytes);
    /* With a bucket to be had it grows after all. */
    for (unsigned i = 0; i < 10 * INDEX_SLOTS; i++)
        remove_under(5, i);
    index_grow(&table);
    assert_int_equal(buckets_count(), INDEX_STRIPES + 1);
    for (unsigned j = 0; j < found; j++)
        assert_ptr_equal(find(numbers[j]), items[numbers[j]]);
}

/* ---- visits ---- */

static void count_visit(struct item *item, void *context)
{
    unsigned *counts = context;
    unsigned number;
    char key[32] = {0};

    assert_true(item->key_bytes < sizeof(key));
    span_copy((uint8_t *)key, item_key(item));
    assert_int_equal(sscanf(key, "key-%u", &number), 1);
    assert_ptr_equal(item, items[number]);
    counts[number]++;
}

static void a_visit_of_all_buckets_shows_each_item_once(void **state)
{
    static unsigned counts[20000];

    (void)state;
    memset(counts, 0, sizeof(counts));
    for (unsigned i = 0; i < 20000; i++)
        insert_and_grow(i);
    for (size_t i = 0; i < buckets_count(); i++)
        index_visit(&table, i, count_visit, counts);
    for (unsigned i = 0; i < 20000; i++)
        assert_int_equal(counts[i], 1);
}

#define ON_INDEX(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define ON_SMALL(test)                                                         \
    cmocka_unit_test_setup_teardown(test, set_up_small, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_INDEX(an_empty_index_finds_nothing),
        ON_INDEX(what_is_inserted_is_found_until_it_is_removed),
        ON_INDEX(equal_hashes_are_told_apart_by_their_keys),
        ON_INDEX(an_item_is_found_as_itself_only),
        ON_INDEX(a_slot_may_lead_to_another_item_of_its_key),
        ON_INDEX(a_bucket_overflows_and_shrinks_again),
        ON_INDEX(a_gap_is_filled_before_a_bucket_is_added),
        ON_INDEX(an_index_is_crowded_above_nine_items_a_bucket),
        ON_INDEX(it_grows_by_one_bucket_and_loses_no_key),
        ON_INDEX(growth_keeps_ahead_of_filling),
        ON_INDEX(keys_come_and_go_while_it_grows),
        ON_SMALL(it_stops_growing_at_its_limit),
        ON_INDEX(a_table_smaller_than_the_smallest_is_the_smallest),
        ON_SMALL(without_buckets_an_insertion_fails_and_changes_nothing),
        ON_SMALL(without_buckets_a_split_is_undone),
        ON_INDEX(a_visit_of_all_buckets_shows_each_item_once),
    };

    return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
