/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Apply: what others' journals and synchronisations bring, into the store.
 * What arrives here is never journalled as this server's own.
 */
#include <assert.h>

#include "server/farm/state.h"

#define ATTEMPTS_MAX 16

static enum news_kind news_kind_of(const struct record *record)
{
    switch (record->kind) {
    case RECORD_DELETE:
        return NEWS_DELETED;
    case RECORD_TOUCH:
    case RECORD_ANNOUNCE:
        return NEWS_LIFE;
    case RECORD_STUB:
        return record->stub_kind == STUB_DELETED ? NEWS_DELETED : NEWS_LIFE;
    default:
        return NEWS_STATE;
    }
}

static void hold_key_of(struct farm *farm, const struct record *record,
                        struct store_hold *hold)
{
    if (record->kind == RECORD_STUB)
        store_hold_digest(farm->store, record->key, record->hash, farm->time,
                          hold);
    else
        store_hold(farm->store, record->key,
                   store_hash(farm->store, record->key), farm->time, hold);
}

struct record apply_record_of(const struct item *item)
{
    return (struct record){.kind = RECORD_UPDATE,
                           .marks = item_marks(item),
                           .flags = item_flags(item),
                           .exptime = item_exptime(item),
                           .version = item->version,
                           .stamp = item_stamp(item),
                           .token = item_token(item),
                           .key = item_key(item),
                           .value = item_value(item)};
}

static struct store_write news_of(const struct record *record)
{
    return (struct store_write){.parts = {record->value},
                                .flags = record->flags,
                                .marks = record->marks,
                                .exptime = record->exptime,
                                .version = record->version,
                                .stamp = record->kind == RECORD_DELETE
                                             ? record->version
                                             : record->stamp,
                                .token = record->token};
}

/* What came of it, and what is known of the key now. */
struct merged {
    enum merge_result result;
    struct store_stub stub;
    size_t value_bytes; /* of the value that is here, or 0 */
};

static struct merged merge_once(struct farm *farm, const struct record *record,
                                enum news_kind kind)
{
    struct store_write news = news_of(record);
    struct store_hold hold;

    hold_key_of(farm, record, &hold);
    struct merged merged = {.result = store_merge(&hold, kind, &news)};
    if (hold.item == NULL)
        merged.stub = hold.stub;
    else
        merged.value_bytes = item_value(hold.item).length;
    store_release(&hold);
    return merged;
}

static struct merged splice_once(struct farm *farm, const struct record *record)
{
    struct store_write news = news_of(record);
    struct store_splice splice = {
        .base = record->base,
        .value_bytes = record->value_bytes,
        .change = {record->offset, record->cut_bytes, record->value.length}};
    struct store_hold hold;

    hold_key_of(farm, record, &hold);
    struct merged merged = {.result =
                                store_merge_splice(&hold, &news, &splice)};
    if (hold.item == NULL)
        merged.stub = hold.stub;
    store_release(&hold);
    return merged;
}

static void merge(struct farm *farm, const struct source *source,
                  const struct record *record)
{
    enum news_kind kind = news_kind_of(record);

    /* A value larger than this server allows is only known to exist. */
    if (record->value.length > store_item_bytes_max(farm->store))
        kind = NEWS_LIFE;
    for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        struct merged merged = merge_once(farm, record, kind);
        if (merged.result == MERGE_OLDER && source->number > 0)
            farm->figures.conflicts++;
        if (merged.result == MERGE_WANTED && record->kind != RECORD_STUB &&
            source->member != NULL)
            wants_pull(farm, source, record->key, merged.stub.version);
        if (merged.result != MERGE_NO_ROOM)
            return;
        /* A touch may have to move the value that is here. */
        size_t value_bytes = record->value.length > merged.value_bytes
                                 ? record->value.length
                                 : merged.value_bytes;
        size_t bytes =
            store_item_bytes(farm->store, RECORD_KEY_BYTES_MAX, value_bytes);
        if (!store_make_room(farm->store, bytes, farm->time))
            return;
    }
}

void apply_life(struct farm *farm, const struct record *announce)
{
    struct source nobody = {0};

    merge(farm, &nobody, announce);
}

void apply_missing(struct farm *farm, struct span key,
                   const struct message_missing *missing)
{
    struct source nobody = {0};
    struct record grave = {.kind = missing->stub_kind == STUB_DELETED
                                       ? RECORD_DELETE
                                       : RECORD_TOUCH,
                           .version = missing->version,
                           .stamp = missing->stamp,
                           .exptime = missing->exptime,
                           .key = key};

    if (missing->stub_kind != STUB_DELETED &&
        missing->stub_kind != STUB_EXPIRED)
        return;
    merge(farm, &nobody, &grave);
    if (missing->stub_kind == STUB_DELETED && grave.stamp > grave.version) {
        grave.kind = RECORD_TOUCH;
        merge(farm, &nobody, &grave);
    }
    wants_heard(farm, store_hash(farm->store, key));
}

/* An announced value does not replace what is here before it has come: if
 * its server ends now, that would be lost, though it was answered. */
static void announced(struct farm *farm, const struct source *source,
                      const struct record *record)
{
    struct member *member = source->member;

    if (wants_announced(farm, source, record))
        return;
    if (source->number > 0) {
        /* There is no place to keep it in mind: as if it had not come. */
        member->has_gap = true;
        member->needed = source->number;
        return;
    }
    if (source->is_sync && farm->asked.is_active &&
        farm->asked.partner == member->id)
        farm->asked.is_incomplete = true;
    else if (source->is_sync)
        member->must_sync = true;
}

/* A value that cannot be made here, for whatever reason, is pulled whole. */
static void spliced(struct farm *farm, const struct source *source,
                    const struct record *record)
{
    struct record announce = *record;
    size_t bytes =
        store_item_bytes(farm->store, record->key.length, record->value_bytes);

    for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        struct merged merged = splice_once(farm, record);
        if (merged.result == MERGE_OLDER && source->number > 0)
            farm->figures.conflicts++;
        if (merged.result == MERGE_WANTED)
            wants_pull(farm, source, record->key, merged.stub.version);
        if (merged.result == MERGE_NO_BASE)
            break;
        if (merged.result != MERGE_NO_ROOM)
            return;
        if (!store_make_room(farm->store, bytes, farm->time))
            break;
    }
    farm->figures.splices_wanted++;
    announce.kind = RECORD_ANNOUNCE;
    announce.value = (struct span){0};
    announced(farm, source, &announce);
}

bool apply_state(struct farm *farm, const struct source *source,
                 struct span bytes)
{
    struct record record;

    if (record_decode(bytes, &record) != DECODE_OK)
        return false;
    if (record.kind == RECORD_UNKNOWN || record.kind == RECORD_LEAVE)
        return true;
    if (record.kind == RECORD_FLUSH) {
        if (source->number > 0)
            effect_event(farm, FARM_MEMBERS, "flush_all from %s",
                         source->member->name);
        store_merge_flush(farm->store, record.version, record.moment,
                          farm->time);
        wants_flushed(farm);
        return true;
    }
    uint64_t hash = record.kind == RECORD_STUB
                        ? record.hash
                        : store_hash(farm->store, record.key);
    if (record.kind == RECORD_ANNOUNCE)
        announced(farm, source, &record);
    else if (record.kind == RECORD_SPLICE)
        spliced(farm, source, &record);
    else
        merge(farm, source, &record);
    locks_heard(farm, &record);
    lookup_heard(farm, hash);
    wants_heard(farm, hash);
    return true;
}

void apply_overrun(struct member *member, uint64_t number)
{
    if (number == 0)
        return;
    member->awaits_start = false;
    member->received = number - 1;
    member->needed = number - 1;
    member->has_gap = member->applied < member->needed;
    member->owes_ack = true;
}

static bool is_leave(struct span bytes)
{
    return bytes.length > 0 && bytes.data[0] == RECORD_LEAVE;
}

void apply_record(struct farm *farm, struct member *member, uint64_t number,
                  struct span bytes)
{
    if (number <= member->received) {
        farm->figures.records_dropped++;
        return;
    }
    struct source source = {.member = member, .number = number};
    if (number != member->received + 1 || !apply_state(farm, &source, bytes)) {
        members_cut(farm, connection_find(farm, member->link),
                    "its journal is out of order");
        return;
    }
    member->received = number;
    if (!member->has_gap && number > member->applied)
        member->applied = number;
    acks_owe(farm, member);
    farm->figures.records_applied++;
    if (is_leave(bytes))
        member->leaves_with = number;
}

/* Until then it waits for us, and gives what we lack. */
void apply_departures(struct farm *farm)
{
    for (size_t i = 0; i < farm->members_end; i++) {
        struct member *member = &farm->members[i];
        if (member->leaves_with == 0 || !member_is_up(member) ||
            wants_held(farm, member) < member->leaves_with)
            continue;
        member->state = MEMBER_LEFT;
        member->is_ready = false;
        errand_left(farm, member);
    }
}
