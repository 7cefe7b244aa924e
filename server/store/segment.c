/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/store/segment.h"

#include <assert.h>
#include <sys/mman.h>

#include "server/store/pool.h"

/* An item above segment_bytes / PRIVATE_SHARE has a private segment. */
#define PRIVATE_SHARE 8

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

/* The pool's second comes last: who finds it raised finds the segment's. */
static void lower_expiry(struct segment_pool *pool, struct segment *segment,
                         time_s exptime)
{
    if (exptime == 0)
        return;
    lower_second(&segment->expiry_min, exptime);
    lower_second(&pool->expiry_min, exptime);
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
           in_use_bytes + pool_index_bytes(pool) + capacity_bytes +
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
        pool_trim_free(pool, capacity_bytes);
        pool->held_bytes += capacity_bytes;
        segment = extents_take(pool, capacity_bytes, &extents);
        pool->mapped_count += segment == NULL;
    }
    pool_unlock(pool);
    if (!fits)
        return NULL;
    if (segment == NULL) {
        extents = -1;
        segment = pool_map_aligned(capacity_bytes, pool->segment_bytes,
                                   PROT_READ | PROT_WRITE);
    }
    pthread_mutex_lock(&pool->lock);
    if (segment == NULL) {
        pool->held_bytes -= capacity_bytes;
        pool->mapped_count--;
        pool_unlock(pool);
        return NULL;
    }
    segment_open(segment, capacity_bytes, pool->second);
    segment->extents = extents;
    segment->is_private = true;
    segment->used_bytes += bytes;
    atomic_store_explicit(&segment->live_bytes, bytes, memory_order_relaxed);
    atomic_store_explicit(&segment->pins, 1, memory_order_relaxed);
    lower_expiry(pool, segment, exptime);
    pool_seal(pool, segment);
    pool_unlock(pool);
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
    pool_trim_free(pool, 0);
    if (life != LIFE_MOVED && pool_available_count(pool) <= pool->reserve_count)
        return NULL;
    struct segment *fresh = pool_take_free(pool);
    if (fresh == NULL)
        return NULL;
    fresh->queue = life == LIFE_KEPT ? QUEUE_KEPT : QUEUE_FRESH;
    pool->open[life] = fresh;
    if (segment != NULL) {
        pool_seal(pool, segment);
        pool_free_if_empty(pool, segment);
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
    pool_free_if_empty(pool, segment);
    pool_unlock(pool);
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
                        : pool_available_count(pool) > pool->reserve_count;
    pthread_mutex_unlock(&pool->lock);
    return has_room;
}
