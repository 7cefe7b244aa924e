/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Resize: another limit of memory, while clients are served.
 *
 * More is there at once.  Less is made by maintenance: room for some segments
 * is made as for any client, and then the limit goes down by one of them, so
 * that nobody is told that memory is out because of it.
 */
#include "server/store/replica.h"

/* Of the memory, what the index may come to; as at the start. */
#define INDEX_SHARE 2
/* In one round of maintenance. */
#define STEPS_MAX 256
#define MERGES_MAX 32768
/* Buckets are merged while there are fewer keys for each, on average: far
 * from where they would be split again. */
#define SPARSE_KEYS 6
/* With fewer than these it has lost most of its keys: it comes along even where
 * the limit stays. */
#define FEW_KEYS 2
/* The smallest of memories that is better than none. */
#define ITEMS_MIN 2

static bool is_possible(const struct store *store, size_t bytes)
{
    const struct store_settings *settings = &store->settings;
    size_t limit = settings->memory_bytes_limit > settings->memory_bytes_max
                       ? settings->memory_bytes_limit
                       : settings->memory_bytes_max;

    return bytes <= limit && bytes / ITEMS_MIN >= settings->item_bytes_max &&
           bytes >= segment_least_bytes(&store->pool);
}

bool store_resize(struct store *store, size_t bytes)
{
    bool is_done = false;

    if (!is_possible(store, bytes))
        return false;
    pthread_mutex_lock(&store->resize_lock);
    if (index_allow(&store->index, bytes / INDEX_SHARE))
        is_done = bytes <= segment_limit_bytes(&store->pool) ||
                  segment_pool_grow(&store->pool, bytes);
    if (is_done) {
        atomic_store(&store->memory_goal, bytes);
        store->is_shrinking = bytes < segment_limit_bytes(&store->pool);
    } else {
        index_allow(&store->index,
                    atomic_load(&store->memory_goal) / INDEX_SHARE);
    }
    pthread_mutex_unlock(&store->resize_lock);
    return is_done;
}

/* True when there is nothing left to do, for now. */
static bool lower(struct store *store)
{
    bool is_reached = true;

    pthread_mutex_lock(&store->resize_lock);
    size_t goal = atomic_load(&store->memory_goal);
    if (segment_limit_bytes(&store->pool) > goal)
        is_reached = segment_pool_lower(&store->pool, goal);
    pthread_mutex_unlock(&store->resize_lock);
    return is_reached;
}

/* The index of what is gone takes a share of what is left: true when it takes
 * no more than it should. */
static bool shrink_index(struct store *store)
{
    struct store_figures figures;

    store_read_figures(store, &figures);
    uint64_t wanted = (figures.items + figures.stubs) / SPARSE_KEYS;
    if (wanted < INDEX_STRIPES)
        wanted = INDEX_STRIPES;
    for (unsigned i = 0; i < MERGES_MAX; i++) {
        if (figures.index_buckets <= wanted + i)
            return true;
        if (!index_shrink(&store->index))
            return false;
    }
    return false;
}

/* Large items came where small ones were. */
static bool is_sparse(struct store *store)
{
    size_t buckets = atomic_load(&store->index.buckets_count);

    return buckets > 2 * INDEX_STRIPES &&
           index_slots_used(&store->index) < FEW_KEYS * buckets;
}

void resize_continue(struct store *store, time_us now)
{
    pthread_mutex_lock(&store->resize_lock);
    bool is_shrinking = store->is_shrinking;
    pthread_mutex_unlock(&store->resize_lock);
    if (!is_shrinking) {
        if (is_sparse(store))
            shrink_index(store);
        return;
    }

    /* The index comes along, so that it is not paid for with items. */
    bool is_reached = false;
    bool is_small = shrink_index(store);
    for (unsigned step = 0; step < STEPS_MAX && !is_reached; step++) {
        if (!eviction_make_slack(store, now))
            break;
        is_reached = lower(store);
        is_small = shrink_index(store);
    }

    pthread_mutex_lock(&store->resize_lock);
    store->is_shrinking = !is_small || atomic_load(&store->memory_goal) <
                                           segment_limit_bytes(&store->pool);
    pthread_mutex_unlock(&store->resize_lock);
}
