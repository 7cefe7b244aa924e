/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Item memory stays within its budget and goes back when nothing in it lives,
 * never while somebody writes in it, reads from it or walks through it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/prng.h"
#include "server/store/segment.h"

#define MEGABYTE ((size_t)1024 * 1024)
#define POOL_BYTES (2 * MEGABYTE)
#define SEGMENT_BYTES ((size_t)64 * 1024)
#define SEGMENTS (POOL_BYTES / SEGMENT_BYTES)
/* Kept for moving items. */
#define RESERVE 1
/* The largest item that shares a segment, and how many of them one takes. */
#define SHARED_BYTES_MAX (SEGMENT_BYTES / 8)
#define SHARED_PER_SEGMENT 7
#define NOW 1000000

static struct segment_pool pool;
static _Atomic size_t index_bytes;

static bool init_with(size_t bytes_limit)
{
    atomic_store(&index_bytes, 0);
    return segment_pool_init(&pool, POOL_BYTES, bytes_limit, RESERVE,
                             &index_bytes);
}

static int set_up(void **state)
{
    (void)state;
    return init_with(2 * POOL_BYTES) ? 0 : -1;
}

/* Without address space to spare. */
static int set_up_scarce(void **state)
{
    (void)state;
    return init_with(POOL_BYTES) ? 0 : -1;
}

/* Checks a queue of sealed segments; the bytes they hold. */
static size_t check_sealed(enum queue queue, size_t *large_count,
                           size_t *ordinary_count)
{
    size_t held_bytes = 0;

    for (const struct segment *s = pool.sealed[queue].first; s != NULL;
         s = s->next) {
        assert_int_equal(s->state, SEGMENT_SEALED);
        assert_int_equal(s->queue, queue);
        assert_true(s->used_bytes <= s->capacity_bytes);
        assert_true(s->live_bytes <= s->used_bytes - SEGMENT_HEADER_BYTES);
        /* Without life, pin or claim it would not be here any more. */
        assert_true(s->live_bytes > 0 || s->pins > 0 || s->is_claimed);
        held_bytes += s->capacity_bytes;
        if (s->is_private)
            (*large_count)++;
        else
            (*ordinary_count)++;
    }
    assert_int_equal(held_bytes, pool.sealed_bytes[queue]);
    return held_bytes;
}

/* What must hold at any time that nobody is inside of a call. */
static void check_pool(void)
{
    size_t free_count = 0;
    size_t large_count = 0;
    size_t ordinary_count = 0;
    size_t held_bytes = 0;

    for (int queue = 0; queue < QUEUES; queue++)
        held_bytes +=
            check_sealed((enum queue)queue, &large_count, &ordinary_count);

    for (int life = 0; life < LIFE_CLASSES; life++) {
        const struct segment *open = pool.open[life];
        if (open == NULL)
            continue;
        assert_int_equal(open->state, SEGMENT_OPEN);
        assert_true(open->used_bytes <= open->capacity_bytes);
        assert_false(open->is_private);
        held_bytes += open->capacity_bytes;
        ordinary_count++;
    }
    for (const struct segment *s = pool.free.first; s != NULL; s = s->next) {
        assert_int_equal(s->state, SEGMENT_FREE);
        held_bytes += s->capacity_bytes;
        free_count++;
    }
    ordinary_count += free_count;
    for (const struct segment *s = pool.returned.first; s != NULL; s = s->next)
        ordinary_count++;
    assert_null(pool.doomed.first);
    assert_int_equal(free_count, pool.free_count);
    assert_int_equal(pool.mapped_count, pool.has_extents ? 0 : large_count);
    assert_int_equal(held_bytes, segment_held_bytes(&pool));
    assert_true(held_bytes <= POOL_BYTES);
    assert_int_equal(ordinary_count * pool.segment_bytes, pool.carved_bytes);
}

static int tear_down(void **state)
{
    (void)state;
    check_pool();
    segment_pool_release(&pool);
    return 0;
}

static struct segment *segment_of(const void *item)
{
    return (struct segment *)((uintptr_t)item & ~(pool.segment_bytes - 1));
}

/* A written item; NULL where there is no room. */
static void *append(enum life_class life, size_t bytes, time_s exptime)
{
    void *item = segment_append(&pool, life, bytes, exptime);

    if (item != NULL) {
        memset(item, 0xaa, bytes);
        segment_settle(&pool, item);
    }
    return item;
}

static void *append_shared(void)
{
    return append(LIFE_UNLIMITED, SHARED_BYTES_MAX, 0);
}

static void forget_shared(void *item)
{
    segment_forget(&pool, item, SHARED_BYTES_MAX);
}

/* One segment full of items, and the first one of the next. */
static void fill_segment(void *items[SHARED_PER_SEGMENT + 1])
{
    for (size_t i = 0; i <= SHARED_PER_SEGMENT; i++) {
        items[i] = append_shared();
        assert_non_null(items[i]);
    }
    assert_int_equal(segment_of(items[0])->state, SEGMENT_SEALED);
}

/* ---- sizes ---- */

static void the_class_of_a_life_changes_at_its_borders(void **state)
{
    (void)state;
    assert_int_equal(life_class(0, NOW), LIFE_UNLIMITED);
    assert_int_equal(life_class(NOW - 1, NOW), LIFE_MINUTE);
    assert_int_equal(life_class(NOW, NOW), LIFE_MINUTE);
    assert_int_equal(life_class(NOW + 60, NOW), LIFE_MINUTE);
    assert_int_equal(life_class(NOW + 61, NOW), LIFE_QUARTER);
    assert_int_equal(life_class(NOW + 900, NOW), LIFE_QUARTER);
    assert_int_equal(life_class(NOW + 901, NOW), LIFE_HOURS);
    assert_int_equal(life_class(NOW + 14400, NOW), LIFE_HOURS);
    assert_int_equal(life_class(NOW + 14401, NOW), LIFE_LONG);
    assert_int_equal(life_class(UINT32_MAX, NOW), LIFE_LONG);
    assert_int_equal(life_class(1, UINT32_MAX), LIFE_MINUTE);
}

static void segments_grow_with_the_memory_within_bounds(void **state)
{
    static const struct {
        size_t megabytes;
        size_t segment_bytes;
    } rows[] = {{2, 65536},      {32, 65536},     {33, 131072},
                {128, 262144},   {512, MEGABYTE}, {513, MEGABYTE},
                {4096, MEGABYTE}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct segment_pool other;
        size_t bytes = rows[i].megabytes * MEGABYTE;
        assert_true(
            segment_pool_init(&other, bytes, bytes, RESERVE, &index_bytes));
        assert_int_equal(other.segment_bytes, rows[i].segment_bytes);
        assert_int_equal(segment_held_bytes(&other), 0);
        segment_pool_release(&other);
    }
}

/* ---- appending ---- */

static void items_of_a_life_lie_one_behind_the_other(void **state)
{
    uint8_t *first = append(LIFE_UNLIMITED, 40, 0);
    uint8_t *second = append(LIFE_UNLIMITED, 48, 0);
    uint8_t *third = append(LIFE_UNLIMITED, 24, 0);

    (void)state;
    assert_ptr_equal(first,
                     (uint8_t *)segment_of(first) + SEGMENT_HEADER_BYTES);
    assert_ptr_equal(second, first + 40);
    assert_ptr_equal(third, second + 48);
    assert_int_equal(segment_of(first)->live_bytes, 112);
    assert_int_equal(segment_of(first)->state, SEGMENT_OPEN);
}

static void each_life_has_a_segment_of_its_own(void **state)
{
    void *items[LIFE_CLASSES];

    (void)state;
    for (int life = 0; life < LIFE_CLASSES; life++) {
        items[life] = append((enum life_class)life, 64, 0);
        for (int other = 0; other < life; other++)
            assert_ptr_not_equal(segment_of(items[life]),
                                 segment_of(items[other]));
    }
    assert_int_equal(segment_held_bytes(&pool), LIFE_CLASSES * SEGMENT_BYTES);
}

static void a_full_segment_is_sealed_and_another_opened(void **state)
{
    size_t whole_bytes = SEGMENT_BYTES - SEGMENT_HEADER_BYTES;
    void *first = append(LIFE_UNLIMITED, 64, 0);
    void *item = first;

    (void)state;
    for (size_t i = 1; i < whole_bytes / 64; i++) {
        item = append(LIFE_UNLIMITED, 64, 0);
        assert_ptr_equal(segment_of(item), segment_of(first));
    }
    assert_int_equal(segment_of(first)->used_bytes, SEGMENT_BYTES);
    assert_int_equal(segment_of(first)->state, SEGMENT_OPEN);
    void *next = append(LIFE_UNLIMITED, 64, 0);
    assert_ptr_not_equal(segment_of(next), segment_of(first));
    assert_int_equal(segment_of(first)->state, SEGMENT_SEALED);
}

static void an_item_larger_than_an_eighth_is_private(void **state)
{
    void *shared = append(LIFE_UNLIMITED, SHARED_BYTES_MAX, 0);
    void *private = append(LIFE_UNLIMITED, SHARED_BYTES_MAX + 8, 0);
    void *small = segment_append_private(&pool, 24, 0);

    (void)state;
    segment_settle(&pool, small);
    assert_false(segment_is_private(&pool, shared));
    assert_true(segment_is_private(&pool, private));
    assert_true(segment_is_private(&pool, small));
    assert_int_equal(segment_of(private)->capacity_bytes % 4096, 0);
    assert_int_equal(segment_of(small)->capacity_bytes, 4096);
    assert_int_equal(segment_held_bytes(&pool),
                     SEGMENT_BYTES + 4096 +
                         segment_of(private)->capacity_bytes);
}

static void a_private_item_may_be_larger_than_a_segment(void **state)
{
    size_t bytes = 5 * SEGMENT_BYTES + 8;
    uint8_t *item = append(LIFE_UNLIMITED, bytes, 0);

    (void)state;
    assert_non_null(item);
    assert_int_equal(item[bytes - 1], 0xaa);
    assert_ptr_equal(segment_of(item), item - SEGMENT_HEADER_BYTES);
    segment_forget(&pool, item, bytes);
    assert_int_equal(segment_held_bytes(&pool), 0);
}

/* ---- budget ---- */

static void the_last_segments_are_for_moving_items(void **state)
{
    size_t count = 0;

    (void)state;
    while (append_shared() != NULL)
        count++;
    assert_int_equal(count, (SEGMENTS - RESERVE) * SHARED_PER_SEGMENT);
    assert_int_equal(segment_held_bytes(&pool),
                     (SEGMENTS - RESERVE) * SEGMENT_BYTES);
    assert_false(segment_has_room(&pool, 1));
    assert_null(append(LIFE_MINUTE, 8, 1));
    assert_null(append(LIFE_UNLIMITED, SHARED_BYTES_MAX + 8, 0));

    for (size_t i = 0; i < RESERVE * SHARED_PER_SEGMENT; i++)
        assert_non_null(append(LIFE_MOVED, SHARED_BYTES_MAX, 0));
    assert_null(append(LIFE_MOVED, SHARED_BYTES_MAX, 0));
    assert_int_equal(segment_held_bytes(&pool), POOL_BYTES);
}

static void what_is_left_in_an_open_segment_may_still_be_used(void **state)
{
    (void)state;
    while (append_shared() != NULL)
        ;
    assert_false(segment_has_room(&pool, 8));
    assert_non_null(append(LIFE_UNLIMITED, 8, 0));
}

static void the_index_takes_from_the_same_budget(void **state)
{
    size_t count = 0;

    (void)state;
    atomic_store(&index_bytes, POOL_BYTES / 2);
    while (append_shared() != NULL)
        count++;
    assert_int_equal(count, (SEGMENTS / 2 - RESERVE) * SHARED_PER_SEGMENT);
    /* It grows into the reserve, then beyond all. */
    atomic_store(&index_bytes, POOL_BYTES / 2 + SEGMENT_BYTES + 1);
    assert_false(segment_has_room(&pool, 8));
    assert_null(append(LIFE_MINUTE, 8, 1));
    assert_null(append(LIFE_MOVED, 8, 0));
    atomic_store(&index_bytes, 2 * POOL_BYTES);
    assert_false(segment_has_room(&pool, 8));
    assert_false(segment_has_room(&pool, SEGMENT_BYTES));
    assert_null(append(LIFE_MOVED, 8, 0));
    atomic_store(&index_bytes, 0);
    assert_non_null(append(LIFE_MINUTE, 8, 1));
}

static void private_items_leave_the_reserve_alone(void **state)
{
    size_t left_bytes = POOL_BYTES - RESERVE * SEGMENT_BYTES;
    size_t bytes = left_bytes - SEGMENT_HEADER_BYTES;

    (void)state;
    assert_false(segment_has_room(&pool, bytes + 1));
    assert_null(segment_append_private(&pool, bytes + 1, 0));
    assert_true(segment_has_room(&pool, bytes));
    void *item = append(LIFE_UNLIMITED, bytes, 0);
    assert_non_null(item);
    assert_int_equal(segment_held_bytes(&pool), left_bytes);
    assert_null(append(LIFE_UNLIMITED, 8, 0));
    assert_non_null(append(LIFE_MOVED, 8, 0));
    segment_forget(&pool, item, bytes);
    assert_non_null(append(LIFE_UNLIMITED, 8, 0));
}

static void free_segments_make_way_for_a_private_item(void **state)
{
    void *items[(SEGMENTS - RESERVE) * SHARED_PER_SEGMENT];
    size_t count = sizeof(items) / sizeof(items[0]);

    (void)state;
    for (size_t i = 0; i < count; i++)
        items[i] = append_shared();
    for (size_t i = 0; i < count; i++)
        forget_shared(items[i]);
    /* All but the open one are free, and their memory is kept for use. */
    assert_int_equal(pool.free_count, SEGMENTS - RESERVE - 1);
    assert_int_equal(segment_held_bytes(&pool),
                     (SEGMENTS - RESERVE) * SEGMENT_BYTES);

    void *large = append(LIFE_UNLIMITED, MEGABYTE, 0);
    assert_non_null(large);
    check_pool();
    assert_non_null(pool.returned.first);
    segment_forget(&pool, large, MEGABYTE);
    /* What was given back to the system can be had again. */
    for (size_t i = 0; i < count - SHARED_PER_SEGMENT; i++)
        assert_non_null(append_shared());
    check_pool();
}

/* ---- giving back ---- */

static void a_sealed_segment_is_free_when_its_last_item_dies(void **state)
{
    void *items[SHARED_PER_SEGMENT + 1];

    (void)state;
    fill_segment(items);
    for (size_t i = 0; i < SHARED_PER_SEGMENT - 1; i++)
        forget_shared(items[i]);
    assert_int_equal(pool.free_count, 0);
    forget_shared(items[SHARED_PER_SEGMENT - 1]);
    assert_int_equal(pool.free_count, 1);
    assert_int_equal(segment_of(items[0])->state, SEGMENT_FREE);
    check_pool();
}

static void an_open_segment_stays_open_when_its_last_item_dies(void **state)
{
    void *item = append_shared();
    struct segment *segment = segment_of(item);

    (void)state;
    forget_shared(item);
    assert_int_equal(segment->state, SEGMENT_OPEN);
    assert_int_equal(segment->live_bytes, 0);
    for (size_t i = 1; i < SHARED_PER_SEGMENT; i++)
        forget_shared(append_shared());
    /* It is full, and sealed by the next one; nothing in it lives. */
    void *next = append_shared();
    assert_ptr_not_equal(segment_of(next), segment);
    assert_int_equal(segment->state, SEGMENT_FREE);
    check_pool();
}

static void a_private_segment_goes_back_with_its_item(void **state)
{
    (void)state;
    void *item = append(LIFE_UNLIMITED, SEGMENT_BYTES, 0);
    assert_true(segment_held_bytes(&pool) > SEGMENT_BYTES);
    segment_forget(&pool, item, SEGMENT_BYTES);
    assert_int_equal(segment_held_bytes(&pool), 0);
}

static void a_place_that_was_left_is_taken_again(void **state)
{
    uint8_t *places[4];
    size_t bytes = 3 * SEGMENT_BYTES;

    (void)state;
    for (size_t round = 0; round < 100; round++) {
        for (size_t i = 0; i < 4; i++) {
            places[i] = append(LIFE_UNLIMITED, bytes, 0);
            assert_non_null(places[i]);
        }
        for (size_t i = 0; i < 4; i++)
            segment_forget(&pool, places[i], bytes);
    }
    assert_int_equal(segment_held_bytes(&pool), 0);
    /* Three segments and a header do not fit a place of two. */
    assert_int_equal(pool.extents[2].carved_count, 4);
    assert_int_equal(pool.extents[2].left_count, 4);
    assert_null(pool.extents[1].start);
}

static void memory_can_be_used_again_for_ever(void **state)
{
    void *items[100] = {NULL};

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        void **at = &items[i % 100];
        if (*at != NULL)
            forget_shared(*at);
        *at = append_shared();
        assert_non_null(*at);
    }
    check_pool();
}

/* ---- pins ---- */

static void who_still_writes_keeps_the_segment(void **state)
{
    void *items[SHARED_PER_SEGMENT + 1];

    (void)state;
    for (size_t i = 0; i < SHARED_PER_SEGMENT; i++)
        items[i] = segment_append(&pool, LIFE_UNLIMITED, SHARED_BYTES_MAX, 0);
    assert_true(segment_is_pinned(&pool, items[0]));
    assert_int_equal(segment_of(items[0])->pins, SHARED_PER_SEGMENT);
    items[SHARED_PER_SEGMENT] = append_shared();
    for (size_t i = 0; i < SHARED_PER_SEGMENT; i++)
        forget_shared(items[i]);
    /* All are dead, and the last one is not settled yet. */
    for (size_t i = 0; i < SHARED_PER_SEGMENT; i++) {
        assert_int_equal(segment_of(items[0])->state, SEGMENT_SEALED);
        segment_settle(&pool, items[i]);
    }
    assert_int_equal(segment_of(items[0])->state, SEGMENT_FREE);
}

static void who_reads_keeps_a_private_segment(void **state)
{
    size_t bytes = 3 * SEGMENT_BYTES;
    uint8_t *item = append(LIFE_UNLIMITED, bytes, 0);

    (void)state;
    assert_false(segment_is_pinned(&pool, item));
    struct segment *one = segment_pin(&pool, item);
    struct segment *other = segment_pin(&pool, item);
    assert_true(segment_is_pinned(&pool, item));
    segment_forget(&pool, item, bytes);
    assert_int_equal(item[bytes - 1], 0xaa);
    segment_unpin(&pool, one);
    assert_int_equal(item[0], 0xaa);
    assert_true(segment_held_bytes(&pool) > bytes);
    segment_unpin(&pool, other);
    assert_int_equal(segment_held_bytes(&pool), 0);
}

static void a_reader_who_leaves_first_frees_nothing(void **state)
{
    size_t bytes = 3 * SEGMENT_BYTES;
    void *item = append(LIFE_UNLIMITED, bytes, 0);

    (void)state;
    segment_unpin(&pool, segment_pin(&pool, item));
    assert_true(segment_held_bytes(&pool) > bytes);
    segment_forget(&pool, item, bytes);
    assert_int_equal(segment_held_bytes(&pool), 0);
}

/* ---- claims ---- */

static void nothing_is_claimed_that_is_open(void **state)
{
    size_t end_bytes;

    (void)state;
    assert_null(segment_claim_oldest(&pool, false, &end_bytes));
    assert_null(segment_claim_dead(&pool, 0, false, &end_bytes));
    forget_shared(append_shared());
    assert_null(segment_claim_oldest(&pool, false, &end_bytes));
    assert_null(segment_claim_dead(&pool, 0, false, &end_bytes));
}

static void the_oldest_is_claimed_once_and_first(void **state)
{
    void *first[SHARED_PER_SEGMENT + 1];
    void *second[SHARED_PER_SEGMENT + 1];
    size_t end_bytes = 0;

    (void)state;
    fill_segment(first);
    fill_segment(second);
    struct segment *one = segment_claim_oldest(&pool, false, &end_bytes);
    assert_ptr_equal(one, segment_of(first[0]));
    assert_int_equal(end_bytes, SEGMENT_HEADER_BYTES +
                                    SHARED_PER_SEGMENT * SHARED_BYTES_MAX);
    struct segment *two = segment_claim_oldest(&pool, false, &end_bytes);
    assert_ptr_equal(two, segment_of(second[0]));
    assert_null(segment_claim_oldest(&pool, false, &end_bytes));
    segment_yield(&pool, one);
    assert_ptr_equal(segment_claim_oldest(&pool, false, &end_bytes), one);
    /* Spared, it is the youngest. */
    segment_yield(&pool, two);
    segment_spare(&pool, one);
    assert_ptr_equal(segment_claim_oldest(&pool, false, &end_bytes), two);
    segment_yield(&pool, two);
}

static void what_is_pinned_is_not_claimed(void **state)
{
    void *items[SHARED_PER_SEGMENT + 1];
    size_t end_bytes;

    (void)state;
    items[0] = segment_append(&pool, LIFE_MINUTE, SHARED_BYTES_MAX, NOW);
    for (size_t i = 1; i <= SHARED_PER_SEGMENT; i++)
        items[i] = append(LIFE_MINUTE, SHARED_BYTES_MAX, NOW);
    forget_shared(items[1]);
    assert_null(segment_claim_oldest(&pool, false, &end_bytes));
    assert_null(segment_claim_dead(&pool, 1, false, &end_bytes));
    struct segment *open = segment_claim_expired(&pool, NOW, &end_bytes);
    assert_ptr_equal(open, segment_of(items[SHARED_PER_SEGMENT]));
    assert_null(segment_claim_expired(&pool, NOW, &end_bytes));
    segment_yield(&pool, open);

    segment_settle(&pool, items[0]);
    struct segment *claimed = segment_claim_expired(&pool, NOW, &end_bytes);
    assert_ptr_equal(claimed, segment_of(items[0]));
    segment_yield(&pool, claimed);
}

static void a_claimed_segment_is_not_freed_before_it_is_yielded(void **state)
{
    void *items[SHARED_PER_SEGMENT + 1];
    size_t end_bytes;

    (void)state;
    fill_segment(items);
    struct segment *claimed = segment_claim_oldest(&pool, false, &end_bytes);
    for (size_t i = 0; i < SHARED_PER_SEGMENT; i++)
        forget_shared(items[i]);
    assert_int_equal(claimed->state, SEGMENT_SEALED);
    segment_yield(&pool, claimed);
    assert_int_equal(claimed->state, SEGMENT_FREE);

    void *item = append(LIFE_UNLIMITED, SEGMENT_BYTES, 0);
    claimed = segment_claim_oldest(&pool, false, &end_bytes);
    assert_ptr_equal(claimed, segment_of(item));
    segment_forget(&pool, item, SEGMENT_BYTES);
    assert_int_equal(end_bytes, SEGMENT_HEADER_BYTES + SEGMENT_BYTES);
    size_t held_bytes = segment_held_bytes(&pool);
    segment_spare(&pool, claimed);
    assert_true(segment_held_bytes(&pool) < held_bytes);
}

static void of_the_dead_the_deadest_is_claimed(void **state)
{
    void *items[3][SHARED_PER_SEGMENT + 1];
    size_t end_bytes;

    (void)state;
    for (size_t i = 0; i < 3; i++)
        fill_segment(items[i]);
    assert_null(segment_claim_dead(&pool, 1, false, &end_bytes));
    forget_shared(items[0][0]);
    forget_shared(items[1][0]);
    forget_shared(items[1][1]);
    forget_shared(items[2][0]);
    struct segment *deadest = segment_claim_dead(&pool, 10, false, &end_bytes);
    assert_ptr_equal(deadest, segment_of(items[1][0]));
    /* Of a segment an eighth is dead in the others, not a quarter. */
    assert_null(segment_claim_dead(&pool, 25, false, &end_bytes));
    struct segment *other = segment_claim_dead(&pool, 12, false, &end_bytes);
    assert_ptr_equal(other, segment_of(items[0][0]));
    segment_yield(&pool, other);
    segment_yield(&pool, deadest);
}

static void private_segments_are_never_compacted(void **state)
{
    size_t end_bytes;

    (void)state;
    void *item = append(LIFE_UNLIMITED, SEGMENT_BYTES, 0);
    segment_forget(&pool, item, SEGMENT_BYTES / 2);
    assert_null(segment_claim_dead(&pool, 0, false, &end_bytes));
    struct segment *oldest = segment_claim_oldest(&pool, false, &end_bytes);
    assert_ptr_equal(oldest, segment_of(item));
    segment_yield(&pool, oldest);
}

static void a_segment_is_due_when_something_in_it_can_die(void **state)
{
    void *item = append(LIFE_HOURS, 64, NOW + 10);
    void *large = append(LIFE_LONG, SEGMENT_BYTES, NOW + 20);
    size_t end_bytes = 0;

    (void)state;
    append(LIFE_HOURS, 64, NOW + 5);
    append(LIFE_HOURS, 64, 0);
    append(LIFE_UNLIMITED, 64, 0);
    assert_null(segment_claim_expired(&pool, NOW + 4, &end_bytes));
    struct segment *due = segment_claim_expired(&pool, NOW + 5, &end_bytes);
    assert_ptr_equal(due, segment_of(item));
    assert_int_equal(end_bytes, SEGMENT_HEADER_BYTES + 3 * 64);
    assert_null(segment_claim_expired(&pool, NOW + 19, &end_bytes));
    /* Whoever walks through it says what is left to die. */
    segment_expires(&pool, item, NOW + 10);
    segment_yield(&pool, due);
    assert_null(segment_claim_expired(&pool, NOW + 9, &end_bytes));
    assert_ptr_equal(segment_claim_expired(&pool, NOW + 10, &end_bytes), due);
    segment_yield(&pool, due);
    assert_null(segment_claim_expired(&pool, NOW + 19, &end_bytes));
    due = segment_claim_expired(&pool, NOW + 20, &end_bytes);
    assert_ptr_equal(due, segment_of(large));
    segment_yield(&pool, due);
    assert_null(segment_claim_expired(&pool, UINT32_MAX - 1, &end_bytes));
}

static void a_touch_may_only_bring_death_nearer(void **state)
{
    void *item = append(LIFE_HOURS, 64, NOW + 10);
    size_t end_bytes;

    (void)state;
    segment_expires(&pool, item, NOW + 100);
    segment_expires(&pool, item, 0);
    assert_null(segment_claim_expired(&pool, NOW + 9, &end_bytes));
    segment_expires(&pool, item, NOW + 3);
    struct segment *due = segment_claim_expired(&pool, NOW + 3, &end_bytes);
    assert_ptr_equal(due, segment_of(item));
    segment_yield(&pool, due);
}

static void after_a_flush_every_segment_is_due_once(void **state)
{
    void *items[SHARED_PER_SEGMENT + 1];
    size_t end_bytes;
    unsigned count = 0;

    (void)state;
    fill_segment(items);
    append(LIFE_LONG, SEGMENT_BYTES, NOW + 99);
    append(LIFE_MINUTE, 64, NOW + 1);
    assert_null(segment_claim_expired(&pool, NOW, &end_bytes));
    segment_expire_all(&pool);
    for (;; count++) {
        struct segment *due = segment_claim_expired(&pool, NOW, &end_bytes);
        if (due == NULL)
            break;
        segment_yield(&pool, due);
    }
    /* Two that are open, one that is sealed, one that is private. */
    assert_int_equal(count, 4);
}

/* What a segment with seven items of the same size does after a sweep. */
static void assert_rests(size_t freed_bytes, time_s seconds)
{
    void *items[SHARED_PER_SEGMENT];
    size_t end_bytes;

    for (size_t i = 0; i < SHARED_PER_SEGMENT; i++)
        items[i] = append(LIFE_MINUTE, SHARED_BYTES_MAX, NOW);
    struct segment *due = segment_claim_expired(&pool, NOW, &end_bytes);
    assert_ptr_equal(due, segment_of(items[0]));
    segment_expires(&pool, items[0], NOW + 1);
    segment_yield_swept(&pool, due, freed_bytes, NOW);
    assert_null(segment_claim_expired(&pool, NOW + seconds - 1, &end_bytes));
    assert_ptr_equal(segment_claim_expired(&pool, NOW + seconds, &end_bytes),
                     due);
    segment_yield(&pool, due);
}

static void a_sweep_in_vain_is_repeated_a_second_later(void **state)
{
    (void)state;
    assert_rests(0, 1);
}

static void a_sweep_that_found_much_is_repeated_when_due(void **state)
{
    (void)state;
    assert_rests(2 * SHARED_BYTES_MAX, 1);
}

static void a_flush_ends_every_rest(void **state)
{
    void *items[SHARED_PER_SEGMENT + 1];
    size_t end_bytes;

    (void)state;
    fill_segment(items);
    segment_expires(&pool, items[0], NOW);
    struct segment *due = segment_claim_expired(&pool, NOW, &end_bytes);
    assert_ptr_equal(due, segment_of(items[0]));
    segment_expires(&pool, items[0], NOW);
    segment_yield_swept(&pool, due, 0, NOW);
    assert_null(segment_claim_expired(&pool, NOW, &end_bytes));
    segment_expire_all(&pool);
    struct segment *open = segment_claim_expired(&pool, NOW, &end_bytes);
    assert_ptr_equal(segment_claim_expired(&pool, NOW, &end_bytes), due);
    segment_yield(&pool, open);
    segment_yield(&pool, due);
}

static void large_items_wait_among_the_others(void **state)
{
    void *items[SHARED_PER_SEGMENT + 1];
    size_t end_bytes;

    (void)state;
    void *first = append(LIFE_UNLIMITED, SEGMENT_BYTES, 0);
    fill_segment(items);
    void *last = append(LIFE_UNLIMITED, SEGMENT_BYTES, 0);
    void *const order[] = {first, items[0], last};
    struct segment *claimed[3];
    for (size_t i = 0; i < 3; i++) {
        claimed[i] = segment_claim_oldest(&pool, i % 2 == 0, &end_bytes);
        assert_ptr_equal(claimed[i], segment_of(order[i]));
    }
    for (size_t i = 0; i < 3; i++)
        segment_yield(&pool, claimed[i]);
}

static void what_is_fresh_goes_first_while_it_is_more_than_a_tenth(void **state)
{
    void *items[SHARED_PER_SEGMENT + 1];
    void *kept[4 * SHARED_PER_SEGMENT + 1];
    size_t end_bytes;

    (void)state;
    for (size_t i = 0; i <= 4 * SHARED_PER_SEGMENT; i++)
        kept[i] = append(LIFE_KEPT, SHARED_BYTES_MAX, 0);
    fill_segment(items);
    struct segment *fresh = segment_claim_oldest(&pool, false, &end_bytes);
    assert_ptr_equal(fresh, segment_of(items[0]));
    segment_spare(&pool, fresh);
    struct segment *oldest = segment_claim_oldest(&pool, false, &end_bytes);
    assert_ptr_equal(oldest, segment_of(kept[0]));
    segment_yield(&pool, oldest);
}

static void what_is_left_of_a_cleared_segment_is_used(void **state)
{
    void *items[SHARED_PER_SEGMENT + 1];
    size_t end_bytes;

    (void)state;
    fill_segment(items);
    for (size_t i = 1; i < SHARED_PER_SEGMENT; i++)
        forget_shared(items[i]);
    assert_null(segment_append_rest(&pool, LIFE_KEPT, 8, 0));
    struct segment *cleared = segment_claim_oldest(&pool, false, &end_bytes);
    assert_ptr_equal(cleared, segment_of(items[0]));
    segment_reopen(&pool, cleared, LIFE_KEPT,
                   SEGMENT_HEADER_BYTES + SHARED_BYTES_MAX);
    assert_int_equal(cleared->state, SEGMENT_OPEN);
    assert_null(segment_append_rest(&pool, LIFE_MOVED, 8, 0));
    uint8_t *rest = segment_append_rest(&pool, LIFE_KEPT, 8, 0);
    assert_ptr_equal(rest, (uint8_t *)items[0] + SHARED_BYTES_MAX);
    segment_settle(&pool, rest);
    assert_null(segment_append_rest(&pool, LIFE_KEPT, SEGMENT_BYTES, 0));
    /* It is sealed when another one takes its place. */
    for (size_t i = 0; i < SHARED_PER_SEGMENT; i++)
        assert_non_null(append(LIFE_KEPT, SHARED_BYTES_MAX, 0));
    assert_int_equal(cleared->state, SEGMENT_SEALED);
    assert_int_equal(cleared->queue, QUEUE_KEPT);
}

static void items_may_be_appended_behind_a_walk(void **state)
{
    void *item = append(LIFE_MINUTE, 64, NOW);
    size_t end_bytes = 0;

    (void)state;
    struct segment *due = segment_claim_expired(&pool, NOW, &end_bytes);
    assert_ptr_equal(due, segment_of(item));
    void *later = append(LIFE_MINUTE, 64, NOW + 1);
    assert_ptr_equal(segment_of(later), due);
    assert_true((uint8_t *)later >= (uint8_t *)due + end_bytes);
    segment_yield(&pool, due);
    assert_ptr_equal(segment_claim_expired(&pool, NOW + 1, &end_bytes), due);
    segment_yield(&pool, due);
}

/* ---- all of it ---- */

#define MODEL_ITEMS 300

struct model_item {
    uint8_t *at;
    size_t bytes;
    uint8_t filler;
    struct segment *pinned;
};

static struct model_item model[MODEL_ITEMS];

static void forget_model(struct model_item *item)
{
    assert_int_equal(item->at[0], item->filler);
    assert_int_equal(item->at[item->bytes - 1], item->filler);
    segment_forget(&pool, item->at, item->bytes);
    if (item->pinned != NULL)
        segment_unpin(&pool, item->pinned);
    *item = (struct model_item){0};
}

static void append_model(struct model_item *item, struct prng *prng)
{
    bool is_large = prng_below(prng, 12) == 0;
    enum life_class life = (enum life_class)prng_below(prng, LIFE_CLASSES);

    item->bytes = 8 + 8 * prng_below(prng, is_large ? 20000 : 1000);
    item->filler = (uint8_t)prng_next(prng);
    item->at =
        segment_append(&pool, life, item->bytes, (time_s)prng_below(prng, 100));
    if (item->at == NULL)
        return;
    memset(item->at, item->filler, item->bytes);
    segment_settle(&pool, item->at);
    if (segment_is_private(&pool, item->at) && prng_below(prng, 2) == 0)
        item->pinned = segment_pin(&pool, item->at);
}

static void any_order_of_all_calls_keeps_the_books(void **state)
{
    struct prng prng = {.state = 23};
    struct segment *claimed = NULL;
    size_t end_bytes;

    (void)state;
    memset(model, 0, sizeof(model));
    for (unsigned step = 0; step < 60000; step++) {
        struct model_item *item = &model[prng_below(&prng, MODEL_ITEMS)];
        switch (prng_below(&prng, 8)) {
        case 0:
            atomic_store(&index_bytes, prng_below(&prng, POOL_BYTES / 4));
            break;
        case 1:
            if (claimed != NULL)
                segment_yield(&pool, claimed);
            claimed = prng_below(&prng, 2) == 0
                          ? segment_claim_dead(&pool, 10, false, &end_bytes)
                          : segment_claim_expired(&pool, 50, &end_bytes);
            break;
        default:
            if (item->at != NULL)
                forget_model(item);
            else
                append_model(item, &prng);
            break;
        }
        if (step % 100 == 0)
            check_pool();
    }
    if (claimed != NULL)
        segment_yield(&pool, claimed);
    for (size_t i = 0; i < MODEL_ITEMS; i++) {
        if (model[i].at != NULL)
            forget_model(&model[i]);
    }
    assert_null(pool.sealed[QUEUE_FRESH].first);
    assert_null(pool.sealed[QUEUE_KEPT].first);
}

#define ON_POOL(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define ON_SCARCE(test)                                                        \
    cmocka_unit_test_setup_teardown(test, set_up_scarce, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_POOL(the_class_of_a_life_changes_at_its_borders),
        ON_POOL(segments_grow_with_the_memory_within_bounds),
        ON_POOL(items_of_a_life_lie_one_behind_the_other),
        ON_POOL(each_life_has_a_segment_of_its_own),
        ON_POOL(a_full_segment_is_sealed_and_another_opened),
        ON_POOL(an_item_larger_than_an_eighth_is_private),
        ON_POOL(a_private_item_may_be_larger_than_a_segment),
        ON_POOL(the_last_segments_are_for_moving_items),
        ON_POOL(what_is_left_in_an_open_segment_may_still_be_used),
        ON_POOL(the_index_takes_from_the_same_budget),
        ON_POOL(private_items_leave_the_reserve_alone),
        ON_POOL(free_segments_make_way_for_a_private_item),
        ON_POOL(a_sealed_segment_is_free_when_its_last_item_dies),
        ON_POOL(an_open_segment_stays_open_when_its_last_item_dies),
        ON_POOL(a_private_segment_goes_back_with_its_item),
        ON_POOL(memory_can_be_used_again_for_ever),
        ON_POOL(who_still_writes_keeps_the_segment),
        ON_POOL(who_reads_keeps_a_private_segment),
        ON_POOL(a_reader_who_leaves_first_frees_nothing),
        ON_POOL(nothing_is_claimed_that_is_open),
        ON_POOL(the_oldest_is_claimed_once_and_first),
        ON_POOL(what_is_pinned_is_not_claimed),
        ON_POOL(a_claimed_segment_is_not_freed_before_it_is_yielded),
        ON_POOL(of_the_dead_the_deadest_is_claimed),
        ON_POOL(private_segments_are_never_compacted),
        ON_POOL(a_segment_is_due_when_something_in_it_can_die),
        ON_POOL(a_touch_may_only_bring_death_nearer),
        ON_POOL(after_a_flush_every_segment_is_due_once),
        ON_POOL(a_sweep_in_vain_is_repeated_a_second_later),
        ON_POOL(a_sweep_that_found_much_is_repeated_when_due),
        ON_POOL(a_flush_ends_every_rest),
        ON_POOL(large_items_wait_among_the_others),
        ON_POOL(what_is_fresh_goes_first_while_it_is_more_than_a_tenth),
        ON_POOL(what_is_left_of_a_cleared_segment_is_used),
        ON_POOL(items_may_be_appended_behind_a_walk),
        ON_POOL(any_order_of_all_calls_keeps_the_books),
        ON_SCARCE(any_order_of_all_calls_keeps_the_books),
        ON_SCARCE(a_private_segment_goes_back_with_its_item),
        ON_POOL(a_place_that_was_left_is_taken_again),
    };

    return cmocka_run_group_tests_name("segment", tests, NULL, NULL);
}
