/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listing: an answer to `stats` that is too long for one turn.
 *
 * It is written piece by piece, as the client reads; the requests behind it
 * wait meanwhile, and other clients do not.
 *
 * Threads: its session's.
 */
#ifndef SERVER_SESSION_LISTING_H
#define SERVER_SESSION_LISTING_H

#include "proto/memcached/command.h"
#include "server/session/roll.h"

/* What one turn writes of it, or a little more. */
#define LISTING_TURN_BYTES ((size_t)64 * 1024)

enum listing_kind {
    LISTING_ITEMS,       /* of `stats cachedump` */
    LISTING_PREFIXES,    /* of `stats detail dump` */
    LISTING_SIZES,       /* of `stats sizes` */
    LISTING_CONNECTIONS, /* of `stats conns` */
};

struct listing {
    enum listing_kind kind;
    struct command command; /* what is answered, without its spans */
    uint64_t at;            /* the next part of what is listed */
    uint64_t lines_left;
    size_t bytes_left;
    struct roll *roll; /* of LISTING_CONNECTIONS */
};

struct session;

/* Begins it; NULL if memory is out. */
struct listing *listing_begin(struct session *session, enum listing_kind kind,
                              const struct command *command);

/* Writes what belongs into a turn; true when the listing has ended. */
MUST_USE bool listing_continue(struct session *session);

void listing_drop(struct session *session);

#endif
