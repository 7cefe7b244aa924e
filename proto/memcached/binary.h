/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Binary: memcached's binary protocol, from bytes to commands.
 *
 * Frame:  24 bytes of header (magic, opcode, key length, extras length, data
 *         type, vbucket, body length, opaque, cas), then extras, key, value.
 * Source: memcached's doc/protocol-binary.txt and its answers on the wire.
 */
#ifndef PROTO_MEMCACHED_BINARY_H
#define PROTO_MEMCACHED_BINARY_H

#include "proto/memcached/command.h"

#define BINARY_MAGIC_REQUEST 0x80
#define BINARY_MAGIC_RESPONSE 0x81
#define BINARY_HEADER_BYTES 24
/* The exptime that asks incr and decr not to create what is missing. */
#define BINARY_EXPTIME_NO_CREATION UINT32_MAX
/* A body above this is no mistake of a client. */
#define BINARY_BODY_BYTES_MAX INT32_MAX

enum binary_opcode {
    BINARY_GET = 0x00,
    BINARY_SET = 0x01,
    BINARY_ADD = 0x02,
    BINARY_REPLACE = 0x03,
    BINARY_DELETE = 0x04,
    BINARY_INCREMENT = 0x05,
    BINARY_DECREMENT = 0x06,
    BINARY_QUIT = 0x07,
    BINARY_FLUSH = 0x08,
    BINARY_GETQ = 0x09,
    BINARY_NOOP = 0x0a,
    BINARY_VERSION = 0x0b,
    BINARY_GETK = 0x0c,
    BINARY_GETKQ = 0x0d,
    BINARY_APPEND = 0x0e,
    BINARY_PREPEND = 0x0f,
    BINARY_STAT = 0x10,
    BINARY_SETQ = 0x11,
    BINARY_ADDQ = 0x12,
    BINARY_REPLACEQ = 0x13,
    BINARY_DELETEQ = 0x14,
    BINARY_INCREMENTQ = 0x15,
    BINARY_DECREMENTQ = 0x16,
    BINARY_QUITQ = 0x17,
    BINARY_FLUSHQ = 0x18,
    BINARY_APPENDQ = 0x19,
    BINARY_PREPENDQ = 0x1a,
    BINARY_TOUCH = 0x1c,
    BINARY_GAT = 0x1d,
    BINARY_GATQ = 0x1e,
    BINARY_SASL_LIST = 0x20,
    BINARY_SASL_AUTH = 0x21,
    BINARY_SASL_STEP = 0x22,
    BINARY_GATK = 0x23,
    BINARY_GATKQ = 0x24
};

enum binary_status {
    BINARY_SUCCESS = 0x00,
    BINARY_NOT_FOUND = 0x01,
    BINARY_EXISTS = 0x02,
    BINARY_TOO_LARGE = 0x03,
    BINARY_INVALID_ARGUMENTS = 0x04,
    BINARY_NOT_STORED = 0x05,
    BINARY_NON_NUMERIC = 0x06,
    BINARY_AUTH_ERROR = 0x20,
    BINARY_AUTH_CONTINUES = 0x21,
    BINARY_UNKNOWN_COMMAND = 0x81,
    BINARY_OUT_OF_MEMORY = 0x82,
    BINARY_INTERNAL_ERROR = 0x84,
    BINARY_TEMPORARY_FAILURE = 0x86
};

/* Takes the next command from `input`, as text_parse() does. */
struct parsed binary_parse(struct span input, const struct parse_limits *limits,
                           struct command *command);

#endif
