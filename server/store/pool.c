/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pool: the memory that segments are cut from, and those that nothing is in.
 */
#include "server/store/pool.h"

#include <assert.h>
#include <sys/mman.h>

/* Small memories have small segments: some 512 of them, within bounds. */
#define SEGMENT_BYTES_MIN ((size_t)64 * 1024)
#define SEGMENT_BYTES_MAX ((size_t)1024 * 1024)
#define SEGMENTS_WANTED 512
/* While memory shrinks so many more are kept free, for clients. */
#define SLACK_SEGMENTS 3
/* One open for each life, the reserve, and some to choose from. */
#define SEGMENTS_MIN 16
#define LARGE_PAGE_BYTES ((size_t)2 * 1024 * 1024)

/* ---- memory ---- */

/* To give memory back takes as long as the segment is large: nobody waits for
 * it. */
void pool_unlock(struct segment_pool *pool)
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
            extents_leave(pool, doomed, extents);
        else
            munmap(doomed, bytes);
        doomed = next;
    }
}

/* Zeroed memory at a multiple of `align`, not touched yet; NULL if none. */
void *pool_map_aligned(size_t bytes, size_t align, int protection)
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
        pool_map_aligned(pool->arena_limit, pool->segment_bytes, PROT_NONE);
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
    pool_unlock(pool);
    extents_release(pool);
    munmap(pool->arena, pool->arena_limit);
    pthread_mutex_destroy(&pool->lock);
}

void segment_open(struct segment *segment, size_t capacity_bytes, time_s now)
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

void pool_unseal(struct segment_pool *pool, struct segment *segment)
{
    if (pool->scanned == segment)
        pool->scanned = segment->next;
    list_remove(&pool->sealed[segment->queue], segment);
    pool->sealed_bytes[segment->queue] -= segment->capacity_bytes;
    pool->sealed_count--;
}

/* The youngest of its queue. */
void pool_seal(struct segment_pool *pool, struct segment *segment)
{
    segment->state = SEGMENT_SEALED;
    list_append(&pool->sealed[segment->queue], segment);
    pool->sealed_bytes[segment->queue] += segment->capacity_bytes;
    pool->sealed_count++;
}

/* How many more segments could be opened now without freeing any. */
size_t pool_available_count(const struct segment_pool *pool)
{
    size_t used_bytes = pool->held_bytes + pool_index_bytes(pool);

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
struct segment *pool_take_free(struct segment_pool *pool)
{
    struct segment *segment = pool->free.first;

    if (segment != NULL) {
        list_remove(&pool->free, segment);
        pool->free_count--;
    } else if (!pool_fits(pool, pool->segment_bytes)) {
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
void pool_trim_free(struct segment_pool *pool, size_t more_bytes)
{
    while (!pool_fits(pool, more_bytes) && pool->free.first != NULL) {
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
    pool_trim_free(pool, 0);
}

void pool_free_if_empty(struct segment_pool *pool, struct segment *segment)
{
    if (segment->state == SEGMENT_SEALED && !segment->is_claimed &&
        atomic_load(&segment->live_bytes) == 0 &&
        atomic_load(&segment->pins) == 0) {
        pool_unseal(pool, segment);
        give_free(pool, segment);
    }
}

/* ---- another limit ---- */

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
    bool is_short =
        is_filling && pool_available_count(pool) <= pool->reserve_count;
    pthread_mutex_unlock(&pool->lock);
    return is_short;
}

bool segment_has_slack(struct segment_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    bool has_slack =
        pool_available_count(pool) > pool->reserve_count + SLACK_SEGMENTS;
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
    pool_trim_free(pool, 0);
    bool is_reached = pool->bytes_max == goal;
    pool_unlock(pool);
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
