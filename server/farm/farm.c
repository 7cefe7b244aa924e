/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/farm/farm.h"

#include <assert.h>
#include <stdlib.h>

#include "proto/base/planted.h"
#include "server/farm/state.h"

/* A server that ends waits no longer for the others. */
#define LEAVE_MAX (2 * TIME_US_PER_S)
/* Nor for decisions: as long as it may yet be asked, its keys have no home. */
#define RETIRE_MAX (TIME_US_PER_S / 4)

struct farm *farm_create(const struct farm_settings *settings,
                         struct store *store, struct journal *journal,
                         time_us now)
{
    struct farm *farm = calloc(1, sizeof(*farm));

    if (farm == NULL)
        return NULL;
    farm->settings = *settings;
    farm->store = store;
    farm->journal = journal;
    farm->prng.state = settings->seed;
    farm->now = now;
    farm->time = now;
    farm->started = now;
    farm->state = MEMBER_JOINING;
    farm->waits = calloc(WAITS_MAX, sizeof(farm->waits[0]));
    farm->wants = wants_create();
    farm->lookups = lookup_create();
    farm->home = home_create();
    farm->errands = errand_create();
    farm->locks = locks_create();
    farm->acks_owed_by = UINT64_MAX;
    if (farm->waits == NULL || farm->wants == NULL || farm->lookups == NULL ||
        farm->home == NULL || farm->errands == NULL || farm->locks == NULL) {
        farm_destroy(farm);
        return NULL;
    }
    return farm;
}

void farm_destroy(struct farm *farm)
{
    if (farm == NULL)
        return;
    free(farm->effects.list);
    free(farm->effects.bytes);
    free(farm->waits);
    wants_destroy(farm);
    lookup_destroy(farm);
    home_destroy(farm);
    errand_destroy(farm);
    locks_destroy(farm);
    free(farm);
}

/* ---- messages ---- */

static void take_state(struct farm *farm, struct member *member,
                       const struct message *message)
{
    struct source source = {.member = member};

    if (!apply_state(farm, &source, message->state.bytes)) {
        members_cut(farm, connection_find(farm, member->link),
                    "it sent what makes no sense");
        return;
    }
    lookup_state(farm, member, message->state.id);
}

static void take_lock(struct farm *farm, const struct message_lock *lock)
{
    struct farm_lock told = {
        .version = lock->version, .owner = lock->owner, .taken = lock->taken};

    locks_note(farm, lock->key, &told);
}

static void take_message(struct farm *farm, struct connection *connection,
                         const struct message *message)
{
    struct member *member = connection->member;

    /* Nothing is taken from whoever has not said who it is. */
    if (message->kind == MESSAGE_HELLO) {
        if (member == NULL)
            members_hello(farm, connection, &message->hello);
        return;
    }
    if (message->kind == MESSAGE_REFUSE) {
        refuse_heard(farm, connection, message->refuse);
        return;
    }
    if (member == NULL) {
        members_cut(farm, connection, "it did not begin with HELLO");
        return;
    }
    if (member->link != connection->link)
        return; /* an older link, on its way out */
    switch (message->kind) {
    case MESSAGE_MEMBERS:
        members_learn(farm, &message->members);
        break;
    case MESSAGE_HEARTBEAT:
        heartbeat_take(farm, member, &message->heartbeat);
        break;
    case MESSAGE_HEARTBEAT_REQUEST:
        heartbeat_request(farm, member, message->subject);
        break;
    case MESSAGE_ALIVE:
        heartbeat_alive(farm, member, message->subject);
        break;
    case MESSAGE_ATTACH:
        broadcast_attach(farm, member, message->number);
        break;
    case MESSAGE_OVERRUN:
        apply_overrun(member, message->number);
        break;
    case MESSAGE_RECORD_AWAITED:
        acks_awaited(member, message->state.number);
        apply_record(farm, member, message->state.number, message->state.bytes);
        break;
    case MESSAGE_RECORD:
        apply_record(farm, member, message->state.number, message->state.bytes);
        break;
    case MESSAGE_ACK:
        broadcast_ack(farm, member, message->number);
        break;
    case MESSAGE_ACK_AWAITED:
        acks_awaited(member, message->number);
        break;
    case MESSAGE_REQUEST:
        lookup_request(farm, member, &message->request);
        break;
    case MESSAGE_STATE:
        take_state(farm, member, message);
        break;
    case MESSAGE_HAVE:
        lookup_have(farm, member, &message->have);
        break;
    case MESSAGE_MISSING:
        lookup_missing(farm, member, &message->missing);
        wants_missing(farm, member, &message->missing);
        break;
    case MESSAGE_FETCH:
        wants_fetch(farm, member, &message->fetch);
        break;
    case MESSAGE_PIECE:
        wants_piece(farm, member, &message->piece);
        break;
    case MESSAGE_FORWARD:
        forward_take(farm, member, message);
        break;
    case MESSAGE_ENTER:
        view_take(farm, member, &message->enter);
        break;
    case MESSAGE_COMMAND:
        home_take(farm, member, &message->command);
        break;
    case MESSAGE_DECISION:
        errand_decided(farm, member->id, &message->decision);
        break;
    case MESSAGE_LOCK:
        take_lock(farm, &message->lock);
        break;
    case MESSAGE_SYNC_BEGIN:
    case MESSAGE_SYNC_LIST:
    case MESSAGE_SYNC_PULL:
    case MESSAGE_SYNC_STATE:
    case MESSAGE_SYNC_END:
        synchronise_message(farm, member, message);
        break;
    default:
        break;
    }
}

void farm_take_frame(struct farm *farm, farm_link link, struct span inner)
{
    struct connection *connection = connection_find(farm, link);
    struct message message;

    if (connection == NULL)
        return;
    if (message_decode(inner, &message) != DECODE_OK)
        members_cut(farm, connection, "it sent what makes no sense");
    else if (message.kind != MESSAGE_UNKNOWN)
        take_message(farm, connection, &message);
}

/* ---- leaving ---- */

static void begin_to_leave(struct farm *farm)
{
    if (farm->is_retiring)
        return;
    farm->is_retiring = true;
    farm->retire_by = farm->now + RETIRE_MAX;
    farm->leave_by = farm->now + LEAVE_MAX;
}

/* Who hears that this server has left knows that all it asked here is answered,
 * or was not done. */
static void leave(struct farm *farm)
{
    struct record leave = {.kind = RECORD_LEAVE,
                           .version =
                               store_next_version(farm->store, farm->time)};

    home_give_up(farm);
    farm->is_leaving = true;
    farm->state = MEMBER_LEFT;
    broadcast_need(farm, journal_append(farm->journal, &leave));
}

static bool may_leave(const struct farm *farm)
{
    return farm->is_retiring && !farm->is_leaving && home_is_still(farm) &&
           ((home_is_empty(farm) && errand_is_empty(farm)) ||
            farm->now >= farm->retire_by);
}

/* Everybody who is to have the last record has it; who is late anyhow gets
 * it from the others, if one of them has it. */
static bool has_left(struct farm *farm)
{
    uint64_t head = journal_head(farm->journal);
    bool has_others = false;
    bool is_held = false;

    if (farm->now >= farm->leave_by)
        return true;
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (!member_is_in_view(member) || !member_is_up(member))
            continue;
        has_others = true;
        is_held |= member->acked >= head;
        if (member_is_in_sync(member) && member->acked < head)
            return false;
    }
    return is_held || !has_others;
}

static void note_backlog(struct farm *farm, const struct farm_input *input)
{
    struct connection *connection = connection_find(farm, input->link);

    if (connection != NULL)
        connection->backlog_bytes = input->number;
}

/* ---- the three verbs ---- */

void farm_step(struct farm *farm, const struct farm_input *input)
{
    assert(farm->effects.taken == farm->effects.count);
    assert(input->now >= farm->now);
    effects_reset(farm);
    time_us last_step = farm->now;
    farm->now = input->now;
    farm->time = farm_time(farm, farm->now);
    farm->wants_tick = false;
    wake_after_gap(farm, last_step);
    switch (input->kind) {
    case FARM_SEED:
        members_add_seed(farm, input->bytes);
        break;
    case FARM_LINKED:
        members_linked(farm, input);
        break;
    case FARM_BACKLOG:
        note_backlog(farm, input);
        break;
    case FARM_LOOKUP:
        lookup_begin(farm, input->waiter, input->bytes);
        break;
    case FARM_UNLINKED:
        members_unlinked(farm, input->link);
        break;
    case FARM_REFUSED:
        members_refused(farm, input->bytes);
        break;
    case FARM_REJECTED:
        join_rejected(farm);
        break;
    case FARM_FRAME:
        farm->figures.bytes_received +=
            input->bytes.length + MESSAGE_FRAME_BYTES;
        farm_take_frame(farm, input->link, input->bytes);
        break;
    case FARM_AWAIT:
        broadcast_await(farm, input->waiter, input->number);
        break;
    case FARM_LEAVE:
        begin_to_leave(farm);
        break;
    case FARM_COMMAND:
        errand_begin(farm, input->waiter, input->bytes);
        break;
    case FARM_EXECUTED:
        home_executed(farm, input);
        farm->wants_tick = true;
        break;
    case FARM_TICK:
    case FARM_WRITTEN:
        broadcast_due(farm, journal_head(farm->journal));
        break;
    case FARM_TURN:
        break;
    }
    if (input->more)
        return;
    if (!farm->is_leaving)
        join_tick(farm);
    wants_run(farm);
    apply_departures(farm);
    synchronise_tick(farm);
    lookup_run(farm);
    view_tick(farm);
    locks_run(farm);
    home_run(farm);
    errand_run(farm);
    if (may_leave(farm))
        leave(farm);
    broadcast_run(farm);
    tell_changes(farm);
    if (farm->is_leaving && !farm->has_left && has_left(farm)) {
        farm->has_left = true;
        effect_left(farm);
    }
    farm->is_ticked = wake_needs_ticks(farm);
}

static time_us earlier(time_us one, time_us other)
{
    return one < other ? one : other;
}

time_us farm_deadline(const struct farm *farm)
{
    time_us deadline = earlier(farm->next_heartbeat, farm->next_dial);

    if (farm->wants_tick)
        return farm->now;
    if (farm->is_leaving)
        deadline = farm->has_left ? UINT64_MAX : farm->leave_by;
    else if (farm->is_retiring)
        deadline = earlier(deadline, farm->retire_by);
    if (farm->waits_count > 0)
        deadline = earlier(deadline, farm->waits[farm->waits_first].deadline);
    if (farm->is_ticked)
        deadline = earlier(deadline, farm->now + farm->settings.tick_interval);
    deadline = earlier(deadline, lookup_deadline(farm));
    deadline = earlier(deadline, wants_deadline(farm));
    deadline = earlier(deadline, home_deadline(farm));
    deadline = earlier(deadline, errand_deadline(farm));
    deadline = earlier(deadline, acks_deadline(farm));
    return deadline;
}

time_us farm_fresh_until(const struct farm *farm)
{
    /* Who is not run does not hear what the others go on to do, and answer
     * without it after the timeout; a fifth of that is for the way. */
    time_us until = farm->is_ticked
                        ? farm->now + farm->settings.ack_timeout / 5 * 4
                        : UINT64_MAX;

    if (farm->state != MEMBER_READY || wants_is_synchronising(farm))
        return 0;
    if (PLANTED == PLANTED_ALWAYS_FRESH)
        return UINT64_MAX;
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (!member_is_in_view(member))
            continue;
        if (member->link == 0 || member->awaits_heartbeat ||
            member->awaits_start || member->has_gap || member->must_sync ||
            wants_held(farm, member) < member->fresh_from ||
            member->echoed < farm->woke)
            return 0;
        until = earlier(until, member->echoed +
                                   FRESH_HEARTBEATS * farm->settings.heartbeat);
    }
    return until;
}

uint8_t farm_state(const struct farm *farm)
{
    return farm->state;
}

bool farm_has_others(const struct farm *farm)
{
    for (size_t i = 0; i < farm->connections_end; i++) {
        if (farm->connections[i].link != 0)
            return true;
    }
    /* Who lost its link is in the view until it is dead. */
    for (size_t i = 0; i < farm->members_end; i++) {
        if (member_is_in_view(&farm->members[i]))
            return true;
    }
    return false;
}

void farm_watch(struct farm *farm, bool is_watched)
{
    farm->is_watched = is_watched;
}

size_t farm_read_members(struct farm *farm,
                         struct farm_member rows[FARM_MEMBERS_MAX + 1])
{
    size_t count = 0;

    rows[count++] = (struct farm_member){.name = farm->settings.name,
                                         .address = farm->settings.address,
                                         .id = farm->settings.id,
                                         .state = farm->state,
                                         .is_self = true};
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (member->id == 0 || member->name[0] == '\0' ||
            (!member->was_met && member_is_gone(member)))
            continue;
        rows[count++] = (struct farm_member){
            .name = member->name,
            .address = member->address,
            .id = member->id,
            .state = member->state,
            .lag_records = journal_head(farm->journal) - member->acked,
            .heartbeat_age =
                farm->now - (member->heartbeat_at > 0 ? member->heartbeat_at
                                                      : member->heard),
            .clock_offset_us = member->clock_offset_us};
    }
    return count;
}

void farm_read_figures(struct farm *farm, struct farm_figures *figures)
{
    *figures = farm->figures;
    figures->state = farm->state;
    figures->members = 1;
    figures->members_ready = farm->state == MEMBER_READY;
    figures->journal_head = journal_head(farm->journal);
    figures->splices = journal_splices(farm->journal);
    figures->waiting = farm->waits_count;
    figures->locks = locks_count(farm);
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (!member_is_up(member))
            continue;
        figures->members++;
        figures->members_ready += member->is_ready;
    }
}

void farm_check(const struct farm *farm)
{
    bool is_taken[1024] = {false}; /* by somebody whose id ends so */

    assert(farm->waits_count <= WAITS_MAX);
    lookup_check(farm);
    wants_check(farm);
    home_check(farm);
    errand_check(farm);
    locks_check(farm);
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (member->id == 0)
            continue;
        assert(member->id != farm->settings.id);
        assert(member->has_gap || member->applied >= member->needed);
        assert(!member->is_attached || member->acked < member->cursor.number);
        assert(!member->is_attached || member_speaks_splices(member) ||
               member->cursor.number > journal_last_splice(farm->journal));
        bool *mark = &is_taken[member->id % 1024];
        for (size_t j = 0; j < i && *mark; j++)
            assert(farm->members[j].id != member->id);
        *mark = true;
    }
}
