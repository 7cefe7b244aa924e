/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Heard: what a member has heard of a server, and what would answer it: the
 * ids, numbers and sessions that it waits for, which chance does not find.
 *
 * Of a message the body is mended where it is long enough for the number; the
 * rest is the fuzzer's.
 *
 * Fails: asserts, where what was heard makes no sense.
 */
#ifndef TESTS_FUZZ_HEARD_H
#define TESTS_FUZZ_HEARD_H

#include "tests/fuzz/near.h"

#define HEARD_FETCHES_MAX 4
/* Values that are announced, and given in pieces. */
#define HEARD_LARGE_BYTES ((uint32_t)100000)
#define HEARD_PIECE_BYTES ((uint32_t)65536)
/* Of synchronisations that the member asks for. */
#define HEARD_OWN_SESSION 1

struct fetch {
    struct message_fetch message;
    uint8_t key[RECORD_KEY_BYTES_MAX];
};

struct heard {
    bool is_greeted;
    unsigned heartbeats;
    /* What came last. */
    uint64_t asked; /* the id of a request */
    uint64_t record;
    uint64_t version;
    uint64_t heartbeat;
    uint64_t hash;
    uint64_t view;
    uint64_t command; /* the id of what a home is to decide */
    uint32_t session;
    struct fetch fetches[HEARD_FETCHES_MAX]; /* not answered, oldest first */
    size_t fetches_count;
    /* What it says next. */
    uint64_t next_number;
};

void heard_note(struct heard *heard, const struct message *message);

/* The link has ended. */
void heard_end(struct heard *heard);

/* Mends the body of a message of this kind by the member with this id. */
void heard_mend(struct heard *heard, const struct near *near, uint64_t id,
                uint8_t kind, uint8_t *body, size_t length);

/* Writes the piece that was asked for first; false where none was. */
bool heard_give(struct heard *heard, struct writer *writer);

#endif
