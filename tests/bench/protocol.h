/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Protocol: how requests are written and replies are read.
 *
 * A protocol is a row of three functions.  They are written from the
 * published descriptions and share nothing with the server, so that they do
 * not repeat its mistakes.
 */
#ifndef TESTS_BENCH_PROTOCOL_H
#define TESTS_BENCH_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

struct request {
    enum { REQUEST_GET, REQUEST_SET } kind;
    unsigned keys_count; /* one for a set */
    unsigned keys_asked; /* keys before this place have been accounted for */
    unsigned keys_hit;
    uint64_t *keys;     /* numbers, see key.h */
    size_t value_bytes; /* of a set */
};

/* One piece of a reply; spans stay valid until the bytes read move. */
struct response {
    size_t used;       /* bytes; 0: the piece is not complete yet */
    bool is_broken;    /* these bytes are none of the protocol */
    bool is_last;      /* nothing more comes for this request */
    bool is_error;     /* refused by the server */
    bool is_stored;    /* a set was obeyed */
    bool has_value;    /* for `key`, which was found */
    const char *key;   /* `key_bytes` of it */
    const char *value; /* `value_bytes` of it */
    size_t key_bytes;
    size_t value_bytes;
};

struct protocol {
    const char *name;

    void (*get_write)(const struct request *request, size_t key_bytes,
                      struct buffer *out);

    void (*set_write)(const struct request *request, size_t key_bytes,
                      struct buffer *out);

    /* The first piece in `length` bytes. */
    struct response (*read)(const char *bytes, size_t length);
};

extern const struct protocol protocol_text;
extern const struct protocol protocol_meta;
extern const struct protocol protocol_binary;

/* NULL if there is none of that name. */
const struct protocol *protocol_named(const char *name);

#endif
