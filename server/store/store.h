/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Store: the replica; every item, found by key, bounded by memory.
 *
 * All that is done to a key is done while holding it: store_hold(), look at
 * `hold->item`, put or touch or remove, store_release().  Who only wants to
 * look holds it beside others by store_look().
 *
 * Owns:    all items; hold->item and its spans last until the hold changes
 *          them or is released.  A pinned value lasts until it is unpinned.
 * Units:   sizes in bytes; `now` in microseconds on the clock of time.h.
 * Threads: any.  A thread holds one key at a time and holds none when it
 *          calls store_make_room() or store_maintain().
 * Fails:   STORE_NO_ROOM when memory has to be freed first: release, make
 *          room, and try the whole again.
 */
#ifndef SERVER_STORE_STORE_H
#define SERVER_STORE_STORE_H

#include "proto/base/splice.h"
#include "server/store/index.h"
#include "server/store/item.h"

struct store;
struct segment;
struct onlooker;

/* Told of an item that is about to be evicted, its key locked, by whichever
 * thread needs its room: it must not wait, nor call the store. */
typedef void store_witness(const struct item *item, time_us now, void *context);

struct store_settings {
    size_t memory_bytes_max;   /* items and index together */
    size_t memory_bytes_limit; /* store_resize() may go up to here; address
                                  space is reserved for it */
    size_t item_bytes_max;     /* of a key and its value together */
    bool evicts;               /* false: a full store refuses new items */
    bool replicates;           /* keeps graves and stamps, for other servers */
    time_s grave_s;            /* how long a grave is kept */
    bool counts_sizes;         /* for store_size_count() */
    bool large_pages;          /* from the first item on */
    uint64_t seed;             /* of the hashes of keys; a farm shares it */
    uint16_t origin_tag;       /* of the versions drawn here */
    store_witness *witness;    /* NULL: nobody */
    void *witness_context;
};

enum store_result { STORE_OK, STORE_NO_ROOM, STORE_REFUSED };

/*
 * What is known of a key whose value is not here, kept for other servers.  A
 * grave (deleted, expired) defends against older states; a want stands for a
 * state that lives elsewhere and is still to be pulled.
 */
enum stub_kind { STUB_NONE, STUB_DELETED, STUB_EXPIRED, STUB_WANTED };

struct store_stub {
    enum stub_kind kind;
    uint64_t version;
    uint64_t stamp;
    time_s exptime; /* of the life part */
};

/* Why a key that was looked for is not there. */
enum store_absence { STORE_NEVER, STORE_EXPIRED, STORE_FLUSHED };

struct store_hold {
    struct store *store;
    struct span key;
    uint64_t hash;
    time_us now;
    struct item *item; /* live, or NULL */
    enum store_absence absence;
    struct store_stub stub;    /* of the key, or STUB_NONE */
    struct span digest;        /* of a key that is not known itself */
    struct stripe *stripe;     /* the rest is the store's own */
    struct onlooker *onlooker; /* it looks beside others, and locked nothing */
    struct slot *slot;
    bool is_crowded;
};

/* What to write.  The value is the parts one behind the other. */
struct store_write {
    struct span parts[2];
    uint32_t flags;
    uint8_t marks;
    time_s exptime;
    uint64_t version;
    uint64_t stamp;  /* of the life part; 0: the version */
    uint64_t token;  /* 0: the version */
    bool is_fetched; /* it has been read, before it was written again */
    time_s accessed; /* its last use; 0: now */
};

/* Memory for a value that is still to come. */
struct store_reservation {
    struct item *item; /* NULL: none */
    uint8_t *value;
    size_t key_bytes;
    size_t value_bytes;
};

struct store_figures {
    uint64_t items;
    uint64_t item_bytes;
    uint64_t stubs;
    uint64_t wants; /* of the stubs */
    uint64_t expired;
    uint64_t expired_unfetched;
    uint64_t evicted;
    uint64_t evicted_expiring;
    uint64_t evicted_unfetched;
    uint64_t evicted_active; /* although it was used */
    uint64_t evicted_age_s;  /* since the last use of what was evicted last */
    uint64_t spared;         /* not evicted as it was used */
    uint64_t sweeps;         /* segments looked through for what has died */
    uint64_t checked;        /* items looked at there */
    uint64_t swept;          /* of them, those that had died */
    uint64_t compactions;    /* segments */
    uint64_t rescued;        /* items that moved out of these */
    uint64_t hasty;          /* evictions for which a client waited */
    uint64_t rounds;         /* of store_maintain() */
    uint64_t index_bytes;
    uint64_t index_buckets;
    uint64_t segment_bytes;      /* memory that segments take */
    uint64_t segment_size_bytes; /* of an ordinary one */
    uint64_t segments_free;
    time_s oldest; /* when the oldest segment in use was begun, or 0 */
    uint64_t memory_bytes_max;
};

/* NULL where the memory cannot be had. */
struct store *store_create(const struct store_settings *settings);
void store_destroy(struct store *store);

size_t store_item_bytes_max(const struct store *store);

uint64_t store_hash(const struct store *store, struct span key);

/* Where many keys are looked for, one behind the other: brings nearer what
 * leads to an item, for all of them, then the items themselves. */
void store_prefetch(const struct store *store, uint64_t hash);
void store_prefetch_item(const struct store *store, uint64_t hash);

/* Versions that are drawn from now on carry `tag`. */
void store_set_tag(struct store *store, uint16_t tag);

/* A new version, above all that this store drew or saw. */
uint64_t store_next_version(struct store *store, time_us now);

/* A version hardly above that one: it gives way to whatever was written since,
 * anywhere. */
uint64_t store_version_after(struct store *store, uint64_t version);

/* Locks `key`, whose store_hash() is `hash`, and finds its item. */
void store_hold(struct store *store, struct span key, uint64_t hash,
                time_us now, struct store_hold *hold);
void store_release(struct store_hold *hold);

/* A thread that looks: for its calls of store_look(), as long as the store
 * lives.  NULL, for which they are false, where there are very many. */
struct onlooker *store_add_onlooker(struct store *store);

/* The same for who changes nothing but by store_use(): nobody who looks waits
 * for another.  False where store_hold() has to be called instead. */
MUST_USE bool store_look(struct store *store, struct onlooker *onlooker,
                         struct span key, uint64_t hash, time_us now,
                         struct store_hold *hold);

/* The item was used by a client: eviction spares what is used. */
void store_use(struct store_hold *hold);

/* The same without its having been read. */
void store_spare(struct store_hold *hold);

/* Writes the key's item, whole.  `write` may borrow from hold->item. */
MUST_USE enum store_result store_put(struct store_hold *hold,
                                     const struct store_write *write);

/* The same, with the value of hold->item as the change leaves it; the first
 * part of `write` is what is put. */
MUST_USE enum store_result store_put_splice(struct store_hold *hold,
                                            const struct store_write *write,
                                            const struct splice *change);

/* Sets the life part of hold->item. */
MUST_USE enum store_result store_touch(struct store_hold *hold, time_s exptime,
                                       uint64_t stamp);

/*
 * Sets the marks of hold->item and, unless `stamp` is 0, its life part; all
 * else that clients see of it stays.  Others are told by a version a
 * microsecond above that of the value: whatever was really written since,
 * anywhere, is not undone by a mark.
 */
MUST_USE enum store_result store_mark(struct store_hold *hold, uint8_t marks,
                                      time_s exptime, uint64_t stamp);

/* The key has no item from now on; `version` is that of the grave, where one
 * is left. */
MUST_USE enum store_result store_remove(struct store_hold *hold,
                                        uint64_t version);

/* What is known from elsewhere of one key: its state, or a part of it. */
enum news_kind {
    NEWS_STATE,  /* with its value */
    NEWS_LIFE,   /* the value is of that version, and not here */
    NEWS_DELETED /* at that version */
};

enum merge_result {
    MERGE_OLDER,   /* nothing that was not known */
    MERGE_TAKEN,   /* in part at least */
    MERGE_WANTED,  /* taken, and the value is to be pulled */
    MERGE_NO_ROOM, /* as STORE_NO_ROOM */
    MERGE_NO_BASE  /* nothing is changed: the value has to come whole */
};

/*
 * Brings news to the held key.  Value part and life part are merged each by
 * its own age, the value part by version, the life part by stamp; so that
 * the order in which news arrive does not matter (merge.c).
 */
MUST_USE enum merge_result store_merge(struct store_hold *hold,
                                       enum news_kind kind,
                                       const struct store_write *news);

/* How a value is made from that of version `base`; nothing of it is believed
 * before it was compared with what is here. */
struct store_splice {
    uint64_t base;
    uint64_t value_bytes; /* of what is made */
    struct splice change;
};

/* The same for a state whose value is to be made from the one that is here;
 * the first part of `news` is what is put.  MERGE_NO_BASE where that value is
 * not of the version, or of the length, that it takes. */
MUST_USE enum merge_result
store_merge_splice(struct store_hold *hold, const struct store_write *news,
                   const struct store_splice *splice);

/* A version was heard of from elsewhere: those drawn here are above it. */
void store_saw_version(struct store *store, uint64_t version);

/*
 * Room for a value of `value_bytes` that arrives in pieces, outside of any
 * hold; STORE_REFUSED when half of the memory is reserved already, which no
 * making room would cure.  Ended
 * by a store_put_reserved() that succeeds, which uses the bytes as the value,
 * or by store_cancel().
 */
MUST_USE enum store_result store_reserve(struct store *store, struct span key,
                                         size_t value_bytes,
                                         struct store_reservation *reservation);
MUST_USE enum store_result
store_put_reserved(struct store_hold *hold, const struct store_write *write,
                   struct store_reservation *reservation);
void store_cancel(struct store *store, struct store_reservation *reservation);

/* store_merge() of a state whose value is in the reservation, which ends
 * unless the result is MERGE_NO_ROOM. */
MUST_USE enum merge_result
store_merge_reserved(struct store_hold *hold, const struct store_write *news,
                     struct store_reservation *reservation);

/* Keeps hold->item's value where it is, past the hold, and brings it nearer;
 * NULL if it is small enough to be better copied. */
#define STORE_PIN_BYTES_MIN ((size_t)8 * 1024)
struct segment *store_pin(struct store_hold *hold);
void store_unpin(struct store *store, struct segment *pinned);

/* True where other items are in what is pinned: who does not know how long he
 * will need it copies the value, and unpins. */
bool store_pin_is_shared(const struct segment *pinned);

/* Frees memory for an item of `bytes`, and for one of less if it can; false
 * when the former cannot be done. */
MUST_USE bool store_make_room(struct store *store, size_t bytes, time_us now);

/* The room that an item of this key and value takes. */
size_t store_item_bytes(const struct store *store, size_t key_bytes,
                        size_t value_bytes);

/* All that was written before `moment`, past or still to come, is dead once
 * that moment has come; a moment of 0 is now.  A later flush replaces one that
 * is still to come, but for one in the past.  Returns the flush's version. */
uint64_t store_flush(struct store *store, time_us moment, time_us now);

/* What is known of flushes: all older than `floor` is dead; another may be
 * still to come. */
struct store_flushes {
    uint64_t floor;
    uint64_t pending_version; /* of the flush that is still to come */
    time_us pending_moment;   /* 0: none */
};

struct store_flushes store_read_flushes(struct store *store);

/* Brings news of a flush; a moment of 0 is that of its version. */
void store_merge_flush(struct store *store, uint64_t version, time_us moment,
                       time_us now);

/* Another limit of memory, from now on: what is more is given back by
 * store_maintain().  False, and nothing is changed, beyond the limit that was
 * set at the start, below what an item or two take, or where the system has
 * no more. */
MUST_USE bool store_resize(struct store *store, size_t bytes);

/* Frees what has expired and memory ahead of need; to be called often. */
void store_maintain(struct store *store, time_us now);

/* What is dead is freed with the next store_maintain(), even where so little
 * is that it would have waited for more. */
void store_sweep_soon(struct store *store, time_us now);

/* One item, as a walk over the replica shows it; borrowed for the call. */
typedef void store_visitor(const struct item *item, void *context);

/* Shows the live items of one part of the replica, of store_parts(). */
size_t store_parts(const struct store *store);
void store_visit(struct store *store, size_t part, time_us now,
                 store_visitor *visit, void *context);

/*
 * Shows the live items of one portion of a walk, some ten of them, and
 * returns the cursor of the next; 0 begins a walk, and is returned after its
 * last portion.  Nothing is held between two portions, however long that may
 * be; an item that is there all the while is shown exactly once.
 */
uint64_t store_visit_from(struct store *store, uint64_t cursor, time_us now,
                          store_visitor *visit, void *context);

/*
 * Shows what is known of the keys whose hash is `value` under `mask` (a
 * power of two less one, at least STORE_RANGE_MASK_MIN): live items and
 * stubs, each with its hash.  Borrowed for the call.
 */
#define STORE_RANGE_MASK_MIN (INDEX_STRIPES - 1)

struct store_known {
    uint64_t hash;
    struct store_stub stub;  /* kind STUB_NONE: an item */
    const struct item *item; /* or NULL */
    struct span digest;      /* of a stub's key, 16 bytes */
};

typedef void store_known_visitor(const struct store_known *known,
                                 void *context);
void store_visit_range(struct store *store, uint64_t mask, uint64_t value,
                       time_us now, store_known_visitor *visit, void *context);

/* As store_hold(), for whatever key has these hashes. */
void store_hold_digest(struct store *store, struct span digest, uint64_t hash,
                       time_us now, struct store_hold *hold);

/* True once anything that lived was thrown out for lack of memory. */
bool store_has_evicted(const struct store *store);

void store_read_figures(struct store *store, struct store_figures *figures);

/* How many items take more than `step` - 1 and at most `step` steps of
 * memory; there are store_size_steps() of them, none unless they are counted.
 * Larger items are of the last. */
#define STORE_SIZE_STEP ((size_t)32)
size_t store_size_steps(const struct store *store);
uint64_t store_size_count(const struct store *store, size_t step);

/* One number for all that is held; 0 for nothing.  Not for every request. */
uint64_t store_digest(struct store *store);

/* Asserts what must hold when nobody uses the store; for tests. */
void store_check(struct store *store);

#endif
