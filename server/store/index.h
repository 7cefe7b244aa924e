/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Index: finds an item by its key.
 *
 * Buckets of one cache line with ten slots each; a slot is 8 bits of the hash
 * and 40 of where the item lies.  What does not fit a bucket goes to spares of
 * half a line.  It grows by linear hashing, one bucket at a time in place, so
 * that no operation ever waits for a rehash.
 *
 * Threads: keys are locked by stripe; all that happens to a key happens
 *          between index_lock() and index_unlock() of its hash.  At most one
 *          stripe is locked by a thread at a time.  Who changes nothing may
 *          look beside others, between index_look() and index_look_away():
 *          who locks waits until nobody looks there.
 */
#ifndef SERVER_STORE_INDEX_H
#define SERVER_STORE_INDEX_H

#include <pthread.h>
#include <stdatomic.h>

#include "proto/base/digest.h"
#include "server/store/item.h"

#define INDEX_STRIPES 1024
/* Threads that look; others lock. */
#define INDEX_ONLOOKERS_MAX 64
#define INDEX_SLOTS 10
#define INDEX_SPARE_SLOTS 4
#define INDEX_PLACE_BYTES 5

/* What is counted per stripe, under its lock, and summed when asked for. */
enum stripe_figure {
    STRIPE_ITEMS,
    STRIPE_ITEM_BYTES,
    STRIPE_STUBS,
    STRIPE_WANTS, /* of the stubs */
    STRIPE_EXPIRED,
    STRIPE_EXPIRED_UNFETCHED,
    STRIPE_EVICTED,
    STRIPE_EVICTED_EXPIRING, /* of them, those that had an exptime */
    STRIPE_EVICTED_UNFETCHED,
    STRIPE_FIGURES
};

struct stripe {
    _Alignas(128) pthread_mutex_t lock;
    _Atomic bool is_written; /* and nobody is to look */
    _Atomic uint64_t figures[STRIPE_FIGURES];
};

/* A thread that looks, in a cache line that only those who lock look at. */
struct onlooker {
    _Alignas(128) _Atomic(struct stripe *) stripe; /* where; or NULL */
};

/* What is in use, counted for some stripes together: of one alone it says too
 * little of how full the index is. */
#define INDEX_GROUPS 32

struct group {
    _Alignas(64) _Atomic size_t slots_used;
};

/* Some bits of the key's hash, or 0: nothing is here.  Where the item lies is
 * told by index_item(). */
struct slot {
    uint8_t tag;
};

struct bucket {
    struct slot slots[INDEX_SLOTS];
    uint8_t places[INDEX_SLOTS][INDEX_PLACE_BYTES];
    uint32_t overflow; /* the number of a spare, or 0 */
};

struct spare {
    struct slot slots[INDEX_SPARE_SLOTS];
    uint8_t places[INDEX_SPARE_SLOTS][INDEX_PLACE_BYTES];
    uint32_t overflow;
    uint32_t unused;
};

_Static_assert(sizeof(struct bucket) == 64, "a bucket is one cache line");
_Static_assert(sizeof(struct spare) == 32, "a spare is half a cache line");

struct index {
    struct stripe *stripes;
    struct group *groups;
    struct onlooker *onlookers;
    _Atomic size_t onlookers_count;
    struct bucket *buckets;
    const uint8_t *arena; /* what lies less than ARENA_MAX behind is near */
    size_t buckets_max;   /* under the growth lock */
    size_t buckets_limit; /* of the address space that is reserved */
    _Atomic size_t buckets_count;
    _Atomic size_t bytes; /* of memory that buckets and spares take */
    uint64_t seed;
    pthread_mutex_t growth_lock;
    pthread_mutex_t spare_lock;
    struct spare *spares;
    uint32_t spare_first; /* of those not in use, by number; or 0 */
    size_t spare_count;   /* ever in use */
    size_t spare_max;     /* these under the spare lock */
    size_t spare_limit;
};

/*
 * What a slot can tell of where an item lies: that it is less than
 * INDEX_ARENA_MAX behind the arena's start; else that it is INDEX_FAR_OFFSET
 * behind a multiple of INDEX_FAR_ALIGN.
 */
#define INDEX_ARENA_MAX ((size_t)1 << 39)
#define INDEX_FAR_ALIGN ((size_t)1 << 16)
#define INDEX_FAR_OFFSET ((size_t)128)

/* At most `bytes_max` of memory, and never more than `bytes_limit`; false
 * where it cannot be had. */
bool index_init(struct index *index, size_t bytes_max, size_t bytes_limit,
                uint64_t seed);
void index_release(struct index *index);

/* Where most of the items are going to lie; before there are any. */
void index_set_arena(struct index *index, const void *arena);

/* Asks for large pages for what is not touched yet. */
void index_use_large_pages(struct index *index);

static inline uint64_t index_hash(const struct index *index, struct span key)
{
    return digest64(key, index->seed);
}

/* Brings the key's bucket nearer, long before it is needed. */
void index_prefetch(const struct index *index, uint64_t hash);

/* The same, once the bucket has come, for the item that it leads to. */
void index_prefetch_item(const struct index *index, uint64_t hash);

/* One more thread that looks, as long as there is an index; NULL where there
 * are as many as may be. */
struct onlooker *index_add_onlooker(struct index *index);

/* Looks at what is of that hash; false where that is locked. */
MUST_USE bool index_look(struct index *index, struct onlooker *onlooker,
                         uint64_t hash);
void index_look_away(struct onlooker *onlooker);

struct stripe *index_lock(struct index *index, uint64_t hash);
void index_unlock(struct stripe *stripe);

/* The slot of that key, and its item (or stub); or NULL. */
struct slot *index_find(struct index *index, uint64_t hash, struct span key,
                        struct item **item);

/* The same by the 128 bits of hash that stubs have of it. */
struct slot *index_find_digest(struct index *index, uint64_t hash,
                               struct span digest, struct item **item);

/* The slot that leads to this very item, or NULL if none does. */
struct slot *index_find_item(struct index *index, uint64_t hash,
                             const struct item *item);

struct item *index_item(const struct index *index, const struct slot *slot);

/* Makes an existing slot lead to another item of the same key. */
void index_replace(const struct index *index, struct slot *slot,
                   const struct item *item);

/* Adds an item whose key is not in; NULL when spares have run out. */
MUST_USE struct slot *index_insert(struct index *index, uint64_t hash,
                                   const struct item *item);

void index_remove(struct index *index, uint64_t hash, struct slot *slot);

/* How many items and stubs there are. */
size_t index_slots_used(const struct index *index);

/* True where the buckets of this hash and its neighbours are fuller than they
 * should be. */
bool index_is_crowded(const struct index *index, uint64_t hash);

/* Splits one bucket.  No stripe may be locked by the caller. */
void index_grow(struct index *index);

/* At most `bytes_max` of memory from now on; what is more than that already is
 * given back by index_shrink().  False beyond the limit, or where the system
 * has no more. */
bool index_allow(struct index *index, size_t bytes_max);

/* Merges two buckets; false where there are as few as at the start, or no
 * room for it.  No stripe may be locked by the caller. */
bool index_shrink(struct index *index);

/* Between these two no bucket is split or merged. */
void index_hold_still(struct index *index);
void index_let_move(struct index *index);

/* The hash by which an item, or a stub, is filed. */
uint64_t index_item_hash(const struct index *index, const struct item *item);

typedef void index_visitor(struct item *item, void *context);

/* Calls `visit` with every item of bucket `number`, its stripe locked. */
void index_visit(struct index *index, size_t number, index_visitor *visit,
                 void *context);

/*
 * The same with the items of one portion of a walk over all, that begins at
 * `cursor`: 0 at first.  Returns where the next one begins, or 0 after the
 * last.  However the index grows or shrinks between two portions, what stays
 * is visited once.
 */
uint64_t index_visit_from(struct index *index, uint64_t cursor,
                          index_visitor *visit, void *context);

#endif
