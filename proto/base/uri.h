/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * URI: bytes as they stand in a line for people and scripts (RFC 3986).
 */
#ifndef PROTO_BASE_URI_H
#define PROTO_BASE_URI_H

#include "proto/base/span.h"

/* What so many bytes become at most. */
#define URI_BYTES_MAX(bytes) (3 * (bytes))

/* Writes `text` with all but letters, digits and -._~ as %XX, and returns
 * the byte behind it. */
uint8_t *uri_escape(uint8_t *to, struct span text);

/* Likewise only blanks and control bytes: a word stays one word, and a line
 * one line. */
uint8_t *uri_escape_blanks(uint8_t *to, struct span text);

#endif
