/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text: the classic text protocol, from bytes to commands.
 *
 * The rules are those of memcached 1.6.45 (doc/protocol.txt there, and its
 * answers on the wire); doc/compatibility.md lists where ours differ.
 */
#ifndef PROTO_MEMCACHED_TEXT_H
#define PROTO_MEMCACHED_TEXT_H

#include "proto/memcached/command.h"

/* A line without its end may grow to this; only `get` and `gets` further. */
#define TEXT_LINE_BYTES_MAX 2048
#define TEXT_GET_LINE_BYTES_MAX ((size_t)1024 * 1024)

/* Where a connection is between calls; all zero at its start. */
struct text_parser {
    size_t scanned_bytes;   /* of input, known to hold no line end */
    size_t line_bytes_left; /* of a retrieval begun, its end included */
    size_t line_end_bytes;  /* 1 or 2: LF or CR LF */
    bool with_token;
    bool touches;
    int64_t exptime;
};

/*
 * Takes the next command from `input`.  After PARSE_COMMAND the next call
 * gets the input that follows the `used` bytes (and what `command` announced
 * as value_bytes or swallow_bytes); after PARSE_MORE the same, grown.
 */
struct parsed text_parse(struct text_parser *parser, struct span input,
                         const struct parse_limits *limits,
                         struct command *command);

#endif
