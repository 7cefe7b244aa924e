/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Command: one request on one key, whichever client protocol brought it.
 *
 * A parser fills it, server/command executes it, reply.h answers it.  A text
 * line that asks for many keys becomes one command for each, `last` on the
 * last one.  What cannot be executed is a command too: COMMAND_REFUSED, with
 * the refusal that the client is to be told.
 *
 * Borrows: spans point into the parsed input; the key, where it came in
 *          base64 or was minted, into the command itself.
 */
#ifndef PROTO_MEMCACHED_COMMAND_H
#define PROTO_MEMCACHED_COMMAND_H

#include "proto/base/span.h"

/* Limits of the protocols; memcached's unless said otherwise. */
#define COMMAND_KEY_BYTES_MAX 250
/* Of a key that came as 250 bytes of base64. */
#define COMMAND_DECODED_KEY_BYTES_MAX 188
/* What `mint` adds to its prefix, and what the prefix may have for that. */
#define COMMAND_MINTED_BYTES 32
#define COMMAND_MINT_PREFIX_BYTES_MAX                                          \
    (COMMAND_DECODED_KEY_BYTES_MAX - COMMAND_MINTED_BYTES)
/* Values up to here are parsed whole from the input; above, they follow. */
#define COMMAND_INLINE_BYTES_MAX ((size_t)64 * 1024)

enum protocol { PROTOCOL_UNKNOWN, PROTOCOL_TEXT, PROTOCOL_BINARY };

enum command_kind {
    COMMAND_REFUSED,
    COMMAND_RETRIEVE,
    COMMAND_STORE,
    COMMAND_REMOVE,
    COMMAND_ARITHMETIC,
    COMMAND_TOUCH,
    COMMAND_FLUSH,
    COMMAND_VERSION,
    COMMAND_STATS,
    COMMAND_INSPECT,
    COMMAND_OPERATOR, /* the words are the session's to understand */
    COMMAND_NOOP,
    COMMAND_QUIT,
    COMMAND_AUTHENTICATE,
    COMMAND_MECHANISMS
};

enum command_mode {
    MODE_SET,
    MODE_ADD,
    MODE_REPLACE,
    MODE_APPEND,
    MODE_PREPEND,
    MODE_INCREMENT,
    MODE_DECREMENT
};

/* Why a request is not executed; reply.c has the words for each. */
enum refusal {
    REFUSAL_NONE,
    REFUSAL_UNKNOWN_COMMAND,
    REFUSAL_FORMAT,
    REFUSAL_EXPTIME,
    REFUSAL_DELTA,
    REFUSAL_DELETE,
    REFUSAL_LINE_TOO_LONG,
    REFUSAL_ARGUMENTS,
    REFUSAL_FLAG,
    REFUSAL_FLAG_TWICE,
    REFUSAL_FLAGS_MANY,
    REFUSAL_FLAG_NUMBER,
    REFUSAL_FLAG_INITIAL,
    REFUSAL_FLAG_DELTA,
    REFUSAL_FLAG_OPAQUE,
    REFUSAL_FLAG_OF_COUNT,
    REFUSAL_KEY_CODE,
    REFUSAL_STORE_MODE,
    REFUSAL_COUNT_MODE,
    REFUSAL_UNAUTHENTICATED, /* of who has not said who it is */
    REFUSAL_AUTHENTICATION,  /* that was not true */
    REFUSAL_TOKEN_FORMAT,
    REFUSAL_TOKEN_END,
    REFUSAL_TOKEN_TOO_LONG,
    REFUSAL_FLUSH /* the server was told to flush nothing */
};

/* What is wrong with the data block of a COMMAND_STORE. */
enum block_fault { BLOCK_SOUND, BLOCK_TOO_LARGE, BLOCK_UNTERMINATED };

struct command {
    enum command_kind kind;
    enum command_mode mode;
    enum protocol protocol;
    enum refusal refusal;
    enum block_fault block_fault;

    bool quiet;         /* text: noreply; binary: a quiet opcode; meta: q */
    bool with_key;      /* the reply names the key */
    bool with_token;    /* the reply tells the cas token */
    bool last;          /* the last key of its line */
    bool touches;       /* a retrieval that also sets exptime */
    bool has_compare;   /* only where the item's token is `compare` */
    bool creates;       /* on a miss: arithmetic stores `initial` */
    bool value_follows; /* `value_bytes` come after this command */
    bool closes;        /* the connection ends after the reply */
    bool mints;         /* `key` is a prefix, until command_mint() */
    bool is_of_lock;    /* its key is that of a lock, says who executes it */
    bool ends_taking;   /* a removal: of the lock whose taking had the token
                           `compare`, whatever became of its value since */

    /* Of meta commands only. */
    bool is_meta;
    bool key_is_base64; /* on the wire */
    bool with_value;    /* the reply has the value, or the number */
    bool is_unnoticed;  /* a retrieval that is no use of the item */
    bool recaches;      /* below `recache_exptime` one client wins */
    bool invalidates;   /* what is there becomes stale, or may be replaced by
                           what is older */
    bool empties;       /* a removal that leaves an item without a value */

    uint8_t opcode;  /* binary, echoed */
    uint32_t opaque; /* binary, echoed */
    uint32_t flags;
    int64_t exptime; /* as the client sent it */
    uint64_t compare;
    uint64_t delta;
    uint64_t initial;
    int64_t created_exptime; /* of what is created on a miss */
    int64_t recache_exptime;
    uint64_t token; /* of what is written; 0: a new one */

    uint64_t hash; /* of `key`, set by whoever executes the command */
    struct span key;
    struct span value;
    struct span argument; /* of stats; of an operator, the whole line */
    struct span tokens;   /* the flags of a meta command, see meta.h */

    size_t value_bytes;   /* announced length of the value */
    size_t swallow_bytes; /* of input to be dropped unread after this */

    uint8_t decoded_key[COMMAND_DECODED_KEY_BYTES_MAX]; /* not zeroed */
};

/* A command without anything in it, for a parser to fill.  It is zeroed in
 * parts: for as much at once gcc takes a string instruction, the start of which
 * costs more than all of this. */
static inline void command_clear(struct command *command,
                                 enum protocol protocol)
{
    uint8_t *at = (uint8_t *)command;

    memset(at, 0, 64);
    memset(at + 64, 0, 64);
    memset(at + 128, 0, offsetof(struct command, decoded_key) - 128);
    command->protocol = protocol;
    command->last = true;
}

/* The key of a command that mints, which no other has: 128 random bits behind
 * the prefix. */
static inline void command_mint(struct command *command,
                                const uint8_t random[COMMAND_MINTED_BYTES / 2])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *to = span_copy(command->decoded_key, command->key);

    for (size_t i = 0; i < COMMAND_MINTED_BYTES / 2; i++) {
        *to++ = (uint8_t)digits[random[i] >> 4];
        *to++ = (uint8_t)digits[random[i] & 15];
    }
    command->key =
        span_of(command->decoded_key, (size_t)(to - command->decoded_key));
}

enum parse_result {
    PARSE_COMMAND,    /* `command` is filled, `used` bytes of input are done */
    PARSE_MORE,       /* call again with at least `need` bytes of input */
    PARSE_CLOSE,      /* not a client of ours: close without a reply */
    PARSE_CREDENTIALS /* the input goes to credentials_parse_binary() */
};

struct parsed {
    enum parse_result result;
    size_t used;
    size_t need;
};

/* What a parser must know of the server. */
struct parse_limits {
    size_t item_bytes_max; /* of key and value together */
    bool with_sasl;        /* clients authenticate by the SASL opcodes */
};

/* It changes nothing, whatever it finds. */
static inline bool command_only_reads(const struct command *command)
{
    return command->kind == COMMAND_RETRIEVE && !command->is_meta &&
           !command->touches;
}

#endif
