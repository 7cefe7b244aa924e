/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/store/index.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "server/store/chain.h"

/* One spare for so many of the most buckets that may be.  The budget stops
 * growth at about half of those. */
#define SPARE_SHARE 2
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

/* ---- finding ---- */

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

/* ---- what comes and goes ---- */

struct slot *index_insert(struct index *index, uint64_t hash,
                          const struct item *item)
{
    struct slot *slot =
        chain_place(index, bucket_of(index, hash), tag_of(hash), item);

    if (slot != NULL)
        atomic_fetch_add_explicit(slots_used(index, hash), 1,
                                  memory_order_relaxed);
    return slot;
}

void index_remove(struct index *index, uint64_t hash, struct slot *slot)
{
    struct bucket *bucket = bucket_of(index, hash);
    size_t used = atomic_fetch_sub_explicit(slots_used(index, hash), 1,
                                            memory_order_relaxed);

    assert(used > 0);
    slot->tag = 0;
    if (bucket->overflow != 0)
        chain_fill_gap(index, bucket, slot);
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
