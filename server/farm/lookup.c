/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lookup: what is not here is asked for everywhere, before a client is told
 * that it does not exist; and what others ask of this server.
 *
 * Whoever is asked answers when it has applied what the asker had, so that
 * an answer is never older than what the asker knew.  The first state ends
 * a lookup; a value too large for that is pulled (wants.c) from whoever has
 * the newest, when all have answered.  All go through the store: the client
 * gets what that holds afterwards.
 */
#include <assert.h>
#include <stdlib.h>

#include "proto/base/digest.h"
#include "server/farm/state.h"

#define LOOKUPS_MAX (4096 / TABLES_SHARE)
#define WAITERS_MAX (65536 / TABLES_SHARE)
#define BUCKETS (4096 / TABLES_SHARE)
/* Requests that wait for records to arrive here. */
#define RESTING_MAX (256 / TABLES_SHARE)
/* What was missing everywhere is not asked for again for so long. */
#define MISSING_FOR (TIME_US_PER_S / 20)
#define MISSING_MAX (4096 / TABLES_SHARE)
/* A value that is being pulled is waited for while it moves. */
#define PULL_STALL TIME_US_PER_S
#define NONE UINT32_MAX

struct lookup {
    uint64_t id; /* its place is in the low bits; 0: free */
    uint64_t hash;
    time_us began;
    time_us deadline;
    uint32_t next; /* of the same bucket, or free */
    uint32_t first_waiter;
    uint8_t key_bytes;
    uint8_t key[RECORD_KEY_BYTES_MAX];
    struct member_set asked;   /* and not answered yet */
    struct member_set awaited; /* of these, the ones that are waited for */
    struct member_set lacking; /* said that it is not there, and want it */
    bool is_heard;             /* somebody answered */
    bool is_unsure;            /* somebody only knows that it exists, or
                                  somebody of the view cannot be heard */
    bool is_pulling;
    bool is_over; /* it was found; some have not said yet that they lack it */
    bool awaits_waking; /* nobody is asked yet */
    bool awaits_link;   /* nobody is linked who could be asked */
    uint64_t holder;    /* who has the highest version */
    struct message_have have;
};

struct waiter {
    uint64_t waiter;
    uint32_t next;
};

struct resting {
    uint64_t member;
    farm_link link;
    uint64_t id;
    time_us came;
    uint8_t key_bytes;
    uint8_t key[RECORD_KEY_BYTES_MAX];
    size_t count;
    size_t reached; /* of the entries, the first ones */
    struct vector_entry vector[FARM_MEMBERS_MAX];
};

struct missing {
    uint64_t hash;
    time_us until;
};

struct lookups {
    uint64_t last_id;
    time_us deadline; /* not after the earliest of all */
    size_t count;
    size_t waking_count;  /* of these, the ones that await the waking */
    size_t linking_count; /* ... a link */
    size_t waiters_count;
    size_t resting_count;
    uint32_t free; /* of those that were in use before */
    uint32_t free_waiter;
    uint32_t used; /* places from here on never were: no memory yet */
    uint32_t used_waiters;
    uint32_t buckets[BUCKETS];
    struct lookup list[LOOKUPS_MAX];
    struct waiter waiters[WAITERS_MAX];
    struct resting resting[RESTING_MAX + 1];
    struct missing missing[MISSING_MAX];
};

struct lookups *lookup_create(void)
{
    struct lookups *lookups = calloc(1, sizeof(*lookups));

    if (lookups == NULL)
        return NULL;
    lookups->deadline = UINT64_MAX;
    lookups->free = NONE;
    lookups->free_waiter = NONE;
    for (size_t i = 0; i < BUCKETS; i++)
        lookups->buckets[i] = NONE;
    return lookups;
}

void lookup_destroy(struct farm *farm)
{
    free(farm->lookups);
}

/* ---- the tables ---- */

static struct span key_of(const struct lookup *lookup)
{
    return span_of(lookup->key, lookup->key_bytes);
}

static struct lookup *find_id(struct farm *farm, uint64_t id)
{
    struct lookup *lookup = &farm->lookups->list[id % LOOKUPS_MAX];

    return id != 0 && lookup->id == id ? lookup : NULL;
}

static uint32_t take_place(struct lookups *lookups)
{
    uint32_t place = lookups->free;

    if (place != NONE)
        lookups->free = lookups->list[place].next;
    else if (lookups->used < LOOKUPS_MAX)
        place = lookups->used++;
    return place;
}

static uint32_t take_waiter(struct lookups *lookups)
{
    uint32_t place = lookups->free_waiter;

    if (place != NONE)
        lookups->free_waiter = lookups->waiters[place].next;
    else if (lookups->used_waiters < WAITERS_MAX)
        place = lookups->used_waiters++;
    return place;
}

static struct lookup *add(struct farm *farm, uint64_t hash, struct span key)
{
    struct lookups *lookups = farm->lookups;
    uint32_t place = take_place(lookups);
    uint32_t *bucket = &lookups->buckets[hash % BUCKETS];

    if (place == NONE)
        return NULL;
    struct lookup *lookup = &lookups->list[place];
    lookups->count++;
    *lookup =
        (struct lookup){.id = ++lookups->last_id * LOOKUPS_MAX + place,
                        .hash = hash,
                        .began = farm->now,
                        .deadline = farm->now + farm->settings.lookup_timeout,
                        .next = *bucket,
                        .first_waiter = NONE,
                        .key_bytes = (uint8_t)key.length};
    span_copy(lookup->key, key);
    *bucket = place;
    if (lookup->deadline < lookups->deadline)
        lookups->deadline = lookup->deadline;
    return lookup;
}

static void drop(struct farm *farm, struct lookup *lookup)
{
    struct lookups *lookups = farm->lookups;
    uint32_t place = (uint32_t)(lookup - lookups->list);
    uint32_t *at = &lookups->buckets[lookup->hash % BUCKETS];

    while (*at != place)
        at = &lookups->list[*at].next;
    *at = lookup->next;
    lookups->waking_count -= lookup->awaits_waking;
    lookups->linking_count -= lookup->awaits_link;
    lookup->id = 0;
    lookup->next = lookups->free;
    lookups->free = place;
    lookups->count--;
}

static bool add_waiter(struct farm *farm, struct lookup *lookup,
                       uint64_t waiter)
{
    struct lookups *lookups = farm->lookups;
    uint32_t place = take_waiter(lookups);

    if (place == NONE)
        return false;
    lookups->waiters_count++;
    lookups->waiters[place] = (struct waiter){waiter, lookup->first_waiter};
    lookup->first_waiter = place;
    return true;
}

static struct missing *missing_place(const struct farm *farm, uint64_t hash)
{
    return &farm->lookups->missing[digest_mix(hash) % MISSING_MAX];
}

void lookup_heard(struct farm *farm, uint64_t hash)
{
    struct missing *missing = missing_place(farm, hash);

    if (missing->hash == hash)
        missing->until = 0;
}

/* ---- ending ---- */

static bool is_wanted_here(struct farm *farm, uint64_t hash, struct span key)
{
    struct store_hold hold;

    store_hold(farm->store, key, hash, farm->time, &hold);
    bool is_wanted = hold.item == NULL && hold.stub.kind == STUB_WANTED;
    store_release(&hold);
    return is_wanted;
}

static void answer_clients(struct farm *farm, struct lookup *lookup,
                           bool is_certain, const char *outcome)
{
    struct lookups *lookups = farm->lookups;
    uint32_t place = lookup->first_waiter;

    is_certain =
        is_certain && !is_wanted_here(farm, lookup->hash, key_of(lookup));
    if (farm->is_watched)
        effect_event(farm, FARM_LOOKUPS, "lookup %.*s %s after %llu us%s",
                     (int)lookup->key_bytes, (const char *)lookup->key, outcome,
                     (unsigned long long)(farm->now - lookup->began),
                     is_certain ? "" : ", uncertain");
    while (place != NONE) {
        struct waiter *waiter = &lookups->waiters[place];
        uint32_t next = waiter->next;
        effect_found(farm, waiter->waiter, is_certain);
        waiter->next = lookups->free_waiter;
        lookups->free_waiter = place;
        lookups->waiters_count--;
        place = next;
    }
    lookup->first_waiter = NONE;
}

static void finish(struct farm *farm, struct lookup *lookup, bool is_certain,
                   const char *outcome)
{
    answer_clients(farm, lookup, is_certain, outcome);
    drop(farm, lookup);
}

static void finish_missing(struct farm *farm, struct lookup *lookup)
{
    /* Who is asked still, and not waited for, may have it. */
    bool is_certain = !lookup->is_unsure && member_set_is_empty(&lookup->asked);

    if (is_certain)
        *missing_place(farm, lookup->hash) =
            (struct missing){lookup->hash, farm->now + MISSING_FOR};
    finish(farm, lookup, is_certain, "found nothing");
}

static void pull(struct farm *farm, struct lookup *lookup)
{
    struct member *holder = member_find(farm, lookup->holder);

    if (holder == NULL || !member_is_up(holder) ||
        !wants_pull_found(farm, holder, key_of(lookup), &lookup->have,
                          &lookup->lacking)) {
        finish(farm, lookup, false, "found what cannot be had");
        return;
    }
    lookup->is_pulling = true;
    lookup->deadline = farm->now + PULL_STALL;
    if (lookup->deadline < farm->lookups->deadline)
        farm->lookups->deadline = lookup->deadline;
}

/* After each answer, and when one is not to be expected any more. */
static void advance(struct farm *farm, struct lookup *lookup)
{
    if (lookup->is_over && member_set_is_empty(&lookup->asked))
        drop(farm, lookup);
    if (lookup->is_over || lookup->is_pulling ||
        !member_set_is_empty(&lookup->awaited))
        return;
    if (lookup->have.version > 0) {
        pull(farm, lookup);
    } else if (lookup->is_heard) {
        finish_missing(farm, lookup);
    } else if (farm->state != MEMBER_READY && farm->now < lookup->deadline) {
        /* What this server has says nothing yet.  Two that dial each other
         * keep one link of two: the other comes in a moment. */
        farm->lookups->linking_count += !lookup->awaits_link;
        lookup->awaits_link = true;
    } else {
        /* Whoever was waited for is gone: as with a time-out. */
        farm->figures.stale_reads++;
        finish(farm, lookup, false, "was answered by nobody");
    }
}

static void time_out(struct farm *farm, struct lookup *lookup)
{
    if (lookup->is_over) {
        drop(farm, lookup);
        return;
    }
    if (lookup->is_pulling) {
        time_us moved = wants_moved(farm, key_of(lookup), lookup->have.version);
        lookup->deadline = moved + PULL_STALL;
        if (moved == 0 || lookup->deadline <= farm->now)
            finish(farm, lookup, false, "waited too long for the value");
        return;
    }
    if (lookup->have.version > 0) {
        pull(farm, lookup);
        return;
    }
    farm->figures.stale_reads += !lookup->is_heard;
    finish(farm, lookup, false, "timed out");
}

void lookup_pulled(struct farm *farm, struct span key, uint64_t version)
{
    struct lookups *lookups = farm->lookups;
    uint64_t hash = store_hash(farm->store, key);
    uint32_t place = lookups->buckets[hash % BUCKETS];

    while (place != NONE) {
        struct lookup *lookup = &lookups->list[place];
        place = lookup->next;
        if (!lookup->is_pulling || lookup->have.version != version ||
            !span_equal(key_of(lookup), key))
            continue;
        struct store_hold hold;
        store_hold(farm->store, key, hash, farm->time, &hold);
        uint64_t known =
            hold.item != NULL ? hold.item->version : hold.stub.version;
        store_release(&hold);
        farm->figures.lookup_hits += known >= version;
        finish(farm, lookup, known >= version, "pulled the value");
    }
}

/* ---- asking ---- */

static struct lookup *find_shared(struct farm *farm, uint64_t hash,
                                  struct span key, bool is_fresh)
{
    struct lookups *lookups = farm->lookups;
    uint32_t place = lookups->buckets[hash % BUCKETS];

    for (; place != NONE; place = lookups->list[place].next) {
        struct lookup *lookup = &lookups->list[place];
        /* One that is not fresh may not have heard of what was answered
         * since the older lookup began. */
        if (!lookup->is_over && (is_fresh || lookup->began == farm->now) &&
            span_equal(key_of(lookup), key))
            return lookup;
    }
    return NULL;
}

static void choose_asked(struct farm *farm, struct lookup *lookup)
{
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (!member_is_in_view(member))
            continue;
        if (member->link == 0) {
            lookup->is_unsure = true;
            continue;
        }
        member_set_add(&lookup->asked, i);
        if (member->state != MEMBER_SUSPECT && member_is_in_sync(member))
            member_set_add(&lookup->awaited, i);
    }
    /* Better somebody who may be late than nobody. */
    if (member_set_is_empty(&lookup->awaited))
        lookup->awaited = lookup->asked;
}

static void send_requests(struct farm *farm, struct lookup *lookup)
{
    struct vector_entry vector[FARM_MEMBERS_MAX + 1];
    uint8_t bytes[sizeof(vector)];
    size_t count = members_vector(farm, vector);
    /* The first is this server's own. */
    struct message request = {
        .kind = MESSAGE_REQUEST,
        .request = {.id = lookup->id,
                    .vector = vector_pack(vector + 1, count - 1, bytes),
                    .key = key_of(lookup)}};

    for (size_t i = 0; i < farm->members_end; i++) {
        if (member_set_has(&lookup->asked, i))
            effect_send(farm, farm->members[i].link, &request);
    }
}

static bool has_view(const struct farm *farm)
{
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (member->id != 0 && !member_is_gone(member) && member->is_ready)
            return true;
    }
    return false;
}

static void ask(struct farm *farm, struct lookup *lookup)
{
    choose_asked(farm, lookup);
    send_requests(farm, lookup);
    advance(farm, lookup);
}

static void ask_when_awake(struct farm *farm)
{
    struct lookups *lookups = farm->lookups;

    if (lookups->waking_count == 0 || farm_is_waking(farm))
        return;
    for (size_t i = 0; i < lookups->used; i++) {
        struct lookup *lookup = &lookups->list[i];
        if (lookup->id == 0 || !lookup->awaits_waking)
            continue;
        lookup->awaits_waking = false;
        lookups->waking_count--;
        lookup->began = farm->now;
        lookup->deadline = farm->now + farm->settings.lookup_timeout;
        if (lookup->deadline < lookups->deadline)
            lookups->deadline = lookup->deadline;
        ask(farm, lookup);
    }
}

static bool is_linked(const struct farm *farm)
{
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (member_is_in_view(member) && member->link != 0)
            return true;
    }
    return false;
}

static void ask_when_linked(struct farm *farm)
{
    struct lookups *lookups = farm->lookups;

    if (lookups->linking_count == 0 || !is_linked(farm))
        return;
    for (size_t i = 0; i < LOOKUPS_MAX; i++) {
        struct lookup *lookup = &lookups->list[i];
        if (lookup->id == 0 || !lookup->awaits_link)
            continue;
        lookup->awaits_link = false;
        lookups->linking_count--;
        ask(farm, lookup);
    }
}

static void give_up(struct farm *farm, uint64_t waiter)
{
    farm->figures.lookups_dropped++;
    effect_found(farm, waiter, false);
}

void lookup_begin(struct farm *farm, uint64_t waiter, struct span key)
{
    struct lookups *lookups = farm->lookups;
    uint64_t hash = store_hash(farm->store, key);
    const struct missing *missing = missing_place(farm, hash);
    bool is_fresh = farm_fresh_until(farm) >= farm->now;

    if (key.length == 0 || key.length > RECORD_KEY_BYTES_MAX ||
        !has_view(farm)) {
        effect_found(farm, waiter,
                     farm->state == MEMBER_READY &&
                         !is_wanted_here(farm, hash, key));
        return;
    }
    if (is_fresh && missing->hash == hash && farm->now < missing->until &&
        !is_wanted_here(farm, hash, key)) {
        effect_found(farm, waiter, true);
        return;
    }
    struct lookup *lookup = find_shared(farm, hash, key, is_fresh);
    if (lookup != NULL) {
        if (!add_waiter(farm, lookup, waiter))
            give_up(farm, waiter);
        return;
    }
    lookup = add(farm, hash, key);
    if (lookup == NULL) {
        give_up(farm, waiter);
        return;
    }
    farm->figures.lookups++;
    if (!add_waiter(farm, lookup, waiter)) {
        drop(farm, lookup);
        give_up(farm, waiter);
        return;
    }
    if (farm->is_watched)
        effect_event(farm, FARM_LOOKUPS, "lookup %.*s begins",
                     (int)lookup->key_bytes, (const char *)lookup->key);
    /* Who has slept asks when it has found the others again: they, and only
     * they, know what was answered meanwhile. */
    lookup->awaits_waking = farm_is_waking(farm);
    lookups->waking_count += lookup->awaits_waking;
    if (lookup->awaits_waking)
        lookup->deadline = UINT64_MAX;
    else
        ask(farm, lookup);
}

/* ---- answers ---- */

/* An answer of this member, or NULL if it is none. */
static struct lookup *take_answer(struct farm *farm,
                                  const struct member *member, uint64_t id)
{
    struct lookup *lookup = find_id(farm, id);
    size_t place = member_place(farm, member);

    if (lookup == NULL || !member_set_has(&lookup->asked, place))
        return NULL;
    member_set_remove(&lookup->asked, place);
    member_set_remove(&lookup->awaited, place);
    lookup->is_heard = true;
    return lookup;
}

/* Those who said that they have nothing get what the others had. */
static void pass_on(struct farm *farm, struct lookup *lookup)
{
    struct store_hold hold;

    if (member_set_is_empty(&lookup->lacking))
        return;
    store_hold(farm->store, key_of(lookup), lookup->hash, farm->time, &hold);
    for (size_t i = 0; i < FARM_MEMBERS_MAX && hold.item != NULL; i++) {
        struct record record = apply_record_of(hold.item);
        uint8_t head[RECORD_HEAD_BYTES_MAX];
        struct writer writer = writer_of(head, sizeof(head));
        if (!member_set_has(&lookup->lacking, i) ||
            !member_is_up(&farm->members[i]) ||
            record.value.length > LOOKUP_STATE_BYTES_MAX)
            continue;
        record_encode_head(&record, &writer);
        effect_send_state(farm, farm->members[i].link, 0,
                          span_of(head, writer.used_bytes), record.value);
    }
    store_release(&hold);
    lookup->lacking = (struct member_set){0};
}

void lookup_state(struct farm *farm, struct member *member, uint64_t id)
{
    struct lookup *lookup = take_answer(farm, member, id);

    if (lookup == NULL)
        return;
    if (lookup->is_over) {
        advance(farm, lookup);
        return;
    }
    if (is_wanted_here(farm, lookup->hash, key_of(lookup))) {
        /* It was older than what is known to exist. */
        lookup->is_unsure = true;
        advance(farm, lookup);
        return;
    }
    farm->figures.lookup_hits++;
    pass_on(farm, lookup);
    answer_clients(farm, lookup, true, "found it");
    lookup->is_over = true;
    advance(farm, lookup);
}

void lookup_have(struct farm *farm, struct member *member,
                 const struct message_have *have)
{
    struct lookup *lookup = take_answer(farm, member, have->id);

    if (lookup == NULL)
        return;
    if (!lookup->is_pulling && have->version > lookup->have.version) {
        lookup->holder = member->id;
        lookup->have = *have;
    }
    advance(farm, lookup);
}

void lookup_missing(struct farm *farm, struct member *member,
                    const struct message_missing *missing)
{
    struct lookup *lookup = take_answer(farm, member, missing->id);

    if (lookup == NULL)
        return;
    apply_missing(farm, key_of(lookup), missing);
    lookup->is_unsure |= missing->stub_kind == STUB_WANTED;
    if (missing->stub_kind == STUB_NONE && !missing->is_evicted)
        member_set_add(&lookup->lacking, member_place(farm, member));
    if (lookup->is_over)
        pass_on(farm, lookup);
    advance(farm, lookup);
}

void lookup_forget(struct farm *farm, const struct member *member)
{
    struct lookups *lookups = farm->lookups;
    size_t place = member_place(farm, member);

    for (size_t i = 0; lookups->count > 0 && i < lookups->used; i++) {
        struct lookup *lookup = &lookups->list[i];
        if (lookup->id == 0)
            continue;
        bool was_asked = member_set_has(&lookup->asked, place);
        member_set_remove(&lookup->asked, place);
        member_set_remove(&lookup->awaited, place);
        member_set_remove(&lookup->lacking, place);
        lookup->is_unsure |= was_asked;
        if (was_asked)
            advance(farm, lookup);
    }
}

/* ---- being asked ---- */

/* Of ids that are gone or unknown nothing more will come. */
static bool has_reached(struct farm *farm, struct resting *resting)
{
    for (; resting->reached < resting->count; resting->reached++) {
        const struct vector_entry *entry = &resting->vector[resting->reached];
        const struct member *member = member_find(farm, entry->id);
        if (member != NULL && !member_is_gone(member) &&
            member->applied < entry->number)
            return false;
    }
    return true;
}

/* A server that has to catch up with somebody is no witness, but to that one:
 * what it lacks of the asker's, the asker has. */
static bool is_witness(const struct farm *farm, uint64_t asker)
{
    if (farm->state != MEMBER_READY || wants_is_synchronising(farm))
        return false;
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (!member_is_in_view(member) || member->id == asker)
            continue;
        /* Of whom it never met it may lack anything. */
        if (!member->was_met)
            return false;
        if (!member_is_up(member))
            continue;
        if (member->awaits_heartbeat || member->awaits_start ||
            member->has_gap || member->must_sync ||
            wants_held(farm, member) < member->fresh_from)
            return false;
    }
    return true;
}

static void answer(struct farm *farm, const struct resting *resting)
{
    struct span key = span_of(resting->key, resting->key_bytes);
    struct message message = {.kind = MESSAGE_MISSING};
    struct store_hold hold;

    store_hold(farm->store, key, store_hash(farm->store, key), farm->time,
               &hold);
    if (hold.item == NULL) {
        message.missing =
            (struct message_missing){.id = resting->id,
                                     .stub_kind = (uint8_t)hold.stub.kind,
                                     .version = hold.stub.version,
                                     .stamp = hold.stub.stamp,
                                     .exptime = hold.stub.exptime};
        effect_send(farm, resting->link, &message);
    } else if (item_value(hold.item).length > LOOKUP_STATE_BYTES_MAX) {
        message.kind = MESSAGE_HAVE;
        message.have = (struct message_have){
            .id = resting->id,
            .version = hold.item->version,
            .stamp = item_stamp(hold.item),
            .value_bytes = (uint32_t)item_value(hold.item).length};
        effect_send(farm, resting->link, &message);
    } else {
        struct record record = apply_record_of(hold.item);
        uint8_t head[RECORD_HEAD_BYTES_MAX];
        struct writer writer = writer_of(head, sizeof(head));
        record_encode_head(&record, &writer);
        effect_send_state(farm, resting->link, resting->id,
                          span_of(head, writer.used_bytes), record.value);
    }
    store_release(&hold);
}

/* Of more than may rest here the asker hears nothing. */
void lookup_request(struct farm *farm, struct member *member,
                    const struct message_request *request)
{
    struct lookups *lookups = farm->lookups;
    struct reader reader = reader_of(request->vector.bytes);

    if (request->vector.count > FARM_MEMBERS_MAX)
        return;
    /* One place more than may rest: what can be answered at once is. */
    struct resting *resting = &lookups->resting[lookups->resting_count];
    resting->member = member->id;
    resting->link = member->link;
    resting->id = request->id;
    resting->came = farm->now;
    resting->key_bytes = (uint8_t)request->key.length;
    span_copy(resting->key, request->key);
    resting->count = request->vector.count;
    resting->reached = 0;
    for (size_t i = 0; i < resting->count; i++) {
        resting->vector[i].id = read_u64(&reader);
        resting->vector[i].number = read_u64(&reader);
    }
    if (is_witness(farm, member->id) && has_reached(farm, resting))
        answer(farm, resting);
    else if (lookups->resting_count < RESTING_MAX)
        lookups->resting_count++;
}

static void run_resting(struct farm *farm)
{
    struct lookups *lookups = farm->lookups;

    for (size_t i = 0; i < lookups->resting_count;) {
        struct resting *resting = &lookups->resting[i];
        const struct member *member = member_find(farm, resting->member);
        bool is_asked =
            member != NULL && member->link == resting->link &&
            farm->now - resting->came <= farm->settings.lookup_timeout;
        if (is_asked && (!is_witness(farm, resting->member) ||
                         !has_reached(farm, resting))) {
            i++;
            continue;
        }
        if (is_asked)
            answer(farm, resting);
        *resting = lookups->resting[--lookups->resting_count];
    }
}

void lookup_run(struct farm *farm)
{
    struct lookups *lookups = farm->lookups;

    run_resting(farm);
    ask_when_awake(farm);
    ask_when_linked(farm);
    if (farm->now < lookups->deadline)
        return;
    lookups->deadline = UINT64_MAX;
    for (size_t i = 0; lookups->count > 0 && i < lookups->used; i++) {
        struct lookup *lookup = &lookups->list[i];
        if (lookup->id != 0 && lookup->deadline <= farm->now)
            time_out(farm, lookup);
        if (lookup->id != 0 && lookup->deadline < lookups->deadline)
            lookups->deadline = lookup->deadline;
    }
}

time_us lookup_deadline(const struct farm *farm)
{
    return farm->lookups->count == 0 ? UINT64_MAX : farm->lookups->deadline;
}

void lookup_check(const struct farm *farm)
{
    const struct lookups *lookups = farm->lookups;

    assert(lookups->used <= LOOKUPS_MAX);
    assert(lookups->count <= lookups->used);
    assert(lookups->used_waiters <= WAITERS_MAX);
    assert(lookups->waiters_count <= lookups->used_waiters);
    assert(lookups->resting_count <= RESTING_MAX);
    assert(lookups->count > 0 || lookups->waiters_count == 0);
    assert(lookups->linking_count <= lookups->count);
    assert(lookups->count == lookups->waking_count ||
           lookups->deadline != UINT64_MAX);
}
