/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Heartbeat: who lives, how far everybody is, and who knows more of the dead.
 */
#include "server/farm/state.h"

/* The digest of all leaves is worth one look in a round of heartbeats. */
static uint64_t digest_of_late(struct farm *farm)
{
    if (farm->now - farm->digest_at >= farm->settings.heartbeat / 2) {
        farm->digest = store_digest(farm->store);
        farm->digest_at = farm->now;
    }
    return farm->digest;
}

void heartbeat_send(struct farm *farm, struct member *member)
{
    struct vector_entry vector[FARM_MEMBERS_MAX + 1];
    uint8_t bytes[sizeof(vector)];
    size_t count = members_vector(farm, vector);
    time_us age = farm->now - member->heartbeat_at;
    struct message message = {.kind = MESSAGE_HEARTBEAT,
                              .heartbeat = {.state = farm->state,
                                            .tag = farm->settings.tag,
                                            .clock = farm->time,
                                            .ready_since = farm->ready_since,
                                            .sent = farm->now,
                                            .echo_sent = member->sent_heard,
                                            .echo_age_us = age > UINT32_MAX
                                                               ? UINT32_MAX
                                                               : (uint32_t)age,
                                            .head = vector[0].number}};

    message.heartbeat.root = digest_of_late(farm);
    message.heartbeat.vector = vector_pack(vector, count, bytes);
    effect_send(farm, member->link, &message);
}

/* What others have applied of somebody that we cannot hear any more is to
 * be had from them. */
static void compare_vectors(struct farm *farm, struct member *member,
                            const struct message_list *vector, bool at_once)
{
    struct reader reader = reader_of(vector->bytes);
    bool is_behind = false;

    for (size_t i = 0; i < vector->count; i++) {
        uint64_t id = read_u64(&reader);
        uint64_t number = read_u64(&reader);
        struct member *origin = member_find(farm, id);
        if (id == farm->settings.id || id == member->id)
            continue;
        /* Of one that came and went unseen, all is missing. */
        if (origin == NULL) {
            is_behind = true;
            continue;
        }
        is_behind |= !member_is_up(origin) && number > origin->applied;
        settle_told(farm, member, origin, number);
    }
    member->is_ahead = is_behind && member->is_ready;
    if (farm->state != MEMBER_READY)
        return;
    if (!is_behind)
        member->behind_since = 0;
    else if (member->behind_since == 0)
        member->behind_since = farm->now;
    else if (farm->now - member->behind_since >= STUCK_INTERVAL / 2)
        member->must_sync = true;
    if (is_behind && at_once)
        member->must_sync = true;
}

static void take_state(struct member *member,
                       const struct message_heartbeat *heartbeat)
{
    member->tag = heartbeat->tag;
    /* That somebody leaves is told by the last record of its journal. */
    if (heartbeat->state < MEMBER_JOINING || heartbeat->state > MEMBER_READY ||
        member_is_gone(member))
        return;
    member->state = heartbeat->state;
    member->is_ready = heartbeat->state == MEMBER_READY;
    member->ready_since = member->is_ready ? heartbeat->ready_since : 0;
}

/* After a waking, what it tells in the first answer to a heartbeat of later
 * is what may have been missed. */
static void take_echo(struct farm *farm, struct member *member,
                      const struct message_heartbeat *heartbeat)
{
    if (heartbeat->echo_sent <= member->echoed ||
        heartbeat->echo_sent > farm->now)
        return;
    if (member->echoed < farm->woke && heartbeat->echo_sent >= farm->woke &&
        heartbeat->head > member->fresh_from)
        member->fresh_from = heartbeat->head;
    member->echoed = heartbeat->echo_sent;
}

void heartbeat_take(struct farm *farm, struct member *member,
                    const struct message_heartbeat *heartbeat)
{
    bool was_ready = member->is_ready;

    take_state(member, heartbeat);
    member->heard = farm->now;
    member->heartbeat_at = farm->now;
    member->sent_heard = heartbeat->sent;
    member->head = heartbeat->head;
    take_echo(farm, member, heartbeat);
    clock_heartbeat(farm, member, heartbeat);
    tags_meet(farm, member, member->tag);
    if (!was_ready && member->is_ready)
        member->is_entering = false;
    if (was_ready != member->is_ready)
        broadcast_choose(farm);
    compare_vectors(farm, member, &heartbeat->vector, member->awaits_heartbeat);
    if (member->awaits_heartbeat)
        member->fresh_from = heartbeat->head;
    member->awaits_heartbeat = false;
}

/* A request about itself says: I am about to be READY, wait for me. */
void heartbeat_request(struct farm *farm, struct member *member,
                       uint64_t subject)
{
    if (subject == member->id) {
        if (!member->is_ready) {
            member->is_entering = true;
            member->out_until = 0;
        }
        struct message alive = {.kind = MESSAGE_ALIVE,
                                .subject = farm->settings.id};
        heartbeat_send(farm, member);
        effect_send(farm, member->link, &alive);
        return;
    }
    if (subject == 0) {
        heartbeat_send(farm, member);
        return;
    }
    /* About somebody else: who was heard of lately lives. */
    const struct member *other = member_find(farm, subject);
    if (other != NULL && member_is_up(other) && member_has_real_link(other) &&
        farm->now - other->heartbeat_at <
            SUSPECT_HEARTBEATS * farm->settings.heartbeat) {
        struct message alive = {.kind = MESSAGE_ALIVE, .subject = subject};
        effect_send(farm, member->link, &alive);
    }
}

void heartbeat_alive(struct farm *farm, struct member *member, uint64_t subject)
{
    struct member *other = member_find(farm, subject);

    if (subject == member->id) {
        /* It waits for us from here on; its heartbeat came just before. */
        member->has_entered = true;
        member->enter_head = member->head;
    } else if (other != NULL && other->state == MEMBER_SUSPECT) {
        other->suspected = farm->now;
        forward_vouched(farm, other, member);
    }
}

static void ask_about(struct farm *farm, struct member *suspect)
{
    struct message request = {.kind = MESSAGE_HEARTBEAT_REQUEST};

    suspect->asked_about = farm->now;
    effect_send(farm, suspect->link, &request);
    request.subject = suspect->id;
    /* Not the same three each time: not everybody may hear it. */
    size_t start = prng_below(&farm->prng, FARM_MEMBERS_MAX);
    for (size_t i = 0, asked = 0; i < FARM_MEMBERS_MAX && asked < 3; i++) {
        struct member *other = &farm->members[(start + i) % FARM_MEMBERS_MAX];
        if (other != suspect && member_is_up(other) &&
            other->state != MEMBER_SUSPECT) {
            effect_send(farm, other->link, &request);
            asked++;
        }
    }
}

void heartbeat_watch(struct farm *farm, struct member *member)
{
    time_us silence = farm->now - member->heard;

    if (member_is_gone(member))
        return;
    if (silence < SUSPECT_HEARTBEATS * farm->settings.heartbeat)
        return;
    if (member->state != MEMBER_SUSPECT) {
        member->state = MEMBER_SUSPECT;
        member->suspected = farm->now;
        member->suspect_since = farm->now;
        if (link_is_virtual(member->link))
            members_drop_link(farm, connection_find(farm, member->link),
                              "it is silent");
        ask_about(farm, member);
    } else if (farm->now - member->suspected >= DEATH_AFTER_SUSPICION) {
        member_die(farm, member, PROOF_NONE);
    } else if (farm->now - member->asked_about >= farm->settings.heartbeat) {
        /* Reachable through a neighbour is alive, for as long as it is. */
        ask_about(farm, member);
    }
}
