/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Expiry: frees what has died, asked for or not.
 *
 * Each segment knows the earliest second in which something in it can die;
 * until then it is not looked at.  Then it is gone through in a glance, item
 * by item without a lock, and only what seems to be dead is looked at: so
 * that can be done each second, however mixed the lives in it are.
 */
#include "server/store/stub.h"

#define NEVER_S UINT32_MAX

struct sweep {
    struct segment *segment;
    time_us now;
    time_s next; /* when something else in it dies */
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

    if (!is_due(store, item, sweep->now)) {
        segment_expires(&store->pool, item, item_exptime(item));
        return;
    }
    sweep->freed_bytes += item_room(item);
    sweep->swept_count += (item->shape & ITEM_IS_STUB) == 0;
    if ((item->shape & ITEM_IS_STUB) == 0 && store->settings.replicates)
        bury(store, stripe, hash, slot);
    else
        replica_expire(store, stripe, hash, slot);
}

/*
 * How an item seems to stand; nobody is kept from writing it meanwhile.  Who
 * does so tells its segment when that dies (segment_expires); what only seems
 * to be dead is looked at again, locked.
 */
__attribute__((no_sanitize("thread"))) static bool
seems_due(const struct store *store, const struct item *item,
          struct sweep *sweep)
{
    uint32_t exptime = 0;
    uint64_t version;

    if (item->shape & ITEM_HAS_EXPTIME)
        __builtin_memcpy(&exptime, item_extra(item, ITEM_HAS_EXPTIME),
                         sizeof(exptime));
    __builtin_memcpy(&version, &item->version, sizeof(version));
    if (replica_death_of(store, version, exptime, sweep->now) != STORE_NEVER)
        return true;
    if (exptime != 0 && exptime < sweep->next)
        sweep->next = exptime;
    return false;
}

static void sweep_segment(struct store *store, struct sweep *sweep,
                          size_t end_bytes)
{
    uint8_t *start = (uint8_t *)sweep->segment;
    size_t at_bytes = SEGMENT_HEADER_BYTES;

    while (at_bytes < end_bytes) {
        struct item *item = (struct item *)(void *)(start + at_bytes);
        at_bytes += item_room(item);
        sweep->checked_count++;
        if (seems_due(store, item, sweep))
            replica_visit(store, item, sweep_item, sweep);
    }
    if (sweep->next != NEVER_S)
        segment_expires(&store->pool, start + SEGMENT_HEADER_BYTES,
                        sweep->next);
}

bool expiry_sweep(struct store *store, time_us now, unsigned segments_max)
{
    flush_fire(store, now);
    for (unsigned i = 0; i < segments_max; i++) {
        size_t end_bytes = 0;
        struct sweep sweep = {.now = now, .next = NEVER_S};
        sweep.segment =
            segment_claim_expired(&store->pool, time_seconds(now), &end_bytes);
        if (sweep.segment == NULL)
            return true;
        sweep_segment(store, &sweep, end_bytes);
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
