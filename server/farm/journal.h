/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Journal: this server's own mutations, numbered 1, 2, 3 …, in a fixed ring
 * of bytes, ready for the wire.
 *
 * A record is appended while its key is held, so that the order of numbers
 * never contradicts what clients saw; appending never waits: the oldest
 * records make way, and whoever still needed them is overrun.
 *
 * Threads: any appends; one reads.  The journal's lock is taken inside a
 *          key's lock and takes none itself.
 */
#ifndef SERVER_FARM_JOURNAL_H
#define SERVER_FARM_JOURNAL_H

#include "proto/grapevine/message.h"

struct journal;

/* Where one link is in the journal. */
struct journal_cursor {
    uint64_t number; /* the next to be read */
    uint64_t offset; /* of its frame, in bytes ever written */
};

/* NULL where the memory cannot be had. */
struct journal *journal_create(size_t ring_bytes);
void journal_destroy(struct journal *journal);

/* The longest record that is streamed: an eighth of the ring, and no more than
 * fits into a frame. */
size_t journal_record_bytes_max(const struct journal *journal);

/* Appends the record and returns its number.  One that is too long is only
 * announced: who wants its value pulls it. */
uint64_t journal_append(struct journal *journal, const struct record *record);

/*
 * The same for a change of which `splice` tells as well as `whole`: the
 * former where all who are linked know splices, and it is not even half as
 * long; else the latter.
 */
uint64_t journal_append_splice(struct journal *journal,
                               const struct record *splice,
                               const struct record *whole);

/* Whether splices are of use now, so that it is worth to look for one: nobody
 * has to before journal_allow_splices().  Threads: any. */
bool journal_takes_splices(const struct journal *journal);
void journal_allow_splices(struct journal *journal, bool allowed);

/* The number of the last splice; 0 if there is none. */
uint64_t journal_last_splice(struct journal *journal);

/* How many there were. */
uint64_t journal_splices(struct journal *journal);

/* The number of the last record; 0 if there is none. */
uint64_t journal_head(struct journal *journal);

/* The bytes that were ever appended. */
uint64_t journal_bytes(struct journal *journal);

/* Puts a cursor before record `number`, or at most head + 1; false when that
 * record is not in the ring any more. */
MUST_USE bool journal_seek(struct journal *journal, uint64_t number,
                           struct journal_cursor *cursor);

/* The bytes of the frame that the cursor is before; 0 when there is nothing
 * new, or that record is gone. */
size_t journal_next_bytes(struct journal *journal,
                          const struct journal_cursor *cursor);

/*
 * Copies whole frames, as many as fit, and moves the cursor behind them.
 * Returns their bytes, 0 when there is nothing new or the first does not fit
 * (journal_next_bytes() tells what it takes); `overrun` tells that the
 * cursor's record is gone.
 */
size_t journal_read(struct journal *journal, struct journal_cursor *cursor,
                    uint8_t *to, size_t bytes, bool *overrun);

#endif
