/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Chain: a bucket and its spares, slot by slot; the inside of index.h, shared
 * by the files that make it.
 *
 * Threads: under the lock of the bucket's stripe.
 */
#ifndef SERVER_STORE_CHAIN_H
#define SERVER_STORE_CHAIN_H

#include <assert.h>

#include "server/store/index.h"

#define TAG_SHIFT 56
#define FAR_BIT (UINT64_C(1) << 39)
#define PLACE_MASK ((UINT64_C(1) << 40) - 1)
#define PAGE_BYTES ((size_t)4096)

/* With these index_prefetch_item() reads what others may write: they are of
 * the function that they are in, for ThreadSanitizer, too. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* ---- buckets ---- */

/* Linear hashing (Litwin, 1980): buckets not split yet use one bit less. */
static inline size_t bucket_number(uint64_t hash, size_t count)
{
    size_t mask = ((size_t)1 << (64 - __builtin_clzll(count - 1))) - 1;
    size_t number = hash & mask;

    return number < count ? number : hash & (mask >> 1);
}

static inline struct bucket *bucket_of(const struct index *index, uint64_t hash)
{
    size_t count =
        atomic_load_explicit(&index->buckets_count, memory_order_acquire);

    return &index->buckets[bucket_number(hash, count)];
}

/* ---- slots ---- */

ALWAYS_INLINE uint64_t little_endian(uint64_t word)
{
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? word
                                                     : __builtin_bswap64(word);
}

static inline uint8_t tag_of(uint64_t hash)
{
    uint8_t tag = (uint8_t)(hash >> TAG_SHIFT);

    return tag == 0 ? 1 : tag;
}

static inline uint64_t place_of(const struct index *index,
                                const struct item *item)
{
    uintptr_t address = (uintptr_t)item;
    uintptr_t offset = address - (uintptr_t)index->arena;

    if (offset < INDEX_ARENA_MAX)
        return offset;
    assert(address % INDEX_FAR_ALIGN == INDEX_FAR_OFFSET);
    return FAR_BIT | address / INDEX_FAR_ALIGN;
}

/* Where the slot keeps its item's place: behind all tags of its bucket, or of
 * its spare. */
static inline uint8_t *place_at(const struct index *index,
                                const struct slot *slot)
{
    uintptr_t offset = (uintptr_t)slot - (uintptr_t)index->spares;

    if (offset >= index->spare_limit * sizeof(struct spare)) {
        size_t number = (uintptr_t)slot % sizeof(struct bucket);
        struct bucket *bucket =
            (struct bucket *)(void *)((uintptr_t)slot - number);
        return bucket->places[number];
    }
    struct spare *spare = &index->spares[offset / sizeof(struct spare)];
    return spare->places[offset % sizeof(struct spare)];
}

ALWAYS_INLINE struct item *item_at(const struct index *index, uint64_t place)
{
    uintptr_t address =
        (place & FAR_BIT)
            ? (place ^ FAR_BIT) * INDEX_FAR_ALIGN + INDEX_FAR_OFFSET
            : (uintptr_t)index->arena + place;

    return (struct item *)address;
}

/* Behind a place there are three more bytes, in a bucket as in a spare. */
ALWAYS_INLINE struct item *read_place(const struct index *index,
                                      const uint8_t *at)
{
    uint64_t place;

    memcpy(&place, at, sizeof(place));
    return item_at(index, little_endian(place) & PLACE_MASK);
}

/* ---- chains: a bucket and its spares ---- */

/* The slots of one of a chain, and what follows it. */
struct link {
    struct slot *slots;
    uint8_t (*places)[INDEX_PLACE_BYTES];
    unsigned slots_count;
    uint32_t *overflow;
};

ALWAYS_INLINE struct link link_of_bucket(struct bucket *bucket)
{
    return (struct link){bucket->slots, bucket->places, INDEX_SLOTS,
                         &bucket->overflow};
}

/* Spares are numbered from 1. */
static inline struct link link_of_spare(const struct index *index,
                                        uint32_t number)
{
    struct spare *spare = &index->spares[number - 1];

    return (struct link){spare->slots, spare->places, INDEX_SPARE_SLOTS,
                         &spare->overflow};
}

/* Goes on to what follows; false at the end. */
static inline bool link_next(const struct index *index, struct link *link)
{
    if (*link->overflow == 0)
        return false;
    *link = link_of_spare(index, *link->overflow);
    return true;
}

/* A bit for each slot of the link that has this tag, the first one lowest.
 * Behind the tags there are places enough to read 16 bytes. */
#ifdef __SSE2__
typedef char tags __attribute__((vector_size(16)));

ALWAYS_INLINE unsigned slots_with(const struct link *link, uint8_t tag)
{
    tags wanted = (char)tag - (tags){0};
    tags there;

    memcpy(&there, link->slots, sizeof(there));
    unsigned equal =
        (unsigned)__builtin_ia32_pmovmskb128((tags)(there == wanted));
    return equal & ((1U << link->slots_count) - 1);
}
#else
ALWAYS_INLINE unsigned slots_with(const struct link *link, uint8_t tag)
{
    unsigned found = 0;

    for (unsigned i = 0; i < link->slots_count; i++)
        found |= (unsigned)(link->slots[i].tag == tag) << i;
    return found;
}
#endif

/* Of the group of stripes that this hash belongs to. */
static inline _Atomic size_t *slots_used(const struct index *index,
                                         uint64_t hash)
{
    return &index->groups[hash % INDEX_GROUPS].slots_used;
}

/* ---- chain.c ---- */

/* The slot where it is now; NULL if spares have run out. */
struct slot *chain_place(struct index *index, struct bucket *bucket,
                         uint8_t tag, const struct item *item);

/* One that lies at the end of the chain moves to the slot that became empty,
 * so that spares are given back. */
void chain_fill_gap(struct index *index, struct bucket *bucket,
                    struct slot *gap);

/* What is left of a chain moves to its front, so that its end is free. */
void chain_gather(struct index *index, struct bucket *bucket);

void chain_drop_empty(struct index *index, struct bucket *bucket);

#endif
