/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Join: how servers become one farm, and one of them READY.
 */
#include "server/farm/state.h"

static void dial_again(struct farm *farm)
{
    for (size_t i = 0; i < farm->seeds_count; i++) {
        const struct seed *seed = &farm->seeds[i];
        /* Who answers there may know itself by another address. */
        const struct member *member = member_find(farm, seed->id);
        if (seed->state != SEED_SELF &&
            (member == NULL || !member_has_real_link(member)) &&
            !members_is_linked_to(farm, seed->address))
            effect_dial(farm, seed->address);
    }
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        /* The dead are dialled for ever: another may answer there. */
        if (member->id != 0 && !member_has_real_link(member) &&
            member->address[0] != '\0' && member->state != MEMBER_LEFT &&
            !members_is_linked_to(farm, member->address) &&
            members_find_seed(farm, span_of_string(member->address)) == NULL)
            effect_dial(farm, member->address);
    }
}

bool join_has_tried_all(const struct farm *farm)
{
    if (farm->now - farm->started >= 2 * DIAL_INTERVAL)
        return true;
    for (size_t i = 0; i < farm->seeds_count; i++) {
        if (farm->seeds[i].state == SEED_UNKNOWN)
            return false;
    }
    return true;
}

bool farm_has_met_all(const struct farm *farm)
{
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (member->id != 0 && !member_is_gone(member) && member->link == 0)
            return false;
    }
    return join_has_tried_all(farm);
}

void join_rejected(struct farm *farm)
{
    farm->rejected = farm->now;
    if (farm->state == MEMBER_JOINING)
        tell_once(farm, "somebody is there and no member: this server waits "
                        "before it begins a farm of its own");
}

static bool has_company(const struct farm *farm)
{
    for (size_t i = 0; i < farm->members_end; i++) {
        if (member_is_up(&farm->members[i]))
            return true;
    }
    return false;
}

/* Who is there may be a farm, with all its data, that this server has the wrong
 * key for; or anything else, which is no reason to wait for ever. */
static bool waits_outside(const struct farm *farm)
{
    return farm->rejected != 0 &&
           farm->now - farm->rejected < 3 * DIAL_INTERVAL &&
           farm->now - farm->started < BEGIN_EMPTY_AFTER && !has_company(farm);
}

/* Started together, nobody READY: the lowest id begins, empty. */
static bool is_first(const struct farm *farm)
{
    if (!join_has_tried_all(farm))
        return false;
    /* There is a farm, which would not have this server, yet. */
    if (farm->refused != 0 && farm->now - farm->refused < 3 * DIAL_INTERVAL)
        return false;
    if (waits_outside(farm))
        return false;
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        /* Also who is only heard of from a neighbour. */
        if (member->id != 0 && !member_is_gone(member) &&
            (member->is_ready || member->id < farm->settings.id))
            return false;
        /* Silent, not proven dead: the farm's data may come back with it. */
        if (member->state == MEMBER_DEAD && member->had_data &&
            farm->now - member->died < BEGIN_EMPTY_AFTER)
            return false;
    }
    return true;
}

static bool has_ready_member(const struct farm *farm)
{
    for (size_t i = 0; i < farm->members_end; i++) {
        if (member_is_up(&farm->members[i]) && farm->members[i].is_ready)
            return true;
    }
    return false;
}

/* Everybody hears of it at once. */
static void become_ready(struct farm *farm)
{
    farm->state = MEMBER_READY;
    farm->ready_since = farm->time;
    for (size_t i = 0; i < farm->members_end; i++) {
        if (member_is_up(&farm->members[i]))
            heartbeat_send(farm, &farm->members[i]);
    }
}

/* All gaps closed: asks everybody to wait for us from now on, and is READY
 * when it has what they had then, of those who are gone, too.  Also who is
 * not READY here: by now it may be, and answer its clients without us. */
static void try_to_enter(struct farm *farm)
{
    struct message request = {.kind = MESSAGE_HEARTBEAT_REQUEST,
                              .subject = farm->settings.id};
    bool has_all = farm->clock.is_from_ready;

    for (size_t i = 0; i < farm->members_end; i++) {
        struct member *member = &farm->members[i];
        if (!member_is_up(member))
            continue;
        if (member->has_gap || member->must_sync || member->is_ahead ||
            member->awaits_start)
            return;
        if (!member->has_entered &&
            farm->now - member->asked_to_wait >= farm->settings.heartbeat) {
            effect_send(farm, member->link, &request);
            member->asked_to_wait = farm->now;
        }
        if (!member->has_entered ||
            wants_held(farm, member) < member->enter_head)
            has_all = false;
    }
    if (!has_all || !farm->has_synchronised || wants_is_synchronising(farm))
        return;
    become_ready(farm);
}

static void advance_state(struct farm *farm)
{
    if (farm->state == MEMBER_JOINING) {
        if (has_ready_member(farm))
            farm->state = MEMBER_SYNCING;
        else if (is_first(farm))
            become_ready(farm);
    }
    if (farm->state == MEMBER_SYNCING) {
        if (has_ready_member(farm))
            try_to_enter(farm);
        else
            farm->state = MEMBER_JOINING;
    }
}

void join_tick(struct farm *farm)
{
    for (size_t i = 0; i < farm->members_end; i++) {
        if (farm->members[i].id != 0)
            heartbeat_watch(farm, &farm->members[i]);
    }
    forward_tick(farm);
    advance_state(farm);
    if (farm->now >= farm->next_heartbeat) {
        time_us interval = farm->settings.heartbeat;
        /* A tenth more or less, so that members do not march in step. */
        farm->next_heartbeat = farm->now + interval - interval / 10 +
                               prng_below(&farm->prng, interval / 5 + 1);
        settle_tick(farm);
        for (size_t i = 0; i < farm->members_end; i++) {
            struct member *member = &farm->members[i];
            if (!member_is_up(member))
                continue;
            heartbeat_send(farm, member);
            /* A neighbour drops what it cannot pass on. */
            if (link_is_virtual(member->link))
                view_tell_again(farm, member);
        }
    }
    if (farm->now >= farm->next_dial) {
        farm->next_dial = farm->now + DIAL_INTERVAL;
        dial_again(farm);
    }
}
