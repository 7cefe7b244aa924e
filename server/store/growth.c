/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Growth: buckets are split one by one, or merged.
 */
#include <assert.h>
#include <sys/mman.h>

#include "server/store/chain.h"

/* Items per bucket, on average, above which the index grows: memory against
 * one in ten items that lies in a spare (doc/store.md). */
#define CROWDED_ITEMS 9

bool index_is_crowded(const struct index *index, uint64_t hash)
{
    size_t count =
        atomic_load_explicit(&index->buckets_count, memory_order_relaxed);

    return atomic_load_explicit(slots_used(index, hash), memory_order_relaxed) >
           CROWDED_ITEMS * (count / INDEX_GROUPS);
}

/* Moves what belongs to bucket `target` there; false if no room was left. */
static bool split(struct index *index, struct bucket *source,
                  struct bucket *target, size_t target_number)
{
    struct link link = link_of_bucket(source);

    do {
        for (unsigned i = 0; i < link.slots_count; i++) {
            struct slot *slot = &link.slots[i];
            if (slot->tag == 0)
                continue;
            struct item *item = index_item(index, slot);
            uint64_t hash = index_item_hash(index, item);
            if (bucket_number(hash, target_number + 1) != target_number)
                continue;
            if (chain_place(index, target, slot->tag, item) == NULL)
                return false;
            slot->tag = 0;
        }
    } while (link_next(index, &link));
    chain_gather(index, source);
    return true;
}

/* All of `target` that finds room in `source` goes there; false if some did
 * not. */
static bool move_all(struct index *index, struct bucket *source,
                     struct bucket *target)
{
    struct link link = link_of_bucket(target);
    bool is_all = true;

    do {
        for (unsigned i = 0; i < link.slots_count; i++) {
            struct slot *slot = &link.slots[i];
            if (slot->tag == 0)
                continue;
            if (chain_place(index, source, slot->tag,
                            index_item(index, slot)) != NULL)
                slot->tag = 0;
            else
                is_all = false;
        }
    } while (link_next(index, &link));
    chain_drop_empty(index, target);
    return is_all;
}

/* Undoes a split that ran out of spares: what had moved fits the slots that
 * it left. */
static void unsplit(struct index *index, struct bucket *source,
                    struct bucket *target)
{
    bool is_undone = move_all(index, source, target);

    assert(is_undone);
}

void index_grow(struct index *index)
{
    if (pthread_mutex_trylock(&index->growth_lock) != 0)
        return;
    size_t count =
        atomic_load_explicit(&index->buckets_count, memory_order_relaxed);
    if (count < index->buckets_max) {
        size_t half = (size_t)1 << (63 - __builtin_clzll(count));
        struct bucket *source = &index->buckets[count - half];
        /* The source and its other half belong to the same stripe. */
        struct stripe *stripe = index_lock(index, count - half);
        bool is_split = split(index, source, &index->buckets[count], count);
        if (is_split)
            atomic_store_explicit(&index->buckets_count, count + 1,
                                  memory_order_release);
        else
            unsplit(index, source, &index->buckets[count]);
        index_unlock(stripe);
        if (is_split && count % (PAGE_BYTES / sizeof(struct bucket)) == 0)
            atomic_fetch_add_explicit(&index->bytes, PAGE_BYTES,
                                      memory_order_relaxed);
    }
    pthread_mutex_unlock(&index->growth_lock);
}

/* ---- shrinking ---- */

/* All of `target` goes back to `source`; false if no room was left, and all
 * is where it was. */
static bool merge(struct index *index, struct bucket *source,
                  struct bucket *target, size_t target_number)
{
    if (move_all(index, source, target))
        return true;
    bool is_back = split(index, source, target, target_number);
    assert(is_back); /* it was there before */
    return false;
}

bool index_shrink(struct index *index)
{
    bool is_merged = false;

    pthread_mutex_lock(&index->growth_lock);
    size_t count =
        atomic_load_explicit(&index->buckets_count, memory_order_relaxed);
    if (count > INDEX_STRIPES) {
        size_t last = count - 1;
        size_t half = (size_t)1 << (63 - __builtin_clzll(last));
        struct stripe *stripe = index_lock(index, last - half);
        is_merged = merge(index, &index->buckets[last - half],
                          &index->buckets[last], last);
        if (is_merged)
            atomic_store_explicit(&index->buckets_count, last,
                                  memory_order_release);
        index_unlock(stripe);
        if (is_merged && last % (PAGE_BYTES / sizeof(struct bucket)) == 0) {
            madvise(&index->buckets[last], PAGE_BYTES, MADV_DONTNEED);
            atomic_fetch_sub_explicit(&index->bytes, PAGE_BYTES,
                                      memory_order_relaxed);
        }
    }
    pthread_mutex_unlock(&index->growth_lock);
    return is_merged;
}

void index_hold_still(struct index *index)
{
    pthread_mutex_lock(&index->growth_lock);
}

void index_let_move(struct index *index)
{
    pthread_mutex_unlock(&index->growth_lock);
}
