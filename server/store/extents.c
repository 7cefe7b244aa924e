/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Extents: where private segments lie, so that each need not be a mapping of
 * its own.
 */
#include <sys/mman.h>

#include "server/store/pool.h"

/* As many places as there may ever be items that do not fit half of one. */
static bool reserve_extents(struct segment_pool *pool, struct extents *extents,
                            size_t place_bytes)
{
    size_t places = 2 * pool->arena_limit / place_bytes + 1;
    void *start = pool_map_aligned(places * place_bytes, pool->segment_bytes,
                                   PROT_READ | PROT_WRITE);
    void *left = pool_map_aligned(places * sizeof(*extents->left), PAGE_BYTES,
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
struct segment *extents_take(struct segment_pool *pool, size_t capacity_bytes,
                             int8_t *number)
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

void extents_leave(struct segment_pool *pool, struct segment *segment,
                   int number)
{
    struct extents *extents = &pool->extents[number];
    size_t place =
        (size_t)((uint8_t *)segment - extents->start) / extents->place_bytes;

    pthread_mutex_lock(&pool->lock);
    extents->left[extents->left_count++] = (uint32_t)place;
    pthread_mutex_unlock(&pool->lock);
}

void extents_release(struct segment_pool *pool)
{
    for (size_t i = 0; i < EXTENTS; i++) {
        struct extents *extents = &pool->extents[i];
        if (extents->start == NULL)
            continue;
        munmap(extents->start, extents->places_max * extents->place_bytes);
        munmap(extents->left, extents->places_max * sizeof(*extents->left));
    }
}
