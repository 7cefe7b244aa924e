/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/store/segment.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Small memories have small segments: some 512 of them, within bounds. */
#define SEGMENT_BYTES_MIN ((size_t)64 * 1024)
#define SEGMENT_BYTES_MAX ((size_t)1024 * 1024)
#define SEGMENTS_WANTED 512
/* An item above segment_bytes / PRIVATE_SHARE has a private segment. */
#define PRIVATE_SHARE 8
/* While memory shrinks so many more are kept free, for clients. */
#define SLACK_SEGMENTS 3
/* One open for each life, the reserve, and some to choose from. */
#define SEGMENTS_MIN 16
#define PAGE_BYTES ((size_t)4096)
#define LARGE_PAGE_BYTES ((size_t)2 * 1024 * 1024)
/* The system maps some 65,000 ranges at most (vm.max_map_count). */
#define MAPPED_MAX 30000
/* A tenth of memory is for what is fresh (S3-FIFO, SOSP '23): what was not
 * used while it was there does not get into the rest. */
#define FRESH_SHARE 10
/* Clients wait while dead segments are looked for: of very many, some at a
 * time. */
#define SCANNED_MAX 512
/* So often at least it is the turn of what is kept: however little of what is
 * fresh is used, what is not used any more goes in the end. */
#define KEPT_TURNS 32
/* A segment may be swept each second, but of very many no more than so many
 * in one. */
#define SWEPT_PER_S 2048
#define REST_MAX_S 15

/* ---- lists ---- */

static void list_append(struct segment_list *list, struct segment *segment)
{
    segment->next = NULL;
    segment->previous = list->last;
    if (list->last != NULL)
        list->last->next = segment;
    else
        list->first = segment;
    list->last = segment;
}

static void list_remove(struct segment_list *list, struct segment *segment)
{
    if (segment->previous != NULL)
        segment->previous->next = segment->next;
    else
        list->first = segment->next;
    if (segment->next != NULL)
        segment->next->previous = segment->previous;
    else
        list->last = segment->previous;
}

/* ---- memory ---- */

static void leave_place(struct segment_pool *pool, struct segment *segment,
                        int number)
{
    struct extents *extents = &pool->extents[number];
    size_t place =
        (size_t)((uint8_t *)segment - extents->start) / extents->place_bytes;

    pthread_mutex_lock(&pool->lock);
    extents->left[extents->left_count++] = (uint32_t)place;
    pthread_mutex_unlock(&pool->lock);
}

/* To give memory back takes as long as the segment is large: nobody waits for
 * it. */
static void unlock(struct segment_pool *pool)
{
    struct segment *doomed = pool->doomed.first;

    pool->doomed = (struct segment_list){0};
    pthread_mutex_unlock(&pool->lock);
    while (doomed != NULL) {
        struct segment *next = doomed->next;
        size_t bytes = doomed->capacity_bytes;
        int extents = doomed->extents;
        /* Should it not be unmapped, at least its memory is given back. */
        madvise(doomed, bytes, MADV_DONTNEED);
        if (extents >= 0)
            leave_place(pool, doomed, extents);
        else
            munmap(doomed, bytes);
        doomed = next;
    }
}

/* Zeroed memory at a multiple of `align`, not touched yet; NULL if none. */
static void *map_aligned(size_t bytes, size_t align, int protection)
{
    size_t mapped_bytes = bytes + align;
    uint8_t *mapped = mmap(NULL, mapped_bytes, protection,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (mapped == MAP_FAILED)
        return NULL;
    uint8_t *aligned =
        mapped + ((align - (uintptr_t)mapped % align) & (align - 1));
    size_t before = (size_t)(aligned - mapped);
    if (before > 0)
        munmap(mapped, before);
    if (mapped_bytes - before > bytes)
        munmap(aligned + bytes, mapped_bytes - before - bytes);
    return aligned;
}

static size_t index_bytes(const struct segment_pool *pool)
{
    return atomic_load_explicit(pool->index_bytes, memory_order_relaxed);
}

static bool fits_budget(const struct segment_pool *pool, size_t more_bytes)
{
    return pool->held_bytes + index_bytes(pool) + more_bytes <= pool->bytes_max;
}

/* ---- extents ---- */

/* As many places as there may ever be items that do not fit half of one. */
static bool reserve_extents(struct segment_pool *pool, struct extents *extents,
                            size_t place_bytes)
{
    size_t places = 2 * pool->arena_limit / place_bytes + 1;
    void *start = map_aligned(places * place_bytes, pool->segment_bytes,
                              PROT_READ | PROT_WRITE);
    void *left = map_aligned(places * sizeof(*extents->left), PAGE_BYTES,
                             PROT_READ | PROT_WRITE);

    if (start == NULL || left == NULL) {
        if (start != NULL)
            munmap(start, places * place_bytes);
        if (left != NULL)
            munmap(left, places * sizeof(*extents->left));
        return false;
    }
    *extents = (struct extents){.start = start,
                                .place_bytes = place_bytes,
                                .places_max = places,
                                .left = left};
    return true;
}

/* Address space for a private segment, and which extents it is of; NULL where
 * there is none. */
static struct segment *take_place(struct segment_pool *pool,
                                  size_t capacity_bytes, int8_t *number)
{
    size_t place_bytes = pool->segment_bytes;
    size_t place;

    *number = 0;
    while (place_bytes < capacity_bytes && *number < EXTENTS) {
        place_bytes *= 2;
        (*number)++;
    }
    if (!pool->has_extents || *number == EXTENTS)
        return NULL;
    struct extents *extents = &pool->extents[*number];
    if (extents->start == NULL && !reserve_extents(pool, extents, place_bytes))
        return NULL;
    if (extents->left_count > 0)
        place = extents->left[--extents->left_count];
    else if (extents->carved_count < extents->places_max)
        place = extents->carved_count++;
    else
        return NULL;
    return (struct segment *)(void *)(extents->start + place * place_bytes);
}

static void release_extents(struct segment_pool *pool)
{
    for (size_t i = 0; i < EXTENTS; i++) {
        struct extents *extents = &pool->extents[i];
        if (extents->start == NULL)
            continue;
        munmap(extents->start, extents->places_max * extents->place_bytes);
        munmap(extents->left, extents->places_max * sizeof(*extents->left));
    }
}

/* The first `bytes` of the arena may be used from now on. */
static bool make_usable(struct segment_pool *pool, size_t bytes)
{
    return bytes <= pool->arena_limit &&
           mprotect(pool->arena, bytes, PROT_READ | PROT_WRITE) == 0;
}

/* What of `bytes` is whole segments. */
static size_t whole_segments(const struct segment_pool *pool, size_t bytes)
{
    return bytes - bytes % pool->segment_bytes;
}

static bool reserve_arena(struct segment_pool *pool, size_t bytes)
{
    pool->arena_limit = whole_segments(pool, bytes);
    pool->arena =
        map_aligned(pool->arena_limit, pool->segment_bytes, PROT_NONE);
    return pool->arena != NULL;
}

bool segment_pool_init(struct segment_pool *pool, size_t bytes_max,
                       size_t bytes_limit, size_t reserve_count,
                       _Atomic size_t *index_bytes_shared)
{
    *pool = (struct segment_pool){.bytes_max = bytes_max,
                                  .reserve_count = reserve_count,
                                  .index_bytes = index_bytes_shared,
                                  .segment_bytes = SEGMENT_BYTES_MIN,
                                  .expiry_min = UINT32_MAX};
    while (pool->segment_bytes < SEGMENT_BYTES_MAX &&
           pool->segment_bytes * SEGMENTS_WANTED < bytes_max)
        pool->segment_bytes *= 2;
    /* Where address space is scarce it may not grow later. */
    if (!reserve_arena(pool, bytes_limit) && !reserve_arena(pool, bytes_max))
        return false;
    pool->arena_bytes = whole_segments(pool, bytes_max);
    if (!make_usable(pool, pool->arena_bytes)) {
        munmap(pool->arena, pool->arena_limit);
        return false;
    }
    /* Where more address space than memory is a matter of course. */
    pool->has_extents = bytes_limit > bytes_max;
    pthread_mutex_init(&pool->lock, NULL);
    return true;
}

void segment_use_large_pages(struct segment_pool *pool, bool at_once)
{
    size_t from_bytes = at_once ? 0 : LARGE_PAGE_BYTES;

    pool->has_large_pages = true;
    if (pool->arena_limit > from_bytes)
        madvise(pool->arena + from_bytes, pool->arena_limit - from_bytes,
                MADV_HUGEPAGE);
}

static void doom_private(struct segment_pool *pool, struct segment_list *list)
{
    for (struct segment *s = list->first; s != NULL;) {
        struct segment *next = s->next;
        if (s->is_private) {
            list_remove(list, s);
            list_append(&pool->doomed, s);
        }
        s = next;
    }
}

void segment_pool_release(struct segment_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    for (int queue = 0; queue < QUEUES; queue++)
        doom_private(pool, &pool->sealed[queue]);
    unlock(pool);
    release_extents(pool);
    munmap(pool->arena, pool->arena_limit);
    pthread_mutex_destroy(&pool->lock);
}

static struct segment *segment_of(const struct segment_pool *pool,
                                  const void *item)
{
    uintptr_t mask = ~((uintptr_t)pool->segment_bytes - 1);

    return (struct segment *)((uintptr_t)item & mask);
}

static void segment_open(struct segment *segment, size_t capacity_bytes,
                         time_s now)
{
    segment->begun = now;
    segment->capacity_bytes = capacity_bytes;
    segment->used_bytes = SEGMENT_HEADER_BYTES;
    atomic_store_explicit(&segment->live_bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&segment->pins, 0, memory_order_relaxed);
    atomic_store_explicit(&segment->expiry_min, UINT32_MAX,
                          memory_order_relaxed);
    segment->state = SEGMENT_OPEN;
    segment->queue = QUEUE_FRESH;
    segment->is_private = false;
    segment->extents = -1;
    segment->is_claimed = false;
    segment->rests_until = 0;
}

static void unseal(struct segment_pool *pool, struct segment *segment)
{
    if (pool->scanned == segment)
        pool->scanned = segment->next;
    list_remove(&pool->sealed[segment->queue], segment);
    pool->sealed_bytes[segment->queue] -= segment->capacity_bytes;
    pool->sealed_count--;
}

/* The youngest of its queue. */
static void seal(struct segment_pool *pool, struct segment *segment)
{
    segment->state = SEGMENT_SEALED;
    list_append(&pool->sealed[segment->queue], segment);
    pool->sealed_bytes[segment->queue] += segment->capacity_bytes;
    pool->sealed_count++;
}

/* How many more segments could be opened now without freeing any. */
static size_t available_count(const struct segment_pool *pool)
{
    size_t used_bytes = pool->held_bytes + index_bytes(pool);

    if (used_bytes > pool->bytes_max)
        return 0;
    size_t affordable = (pool->bytes_max - used_bytes) / pool->segment_bytes;
    size_t carvable =
        (pool->arena_bytes - pool->carved_bytes) / pool->segment_bytes;
    /* Segments given back can be had again like uncarved ones. */
    for (struct segment *s = pool->returned.first;
         s != NULL && carvable < affordable; s = s->next)
        carvable++;
    return pool->free_count + (affordable < carvable ? affordable : carvable);
}

/* Where memory was given back the system must not make a large page of what
 * is left (khugepaged): it would be taken again. */
static void allow_large_pages(const struct segment_pool *pool,
                              struct segment *segment, bool is_allowed)
{
    if (pool->has_large_pages)
        madvise(segment, pool->segment_bytes,
                is_allowed ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

/* Takes a segment out of the free memory; NULL if there is none. */
static struct segment *take_free(struct segment_pool *pool)
{
    struct segment *segment = pool->free.first;

    if (segment != NULL) {
        list_remove(&pool->free, segment);
        pool->free_count--;
    } else if (!fits_budget(pool, pool->segment_bytes)) {
        return NULL;
    } else if (pool->returned.first != NULL) {
        segment = pool->returned.first;
        list_remove(&pool->returned, segment);
        allow_large_pages(pool, segment, true);
        pool->held_bytes += pool->segment_bytes;
    } else if (pool->carved_bytes < pool->arena_bytes) {
        segment = (struct segment *)(void *)(pool->arena + pool->carved_bytes);
        pool->carved_bytes += pool->segment_bytes;
        pool->held_bytes += pool->segment_bytes;
    } else {
        return NULL;
    }
    segment_open(segment, pool->segment_bytes, pool->second);
    return segment;
}

/* Free segments make way for what the index or a private item takes. */
static void trim_free(struct segment_pool *pool, size_t more_bytes)
{
    while (!fits_budget(pool, more_bytes) && pool->free.first != NULL) {
        struct segment *segment = pool->free.first;
        list_remove(&pool->free, segment);
        pool->free_count--;
        allow_large_pages(pool, segment, false);
        /* All but the first page, which holds the list. */
        madvise((uint8_t *)segment + PAGE_BYTES,
                pool->segment_bytes - PAGE_BYTES, MADV_DONTNEED);
        list_append(&pool->returned, segment);
        pool->held_bytes -= pool->segment_bytes;
    }
}

/* Its memory is free again. */
static void give_free(struct segment_pool *pool, struct segment *segment)
{
    if (segment->is_private) {
        pool->held_bytes -= segment->capacity_bytes;
        pool->mapped_count -= segment->extents < 0;
        list_append(&pool->doomed, segment);
        return;
    }
    segment->state = SEGMENT_FREE;
    list_append(&pool->free, segment);
    pool->free_count++;
    trim_free(pool, 0);
}

static void free_if_empty(struct segment_pool *pool, struct segment *segment)
{
    if (segment->state == SEGMENT_SEALED && !segment->is_claimed &&
        atomic_load(&segment->live_bytes) == 0 &&
        atomic_load(&segment->pins) == 0) {
        unseal(pool, segment);
        give_free(pool, segment);
    }
}

/* ---- appending ---- */

enum life_class life_class(time_s exptime, time_s now)
{
    if (exptime == 0)
        return LIFE_UNLIMITED;
    time_s left = exptime > now ? exptime - now : 0;
    if (left <= 60)
        return LIFE_MINUTE;
    if (left <= 15 * 60)
        return LIFE_QUARTER;
    return left <= 4 * 3600 ? LIFE_HOURS : LIFE_LONG;
}

static void lower(_Atomic uint32_t *at, uint32_t value)
{
    uint32_t least = atomic_load(at);

    while (value < least && !atomic_compare_exchange_weak(at, &least, value))
        ;
}

/* The pool's second comes last: who finds it raised finds the segment's. */
static void lower_expiry(struct segment_pool *pool, struct segment *segment,
                         time_s exptime)
{
    if (exptime == 0)
        return;
    lower(&segment->expiry_min, exptime);
    lower(&pool->expiry_min, exptime);
}

bool segment_is_large(const struct segment_pool *pool, size_t bytes)
{
    return bytes > pool->segment_bytes / PRIVATE_SHARE;
}

static size_t private_bytes(size_t bytes)
{
    size_t whole = bytes + SEGMENT_HEADER_BYTES;

    return (whole + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

/* True where a private segment fits beside all that is in use, with the
 * reserve for moving left over. */
static bool fits_private(const struct segment_pool *pool, size_t capacity_bytes)
{
    size_t in_use_bytes =
        pool->held_bytes - pool->free_count * pool->segment_bytes;

    return pool->mapped_count < MAPPED_MAX &&
           in_use_bytes + index_bytes(pool) + capacity_bytes +
                   pool->reserve_count * pool->segment_bytes <=
               pool->bytes_max;
}

void *segment_append_private(struct segment_pool *pool, size_t bytes,
                             time_s exptime)
{
    size_t capacity_bytes = private_bytes(bytes);

    int8_t extents = -1;

    /* The budget is taken before the memory: it is never exceeded. */
    pthread_mutex_lock(&pool->lock);
    bool fits = fits_private(pool, capacity_bytes);
    struct segment *segment = NULL;
    if (fits) {
        trim_free(pool, capacity_bytes);
        pool->held_bytes += capacity_bytes;
        segment = take_place(pool, capacity_bytes, &extents);
        pool->mapped_count += segment == NULL;
    }
    unlock(pool);
    if (!fits)
        return NULL;
    if (segment == NULL) {
        extents = -1;
        segment = map_aligned(capacity_bytes, pool->segment_bytes,
                              PROT_READ | PROT_WRITE);
    }
    pthread_mutex_lock(&pool->lock);
    if (segment == NULL) {
        pool->held_bytes -= capacity_bytes;
        pool->mapped_count--;
        unlock(pool);
        return NULL;
    }
    segment_open(segment, capacity_bytes, pool->second);
    segment->extents = extents;
    segment->is_private = true;
    segment->used_bytes += bytes;
    atomic_store_explicit(&segment->live_bytes, bytes, memory_order_relaxed);
    atomic_store_explicit(&segment->pins, 1, memory_order_relaxed);
    lower_expiry(pool, segment, exptime);
    seal(pool, segment);
    unlock(pool);
    return (uint8_t *)segment + SEGMENT_HEADER_BYTES;
}

/* The open segment of that life, or a new one if it cannot hold `bytes`. */
static struct segment *open_for(struct segment_pool *pool, enum life_class life,
                                size_t bytes)
{
    struct segment *segment = pool->open[life];

    if (segment != NULL &&
        segment->used_bytes + bytes <= segment->capacity_bytes)
        return segment;
    trim_free(pool, 0);
    if (life != LIFE_MOVED && available_count(pool) <= pool->reserve_count)
        return NULL;
    struct segment *fresh = take_free(pool);
    if (fresh == NULL)
        return NULL;
    fresh->queue = life == LIFE_KEPT ? QUEUE_KEPT : QUEUE_FRESH;
    pool->open[life] = fresh;
    if (segment != NULL) {
        seal(pool, segment);
        free_if_empty(pool, segment);
    }
    return fresh;
}

static uint8_t *append_to(struct segment_pool *pool, struct segment *segment,
                          size_t bytes, time_s exptime)
{
    uint8_t *room = (uint8_t *)segment + segment->used_bytes;

    segment->used_bytes += bytes;
    atomic_fetch_add_explicit(&segment->live_bytes, bytes,
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&segment->pins, 1, memory_order_relaxed);
    lower_expiry(pool, segment, exptime);
    return room;
}

void *segment_append(struct segment_pool *pool, enum life_class life,
                     size_t bytes, time_s exptime)
{
    if (segment_is_large(pool, bytes))
        return segment_append_private(pool, bytes, exptime);

    uint8_t *room = NULL;
    pthread_mutex_lock(&pool->lock);
    struct segment *segment = open_for(pool, life, bytes);
    if (segment != NULL)
        room = append_to(pool, segment, bytes, exptime);
    pthread_mutex_unlock(&pool->lock);
    return room;
}

void *segment_append_rest(struct segment_pool *pool, enum life_class life,
                          size_t bytes, time_s exptime)
{
    uint8_t *room = NULL;

    pthread_mutex_lock(&pool->lock);
    struct segment *segment = pool->open[life];
    if (segment != NULL &&
        segment->used_bytes + bytes <= segment->capacity_bytes)
        room = append_to(pool, segment, bytes, exptime);
    pthread_mutex_unlock(&pool->lock);
    return room;
}

/*
 * Takes `bytes` of life and `pins` pins from a segment; the last one out
 * frees it.  A private segment is unmapped then, so nobody may look at it
 * without the lock once he has let go; an ordinary one stays mapped, and a
 * second look under the lock decides.
 */
static void let_go(struct segment_pool *pool, struct segment *segment,
                   size_t bytes, uint32_t pins)
{
    bool is_private = segment->is_private;

    if (is_private)
        pthread_mutex_lock(&pool->lock);
    /* Sequentially consistent: of two who let go, one sees both done. */
    if (pins > 0)
        atomic_fetch_sub(&segment->pins, pins);
    size_t live = atomic_fetch_sub(&segment->live_bytes, bytes);
    assert(live >= bytes);
    if (!is_private && live > bytes)
        return;
    if (!is_private)
        pthread_mutex_lock(&pool->lock);
    free_if_empty(pool, segment);
    unlock(pool);
}

void segment_settle(struct segment_pool *pool, void *item)
{
    let_go(pool, segment_of(pool, item), 0, 1);
}

void segment_forget(struct segment_pool *pool, void *item, size_t bytes)
{
    let_go(pool, segment_of(pool, item), bytes, 0);
}

void segment_expires(struct segment_pool *pool, void *item, time_s exptime)
{
    lower_expiry(pool, segment_of(pool, item), exptime);
}

/* ---- pins of readers ---- */

bool segment_is_private(const struct segment_pool *pool, const void *item)
{
    return segment_of(pool, item)->is_private;
}

bool segment_is_pinned(const struct segment_pool *pool, const void *item)
{
    return atomic_load_explicit(&segment_of(pool, item)->pins,
                                memory_order_acquire) > 0;
}

struct segment *segment_pin(struct segment_pool *pool, const void *item)
{
    struct segment *segment = segment_of(pool, item);

    /* Of who pins and who claims, one at least sees the other. */
    atomic_fetch_add(&segment->pins, 1);
    if (segment->is_private || !atomic_load(&segment->is_claimed))
        return segment;
    let_go(pool, segment, 0, 1);
    return NULL;
}

void segment_unpin(struct segment_pool *pool, struct segment *segment)
{
    let_go(pool, segment, 0, 1);
}

bool segment_has_room(struct segment_pool *pool, size_t bytes)
{
    pthread_mutex_lock(&pool->lock);
    bool has_room = segment_is_large(pool, bytes)
                        ? fits_private(pool, private_bytes(bytes))
                        : available_count(pool) > pool->reserve_count;
    pthread_mutex_unlock(&pool->lock);
    return has_room;
}

bool segment_is_short(struct segment_pool *pool)
{
    bool is_filling = false;

    pthread_mutex_lock(&pool->lock);
    for (int life = 0; life < LIFE_CLASSES; life++) {
        const struct segment *open = pool->open[life];
        is_filling =
            is_filling ||
            (open != NULL && open->used_bytes > open->capacity_bytes / 2);
    }
    bool is_short = is_filling && available_count(pool) <= pool->reserve_count;
    pthread_mutex_unlock(&pool->lock);
    return is_short;
}

/* ---- another limit ---- */

bool segment_has_slack(struct segment_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    bool has_slack =
        available_count(pool) > pool->reserve_count + SLACK_SEGMENTS;
    pthread_mutex_unlock(&pool->lock);
    return has_slack;
}

bool segment_pool_grow(struct segment_pool *pool, size_t bytes_max)
{
    size_t wanted_bytes = whole_segments(pool, bytes_max);

    pthread_mutex_lock(&pool->lock);
    bool is_usable =
        wanted_bytes <= pool->arena_bytes || make_usable(pool, wanted_bytes);
    if (is_usable && wanted_bytes > pool->arena_bytes)
        pool->arena_bytes = wanted_bytes;
    if (is_usable)
        pool->bytes_max = bytes_max;
    pthread_mutex_unlock(&pool->lock);
    return is_usable;
}

bool segment_pool_lower(struct segment_pool *pool, size_t goal)
{
    pthread_mutex_lock(&pool->lock);
    pool->bytes_max = pool->bytes_max > goal + pool->segment_bytes
                          ? pool->bytes_max - pool->segment_bytes
                          : goal;
    trim_free(pool, 0);
    bool is_reached = pool->bytes_max == goal;
    unlock(pool);
    return is_reached;
}

size_t segment_limit_bytes(struct segment_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    size_t bytes_max = pool->bytes_max;
    pthread_mutex_unlock(&pool->lock);
    return bytes_max;
}

size_t segment_least_bytes(const struct segment_pool *pool)
{
    return SEGMENTS_MIN * pool->segment_bytes;
}

/* ---- claims ---- */

static bool is_claimable(const struct segment *segment)
{
    return !segment->is_claimed &&
           atomic_load_explicit(&segment->pins, memory_order_acquire) == 0;
}

/* NULL where there is none, or a reader was faster. */
static struct segment *claim(struct segment *segment, size_t *end_bytes)
{
    if (segment == NULL)
        return NULL;
    atomic_store(&segment->is_claimed, true);
    if (atomic_load(&segment->pins) > 0) {
        atomic_store(&segment->is_claimed, false);
        return NULL;
    }
    *end_bytes = segment->used_bytes;
    return segment;
}

static size_t dead_bytes(const struct segment *segment)
{
    return segment->used_bytes - SEGMENT_HEADER_BYTES -
           atomic_load_explicit(&segment->live_bytes, memory_order_relaxed);
}

/* The next one of all that are sealed, round and round; there is one. */
static struct segment *scan(struct segment_pool *pool)
{
    struct segment *segment = pool->scanned;

    if (segment == NULL)
        segment = pool->sealed[QUEUE_KEPT].first;
    if (segment == NULL)
        segment = pool->sealed[QUEUE_FRESH].first;
    pool->scanned = segment->next;
    if (segment->next == NULL && segment->queue == QUEUE_KEPT)
        pool->scanned = pool->sealed[QUEUE_FRESH].first;
    return segment;
}

struct segment *segment_claim_dead(struct segment_pool *pool,
                                   unsigned dead_percent, bool is_thorough,
                                   size_t *end_bytes)
{
    struct segment *deadest = NULL;
    size_t most_bytes = pool->segment_bytes * dead_percent / 100;

    pthread_mutex_lock(&pool->lock);
    size_t count = pool->sealed_count;
    if (!is_thorough && count > SCANNED_MAX)
        count = SCANNED_MAX;
    for (size_t i = 0; i < count; i++) {
        struct segment *s = scan(pool);
        if (dead_bytes(s) >= most_bytes && !s->is_private && is_claimable(s)) {
            deadest = s;
            most_bytes = dead_bytes(s) + 1;
        }
    }
    deadest = claim(deadest, end_bytes);
    pthread_mutex_unlock(&pool->lock);
    return deadest;
}

static struct segment *claim_oldest_of(const struct segment_list *list,
                                       bool is_private, size_t *end_bytes)
{
    for (struct segment *s = list->first; s != NULL; s = s->next) {
        if (is_claimable(s) && (s->is_private || !is_private) &&
            claim(s, end_bytes) != NULL)
            return s;
    }
    return NULL;
}

struct segment *segment_claim_oldest(struct segment_pool *pool, bool is_large,
                                     size_t *end_bytes)
{
    pthread_mutex_lock(&pool->lock);
    size_t fresh_bytes = pool->sealed_bytes[QUEUE_FRESH];
    size_t kept_bytes = pool->sealed_bytes[QUEUE_KEPT];
    bool is_fresh = fresh_bytes > (fresh_bytes + kept_bytes) / FRESH_SHARE &&
                    ++pool->turns_count % KEPT_TURNS != 0;
    enum queue turn = is_fresh ? QUEUE_FRESH : QUEUE_KEPT;
    /* Where there are too many mappings no ordinary segment is of help. */
    bool is_private = is_large && pool->mapped_count >= MAPPED_MAX;
    struct segment *oldest =
        claim_oldest_of(&pool->sealed[turn], is_private, end_bytes);
    if (oldest == NULL)
        oldest = claim_oldest_of(&pool->sealed[QUEUES - 1 - turn], is_private,
                                 end_bytes);
    pthread_mutex_unlock(&pool->lock);
    return oldest;
}

/* True where something in it may die by `now`; else the pool is told when. */
static bool has_expired(struct segment_pool *pool, struct segment *segment,
                        time_s now)
{
    if (segment == NULL)
        return false;
    uint32_t expiry = atomic_load(&segment->expiry_min);
    if (expiry < segment->rests_until)
        expiry = segment->rests_until;
    if (expiry <= now && is_claimable(segment))
        return true;
    lower(&pool->expiry_min, expiry);
    return false;
}

static struct segment *first_expired(struct segment_pool *pool,
                                     const struct segment_list *list,
                                     time_s now)
{
    for (struct segment *s = list->first; s != NULL; s = s->next) {
        if (has_expired(pool, s, now))
            return s;
    }
    return NULL;
}

struct segment *segment_claim_expired(struct segment_pool *pool, time_s now,
                                      size_t *end_bytes)
{
    struct segment *expired = NULL;

    /* Most of the time nothing is due, and nothing need be looked at. */
    if (atomic_load(&pool->expiry_min) > now)
        return NULL;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->expiry_min, UINT32_MAX);
    for (int life = 0; life < LIFE_CLASSES && expired == NULL; life++) {
        if (has_expired(pool, pool->open[life], now))
            expired = pool->open[life];
    }
    for (int queue = 0; queue < QUEUES && expired == NULL; queue++)
        expired = first_expired(pool, &pool->sealed[queue], now);
    /* The walk lowers it again for what it leaves behind; others wait. */
    if (expired != NULL)
        lower(&pool->expiry_min, now);
    expired = claim(expired, end_bytes);
    if (expired != NULL)
        atomic_store(&expired->expiry_min, UINT32_MAX);
    pthread_mutex_unlock(&pool->lock);
    return expired;
}

void segment_yield(struct segment_pool *pool, struct segment *segment)
{
    pthread_mutex_lock(&pool->lock);
    assert(segment->is_claimed);
    segment->is_claimed = false;
    free_if_empty(pool, segment);
    unlock(pool);
}

void segment_yield_swept(struct segment_pool *pool, struct segment *segment,
                         size_t freed_bytes, time_s now)
{
    pthread_mutex_lock(&pool->lock);
    size_t rest = 1 + pool->sealed_count / SWEPT_PER_S;
    if (freed_bytes < segment->used_bytes / 4)
        segment->rests_until =
            now + (time_s)(rest < REST_MAX_S ? rest : REST_MAX_S);
    pthread_mutex_unlock(&pool->lock);
    segment_yield(pool, segment);
}

void segment_reopen(struct segment_pool *pool, struct segment *segment,
                    enum life_class life, size_t end_bytes)
{
    pthread_mutex_lock(&pool->lock);
    assert(segment->is_claimed && segment->state == SEGMENT_SEALED);
    struct segment *full = pool->open[life];
    unseal(pool, segment);
    segment->is_claimed = false;
    segment->used_bytes = end_bytes;
    segment->begun = pool->second;
    segment->state = SEGMENT_OPEN;
    segment->queue = life == LIFE_KEPT ? QUEUE_KEPT : QUEUE_FRESH;
    pool->open[life] = segment;
    if (full != NULL) {
        seal(pool, full);
        free_if_empty(pool, full);
    }
    unlock(pool);
}

void segment_spare(struct segment_pool *pool, struct segment *segment)
{
    pthread_mutex_lock(&pool->lock);
    assert(segment->is_claimed && segment->state == SEGMENT_SEALED);
    segment->is_claimed = false;
    unseal(pool, segment);
    segment->queue = QUEUE_KEPT;
    seal(pool, segment);
    segment->begun = pool->second;
    free_if_empty(pool, segment);
    unlock(pool);
}

static void expire_list(struct segment_list *list)
{
    for (struct segment *s = list->first; s != NULL; s = s->next) {
        atomic_store(&s->expiry_min, 0);
        s->rests_until = 0;
    }
}

void segment_expire_all(struct segment_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    for (int life = 0; life < LIFE_CLASSES; life++) {
        struct segment *open = pool->open[life];
        if (open == NULL)
            continue;
        atomic_store(&open->expiry_min, 0);
        open->rests_until = 0;
    }
    for (int queue = 0; queue < QUEUES; queue++)
        expire_list(&pool->sealed[queue]);
    atomic_store(&pool->expiry_min, 0);
    pthread_mutex_unlock(&pool->lock);
}

static void wake_list(struct segment_list *list, time_s now)
{
    for (struct segment *s = list->first; s != NULL; s = s->next) {
        if (s->rests_until > now)
            s->rests_until = 0;
    }
}

void segment_wake_all(struct segment_pool *pool, time_s now)
{
    pthread_mutex_lock(&pool->lock);
    for (int life = 0; life < LIFE_CLASSES; life++) {
        if (pool->open[life] != NULL)
            pool->open[life]->rests_until = 0;
    }
    for (int queue = 0; queue < QUEUES; queue++)
        wake_list(&pool->sealed[queue], now);
    lower(&pool->expiry_min, now);
    pthread_mutex_unlock(&pool->lock);
}

/* ---- ages and figures ---- */

size_t segment_held_bytes(struct segment_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    size_t held = pool->held_bytes;
    pthread_mutex_unlock(&pool->lock);
    return held;
}

static void begin_list(struct segment_list *list, time_s now)
{
    for (struct segment *s = list->first; s != NULL; s = s->next)
        s->begun = now;
}

void segment_tick(struct segment_pool *pool, time_s now)
{
    pthread_mutex_lock(&pool->lock);
    /* What was begun before anybody told the time begins now. */
    if (pool->second == 0) {
        for (int life = 0; life < LIFE_CLASSES; life++) {
            if (pool->open[life] != NULL)
                pool->open[life]->begun = now;
        }
        for (int queue = 0; queue < QUEUES; queue++)
            begin_list(&pool->sealed[queue], now);
    }
    pool->second = now;
    pthread_mutex_unlock(&pool->lock);
}

static time_s older_of(time_s begun, const struct segment *segment)
{
    return segment != NULL && segment->begun < begun ? segment->begun : begun;
}

void segment_read_figures(struct segment_pool *pool,
                          struct segment_figures *figures)
{
    pthread_mutex_lock(&pool->lock);
    time_s oldest = older_of(pool->second, pool->sealed[QUEUE_FRESH].first);
    oldest = older_of(oldest, pool->sealed[QUEUE_KEPT].first);
    for (int life = 0; life < LIFE_CLASSES; life++)
        oldest = older_of(oldest, pool->open[life]);
    *figures = (struct segment_figures){.held_bytes = pool->held_bytes,
                                        .segment_bytes = pool->segment_bytes,
                                        .free_count = pool->free_count,
                                        .oldest = oldest};
    pthread_mutex_unlock(&pool->lock);
}
