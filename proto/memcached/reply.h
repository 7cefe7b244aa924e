/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reply: from what came of a command to the bytes that its client expects.
 *
 * A reply is head, value, tail; the value itself is not copied here, so that
 * a large one can be sent from where it lies.
 */
#ifndef PROTO_MEMCACHED_REPLY_H
#define PROTO_MEMCACHED_REPLY_H

#include "proto/base/time.h"
#include "proto/memcached/command.h"

/* What clients are told to be talking to; they ask for features by it. */
#define REPLY_MEMCACHED_VERSION "1.6.45"

/* No head is longer: header, extras, a key and four decimal numbers. */
#define REPLY_HEAD_BYTES_MAX 512
#define REPLY_TAIL_BYTES_MAX 16

enum outcome_kind {
    OUTCOME_REFUSED, /* the command says why */
    OUTCOME_HIT,
    OUTCOME_FOUND, /* a hit whose value was not asked for */
    OUTCOME_MISS,
    OUTCOME_STORED,
    OUTCOME_NOT_STORED,
    OUTCOME_EXISTS,
    OUTCOME_NOT_FOUND,
    OUTCOME_DELETED,
    OUTCOME_TOUCHED,
    OUTCOME_NUMBER,
    OUTCOME_NON_NUMERIC,
    OUTCOME_TOO_LARGE,
    OUTCOME_UNTERMINATED,
    OUTCOME_NO_MEMORY,
    OUTCOME_NOT_HELD,  /* done here, but not held by the whole farm */
    OUTCOME_UNDECIDED, /* nothing was done: nobody could decide for the farm */
    OUTCOME_UNKNOWN,   /* it may have been done, or not, or will be */
    OUTCOME_OK,
    OUTCOME_VERSION,
    OUTCOME_AUTHENTICATED,
    OUTCOME_CHALLENGE,  /* binary: to be answered; `value` comes behind it */
    OUTCOME_MECHANISMS, /* binary: `value` comes behind it */
    OUTCOME_SILENT
};

/* What a meta command tells of an item, as it was before the command. */
struct outcome_item {
    bool was_fetched; /* read since it was written */
    bool was_won;     /* somebody else recaches it */
    bool was_stale;
    bool is_won; /* this client is to recache it */
    bool is_created;
    bool is_base64;         /* its key goes out encoded */
    time_s now;             /* the second of the command */
    time_s exptime;         /* 0: never */
    time_s touched_exptime; /* if the command touches */
    time_s created_exptime; /* if it was created */
    time_s idle_s;          /* since its last use */
    uint32_t value_bytes;
    uint32_t room_bytes; /* all that it takes */
};

struct outcome {
    enum outcome_kind kind;
    uint32_t flags;
    uint64_t token;    /* the item's cas token */
    uint64_t number;   /* of OUTCOME_NUMBER */
    struct span value; /* of OUTCOME_HIT, borrowed from the store; of others
                          that say so */
    struct outcome_item item; /* of a meta command that found or wrote one */
};

/* All but `item`, which whoever tells of one fills as a whole. */
static inline void outcome_clear(struct outcome *outcome)
{
    memset(outcome, 0, offsetof(struct outcome, item));
}

/* True where the protocol sends nothing for this outcome. */
bool reply_is_silent(const struct command *command,
                     const struct outcome *outcome);

/* Writes what goes before the value; returns its length. */
size_t reply_head(const struct command *command, const struct outcome *outcome,
                  uint8_t to[REPLY_HEAD_BYTES_MAX]);

/* Writes what goes after the value (or the head); returns its length. */
size_t reply_tail(const struct command *command, const struct outcome *outcome,
                  uint8_t to[REPLY_TAIL_BYTES_MAX]);

/* Head, value and tail of a hit in the text protocol, without its token; `to`
 * has REPLY_HEAD_BYTES_MAX, the value and REPLY_TAIL_BYTES_MAX.  Returns their
 * length. */
size_t reply_hit(const struct command *command, uint32_t flags,
                 struct span value, uint8_t *to);

/* One line or packet of statistics; `to` has REPLY_HEAD_BYTES_MAX. */
size_t reply_stat(const struct command *command, struct span name,
                  struct span value, uint8_t *to);

/* The same in the binary protocol for a value that is written behind it. */
size_t reply_stat_head(const struct command *command, struct span name,
                       size_t value_bytes, uint8_t *to);

/* What ends a list of statistics, or stands for an unknown one. */
size_t reply_stats_end(const struct command *command, uint8_t *to);
size_t reply_stats_reset(const struct command *command, uint8_t *to);
size_t reply_stats_unknown(const struct command *command, uint8_t *to);

#endif
