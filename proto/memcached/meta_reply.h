/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Meta reply: a code of two letters, then what the request's flags ask for,
 * in their order.
 */
#ifndef PROTO_MEMCACHED_META_REPLY_H
#define PROTO_MEMCACHED_META_REPLY_H

#include "proto/memcached/reply.h"

/* Writes what goes before the value and returns its length; 0 for outcomes
 * that are told like those of other text commands. */
size_t meta_reply_head(const struct command *command,
                       const struct outcome *outcome,
                       uint8_t to[REPLY_HEAD_BYTES_MAX]);

/* True where a quiet command is not answered. */
bool meta_reply_is_silent(const struct command *command,
                          const struct outcome *outcome);

#endif
