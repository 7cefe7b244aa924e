/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The binary protocol: memcached's "BinaryProtocolRevamped".
 *
 * Gets are what libmemcached sends: getk for one key, and for many a getkq
 * each, then a noop to see that the last of them has been answered.
 */
#include <endian.h>
#include <string.h>

#include "key.h"
#include "protocol.h"
#include "value.h"

enum {
    MAGIC_REQUEST = 0x80,
    MAGIC_RESPONSE = 0x81,

    OPCODE_SET = 0x01,
    OPCODE_NOOP = 0x0a,
    OPCODE_GETK = 0x0c,
    OPCODE_GETKQ = 0x0d,

    STATUS_OK = 0x0000,
    STATUS_KEY_NOT_FOUND = 0x0001,
};

#define SET_EXTRAS_BYTES 8 /* flags and expiry, both 0 here */

/* As on the wire, in network order. */
struct header {
    uint8_t magic;
    uint8_t opcode;
    uint16_t key_bytes;
    uint8_t extras_bytes;
    uint8_t data_type;
    uint16_t status;
    uint32_t body_bytes;
    uint32_t opaque;
    uint64_t cas;
};

_Static_assert(sizeof(struct header) == 24, "the header has no padding");

/*
 * Header, extras of zeros and key, if `key_bytes` is not 0; the value that
 * the header announces is left to the caller.
 */
static char *frame_write(char *at, uint8_t opcode, uint64_t key,
                         size_t key_bytes, size_t value_bytes)
{
    uint8_t extras_bytes = opcode == OPCODE_SET ? SET_EXTRAS_BYTES : 0;
    size_t body_bytes = extras_bytes + key_bytes + value_bytes;
    struct header header = {
        .magic = MAGIC_REQUEST,
        .opcode = opcode,
        .key_bytes = htobe16((uint16_t)key_bytes),
        .extras_bytes = extras_bytes,
        .body_bytes = htobe32((uint32_t)body_bytes),
    };

    at = mempcpy(at, &header, sizeof header);
    memset(at, 0, extras_bytes);
    at += extras_bytes;
    if (key_bytes > 0)
        key_format(key, key_bytes, at);
    return at + key_bytes;
}

static void get_write(const struct request *request, size_t key_bytes,
                      struct buffer *out)
{
    size_t frame_bytes = sizeof(struct header) + key_bytes;
    char *start = buffer_room(out, request->keys_count * frame_bytes +
                                       sizeof(struct header));
    uint8_t opcode = request->keys_count == 1 ? OPCODE_GETK : OPCODE_GETKQ;
    char *at = start;

    for (unsigned i = 0; i < request->keys_count; i++)
        at = frame_write(at, opcode, request->keys[i], key_bytes, 0);
    if (opcode == OPCODE_GETKQ)
        at = frame_write(at, OPCODE_NOOP, 0, 0, 0);
    buffer_add(out, (size_t)(at - start));
}

static void set_write(const struct request *request, size_t key_bytes,
                      struct buffer *out)
{
    size_t bytes = sizeof(struct header) + SET_EXTRAS_BYTES + key_bytes +
                   request->value_bytes;
    char *at = buffer_room(out, bytes);

    at = frame_write(at, OPCODE_SET, request->keys[0], key_bytes,
                     request->value_bytes);
    value_fill(request->keys[0], at, request->value_bytes);
    buffer_add(out, bytes);
}

/* Extras of a hit are its flags, which nobody set to anything but 0. */
static void hit_read(struct response *response, const struct header *header,
                     const char *body)
{
    static const char no_flags[4];
    size_t before_value = (size_t)header->extras_bytes + header->key_bytes;

    if (header->extras_bytes != sizeof no_flags ||
        before_value > header->body_bytes ||
        memcmp(body, no_flags, sizeof no_flags) != 0) {
        response->is_broken = true;
        return;
    }
    response->has_value = true;
    response->key = body + header->extras_bytes;
    response->key_bytes = header->key_bytes;
    response->value = body + before_value;
    response->value_bytes = header->body_bytes - before_value;
}

/* A quiet get is answered for good by the noop behind it. */
static void frame_read(struct response *response, const struct header *header,
                       const char *body)
{
    bool is_get =
        header->opcode == OPCODE_GETK || header->opcode == OPCODE_GETKQ;

    response->is_last = header->opcode != OPCODE_GETKQ;
    if (header->magic != MAGIC_RESPONSE)
        response->is_broken = true;
    else if (is_get && header->status == STATUS_OK)
        hit_read(response, header, body);
    else if (header->opcode == OPCODE_SET && header->status == STATUS_OK)
        response->is_stored = true;
    else if (header->status != STATUS_OK &&
             !(is_get && header->status == STATUS_KEY_NOT_FOUND))
        response->is_error = true;
}

static struct response response_read(const char *bytes, size_t length)
{
    struct response response = {.used = 0};
    struct header header;

    if (length < sizeof header)
        return response;
    memcpy(&header, bytes, sizeof header);
    header.key_bytes = be16toh(header.key_bytes);
    header.status = be16toh(header.status);
    header.body_bytes = be32toh(header.body_bytes);
    if (header.body_bytes > VALUE_BYTES_MAX + KEY_BYTES_MAX + UINT8_MAX) {
        response.is_broken = true;
        response.used = length;
        return response;
    }

    if (length - sizeof header < header.body_bytes)
        return response;
    response.used = sizeof header + header.body_bytes;
    frame_read(&response, &header, bytes + sizeof header);
    return response;
}

const struct protocol protocol_binary = {
    .name = "binary",
    .get_write = get_write,
    .set_write = set_write,
    .read = response_read,
};
