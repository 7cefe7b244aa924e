/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Eviction: frees a segment when there is no free one.
 *
 * A segment that is mostly dead is compacted first: what lives in it moves,
 * nothing is lost.  Else the oldest segment goes: items that were used since
 * they were written or last spared move, up to half of the segment, so that
 * each round frees something; the others are evicted.
 */
#include "server/store/replica.h"

/* Above this share of dead bytes, compacting is worth the copying. */
#define DEAD_PERCENT 15
/* Without eviction anything that gains a little has to be tried. */
#define DEAD_PERCENT_LAST_RESORT 2
/* Large items that were used get so many second chances in one call; then
 * the oldest goes, used or not: a client waits. */
#define CHANCES_MAX 32
/* A round frees half a segment or one large item: beyond this somebody else
 * takes all that is freed, and the client is told so. */
#define ROUNDS_MAX 100000

struct round {
    time_us now;
    bool evicts;
    size_t spared_bytes;
    size_t spared_bytes_max;
    unsigned chances_left;
    bool is_stuck; /* an item could not be moved */
    unsigned moved_count;
};

static bool is_spared(const struct round *round, const struct item *item)
{
    bool is_wanted = item->uses > 0 || (item->shape & ITEM_IS_STUB);

    if (!round->evicts)
        return true;
    return is_wanted &&
           round->spared_bytes + item->room_bytes <= round->spared_bytes_max;
}

static void evict_item(struct store *store, struct stripe *stripe,
                       uint64_t hash, uint64_t *slot, time_us now)
{
    const struct item *item = index_item(*slot);
    time_s second = time_seconds(now);

    if ((item->shape & ITEM_IS_STUB) == 0) {
        if (store->settings.witness != NULL)
            store->settings.witness(item, now, store->settings.witness_context);
        stripe_add(stripe, STRIPE_EVICTED, 1);
        if (second >= item_accessed(item))
            atomic_store_explicit(&store->evicted_age,
                                  second - item_accessed(item),
                                  memory_order_relaxed);
        if (item->uses > 0)
            tally(store, TALLY_EVICTED_ACTIVE, 1);
        if (!atomic_load_explicit(&store->has_evicted, memory_order_relaxed))
            atomic_store(&store->has_evicted, true);
        stripe_add(stripe, STRIPE_EVICTED_EXPIRING, item->exptime != 0);
        stripe_add(stripe, STRIPE_EVICTED_UNFETCHED, !item_is_fetched(item));
    }
    replica_unlink(store, stripe, hash, slot);
}

static void clear_item(struct store *store, struct stripe *stripe,
                       uint64_t hash, uint64_t *slot, void *context)
{
    struct round *round = context;
    struct item *item = index_item(*slot);

    /* Of the dead, expiry leaves the graves where there are to be any. */
    if (!store->settings.replicates &&
        replica_death(store, item, round->now) != STORE_NEVER) {
        replica_expire(store, stripe, hash, slot);
        return;
    }
    if (is_spared(round, item)) {
        size_t room_bytes = item->room_bytes;
        /* Compaction leaves an item's uses to the round that judges it. */
        if (round->evicts && item->uses > 0)
            item->uses--;
        if (replica_move(store, slot)) {
            round->spared_bytes += room_bytes;
            round->moved_count++;
            return;
        }
        if (!round->evicts) {
            round->is_stuck = true;
            return;
        }
    }
    evict_item(store, stripe, hash, slot, round->now);
}

static void spare_or_evict(struct store *store, struct stripe *stripe,
                           uint64_t hash, uint64_t *slot, void *context)
{
    struct round *round = context;
    struct item *item = index_item(*slot);

    if (!store->settings.replicates &&
        replica_death(store, item, round->now) != STORE_NEVER) {
        replica_expire(store, stripe, hash, slot);
    } else if (item->uses > 0 && round->chances_left > 0) {
        item->uses--;
        round->spared_bytes = item->room_bytes;
    } else {
        evict_item(store, stripe, hash, slot, round->now);
    }
}

/* A private segment holds one item: spared, it is just younger again. */
static void clear_private(struct store *store, struct segment *segment,
                          size_t end_bytes, time_us now, unsigned *chances)
{
    struct round round = {.now = now, .chances_left = *chances};

    replica_walk(store, segment, end_bytes, spare_or_evict, &round);
    if (round.spared_bytes > 0) {
        (*chances)--;
        tally(store, TALLY_SPARED, 1);
        segment_spare(&store->pool, segment);
    } else {
        segment_yield(&store->pool, segment);
    }
}

static bool compact(struct store *store, time_us now, unsigned dead_percent)
{
    size_t end_bytes = 0;
    struct segment *segment =
        segment_claim_dead(&store->pool, dead_percent, &end_bytes);

    if (segment == NULL)
        return false;
    struct round round = {.now = now};
    replica_walk(store, segment, end_bytes, clear_item, &round);
    tally(store, TALLY_COMPACTIONS, 1);
    tally(store, TALLY_RESCUED, round.moved_count);
    segment_yield(&store->pool, segment);
    return !round.is_stuck;
}

static bool evict(struct store *store, size_t bytes, time_us now,
                  unsigned *chances)
{
    size_t end_bytes = 0;
    struct segment *segment = segment_claim_oldest(
        &store->pool, segment_is_large(&store->pool, bytes), &end_bytes);

    if (segment == NULL)
        return false;
    if (segment->is_private) {
        clear_private(store, segment, end_bytes, now, chances);
        return true;
    }
    struct round round = {
        .now = now, .evicts = true, .spared_bytes_max = end_bytes / 2};
    replica_walk(store, segment, end_bytes, clear_item, &round);
    tally(store, TALLY_SPARED, round.moved_count);
    segment_yield(&store->pool, segment);
    return true;
}

/* Room for an item of `bytes`; 0: segments more than any item needs. */
static bool has_room(struct store *store, size_t bytes)
{
    return bytes > 0 ? segment_has_room(&store->pool, bytes)
                     : segment_has_slack(&store->pool);
}

static bool make_room(struct store *store, size_t bytes, time_us now)
{
    bool is_enough = false;
    bool may_compact = true;
    unsigned chances = CHANCES_MAX;

    pthread_mutex_lock(&store->eviction_lock);
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        is_enough = has_room(store, bytes);
        if (is_enough)
            break;
        /* What is not mostly dead now will hardly be so in a moment. */
        may_compact = may_compact && compact(store, now, DEAD_PERCENT);
        if (may_compact)
            continue;
        if (store->settings.evicts
                ? !evict(store, bytes, now, &chances)
                : !compact(store, now, DEAD_PERCENT_LAST_RESORT))
            break;
    }
    pthread_mutex_unlock(&store->eviction_lock);
    return is_enough;
}

bool eviction_make_room(struct store *store, size_t bytes, time_us now)
{
    return make_room(store, bytes, now);
}

bool eviction_make_slack(struct store *store, time_us now)
{
    return make_room(store, 0, now);
}
