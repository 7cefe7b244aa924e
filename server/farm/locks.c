/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Locks: which server's client has which lock, so that none outlives it.
 *
 * The owner is the server whose client took the lock.  What others change of it
 * since, as a contender does that counts it up while it waits, is a new version
 * of the same owner's: it dies with that one, not with the contender.
 *
 * The record of a lock names its owner; every member keeps that in mind, as any
 * may be home of the lock when its owner dies.  Then the home deletes it, if it
 * is still this version: at once where the owner has left or is proven to be
 * dead, after the grace where it is only silent.  What does not fit in the
 * table lives until its exptime.
 */
#include <assert.h>
#include <stdlib.h>

#include "proto/base/digest.h"
#include "proto/base/planted.h"
#include "server/farm/state.h"

#define LOCKS_MAX (16384 / TABLES_SHARE)
#define BUCKETS (4096 / TABLES_SHARE)
#define NONE UINT32_MAX
/* All are looked at so often; and more often, for a while, when members have
 * come or gone. */
#define LOOK_INTERVAL TIME_US_PER_S
#define LOOK_INTERVAL_BUSY (TIME_US_PER_S / 100)
#define BUSY_FOR (5 * TIME_US_PER_S)

struct lock {
    uint64_t hash;
    uint64_t version; /* 0: this place is free */
    uint64_t owner;
    uint64_t taken;   /* the cas token of its taking; 0: not known */
    time_us orphaned; /* nobody with that id was known, first; 0: not so */
    uint32_t next;    /* of the same bucket, or free */
    uint8_t key_bytes;
    uint8_t key[RECORD_KEY_BYTES_MAX];
};

struct locks {
    size_t count;
    uint64_t view; /* the number of the one that was looked at last */
    time_us busy_until;
    time_us next_look;
    uint32_t free; /* of those that were in use before */
    uint32_t used; /* places from here on never were: no memory yet */
    uint32_t buckets[BUCKETS];
    struct lock list[LOCKS_MAX];
};

struct locks *locks_create(void)
{
    struct locks *locks = calloc(1, sizeof(*locks));

    if (locks == NULL)
        return NULL;
    locks->free = NONE;
    for (size_t i = 0; i < BUCKETS; i++)
        locks->buckets[i] = NONE;
    return locks;
}

void locks_destroy(struct farm *farm)
{
    free(farm->locks);
}

static struct span key_of(const struct lock *lock)
{
    return span_of(lock->key, lock->key_bytes);
}

/* What leads to the lock, or to NONE. */
static uint32_t *find(struct locks *locks, uint64_t hash, struct span key)
{
    uint32_t *at = &locks->buckets[digest_mix(hash) % BUCKETS];

    while (*at != NONE && (locks->list[*at].hash != hash ||
                           !span_equal(key_of(&locks->list[*at]), key)))
        at = &locks->list[*at].next;
    return at;
}

static void drop(struct locks *locks, uint32_t *at)
{
    uint32_t place = *at;
    struct lock *lock = &locks->list[place];

    *at = lock->next;
    lock->version = 0;
    lock->next = locks->free;
    locks->free = place;
    locks->count--;
}

static struct lock *add(struct locks *locks, uint32_t *at, uint64_t hash,
                        struct span key)
{
    uint32_t place = locks->free;

    if (place != NONE)
        locks->free = locks->list[place].next;
    else if (locks->used < LOCKS_MAX)
        place = locks->used++;
    if (place == NONE)
        return NULL;
    struct lock *lock = &locks->list[place];
    *lock = (struct lock){
        .hash = hash, .next = NONE, .key_bytes = (uint8_t)key.length};
    span_copy(lock->key, key);
    *at = place;
    locks->count++;
    return lock;
}

static void take_over(struct lock *lock, const struct farm_lock *told)
{
    if (!told->is_kept)
        lock->taken = told->taken;
    else if (lock->owner != told->owner)
        lock->taken = 0;
    lock->version = told->version;
    lock->owner = told->owner;
    lock->orphaned = 0;
}

/* Of a change it is not known by which taking it is the owner's. */
static void learn_taking(struct lock *lock, const struct farm_lock *told)
{
    if (lock->version == told->version && lock->owner == told->owner &&
        lock->taken == 0 && !told->is_kept)
        lock->taken = told->taken;
}

void locks_note(struct farm *farm, struct span key,
                const struct farm_lock *told)
{
    struct locks *locks = farm->locks;
    uint64_t hash = store_hash(farm->store, key);
    uint32_t *at = find(locks, hash, key);
    struct lock *lock = *at == NONE ? NULL : &locks->list[*at];
    bool is_gone = told->version == 0 || told->owner == 0;

    if (lock != NULL && told->version != 0 && lock->version >= told->version) {
        learn_taking(lock, told);
        return;
    }
    if (is_gone && lock != NULL)
        drop(locks, at);
    if (!is_gone && lock == NULL)
        lock = add(locks, at, hash, key);
    if (!is_gone && lock != NULL)
        take_over(lock, told);
}

void locks_heard(struct farm *farm, const struct record *record)
{
    struct farm_lock told = {.version = record->version,
                             .owner = record->owner,
                             .taken = record->token,
                             .is_kept = record->is_kept};

    if (record->owner == 0 &&
        (farm->locks->count == 0 || record->kind == RECORD_STUB ||
         record->kind == RECORD_TOUCH))
        return;
    locks_note(farm, record->key, &told);
}

void locks_tell(struct farm *farm, const struct member *member)
{
    for (uint32_t i = 0; i < farm->locks->used; i++) {
        const struct lock *lock = &farm->locks->list[i];
        struct message message = {.kind = MESSAGE_LOCK,
                                  .lock = {.version = lock->version,
                                           .owner = lock->owner,
                                           .taken = lock->taken,
                                           .key = key_of(lock)}};
        if (lock->version != 0)
            effect_send(farm, member->link, &message);
    }
}

bool farm_find_lock(const struct farm *farm, struct span key,
                    struct farm_lock *lock)
{
    uint32_t place = *find(farm->locks, store_hash(farm->store, key), key);

    if (place == NONE)
        return false;
    *lock = (struct farm_lock){.version = farm->locks->list[place].version,
                               .owner = farm->locks->list[place].owner,
                               .taken = farm->locks->list[place].taken};
    return true;
}

struct farm_lock farm_lock_after(const struct farm *farm, struct span key,
                                 uint64_t before, uint64_t asker,
                                 bool is_taking)
{
    struct farm_lock lock;

    if (is_taking || PLANTED == PLANTED_LOCK_TAKEN_OVER)
        return (struct farm_lock){.owner = asker};
    if (before == 0 || !farm_find_lock(farm, key, &lock) ||
        lock.version != before)
        return (struct farm_lock){.owner = 0};
    lock.is_kept = true;
    return lock;
}

static bool is_orphan(struct farm *farm, struct lock *lock)
{
    const struct member *owner = member_find(farm, lock->owner);
    time_us grace = farm->settings.lock_grace;

    if (lock->owner == farm->settings.id)
        return false;
    if (owner == NULL) {
        if (lock->orphaned == 0)
            lock->orphaned = farm->now;
        return farm->now - lock->orphaned >= grace;
    }
    lock->orphaned = 0;
    if (!member_is_gone(owner))
        return false;
    return owner->state == MEMBER_LEFT || owner->is_proven ||
           farm->now - owner->heard >= grace;
}

/* What of a lock is here: another version may have come in a way that names no
 * owner, or it may be gone. */
static bool is_here(struct farm *farm, const struct lock *lock)
{
    struct store_hold hold;

    store_hold(farm->store, key_of(lock), lock->hash, farm->time, &hold);
    bool is_here = hold.item != NULL && hold.item->version == lock->version;
    store_release(&hold);
    return is_here;
}

static void look_at(struct farm *farm, struct lock *lock)
{
    uint32_t *at = find(farm->locks, lock->hash, key_of(lock));

    if (!is_here(farm, lock) && PLANTED != PLANTED_RELEASE_ANY) {
        drop(farm->locks, at);
    } else if (is_orphan(farm, lock) &&
               view_home(farm, lock->hash) == farm->settings.id) {
        effect_release(farm, key_of(lock),
                       PLANTED == PLANTED_RELEASE_ANY ? 0 : lock->version);
        farm->figures.locks_released++;
        drop(farm->locks, at);
    }
}

static bool is_time(struct farm *farm)
{
    struct locks *locks = farm->locks;
    bool is_new = locks->view != farm->view.number;

    if (is_new)
        locks->busy_until = farm->now + farm->settings.lock_grace + BUSY_FOR;
    locks->view = farm->view.number;
    if (!is_new && farm->now < locks->next_look)
        return false;
    locks->next_look =
        farm->now +
        (farm->now < locks->busy_until ? LOOK_INTERVAL_BUSY : LOOK_INTERVAL);
    return true;
}

void locks_run(struct farm *farm)
{
    struct locks *locks = farm->locks;

    if (locks->count == 0 || !view_acts(farm) || !view_has_homes(farm) ||
        !is_time(farm))
        return;
    for (uint32_t i = 0; i < locks->used; i++) {
        if (locks->list[i].version != 0)
            look_at(farm, &locks->list[i]);
    }
}

size_t locks_count(const struct farm *farm)
{
    return farm->locks->count;
}

void locks_check(const struct farm *farm)
{
    const struct locks *locks = farm->locks;

    assert(locks->count <= locks->used);
    assert(locks->used <= LOCKS_MAX);
}
