/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/store/index.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Items per bucket, on average, above which the index grows: memory against
 * one in ten items that lies in a spare (doc/store.md). */
#define CROWDED_ITEMS 9
/* One spare for so many of the most buckets that may be.  The budget stops
 * growth at about half of those. */
#define SPARE_SHARE 2
#define TAG_SHIFT 56
#define FAR_BIT (UINT64_C(1) << 39)
#define PLACE_MASK ((UINT64_C(1) << 40) - 1)
#define PAGE_BYTES ((size_t)4096)
#define LARGE_PAGE_BYTES ((size_t)2 * 1024 * 1024)
#define CACHE_LINE_BYTES 64
/* Of an item, before it is known how many it has. */
#define PREFETCH_LINES 3

/* Address space, and no memory yet; NULL where there is none. */
static void *reserve(size_t bytes)
{
    void *mapped = mmap(NULL, bytes, PROT_NONE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return mapped == MAP_FAILED ? NULL : mapped;
}

/* The first `bytes` may be used from now on; they are zero. */
static bool make_usable(void *start, size_t bytes)
{
    return mprotect(start, bytes, PROT_READ | PROT_WRITE) == 0;
}

static size_t buckets_for(size_t bytes)
{
    size_t buckets = bytes / sizeof(struct bucket);

    return buckets < INDEX_STRIPES ? INDEX_STRIPES : buckets;
}

static bool reserve_buckets(struct index *index, size_t bytes_limit)
{
    index->buckets_limit = buckets_for(bytes_limit);
    index->spare_limit = index->buckets_limit / SPARE_SHARE;
    index->buckets = reserve(index->buckets_limit * sizeof(struct bucket));
    index->spares = reserve(index->spare_limit * sizeof(struct spare));
    if (index->buckets != NULL && index->spares != NULL)
        return true;
    index_release(index);
    return false;
}

bool index_init(struct index *index, size_t bytes_max, size_t bytes_limit,
                uint64_t seed)
{
    *index = (struct index){.seed = seed};
    atomic_init(&index->buckets_count, INDEX_STRIPES);
    atomic_init(&index->bytes, INDEX_STRIPES * sizeof(struct bucket));
    /* Where address space is scarce it may not grow later. */
    if (!reserve_buckets(index, bytes_limit) &&
        !reserve_buckets(index, bytes_max))
        return false;
    index->stripes = aligned_alloc(128, INDEX_STRIPES * sizeof(struct stripe));
    index->groups = aligned_alloc(64, INDEX_GROUPS * sizeof(struct group));
    index->onlookers =
        aligned_alloc(128, INDEX_ONLOOKERS_MAX * sizeof(struct onlooker));
    if (index->stripes == NULL || index->groups == NULL ||
        index->onlookers == NULL) {
        index_release(index);
        return false;
    }
    memset(index->onlookers, 0, INDEX_ONLOOKERS_MAX * sizeof(struct onlooker));
    memset(index->stripes, 0, INDEX_STRIPES * sizeof(struct stripe));
    memset(index->groups, 0, INDEX_GROUPS * sizeof(struct group));
    for (size_t i = 0; i < INDEX_STRIPES; i++)
        pthread_mutex_init(&index->stripes[i].lock, NULL);
    pthread_mutex_init(&index->growth_lock, NULL);
    pthread_mutex_init(&index->spare_lock, NULL);
    if (index_allow(index, bytes_max))
        return true;
    index_release(index);
    return false;
}

bool index_allow(struct index *index, size_t bytes_max)
{
    size_t buckets_max = buckets_for(bytes_max);
    size_t spare_max = buckets_max / SPARE_SHARE;

    if (buckets_max > index->buckets_limit)
        return false;
    pthread_mutex_lock(&index->growth_lock);
    pthread_mutex_lock(&index->spare_lock);
    bool is_usable =
        make_usable(index->buckets, buckets_max * sizeof(struct bucket)) &&
        make_usable(index->spares, spare_max * sizeof(struct spare));
    if (is_usable) {
        index->buckets_max = buckets_max;
        index->spare_max = spare_max;
    }
    pthread_mutex_unlock(&index->spare_lock);
    pthread_mutex_unlock(&index->growth_lock);
    return is_usable;
}

void index_release(struct index *index)
{
    free(index->stripes);
    index->stripes = NULL;
    free(index->groups);
    index->groups = NULL;
    free(index->onlookers);
    index->onlookers = NULL;
    if (index->buckets != NULL)
        munmap(index->buckets, index->buckets_limit * sizeof(struct bucket));
    index->buckets = NULL;
    if (index->spares != NULL)
        munmap(index->spares, index->spare_limit * sizeof(struct spare));
    index->spares = NULL;
}

void index_set_arena(struct index *index, const void *arena)
{
    index->arena = arena;
}

/* A small server stays small: from where there are many items. */
void index_use_large_pages(struct index *index)
{
    size_t bytes = index->buckets_max * sizeof(struct bucket);

    if (bytes > LARGE_PAGE_BYTES)
        madvise((uint8_t *)index->buckets + LARGE_PAGE_BYTES,
                bytes - LARGE_PAGE_BYTES, MADV_HUGEPAGE);
}

/* Linear hashing (Litwin, 1980): buckets not split yet use one bit less. */
static size_t bucket_number(uint64_t hash, size_t count)
{
    size_t mask = ((size_t)1 << (64 - __builtin_clzll(count - 1))) - 1;
    size_t number = hash & mask;

    return number < count ? number : hash & (mask >> 1);
}

static struct bucket *bucket_of(const struct index *index, uint64_t hash)
{
    size_t count =
        atomic_load_explicit(&index->buckets_count, memory_order_acquire);

    return &index->buckets[bucket_number(hash, count)];
}

static struct stripe *stripe_of(const struct index *index, uint64_t hash)
{
    return &index->stripes[hash % INDEX_STRIPES];
}

void index_prefetch(const struct index *index, uint64_t hash)
{
    __builtin_prefetch(bucket_of(index, hash));
    __builtin_prefetch(stripe_of(index, hash));
}

/* ---- who writes, and who looks ---- */

struct onlooker *index_add_onlooker(struct index *index)
{
    size_t number = atomic_fetch_add(&index->onlookers_count, 1);

    if (number < INDEX_ONLOOKERS_MAX)
        return &index->onlookers[number];
    atomic_fetch_sub(&index->onlookers_count, 1);
    return NULL;
}

/*
 * A reader says where it looks and then asks whether anybody writes there; a
 * writer says that it writes and then asks whether anybody looks.  All four
 * are sequentially consistent, so that of two who meet one sees the other.
 */
bool index_look(struct index *index, struct onlooker *onlooker, uint64_t hash)
{
    struct stripe *stripe = stripe_of(index, hash);

    atomic_store(&onlooker->stripe, stripe);
    if (!atomic_load(&stripe->is_written))
        return true;
    index_look_away(onlooker);
    return false;
}

void index_look_away(struct onlooker *onlooker)
{
    atomic_store_explicit(&onlooker->stripe, NULL, memory_order_release);
}

/* None of them waits for anything while it looks; but the system may have
 * stopped it just then. */
static void await_onlookers(struct index *index, const struct stripe *stripe)
{
    size_t count = atomic_load(&index->onlookers_count);

    for (size_t i = 0; i < count && i < INDEX_ONLOOKERS_MAX; i++) {
        while (atomic_load(&index->onlookers[i].stripe) == stripe)
            sched_yield();
    }
}

struct stripe *index_lock(struct index *index, uint64_t hash)
{
    struct stripe *stripe = stripe_of(index, hash);

    pthread_mutex_lock(&stripe->lock);
    atomic_store(&stripe->is_written, true);
    await_onlookers(index, stripe);
    return stripe;
}

void index_unlock(struct stripe *stripe)
{
    atomic_store_explicit(&stripe->is_written, false, memory_order_release);
    pthread_mutex_unlock(&stripe->lock);
}

/* ---- slots ---- */

static uint64_t little_endian(uint64_t word)
{
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? word
                                                     : __builtin_bswap64(word);
}

static uint8_t tag_of(uint64_t hash)
{
    uint8_t tag = (uint8_t)(hash >> TAG_SHIFT);

    return tag == 0 ? 1 : tag;
}

static uint64_t place_of(const struct index *index, const struct item *item)
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
static uint8_t *place_at(const struct index *index, const struct slot *slot)
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

static struct item *item_at(const struct index *index, uint64_t place)
{
    uintptr_t address =
        (place & FAR_BIT)
            ? (place ^ FAR_BIT) * INDEX_FAR_ALIGN + INDEX_FAR_OFFSET
            : (uintptr_t)index->arena + place;

    return (struct item *)address;
}

/* Behind a place there are three more bytes, in a bucket as in a spare. */
static struct item *read_place(const struct index *index, const uint8_t *at)
{
    uint64_t place;

    memcpy(&place, at, sizeof(place));
    return item_at(index, little_endian(place) & PLACE_MASK);
}

struct item *index_item(const struct index *index, const struct slot *slot)
{
    return read_place(index, place_at(index, slot));
}

void index_replace(const struct index *index, struct slot *slot,
                   const struct item *item)
{
    uint64_t place = little_endian(place_of(index, item));

    memcpy(place_at(index, slot), &place, INDEX_PLACE_BYTES);
}

/* ---- chains: a bucket and its spares ---- */

/* The slots of one of a chain, and what follows it. */
struct link {
    struct slot *slots;
    uint8_t (*places)[INDEX_PLACE_BYTES];
    unsigned slots_count;
    uint32_t *overflow;
};

static struct link link_of_bucket(struct bucket *bucket)
{
    return (struct link){bucket->slots, bucket->places, INDEX_SLOTS,
                         &bucket->overflow};
}

/* Spares are numbered from 1. */
static struct link link_of_spare(const struct index *index, uint32_t number)
{
    struct spare *spare = &index->spares[number - 1];

    return (struct link){spare->slots, spare->places, INDEX_SPARE_SLOTS,
                         &spare->overflow};
}

/* Goes on to what follows; false at the end. */
static bool link_next(const struct index *index, struct link *link)
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

static inline unsigned slots_with(const struct link *link, uint8_t tag)
{
    tags wanted = (char)tag - (tags){0};
    tags there;

    memcpy(&there, link->slots, sizeof(there));
    unsigned equal =
        (unsigned)__builtin_ia32_pmovmskb128((tags)(there == wanted));
    return equal & ((1U << link->slots_count) - 1);
}
#else
static inline unsigned slots_with(const struct link *link, uint8_t tag)
{
    unsigned found = 0;

    for (unsigned i = 0; i < link->slots_count; i++)
        found |= (unsigned)(link->slots[i].tag == tag) << i;
    return found;
}
#endif

/* Of keys: a call of memcmp takes longer than most of them. */
static inline bool is_same(struct span a, struct span b)
{
    size_t at = 0;
    uint64_t ours;
    uint64_t theirs;

    if (a.length != b.length)
        return false;
    if (a.length < sizeof(ours))
        return memcmp(a.data, b.data, a.length) == 0;
    for (; at + sizeof(ours) < a.length; at += sizeof(ours)) {
        memcpy(&ours, a.data + at, sizeof(ours));
        memcpy(&theirs, b.data + at, sizeof(theirs));
        if (ours != theirs)
            return false;
    }
    at = a.length - sizeof(ours);
    memcpy(&ours, a.data + at, sizeof(ours));
    memcpy(&theirs, b.data + at, sizeof(theirs));
    return ours == theirs;
}

/* A stub keeps its key as 128 bits of hash. */
static inline bool is_of_key(const struct index *index, const struct item *item,
                             struct span key)
{
    if ((item->shape & ITEM_IS_STUB) == 0)
        return is_same(item_key(item), key);
    struct digest128 hash = digest128(key, index->seed);
    return span_equal(item_key(item), span_of(&hash, sizeof(hash)));
}

static bool has_digest(const struct index *index, const struct item *item,
                       struct span digest)
{
    if (item->shape & ITEM_IS_STUB)
        return span_equal(item_key(item), digest);
    struct digest128 hash = digest128(item_key(item), index->seed);
    return span_equal(digest, span_of(&hash, sizeof(hash)));
}

/* A match is told by the function given, which is inlined with the walk. */
typedef bool item_match(const struct index *index, const struct item *item,
                        struct span wanted);

static inline struct slot *find(const struct index *index, uint64_t hash,
                                struct span wanted, item_match *matches,
                                struct item **item)
{
    struct link link = link_of_bucket(bucket_of(index, hash));
    uint8_t tag = tag_of(hash);

    do {
        for (unsigned found = slots_with(&link, tag); found != 0;
             found &= found - 1) {
            int number = __builtin_ctz(found);
            *item = read_place(index, link.places[number]);
            if (matches(index, *item, wanted))
                return &link.slots[number];
        }
    } while (link_next(index, &link));
    return NULL;
}

struct slot *index_find(struct index *index, uint64_t hash, struct span key,
                        struct item **item)
{
    return find(index, hash, key, is_of_key, item);
}

struct slot *index_find_digest(struct index *index, uint64_t hash,
                               struct span digest, struct item **item)
{
    return find(index, hash, digest, has_digest, item);
}

static bool is_itself(const struct index *index, const struct item *item,
                      struct span wanted)
{
    (void)index;
    return (const uint8_t *)item == wanted.data;
}

struct slot *index_find_item(struct index *index, uint64_t hash,
                             const struct item *item)
{
    struct item *found;

    return find(index, hash, span_of(item, 0), is_itself, &found);
}

/* ---- spares ---- */

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
static struct slot *place(struct index *index, struct bucket *bucket,
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

static _Atomic size_t *slots_used(const struct index *index, uint64_t hash)
{
    return &index->groups[hash % INDEX_GROUPS].slots_used;
}

struct slot *index_insert(struct index *index, uint64_t hash,
                          const struct item *item)
{
    struct slot *slot =
        place(index, bucket_of(index, hash), tag_of(hash), item);

    if (slot != NULL)
        atomic_fetch_add_explicit(slots_used(index, hash), 1,
                                  memory_order_relaxed);
    return slot;
}

static bool is_empty(const struct link *link)
{
    return slots_with(link, 0) == (1U << link->slots_count) - 1;
}

static void drop_empty_spares(struct index *index, struct bucket *bucket)
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
static void fill_gap(struct index *index, struct bucket *bucket,
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
    drop_empty_spares(index, bucket);
}

/* What is left of a chain moves to its front, so that its end is free. */
static void gather(struct index *index, struct bucket *bucket)
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
            if (place(index, bucket, tag, item) == NULL)
                abort();
        }
    }
    drop_empty_spares(index, bucket);
}

void index_remove(struct index *index, uint64_t hash, struct slot *slot)
{
    struct bucket *bucket = bucket_of(index, hash);
    size_t used = atomic_fetch_sub_explicit(slots_used(index, hash), 1,
                                            memory_order_relaxed);

    assert(used > 0);
    slot->tag = 0;
    if (bucket->overflow != 0)
        fill_gap(index, bucket, slot);
}

size_t index_slots_used(const struct index *index)
{
    size_t used = 0;

    for (size_t i = 0; i < INDEX_GROUPS; i++)
        used += atomic_load_explicit(&index->groups[i].slots_used,
                                     memory_order_relaxed);
    return used;
}

/* ---- prefetching ---- */

/*
 * Spares are left out: they are few.  Nobody is kept from writing there: a
 * place that is read while it changes may be none at all, and asking for what
 * is not there does no harm.
 */
__attribute__((no_sanitize("thread"))) void
index_prefetch_item(const struct index *index, uint64_t hash)
{
    struct link link = link_of_bucket(bucket_of(index, hash));
    for (unsigned found = slots_with(&link, tag_of(hash)); found != 0;
         found &= found - 1) {
        const uint8_t *item = (const uint8_t *)read_place(
            index, link.places[__builtin_ctz(found)]);
        for (size_t line = 0; line < PREFETCH_LINES; line++)
            __builtin_prefetch(item + line * CACHE_LINE_BYTES);
    }
}

/* ---- growth ---- */

bool index_is_crowded(const struct index *index, uint64_t hash)
{
    size_t count =
        atomic_load_explicit(&index->buckets_count, memory_order_relaxed);

    return atomic_load_explicit(slots_used(index, hash), memory_order_relaxed) >
           CROWDED_ITEMS * (count / INDEX_GROUPS);
}

uint64_t index_item_hash(const struct index *index, const struct item *item)
{
    struct span key = item_key(item);
    uint64_t hash;

    /* A stub's 128 bits do not tell the 64: they lie behind them. */
    if (item->shape & ITEM_IS_STUB) {
        memcpy(&hash, key.data + key.length, sizeof(hash));
        return hash;
    }
    return index_hash(index, key);
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
            if (place(index, target, slot->tag, item) == NULL)
                return false;
            slot->tag = 0;
        }
    } while (link_next(index, &link));
    gather(index, source);
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
            if (place(index, source, slot->tag, index_item(index, slot)) !=
                NULL)
                slot->tag = 0;
            else
                is_all = false;
        }
    } while (link_next(index, &link));
    drop_empty_spares(index, target);
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

/* ---- walks ---- */

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
