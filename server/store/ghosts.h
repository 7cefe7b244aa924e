/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ghosts: which keys were evicted not long ago, before they were used; inside
 * of the store.
 *
 * Sets of 12 fingerprints, the oldest of which makes way.  There are as many
 * as items ask for, an eighth to a quarter of them.
 *
 * Threads: a key's set is read and written under its key's lock only.
 */
#ifndef SERVER_STORE_GHOSTS_H
#define SERVER_STORE_GHOSTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GHOSTS_SET 12

struct ghosts {
    uint32_t (*sets)[GHOSTS_SET];
    size_t sets_max;
    _Atomic size_t sets_count; /* a power of two, at least INDEX_STRIPES */
    _Atomic size_t *bytes;     /* told of the memory that is in use */
};

/* Room for those of `items_max`; false where it cannot be had.  Borrows
 * `bytes`. */
bool ghosts_init(struct ghosts *ghosts, size_t items_max,
                 _Atomic size_t *bytes);
void ghosts_release(struct ghosts *ghosts);

/* There are so many items now. */
void ghosts_fit(struct ghosts *ghosts, size_t items);

void ghosts_add(struct ghosts *ghosts, uint64_t hash);

/* True if it was there; it is not any more. */
bool ghosts_take(struct ghosts *ghosts, uint64_t hash);

#endif
