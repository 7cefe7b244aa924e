/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Expiry: frees what has died, asked for or not.
 *
 * Each segment knows the earliest second in which something in it can die;
 * until then it is not looked at.
 */
#include "server/store/replica.h"

struct sweep {
    struct segment *segment;
    time_us now;
};

static void sweep_item(struct store *store, struct stripe *stripe,
                       uint64_t hash, uint64_t *slot, void *context)
{
    struct sweep *sweep = context;
    struct item *item = index_item(*slot);
    time_s exptime = item->exptime;

    if (replica_death(store, item, sweep->now) == STORE_NEVER) {
        segment_expires(&store->pool, item, exptime);
        return;
    }
    if ((item->shape & ITEM_IS_GRAVE) == 0) {
        stripe_add(stripe, STRIPE_EXPIRED, 1);
        stripe_add(stripe, STRIPE_EXPIRED_UNFETCHED, item->uses == 0);
    }
    replica_unlink(store, stripe, hash, slot);
}

/* A flush whose moment has come is one that was done at that moment. */
static void fire_flush(struct store *store, time_us now)
{
    uint64_t moment = atomic_load(&store->flush_moment);

    if (moment == 0 || moment > now)
        return;
    atomic_store(&store->flush_version, version_at(moment));
    atomic_compare_exchange_strong(&store->flush_moment, &moment, 0);
    segment_expire_all(&store->pool);
}

bool expiry_sweep(struct store *store, time_us now, unsigned segments_max)
{
    fire_flush(store, now);
    for (unsigned i = 0; i < segments_max; i++) {
        size_t end_bytes = 0;
        struct sweep sweep = {.now = now};
        sweep.segment =
            segment_claim_expired(&store->pool, time_seconds(now), &end_bytes);
        if (sweep.segment == NULL)
            return true;
        replica_walk(store, sweep.segment, end_bytes, sweep_item, &sweep);
        segment_yield(&store->pool, sweep.segment);
    }
    return false;
}
