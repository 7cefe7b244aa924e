/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Message: what two members of a farm say to each other on a link.
 *
 * Frame:   length u32 of what follows, kind u8, body.  Numbers are in network
 *          byte order; short texts stand behind their length u8.
 * Later:   bytes behind the fields known here are skipped, and so is a kind
 *          that is not known here: a farm is upgraded one server at a time.
 * Borrows: spans point into the decoded bytes.
 */
#ifndef PROTO_GRAPEVINE_MESSAGE_H
#define PROTO_GRAPEVINE_MESSAGE_H

#include "proto/grapevine/record.h"

/* The versions of this protocol that are spoken here.  Version 2 knows
 * RECORD_SPLICE; version 3 says which records it waits for, with
 * MESSAGE_RECORD_AWAITED and MESSAGE_ACK_AWAITED, and has others acknowledge
 * the rest when they like. */
#define MESSAGE_VERSION_LOW 1
#define MESSAGE_VERSION_HIGH 3
#define MESSAGE_VERSION_SPLICES 2
#define MESSAGE_VERSION_AWAITS 3

#define MESSAGE_FRAME_BYTES 4
/* One item of one list of a synchronisation. */
#define MESSAGE_ENTRY_BYTES 25
#define MESSAGE_VECTOR_ENTRY_BYTES 16

enum message_kind {
    MESSAGE_UNKNOWN = 0,
    MESSAGE_HELLO = 1,
    MESSAGE_REFUSE = 2,
    MESSAGE_MEMBERS = 3,
    MESSAGE_HEARTBEAT = 4,
    MESSAGE_HEARTBEAT_REQUEST = 5,
    MESSAGE_ALIVE = 6,
    MESSAGE_ATTACH = 7,
    MESSAGE_OVERRUN = 8,
    MESSAGE_RECORD = 9,
    MESSAGE_ACK = 10,
    MESSAGE_REQUEST = 11,
    MESSAGE_STATE = 12,
    MESSAGE_HAVE = 13,
    MESSAGE_MISSING = 14,
    MESSAGE_FETCH = 15,
    MESSAGE_PIECE = 16,
    MESSAGE_FORWARD = 17,
    MESSAGE_SYNC_BEGIN = 18,
    MESSAGE_SYNC_LIST = 19,
    MESSAGE_SYNC_PULL = 20,
    MESSAGE_SYNC_STATE = 21,
    MESSAGE_SYNC_END = 22,
    MESSAGE_ENTER = 23,
    MESSAGE_COMMAND = 24,
    MESSAGE_DECISION = 25,
    MESSAGE_LOCK = 26,
    MESSAGE_ACK_AWAITED = 27,
    MESSAGE_RECORD_AWAITED = 28
};

enum member_state {
    MEMBER_JOINING = 1,
    MEMBER_SYNCING = 2,
    MEMBER_READY = 3,
    MEMBER_SUSPECT = 4,
    MEMBER_DEAD = 5,
    MEMBER_LEFT = 6
};

/* Packed lists stay packed: `count` entries in `bytes`, read one by one. */
struct message_list {
    size_t count;
    struct span bytes;
};

/* The first message on a link, both ways. */
struct message_hello {
    uint16_t version_low;
    uint16_t version_high;
    uint64_t id;
    uint16_t tag;         /* of the versions that it draws */
    uint8_t state;        /* enum member_state */
    uint64_t clock;       /* its farm time, microseconds */
    uint64_t ready_since; /* farm time, or 0: it is not READY */
    uint64_t settings;    /* digest of those that must agree; 0: it knows of
                             none, and of no homes */
    uint64_t memory_bytes;
    uint32_t item_bytes_max;
    struct span farm;
    struct span name;
    struct span address; /* where it can be dialled */
};

/* To whom a member is linked, so that others find their way there. */
struct message_member {
    uint64_t id;
    uint8_t state;
    struct span name;
    struct span address;
};

struct message_heartbeat {
    uint8_t state;
    uint16_t tag;               /* of the versions that it draws now */
    uint64_t clock;             /* its farm time */
    uint64_t ready_since;       /* farm time, or 0 */
    uint64_t sent;              /* on its own clock, to be echoed as it is */
    uint64_t echo_sent;         /* of the last heartbeat from you, or 0 */
    uint32_t echo_age_us;       /* how long ago that came */
    uint64_t head;              /* of its journal */
    uint64_t root;              /* of its digest */
    struct message_list vector; /* (id u64, number u64): applied there */
};

struct message_request {
    uint64_t id;
    struct message_list vector; /* answer when you have applied this */
    struct span key;
};

struct message_have {
    uint64_t id;
    uint64_t version;
    uint64_t stamp;
    uint32_t value_bytes;
};

/* What it knows of the key all the same: its grave, that it is wanted. */
struct message_missing {
    uint64_t id;
    uint8_t stub_kind; /* enum stub_kind of the store; 0: nothing */
    uint64_t version;
    uint64_t stamp;
    uint32_t exptime;
    bool is_evicted; /* it does not want it back; nobody says so yet */
};

/* Bytes of a value, and who else lacks it. */
struct message_fetch {
    uint64_t id;
    uint64_t version;
    uint32_t offset;
    uint32_t bytes;
    struct span key;
    struct message_list lacking; /* (id u64) */
};

/* Each piece says by itself what it is a piece of. */
struct message_piece {
    uint64_t id;
    uint32_t offset;
    struct span head; /* an announce, encoded: all but the value */
    struct span bytes;
};

struct message_forward {
    uint64_t to;
    uint64_t from;
    struct span inner; /* kind and body */
};

/* What a synchronisation compares. */
struct message_entry {
    uint64_t hash;
    uint64_t version;
    uint64_t stamp;
    uint8_t kind; /* enum entry_kind */
};

/* What a member has of a key: its value, a grave, or only word of it. */
enum entry_kind { ENTRY_VALUE, ENTRY_GRAVE, ENTRY_WANT };

struct message_sync {
    uint32_t session;
    uint64_t mask;            /* a list covers the hashes that are `value` */
    uint64_t value;           /* under this mask */
    struct message_list list; /* entries, or hashes u64 to pull */
};

/* "From now on this is the view that I support." */
struct message_enter {
    uint64_t view;              /* a digest of who is in it */
    uint64_t previous;          /* the one that it supported before, or 0 */
    uint64_t number;            /* how many it has entered */
    uint64_t version;           /* none that it knows of is higher */
    struct message_list vector; /* applied there, its own journal first */
};

/* Commands for their home to decide. */
struct message_command {
    uint64_t id;
    uint64_t view;              /* in which that is their home */
    bool is_again;              /* a link ended before the answer came */
    uint32_t within_us;         /* later nobody waits for it */
    struct message_list vector; /* execute them when you have applied this */
    uint16_t count;
    struct span commands; /* each: hash u64, length u32, bytes */
};

/* What came of them; those behind the first `count` were not executed. */
struct message_decision {
    uint64_t id;
    bool is_unknown;            /* nobody can tell whether they hold */
    struct message_list vector; /* tell when you have applied this */
    uint16_t count;
    struct span results; /* each: length u32, bytes */
};

/* Who has a lock, for a member that has not heard of it. */
struct message_lock {
    uint64_t version; /* of the lock's value */
    uint64_t owner;   /* the server whose client has it */
    struct span key;
    uint64_t taken; /* the cas token of its taking; 0: not known */
};

struct message {
    enum message_kind kind;
    union {
        struct message_hello hello;
        struct span refuse; /* the reason, for people */
        struct message_list members;
        struct message_heartbeat heartbeat;
        uint64_t subject; /* of a heartbeat request, 0: you; of ALIVE */
        uint64_t number;  /* of ATTACH, OVERRUN and ACK */
        struct {
            uint64_t number;   /* of RECORD */
            uint64_t id;       /* of STATE */
            uint32_t session;  /* of SYNC_STATE */
            struct span bytes; /* a record, encoded */
        } state;
        struct message_request request;
        struct message_have have;
        struct message_missing missing;
        struct message_fetch fetch;
        struct message_piece piece;
        struct message_forward forward;
        struct message_sync sync;
        struct message_enter enter;
        struct message_command command;
        struct message_decision decision;
        struct message_lock lock;
    };
};

/* Where a frame is in a stream of bytes. */
enum frame_result { FRAME_OK, FRAME_MORE, FRAME_TOO_LARGE };

/* Finds the first frame of `input`: its kind and body in `inner`, what it
 * takes with its length in `used`.  FRAME_MORE: `used` bytes are needed. */
enum frame_result message_frame(struct span input, size_t inner_bytes_max,
                                struct span *inner, size_t *used);

/* Decodes kind and body; a kind of a later version is MESSAGE_UNKNOWN. */
MUST_USE enum decode_result message_decode(struct span inner,
                                           struct message *message);

/* Writes the whole frame; `writer->ok` tells whether it fitted. */
void message_encode(const struct message *message, struct writer *writer);

/* Reads one of the commands; false where the bytes do not hold one. */
bool message_read_command(struct reader *commands, uint64_t *hash,
                          struct span *bytes);

/* Entries of lists, both ways.  Reading beyond the count is a bug. */
struct message_member message_read_member(struct reader *list);
void message_write_member(struct writer *list,
                          const struct message_member *member);
struct message_entry message_read_entry(struct reader *list);
void message_write_entry(struct writer *list,
                         const struct message_entry *entry);

#endif
