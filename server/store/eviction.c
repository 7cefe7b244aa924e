/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Eviction: frees a segment when there is no free one.
 *
 * A segment that is mostly dead is compacted first: what lives in it moves,
 * nothing is lost.  Else the oldest segment goes: items that were used since
 * they were written or last spared move, up to half of the segment, so that
 * each round frees something; the others are evicted.
 */
#include "server/store/stub.h"

/* Above this share of dead bytes, compacting is worth the copying. */
#define DEAD_PERCENT 15
/* Without eviction anything that gains a little has to be tried. */
#define DEAD_PERCENT_LAST_RESORT 2
/* An eighth of a segment at least goes, however much of it was used. */
#define SPARED_SHARE 8
/* Large items that were used get so many second chances in one call; then
 * the oldest goes, used or not: a client waits. */
#define CHANCES_MAX 32
/* A round frees half a segment or one large item: beyond this somebody else
 * takes all that is freed, and the client is told so. */
#define ROUNDS_MAX 100000

struct round {
    time_us now;
    struct segment *segment;
    size_t end_bytes;     /* of what stays in it, moved to its start */
    enum queue queue;     /* where it was */
    enum life_class life; /* for what moves */
    bool evicts;
    size_t spared_bytes;
    size_t spared_bytes_max;
    unsigned chances_left;
    unsigned moved_count;
};

static bool is_spared(const struct round *round, const struct item *item)
{
    bool is_wanted = item_use(item).count > 0 || (item->shape & ITEM_IS_STUB);

    if (!round->evicts)
        return true;
    return is_wanted &&
           round->spared_bytes + item_room(item) <= round->spared_bytes_max;
}

static void evict_item(struct store *store, struct stripe *stripe,
                       uint64_t hash, struct slot *slot, time_us now)
{
    const struct item *item = index_item(&store->index, slot);
    time_s second = time_seconds(now);

    if ((item->shape & ITEM_IS_STUB) == 0) {
        if (store->settings.witness != NULL)
            store->settings.witness(item, now, store->settings.witness_context);
        stripe_add(stripe, STRIPE_EVICTED, 1);
        if (second >= item_accessed(item))
            atomic_store_explicit(&store->evicted_age,
                                  second - item_accessed(item),
                                  memory_order_relaxed);
        if (item_use(item).count > 0)
            tally(store, TALLY_EVICTED_ACTIVE, 1);
        if (!atomic_load_explicit(&store->has_evicted, memory_order_relaxed))
            atomic_store(&store->has_evicted, true);
        stripe_add(stripe, STRIPE_EVICTED_EXPIRING, item_exptime(item) != 0);
        stripe_add(stripe, STRIPE_EVICTED_UNFETCHED, !item_is_fetched(item));
    }
    replica_unlink(store, stripe, hash, slot);
}

/* What was used is spared for that, once. */
static void judge(struct item *item, enum queue queue)
{
    union item_use use = item_use(item);

    if (queue == QUEUE_FRESH)
        use.count = 0;
    else if (use.count > 0)
        use.count--;
    item_set_use(item, use);
}

static void clear_item(struct store *store, struct stripe *stripe,
                       uint64_t hash, struct slot *slot, void *context)
{
    struct round *round = context;
    struct item *item = index_item(&store->index, slot);

    /* Of the dead, expiry leaves the graves where there are to be any. */
    if (!store->settings.replicates &&
        replica_death(store, item, round->now) != STORE_NEVER) {
        replica_expire(store, stripe, hash, slot);
        return;
    }
    if (is_spared(round, item)) {
        size_t room_bytes = item_room(item);
        /* Compaction leaves an item's uses to the round that judges it. */
        if (round->evicts)
            judge(item, round->queue);
        replica_move(store, slot, round->life, round->segment,
                     &round->end_bytes);
        round->spared_bytes += room_bytes;
        round->moved_count++;
        return;
    }
    if (round->queue == QUEUE_FRESH && (item->shape & ITEM_IS_STUB) == 0)
        ghosts_add(&store->ghosts, hash);
    evict_item(store, stripe, hash, slot, round->now);
}

static void spare_or_evict(struct store *store, struct stripe *stripe,
                           uint64_t hash, struct slot *slot, void *context)
{
    struct round *round = context;
    struct item *item = index_item(&store->index, slot);

    if (!store->settings.replicates &&
        replica_death(store, item, round->now) != STORE_NEVER) {
        replica_expire(store, stripe, hash, slot);
    } else if (item_use(item).count > 0 && round->chances_left > 0) {
        judge(item, QUEUE_KEPT);
        round->spared_bytes = item_room(item);
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

/* What is to stay moves, some of it to the start of the segment. */
static void clear(struct store *store, struct segment *segment,
                  size_t end_bytes, struct round *round)
{
    round->segment = segment;
    round->end_bytes = SEGMENT_HEADER_BYTES;
    round->queue = segment->queue;
    round->life =
        round->evicts || segment->queue == QUEUE_KEPT ? LIFE_KEPT : LIFE_MOVED;
    replica_walk(store, segment, end_bytes, clear_item, round);
    if (round->end_bytes > SEGMENT_HEADER_BYTES)
        segment_reopen(&store->pool, segment, round->life, round->end_bytes);
    else
        segment_yield(&store->pool, segment);
}

static bool compact(struct store *store, time_us now, unsigned dead_percent,
                    bool is_thorough)
{
    size_t end_bytes = 0;
    struct segment *segment =
        segment_claim_dead(&store->pool, dead_percent, is_thorough, &end_bytes);

    if (segment == NULL)
        return false;
    struct round round = {.now = now};
    clear(store, segment, end_bytes, &round);
    tally(store, TALLY_COMPACTIONS, 1);
    tally(store, TALLY_RESCUED, round.moved_count);
    return true;
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
    ghosts_fit(&store->ghosts, index_slots_used(&store->index));
    struct round round = {.now = now,
                          .evicts = true,
                          .spared_bytes_max =
                              end_bytes / SPARED_SHARE * (SPARED_SHARE - 1)};
    clear(store, segment, end_bytes, &round);
    tally(store, TALLY_SPARED, round.moved_count);
    return true;
}

/* The caller may reckon with up to so much more than what the item takes. */
#define RECKONED_MORE_BYTES 512

bool eviction_has_room(struct store *store, size_t bytes)
{
    if (!segment_has_room(&store->pool, bytes))
        return false;
    /* Hardly large, it may turn out to be none that has a private segment. */
    bool is_sure =
        bytes < RECKONED_MORE_BYTES ||
        segment_is_large(&store->pool, bytes) ==
            segment_is_large(&store->pool, bytes - RECKONED_MORE_BYTES);
    return is_sure || segment_has_room(&store->pool, 1);
}

/* Room for an item of `bytes`; 0: segments more than any item needs. */
static bool has_room(struct store *store, size_t bytes)
{
    return bytes > 0 ? eviction_has_room(store, bytes)
                     : segment_has_slack(&store->pool);
}

/* True where there is so much of what is dead that it must be somewhere. */
static bool is_mostly_dead(struct store *store)
{
    struct store_figures figures;

    store_read_figures(store, &figures);
    uint64_t used_bytes = figures.segment_bytes -
                          figures.segments_free * figures.segment_size_bytes;
    return figures.item_bytes < used_bytes / 100 * (100 - DEAD_PERCENT);
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
        may_compact =
            may_compact && (compact(store, now, DEAD_PERCENT, false) ||
                            (is_mostly_dead(store) &&
                             compact(store, now, DEAD_PERCENT, true)));
        if (may_compact)
            continue;
        if (store->settings.evicts
                ? !evict(store, bytes, now, &chances)
                : !compact(store, now, DEAD_PERCENT_LAST_RESORT, true))
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
