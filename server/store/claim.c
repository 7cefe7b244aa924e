/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Claim: which segment eviction or expiry walks through next, and how that
 * ends.
 */
#include <assert.h>

#include "server/store/pool.h"

/* A tenth of memory is for what is fresh (S3-FIFO, SOSP '23): what was not
 * used while it was there does not get into the rest. */
#define FRESH_SHARE 10
/* Clients wait while dead segments are looked for: of very many, some at a
 * time. */
#define SCANNED_MAX 512
/* So often at least it is the turn of what is kept: however little of what is
 * fresh is used, what is not used any more goes in the end. */
#define KEPT_TURNS 32
/* A segment may be swept each second, but of very many no more than so many
 * in one. */
#define SWEPT_PER_S 2048
#define REST_MAX_S 15

static bool is_claimable(const struct segment *segment)
{
    return !segment->is_claimed &&
           atomic_load_explicit(&segment->pins, memory_order_acquire) == 0;
}

/* NULL where there is none, or a reader was faster. */
static struct segment *claim(struct segment *segment, size_t *end_bytes)
{
    if (segment == NULL)
        return NULL;
    atomic_store(&segment->is_claimed, true);
    if (atomic_load(&segment->pins) > 0) {
        atomic_store(&segment->is_claimed, false);
        return NULL;
    }
    *end_bytes = segment->used_bytes;
    return segment;
}

static size_t dead_bytes(const struct segment *segment)
{
    return segment->used_bytes - SEGMENT_HEADER_BYTES -
           atomic_load_explicit(&segment->live_bytes, memory_order_relaxed);
}

/* The next one of all that are sealed, round and round; there is one. */
static struct segment *scan(struct segment_pool *pool)
{
    struct segment *segment = pool->scanned;

    if (segment == NULL)
        segment = pool->sealed[QUEUE_KEPT].first;
    if (segment == NULL)
        segment = pool->sealed[QUEUE_FRESH].first;
    pool->scanned = segment->next;
    if (segment->next == NULL && segment->queue == QUEUE_KEPT)
        pool->scanned = pool->sealed[QUEUE_FRESH].first;
    return segment;
}

struct segment *segment_claim_dead(struct segment_pool *pool,
                                   unsigned dead_percent, bool is_thorough,
                                   size_t *end_bytes)
{
    struct segment *deadest = NULL;
    size_t most_bytes = pool->segment_bytes * dead_percent / 100;

    pthread_mutex_lock(&pool->lock);
    size_t count = pool->sealed_count;
    if (!is_thorough && count > SCANNED_MAX)
        count = SCANNED_MAX;
    for (size_t i = 0; i < count; i++) {
        struct segment *s = scan(pool);
        if (dead_bytes(s) >= most_bytes && !s->is_private && is_claimable(s)) {
            deadest = s;
            most_bytes = dead_bytes(s) + 1;
        }
    }
    deadest = claim(deadest, end_bytes);
    pthread_mutex_unlock(&pool->lock);
    return deadest;
}

static struct segment *claim_oldest_of(const struct segment_list *list,
                                       bool is_private, size_t *end_bytes)
{
    for (struct segment *s = list->first; s != NULL; s = s->next) {
        if (is_claimable(s) && (s->is_private || !is_private) &&
            claim(s, end_bytes) != NULL)
            return s;
    }
    return NULL;
}

struct segment *segment_claim_oldest(struct segment_pool *pool, bool is_large,
                                     size_t *end_bytes)
{
    pthread_mutex_lock(&pool->lock);
    size_t fresh_bytes = pool->sealed_bytes[QUEUE_FRESH];
    size_t kept_bytes = pool->sealed_bytes[QUEUE_KEPT];
    bool is_fresh = fresh_bytes > (fresh_bytes + kept_bytes) / FRESH_SHARE &&
                    ++pool->turns_count % KEPT_TURNS != 0;
    enum queue turn = is_fresh ? QUEUE_FRESH : QUEUE_KEPT;
    /* Where there are too many mappings no ordinary segment is of help. */
    bool is_private = is_large && pool->mapped_count >= MAPPED_MAX;
    struct segment *oldest =
        claim_oldest_of(&pool->sealed[turn], is_private, end_bytes);
    if (oldest == NULL)
        oldest = claim_oldest_of(&pool->sealed[QUEUES - 1 - turn], is_private,
                                 end_bytes);
    pthread_mutex_unlock(&pool->lock);
    return oldest;
}

/* True where something in it may die by `now`; else the pool is told when. */
static bool has_expired(struct segment_pool *pool, struct segment *segment,
                        time_s now)
{
    if (segment == NULL)
        return false;
    uint32_t expiry = atomic_load(&segment->expiry_min);
    if (expiry < segment->rests_until)
        expiry = segment->rests_until;
    if (expiry <= now && is_claimable(segment))
        return true;
    lower_second(&pool->expiry_min, expiry);
    return false;
}

static struct segment *first_expired(struct segment_pool *pool,
                                     const struct segment_list *list,
                                     time_s now)
{
    for (struct segment *s = list->first; s != NULL; s = s->next) {
        if (has_expired(pool, s, now))
            return s;
    }
    return NULL;
}

struct segment *segment_claim_expired(struct segment_pool *pool, time_s now,
                                      size_t *end_bytes)
{
    struct segment *expired = NULL;

    /* Most of the time nothing is due, and nothing need be looked at. */
    if (atomic_load(&pool->expiry_min) > now)
        return NULL;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->expiry_min, UINT32_MAX);
    for (int life = 0; life < LIFE_CLASSES && expired == NULL; life++) {
        if (has_expired(pool, pool->open[life], now))
            expired = pool->open[life];
    }
    for (int queue = 0; queue < QUEUES && expired == NULL; queue++)
        expired = first_expired(pool, &pool->sealed[queue], now);
    /* The walk lowers it again for what it leaves behind; others wait. */
    if (expired != NULL)
        lower_second(&pool->expiry_min, now);
    expired = claim(expired, end_bytes);
    if (expired != NULL)
        atomic_store(&expired->expiry_min, UINT32_MAX);
    pthread_mutex_unlock(&pool->lock);
    return expired;
}

void segment_yield(struct segment_pool *pool, struct segment *segment)
{
    pthread_mutex_lock(&pool->lock);
    assert(segment->is_claimed);
    segment->is_claimed = false;
    pool_free_if_empty(pool, segment);
    pool_unlock(pool);
}

void segment_yield_swept(struct segment_pool *pool, struct segment *segment,
                         size_t freed_bytes, time_s now)
{
    pthread_mutex_lock(&pool->lock);
    size_t rest = 1 + pool->sealed_count / SWEPT_PER_S;
    if (freed_bytes < segment->used_bytes / 4)
        segment->rests_until =
            now + (time_s)(rest < REST_MAX_S ? rest : REST_MAX_S);
    pthread_mutex_unlock(&pool->lock);
    segment_yield(pool, segment);
}

void segment_reopen(struct segment_pool *pool, struct segment *segment,
                    enum life_class life, size_t end_bytes)
{
    pthread_mutex_lock(&pool->lock);
    assert(segment->is_claimed && segment->state == SEGMENT_SEALED);
    struct segment *full = pool->open[life];
    pool_unseal(pool, segment);
    segment->is_claimed = false;
    segment->used_bytes = end_bytes;
    segment->begun = pool->second;
    segment->state = SEGMENT_OPEN;
    segment->queue = life == LIFE_KEPT ? QUEUE_KEPT : QUEUE_FRESH;
    pool->open[life] = segment;
    if (full != NULL) {
        pool_seal(pool, full);
        pool_free_if_empty(pool, full);
    }
    pool_unlock(pool);
}

void segment_spare(struct segment_pool *pool, struct segment *segment)
{
    pthread_mutex_lock(&pool->lock);
    assert(segment->is_claimed && segment->state == SEGMENT_SEALED);
    segment->is_claimed = false;
    pool_unseal(pool, segment);
    segment->queue = QUEUE_KEPT;
    pool_seal(pool, segment);
    segment->begun = pool->second;
    pool_free_if_empty(pool, segment);
    pool_unlock(pool);
}

static void expire_list(struct segment_list *list)
{
    for (struct segment *s = list->first; s != NULL; s = s->next) {
        atomic_store(&s->expiry_min, 0);
        s->rests_until = 0;
    }
}

void segment_expire_all(struct segment_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    for (int life = 0; life < LIFE_CLASSES; life++) {
        struct segment *open = pool->open[life];
        if (open == NULL)
            continue;
        atomic_store(&open->expiry_min, 0);
        open->rests_until = 0;
    }
    for (int queue = 0; queue < QUEUES; queue++)
        expire_list(&pool->sealed[queue]);
    atomic_store(&pool->expiry_min, 0);
    pthread_mutex_unlock(&pool->lock);
}

static void wake_list(struct segment_list *list, time_s now)
{
    for (struct segment *s = list->first; s != NULL; s = s->next) {
        if (s->rests_until > now)
            s->rests_until = 0;
    }
}

void segment_wake_all(struct segment_pool *pool, time_s now)
{
    pthread_mutex_lock(&pool->lock);
    for (int life = 0; life < LIFE_CLASSES; life++) {
        if (pool->open[life] != NULL)
            pool->open[life]->rests_until = 0;
    }
    for (int queue = 0; queue < QUEUES; queue++)
        wake_list(&pool->sealed[queue], now);
    lower_second(&pool->expiry_min, now);
    pthread_mutex_unlock(&pool->lock);
}
