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

/* Asks whoever told of a state for the state itself. */
static void pull(struct farm *farm, const struct member *from,
                 const struct record *record)
{
    struct message fetch = {
        .kind = MESSAGE_FETCH,
        .fetch = {.version = record->version, .key = record->key}};

    if (record->kind != RECORD_STUB && member_is_up(from))
        effect_send(farm, from->link, &fetch);
}

/* False where no room could be made for it. */
static bool merge(struct farm *farm, const struct member *from,
                  const struct record *record)
{
    struct store_write news = {.parts = {record->value},
                               .flags = record->flags,
                               .marks = record->marks,
                               .exptime = record->exptime,
                               .version = record->version,
                               .stamp = record->kind == RECORD_DELETE
                                            ? record->version
                                            : record->stamp,
                               .token = record->token};

    for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        struct store_hold hold;
        hold_key_of(farm, record, &hold);
        enum merge_result result =
            store_merge(&hold, news_kind_of(record), &news);
        store_release(&hold);
        if (result == MERGE_WANTED)
            pull(farm, from, record);
        if (result != MERGE_NO_ROOM)
            return true;
        size_t bytes = store_item_bytes(farm->store, RECORD_KEY_BYTES_MAX,
                                        record->value.length);
        if (!store_make_room(farm->store, bytes, farm->time))
            return false;
    }
    return false;
}

/* The state that was asked for, or nothing where it is gone: then it is told
 * of by the records that made it so. */
void apply_fetch(struct farm *farm, struct member *member,
                 const struct message_fetch *fetch)
{
    struct store_hold hold;
    uint64_t hash = store_hash(farm->store, fetch->key);

    store_hold(farm->store, fetch->key, hash, farm->time, &hold);
    if (hold.item != NULL) {
        uint8_t head[RECORD_HEAD_BYTES_MAX];
        struct record record = {.kind = RECORD_UPDATE,
                                .marks = hold.item->marks,
                                .flags = item_flags(hold.item),
                                .exptime = hold.item->exptime,
                                .version = hold.item->version,
                                .stamp = item_stamp(hold.item),
                                .token = item_token(hold.item),
                                .key = fetch->key,
                                .value = item_value(hold.item)};
        struct writer writer = writer_of(head, sizeof(head));
        record_encode_head(&record, &writer);
        effect_send_state(farm, member->link, fetch->id,
                          span_of(head, writer.used_bytes), record.value);
    }
    store_release(&hold);
}

bool apply_state(struct farm *farm, struct member *from, struct span bytes)
{
    struct record record;

    if (record_decode(bytes, &record) != DECODE_OK)
        return false;
    if (record.kind == RECORD_FLUSH)
        store_merge_flush(farm->store, record.version, record.moment,
                          farm->time);
    else if (record.kind != RECORD_UNKNOWN && record.kind != RECORD_LEAVE)
        merge(farm, from, &record);
    return true;
}

void apply_overrun(struct farm *farm, struct member *member, uint64_t number)
{
    (void)farm;
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
    if (number != member->received + 1 || !apply_state(farm, member, bytes)) {
        members_drop_link(farm, connection_find(farm, member->link),
                          "its journal is out of order");
        return;
    }
    member->received = number;
    if (!member->has_gap && number > member->applied)
        member->applied = number;
    member->owes_ack = true;
    farm->figures.records_applied++;
    if (is_leave(bytes)) {
        member->state = MEMBER_LEFT;
        member->is_ready = false;
    }
}
