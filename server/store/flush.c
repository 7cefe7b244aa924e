/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flush: a register beside the items.  What is older than the last flush
 * that took effect is dead; the items themselves are swept by expiry.
 */
#include "server/store/replica.h"

/* The last flush replaces one that is still to come; what is dead by any
 * stays dead. */
static void take_flush(struct store *store, uint64_t version, time_us moment,
                       time_us now)
{
    if (version > store->flush_last) {
        store->flush_last = version;
        atomic_store(&store->flush_moment, moment);
    }
    if (moment == 0 && version > atomic_load(&store->flush_version))
        atomic_store(&store->flush_version, version);
    if (moment == 0 || moment <= now)
        segment_expire_all(&store->pool);
}

uint64_t store_flush(struct store *store, time_us moment, time_us now)
{
    flush_fire(store, now);
    pthread_mutex_lock(&store->flush_lock);
    uint64_t version = moment > 0 && moment <= now
                           ? version_at(moment)
                           : version_next(&store->clock, now);
    take_flush(store, version, moment > now ? moment : 0, now);
    pthread_mutex_unlock(&store->flush_lock);
    return version;
}

void store_merge_flush(struct store *store, uint64_t version, time_us moment,
                       time_us now)
{
    flush_fire(store, now);
    version_saw(&store->clock, version);
    pthread_mutex_lock(&store->flush_lock);
    take_flush(store, version, moment, now);
    pthread_mutex_unlock(&store->flush_lock);
}

struct store_flushes store_read_flushes(struct store *store)
{
    pthread_mutex_lock(&store->flush_lock);
    struct store_flushes flushes = {.floor = atomic_load(&store->flush_version),
                                    .pending_version = store->flush_last,
                                    .pending_moment =
                                        atomic_load(&store->flush_moment)};
    pthread_mutex_unlock(&store->flush_lock);
    return flushes;
}

/* A flush whose moment has come is one that was done at that moment. */
void flush_fire(struct store *store, time_us now)
{
    pthread_mutex_lock(&store->flush_lock);
    uint64_t moment = atomic_load(&store->flush_moment);
    bool is_due = moment != 0 && moment <= now;
    if (is_due) {
        if (version_at(moment) > atomic_load(&store->flush_version))
            atomic_store(&store->flush_version, version_at(moment));
        atomic_store(&store->flush_moment, 0);
    }
    pthread_mutex_unlock(&store->flush_lock);
    if (is_due)
        segment_expire_all(&store->pool);
}
