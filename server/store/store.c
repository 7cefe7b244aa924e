/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/planted.h"
#include "server/store/replica.h"
#include "server/store/stub.h"

/* Of the memory, what the index may come to for the smallest of items. */
#define INDEX_SHARE 2
/* In-place updates leave at most a quarter of an item unused, and a bit. */
#define SLACK_SHARE 4
#define SLACK_BYTES 64
/* A sweep is called often: what it leaves waits for the next one. */
#define SWEEP_SEGMENTS_MAX 256
#define HASTY_SWEEPS_MAX 4
/* Of one value; of a larger one the processor sees by itself what is next. */
#define PREFETCH_BYTES_MAX ((size_t)16 * 1024)
#define CACHE_LINE_BYTES 64

/* Most of it is never touched, and takes no memory. */
static bool create_sizes(struct store *store)
{
    size_t bytes_max =
        item_room_bytes(ITEM_HAS_STAMP | ITEM_HAS_TOKEN | ITEM_HAS_FLAGS, 0,
                        store->settings.item_bytes_max);

    store->sizes_count = bytes_max / STORE_SIZE_STEP + 2;
    store->sizes = calloc(store->sizes_count, sizeof(*store->sizes));
    return store->sizes != NULL;
}

struct store *store_create(const struct store_settings *settings)
{
    struct store *store = calloc(1, sizeof(*store));

    if (store == NULL)
        return NULL;
    store->settings = *settings;
    atomic_init(&store->memory_goal, settings->memory_bytes_max);
    size_t limit = settings->memory_bytes_limit > settings->memory_bytes_max
                       ? settings->memory_bytes_limit
                       : settings->memory_bytes_max;
    if (!index_init(&store->index, settings->memory_bytes_max / INDEX_SHARE,
                    limit / INDEX_SHARE, settings->seed))
        goto fail;
    if (!segment_pool_init(&store->pool, settings->memory_bytes_max,
                           &store->index.bytes))
        goto fail_index;
    if (settings->counts_sizes && !create_sizes(store))
        goto fail_pool;
    /* Where it grows it is dense: at most one page of it is for later. */
    index_use_large_pages(&store->index);
    if (settings->large_pages)
        segment_use_large_pages(&store->pool);
    version_clock_init(&store->clock, settings->origin_tag);
    summary_init(&store->summary);
    pthread_mutex_init(&store->eviction_lock, NULL);
    pthread_mutex_init(&store->flush_lock, NULL);
    pthread_mutex_init(&store->resize_lock, NULL);
    return store;

fail_pool:
    segment_pool_release(&store->pool);
fail_index:
    index_release(&store->index);
fail:
    free(store);
    return NULL;
}

void store_destroy(struct store *store)
{
    if (store == NULL)
        return;
    segment_pool_release(&store->pool);
    index_release(&store->index);
    free(store->sizes);
    summary_release(&store->summary);
    pthread_mutex_destroy(&store->eviction_lock);
    pthread_mutex_destroy(&store->flush_lock);
    pthread_mutex_destroy(&store->resize_lock);
    free(store);
}

size_t store_item_bytes_max(const struct store *store)
{
    return store->settings.item_bytes_max;
}

uint64_t store_hash(const struct store *store, struct span key)
{
    return index_hash(&store->index, key);
}

void store_prefetch(const struct store *store, uint64_t hash)
{
    index_prefetch(&store->index, hash);
}

void store_prefetch_item(struct store *store, struct onlooker *onlooker,
                         uint64_t hash)
{
    if (onlooker != NULL)
        index_prefetch_item(&store->index, onlooker, hash);
}

void store_set_tag(struct store *store, uint16_t tag)
{
    version_set_tag(&store->clock, tag);
}

uint64_t store_next_version(struct store *store, time_us now)
{
    return version_next(&store->clock, now);
}

void store_saw_version(struct store *store, uint64_t version)
{
    version_saw(&store->clock, version);
}

/* ---- life and death ---- */

enum store_absence replica_death(const struct store *store,
                                 const struct item *item, time_us now)
{
    if (item->exptime != 0 && item->exptime <= time_seconds(now))
        return STORE_EXPIRED;
    if (item->version <
        atomic_load_explicit(&store->flush_version, memory_order_relaxed))
        return STORE_FLUSHED;
    uint64_t moment =
        atomic_load_explicit(&store->flush_moment, memory_order_relaxed);
    if (moment != 0 && moment <= now && item->version < version_at(moment))
        return STORE_FLUSHED;
    return STORE_NEVER;
}

static void count_size(struct store *store, const struct item *item,
                       uint32_t one)
{
    size_t step = (item->room_bytes + STORE_SIZE_STEP - 1) / STORE_SIZE_STEP;

    if (step >= store->sizes_count)
        step = store->sizes_count - 1;
    atomic_fetch_add_explicit(&store->sizes[step], one, memory_order_relaxed);
}

/* Adds an item to figures and summary, or takes it out (`sign` -1). */
static void account(struct store *store, struct stripe *stripe, uint64_t hash,
                    const struct item *item, int sign)
{
    uint64_t one = (uint64_t)(int64_t)sign;

    if (item->shape & ITEM_IS_STUB) {
        stripe_add(stripe, STRIPE_STUBS, one);
        if (stub_of(item).kind == STUB_WANTED)
            stripe_add(stripe, STRIPE_WANTS, one);
        return;
    }
    stripe_add(stripe, STRIPE_ITEMS, one);
    stripe_add(stripe, STRIPE_ITEM_BYTES, one * item->room_bytes);
    if (store->sizes != NULL)
        count_size(store, item, (uint32_t)one);
    summary_toggle(&store->summary, hash, item->version, item_stamp(item));
}

/* To be called before and after an item is written where it lies: that takes
 * the same room as before, and only the summary knows the difference. */
static inline void toggle(const struct store_hold *hold)
{
    summary_toggle(&hold->store->summary, hold->hash, hold->item->version,
                   item_stamp(hold->item));
}

void replica_unlink(struct store *store, struct stripe *stripe, uint64_t hash,
                    uint64_t *slot)
{
    struct item *item = index_item(*slot);

    account(store, stripe, hash, item, -1);
    index_remove(&store->index, stripe, hash, slot);
    segment_forget(&store->pool, item, item->room_bytes);
}

void replica_expire(struct store *store, struct stripe *stripe, uint64_t hash,
                    uint64_t *slot)
{
    const struct item *item = index_item(*slot);

    if ((item->shape & ITEM_IS_STUB) == 0) {
        stripe_add(stripe, STRIPE_EXPIRED, 1);
        stripe_add(stripe, STRIPE_EXPIRED_UNFETCHED, !item_is_fetched(item));
    }
    replica_unlink(store, stripe, hash, slot);
}

void replica_relink(struct store *store, struct stripe *stripe, uint64_t hash,
                    uint64_t *slot, struct item *item)
{
    struct item *old = index_item(*slot);

    account(store, stripe, hash, old, -1);
    index_replace(slot, item);
    account(store, stripe, hash, item, +1);
    segment_settle(&store->pool, item);
    segment_forget(&store->pool, old, old->room_bytes);
}

bool replica_move(struct store *store, uint64_t *slot)
{
    struct item *item = index_item(*slot);
    struct item *moved = segment_append(&store->pool, LIFE_MOVED,
                                        item->room_bytes, item->exptime);

    if (moved == NULL)
        return false;
    memcpy(moved, item, item->room_bytes);
    index_replace(slot, moved);
    segment_settle(&store->pool, moved);
    segment_forget(&store->pool, item, item->room_bytes);
    return true;
}

void replica_walk(struct store *store, struct segment *segment,
                  size_t end_bytes, replica_step *step, void *context)
{
    size_t at_bytes = SEGMENT_HEADER_BYTES;

    while (at_bytes < end_bytes) {
        struct item *item =
            (struct item *)(void *)((uint8_t *)segment + at_bytes);
        assert(item->room_bytes >= sizeof(*item));
        at_bytes += item->room_bytes;

        uint64_t hash = index_item_hash(&store->index, item);
        struct stripe *stripe = index_lock(&store->index, hash);
        uint64_t *slot = index_find_item(&store->index, hash, item);
        if (slot != NULL)
            step(store, stripe, hash, slot, context);
        index_unlock(stripe);
    }
}

/* ---- holding a key ---- */

/* Looks at what the slot leads to, if to anything. */
static void look(struct store_hold *hold)
{
    struct store *store = hold->store;

    if (hold->slot == NULL)
        return;
    struct item *item = index_item(*hold->slot);
    if (item->shape & ITEM_IS_STUB) {
        hold->stub = stub_of(item);
        /* Nobody has to pull what would be dead by now. */
        if (hold->stub.kind == STUB_WANTED && hold->stub.exptime != 0 &&
            hold->stub.exptime <= time_seconds(hold->now))
            hold->stub.kind = STUB_EXPIRED;
        return;
    }
    hold->absence = replica_death(store, item, hold->now);
    if (hold->absence == STORE_NEVER) {
        hold->item = item;
        return;
    }
    /* Other servers may yet tell that it lives: its grave is expiry's, and
     * until then it stands for it. */
    if (store->settings.replicates) {
        hold->stub = (struct store_stub){.kind = STUB_EXPIRED,
                                         .version = item->version,
                                         .stamp = item_stamp(item),
                                         .exptime = item->exptime};
        return;
    }
    if (hold->onlooker != NULL)
        return;
    replica_expire(store, hold->stripe, hold->hash, hold->slot);
    hold->slot = NULL;
}

/* One by one: to zero the whole first takes longer. */
static inline void begin_hold(struct store_hold *hold, struct store *store,
                              uint64_t hash, time_us now)
{
    hold->store = store;
    hold->key = (struct span){0};
    hold->hash = hash;
    hold->now = now;
    hold->item = NULL;
    hold->absence = STORE_NEVER;
    hold->stub = (struct store_stub){0};
    hold->digest = (struct span){0};
    hold->stripe = NULL;
    hold->onlooker = NULL;
    hold->slot = NULL;
    hold->is_crowded = false;
}

void store_hold(struct store *store, struct span key, uint64_t hash,
                time_us now, struct store_hold *hold)
{
    begin_hold(hold, store, hash, now);
    hold->key = key;
    /* What is held like this is mostly to be written. */
    summary_prefetch(&store->summary, hash);
    hold->stripe = index_lock(&store->index, hash);
    hold->slot = index_find(&store->index, hash, key);
    look(hold);
}

void store_hold_digest(struct store *store, struct span digest, uint64_t hash,
                       time_us now, struct store_hold *hold)
{
    begin_hold(hold, store, hash, now);
    hold->digest = digest;
    hold->stripe = index_lock(&store->index, hash);
    hold->slot = index_find_digest(&store->index, hash, digest);
    if (hold->slot != NULL &&
        (index_item(*hold->slot)->shape & ITEM_IS_STUB) == 0)
        hold->key = item_key(index_item(*hold->slot));
    look(hold);
}

struct onlooker *store_add_onlooker(struct store *store)
{
    return index_add_onlooker(&store->index);
}

bool store_look(struct store *store, struct onlooker *onlooker, struct span key,
                uint64_t hash, time_us now, struct store_hold *hold)
{
    if (onlooker == NULL || !index_look(&store->index, onlooker, hash))
        return false;
    begin_hold(hold, store, hash, now);
    hold->key = key;
    hold->onlooker = onlooker;
    hold->slot = index_find(&store->index, hash, key);
    look(hold);
    /* What is found dead is buried at once, which takes a lock. */
    bool is_to_bury =
        hold->absence != STORE_NEVER && !store->settings.replicates;
    if (is_to_bury)
        index_look_away(onlooker);
    return !is_to_bury;
}

void store_release(struct store_hold *hold)
{
    hold->item = NULL;
    if (hold->onlooker != NULL) {
        index_look_away(hold->onlooker);
        return;
    }
    index_unlock(hold->stripe);
    /* One insertion, up to two splits: growth keeps ahead of filling. */
    if (hold->is_crowded) {
        index_grow(&hold->store->index);
        index_grow(&hold->store->index);
    }
}

static void add_use(struct item *item, unsigned uses)
{
    if (uses < ITEM_USES_MAX)
        uses++;
    item->uses = uses & ITEM_USES_MAX;
}

/* Those who look do so at once: each field is written whole, and of two
 * uses at the same time one may be lost. */
void store_use(struct store_hold *hold)
{
    struct item *item = hold->item;
    union item_use use = item_use(item);
    time_s second = time_seconds(hold->now);

    /* Cores share what is only read: the rest is not written each time. */
    if (use.count < ITEM_USES_MAX || !use.is_fetched) {
        if (use.count < ITEM_USES_MAX)
            use.count++;
        use.is_fetched = true;
        item_set_use(item, use);
    }
    if (item_accessed(item) != second)
        item_set_accessed(item, second);
}

void store_spare(struct store_hold *hold)
{
    add_use(hold->item, hold->item->uses);
    hold->item->accessed = time_seconds(hold->now);
}

/* ---- writing ---- */

static uint8_t shape_of(const struct store *store,
                        const struct store_write *write)
{
    uint8_t shape = 0;

    if (store->settings.replicates && write->stamp != 0 &&
        write->stamp != write->version)
        shape |= ITEM_HAS_STAMP;
    if (write->token != 0 && write->token != write->version)
        shape |= ITEM_HAS_TOKEN;
    if (write->flags != 0)
        shape |= ITEM_HAS_FLAGS;
    return shape;
}

/* What of an item may change later: its head but for the fixed fields, and
 * what its shape adds.  Returns where the key goes. */
uint8_t *replica_write_state(struct item *item, size_t value_bytes,
                             const struct store_write *write)
{
    uint8_t *at = (uint8_t *)item + sizeof(*item);

    item->version = write->version;
    item->value_bytes = (uint32_t)value_bytes;
    item->exptime = write->exptime;
    item->marks = write->marks;
    if (item->shape & ITEM_HAS_STAMP)
        at = span_copy(at, span_of(&write->stamp, sizeof(write->stamp)));
    if (item->shape & ITEM_HAS_TOKEN)
        at = span_copy(at, span_of(&write->token, sizeof(write->token)));
    if (item->shape & ITEM_HAS_FLAGS)
        at = span_copy(at, span_of(&write->flags, sizeof(write->flags)));
    return at;
}

/* A new item up to its value, in room that was appended for it.  Returns
 * where the value goes. */
uint8_t *replica_write_item(struct item *item, uint8_t shape, struct span key,
                            size_t value_bytes, const struct store_write *write)
{
    item->room_bytes =
        (uint32_t)item_room_bytes(shape, key.length, value_bytes);
    item->shape = shape;
    item->key_bytes = (uint8_t)key.length;
    item->uses = 0;
    item->is_fetched = false;
    item->accessed = 0;
    return span_copy(replica_write_state(item, value_bytes, write), key);
}

/* True where the new state may be written over the item that is there. */
static bool fits_in_place(const struct store_hold *hold,
                          const struct store_write *write, uint8_t shape,
                          size_t room_bytes)
{
    const struct item *item = hold->item;
    const struct segment_pool *pool = &hold->store->pool;

    if (item == NULL || item->shape != shape || room_bytes > item->room_bytes)
        return false;
    if (item->room_bytes - room_bytes >
        item->room_bytes / SLACK_SHARE + SLACK_BYTES)
        return false;
    /* Behind its own first part a value may grow; not in front of it. */
    struct span value = item_value(item);
    for (size_t i = 0; i < 2; i++) {
        const uint8_t *part = write->parts[i].data;
        bool is_own = part >= value.data && part <= value.data + value.length;
        if (write->parts[i].length > 0 && is_own &&
            (i > 0 || part != value.data))
            return false;
    }
    /* A pin is for the sake of large values alone, whoever else has it. */
    return item->value_bytes < STORE_PIN_BYTES_MIN ||
           !segment_is_pinned(pool, item);
}

void replica_write_use(struct item *item, const struct store_hold *hold,
                       const struct store_write *write)
{
    const struct item *old = hold->item;

    /* What is written again is in use, like what is read again. */
    if (old == NULL)
        item->uses = 0;
    else
        add_use(item, old->uses);
    item->is_fetched = write->is_fetched;
    item->accessed =
        write->accessed != 0 ? write->accessed : time_seconds(hold->now);
}

static void put_in_place(struct store_hold *hold,
                         const struct store_write *write)
{
    struct store *store = hold->store;
    struct item *item = hold->item;
    struct span first = write->parts[0];
    struct span second = write->parts[1];

    toggle(hold);
    uint8_t *key =
        replica_write_state(item, first.length + second.length, write);
    uint8_t *value = key + item->key_bytes;
    if (first.length > 0 && first.data != value)
        memcpy(value, first.data, first.length);
    span_copy(value + first.length, second);
    replica_write_use(item, hold, write);
    segment_expires(&store->pool, item, item->exptime);
    toggle(hold);
}

/* Makes the index lead to `item`, whole and settled or not, instead of to
 * what the key had before. */
enum store_result replica_link(struct store_hold *hold, struct item *item)
{
    struct store *store = hold->store;

    if (hold->slot != NULL) {
        struct item *old = index_item(*hold->slot);
        account(store, hold->stripe, hold->hash, old, -1);
        index_replace(hold->slot, item);
        segment_forget(&store->pool, old, old->room_bytes);
    } else {
        if (!index_insert(&store->index, hold->stripe, hold->hash, item))
            return STORE_NO_ROOM;
        hold->slot = index_find_item(&store->index, hold->hash, item);
        hold->is_crowded = index_is_crowded(&store->index, hold->stripe);
    }
    account(store, hold->stripe, hold->hash, item, +1);
    bool is_stub = item->shape & ITEM_IS_STUB;
    hold->item = is_stub ? NULL : item;
    hold->stub = is_stub ? stub_of(item) : (struct store_stub){0};
    return STORE_OK;
}

/* Links an appended item and ends its pin; unlinked, it is dead at once. */
enum store_result replica_link_appended(struct store_hold *hold,
                                        struct item *item)
{
    struct segment_pool *pool = &hold->store->pool;
    enum store_result result = replica_link(hold, item);

    if (result != STORE_OK)
        segment_forget(pool, item, item->room_bytes);
    segment_settle(pool, item);
    return result;
}

enum store_result store_put(struct store_hold *hold,
                            const struct store_write *write)
{
    struct store *store = hold->store;
    size_t value_bytes = write->parts[0].length + write->parts[1].length;
    uint8_t shape = shape_of(store, write);
    size_t room_bytes = item_room_bytes(shape, hold->key.length, value_bytes);

    assert(value_bytes <= store->settings.item_bytes_max);
    assert(hold->onlooker == NULL);
    if (fits_in_place(hold, write, shape, room_bytes)) {
        put_in_place(hold, write);
        return STORE_OK;
    }
    struct item *item = segment_append(
        &store->pool, life_class(write->exptime, time_seconds(hold->now)),
        room_bytes, write->exptime);
    if (item == NULL)
        return STORE_NO_ROOM;
    uint8_t *at =
        replica_write_item(item, shape, hold->key, value_bytes, write);
    replica_write_use(item, hold, write);
    at = span_copy(at, write->parts[0]);
    span_copy(at, write->parts[1]);
    return replica_link_appended(hold, item);
}

enum store_result store_touch(struct store_hold *hold, time_s exptime,
                              uint64_t stamp)
{
    struct store *store = hold->store;
    struct item *item = hold->item;

    assert(item != NULL);
    if (!store->settings.replicates || (item->shape & ITEM_HAS_STAMP)) {
        uint8_t *extras = (uint8_t *)item + sizeof(*item);
        toggle(hold);
        item->exptime = exptime;
        if (item->shape & ITEM_HAS_STAMP)
            memcpy(extras, &stamp, sizeof(stamp));
        toggle(hold);
        segment_expires(&store->pool, item, exptime);
        return STORE_OK;
    }
    /* The first touch of an item moves it to where a stamp has room. */
    struct store_write write = {.parts = {item_value(item)},
                                .flags = item_flags(item),
                                .marks = item->marks,
                                .exptime = exptime,
                                .version = item->version,
                                .stamp = stamp,
                                .token = item_token(item),
                                .is_fetched = item_is_fetched(item),
                                .accessed = item_accessed(item)};
    return store_put(hold, &write);
}

enum store_result store_mark(struct store_hold *hold, uint8_t marks,
                             time_s exptime, uint64_t stamp)
{
    struct store *store = hold->store;
    struct item *item = hold->item;

    assert(item != NULL);
    if (!store->settings.replicates) {
        item->marks = marks;
        return stamp == 0 ? STORE_OK : store_touch(hold, exptime, stamp);
    }
    struct store_write write = {.parts = {item_value(item)},
                                .flags = item_flags(item),
                                .marks = marks,
                                .exptime = stamp == 0 ? item->exptime : exptime,
                                .version =
                                    version_after(&store->clock, item->version),
                                .stamp = stamp == 0 ? item_stamp(item) : stamp,
                                .token = item_token(item),
                                .is_fetched = item_is_fetched(item),
                                .accessed = item_accessed(item)};
    return store_put(hold, &write);
}

enum store_result store_remove(struct store_hold *hold, uint64_t version)
{
    if (hold->store->settings.replicates &&
        PLANTED != PLANTED_GRAVE_FORGOTTEN) {
        struct store_stub grave = {
            .kind = STUB_DELETED, .version = version, .stamp = version};
        return stub_put(hold, &grave);
    }
    if (hold->item != NULL) {
        replica_unlink(hold->store, hold->stripe, hold->hash, hold->slot);
        hold->slot = NULL;
        hold->item = NULL;
    }
    return STORE_OK;
}

struct segment *store_pin(struct store_hold *hold)
{
    struct segment_pool *pool = &hold->store->pool;

    struct span value = item_value(hold->item);

    if (value.length < STORE_PIN_BYTES_MIN)
        return NULL;
    /* The system's copying waits for every line otherwise. */
    for (size_t at = 0; at < value.length && at < PREFETCH_BYTES_MAX;
         at += CACHE_LINE_BYTES)
        __builtin_prefetch(value.data + at, 0, 2);
    return segment_pin(pool, hold->item);
}

void store_unpin(struct store *store, struct segment *pinned)
{
    segment_unpin(&store->pool, pinned);
}

bool store_pin_is_shared(const struct segment *pinned)
{
    return !pinned->is_private;
}

/* ---- memory ---- */

bool store_make_room(struct store *store, size_t bytes, time_us now)
{
    /* What is dead anyway goes before anything that lives; but a client
     * waits, and the rest of it is maintenance's. */
    for (unsigned i = 0; i < HASTY_SWEEPS_MAX; i++) {
        if (segment_has_room(&store->pool, bytes) ||
            expiry_sweep(store, now, 1))
            break;
    }
    if (!segment_has_room(&store->pool, bytes))
        tally(store, TALLY_HASTY, 1);
    return eviction_make_room(store, bytes, now);
}

void store_sweep_soon(struct store *store, time_us now)
{
    segment_wake_all(&store->pool, time_seconds(now));
}

void store_maintain(struct store *store, time_us now)
{
    tally(store, TALLY_ROUNDS, 1);
    segment_tick(&store->pool, time_seconds(now));
    expiry_sweep(store, now, SWEEP_SEGMENTS_MAX);
    if (!segment_has_room(&store->pool, 1))
        eviction_make_room(store, 1, now);
    resize_continue(store, now);
}
