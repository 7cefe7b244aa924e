/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wants: values that are known to exist and are on their way here.
 *
 * An announced value is pulled before the store hears of it: until it has
 * come, what was here before stays, since its server may end before anybody
 * has it.  For as long the record that announced it is not acknowledged, so
 * that nobody relies on it.  What only the life part of is known, by a
 * touch, the store itself wants, and the pull fulfils it.
 *
 * One pull per key and version: who has a newer one by now answers with
 * that, which ends the older.
 */
#include <assert.h>
#include <stdlib.h>

#include "server/farm/state.h"

#define PULLS_MAX (1024 / TABLES_SHARE)
/* Of these are asked for at a time; the others wait their turn. */
#define ACTIVE_MAX 16
/* Pieces of one value that are on their way at a time. */
#define PIECES_AHEAD 2
/* After so long without a piece somebody else is asked. */
#define STALL (TIME_US_PER_S / 2)
/* What nobody had is asked for again, from one after the other. */
#define LOST_INTERVAL TIME_US_PER_S
/* What nobody had, and whose server is gone, is forgotten. */
#define LOST_KEPT (60 * TIME_US_PER_S)
/* Between looks at what this server's own clients made of it. */
#define LOOK_INTERVAL (TIME_US_PER_S / 1000)
/* Tells answers to pulls from answers to lookups. */
#define PULL_ID (UINT64_C(1) << 63)
#define ATTEMPTS_MAX 16

struct pull {
    uint64_t hash;
    uint64_t id;     /* of what was asked last; 0: nobody is asked */
    uint64_t from;   /* who is asked, or to be asked first */
    uint64_t origin; /* whose record made it */
    uint64_t number; /* of that; 0: none waits for it */
    time_us began;
    time_us moved;     /* or somebody was asked */
    time_us came;      /* the last piece of it; or it began */
    bool is_announced; /* `head` is known, and the store does not know it */
    bool is_sync;
    bool is_lost;         /* everybody was asked */
    bool is_origin_empty; /* its own server has it no more, or holds it dead */
    struct record head;   /* its key is in `key` */
    uint8_t key[RECORD_KEY_BYTES_MAX];
    struct member_set asked;
    struct member_set lacking; /* are to have it, too */
    struct store_reservation reservation;
    size_t got_bytes;
    size_t asked_bytes;
};

struct wants {
    size_t count;
    bool is_dirty; /* something came that may end one */
    time_us deadline;
    time_us looked;
    uint64_t last_id;
    struct pull pulls[PULLS_MAX];
};

struct wants *wants_create(void)
{
    return calloc(1, sizeof(struct wants));
}

void wants_destroy(struct farm *farm)
{
    struct wants *wants = farm->wants;

    for (size_t i = 0; wants != NULL && i < wants->count; i++)
        store_cancel(farm->store, &wants->pulls[i].reservation);
    free(wants);
}

/* ---- the table ---- */

static struct span key_of(const struct pull *pull)
{
    return span_of(pull->key, pull->head.key.length);
}

static struct record head_of(const struct pull *pull)
{
    struct record head = pull->head;

    head.key = key_of(pull);
    return head;
}

static struct pull *find(const struct farm *farm, struct span key,
                         uint64_t version)
{
    struct wants *wants = farm->wants;

    for (size_t i = 0; i < wants->count; i++) {
        struct pull *pull = &wants->pulls[i];
        if (pull->head.version == version && span_equal(key_of(pull), key))
            return pull;
    }
    return NULL;
}

static struct pull *find_asked(const struct farm *farm,
                               const struct member *member, uint64_t id)
{
    struct wants *wants = farm->wants;

    for (size_t i = 0; i < wants->count; i++) {
        struct pull *pull = &wants->pulls[i];
        if (id != 0 && pull->id == id && pull->from == member->id)
            return pull;
    }
    return NULL;
}

/* The longest lost makes way. */
static struct pull *take_place(struct farm *farm)
{
    struct wants *wants = farm->wants;
    struct pull *oldest = NULL;

    if (wants->count < PULLS_MAX)
        return &wants->pulls[wants->count++];
    for (size_t i = 0; i < wants->count; i++) {
        struct pull *pull = &wants->pulls[i];
        if (pull->is_lost && pull->number == 0 &&
            (oldest == NULL || pull->began < oldest->began))
            oldest = pull;
    }
    if (oldest != NULL)
        store_cancel(farm->store, &oldest->reservation);
    return oldest;
}

static struct pull *add(struct farm *farm, struct span key, uint64_t version)
{
    struct pull *pull = take_place(farm);

    if (pull == NULL)
        return NULL;
    *pull = (struct pull){
        .hash = store_hash(farm->store, key),
        .began = farm->now,
        .moved = farm->now,
        .came = farm->now,
        .head = {.kind = RECORD_ANNOUNCE, .version = version, .key = key}};
    span_copy(pull->key, key);
    farm->wants->is_dirty = true;
    return pull;
}

static void release_origin(struct farm *farm, struct pull *pull)
{
    struct member *origin = member_find(farm, pull->origin);

    if (origin != NULL && pull->number > 0)
        origin->owes_ack = true;
    pull->number = 0;
}

/* Its record is acknowledged when it is over; whoever told of it is asked
 * first. */
static void note_source(struct farm *farm, struct pull *pull,
                        const struct source *source)
{
    if (source->number > 0) {
        release_origin(farm, pull);
        pull->origin = source->member->id;
        pull->number = source->number;
    }
    pull->is_sync |= source->is_sync;
    if (pull->id == 0) {
        pull->from = source->member->id;
        pull->asked = (struct member_set){0};
        pull->is_lost = false;
        pull->moved = farm->now;
        farm->wants->is_dirty = true;
    }
}

static void end(struct farm *farm, struct pull *pull)
{
    struct wants *wants = farm->wants;
    struct pull over = *pull;

    release_origin(farm, pull);
    store_cancel(farm->store, &pull->reservation);
    *pull = wants->pulls[--wants->count];
    wants->is_dirty = true;
    farm->wants_tick = true;
    lookup_pulled(farm, key_of(&over), over.head.version);
}

/* ---- what the store knows by now ---- */

struct known {
    uint64_t version;
    uint64_t stamp;
    time_s exptime;
    bool is_wanted;
};

static struct known look(struct farm *farm, struct span key)
{
    struct store_hold hold;
    struct known known;

    store_hold(farm->store, key, store_hash(farm->store, key), farm->time,
               &hold);
    if (hold.item != NULL)
        known = (struct known){hold.item->version, item_stamp(hold.item),
                               item_exptime(hold.item), false};
    else
        known =
            (struct known){hold.stub.version, hold.stub.stamp,
                           hold.stub.exptime, hold.stub.kind == STUB_WANTED};
    store_release(&hold);
    return known;
}

static bool is_flushed(struct farm *farm, uint64_t version)
{
    struct store_flushes flushes = store_read_flushes(farm->store);

    return version < flushes.floor || (flushes.pending_moment != 0 &&
                                       flushes.pending_moment <= farm->time &&
                                       version < flushes.pending_version);
}

/* The value came, or something newer, or it would be dead by now. */
static bool is_over(struct farm *farm, struct pull *pull)
{
    struct known known = look(farm, key_of(pull));
    time_s exptime =
        known.stamp > pull->head.stamp ? known.exptime : pull->head.exptime;

    if (known.version > pull->head.version)
        return true;
    if (known.version == pull->head.version)
        return !known.is_wanted;
    bool is_dead = (exptime != 0 && exptime <= time_seconds(farm->time)) ||
                   is_flushed(farm, pull->head.version);
    if (!pull->is_announced || !is_dead)
        return false;
    /* A grave is left, as by every server that had it. */
    struct record head = head_of(pull);
    apply_life(farm, &head);
    return true;
}

/* ---- beginning ---- */

bool wants_announced(struct farm *farm, const struct source *source,
                     const struct record *announce)
{
    struct known known = look(farm, announce->key);
    bool fits = announce->value_bytes <= store_item_bytes_max(farm->store);

    store_saw_version(farm->store, announce->version > announce->stamp
                                       ? announce->version
                                       : announce->stamp);
    if (known.version >= announce->version || !fits) {
        apply_life(farm, announce);
        known = look(farm, announce->key);
        if (fits && known.is_wanted && known.version == announce->version)
            wants_pull(farm, source, announce->key, announce->version);
        return true;
    }
    struct pull *pull = find(farm, announce->key, announce->version);
    if (pull == NULL)
        pull = add(farm, announce->key, announce->version);
    if (pull == NULL)
        return false;
    struct record before = pull->head;
    pull->head = *announce;
    if (pull->is_announced && before.stamp > announce->stamp) {
        pull->head.stamp = before.stamp;
        pull->head.exptime = before.exptime;
    }
    pull->is_announced = true;
    note_source(farm, pull, source);
    return true;
}

void wants_pull(struct farm *farm, const struct source *source, struct span key,
                uint64_t version)
{
    struct pull *pull = find(farm, key, version);

    /* It may be announced already: then that record is waited for. */
    if (pull != NULL && pull->number > 0 && source->number > 0)
        return;
    if (pull == NULL)
        pull = add(farm, key, version);
    if (pull != NULL)
        note_source(farm, pull, source);
}

bool wants_pull_found(struct farm *farm, struct member *from, struct span key,
                      const struct message_have *have,
                      const struct member_set *lacking)
{
    struct source source = {.member = from};

    if (have->value_bytes > store_item_bytes_max(farm->store))
        return false;
    wants_pull(farm, &source, key, have->version);
    struct pull *pull = find(farm, key, have->version);
    if (pull == NULL)
        return false;
    if (pull->head.value_bytes == 0)
        pull->head.value_bytes = have->value_bytes;
    for (size_t i = 0; i < FARM_MEMBERS_MAX / 64; i++)
        pull->lacking.bits[i] |= lacking->bits[i];
    return true;
}

/* ---- asking ---- */

static void send_fetch(struct farm *farm, struct pull *pull,
                       const struct member *from)
{
    uint8_t bytes[FARM_MEMBERS_MAX * 8];
    struct writer writer = writer_of(bytes, sizeof(bytes));

    for (size_t i = 0; i < farm->members_end && pull->asked_bytes == 0; i++) {
        if (member_set_has(&pull->lacking, i) && farm->members[i].id != 0)
            write_u64(&writer, farm->members[i].id);
    }
    struct message fetch = {
        .kind = MESSAGE_FETCH,
        .fetch = {.id = pull->id,
                  .version = pull->head.version,
                  .offset = (uint32_t)pull->asked_bytes,
                  .bytes = PIECE_BYTES,
                  .key = key_of(pull),
                  .lacking = {writer.used_bytes / 8,
                              span_of(bytes, writer.used_bytes)}}};
    effect_send(farm, from->link, &fetch);
    pull->asked_bytes += PIECE_BYTES;
}

static void fetch_ahead(struct farm *farm, struct pull *pull,
                        const struct member *from)
{
    while (pull->asked_bytes < pull->head.value_bytes &&
           pull->asked_bytes < pull->got_bytes + PIECES_AHEAD * PIECE_BYTES)
        send_fetch(farm, pull, from);
}

/* Who told of it, then everybody READY in turn. */
static struct member *choose(struct farm *farm, const struct pull *pull)
{
    struct member *first = member_find(farm, pull->from);
    size_t start = first == NULL ? 0 : member_place(farm, first);

    for (size_t i = 0; i < FARM_MEMBERS_MAX; i++) {
        size_t place = (start + i) % FARM_MEMBERS_MAX;
        struct member *member = &farm->members[place];
        if (member_is_up(member) && (member->is_ready || i == 0) &&
            !member_set_has(&pull->asked, place))
            return member;
    }
    return NULL;
}

static bool ask_next(struct farm *farm, struct pull *pull)
{
    struct member *member = choose(farm, pull);

    if (member == NULL)
        return false;
    member_set_add(&pull->asked, member_place(farm, member));
    pull->from = member->id;
    pull->id = PULL_ID | ++farm->wants->last_id;
    pull->moved = farm->now;
    pull->asked_bytes = pull->got_bytes;
    send_fetch(farm, pull, member);
    fetch_ahead(farm, pull, member);
    return true;
}

/* False where nothing more is to be done about it. */
static bool give_up(struct farm *farm, struct pull *pull)
{
    if (!pull->is_announced)
        return false; /* a synchronisation finds what the store wants */
    if (pull->is_origin_empty) {
        /* Evicted everywhere: what was before it is out of date. */
        struct record head = head_of(pull);
        apply_life(farm, &head);
        return false;
    }
    pull->is_lost = true;
    pull->id = 0;
    pull->moved = farm->now;
    store_cancel(farm->store, &pull->reservation);
    pull->got_bytes = 0;
    return true;
}

static bool ask_for_lost(struct farm *farm, struct pull *pull)
{
    const struct member *origin = member_find(farm, pull->origin);

    if (pull->is_origin_empty)
        return give_up(farm, pull);
    if (farm->now - pull->moved < LOST_INTERVAL)
        return true;
    if ((origin == NULL || member_is_gone(origin)) &&
        farm->now - pull->began > LOST_KEPT)
        return false;
    if (!ask_next(farm, pull)) {
        pull->asked = (struct member_set){0};
        pull->moved = farm->now;
    }
    return true;
}

static bool advance(struct farm *farm, struct pull *pull, size_t *active)
{
    if (pull->is_lost)
        return ask_for_lost(farm, pull);
    bool is_asked = pull->id != 0;
    if (is_asked && farm->now - pull->moved < STALL) {
        (*active)++;
        return true;
    }
    if (*active >= ACTIVE_MAX)
        return true;
    if (!ask_next(farm, pull))
        return give_up(farm, pull);
    (*active)++;
    return true;
}

void wants_run(struct farm *farm)
{
    struct wants *wants = farm->wants;
    size_t active = 0;

    if (wants->count == 0 || (!wants->is_dirty && farm->now < wants->deadline &&
                              farm->now < wants->looked + LOOK_INTERVAL))
        return;
    wants->is_dirty = false;
    wants->looked = farm->now;
    wants->deadline = UINT64_MAX;
    for (size_t i = 0; i < wants->count;) {
        struct pull *pull = &wants->pulls[i];
        if (is_over(farm, pull) || !advance(farm, pull, &active)) {
            end(farm, pull);
            continue;
        }
        time_us due = pull->moved + (pull->is_lost ? LOST_INTERVAL : STALL);
        if ((pull->id != 0 || pull->is_lost) && due < wants->deadline)
            wants->deadline = due;
        i++;
    }
}

time_us wants_deadline(const struct farm *farm)
{
    const struct wants *wants = farm->wants;

    if (wants->count == 0)
        return UINT64_MAX;
    return wants->is_dirty ? farm->now : wants->deadline;
}

/* ---- answers ---- */

void wants_missing(struct farm *farm, struct member *member,
                   const struct message_missing *missing)
{
    struct pull *pull = find_asked(farm, member, missing->id);

    if (pull == NULL)
        return;
    apply_missing(farm, key_of(pull), missing);
    if (member->id == pull->origin && (missing->stub_kind == STUB_NONE ||
                                       missing->stub_kind == STUB_EXPIRED)) {
        pull->is_origin_empty = true;
        release_origin(farm, pull);
    }
    pull->id = 0;
    farm->wants->is_dirty = true;
}

static bool reserve(struct farm *farm, struct pull *pull, size_t value_bytes)
{
    struct span key = key_of(pull);
    size_t bytes = store_item_bytes(farm->store, key.length, value_bytes);

    if (pull->reservation.item != NULL)
        return pull->reservation.value_bytes == value_bytes;
    for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        enum store_result result =
            store_reserve(farm->store, key, value_bytes, &pull->reservation);
        if (result == STORE_OK)
            return true;
        if (result == STORE_REFUSED ||
            !store_make_room(farm->store, bytes, farm->time))
            return false;
    }
    return false;
}

static void complete(struct farm *farm, struct pull *pull,
                     const struct record *head)
{
    struct store_write news = {.flags = head->flags,
                               .marks = head->marks,
                               .exptime = head->exptime,
                               .version = head->version,
                               .stamp = head->stamp,
                               .token = head->token};
    size_t bytes =
        store_item_bytes(farm->store, head->key.length, head->value_bytes);
    enum merge_result result = MERGE_NO_ROOM;

    for (int i = 0; result == MERGE_NO_ROOM && i < ATTEMPTS_MAX; i++) {
        struct store_hold hold;
        store_hold(farm->store, key_of(pull), pull->hash, farm->time, &hold);
        result = store_merge_reserved(&hold, &news, &pull->reservation);
        store_release(&hold);
        if (result == MERGE_NO_ROOM &&
            !store_make_room(farm->store, bytes, farm->time))
            break;
    }
    store_cancel(farm->store, &pull->reservation);
    pull->got_bytes = 0;
    /* Who had the value may not have heard of the last touch. */
    struct record known = head_of(pull);
    if (pull->is_announced && result != MERGE_NO_ROOM &&
        known.stamp > head->stamp)
        apply_life(farm, &known);
    lookup_heard(farm, pull->hash);
    farm->wants->is_dirty = true;
}

static void take_piece(struct farm *farm, struct pull *pull,
                       const struct member *member, const struct record *head,
                       const struct message_piece *piece)
{
    if (head->value_bytes > store_item_bytes_max(farm->store) ||
        piece->offset != pull->got_bytes || piece->offset > head->value_bytes ||
        piece->bytes.length > head->value_bytes - piece->offset ||
        !reserve(farm, pull, head->value_bytes))
        return; /* somebody else is asked when it has not moved */
    span_copy(pull->reservation.value + piece->offset, piece->bytes);
    pull->got_bytes += piece->bytes.length;
    pull->head.value_bytes = head->value_bytes;
    pull->moved = farm->now;
    pull->came = farm->now;
    if (pull->is_sync && farm->asked.is_active)
        farm->asked.moved = farm->now;
    if (pull->got_bytes == head->value_bytes)
        complete(farm, pull, head);
    else
        fetch_ahead(farm, pull, member);
}

void wants_piece(struct farm *farm, struct member *member,
                 const struct message_piece *piece)
{
    struct pull *pull = find_asked(farm, member, piece->id);
    struct record head;

    if (pull == NULL)
        return;
    if (record_decode(piece->head, &head) != DECODE_OK ||
        head.kind != RECORD_ANNOUNCE || !span_equal(head.key, key_of(pull))) {
        members_cut(farm, connection_find(farm, member->link),
                    "it sent a piece of something else");
        return;
    }
    if (head.version == pull->head.version) {
        take_piece(farm, pull, member, &head, piece);
    } else if (head.version > pull->head.version) {
        /* The older is over when the newer is here. */
        struct source source = {.member = member, .is_sync = pull->is_sync};
        pull->moved = farm->now;
        (void)wants_announced(farm, &source, &head);
    }
}

void wants_heard(struct farm *farm, uint64_t hash)
{
    struct wants *wants = farm->wants;

    for (size_t i = 0; i < wants->count; i++)
        wants->is_dirty |= wants->pulls[i].hash == hash;
}

void wants_flushed(struct farm *farm)
{
    farm->wants->is_dirty = true;
}

void wants_forget(struct farm *farm, const struct member *member)
{
    struct wants *wants = farm->wants;
    size_t place = member_place(farm, member);

    for (size_t i = 0; i < wants->count; i++) {
        struct pull *pull = &wants->pulls[i];
        member_set_remove(&pull->asked, place);
        member_set_remove(&pull->lacking, place);
        if (pull->from == member->id)
            pull->id = 0;
    }
    wants->is_dirty = true;
}

/* ---- giving ---- */

static struct span announce_head(const struct item *item,
                                 uint8_t to[RECORD_HEAD_BYTES_MAX])
{
    struct record record = apply_record_of(item);
    struct writer writer = writer_of(to, RECORD_HEAD_BYTES_MAX);

    record.kind = RECORD_ANNOUNCE;
    record.value_bytes = (uint32_t)record.value.length;
    record_encode(&record, &writer);
    return span_of(to, writer.used_bytes);
}

static void send_whole(struct farm *farm, farm_link link, uint64_t id,
                       const struct item *item)
{
    struct record record = apply_record_of(item);
    uint8_t head[RECORD_HEAD_BYTES_MAX];
    struct writer writer = writer_of(head, sizeof(head));

    record_encode_head(&record, &writer);
    effect_send_state(farm, link, id, span_of(head, writer.used_bytes),
                      record.value);
}

static void send_piece(struct farm *farm, farm_link link,
                       const struct message_fetch *fetch,
                       const struct item *item)
{
    uint8_t head[RECORD_HEAD_BYTES_MAX];
    struct span value = item_value(item);
    size_t offset = item->version == fetch->version ? fetch->offset : 0;
    size_t bytes = fetch->bytes < PIECE_BYTES ? fetch->bytes : PIECE_BYTES;

    if (offset >= value.length || bytes == 0)
        return;
    if (bytes > value.length - offset)
        bytes = value.length - offset;
    struct message piece = {
        .kind = MESSAGE_PIECE,
        .piece = {.id = fetch->id,
                  .offset = (uint32_t)offset,
                  .head = announce_head(item, head),
                  .bytes = span_of(value.data + offset, bytes)}};
    effect_send(farm, link, &piece);
}

/* Those who said that they lack it get it, or word of it. */
static void send_to_lacking(struct farm *farm, const struct message_list *list,
                            const struct item *item)
{
    struct reader reader = reader_of(list->bytes);
    size_t count =
        list->count < FARM_MEMBERS_MAX ? list->count : FARM_MEMBERS_MAX;

    for (size_t i = 0; i < count; i++) {
        const struct member *member = member_find(farm, read_u64(&reader));
        uint8_t head[RECORD_HEAD_BYTES_MAX];
        if (member == NULL || !member_is_up(member))
            continue;
        if (item_value(item).length <= PIECE_BYTES)
            send_whole(farm, member->link, 0, item);
        else
            effect_send_state(farm, member->link, 0, announce_head(item, head),
                              (struct span){0});
    }
}

void wants_fetch(struct farm *farm, struct member *member,
                 const struct message_fetch *fetch)
{
    struct store_hold hold;
    uint64_t hash = store_hash(farm->store, fetch->key);

    store_hold(farm->store, fetch->key, hash, farm->time, &hold);
    if (hold.item == NULL || hold.item->version < fetch->version) {
        struct message missing = {.kind = MESSAGE_MISSING,
                                  .missing = {.id = fetch->id}};
        if (hold.item == NULL) {
            missing.missing.stub_kind = (uint8_t)hold.stub.kind;
            missing.missing.version = hold.stub.version;
            missing.missing.stamp = hold.stub.stamp;
            missing.missing.exptime = hold.stub.exptime;
        }
        effect_send(farm, member->link, &missing);
    } else {
        if (item_value(hold.item).length <= PIECE_BYTES)
            send_whole(farm, member->link, fetch->id, hold.item);
        else
            send_piece(farm, member->link, fetch, hold.item);
        if (fetch->offset == 0)
            send_to_lacking(farm, &fetch->lacking, hold.item);
    }
    store_release(&hold);
}

/* ---- what others ask ---- */

uint64_t wants_held(const struct farm *farm, const struct member *member)
{
    const struct wants *wants = farm->wants;
    uint64_t held = member->applied;

    for (size_t i = 0; i < wants->count; i++) {
        const struct pull *pull = &wants->pulls[i];
        if (pull->origin == member->id && pull->number > 0 &&
            pull->number <= held)
            held = pull->number - 1;
    }
    return held;
}

bool wants_is_synchronising(const struct farm *farm)
{
    const struct wants *wants = farm->wants;

    for (size_t i = 0; i < wants->count; i++) {
        if (wants->pulls[i].is_sync && !wants->pulls[i].is_lost)
            return true;
    }
    return false;
}

time_us wants_moved(const struct farm *farm, struct span key, uint64_t version)
{
    const struct pull *pull = find(farm, key, version);

    return pull == NULL ? 0 : pull->came;
}

void wants_visit_range(struct farm *farm, uint64_t mask, uint64_t value,
                       want_visitor *visit, void *context)
{
    const struct wants *wants = farm->wants;

    for (size_t i = 0; i < wants->count; i++) {
        const struct pull *pull = &wants->pulls[i];
        struct record head = head_of(pull);
        if (pull->is_announced && (pull->hash & mask) == value)
            visit(&head, context);
    }
}

void wants_check(const struct farm *farm)
{
    const struct wants *wants = farm->wants;

    assert(wants->count <= PULLS_MAX);
    for (size_t i = 0; i < wants->count; i++) {
        const struct pull *pull = &wants->pulls[i];
        assert(pull->head.key.length <= RECORD_KEY_BYTES_MAX);
        assert(pull->got_bytes == 0 || pull->reservation.item != NULL);
        assert(find(farm, key_of(pull), pull->head.version) == pull);
    }
}
