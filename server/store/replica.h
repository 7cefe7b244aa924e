/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Replica: the inside of the store, shared by its files and nobody else.
 */
#ifndef SERVER_STORE_REPLICA_H
#define SERVER_STORE_REPLICA_H

#include "server/store/ghosts.h"
#include "server/store/segment.h"
#include "server/store/store.h"
#include "server/store/summary.h"
#include "server/store/version.h"

/* What is counted for the whole store, once for each segment or request. */
enum tally {
    TALLY_EVICTED_ACTIVE, /* evicted although it was used */
    TALLY_SPARED,         /* not evicted as it was used */
    TALLY_SWEEPS,         /* segments looked through for what has died */
    TALLY_CHECKED,        /* items looked at there */
    TALLY_SWEPT,          /* of them, those that had died */
    TALLY_COMPACTIONS,    /* segments */
    TALLY_RESCUED,        /* items that moved out of these */
    TALLY_HASTY,          /* evictions for which a client waited */
    TALLY_ROUNDS,         /* of maintenance */
    TALLIES
};

struct store {
    struct store_settings settings;
    struct version_clock clock;
    struct index index;
    struct segment_pool pool;
    struct ghosts ghosts;
    struct summary summary;
    pthread_mutex_t flush_lock;     /* of changing what follows */
    uint64_t flush_last;            /* the version of the last one heard of */
    _Atomic uint64_t flush_version; /* older items are dead */
    _Atomic uint64_t flush_moment;  /* of the flush to come; 0: none */
    _Atomic size_t reserved_bytes;  /* for values still to come */
    _Atomic bool has_evicted;       /* anything that lived, ever */
    pthread_mutex_t eviction_lock;  /* taken before any key's lock */
    pthread_mutex_t resize_lock;    /* of changing these two */
    bool is_shrinking;              /* there is still something to be done */
    _Atomic size_t memory_goal;     /* that limit; the pool's follows */
    _Atomic uint32_t *sizes;        /* items by steps of memory; or NULL */
    size_t sizes_count;
    _Atomic uint64_t tallies[TALLIES];
    _Atomic uint32_t evicted_age; /* of what was evicted last, in seconds */
};

static inline void tally(struct store *store, enum tally which, uint64_t amount)
{
    atomic_fetch_add_explicit(&store->tallies[which], amount,
                              memory_order_relaxed);
}

static inline void stripe_add(struct stripe *stripe, enum stripe_figure figure,
                              uint64_t amount)
{
    _Atomic uint64_t *at = &stripe->figures[figure];

    /* The stripe's lock makes this the only writer. */
    atomic_store_explicit(
        at, atomic_load_explicit(at, memory_order_relaxed) + amount,
        memory_order_relaxed);
}

/* How an item stands at `now`: STORE_NEVER means that it is alive. */
enum store_absence replica_death(const struct store *store,
                                 const struct item *item, time_us now);

/* The same for an item of that version and exptime. */
enum store_absence replica_death_of(const struct store *store, uint64_t version,
                                    time_s exptime, time_us now);

/* Takes the item out of index, summary and figures; its memory is dead. */
void replica_unlink(struct store *store, struct stripe *stripe, uint64_t hash,
                    struct slot *slot);

/* The same for what has died by itself: counted as such. */
void replica_expire(struct store *store, struct stripe *stripe, uint64_t hash,
                    struct slot *slot);

/* Makes the slot lead to `item`, appended and not settled, of the same key;
 * what it led to is dead. */
void replica_relink(struct store *store, struct stripe *stripe, uint64_t hash,
                    struct slot *slot, struct item *item);

/*
 * Moves the item at `slot`, of a claimed segment that is walked from its
 * start: to what is left of the open segment of that life, or else to
 * `end_bytes` of its own segment, which grows by the item.
 */
void replica_move(struct store *store, struct slot *slot, enum life_class life,
                  struct segment *segment, size_t *end_bytes);

/* Writes what of an item may change later, all but its fixed fields; returns
 * where the key is. */
uint8_t *replica_write_state(struct item *item, size_t value_bytes,
                             const struct store_write *write);

/* Writes a new item up to its value; returns where the value goes. */
uint8_t *replica_write_item(struct item *item, uint8_t shape, struct span key,
                            size_t value_bytes,
                            const struct store_write *write);

/* What is known of the use of `item`, written in the place of hold->item or,
 * over it, in its own. */
void replica_write_use(struct item *item, const struct store_hold *hold,
                       const struct store_write *write);

/* Makes the held key lead to `item`, instead of to what it had before. */
enum store_result replica_link(struct store_hold *hold, struct item *item);

/* The same for an appended item, whose pin ends; if it cannot be linked it
 * is dead at once. */
enum store_result replica_link_appended(struct store_hold *hold,
                                        struct item *item);

/* Calls `step` for every item of a claimed segment that is still in the
 * index, its key locked. */
typedef void replica_step(struct store *store, struct stripe *stripe,
                          uint64_t hash, struct slot *slot, void *context);
void replica_walk(struct store *store, struct segment *segment,
                  size_t end_bytes, replica_step *step, void *context);

/* The same for one item of it. */
void replica_visit(struct store *store, struct item *item, replica_step *step,
                   void *context);

/* expiry.c: sweeps at most `segments_max` segments; true if none is left. */
bool expiry_sweep(struct store *store, time_us now, unsigned segments_max);

/* flush.c: a flush whose moment has come takes effect. */
void flush_fire(struct store *store, time_us now);

/* eviction.c: true where an item that takes at most `bytes` finds room. */
bool eviction_has_room(struct store *store, size_t bytes);

/* Makes room for it; false when it cannot be had. */
bool eviction_make_room(struct store *store, size_t bytes, time_us now);

/* Room for some segments more than that; false when it cannot be had. */
bool eviction_make_slack(struct store *store, time_us now);

/* resize.c: goes some way towards the limit that was last asked for. */
void resize_continue(struct store *store, time_us now);

#endif
