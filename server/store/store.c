/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/planted.h"
#include "server/store/replica.h"
#include "server/store/stub.h"

/* Of the memory, what the index may come to for the smallest of items. */
#define INDEX_SHARE 2
/* So many bytes of memory hold an item at least, for the number of ghosts. */
#define ITEM_BYTES_LEAST 64
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
        item_room_bytes(ITEM_SHAPE_MOST, 0, store->settings.item_bytes_max);

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
    if (limit > INDEX_ARENA_MAX)
        limit = INDEX_ARENA_MAX;
    if (settings->memory_bytes_max > limit)
        goto fail;
    if (!index_init(&store->index, settings->memory_bytes_max / INDEX_SHARE,
                    limit / INDEX_SHARE, settings->seed))
        goto fail;
    if (!segment_pool_init(&store->pool, settings->memory_bytes_max, limit,
                           settings->replicates ? 1 : 0, &store->index.bytes))
        goto fail_index;
    index_set_arena(&store->index, store->pool.arena);
    if (!ghosts_init(&store->ghosts, limit / ITEM_BYTES_LEAST,
                     &store->index.bytes))
        goto fail_pool;
    if (settings->counts_sizes && !create_sizes(store))
        goto fail_ghosts;
    /* Where they grow they are dense: at most one page each is for later. */
    index_use_large_pages(&store->index);
    segment_use_large_pages(&store->pool, settings->large_pages);
    version_clock_init(&store->clock, settings->origin_tag);
    summary_init(&store->summary);
    pthread_mutex_init(&store->eviction_lock, NULL);
    pthread_mutex_init(&store->flush_lock, NULL);
    pthread_mutex_init(&store->resize_lock, NULL);
    return store;

fail_ghosts:
    ghosts_release(&store->ghosts);
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
    ghosts_release(&store->ghosts);
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

void store_prefetch_item(const struct store *store, uint64_t hash)
{
    index_prefetch_item(&store->index, hash);
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

enum store_absence replica_death_of(const struct store *store, uint64_t version,
                                    time_s exptime, time_us now)
{
    if (exptime != 0 && exptime <= time_seconds(now))
        return STORE_EXPIRED;
    if (version <
        atomic_load_explicit(&store->flush_version, memory_order_relaxed))
        return STORE_FLUSHED;
    uint64_t moment =
        atomic_load_explicit(&store->flush_moment, memory_order_relaxed);
    if (moment != 0 && moment <= now && version < version_at(moment))
        return STORE_FLUSHED;
    return STORE_NEVER;
}

enum store_absence replica_death(const struct store *store,
                                 const struct item *item, time_us now)
{
    return replica_death_of(store, item->version, item_exptime(item), now);
}

static void count_size(struct store *store, const struct item *item,
                       uint32_t one)
{
    size_t step = (item_room(item) + STORE_SIZE_STEP - 1) / STORE_SIZE_STEP;

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
    stripe_add(stripe, STRIPE_ITEM_BYTES, one * item_room(item));
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
                    struct slot *slot)
{
    struct item *item = index_item(&store->index, slot);

    account(store, stripe, hash, item, -1);
    index_remove(&store->index, hash, slot);
    segment_forget(&store->pool, item, item_room(item));
}

void replica_expire(struct store *store, struct stripe *stripe, uint64_t hash,
                    struct slot *slot)
{
    const struct item *item = index_item(&store->index, slot);

    if ((item->shape & ITEM_IS_STUB) == 0) {
        stripe_add(stripe, STRIPE_EXPIRED, 1);
        stripe_add(stripe, STRIPE_EXPIRED_UNFETCHED, !item_is_fetched(item));
    }
    replica_unlink(store, stripe, hash, slot);
}

void replica_relink(struct store *store, struct stripe *stripe, uint64_t hash,
                    struct slot *slot, struct item *item)
{
    struct item *old = index_item(&store->index, slot);

    account(store, stripe, hash, old, -1);
    index_replace(&store->index, slot, item);
    account(store, stripe, hash, item, +1);
    segment_settle(&store->pool, item);
    segment_forget(&store->pool, old, item_room(old));
}

void replica_move(struct store *store, struct slot *slot, enum life_class life,
                  struct segment *segment, size_t *end_bytes)
{
    struct item *item = index_item(&store->index, slot);
    size_t bytes = item_room(item);
    struct item *moved =
        segment_append_rest(&store->pool, life, bytes, item_exptime(item));

    if (moved != NULL) {
        memcpy(moved, item, bytes);
        index_replace(&store->index, slot, moved);
        segment_settle(&store->pool, moved);
        segment_forget(&store->pool, item, bytes);
        return;
    }
    /* All before it was moved, or has died. */
    moved = (struct item *)((uint8_t *)segment + *end_bytes);
    assert(moved <= item);
    memmove(moved, item, bytes);
    index_replace(&store->index, slot, moved);
    *end_bytes += bytes;
}

void replica_visit(struct store *store, struct item *item, replica_step *step,
                   void *context)
{
    uint64_t hash = index_item_hash(&store->index, item);
    struct stripe *stripe = index_lock(&store->index, hash);
    struct slot *slot = index_find_item(&store->index, hash, item);

    if (slot != NULL)
        step(store, stripe, hash, slot, context);
    index_unlock(stripe);
}

void replica_walk(struct store *store, struct segment *segment,
                  size_t end_bytes, replica_step *step, void *context)
{
    size_t at_bytes = SEGMENT_HEADER_BYTES;

    while (at_bytes < end_bytes) {
        struct item *item =
            (struct item *)(void *)((uint8_t *)segment + at_bytes);
        assert(item_room(item) >= sizeof(*item));
        at_bytes += item_room(item);
        replica_visit(store, item, step, context);
    }
}

/* ---- holding a key ---- */

/* Looks at what the slot leads to, if to anything. */
static inline void look(struct store_hold *hold, struct item *item)
{
    struct store *store = hold->store;

    if (hold->slot == NULL)
        return;
    if (item->shape & ITEM_IS_STUB) {
        hold->stub = stub_at(store, item, hold->now);
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
                                         .exptime = item_exptime(item)};
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
    struct item *item;
    hold->slot = index_find(&store->index, hash, key, &item);
    look(hold, item);
}

void store_hold_digest(struct store *store, struct span digest, uint64_t hash,
                       time_us now, struct store_hold *hold)
{
    begin_hold(hold, store, hash, now);
    hold->digest = digest;
    hold->stripe = index_lock(&store->index, hash);
    struct item *item;
    hold->slot = index_find_digest(&store->index, hash, digest, &item);
    if (hold->slot != NULL && (item->shape & ITEM_IS_STUB) == 0)
        hold->key = item_key(item);
    look(hold, item);
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
    struct item *item;
    hold->slot = index_find(&store->index, hash, key, &item);
    look(hold, item);
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

static union item_use used_more(union item_use use)
{
    if (use.count < ITEM_USES_MAX)
        use.count++;
    return use;
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
        use = used_more(use);
        use.is_fetched = true;
        item_set_use(item, use);
    }
    item_set_accessed(item, second);
}

void store_spare(struct store_hold *hold)
{
    item_set_use(hold->item, used_more(item_use(hold->item)));
    item_set_accessed(hold->item, time_seconds(hold->now));
}

/* ---- writing ---- */

static inline uint8_t shape_of(const struct store *store,
                               const struct store_write *write,
                               size_t key_bytes, size_t value_bytes)
{
    unsigned shape = 0;

    if (store->settings.replicates && write->stamp != 0 &&
        write->stamp != write->version)
        shape |= ITEM_HAS_STAMP;
    if (write->token != 0 && write->token != write->version)
        shape |= ITEM_HAS_TOKEN;
    if (write->flags != 0)
        shape |= ITEM_HAS_FLAGS;
    if (write->exptime != 0)
        shape |= ITEM_HAS_EXPTIME;
    return item_shape_for(shape, key_bytes, value_bytes);
}

static void write_extra(struct item *item, unsigned bit, const void *from,
                        size_t bytes)
{
    if (item->shape & bit)
        memcpy((uint8_t *)item + (item_extra(item, bit) - (uint8_t *)item),
               from, bytes);
}

static void set_marks(struct item *item, uint8_t marks)
{
    union item_use use = item_use(item);

    use.marks = marks & ITEM_MARKS;
    item_set_use(item, use);
}

static void write_exptime(struct item *item, time_s exptime)
{
    assert(exptime == 0 || (item->shape & ITEM_HAS_EXPTIME));
    write_extra(item, ITEM_HAS_EXPTIME, &exptime, sizeof(exptime));
}

/* What of an item may change later: its head but for the fixed fields, and
 * what its shape adds.  Returns where the key goes. */
uint8_t *replica_write_state(struct item *item, size_t value_bytes,
                             const struct store_write *write)
{
    uint64_t stamp = write->stamp != 0 ? write->stamp : write->version;
    uint64_t token = write->token != 0 ? write->token : write->version;

    item->version = write->version;
    set_marks(item, write->marks);
    write_exptime(item, write->exptime);
    write_extra(item, ITEM_HAS_FLAGS, &write->flags, sizeof(write->flags));
    write_extra(item, ITEM_HAS_STAMP, &stamp, sizeof(stamp));
    write_extra(item, ITEM_HAS_TOKEN, &token, sizeof(token));
    item_set_value_bytes(item, value_bytes);
    return (uint8_t *)item + sizeof(*item) + item_extras_bytes(item->shape);
}

/* A new item up to its value, in room that was appended for it.  Returns
 * where the value goes. */
uint8_t *replica_write_item(struct item *item, uint8_t shape, struct span key,
                            size_t value_bytes, const struct store_write *write)
{
    uint32_t room = (uint32_t)item_room_bytes(shape, key.length, value_bytes);

    item->shape = shape;
    item->room = (uint16_t)room;
    write_extra(item, ITEM_IS_WIDE, &room, sizeof(room));
    item->key_bytes = (uint8_t)key.length;
    item_set_use(item, (union item_use){.byte = 0});
    memset(item->accessed, 0, sizeof(item->accessed));
    return span_copy(replica_write_state(item, value_bytes, write), key);
}

/* True where the new state may be written over the item that is there: it may
 * have what the state has no need of.  (A set pays for a call of it.) */
static inline __attribute__((always_inline)) bool
fits_in_place(const struct store_hold *hold, const struct store_write *write,
              uint8_t shape, size_t value_bytes)
{
    const struct item *item = hold->item;
    const struct segment_pool *pool = &hold->store->pool;

    if (item == NULL || (item->shape & shape) != shape)
        return false;
    size_t room_bytes =
        item_room_bytes(item->shape, item->key_bytes, value_bytes);
    if (room_bytes > item_room(item) ||
        item_room(item) - room_bytes >
            item_room(item) / SLACK_SHARE + SLACK_BYTES)
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
    return value.length < STORE_PIN_BYTES_MIN || !segment_is_pinned(pool, item);
}

void replica_write_use(struct item *item, const struct store_hold *hold,
                       const struct store_write *write)
{
    const struct item *old = hold->item;
    union item_use use = item_use(item);

    /* What is written again is in use, like what is read again. */
    use.count = 0;
    if (old != NULL) {
        use.count = item_use(old).count;
        use = used_more(use);
    } else if (hold->slot == NULL &&
               ghosts_take(&hold->store->ghosts, hold->hash)) {
        use = used_more(use); /* so is what is asked for after its eviction */
    }
    use.is_fetched = write->is_fetched;
    item_set_use(item, use);
    item_set_accessed(item, write->accessed != 0 ? write->accessed
                                                 : time_seconds(hold->now));
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
    segment_expires(&store->pool, item, item_exptime(item));
    toggle(hold);
}

/* Makes the index lead to `item`, whole and settled or not, instead of to
 * what the key had before. */
enum store_result replica_link(struct store_hold *hold, struct item *item)
{
    struct store *store = hold->store;

    if (hold->slot != NULL) {
        struct item *old = index_item(&hold->store->index, hold->slot);
        account(store, hold->stripe, hold->hash, old, -1);
        index_replace(&store->index, hold->slot, item);
        segment_forget(&store->pool, old, item_room(old));
    } else {
        hold->slot = index_insert(&store->index, hold->hash, item);
        if (hold->slot == NULL)
            return STORE_NO_ROOM;
        hold->is_crowded = index_is_crowded(&store->index, hold->hash);
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
        segment_forget(pool, item, item_room(item));
    segment_settle(pool, item);
    return result;
}

enum store_result store_put(struct store_hold *hold,
                            const struct store_write *write)
{
    struct store *store = hold->store;
    size_t value_bytes = write->parts[0].length + write->parts[1].length;
    uint8_t shape = shape_of(store, write, hold->key.length, value_bytes);
    size_t room_bytes = item_room_bytes(shape, hold->key.length, value_bytes);

    assert(value_bytes <= store->settings.item_bytes_max);
    assert(hold->onlooker == NULL);
    if (fits_in_place(hold, write, shape, value_bytes)) {
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

/* What of a value stays in front of the change, and what behind. */
struct kept {
    struct span front;
    struct span back;
};

static struct kept kept_of(const struct item *item, const struct splice *change)
{
    struct span value = item_value(item);
    size_t back = change->offset + change->cut_bytes;

    assert(back <= value.length);
    return (struct kept){span_of(value.data, change->offset),
                         span_of(value.data + back, value.length - back)};
}

static void splice_in_place(struct store_hold *hold,
                            const struct store_write *write,
                            const struct splice *change, size_t value_bytes)
{
    struct item *item = hold->item;
    struct kept kept = kept_of(item, change);
    struct span key = item_key(item);
    uint8_t *put = (uint8_t *)item + (key.data - (uint8_t *)item) + key.length +
                   change->offset;

    toggle(hold);
    /* Before the item's slack is written, which may lie over it. */
    memmove(put + change->put_bytes, kept.back.data, kept.back.length);
    span_copy(put, write->parts[0]);
    replica_write_state(item, value_bytes, write);
    replica_write_use(item, hold, write);
    segment_expires(&hold->store->pool, item, item_exptime(item));
    toggle(hold);
}

enum store_result store_put_splice(struct store_hold *hold,
                                   const struct store_write *write,
                                   const struct splice *change)
{
    struct store *store = hold->store;
    size_t value_bytes =
        item_value(hold->item).length - change->cut_bytes + change->put_bytes;
    uint8_t shape = shape_of(store, write, hold->key.length, value_bytes);

    assert(write->parts[0].length == change->put_bytes);
    assert(hold->onlooker == NULL);
    if (fits_in_place(hold, write, shape, value_bytes)) {
        splice_in_place(hold, write, change, value_bytes);
        return STORE_OK;
    }
    struct item *item = segment_append(
        &store->pool, life_class(write->exptime, time_seconds(hold->now)),
        item_room_bytes(shape, hold->key.length, value_bytes), write->exptime);
    if (item == NULL)
        return STORE_NO_ROOM;
    struct kept kept = kept_of(hold->item, change);
    uint8_t *at =
        replica_write_item(item, shape, hold->key, value_bytes, write);
    replica_write_use(item, hold, write);
    at = span_copy(at, kept.front);
    at = span_copy(at, write->parts[0]);
    span_copy(at, kept.back);
    return replica_link_appended(hold, item);
}

enum store_result store_touch(struct store_hold *hold, time_s exptime,
                              uint64_t stamp)
{
    struct store *store = hold->store;
    struct item *item = hold->item;

    assert(item != NULL);
    unsigned needed = (store->settings.replicates ? ITEM_HAS_STAMP : 0) |
                      (exptime != 0 ? ITEM_HAS_EXPTIME : 0);
    if ((item->shape & needed) == needed) {
        toggle(hold);
        write_exptime(item, exptime);
        write_extra(item, ITEM_HAS_STAMP, &stamp, sizeof(stamp));
        toggle(hold);
        segment_expires(&store->pool, item, exptime);
        return STORE_OK;
    }
    /* The first touch of an item may move it to where there is room for when
     * and until when. */
    struct store_write write = {.parts = {item_value(item)},
                                .flags = item_flags(item),
                                .marks = item_marks(item),
                                .exptime = exptime,
                                .version = item->version,
                                .stamp = stamp,
                                .token = item_token(item),
                                .is_fetched = item_is_fetched(item),
                                .accessed = item_accessed(item)};
    return store_put(hold, &write);
}

uint64_t store_version_after(struct store *store, uint64_t version)
{
    return version_after(&store->clock, version);
}

enum store_result store_mark(struct store_hold *hold, uint8_t marks,
                             time_s exptime, uint64_t stamp)
{
    struct store *store = hold->store;
    struct item *item = hold->item;

    assert(item != NULL);
    if (!store->settings.replicates) {
        set_marks(item, marks);
        return stamp == 0 ? STORE_OK : store_touch(hold, exptime, stamp);
    }
    struct store_write write = {
        .parts = {item_value(item)},
        .flags = item_flags(item),
        .marks = marks,
        .exptime = stamp == 0 ? item_exptime(item) : exptime,
        .version = version_after(&store->clock, item->version),
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
        if (eviction_has_room(store, bytes) || expiry_sweep(store, now, 1))
            break;
    }
    if (!eviction_has_room(store, bytes))
        tally(store, TALLY_HASTY, 1);
    if (!eviction_make_room(store, bytes, now))
        return false;
    /* What is put may be less than what was asked for, as a grave is in the
     * place of a value that is dead: a large item's room is of no use to it. */
    if (segment_is_large(&store->pool, bytes))
        (void)eviction_make_room(store, 1, now);
    return true;
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
    if (segment_is_short(&store->pool))
        eviction_make_room(store, 1, now);
    resize_continue(store, now);
}
