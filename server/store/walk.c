/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Walk: all items of the index, whole or in portions.
 */
#include "server/store/chain.h"

static void visit_bucket(const struct index *index, size_t number,
                         index_visitor *visit, void *context)
{
    struct link link = link_of_bucket(&index->buckets[number]);

    do {
        for (unsigned i = 0; i < link.slots_count; i++) {
            if (link.slots[i].tag != 0)
                visit(index_item(index, &link.slots[i]), context);
        }
    } while (link_next(index, &link));
}

void index_visit(struct index *index, size_t number, index_visitor *visit,
                 void *context)
{
    struct stripe *stripe = index_lock(index, number);

    visit_bucket(index, number, visit, context);
    index_unlock(stripe);
}

/* ---- walks in portions ---- */

static uint64_t reverse(uint64_t bits)
{
    const uint64_t ones = UINT64_C(0x5555555555555555);
    const uint64_t twos = UINT64_C(0x3333333333333333);
    const uint64_t fours = UINT64_C(0x0f0f0f0f0f0f0f0f);

    bits = (bits & ones) << 1 | (bits >> 1 & ones);
    bits = (bits & twos) << 2 | (bits >> 2 & twos);
    bits = (bits & fours) << 4 | (bits >> 4 & fours);
    return __builtin_bswap64(bits);
}

struct portion {
    const struct index *index;
    uint64_t cursor;
    index_visitor *visit;
    void *context;
};

static void visit_later(struct item *item, void *context)
{
    const struct portion *portion = context;

    if (reverse(index_item_hash(portion->index, item)) >= portion->cursor)
        portion->visit(item, portion->context);
}

/*
 * The place of an item in a walk is its hash with the bits in reverse order.
 * A bucket, whose hashes end alike, is a range of such places, and when it is
 * split or merged the ranges are halved or joined: no place changes.
 */
uint64_t index_visit_from(struct index *index, uint64_t cursor,
                          index_visitor *visit, void *context)
{
    struct portion portion = {index, cursor, visit, context};
    struct stripe *stripe = index_lock(index, reverse(cursor));
    size_t count =
        atomic_load_explicit(&index->buckets_count, memory_order_acquire);
    unsigned bits = 63 - (unsigned)__builtin_clzll(count);
    size_t step = (size_t)1 << bits;
    uint64_t range = UINT64_MAX >> bits;

    /* Both buckets of the range are of this stripe. */
    for (size_t number = reverse(cursor) & (step - 1); number < count;
         number += step) {
        if ((cursor & range) == 0)
            visit_bucket(index, number, visit, context);
        else
            visit_bucket(index, number, visit_later, &portion);
    }
    index_unlock(stripe);
    return (cursor | range) + 1;
}
