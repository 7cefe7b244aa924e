/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/store/index.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Items per bucket, on average, above which the index grows. */
#define CROWDED_ITEMS 5
/* One overflow bucket for so many of the most buckets that may be.  The
 * budget stops growth at about half of those, and chance asks for three in
 * ten of what is in use. */
#define SPARE_SHARE 4
#define TAG_SHIFT 48
#define ADDRESS_MASK ((UINT64_C(1) << TAG_SHIFT) - 1)
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
    index->spare_arena = reserve(index->spare_limit * sizeof(struct bucket));
    if (index->buckets != NULL && index->spare_arena != NULL)
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
    index->onlookers =
        aligned_alloc(128, INDEX_ONLOOKERS_MAX * sizeof(struct onlooker));
    if (index->stripes == NULL || index->onlookers == NULL) {
        index_release(index);
        return false;
    }
    memset(index->onlookers, 0, INDEX_ONLOOKERS_MAX * sizeof(struct onlooker));
    memset(index->stripes, 0, INDEX_STRIPES * sizeof(struct stripe));
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
        make_usable(index->spare_arena, spare_max * sizeof(struct bucket));
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
    free(index->onlookers);
    index->onlookers = NULL;
    if (index->buckets != NULL)
        munmap(index->buckets, index->buckets_limit * sizeof(struct bucket));
    index->buckets = NULL;
    if (index->spare_arena != NULL)
        munmap(index->spare_arena, index->spare_limit * sizeof(struct bucket));
    index->spare_arena = NULL;
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

/* Overflow buckets are left out: they are few. */
void index_prefetch_item(struct index *index, struct onlooker *onlooker,
                         uint64_t hash)
{
    if (!index_look(index, onlooker, hash))
        return;
    const struct bucket *bucket = bucket_of(index, hash);
    for (size_t i = 0; i < INDEX_SLOTS; i++) {
        uint64_t slot = bucket->slots[i];
        if (slot == 0 || slot >> TAG_SHIFT != hash >> TAG_SHIFT)
            continue;
        const uint8_t *item = (const uint8_t *)index_item(slot);
        for (size_t line = 0; line < PREFETCH_LINES; line++)
            __builtin_prefetch(item + line * CACHE_LINE_BYTES);
    }
    index_look_away(onlooker);
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

static uint64_t slot_for(uint64_t hash, const struct item *item)
{
    uint64_t address = (uint64_t)(uintptr_t)item;

    assert((address & ~ADDRESS_MASK) == 0);
    return (hash >> TAG_SHIFT) << TAG_SHIFT | address;
}

struct item *index_item(uint64_t slot)
{
    return (struct item *)(uintptr_t)(slot & ADDRESS_MASK);
}

/* A stub keeps its key as 128 bits of hash. */
static bool is_of_key(const struct index *index, const struct item *item,
                      struct span key)
{
    if ((item->shape & ITEM_IS_STUB) == 0)
        return span_equal(item_key(item), key);
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

static inline uint64_t *find(struct index *index, uint64_t hash,
                             struct span wanted, item_match *matches)
{
    uint64_t tag = hash >> TAG_SHIFT;

    for (struct bucket *bucket = bucket_of(index, hash); bucket != NULL;
         bucket = bucket->overflow) {
        for (size_t i = 0; i < INDEX_SLOTS; i++) {
            uint64_t slot = bucket->slots[i];
            if (slot != 0 && slot >> TAG_SHIFT == tag &&
                matches(index, index_item(slot), wanted))
                return &bucket->slots[i];
        }
    }
    return NULL;
}

uint64_t *index_find(struct index *index, uint64_t hash, struct span key)
{
    return find(index, hash, key, is_of_key);
}

uint64_t *index_find_digest(struct index *index, uint64_t hash,
                            struct span digest)
{
    return find(index, hash, digest, has_digest);
}

uint64_t *index_find_item(struct index *index, uint64_t hash,
                          const struct item *item)
{
    uint64_t wanted = slot_for(hash, item);

    for (struct bucket *bucket = bucket_of(index, hash); bucket != NULL;
         bucket = bucket->overflow) {
        for (size_t i = 0; i < INDEX_SLOTS; i++) {
            if (bucket->slots[i] == wanted)
                return &bucket->slots[i];
        }
    }
    return NULL;
}

void index_replace(uint64_t *slot, struct item *item)
{
    *slot = (*slot & ~ADDRESS_MASK) | (uint64_t)(uintptr_t)item;
}

/* ---- overflow buckets ---- */

static struct bucket *take_spare(struct index *index)
{
    pthread_mutex_lock(&index->spare_lock);
    struct bucket *bucket = index->spare;
    if (bucket != NULL) {
        index->spare = bucket->overflow;
    } else if (index->spare_count < index->spare_max) {
        bucket = &index->spare_arena[index->spare_count++];
        if (index->spare_count % (PAGE_BYTES / sizeof(*bucket)) == 1)
            atomic_fetch_add_explicit(&index->bytes, PAGE_BYTES,
                                      memory_order_relaxed);
    }
    pthread_mutex_unlock(&index->spare_lock);
    if (bucket != NULL)
        memset(bucket, 0, sizeof(*bucket));
    return bucket;
}

static void give_spare(struct index *index, struct bucket *bucket)
{
    pthread_mutex_lock(&index->spare_lock);
    bucket->overflow = index->spare;
    index->spare = bucket;
    pthread_mutex_unlock(&index->spare_lock);
}

static bool place(struct index *index, struct bucket *bucket, uint64_t slot)
{
    for (;; bucket = bucket->overflow) {
        for (size_t i = 0; i < INDEX_SLOTS; i++) {
            if (bucket->slots[i] == 0) {
                bucket->slots[i] = slot;
                return true;
            }
        }
        if (bucket->overflow == NULL)
            bucket->overflow = take_spare(index);
        if (bucket->overflow == NULL)
            return false;
    }
}

bool index_insert(struct index *index, struct stripe *stripe, uint64_t hash,
                  struct item *item)
{
    if (!place(index, bucket_of(index, hash), slot_for(hash, item)))
        return false;
    stripe->slots_used++;
    return true;
}

static bool is_empty(const struct bucket *bucket)
{
    for (size_t i = 0; i < INDEX_SLOTS; i++) {
        if (bucket->slots[i] != 0)
            return false;
    }
    return true;
}

static void drop_empty_overflows(struct index *index, struct bucket *bucket)
{
    while (bucket->overflow != NULL) {
        struct bucket *next = bucket->overflow;
        if (is_empty(next)) {
            bucket->overflow = next->overflow;
            give_spare(index, next);
        } else {
            bucket = next;
        }
    }
}

void index_remove(struct index *index, struct stripe *stripe, uint64_t hash,
                  uint64_t *slot)
{
    struct bucket *bucket = bucket_of(index, hash);

    assert(stripe->slots_used > 0);
    *slot = 0;
    stripe->slots_used--;
    if (bucket->overflow != NULL)
        drop_empty_overflows(index, bucket);
}

/* ---- growth ---- */

bool index_is_crowded(const struct index *index, const struct stripe *stripe)
{
    size_t count =
        atomic_load_explicit(&index->buckets_count, memory_order_relaxed);

    return stripe->slots_used > CROWDED_ITEMS * (count / INDEX_STRIPES);
}

uint64_t index_item_hash(const struct index *index, const struct item *item)
{
    struct span key = item_key(item);
    uint64_t hash;

    /* A stub's 128 bits do not tell the 64: they lie behind them. */
    if (item->shape & ITEM_IS_STUB) {
        memcpy(&hash, item_value(item).data, sizeof(hash));
        return hash;
    }
    return index_hash(index, key);
}

/* Moves what belongs to bucket `target` there; false if no room was left. */
static bool split(struct index *index, struct bucket *source,
                  struct bucket *target, size_t target_number)
{
    for (struct bucket *b = source; b != NULL; b = b->overflow) {
        for (size_t i = 0; i < INDEX_SLOTS; i++) {
            if (b->slots[i] == 0)
                continue;
            uint64_t hash = index_item_hash(index, index_item(b->slots[i]));
            if (bucket_number(hash, target_number + 1) != target_number)
                continue;
            if (!place(index, target, b->slots[i]))
                return false;
            b->slots[i] = 0;
        }
    }
    drop_empty_overflows(index, source);
    return true;
}

/* Undoes a split that ran out of overflow buckets: both lists fit one. */
static void unsplit(struct index *index, struct bucket *source,
                    struct bucket *target)
{
    for (struct bucket *b = target; b != NULL; b = b->overflow) {
        for (size_t i = 0; i < INDEX_SLOTS; i++) {
            if (b->slots[i] != 0 && place(index, source, b->slots[i]))
                b->slots[i] = 0;
        }
    }
    drop_empty_overflows(index, target);
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
    for (struct bucket *b = target; b != NULL; b = b->overflow) {
        for (size_t i = 0; i < INDEX_SLOTS; i++) {
            if (b->slots[i] == 0)
                continue;
            if (!place(index, source, b->slots[i])) {
                bool is_back = split(index, source, target, target_number);
                assert(is_back); /* it was there before */
                return false;
            }
            b->slots[i] = 0;
        }
    }
    drop_empty_overflows(index, target);
    return true;
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
    for (const struct bucket *b = &index->buckets[number]; b != NULL;
         b = b->overflow) {
        for (size_t i = 0; i < INDEX_SLOTS; i++) {
            if (b->slots[i] != 0)
                visit(index_item(b->slots[i]), context);
        }
    }
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
