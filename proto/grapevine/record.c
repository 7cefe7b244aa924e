/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/grapevine/record.h"

#include <assert.h>

/* What a state has beside its value; stamp and token are sent only where
 * they differ from the version. */
enum state_shape {
    STATE_HAS_STAMP = 1,
    STATE_HAS_TOKEN = 2,
    STATE_HAS_OWNER = 8,
    STATE_IS_KEPT = 16
};

static bool has_whole_value(enum record_kind kind)
{
    return kind == RECORD_CREATE || kind == RECORD_UPDATE;
}

static void encode_state(const struct record *record, struct writer *writer)
{
    bool has_stamp = record->stamp != record->version;
    bool has_token = record->token != record->version;

    write_u8(writer, (uint8_t)((has_stamp ? STATE_HAS_STAMP : 0) |
                               (has_token ? STATE_HAS_TOKEN : 0) |
                               (record->owner != 0 ? STATE_HAS_OWNER : 0) |
                               (record->is_kept ? STATE_IS_KEPT : 0)));
    write_u8(writer, record->marks);
    write_u32(writer, record->flags);
    write_u32(writer, record->exptime);
    write_u64(writer, record->version);
    if (has_stamp)
        write_u64(writer, record->stamp);
    if (has_token)
        write_u64(writer, record->token);
    if (record->owner != 0)
        write_u64(writer, record->owner);
    write_short(writer, record->key);
    write_u32(writer, has_whole_value(record->kind)
                          ? (uint32_t)record->value.length
                          : record->value_bytes);
    if (record->kind != RECORD_SPLICE)
        return;
    write_u64(writer, record->base);
    write_u32(writer, record->offset);
    write_u32(writer, record->cut_bytes);
    write_u32(writer, (uint32_t)record->value.length);
}

/* That what is put lies inside of what is made, and that what it is made from
 * has a length. */
static bool is_splice_sound(const struct record *record)
{
    size_t kept_bytes = record->value_bytes - record->value.length;

    return record->value.length <= record->value_bytes &&
           record->offset <= kept_bytes &&
           kept_bytes + record->cut_bytes <= UINT32_MAX;
}

static void decode_splice(struct reader *reader, struct record *record)
{
    record->base = read_u64(reader);
    record->offset = read_u32(reader);
    record->cut_bytes = read_u32(reader);
    record->value = read_bytes(reader, read_u32(reader));
    reader->ok = reader->ok && is_splice_sound(record);
}

static void decode_state(struct reader *reader, struct record *record)
{
    uint8_t shape = read_u8(reader);

    record->marks = read_u8(reader);
    record->flags = read_u32(reader);
    record->exptime = read_u32(reader);
    record->version = read_u64(reader);
    record->stamp =
        shape & STATE_HAS_STAMP ? read_u64(reader) : record->version;
    record->token =
        shape & STATE_HAS_TOKEN ? read_u64(reader) : record->version;
    record->owner = shape & STATE_HAS_OWNER ? read_u64(reader) : 0;
    record->is_kept = shape & STATE_IS_KEPT;
    record->key = read_short(reader);
    record->value_bytes = read_u32(reader);
    if (has_whole_value(record->kind))
        record->value = read_bytes(reader, record->value_bytes);
    if (record->kind == RECORD_SPLICE)
        decode_splice(reader, record);
}

struct span record_value(const struct record *record)
{
    bool has_value =
        has_whole_value(record->kind) || record->kind == RECORD_SPLICE;

    return has_value ? record->value : (struct span){0};
}

struct record record_splice(const struct record *whole, uint64_t base,
                            const struct splice *change)
{
    struct record splice = *whole;

    assert(change->offset + change->put_bytes <= whole->value.length);
    splice.kind = RECORD_SPLICE;
    splice.value_bytes = (uint32_t)whole->value.length;
    splice.base = base;
    splice.offset = (uint32_t)change->offset;
    splice.cut_bytes = (uint32_t)change->cut_bytes;
    splice.value =
        span_of(whole->value.data + change->offset, change->put_bytes);
    return splice;
}

void record_encode(const struct record *record, struct writer *writer)
{
    record_encode_head(record, writer);
    write_bytes(writer, record_value(record));
}

void record_encode_head(const struct record *record, struct writer *writer)
{
    write_u8(writer, (uint8_t)record->kind);
    switch (record->kind) {
    case RECORD_CREATE:
    case RECORD_UPDATE:
    case RECORD_ANNOUNCE:
    case RECORD_SPLICE:
        encode_state(record, writer);
        break;
    case RECORD_TOUCH:
        write_u64(writer, record->version);
        write_u64(writer, record->stamp);
        write_u32(writer, record->exptime);
        write_short(writer, record->key);
        break;
    case RECORD_DELETE:
        write_u64(writer, record->version);
        write_short(writer, record->key);
        break;
    case RECORD_FLUSH:
        write_u64(writer, record->version);
        write_u64(writer, record->moment);
        break;
    case RECORD_LEAVE:
        write_u64(writer, record->version);
        break;
    case RECORD_STUB:
        write_u8(writer, record->stub_kind);
        write_u64(writer, record->hash);
        write_u64(writer, record->version);
        write_u64(writer, record->stamp);
        write_u32(writer, record->exptime);
        write_bytes(writer, record->key);
        break;
    case RECORD_UNKNOWN:
        assert(false); /* only ever decoded */
        break;
    }
}

static bool has_key(enum record_kind kind)
{
    return kind != RECORD_FLUSH && kind != RECORD_LEAVE &&
           kind != RECORD_UNKNOWN;
}

enum decode_result record_decode(struct span bytes, struct record *record)
{
    struct reader reader = reader_of(bytes);
    uint8_t kind = read_u8(&reader);

    *record = (struct record){.kind = (enum record_kind)kind};
    switch (kind) {
    case RECORD_CREATE:
    case RECORD_UPDATE:
    case RECORD_ANNOUNCE:
    case RECORD_SPLICE:
        decode_state(&reader, record);
        break;
    case RECORD_TOUCH:
        record->version = read_u64(&reader);
        record->stamp = read_u64(&reader);
        record->exptime = read_u32(&reader);
        record->key = read_short(&reader);
        break;
    case RECORD_DELETE:
        record->version = read_u64(&reader);
        record->key = read_short(&reader);
        break;
    case RECORD_FLUSH:
        record->version = read_u64(&reader);
        record->moment = read_u64(&reader);
        break;
    case RECORD_LEAVE:
        record->version = read_u64(&reader);
        break;
    case RECORD_STUB:
        record->stub_kind = read_u8(&reader);
        record->hash = read_u64(&reader);
        record->version = read_u64(&reader);
        record->stamp = read_u64(&reader);
        record->exptime = read_u32(&reader);
        record->key = read_bytes(&reader, RECORD_STUB_KEY_BYTES);
        break;
    default:
        record->kind = RECORD_UNKNOWN;
        break;
    }
    if (!reader.ok)
        return DECODE_MALFORMED;
    if (has_key(record->kind) &&
        (record->key.length == 0 || record->key.length > RECORD_KEY_BYTES_MAX))
        return DECODE_MALFORMED;
    return DECODE_OK;
}

size_t record_bytes(const struct record *record)
{
    size_t key_bytes = 1 + record->key.length;

    switch (record->kind) {
    case RECORD_CREATE:
    case RECORD_UPDATE:
    case RECORD_ANNOUNCE:
    case RECORD_SPLICE:
        return 1 + 2 + 4 + 4 + 8 +
               (record->stamp != record->version ? 8u : 0u) +
               (record->token != record->version ? 8u : 0u) +
               (record->owner != 0 ? 8u : 0u) + key_bytes + 4 +
               (record->kind == RECORD_SPLICE ? 8u + 4 + 4 + 4 : 0u) +
               record_value(record).length;
    case RECORD_TOUCH:
        return 1 + 8 + 8 + 4 + key_bytes;
    case RECORD_DELETE:
        return 1 + 8 + key_bytes;
    case RECORD_FLUSH:
        return 1 + 8 + 8;
    case RECORD_LEAVE:
        return 1 + 8;
    case RECORD_STUB:
        return 1 + 1 + 8 + 8 + 8 + 4 + RECORD_STUB_KEY_BYTES;
    case RECORD_UNKNOWN:
        break;
    }
    assert(false); /* only ever decoded */
    return 0;
}
