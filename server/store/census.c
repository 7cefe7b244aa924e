/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Census: walks over all that is held, and its figures.
 */
#include <assert.h>
#include <stdlib.h>

#include "server/store/stub.h"

struct visit {
    const struct store *store;
    time_us now;
    store_visitor *visit;
    void *context;
};

static void visit_item(struct item *item, void *context)
{
    struct visit *visit = context;

    if ((item->shape & ITEM_IS_STUB) == 0 &&
        replica_death(visit->store, item, visit->now) == STORE_NEVER)
        visit->visit(item, visit->context);
}

size_t store_parts(const struct store *store)
{
    return atomic_load(&store->index.buckets_count);
}

void store_visit(struct store *store, size_t part, time_us now,
                 store_visitor *visit, void *context)
{
    struct visit inner = {store, now, visit, context};

    index_visit(&store->index, part, visit_item, &inner);
}

uint64_t store_visit_from(struct store *store, uint64_t cursor, time_us now,
                          store_visitor *visit, void *context)
{
    struct visit inner = {store, now, visit, context};

    return index_visit_from(&store->index, cursor, visit_item, &inner);
}

struct range {
    const struct store *store;
    uint64_t mask;
    uint64_t value;
    time_us now;
    store_known_visitor *visit;
    void *context;
};

static void visit_known(struct item *item, void *context)
{
    struct range *range = context;
    const struct store *store = range->store;
    struct digest128 digest;
    struct store_known known = {.hash = index_item_hash(&store->index, item)};

    if ((known.hash & range->mask) != range->value)
        return;
    if (item->shape & ITEM_IS_STUB) {
        known.stub = stub_at(store, item, range->now);
        known.digest = item_key(item);
    } else if (replica_death(store, item, range->now) == STORE_NEVER) {
        known.item = item;
    } else {
        /* Dead and not buried yet: others are told of it as of a grave. */
        digest = digest128(item_key(item), store->settings.seed);
        known.digest = span_of(&digest, sizeof(digest));
        known.stub = (struct store_stub){.kind = STUB_EXPIRED,
                                         .version = item->version,
                                         .stamp = item_stamp(item),
                                         .exptime = item_exptime(item)};
    }
    range->visit(&known, range->context);
}

void store_visit_range(struct store *store, uint64_t mask, uint64_t value,
                       time_us now, store_known_visitor *visit, void *context)
{
    struct range range = {store, mask, value, now, visit, context};

    assert(mask >= STORE_RANGE_MASK_MIN && (value & ~mask) == 0);
    /* A bucket's number ends as the hashes in it do, as far as all buckets'
     * numbers go. */
    index_hold_still(&store->index);
    size_t step = INDEX_STRIPES;
    while (step <= mask && 2 * step <= store_parts(store))
        step *= 2;
    for (size_t bucket = value % step; bucket < store_parts(store);
         bucket += step)
        index_visit(&store->index, bucket, visit_known, &range);
    index_let_move(&store->index);
}

static uint64_t sum(const struct store *store, enum stripe_figure figure)
{
    uint64_t total = 0;

    for (size_t i = 0; i < INDEX_STRIPES; i++)
        total += atomic_load_explicit(&store->index.stripes[i].figures[figure],
                                      memory_order_relaxed);
    return total;
}

bool store_has_evicted(const struct store *store)
{
    return atomic_load_explicit(&store->has_evicted, memory_order_relaxed);
}

static uint64_t told(const struct store *store, enum tally which)
{
    return atomic_load_explicit(&store->tallies[which], memory_order_relaxed);
}

void store_read_figures(struct store *store, struct store_figures *figures)
{
    struct segment_figures segments;

    segment_read_figures(&store->pool, &segments);
    *figures = (struct store_figures){
        .items = sum(store, STRIPE_ITEMS),
        .item_bytes = sum(store, STRIPE_ITEM_BYTES),
        .stubs = sum(store, STRIPE_STUBS),
        .wants = sum(store, STRIPE_WANTS),
        .expired = sum(store, STRIPE_EXPIRED),
        .expired_unfetched = sum(store, STRIPE_EXPIRED_UNFETCHED),
        .evicted = sum(store, STRIPE_EVICTED),
        .evicted_expiring = sum(store, STRIPE_EVICTED_EXPIRING),
        .evicted_unfetched = sum(store, STRIPE_EVICTED_UNFETCHED),
        .index_bytes = atomic_load(&store->index.bytes),
        .index_buckets = atomic_load(&store->index.buckets_count),
        .evicted_active = told(store, TALLY_EVICTED_ACTIVE),
        .evicted_age_s =
            atomic_load_explicit(&store->evicted_age, memory_order_relaxed),
        .spared = told(store, TALLY_SPARED),
        .sweeps = told(store, TALLY_SWEEPS),
        .checked = told(store, TALLY_CHECKED),
        .swept = told(store, TALLY_SWEPT),
        .compactions = told(store, TALLY_COMPACTIONS),
        .rescued = told(store, TALLY_RESCUED),
        .hasty = told(store, TALLY_HASTY),
        .rounds = told(store, TALLY_ROUNDS),
        .segment_bytes = segments.held_bytes,
        .segment_size_bytes = segments.segment_bytes,
        .segments_free = segments.free_count,
        .oldest = segments.oldest,
        .memory_bytes_max =
            atomic_load_explicit(&store->memory_goal, memory_order_relaxed)};
}

size_t store_size_steps(const struct store *store)
{
    return store->sizes_count;
}

uint64_t store_size_count(const struct store *store, size_t step)
{
    return atomic_load_explicit(&store->sizes[step], memory_order_relaxed);
}

uint64_t store_digest(struct store *store)
{
    return summary_root(&store->summary);
}

struct census {
    const struct store *store;
    struct summary *summary;
    uint64_t items;
    uint64_t item_bytes;
    uint64_t stubs;
};

static void count_item(struct item *item, void *context)
{
    struct census *census = context;

    if (item->shape & ITEM_IS_STUB) {
        census->stubs++;
        return;
    }
    census->items++;
    census->item_bytes += item_room(item);
    summary_toggle(census->summary, store_hash(census->store, item_key(item)),
                   item->version, item_stamp(item));
}

static void check_sizes(const struct store *store, uint64_t items)
{
    uint64_t counted = 0;

    for (size_t i = 0; i < store_size_steps(store); i++)
        counted += store_size_count(store, i);
    assert(store_size_steps(store) == 0 || counted == items);
}

void store_check(struct store *store)
{
    struct store_figures figures;
    struct census census = {.store = store,
                            .summary = calloc(1, sizeof(struct summary))};

    assert(census.summary != NULL);
    summary_init(census.summary);
    store_read_figures(store, &figures);
    for (size_t i = 0; i < store_parts(store); i++)
        index_visit(&store->index, i, count_item, &census);
    assert(census.items == figures.items);
    assert(census.item_bytes == figures.item_bytes);
    assert(census.stubs == figures.stubs);
    assert(summary_root(census.summary) == store_digest(store));
    assert(figures.segment_bytes <= segment_limit_bytes(&store->pool));
    check_sizes(store, figures.items);
    summary_release(census.summary);
    free(census.summary);
}
