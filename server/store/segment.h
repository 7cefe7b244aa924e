/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segment: item memory, a fixed number of bytes cut into equal segments to
 * which items are appended.
 *
 * Items of about the same remaining life share a segment, so that a segment
 * tends to die as a whole.  An item larger than an eighth of a segment has a
 * private segment of its own size.  A segment without live items goes back
 * at once.  Sealed ones wait in two queues, the oldest first: fresh ones, and
 * those of what was kept by eviction.
 *
 * States: free -> open (items are appended) -> sealed -> free.
 * Pins:   whoever still writes an item, or sends a value from where it lies,
 *         holds a pin; a pinned segment is neither moved nor freed, and of
 *         one that is claimed no reader gets a pin.
 * Threads: any.  The pool's lock is taken inside a key's lock, never the
 *         other way round.
 */
#ifndef SERVER_STORE_SEGMENT_H
#define SERVER_STORE_SEGMENT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "proto/base/time.h"

/* Remaining life up to a minute, a quarter hour, four hours, longer; never
 * dying; what was moved together and still is fresh; what is kept. */
enum life_class {
    LIFE_MINUTE,
    LIFE_QUARTER,
    LIFE_HOURS,
    LIFE_LONG,
    LIFE_UNLIMITED,
    LIFE_MOVED,
    LIFE_KEPT,
    LIFE_CLASSES
};

enum queue { QUEUE_FRESH, QUEUE_KEPT, QUEUES };

enum segment_state { SEGMENT_FREE, SEGMENT_OPEN, SEGMENT_SEALED };

/* At the start of its own memory. */
struct segment {
    struct segment *next;
    struct segment *previous;
    size_t capacity_bytes; /* of the whole, this header included */
    size_t used_bytes;     /* likewise; under the pool's lock */
    _Atomic size_t live_bytes;
    _Atomic uint32_t pins;
    _Atomic uint32_t expiry_min; /* no item in it dies before; UINT32_MAX */
    enum segment_state state;
    enum queue queue;
    bool is_private;
    int8_t extents;          /* the number of those that it is of, or -1 */
    _Atomic bool is_claimed; /* eviction or expiry walks through it */
    time_s rests_until;      /* expiry found little in it */
    time_s begun; /* when it was opened or spared; 0: not known yet */
};

#define SEGMENT_HEADER_BYTES 128
_Static_assert(sizeof(struct segment) <= SEGMENT_HEADER_BYTES,
               "a segment's header fits before its first item");

/* Address space for private segments up to a size, taken place by place.  A
 * place that is left takes no memory. */
struct extents {
    uint8_t *start; /* NULL: not reserved yet */
    size_t place_bytes;
    size_t places_max;
    size_t carved_count; /* ever used, from the start */
    uint32_t *left;      /* those of them that are not in use, as a stack */
    size_t left_count;
};

#define EXTENTS 24

struct segment_list {
    struct segment *first; /* the oldest */
    struct segment *last;
};

struct segment_pool {
    pthread_mutex_t lock;
    size_t segment_bytes;
    size_t bytes_max;
    _Atomic size_t *index_bytes; /* shares bytes_max with the segments */
    uint8_t *arena;              /* address space for ordinary segments */
    size_t arena_limit;
    size_t reserve_count;
    size_t arena_bytes;   /* of it, those that may be used */
    size_t carved_bytes;  /* of these, ever used, from the start */
    size_t held_bytes;    /* of segments that take memory, private included */
    bool has_large_pages; /* where the system has some, and nothing is free */
    bool has_extents;
    struct extents extents[EXTENTS]; /* each twice as large as the one before */
    struct segment_list free;        /* memory kept for the next use */
    struct segment_list returned;    /* memory given back to the system */
    struct segment_list sealed[QUEUES];
    size_t sealed_bytes[QUEUES];
    size_t sealed_count;
    unsigned turns_count;       /* of evictions */
    struct segment *scanned;    /* where the search for dead ones goes on */
    struct segment_list doomed; /* to be unmapped outside of the lock */
    size_t mapped_count; /* of private segments, those mapped by themselves */
    size_t free_count;
    struct segment *open[LIFE_CLASSES];
    _Atomic uint32_t expiry_min; /* of all segments, or earlier */
    time_s second;               /* as of the last segment_tick() */
};

/* False where the memory cannot be had; it never grows beyond `bytes_limit`.
 * So many segments are kept for LIFE_MOVED.  Borrows `index_bytes`. */
bool segment_pool_init(struct segment_pool *pool, size_t bytes_max,
                       size_t bytes_limit, size_t reserve_count,
                       _Atomic size_t *index_bytes);
void segment_pool_release(struct segment_pool *pool);

/* At most `bytes_max` from now on, no less than before; false where the
 * memory cannot be had. */
bool segment_pool_grow(struct segment_pool *pool, size_t bytes_max);

/* One segment less than before, down to `goal`; true when that is reached.
 * Room for more than that one segment was made first, so that nobody finds
 * the memory full for it. */
bool segment_pool_lower(struct segment_pool *pool, size_t goal);

/* What the pool is limited to, for now. */
size_t segment_limit_bytes(struct segment_pool *pool);

/* The least that a pool with such segments can work with. */
size_t segment_least_bytes(const struct segment_pool *pool);

/* Asks for large pages for what is not touched yet, but for the first few
 * segments unless `at_once`; before other threads use the pool. */
void segment_use_large_pages(struct segment_pool *pool, bool at_once);

enum life_class life_class(time_s exptime, time_s now);

/*
 * Room for an item of `bytes`, pinned until segment_settle(); NULL when some
 * segment has to be freed first.  Only LIFE_MOVED may use the last segments.
 */
void *segment_append(struct segment_pool *pool, enum life_class life,
                     size_t bytes, time_s exptime);

/* The same in what is left of the open segment of that life; NULL where it does
 * not fit. */
void *segment_append_rest(struct segment_pool *pool, enum life_class life,
                          size_t bytes, time_s exptime);

/* True where an item of `bytes` has a private segment. */
bool segment_is_large(const struct segment_pool *pool, size_t bytes);

/* The same in a segment of its own, however small the item. */
void *segment_append_private(struct segment_pool *pool, size_t bytes,
                             time_s exptime);

/* The item at `item` is written (or given up): ends segment_append's pin. */
void segment_settle(struct segment_pool *pool, void *item);

/* `bytes` at `item` are dead from now on. */
void segment_forget(struct segment_pool *pool, void *item, size_t bytes);

/* The item's segment now holds something that dies at `exptime`. */
void segment_expires(struct segment_pool *pool, void *item, time_s exptime);

/* True where the item has a private segment, which may be pinned. */
bool segment_is_private(const struct segment_pool *pool, const void *item);
bool segment_is_pinned(const struct segment_pool *pool, const void *item);

/* Keeps the item's bytes as they are until segment_unpin(); NULL where they may
 * be about to move. */
struct segment *segment_pin(struct segment_pool *pool, const void *item);
void segment_unpin(struct segment_pool *pool, struct segment *segment);

/* True where an item of `bytes` would find room. */
bool segment_has_room(struct segment_pool *pool, size_t bytes);

/* True where a segment is going to be needed soon, and there is none. */
bool segment_is_short(struct segment_pool *pool);

/* True where some segments more than that are free. */
bool segment_has_slack(struct segment_pool *pool);

/*
 * Claims a segment to walk through, or NULL: one at least `dead_percent` of
 * which is dead, the deadest of some hundred, or of all in a `thorough` search;
 * the oldest one of the queue whose turn it is to
 * be evicted from, a private one where only that would help an item that
 * `is_large`; one in which something dies by `now`.  `end_bytes` is where its
 * items end.
 */
struct segment *segment_claim_dead(struct segment_pool *pool,
                                   unsigned dead_percent, bool is_thorough,
                                   size_t *end_bytes);
struct segment *segment_claim_oldest(struct segment_pool *pool, bool is_large,
                                     size_t *end_bytes);
struct segment *segment_claim_expired(struct segment_pool *pool, time_s now,
                                      size_t *end_bytes);

/* Ends a claim; a segment without live items becomes free. */
void segment_yield(struct segment_pool *pool, struct segment *segment);

/* The same after expiry found `freed_bytes` dead: of a segment in which
 * there was little to be found nobody looks again for some seconds. */
void segment_yield_swept(struct segment_pool *pool, struct segment *segment,
                         size_t freed_bytes, time_s now);

/* Ends a claim after all that lives was moved to the segment's start, before
 * `end_bytes`: what is left of it is the open segment of that life. */
void segment_reopen(struct segment_pool *pool, struct segment *segment,
                    enum life_class life, size_t end_bytes);

/* Ends a claim and makes the segment the youngest of those that are kept. */
void segment_spare(struct segment_pool *pool, struct segment *segment);

/* Makes every segment look as if something in it died: after a flush. */
void segment_expire_all(struct segment_pool *pool);

/* Whatever in them died already is looked at again at once. */
void segment_wake_all(struct segment_pool *pool, time_s now);

/* Bytes of memory that all segments take. */
size_t segment_held_bytes(struct segment_pool *pool);

/* Tells the pool the time, by which segments grow old; to be called often. */
void segment_tick(struct segment_pool *pool, time_s now);

struct segment_figures {
    size_t held_bytes; /* as segment_held_bytes() */
    size_t segment_bytes;
    size_t free_count; /* of them, those that nothing is in */
    time_s oldest;     /* when the oldest in use was begun; 0: not known */
};

void segment_read_figures(struct segment_pool *pool,
                          struct segment_figures *figures);

#endif
