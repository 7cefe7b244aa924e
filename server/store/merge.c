/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Merge: what a key's state is, given all that was ever heard of it.
 *
 * A state is two registers.  The value part belongs to the highest version:
 * a value, or none since a delete.  The life part belongs to the highest
 * stamp.  Each register takes the greater of two, so that merging is
 * commutative, associative and idempotent; neither looks at the other, so
 * that a touch never undoes a concurrent write.  Whether the item lives
 * follows from both, the clock and the last flush; what does not live
 * leaves a grave, so that neither register is forgotten while older news
 * may still be on their way.
 */
#include <assert.h>

#include "proto/base/planted.h"
#include "server/store/stub.h"

/* What is known of a key: the registers, and whether the value is here. */
struct known {
    uint64_t version;
    uint64_t stamp;
    time_s exptime;
    bool is_deleted;
    bool has_value;
};

static struct known known_here(const struct store_hold *hold)
{
    const struct item *item =
        hold->slot == NULL ? NULL : index_item(&hold->store->index, hold->slot);

    if (item == NULL)
        return (struct known){0};
    if (item->shape & ITEM_IS_STUB) {
        struct store_stub stub = stub_of(item);
        return (struct known){.version = stub.version,
                              .stamp = stub.stamp,
                              .exptime = stub.exptime,
                              .is_deleted = stub.kind == STUB_DELETED};
    }
    return (struct known){.version = item->version,
                          .stamp = item_stamp(item),
                          .exptime = item_exptime(item),
                          .has_value = true};
}

static bool lives(const struct store_hold *hold, const struct known *known)
{
    return !known->is_deleted &&
           replica_death_of(hold->store, known->version, known->exptime,
                            hold->now) == STORE_NEVER;
}

static enum merge_result put_stub(struct store_hold *hold,
                                  const struct known *known)
{
    bool is_alive = lives(hold, known);
    struct store_stub stub = {.kind = known->is_deleted ? STUB_DELETED
                                      : is_alive        ? STUB_WANTED
                                                        : STUB_EXPIRED,
                              .version = known->version,
                              .stamp = known->stamp,
                              .exptime = known->exptime};

    if (stub_put(hold, &stub) != STORE_OK)
        return MERGE_NO_ROOM;
    return is_alive ? MERGE_WANTED : MERGE_TAKEN;
}

/* Where the value is: in the news, if nowhere else. */
struct bearer {
    struct store_reservation *reservation; /* or NULL */
    const struct store_splice *splice;     /* or NULL: made from what is here */
};

static enum store_result put_state(struct store_hold *hold,
                                   const struct known *known,
                                   const struct store_write *news,
                                   const struct bearer *bearer)
{
    struct store_write write = *news;

    /* It may be dead: that does not matter to what is made from it. */
    if (bearer->splice != NULL)
        hold->item = index_item(&hold->store->index, hold->slot);

    write.stamp = known->stamp;
    write.exptime = known->exptime;
    /* A new mark is no new value: what is known of its use here stays. */
    if (hold->item != NULL && news->token == item_token(hold->item)) {
        write.is_fetched = item_is_fetched(hold->item);
        write.accessed = item_accessed(hold->item);
    }
    if (bearer->reservation != NULL)
        return store_put_reserved(hold, &write, bearer->reservation);
    if (bearer->splice != NULL)
        return store_put_splice(hold, &write, &bearer->splice->change);
    return store_put(hold, &write);
}

/* The value is here already, dead perhaps until this moment. */
static enum store_result put_life(struct store_hold *hold,
                                  const struct known *known)
{
    hold->item = index_item(&hold->store->index, hold->slot);
    if (PLANTED == PLANTED_TOUCH_OVERWRITES) {
        struct store_write write = {.parts = {item_value(hold->item)},
                                    .exptime = known->exptime,
                                    .version = known->stamp};
        return store_put(hold, &write);
    }
    return store_touch(hold, known->exptime, known->stamp);
}

static enum merge_result merge(struct store_hold *hold, enum news_kind kind,
                               const struct store_write *news,
                               const struct bearer *bearer)
{
    struct known known = known_here(hold);
    uint64_t stamp = news->stamp != 0 ? news->stamp : news->version;
    bool takes_value = news->version > known.version;
    bool takes_life = stamp > known.stamp;

    assert(hold->store->settings.replicates);
    version_saw(&hold->store->clock,
                news->version > stamp ? news->version : stamp);
    /* The value of a version that is known and not here: of use if it lives. */
    bool brings_value = news->version == known.version && kind == NEWS_STATE &&
                        !known.has_value && !known.is_deleted;
    if (brings_value && (takes_life || lives(hold, &known)))
        takes_value = true;
    if (PLANTED == PLANTED_MERGE_BY_ARRIVAL)
        takes_value = takes_value || kind == NEWS_STATE;
    if (!takes_value && !takes_life)
        return MERGE_OLDER;
    if (takes_value) {
        known.version = news->version;
        known.is_deleted = kind == NEWS_DELETED;
        known.has_value = kind == NEWS_STATE;
    }
    if (takes_life) {
        known.stamp = stamp;
        known.exptime = news->exptime;
    }
    if (!known.has_value || !lives(hold, &known))
        return put_stub(hold, &known);
    enum store_result result = takes_value
                                   ? put_state(hold, &known, news, bearer)
                                   : put_life(hold, &known);
    return result == STORE_OK ? MERGE_TAKEN : MERGE_NO_ROOM;
}

enum merge_result store_merge(struct store_hold *hold, enum news_kind kind,
                              const struct store_write *news)
{
    struct bearer news_alone = {.reservation = NULL};

    return merge(hold, kind, news, &news_alone);
}

/* What is here is what the splice was made for. */
static bool has_base(const struct store_hold *hold, const struct known *known,
                     const struct store_splice *splice)
{
    if (!known->has_value)
        return false;
    size_t bytes =
        item_value(index_item(&hold->store->index, hold->slot)).length;
    const struct splice *change = &splice->change;
    bool lies_inside =
        change->offset <= bytes && change->cut_bytes <= bytes - change->offset;
    if (PLANTED == PLANTED_SPLICE_OF_ANYTHING)
        return lies_inside;
    return lies_inside && known->version == splice->base &&
           bytes - change->cut_bytes + change->put_bytes ==
               splice->value_bytes &&
           splice->value_bytes <= hold->store->settings.item_bytes_max;
}

enum merge_result store_merge_splice(struct store_hold *hold,
                                     const struct store_write *news,
                                     const struct store_splice *splice)
{
    struct known known = known_here(hold);
    struct bearer bearer = {.splice = splice};
    bool is_here =
        known.version == news->version && (known.has_value || known.is_deleted);

    assert(news->parts[0].length == splice->change.put_bytes);
    /* Its value is of no use any more; its life may be. */
    if (known.version > news->version || is_here)
        return merge(hold, NEWS_LIFE, news, &bearer);
    if (known.version == news->version || !has_base(hold, &known, splice))
        return MERGE_NO_BASE;
    return merge(hold, NEWS_STATE, news, &bearer);
}

enum merge_result store_merge_reserved(struct store_hold *hold,
                                       const struct store_write *news,
                                       struct store_reservation *reservation)
{
    struct bearer bearer = {.reservation = reservation};
    enum merge_result result = merge(hold, NEWS_STATE, news, &bearer);

    /* Of no use where something newer is here: then it was not put. */
    if (result != MERGE_NO_ROOM)
        store_cancel(hold->store, reservation);
    return result;
}
