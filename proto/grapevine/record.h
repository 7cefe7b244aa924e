/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Record: one mutation, as it stands in a journal and travels on links.
 *
 * Layout: kind u8, then by kind (doc/protocol.md has the table).  Bytes
 *         behind the fields known here belong to later versions and are
 *         skipped; a kind not known here is RECORD_UNKNOWN, not an error.
 * Borrows: spans point into the decoded bytes.
 */
#ifndef PROTO_GRAPEVINE_RECORD_H
#define PROTO_GRAPEVINE_RECORD_H

#include "proto/base/cursor.h"
#include "proto/base/splice.h"

#define RECORD_KEY_BYTES_MAX 250
/* Everything of a record but its value. */
#define RECORD_HEAD_BYTES_MAX 320

enum record_kind {
    RECORD_UNKNOWN = 0, /* of a later version: numbered, not applied */
    RECORD_CREATE = 1,  /* the state did not exist at its origin */
    RECORD_UPDATE = 2,  /* whole: replaces */
    RECORD_TOUCH = 3,   /* the life part alone */
    RECORD_DELETE = 4,
    RECORD_FLUSH = 5,
    RECORD_LEAVE = 6,    /* the last of its journal */
    RECORD_ANNOUNCE = 7, /* a value too large to stream: to be pulled */
    RECORD_STUB = 8,  /* what is known of a key whose value is gone; only in a
                         synchronisation, `key` is 128 bits of its hash */
    RECORD_SPLICE = 9 /* an update that carries only what changed: not known to
                         who speaks version 1 */
};

#define RECORD_STUB_KEY_BYTES 16

struct record {
    enum record_kind kind;
    uint8_t marks;
    uint32_t flags;
    uint32_t exptime;     /* seconds since 1970 in farm time; 0: never */
    uint64_t version;     /* of the value part, of the delete, of the flush */
    uint64_t stamp;       /* of the life part */
    uint64_t token;       /* the cas token that clients see */
    uint64_t owner;       /* of a lock: whose client has it; 0: it is none */
    bool is_kept;         /* the owner had it before: this is no taking */
    uint64_t moment;      /* of a flush, microseconds in farm time */
    uint64_t hash;        /* of a stub, by which its key is filed */
    uint8_t stub_kind;    /* of a stub: enum stub_kind of the store */
    uint32_t value_bytes; /* of an announced value, of what a splice makes */
    uint64_t base;        /* of a splice: what it is made from */
    uint32_t offset;      /* of a splice: where in both values */
    uint32_t cut_bytes;   /* of a splice: of that, go */
    struct span key;
    struct span value; /* of a splice: what comes in their place */
};

enum decode_result { DECODE_OK, DECODE_MALFORMED };

/* All of `bytes` is one record. */
MUST_USE enum decode_result record_decode(struct span bytes,
                                          struct record *record);

/* Writes the record; `writer->ok` tells whether it fitted. */
void record_encode(const struct record *record, struct writer *writer);

/* The same without the value, which record_value() tells: a value that is
 * large need not be copied to be written. */
void record_encode_head(const struct record *record, struct writer *writer);
struct span record_value(const struct record *record);

/* The update `whole` as a splice of what had the version `base`. */
struct record record_splice(const struct record *whole, uint64_t base,
                            const struct splice *change);

/* What record_encode() will write. */
size_t record_bytes(const struct record *record);

#endif
