/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The messages between servers, alone: what is decoded can be read to its
 * end, and says the same when it is encoded and decoded again.
 */
#include <assert.h>
#include <stdlib.h>

#include "proto/grapevine/message.h"
#include "tests/support/guarded.h"

#define ROOM_BYTES ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_members(const struct message_list *list)
{
    struct reader reader = reader_of(list->bytes);

    for (size_t i = 0; i < list->count; i++)
        message_read_member(&reader);
    assert(reader.ok);
}

static void read_entries(const struct message_list *list)
{
    struct reader reader = reader_of(list->bytes);

    for (size_t i = 0; i < list->count; i++)
        message_read_entry(&reader);
    assert(reader.ok);
}

static void read_record(struct span bytes)
{
    struct record record;

    if (record_decode(bytes, &record) == DECODE_OK &&
        record.kind != RECORD_UNKNOWN) {
        size_t length = record_bytes(&record);
        uint8_t *copy = malloc(length);
        struct writer writer = writer_of(copy, length);
        struct record again;
        assert(copy != NULL);
        record_encode(&record, &writer);
        assert(writer.ok && writer.used_bytes == length);
        assert(record_decode(span_of(copy, length), &again) == DECODE_OK);
        assert(again.version == record.version);
        free(copy);
    }
}

static void look(const struct message *message)
{
    switch (message->kind) {
    case MESSAGE_MEMBERS:
        read_members(&message->members);
        break;
    case MESSAGE_SYNC_LIST:
        read_entries(&message->sync.list);
        break;
    case MESSAGE_RECORD:
    case MESSAGE_RECORD_AWAITED:
    case MESSAGE_STATE:
    case MESSAGE_SYNC_STATE:
        read_record(message->state.bytes);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t room[ROOM_BYTES];
    struct message message;
    struct message again;
    struct span inner;
    size_t used;

    if (size == 0)
        return 0;
    /* One byte read beyond the end is found out. */
    struct span bytes = guarded_copy(span_of(data, size));
    if (message_decode(bytes, &message) == DECODE_OK &&
        message.kind != MESSAGE_UNKNOWN) {
        struct writer writer = writer_of(room, sizeof(room));
        look(&message);
        message_encode(&message, &writer);
        assert(writer.ok);
        assert(message_frame(span_of(room, writer.used_bytes), sizeof(room),
                             &inner, &used) == FRAME_OK);
        assert(used == writer.used_bytes);
        assert(message_decode(inner, &again) == DECODE_OK);
        assert(again.kind == message.kind);
    }
    guarded_return();
    return 0;
}
