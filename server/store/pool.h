/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pool: the inside of segment.h, shared by the files that make it.
 *
 * Threads: with the pool's lock, unless said otherwise.
 */
#ifndef SERVER_STORE_POOL_H
#define SERVER_STORE_POOL_H

#include "server/store/segment.h"

#define PAGE_BYTES ((size_t)4096)
/* The system maps some 65,000 ranges at most (vm.max_map_count). */
#define MAPPED_MAX 30000

static inline void list_append(struct segment_list *list,
                               struct segment *segment)
{
    segment->next = NULL;
    segment->previous = list->last;
    if (list->last != NULL)
        list->last->next = segment;
    else
        list->first = segment;
    list->last = segment;
}

static inline void list_remove(struct segment_list *list,
                               struct segment *segment)
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

static inline size_t pool_index_bytes(const struct segment_pool *pool)
{
    return atomic_load_explicit(pool->index_bytes, memory_order_relaxed);
}

static inline bool pool_fits(const struct segment_pool *pool, size_t more_bytes)
{
    return pool->held_bytes + pool_index_bytes(pool) + more_bytes <=
           pool->bytes_max;
}

static inline void lower_second(_Atomic uint32_t *at, uint32_t value)
{
    uint32_t least = atomic_load(at);

    while (value < least && !atomic_compare_exchange_weak(at, &least, value))
        ;
}

static inline struct segment *segment_of(const struct segment_pool *pool,
                                         const void *item)
{
    uintptr_t mask = ~((uintptr_t)pool->segment_bytes - 1);

    return (struct segment *)((uintptr_t)item & mask);
}

/* ---- extents.c ---- */

/* Address space for a private segment, and which extents it is of; NULL where
 * there is none. */
struct segment *extents_take(struct segment_pool *pool, size_t capacity_bytes,
                             int8_t *number);

/* Its place waits for the next; without the lock. */
void extents_leave(struct segment_pool *pool, struct segment *segment,
                   int number);
void extents_release(struct segment_pool *pool);

/* ---- pool.c ---- */

/* Zeroed memory at a multiple of `align`, not touched yet; NULL if none. */
void *pool_map_aligned(size_t bytes, size_t align, int protection);

/* Ends what pthread_mutex_lock() began, and gives back what is doomed. */
void pool_unlock(struct segment_pool *pool);

/* A segment is in use from now on, and empty. */
void segment_open(struct segment *segment, size_t capacity_bytes, time_s now);

/* It is the youngest of its queue; or out of that. */
void pool_seal(struct segment_pool *pool, struct segment *segment);
void pool_unseal(struct segment_pool *pool, struct segment *segment);

/* How many more segments could be opened now without freeing any. */
size_t pool_available_count(const struct segment_pool *pool);

/* Takes a segment out of the free memory; NULL if there is none. */
struct segment *pool_take_free(struct segment_pool *pool);

/* Free segments make way for what the index or a private item takes. */
void pool_trim_free(struct segment_pool *pool, size_t more_bytes);

void pool_free_if_empty(struct segment_pool *pool, struct segment *segment);

#endif
