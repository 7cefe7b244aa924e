/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/grapevine/message.h"

#include <assert.h>

#include "proto/base/planted.h"

#define HASH_BYTES 8

enum frame_result message_frame(struct span input, size_t inner_bytes_max,
                                struct span *inner, size_t *used)
{
    *used = MESSAGE_FRAME_BYTES;
    if (input.length < MESSAGE_FRAME_BYTES)
        return FRAME_MORE;
    size_t length = bigendian_load32(input.data);
    if (length == 0 || length > inner_bytes_max)
        return FRAME_TOO_LARGE;
    *used += length;
    if (input.length < *used)
        return FRAME_MORE;
    *inner = span_of(input.data + MESSAGE_FRAME_BYTES, length);
    return FRAME_OK;
}

/* ---- lists ---- */

static void write_list(struct writer *writer, const struct message_list *list)
{
    if (list->count > UINT16_MAX) {
        writer->ok = false;
        return;
    }
    write_u16(writer, (uint16_t)list->count);
    write_bytes(writer, list->bytes);
}

/* A list whose entries are all of `entry_bytes`. */
static struct message_list read_list(struct reader *reader, size_t entry_bytes)
{
    struct message_list list = {.count = read_u16(reader)};

    if (PLANTED == PLANTED_VECTOR_LIST &&
        list.count * entry_bytes == reader->rest.length + 1)
        reader->rest.length++;
    list.bytes = read_bytes(reader, list.count * entry_bytes);
    return list;
}

struct message_member message_read_member(struct reader *list)
{
    struct message_member member = {.id = read_u64(list)};

    member.state = read_u8(list);
    member.name = read_short(list);
    member.address = read_short(list);
    return member;
}

void message_write_member(struct writer *list,
                          const struct message_member *member)
{
    write_u64(list, member->id);
    write_u8(list, member->state);
    write_short(list, member->name);
    write_short(list, member->address);
}

/* Members are not all of one length: each is read once to find the end. */
static struct message_list read_members(struct reader *reader)
{
    struct message_list list = {.count = read_u16(reader)};
    struct span start = reader->rest;

    for (size_t i = 0; i < list.count && reader->ok; i++)
        message_read_member(reader);
    if (reader->ok)
        list.bytes = span_of(start.data, start.length - reader->rest.length);
    return list;
}

struct message_entry message_read_entry(struct reader *list)
{
    struct message_entry entry = {.hash = read_u64(list)};

    entry.version = read_u64(list);
    entry.stamp = read_u64(list);
    entry.kind = read_u8(list);
    return entry;
}

void message_write_entry(struct writer *list, const struct message_entry *entry)
{
    write_u64(list, entry->hash);
    write_u64(list, entry->version);
    write_u64(list, entry->stamp);
    write_u8(list, entry->kind);
}

/* ---- bodies ---- */

static void write_hello(struct writer *writer,
                        const struct message_hello *hello)
{
    write_u16(writer, hello->version_low);
    write_u16(writer, hello->version_high);
    write_u64(writer, hello->id);
    write_u16(writer, hello->tag);
    write_u8(writer, hello->state);
    write_u64(writer, hello->clock);
    write_u64(writer, hello->ready_since);
    write_u64(writer, hello->settings);
    write_u64(writer, hello->memory_bytes);
    write_u32(writer, hello->item_bytes_max);
    write_short(writer, hello->farm);
    write_short(writer, hello->name);
    write_short(writer, hello->address);
}

static void read_hello(struct reader *reader, struct message_hello *hello)
{
    hello->version_low = read_u16(reader);
    hello->version_high = read_u16(reader);
    hello->id = read_u64(reader);
    hello->tag = read_u16(reader);
    hello->state = read_u8(reader);
    hello->clock = read_u64(reader);
    hello->ready_since = read_u64(reader);
    hello->settings = read_u64(reader);
    hello->memory_bytes = read_u64(reader);
    hello->item_bytes_max = read_u32(reader);
    hello->farm = read_short(reader);
    hello->name = read_short(reader);
    hello->address = read_short(reader);
}

static void write_heartbeat(struct writer *writer,
                            const struct message_heartbeat *heartbeat)
{
    write_u8(writer, heartbeat->state);
    write_u16(writer, heartbeat->tag);
    write_u64(writer, heartbeat->clock);
    write_u64(writer, heartbeat->ready_since);
    write_u64(writer, heartbeat->sent);
    write_u64(writer, heartbeat->echo_sent);
    write_u32(writer, heartbeat->echo_age_us);
    write_u64(writer, heartbeat->head);
    write_u64(writer, heartbeat->root);
    write_list(writer, &heartbeat->vector);
}

static void read_heartbeat(struct reader *reader,
                           struct message_heartbeat *heartbeat)
{
    heartbeat->state = read_u8(reader);
    heartbeat->tag = read_u16(reader);
    heartbeat->clock = read_u64(reader);
    heartbeat->ready_since = read_u64(reader);
    heartbeat->sent = read_u64(reader);
    heartbeat->echo_sent = read_u64(reader);
    heartbeat->echo_age_us = read_u32(reader);
    heartbeat->head = read_u64(reader);
    heartbeat->root = read_u64(reader);
    heartbeat->vector = read_list(reader, MESSAGE_VECTOR_ENTRY_BYTES);
}

static void write_fetch(struct writer *writer,
                        const struct message_fetch *fetch)
{
    write_u64(writer, fetch->id);
    write_u64(writer, fetch->version);
    write_u32(writer, fetch->offset);
    write_u32(writer, fetch->bytes);
    write_short(writer, fetch->key);
    write_list(writer, &fetch->lacking);
}

static void read_fetch(struct reader *reader, struct message_fetch *fetch)
{
    fetch->id = read_u64(reader);
    fetch->version = read_u64(reader);
    fetch->offset = read_u32(reader);
    fetch->bytes = read_u32(reader);
    fetch->key = read_short(reader);
    fetch->lacking = read_list(reader, HASH_BYTES);
}

bool message_read_command(struct reader *commands, uint64_t *hash,
                          struct span *bytes)
{
    *hash = read_u64(commands);
    *bytes = read_bytes(commands, read_u32(commands));
    return commands->ok;
}

/* Each is looked at once, so that who takes them need not. */
static bool are_commands(const struct message_command *command)
{
    struct reader reader = reader_of(command->commands);
    uint64_t hash;
    struct span bytes;

    for (size_t i = 0; i < command->count; i++) {
        if (!message_read_command(&reader, &hash, &bytes))
            return false;
    }
    return command->count > 0 && reader.rest.length == 0;
}

static bool are_results(const struct message_decision *decision)
{
    struct reader reader = reader_of(decision->results);

    for (size_t i = 0; i < decision->count && reader.ok; i++)
        read_bytes(&reader, read_u32(&reader));
    return reader.ok && reader.rest.length == 0;
}

static void write_enter(struct writer *writer,
                        const struct message_enter *enter)
{
    write_u64(writer, enter->view);
    write_u64(writer, enter->previous);
    write_u64(writer, enter->number);
    write_u64(writer, enter->version);
    write_list(writer, &enter->vector);
}

static void read_enter(struct reader *reader, struct message_enter *enter)
{
    enter->view = read_u64(reader);
    enter->previous = read_u64(reader);
    enter->number = read_u64(reader);
    enter->version = read_u64(reader);
    enter->vector = read_list(reader, MESSAGE_VECTOR_ENTRY_BYTES);
}

static void write_command(struct writer *writer,
                          const struct message_command *command)
{
    write_u64(writer, command->id);
    write_u64(writer, command->view);
    write_u8(writer, command->is_again);
    write_u32(writer, command->within_us);
    write_list(writer, &command->vector);
    write_u16(writer, command->count);
    write_bytes(writer, command->commands);
}

static void write_decision(struct writer *writer,
                           const struct message_decision *decision)
{
    write_u64(writer, decision->id);
    write_u8(writer, decision->is_unknown);
    write_list(writer, &decision->vector);
    write_u16(writer, decision->count);
    write_bytes(writer, decision->results);
}

/* What fills the rest of a frame has no length of its own; nothing can be
 * added behind it by a later version. */
static struct span read_rest(struct reader *reader)
{
    return read_bytes(reader, reader->rest.length);
}

static void write_body(struct writer *writer, const struct message *message)
{
    switch (message->kind) {
    case MESSAGE_HELLO:
        write_hello(writer, &message->hello);
        break;
    case MESSAGE_REFUSE:
        write_short(writer, message->refuse);
        break;
    case MESSAGE_MEMBERS:
        write_list(writer, &message->members);
        break;
    case MESSAGE_HEARTBEAT:
        write_heartbeat(writer, &message->heartbeat);
        break;
    case MESSAGE_HEARTBEAT_REQUEST:
    case MESSAGE_ALIVE:
        write_u64(writer, message->subject);
        break;
    case MESSAGE_ATTACH:
    case MESSAGE_OVERRUN:
    case MESSAGE_ACK:
    case MESSAGE_ACK_AWAITED:
        write_u64(writer, message->number);
        break;
    case MESSAGE_RECORD:
    case MESSAGE_RECORD_AWAITED:
        write_u64(writer, message->state.number);
        write_bytes(writer, message->state.bytes);
        break;
    case MESSAGE_REQUEST:
        write_u64(writer, message->request.id);
        write_short(writer, message->request.key);
        write_list(writer, &message->request.vector);
        break;
    case MESSAGE_STATE:
        write_u64(writer, message->state.id);
        write_bytes(writer, message->state.bytes);
        break;
    case MESSAGE_HAVE:
        write_u64(writer, message->have.id);
        write_u64(writer, message->have.version);
        write_u64(writer, message->have.stamp);
        write_u32(writer, message->have.value_bytes);
        break;
    case MESSAGE_MISSING:
        write_u64(writer, message->missing.id);
        write_u8(writer, message->missing.stub_kind);
        write_u64(writer, message->missing.version);
        write_u64(writer, message->missing.stamp);
        write_u32(writer, message->missing.exptime);
        write_u8(writer, message->missing.is_evicted);
        break;
    case MESSAGE_FETCH:
        write_fetch(writer, &message->fetch);
        break;
    case MESSAGE_PIECE:
        write_u64(writer, message->piece.id);
        write_u32(writer, message->piece.offset);
        write_u16(writer, (uint16_t)message->piece.head.length);
        write_bytes(writer, message->piece.head);
        write_bytes(writer, message->piece.bytes);
        break;
    case MESSAGE_FORWARD:
        write_u64(writer, message->forward.to);
        write_u64(writer, message->forward.from);
        write_bytes(writer, message->forward.inner);
        break;
    case MESSAGE_SYNC_LIST:
        write_u32(writer, message->sync.session);
        write_u64(writer, message->sync.mask);
        write_u64(writer, message->sync.value);
        write_list(writer, &message->sync.list);
        break;
    case MESSAGE_SYNC_BEGIN:
    case MESSAGE_SYNC_PULL:
    case MESSAGE_SYNC_END:
        write_u32(writer, message->sync.session);
        write_list(writer, &message->sync.list);
        break;
    case MESSAGE_SYNC_STATE:
        write_u32(writer, message->state.session);
        write_bytes(writer, message->state.bytes);
        break;
    case MESSAGE_ENTER:
        write_enter(writer, &message->enter);
        break;
    case MESSAGE_COMMAND:
        write_command(writer, &message->command);
        break;
    case MESSAGE_DECISION:
        write_decision(writer, &message->decision);
        break;
    case MESSAGE_LOCK:
        write_u64(writer, message->lock.version);
        write_u64(writer, message->lock.owner);
        write_short(writer, message->lock.key);
        write_u64(writer, message->lock.taken);
        break;
    case MESSAGE_UNKNOWN:
        assert(false); /* only ever decoded */
        break;
    }
}

void message_encode(const struct message *message, struct writer *writer)
{
    uint8_t *length = write_room(writer, MESSAGE_FRAME_BYTES);
    size_t before_bytes = writer->used_bytes;

    write_u8(writer, (uint8_t)message->kind);
    write_body(writer, message);
    if (writer->ok)
        bigendian_store32(length,
                          (uint32_t)(writer->used_bytes - before_bytes));
}

static bool is_farm_key(struct span key)
{
    return key.length > 0 && key.length <= RECORD_KEY_BYTES_MAX;
}

/* False where the body makes no sense though its lengths are right. */
static bool read_body(struct reader *reader, struct message *message)
{
    switch (message->kind) {
    case MESSAGE_HELLO:
        read_hello(reader, &message->hello);
        return message->hello.version_low <= message->hello.version_high;
    case MESSAGE_REFUSE:
        message->refuse = read_short(reader);
        return true;
    case MESSAGE_MEMBERS:
        message->members = read_members(reader);
        return true;
    case MESSAGE_HEARTBEAT:
        read_heartbeat(reader, &message->heartbeat);
        return true;
    case MESSAGE_HEARTBEAT_REQUEST:
    case MESSAGE_ALIVE:
        message->subject = read_u64(reader);
        return true;
    case MESSAGE_ATTACH:
    case MESSAGE_OVERRUN:
    case MESSAGE_ACK:
    case MESSAGE_ACK_AWAITED:
        message->number = read_u64(reader);
        return true;
    case MESSAGE_RECORD:
    case MESSAGE_RECORD_AWAITED:
        message->state.number = read_u64(reader);
        message->state.bytes = read_rest(reader);
        return message->state.bytes.length > 0;
    case MESSAGE_REQUEST:
        message->request.id = read_u64(reader);
        message->request.key = read_short(reader);
        message->request.vector = read_list(reader, MESSAGE_VECTOR_ENTRY_BYTES);
        return is_farm_key(message->request.key);
    case MESSAGE_STATE:
        message->state.id = read_u64(reader);
        message->state.bytes = read_rest(reader);
        return message->state.bytes.length > 0;
    case MESSAGE_HAVE:
        message->have.id = read_u64(reader);
        message->have.version = read_u64(reader);
        message->have.stamp = read_u64(reader);
        message->have.value_bytes = read_u32(reader);
        return true;
    case MESSAGE_MISSING:
        message->missing.id = read_u64(reader);
        message->missing.stub_kind = read_u8(reader);
        message->missing.version = read_u64(reader);
        message->missing.stamp = read_u64(reader);
        message->missing.exptime = read_u32(reader);
        message->missing.is_evicted = read_u8(reader) != 0;
        return true;
    case MESSAGE_FETCH:
        read_fetch(reader, &message->fetch);
        return is_farm_key(message->fetch.key);
    case MESSAGE_PIECE:
        message->piece.id = read_u64(reader);
        message->piece.offset = read_u32(reader);
        message->piece.head = read_bytes(reader, read_u16(reader));
        message->piece.bytes = read_rest(reader);
        return message->piece.bytes.length > 0;
    case MESSAGE_FORWARD:
        message->forward.to = read_u64(reader);
        message->forward.from = read_u64(reader);
        message->forward.inner = read_rest(reader);
        return message->forward.inner.length > 0;
    case MESSAGE_SYNC_LIST:
        message->sync.session = read_u32(reader);
        message->sync.mask = read_u64(reader);
        message->sync.value = read_u64(reader);
        message->sync.list = read_list(reader, MESSAGE_ENTRY_BYTES);
        return (message->sync.value & ~message->sync.mask) == 0;
    case MESSAGE_SYNC_BEGIN:
    case MESSAGE_SYNC_END:
        message->sync.session = read_u32(reader);
        message->sync.list = read_list(reader, MESSAGE_VECTOR_ENTRY_BYTES);
        return true;
    case MESSAGE_SYNC_PULL:
        message->sync.session = read_u32(reader);
        message->sync.list = read_list(reader, HASH_BYTES);
        return true;
    case MESSAGE_SYNC_STATE:
        message->state.session = read_u32(reader);
        message->state.bytes = read_rest(reader);
        return message->state.bytes.length > 0;
    case MESSAGE_ENTER:
        read_enter(reader, &message->enter);
        return message->enter.view != 0;
    case MESSAGE_COMMAND:
        message->command.id = read_u64(reader);
        message->command.view = read_u64(reader);
        message->command.is_again = read_u8(reader) != 0;
        message->command.within_us = read_u32(reader);
        message->command.vector = read_list(reader, MESSAGE_VECTOR_ENTRY_BYTES);
        message->command.count = read_u16(reader);
        message->command.commands = read_rest(reader);
        return are_commands(&message->command);
    case MESSAGE_DECISION:
        message->decision.id = read_u64(reader);
        message->decision.is_unknown = read_u8(reader) != 0;
        message->decision.vector =
            read_list(reader, MESSAGE_VECTOR_ENTRY_BYTES);
        message->decision.count = read_u16(reader);
        message->decision.results = read_rest(reader);
        return are_results(&message->decision);
    case MESSAGE_LOCK:
        message->lock.version = read_u64(reader);
        message->lock.owner = read_u64(reader);
        message->lock.key = read_short(reader);
        /* Who is older does not say it. */
        message->lock.taken = reader->rest.length > 0 ? read_u64(reader) : 0;
        return is_farm_key(message->lock.key);
    case MESSAGE_UNKNOWN:
        break;
    }
    message->kind = MESSAGE_UNKNOWN;
    return true;
}

enum decode_result message_decode(struct span inner, struct message *message)
{
    struct reader reader = reader_of(inner);
    uint8_t kind = read_u8(&reader);

    *message = (struct message){.kind = (enum message_kind)kind};
    return reader.ok && read_body(&reader, message) && reader.ok
               ? DECODE_OK
               : DECODE_MALFORMED;
}
