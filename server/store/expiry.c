/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Expiry: frees what has died, asked for or not.
 *
 * Each segment knows the earliest second in which something in it can die;
 * until then it is not looked at.
 */
#include "server/store/stub.h"

struct sweep {
    struct segment *segment;
    time_us now;
    size_t freed_bytes;
    unsigned checked_count;
    unsigned swept_count;
};

/* What died here may be news to others: its versions are kept as a grave.
 * Without room for that the dead item itself stays, unseen. */
static void bury(struct store *store, struct stripe *stripe, uint64_t hash,
                 struct slot *slot)
{
    struct item *item = index_item(&store->index, slot);
    struct store_stub stub = {.kind = STUB_EXPIRED,
                              .version = item->version,
                              .stamp = item_stamp(item),
                              .exptime = item_exptime(item)};
    struct item *grave =
        stub_append(store, LIFE_MOVED, hash,
                    digest128(item_key(item), store->settings.seed), &stub);

    if (grave == NULL) {
        segment_expires(&store->pool, item, 1);
        return;
    }
    stripe_add(stripe, STRIPE_EXPIRED, 1);
    stripe_add(stripe, STRIPE_EXPIRED_UNFETCHED, !item_is_fetched(item));
    replica_relink(store, stripe, hash, slot, grave);
}

/* The stub's value does not die: a want that nobody could fulfil, or the
 * end of a grave, is dropped when the stub itself is due. */
static bool is_due(const struct store *store, const struct item *item,
                   time_us now)
{
    if (item->shape & ITEM_IS_STUB)
        return item_exptime(item) <= time_seconds(now);
    return replica_death(store, item, now) != STORE_NEVER;
}

static void sweep_item(struct store *store, struct stripe *stripe,
                       uint64_t hash, struct slot *slot, void *context)
{
    struct sweep *sweep = context;
    struct item *item = index_item(&store->index, slot);
    time_s exptime = item_exptime(item);

    sweep->checked_count++;
    if (!is_due(store, item, sweep->now)) {
        segment_expires(&store->pool, item, exptime);
        return;
    }
    sweep->freed_bytes += item_room(item);
    sweep->swept_count += (item->shape & ITEM_IS_STUB) == 0;
    if ((item->shape & ITEM_IS_STUB) == 0 && store->settings.replicates)
        bury(store, stripe, hash, slot);
    else
        replica_expire(store, stripe, hash, slot);
}

bool expiry_sweep(struct store *store, time_us now, unsigned segments_max)
{
    flush_fire(store, now);
    for (unsigned i = 0; i < segments_max; i++) {
        size_t end_bytes = 0;
        struct sweep sweep = {.now = now};
        sweep.segment =
            segment_claim_expired(&store->pool, time_seconds(now), &end_bytes);
        if (sweep.segment == NULL)
            return true;
        replica_walk(store, sweep.segment, end_bytes, sweep_item, &sweep);
        tally(store, TALLY_SWEEPS, 1);
        tally(store, TALLY_CHECKED, sweep.checked_count);
        tally(store, TALLY_SWEPT, sweep.swept_count);
        /* The digests of a farm are compared: what is dead leaves it soon. */
        if (store->settings.replicates)
            segment_yield(&store->pool, sweep.segment);
        else
            segment_yield_swept(&store->pool, sweep.segment, sweep.freed_bytes,
                                time_seconds(now));
    }
    return false;
}
