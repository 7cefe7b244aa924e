/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/fuzz/heard.h"

#include <assert.h>
#include <string.h>

/* ---- what was heard ---- */

static void note_fetch(struct heard *heard, const struct message_fetch *message)
{
    if (heard->fetches_count == HEARD_FETCHES_MAX)
        return;
    struct fetch *fetch = &heard->fetches[heard->fetches_count++];
    fetch->message = *message;
    span_copy(fetch->key, message->key);
}

static void note_record(struct heard *heard, const struct message *message)
{
    struct record record;
    enum decode_result decoded = record_decode(message->state.bytes, &record);

    assert(decoded == DECODE_OK);
    assert(record.kind != RECORD_UNKNOWN);
    heard->version = record.version;
}

static void note_list(struct heard *heard, const struct message_list *list)
{
    struct reader reader = reader_of(list->bytes);

    for (size_t i = 0; i < list->count; i++)
        heard->hash = message_read_entry(&reader).hash;
    assert(reader.ok && reader.rest.length == 0);
}

void heard_note(struct heard *heard, const struct message *message)
{
    /* It says who it is, or that it will not have this one. */
    assert(heard->is_greeted || message->kind == MESSAGE_HELLO ||
           message->kind == MESSAGE_REFUSE);
    switch (message->kind) {
    case MESSAGE_HELLO:
        assert(message->hello.id == NEAR_ID);
        heard->is_greeted = true;
        break;
    case MESSAGE_HEARTBEAT:
        heard->heartbeat = message->heartbeat.sent;
        heard->heartbeats++;
        break;
    case MESSAGE_RECORD:
    case MESSAGE_RECORD_AWAITED:
        heard->record = message->state.number;
        note_record(heard, message);
        break;
    case MESSAGE_STATE:
    case MESSAGE_SYNC_STATE:
        note_record(heard, message);
        break;
    case MESSAGE_REQUEST:
        heard->asked = message->request.id;
        break;
    case MESSAGE_FETCH:
        note_fetch(heard, &message->fetch);
        break;
    case MESSAGE_ENTER:
        heard->view = message->enter.view;
        break;
    case MESSAGE_COMMAND:
        heard->command = message->command.id;
        break;
    case MESSAGE_SYNC_BEGIN:
        heard->session = message->sync.session;
        break;
    case MESSAGE_SYNC_LIST:
        note_list(heard, &message->sync.list);
        break;
    default:
        break;
    }
}

void heard_end(struct heard *heard)
{
    heard->is_greeted = false;
    heard->fetches_count = 0;
}

/* ---- what would answer it ---- */

static void put_u64(uint8_t *body, size_t length, size_t at, uint64_t number)
{
    if (at + 8 <= length)
        bigendian_store64(body + at, number);
}

static void put_u32(uint8_t *body, size_t length, size_t at, uint32_t number)
{
    if (at + 4 <= length)
        bigendian_store32(body + at, number);
}

static time_us now_of(const struct near *near)
{
    return clock_own(&near->clock);
}

/* Versions of now, and what is announced of a size that can be given. */
static void mend_record(const struct near *near, uint8_t *record, size_t length)
{
    uint64_t version = now_of(near) << 12;
    struct record decoded;

    if (length == 0)
        return;
    switch (record[0]) {
    case RECORD_CREATE:
    case RECORD_UPDATE:
    case RECORD_ANNOUNCE:
        put_u64(record, length, 11, version);
        break;
    case RECORD_STUB:
        put_u64(record, length, 10, version);
        break;
    default:
        put_u64(record, length, 1, version);
        break;
    }
    if (record[0] == RECORD_ANNOUNCE &&
        record_decode(span_of(record, length), &decoded) == DECODE_OK)
        put_u32((uint8_t *)decoded.key.data, SIZE_MAX, decoded.key.length,
                HEARD_LARGE_BYTES);
}

/* Of the range of some key, with its hash. */
static void mend_list(const struct near *near, const struct heard *heard,
                      uint8_t *body, size_t length)
{
    uint64_t hash = store_hash(near->store, SPAN("a"));

    put_u32(body, length, 0, heard->session);
    put_u64(body, length, 4, STORE_RANGE_MASK_MIN);
    put_u64(body, length, 12, hash & STORE_RANGE_MASK_MIN);
    put_u64(body, length, 22, hash);
}

void heard_mend(struct heard *heard, const struct near *near, uint64_t id,
                uint8_t kind, uint8_t *body, size_t length)
{
    switch (kind) {
    case MESSAGE_HELLO:
        put_u64(body, length, 4, id);
        put_u64(body, length, 15, now_of(near));
        break;
    case MESSAGE_HEARTBEAT:
        put_u64(body, length, 3, now_of(near));
        put_u64(body, length, 27, heard->heartbeat);
        break;
    case MESSAGE_HEARTBEAT_REQUEST:
    case MESSAGE_ALIVE:
        put_u64(body, length, 0, id);
        break;
    case MESSAGE_OVERRUN:
        put_u64(body, length, 0, heard->next_number);
        break;
    case MESSAGE_ATTACH:
    case MESSAGE_ACK:
    case MESSAGE_ACK_AWAITED:
        put_u64(body, length, 0, heard->record);
        break;
    case MESSAGE_RECORD:
    case MESSAGE_RECORD_AWAITED:
        put_u64(body, length, 0, heard->next_number++);
        if (length > 8)
            mend_record(near, body + 8, length - 8);
        break;
    case MESSAGE_STATE:
        put_u64(body, length, 0, heard->asked);
        if (length > 8)
            mend_record(near, body + 8, length - 8);
        break;
    case MESSAGE_HAVE:
        put_u64(body, length, 0, heard->asked);
        put_u64(body, length, 8, now_of(near) << 12);
        break;
    case MESSAGE_MISSING:
        put_u64(body, length, 0,
                heard->fetches_count > 0 ? heard->fetches[0].message.id
                                         : heard->asked);
        break;
    case MESSAGE_FETCH:
        put_u64(body, length, 8, heard->version);
        break;
    case MESSAGE_FORWARD:
        put_u64(body, length, 0, NEAR_ID);
        break;
    case MESSAGE_SYNC_STATE:
        if (length > 4)
            mend_record(near, body + 4, length - 4);
        put_u32(body, length, 0, heard->session);
        break;
    case MESSAGE_SYNC_LIST:
        mend_list(near, heard, body, length);
        break;
    case MESSAGE_SYNC_END:
        put_u32(body, length, 0, heard->session);
        break;
    case MESSAGE_SYNC_BEGIN:
        put_u32(body, length, 0, HEARD_OWN_SESSION);
        break;
    case MESSAGE_SYNC_PULL:
        put_u32(body, length, 0, HEARD_OWN_SESSION);
        put_u64(body, length, 6, heard->hash);
        break;
    case MESSAGE_ENTER:
        put_u64(body, length, 0, heard->view);
        put_u64(body, length, 24, now_of(near) << 12);
        break;
    case MESSAGE_COMMAND:
        put_u64(body, length, 8, heard->view);
        put_u32(body, length, 17, TIME_US_PER_S / 2);
        break;
    case MESSAGE_DECISION:
        put_u64(body, length, 0, heard->command);
        break;
    case MESSAGE_LOCK:
        put_u64(body, length, 0, now_of(near) << 12);
        break;
    default:
        break;
    }
}

bool heard_give(struct heard *heard, struct writer *writer)
{
    static const uint8_t value[HEARD_PIECE_BYTES];
    uint8_t head_bytes[RECORD_HEAD_BYTES_MAX];
    struct writer head = writer_of(head_bytes, sizeof(head_bytes));
    struct fetch *oldest = &heard->fetches[0];
    struct message_fetch *fetch = &oldest->message;
    struct record record = {.kind = RECORD_ANNOUNCE,
                            .version = fetch->version,
                            .stamp = fetch->version,
                            .token = fetch->version,
                            .value_bytes = HEARD_LARGE_BYTES,
                            .key = span_of(oldest->key, fetch->key.length)};
    uint32_t left = fetch->offset < HEARD_LARGE_BYTES
                        ? HEARD_LARGE_BYTES - fetch->offset
                        : 1;

    if (heard->fetches_count == 0)
        return false;
    record_encode(&record, &head);
    struct message message = {
        .kind = MESSAGE_PIECE,
        .piece = {.id = fetch->id,
                  .offset = fetch->offset,
                  .head = span_of(head_bytes, head.used_bytes),
                  .bytes = span_of(value, left < HEARD_PIECE_BYTES
                                              ? left
                                              : HEARD_PIECE_BYTES)}};
    message_encode(&message, writer);
    assert(writer->ok);
    heard->fetches_count--;
    memmove(oldest, oldest + 1, heard->fetches_count * sizeof(*oldest));
    return true;
}
