/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cursor: numbers and spans, read from or written to bytes one by one.
 *
 * Shortage does not stop a cursor in the middle of its user: it turns `ok`
 * false, reads zeros and writes nothing from then on, and is asked once at
 * the end.  Numbers are in network byte order.
 */
#ifndef PROTO_BASE_CURSOR_H
#define PROTO_BASE_CURSOR_H

#include "proto/base/bigendian.h"
#include "proto/base/span.h"

struct reader {
    struct span rest;
    bool ok;
};

struct writer {
    uint8_t *at;
    size_t left_bytes;
    size_t used_bytes;
    bool ok;
};

static inline struct reader reader_of(struct span bytes)
{
    return (struct reader){.rest = bytes, .ok = true};
}

static inline struct writer writer_of(uint8_t *to, size_t bytes)
{
    return (struct writer){.at = to, .left_bytes = bytes, .ok = true};
}

/* The next `bytes`, borrowed from the input; empty on shortage. */
static inline struct span read_bytes(struct reader *reader, size_t bytes)
{
    if (!reader->ok || reader->rest.length < bytes) {
        reader->ok = false;
        return (struct span){0};
    }
    struct span taken = span_of(reader->rest.data, bytes);
    reader->rest =
        span_of(reader->rest.data + bytes, reader->rest.length - bytes);
    return taken;
}

static inline uint8_t read_u8(struct reader *reader)
{
    struct span bytes = read_bytes(reader, 1);
    return reader->ok ? bytes.data[0] : 0;
}

static inline uint16_t read_u16(struct reader *reader)
{
    struct span bytes = read_bytes(reader, 2);
    return reader->ok ? bigendian_load16(bytes.data) : 0;
}

static inline uint32_t read_u32(struct reader *reader)
{
    struct span bytes = read_bytes(reader, 4);
    return reader->ok ? bigendian_load32(bytes.data) : 0;
}

static inline uint64_t read_u64(struct reader *reader)
{
    struct span bytes = read_bytes(reader, 8);
    return reader->ok ? bigendian_load64(bytes.data) : 0;
}

/* A span of up to 255 bytes behind its length. */
static inline struct span read_short(struct reader *reader)
{
    return read_bytes(reader, read_u8(reader));
}

/* Room for `bytes`, or NULL. */
static inline uint8_t *write_room(struct writer *writer, size_t bytes)
{
    if (!writer->ok || writer->left_bytes < bytes) {
        writer->ok = false;
        return NULL;
    }
    uint8_t *room = writer->at;
    writer->at += bytes;
    writer->left_bytes -= bytes;
    writer->used_bytes += bytes;
    return room;
}

static inline void write_u8(struct writer *writer, uint8_t value)
{
    uint8_t *to = write_room(writer, 1);
    if (to != NULL)
        *to = value;
}

static inline void write_u16(struct writer *writer, uint16_t value)
{
    uint8_t *to = write_room(writer, 2);
    if (to != NULL)
        bigendian_store16(to, value);
}

static inline void write_u32(struct writer *writer, uint32_t value)
{
    uint8_t *to = write_room(writer, 4);
    if (to != NULL)
        bigendian_store32(to, value);
}

static inline void write_u64(struct writer *writer, uint64_t value)
{
    uint8_t *to = write_room(writer, 8);
    if (to != NULL)
        bigendian_store64(to, value);
}

static inline void write_bytes(struct writer *writer, struct span bytes)
{
    uint8_t *to = write_room(writer, bytes.length);
    if (to != NULL)
        span_copy(to, bytes);
}

static inline void write_short(struct writer *writer, struct span bytes)
{
    if (bytes.length > 255) {
        writer->ok = false;
        return;
    }
    write_u8(writer, (uint8_t)bytes.length);
    write_bytes(writer, bytes);
}

#endif
