/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Synchronise: two members bring each other up to date, range by range of
 * key hashes.
 *
 * The donor lists what it knows of a range; the asker pushes what it knows
 * better, and pulls what it does not know; then comes the next range.  In
 * the end the asker adopts the donor's vector as of the start: all that it
 * stands for was in the lists, or newer.
 */
#include <stdlib.h>

#include "proto/base/planted.h"
#include "server/farm/state.h"

/* A donor waits so long to have what its asker attached behind. */
#define DONOR_WAIT (TIME_US_PER_S * 2)
/* Of one list, about; and of what it is a list of.  They tell the range's
 * size. */
#define LIST_ENTRIES 256
#define LIST_BYTES ((size_t)256 * 1024)
/* Of these, so many ahead of what is pulled: all that is ahead may come to
 * be on the link at once. */
#define ENTRIES_AHEAD (2 * LIST_ENTRIES)
#define BYTES_AHEAD ((size_t)1 << 20)

/* What one side knows of a range, in the order of hashes. */
struct listing {
    struct message_entry *entries;
    size_t count;
    size_t capacity;
    size_t value_bytes; /* of the values, those that are sent whole */
    size_t record_bytes_max;
};

struct want_listing {
    struct listing *listing;
    struct store *store;
};

static void listing_add(const struct store_known *known, void *context)
{
    struct listing *listing = context;

    if (listing->count == listing->capacity) {
        listing->capacity = listing->capacity == 0 ? 64 : 2 * listing->capacity;
        listing->entries = realloc(
            listing->entries, listing->capacity * sizeof(listing->entries[0]));
        if (listing->entries == NULL)
            abort();
    }
    bool is_item = known->item != NULL;
    if (is_item && item_value(known->item).length <= listing->record_bytes_max)
        listing->value_bytes += item_value(known->item).length;
    listing->entries[listing->count++] = (struct message_entry){
        .hash = known->hash,
        .version = is_item ? known->item->version : known->stub.version,
        .stamp = is_item ? item_stamp(known->item) : known->stub.stamp,
        .kind = is_item                           ? ENTRY_VALUE
                : known->stub.kind == STUB_WANTED ? ENTRY_WANT
                                                  : ENTRY_GRAVE};
}

static int by_hash(const void *a, const void *b)
{
    uint64_t left = ((const struct message_entry *)a)->hash;
    uint64_t right = ((const struct message_entry *)b)->hash;

    return left < right ? -1 : left > right;
}

/* True where `one` knows something of the key that `other` does not. */
static bool knows_better(const struct message_entry *one,
                         const struct message_entry *other)
{
    if (other == NULL)
        return true;
    return one->version > other->version || one->stamp > other->stamp ||
           (one->version == other->version && one->kind == ENTRY_VALUE &&
            other->kind == ENTRY_WANT);
}

/* What is announced and still to come is known, too. */
static void listing_add_want(const struct record *announce, void *context)
{
    struct listing *listing = ((struct want_listing *)context)->listing;
    struct store *store = ((struct want_listing *)context)->store;
    struct store_known known = {.hash = store_hash(store, announce->key),
                                .stub = {.kind = STUB_WANTED,
                                         .version = announce->version,
                                         .stamp = announce->stamp}};

    for (size_t i = 0; i < listing->count; i++) {
        struct message_entry *entry = &listing->entries[i];
        if (entry->hash != known.hash)
            continue;
        if (entry->version < announce->version) {
            entry->version = announce->version;
            entry->kind = ENTRY_WANT;
        }
        if (entry->stamp < announce->stamp)
            entry->stamp = announce->stamp;
        return;
    }
    listing_add(&known, listing);
}

static struct listing list_range(struct farm *farm, uint64_t mask,
                                 uint64_t value)
{
    struct listing listing = {.record_bytes_max =
                                  journal_record_bytes_max(farm->journal)};
    struct want_listing wants = {&listing, farm->store};

    store_visit_range(farm->store, mask, value, farm->time, listing_add,
                      &listing);
    wants_visit_range(farm, mask, value, listing_add_want, &wants);
    if (listing.count > 0)
        qsort(listing.entries, listing.count, sizeof(listing.entries[0]),
              by_hash);
    return listing;
}

static const struct message_entry *listing_find(const struct listing *listing,
                                                uint64_t hash)
{
    struct message_entry wanted = {.hash = hash};

    if (listing->count == 0)
        return NULL;
    return bsearch(&wanted, listing->entries, listing->count,
                   sizeof(listing->entries[0]), by_hash);
}

/* ---- sending states ---- */

struct sending {
    struct farm *farm;
    farm_link link;
    uint32_t session;
    const struct listing *wanted; /* hashes to be sent */
    size_t record_bytes_max;
};

static void send_record(struct farm *farm, farm_link link, uint32_t session,
                        const struct record *record)
{
    size_t bytes = record_bytes(record);
    uint8_t *copy = malloc(bytes);
    struct writer writer = writer_of(copy, bytes);

    if (copy == NULL)
        abort();
    record_encode(record, &writer);
    struct message message = {
        .kind = MESSAGE_SYNC_STATE,
        .state = {.session = session, .bytes = span_of(copy, bytes)}};
    effect_send(farm, link, &message);
    free(copy);
}

static void send_known(const struct store_known *known, void *context)
{
    struct sending *sending = context;
    const struct item *item = known->item;
    struct record record = {.kind = RECORD_STUB,
                            .stub_kind = (uint8_t)known->stub.kind,
                            .hash = known->hash,
                            .version = known->stub.version,
                            .stamp = known->stub.stamp,
                            .exptime = known->stub.exptime,
                            .key = known->digest};

    if (listing_find(sending->wanted, known->hash) == NULL)
        return;
    if (item != NULL)
        record = apply_record_of(item);
    /* What is too long to be streamed is pulled in pieces here, too. */
    if (item != NULL && record_bytes(&record) > sending->record_bytes_max) {
        record.kind = RECORD_ANNOUNCE;
        record.value_bytes = (uint32_t)record.value.length;
    }
    send_record(sending->farm, sending->link, sending->session, &record);
}

static void send_want(const struct record *announce, void *context)
{
    struct sending *sending = context;
    uint64_t hash = store_hash(sending->farm->store, announce->key);

    if (listing_find(sending->wanted, hash) != NULL)
        send_record(sending->farm, sending->link, sending->session, announce);
}

static void send_states(struct farm *farm, farm_link link,
                        const struct message_sync *range,
                        const struct listing *wanted)
{
    /* What is larger is pulled, so that it does not all come at once. */
    size_t bytes_max = journal_record_bytes_max(farm->journal);
    struct sending sending = {farm, link, range->session, wanted,
                              bytes_max < PIECE_BYTES ? bytes_max
                                                      : PIECE_BYTES};

    if (wanted->count == 0)
        return;
    store_visit_range(farm->store, range->mask, range->value, farm->time,
                      send_known, &sending);
    wants_visit_range(farm, range->mask, range->value, send_want, &sending);
}

/* ---- the donor ---- */

static struct sync *find_given(struct farm *farm, uint64_t partner,
                               uint32_t session)
{
    for (size_t i = 0; i < SYNC_DONORS_MAX; i++) {
        struct sync *sync = &farm->given[i];
        if (sync->is_active && sync->partner == partner &&
            sync->session == session)
            return sync;
    }
    return NULL;
}

static void begin_giving(struct farm *farm, struct member *member,
                         const struct message_sync *message)
{
    struct sync *sync = NULL;
    struct reader reader = reader_of(message->list.bytes);

    for (size_t i = 0; i < SYNC_DONORS_MAX && sync == NULL; i++) {
        if (!farm->given[i].is_active ||
            farm->now - farm->given[i].moved > SYNC_TIMEOUT)
            sync = &farm->given[i];
    }
    if (sync == NULL || message->list.count > FARM_MEMBERS_MAX)
        return; /* the asker tries again, with another perhaps */
    *sync = (struct sync){.is_active = true,
                          .is_waiting = true,
                          .partner = member->id,
                          .session = message->session,
                          .begun = farm->now,
                          .moved = farm->now,
                          .vector_count = message->list.count};
    for (size_t i = 0; i < sync->vector_count; i++) {
        sync->vector[i].id = read_u64(&reader);
        sync->vector[i].number = read_u64(&reader);
    }
    farm->wants_tick = true;
}

/* Has the donor what its asker will not get from the streams?  Of who is
 * gone it has what it has. */
static bool has_needs(struct farm *farm, const struct sync *sync)
{
    for (size_t i = 0; i < sync->vector_count; i++) {
        const struct vector_entry *need = &sync->vector[i];
        const struct member *member = member_find(farm, need->id);
        if (member != NULL && member_is_up(member) &&
            member->applied < need->number)
            return false;
    }
    return true;
}

static void send_list(struct farm *farm, struct sync *sync, farm_link link)
{
    struct listing listing = list_range(farm, sync->mask, sync->next_value);
    if (listing.count > UINT16_MAX)
        listing.count = UINT16_MAX; /* of 256 that were expected */
    size_t bytes = listing.count * MESSAGE_ENTRY_BYTES;
    uint8_t *packed = malloc(bytes + 1);
    struct writer writer = writer_of(packed, bytes);

    if (packed == NULL)
        abort();
    for (size_t i = 0; i < listing.count; i++)
        message_write_entry(&writer, &listing.entries[i]);
    struct message message = {
        .kind = MESSAGE_SYNC_LIST,
        .sync = {.session = sync->session,
                 .mask = sync->mask,
                 .value = sync->next_value,
                 .list = {listing.count, span_of(packed, bytes)}}};
    effect_send(farm, link, &message);
    sync->counts_ahead[sync->next_value % LISTS_AHEAD] =
        (uint16_t)listing.count;
    sync->entries_ahead += listing.count;
    sync->sizes_ahead[sync->next_value % LISTS_AHEAD] = listing.value_bytes;
    sync->bytes_ahead += listing.value_bytes;
    sync->next_value++;
    free(packed);
    free(listing.entries);
}

static void send_lists(struct farm *farm, struct sync *sync, farm_link link)
{
    while (sync->next_value <= sync->mask &&
           sync->next_value - sync->next_pull < LISTS_AHEAD &&
           sync->entries_ahead < ENTRIES_AHEAD &&
           sync->bytes_ahead < BYTES_AHEAD)
        send_list(farm, sync, link);
}

static void send_flushes(struct farm *farm, farm_link link, uint32_t session)
{
    struct store_flushes flushes = store_read_flushes(farm->store);
    struct record record = {.kind = RECORD_FLUSH, .version = flushes.floor};

    if (flushes.floor > 0)
        send_record(farm, link, session, &record);
    record.version = flushes.pending_version;
    record.moment = flushes.pending_moment;
    if (flushes.pending_moment > 0)
        send_record(farm, link, session, &record);
}

/* Ranges so small that a list of one is, and what it tells of. */
static uint64_t choose_mask(struct farm *farm)
{
    struct store_figures figures;
    uint64_t mask = STORE_RANGE_MASK_MIN;

    store_read_figures(farm->store, &figures);
    while ((mask + 1) * LIST_ENTRIES < figures.items + figures.stubs ||
           (mask + 1) * LIST_BYTES < figures.item_bytes)
        mask = mask * 2 + 1;
    return mask;
}

static void start_giving(struct farm *farm, struct sync *sync)
{
    struct member *member = member_find(farm, sync->partner);

    if (member == NULL || !member_is_up(member)) {
        sync->is_active = false;
        return;
    }
    if (!has_needs(farm, sync) && farm->now - sync->begun < DONOR_WAIT)
        return;
    sync->is_waiting = false;
    sync->moved = farm->now;
    sync->vector_count = members_vector(farm, sync->vector);
    sync->mask = choose_mask(farm);
    send_flushes(farm, member->link, sync->session);
    send_lists(farm, sync, member->link);
}

static void finish_giving(struct farm *farm, struct sync *sync,
                          struct member *member)
{
    uint8_t packed[(FARM_MEMBERS_MAX + 1) * MESSAGE_VECTOR_ENTRY_BYTES];
    struct message message = {
        .kind = MESSAGE_SYNC_END,
        .sync = {.session = sync->session,
                 .list =
                     vector_pack(sync->vector, sync->vector_count, packed)}};

    effect_send(farm, member->link, &message);
    sync->is_active = false;
    /* What the asker knew better was pushed on the way: both are even. */
    member->must_sync = false;
}

static void give(struct farm *farm, struct member *member,
                 const struct message_sync *message)
{
    struct sync *sync = find_given(farm, member->id, message->session);
    struct reader reader = reader_of(message->list.bytes);
    struct listing wanted = {.count = message->list.count};

    if (sync == NULL || sync->next_pull == sync->next_value)
        return; /* nothing was told that could be pulled */
    wanted.entries = calloc(wanted.count + 1, sizeof(wanted.entries[0]));
    if (wanted.entries == NULL)
        abort();
    for (size_t i = 0; i < wanted.count; i++)
        wanted.entries[i].hash = read_u64(&reader);
    qsort(wanted.entries, wanted.count, sizeof(wanted.entries[0]), by_hash);
    struct message_sync range = {
        .session = sync->session, .mask = sync->mask, .value = sync->next_pull};
    send_states(farm, member->link, &range, &wanted);
    free(wanted.entries);

    sync->moved = farm->now;
    sync->entries_ahead -= sync->counts_ahead[sync->next_pull % LISTS_AHEAD];
    sync->bytes_ahead -= sync->sizes_ahead[sync->next_pull % LISTS_AHEAD];
    sync->next_pull++;
    if (sync->next_pull > sync->mask)
        finish_giving(farm, sync, member);
    else
        send_lists(farm, sync, member->link);
}

/* ---- the asker ---- */

static void ask(struct farm *farm, struct member *partner)
{
    struct vector_entry needs[FARM_MEMBERS_MAX];
    uint8_t packed[sizeof(needs)];
    size_t count = 0;

    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (member->id != 0 && member->has_gap)
            needs[count++] = (struct vector_entry){member->id, member->needed};
    }
    farm->asked = (struct sync){.is_active = true,
                                .partner = partner->id,
                                .session = ++farm->next_session,
                                .begun = farm->now,
                                .moved = farm->now};
    struct message message = {
        .kind = MESSAGE_SYNC_BEGIN,
        .sync = {.session = farm->asked.session,
                 .list = vector_pack(needs, count, packed)}};
    effect_send(farm, partner->link, &message);
    farm->figures.syncs_begun++;
    effect_event(farm, FARM_MEMBERS, "synchronises with %s", partner->name);
}

static void compare(struct farm *farm, struct member *member,
                    const struct message_sync *message)
{
    struct listing ours = list_range(farm, message->mask, message->value);
    struct listing theirs = {.count = message->list.count};
    struct listing push = {0};
    struct reader reader = reader_of(message->list.bytes);
    uint8_t *pulls = malloc(theirs.count * 8 + 1);
    struct writer writer = writer_of(pulls, theirs.count * 8);

    theirs.entries = calloc(theirs.count + 1, sizeof(theirs.entries[0]));
    push.entries = calloc(ours.count + 1, sizeof(push.entries[0]));
    if (pulls == NULL || theirs.entries == NULL || push.entries == NULL)
        abort();
    for (size_t i = 0; i < theirs.count; i++) {
        theirs.entries[i] = message_read_entry(&reader);
        const struct message_entry *their = &theirs.entries[i];
        const struct message_entry *our = listing_find(&ours, their->hash);
        if (knows_better(their, our))
            write_u64(&writer, their->hash);
    }
    qsort(theirs.entries, theirs.count, sizeof(theirs.entries[0]), by_hash);
    for (size_t i = 0; i < ours.count; i++) {
        const struct message_entry *our = &ours.entries[i];
        const struct message_entry *their = listing_find(&theirs, our->hash);
        if (knows_better(our, their))
            push.entries[push.count++] = *our;
    }
    send_states(farm, member->link, message, &push);
    struct message pull = {
        .kind = MESSAGE_SYNC_PULL,
        .sync = {.session = message->session,
                 .list = {writer.used_bytes / 8,
                          span_of(pulls, writer.used_bytes)}}};
    effect_send(farm, member->link, &pull);
    free(pulls);
    free(push.entries);
    free(theirs.entries);
    free(ours.entries);
}

static void adopt(struct farm *farm, uint64_t id, uint64_t number)
{
    struct member *member = member_find(farm, id);

    if (id == farm->settings.id || PLANTED == PLANTED_VECTOR_NOT_ADOPTED)
        return;
    /* Dead before we heard of it: remembered for the sake of its number. */
    if (member == NULL) {
        member = member_create(farm, id);
        if (member == NULL)
            return;
        member->state = MEMBER_DEAD;
        member->heard = farm->now;
    }
    if (number > member->applied) {
        member->applied = number;
        settle_not(member);
    }
    if (member->has_gap && member->applied >= member->needed)
        member->has_gap = false;
    if (!member->has_gap && member->received > member->applied)
        member->applied = member->received;
    member->owes_ack = true;
}

/* What the donor's vector stands for is here only when all that it told of
 * is pulled. */
static void end_asking(struct farm *farm)
{
    struct sync *sync = &farm->asked;
    struct member *member = member_find(farm, sync->partner);

    if (wants_is_synchronising(farm))
        return;
    sync->is_active = false;
    farm->wants_tick = true;
    if (sync->is_incomplete || member == NULL)
        return;
    for (size_t i = 0; i < sync->vector_count; i++)
        adopt(farm, sync->vector[i].id, sync->vector[i].number);
    /* Whoever was ahead says so again, if it still is. */
    for (size_t i = 0; i < farm->members_end && farm->state != MEMBER_READY;
         i++) {
        farm->members[i].is_ahead = false;
        farm->members[i].has_entered = false;
        farm->members[i].asked_to_wait = 0;
    }
    farm->has_synchronised = true;
    farm->figures.syncs_done++;
    effect_event(farm, FARM_MEMBERS, "synchronised with %s in %u ms",
                 member->name,
                 (unsigned)((farm->now - farm->asked.begun) / 1000));
    member->must_sync = false;
    member->behind_since = 0;
}

static void take_end(struct farm *farm, const struct message_sync *message)
{
    struct sync *sync = &farm->asked;
    struct reader reader = reader_of(message->list.bytes);

    if (message->list.count > FARM_MEMBERS_MAX + 1 || sync->is_told)
        return;
    sync->vector_count = message->list.count;
    for (size_t i = 0; i < sync->vector_count; i++) {
        sync->vector[i].id = read_u64(&reader);
        sync->vector[i].number = read_u64(&reader);
    }
    sync->is_told = true;
    sync->moved = farm->now;
    end_asking(farm);
}

static bool is_mask(uint64_t mask)
{
    return mask >= STORE_RANGE_MASK_MIN && (mask & (mask + 1)) == 0;
}

/* ---- both ---- */

void synchronise_message(struct farm *farm, struct member *member,
                         const struct message *message)
{
    struct source source = {.member = member, .is_sync = true};
    bool is_answer = farm->asked.is_active &&
                     farm->asked.partner == member->id &&
                     farm->asked.session == message->sync.session;

    switch (message->kind) {
    case MESSAGE_SYNC_BEGIN:
        begin_giving(farm, member, &message->sync);
        break;
    case MESSAGE_SYNC_PULL:
        give(farm, member, &message->sync);
        break;
    case MESSAGE_SYNC_STATE:
        if (!apply_state(farm, &source, message->state.bytes))
            members_cut(farm, connection_find(farm, member->link),
                        "it sent what makes no sense");
        break;
    case MESSAGE_SYNC_LIST:
        if (is_answer && is_mask(message->sync.mask)) {
            farm->asked.moved = farm->now;
            compare(farm, member, &message->sync);
        }
        break;
    case MESSAGE_SYNC_END:
        if (is_answer)
            take_end(farm, &message->sync);
        break;
    default:
        break;
    }
}

void synchronise_forget(struct farm *farm, uint64_t partner)
{
    if (farm->asked.partner == partner)
        farm->asked.is_active = false;
    for (size_t i = 0; i < SYNC_DONORS_MAX; i++) {
        if (farm->given[i].partner == partner)
            farm->given[i].is_active = false;
    }
}

/* Whom to ask: who served apart from us, or knows more of the dead; for the
 * gaps of streams in turn the lowest id that is READY, which has them all as
 * a rule, and the stream's own server.  A newcomer asks even where there are
 * no gaps: what is settled of the dead is told by nobody. */
static struct member *choose_partner(struct farm *farm)
{
    struct member *lowest = NULL;
    struct member *origin = NULL;

    for (size_t i = 0; i < farm->members_end; i++) {
        struct member *member = &farm->members[i];
        if (!member_is_up(member) || !member->is_ready)
            continue;
        bool is_ahead = farm->state != MEMBER_READY && member->is_ahead;
        if (member->must_sync || is_ahead)
            return member;
        if (lowest == NULL || member->id < lowest->id)
            lowest = member;
        if (member->has_gap)
            origin = member;
    }
    if (farm->state == MEMBER_SYNCING && !farm->has_synchronised)
        return lowest;
    if (origin == NULL)
        return NULL;
    return farm->next_session % 2 == 0 ? lowest : origin;
}

/* Wants are pulled at once; one that is still there after a while, because
 * who told of it is gone, is to be had from somebody else: each in turn, as
 * not everybody may hold it.  Where that does not help, because nobody has it
 * any more or it is larger than this server takes, ever more rarely. */
static struct member *choose_for_wants(struct farm *farm)
{
    struct store_figures figures;

    if (farm->now < farm->next_wants)
        return NULL;
    store_read_figures(farm->store, &figures);
    bool is_stuck = figures.wants > 0 && farm->had_wants > 0;
    if (!is_stuck || figures.wants < farm->had_wants)
        farm->wants_pause = STUCK_INTERVAL;
    else if (farm->wants_pause < STUCK_INTERVAL_MAX)
        farm->wants_pause *= 2;
    farm->next_wants = farm->now + farm->wants_pause;
    farm->had_wants = figures.wants;
    for (size_t i = 0; is_stuck && i < FARM_MEMBERS_MAX; i++) {
        size_t at = (farm->next_session + i) % FARM_MEMBERS_MAX;
        if (member_is_up(&farm->members[at]) && farm->members[at].is_ready)
            return &farm->members[at];
    }
    return NULL;
}

void synchronise_tick(struct farm *farm)
{
    for (size_t i = 0; i < SYNC_DONORS_MAX; i++) {
        if (farm->given[i].is_active && farm->given[i].is_waiting)
            start_giving(farm, &farm->given[i]);
    }
    if (farm->asked.is_active && farm->asked.is_told)
        end_asking(farm);
    if (farm->asked.is_active && farm->now - farm->asked.moved > SYNC_TIMEOUT)
        farm->asked.is_active = false;
    if (farm->asked.is_active)
        return;
    struct member *partner = choose_partner(farm);
    if (partner == NULL)
        partner = choose_for_wants(farm);
    if (partner != NULL)
        ask(farm, partner);
}
