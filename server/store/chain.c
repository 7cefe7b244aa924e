/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/store/chain.h"

#include <stdlib.h>

/* The number of an empty one, or 0. */
static uint32_t take_spare(struct index *index)
{
    pthread_mutex_lock(&index->spare_lock);
    uint32_t number = index->spare_first;
    if (number != 0) {
        index->spare_first = index->spares[number - 1].overflow;
    } else if (index->spare_count < index->spare_max) {
        if (index->spare_count % (PAGE_BYTES / sizeof(struct spare)) == 0)
            atomic_fetch_add_explicit(&index->bytes, PAGE_BYTES,
                                      memory_order_relaxed);
        number = (uint32_t)++index->spare_count;
    }
    pthread_mutex_unlock(&index->spare_lock);
    if (number != 0)
        memset(&index->spares[number - 1], 0, sizeof(struct spare));
    return number;
}

static void give_spare(struct index *index, uint32_t number)
{
    pthread_mutex_lock(&index->spare_lock);
    index->spares[number - 1].overflow = index->spare_first;
    index->spare_first = number;
    pthread_mutex_unlock(&index->spare_lock);
}

/* The slot where it is now; NULL if spares have run out. */
struct slot *chain_place(struct index *index, struct bucket *bucket,
                         uint8_t tag, const struct item *item)
{
    struct link link = link_of_bucket(bucket);

    for (;;) {
        unsigned empty = slots_with(&link, 0);
        if (empty != 0) {
            struct slot *slot = &link.slots[__builtin_ctz(empty)];
            slot->tag = tag;
            index_replace(index, slot, item);
            return slot;
        }
        if (*link.overflow == 0)
            *link.overflow = take_spare(index);
        if (!link_next(index, &link))
            return NULL;
    }
}

static bool is_empty(const struct link *link)
{
    return slots_with(link, 0) == (1U << link->slots_count) - 1;
}

void chain_drop_empty(struct index *index, struct bucket *bucket)
{
    struct link link = link_of_bucket(bucket);
    struct link next = link;

    while (link_next(index, &next)) {
        uint32_t number = *link.overflow;
        if (is_empty(&next)) {
            *link.overflow = *next.overflow;
            give_spare(index, number);
            next = link;
        } else {
            link = next;
        }
    }
}

/* One that lies at the end of the chain moves to the slot that became empty,
 * so that spares are given back. */
void chain_fill_gap(struct index *index, struct bucket *bucket,
                    struct slot *gap)
{
    struct link link = link_of_bucket(bucket);

    while (link_next(index, &link))
        ;
    unsigned all = (1U << link.slots_count) - 1;
    unsigned used = all & ~slots_with(&link, 0);
    if (used != 0) {
        struct slot *last = &link.slots[__builtin_ctz(used)];
        gap->tag = last->tag;
        index_replace(index, gap, index_item(index, last));
        if (last != gap)
            last->tag = 0;
    }
    chain_drop_empty(index, bucket);
}

/* What is left of a chain moves to its front, so that its end is free. */
void chain_gather(struct index *index, struct bucket *bucket)
{
    struct link link = link_of_bucket(bucket);

    while (link_next(index, &link)) {
        for (unsigned i = 0; i < link.slots_count; i++) {
            struct slot *slot = &link.slots[i];
            uint8_t tag = slot->tag;
            if (tag == 0)
                continue;
            const struct item *item = index_item(index, slot);
            slot->tag = 0;
            /* Its own slot is empty by now: there is always room. */
            if (chain_place(index, bucket, tag, item) == NULL)
                abort();
        }
    }
    chain_drop_empty(index, bucket);
}
