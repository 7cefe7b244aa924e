/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * View: whom this server holds to be the farm, and who else agrees.
 *
 * Views are private: each server sees members come and go by itself.  Whoever
 * is to decide for all needs more, so every change of view is told by ENTER.
 * A server supports one view at a time; a view is *complete* for a server that
 * holds ENTER for it from all its members, and has applied all that they had
 * then.  In a complete view it may decide, while the lease that their answers
 * to heartbeats give it lasts: they enter a view without it later than that.
 */
#include "proto/base/digest.h"
#include "proto/base/planted.h"
#include "server/farm/state.h"

/* What a member that is gone announced, and nobody has given for so long, is
 * lost. */
#define LOST_AFTER (2 * TIME_US_PER_S)
/* Silence of so long makes a member suspected, and only after more of it
 * (DEATH_AFTER_SUSPICION) it is left out of a view. */
#define LEASE_HEARTBEATS SUSPECT_HEARTBEATS

/* ---- who is in it ---- */

static uint64_t weight_of(uint64_t id)
{
    return digest_mix(id ^ UINT64_C(0x6772617065766965));
}

/* Who leaves is in the view until the others have all that it wrote. */
static bool supports(const struct farm *farm)
{
    return farm->state == MEMBER_READY || farm->state == MEMBER_LEFT;
}

static struct view survey(const struct farm *farm)
{
    struct view view = {0};

    if (!supports(farm))
        return view;
    view.id = weight_of(farm->settings.id);
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (!member_is_in_view(member))
            continue;
        view.id += weight_of(member->id);
        member_set_add(&view.members, i);
        view.others_count++;
    }
    if (view.id == 0)
        view.id = 1;
    return view;
}

bool view_has_homes(const struct farm *farm)
{
    if (!farm->settings.has_homes)
        return false;
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        bool counts = member_is_in_view(member) || member_is_up(member);
        if (counts && member->was_met && !member->has_homes)
            return false;
    }
    return true;
}

/* The highest of all draws; each key has its own for each member, so that who
 * comes or goes moves no other keys than its own. */
uint64_t view_home(const struct farm *farm, uint64_t hash)
{
    bool is_in = farm->state == MEMBER_READY && !farm->is_retiring;
    uint64_t home = is_in ? farm->settings.id : 0;
    uint64_t highest = is_in ? digest_mix(hash ^ weight_of(home)) : 0;

    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (!member_is_in_view(member))
            continue;
        uint64_t draw = digest_mix(hash ^ weight_of(member->id));
        if (home == 0 || draw > highest ||
            (draw == highest && member->id > home)) {
            home = member->id;
            highest = draw;
        }
    }
    return home;
}

/* ---- entering ---- */

/* Above all that anybody may have written in the view before this one: also
 * by who was left out as it was silent, and whose clock may have been ahead. */
static uint64_t highest_version(struct farm *farm)
{
    time_us highest = farm->time;

    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (member->id == 0 || member->state != MEMBER_DEAD ||
            member->clock_offset_us <= 0)
            continue;
        time_us died = farm->time - (farm->now - member->died) +
                       (time_us)member->clock_offset_us;
        if (died > highest)
            highest = died;
    }
    return store_next_version(farm->store, highest);
}

static void tell(struct farm *farm, struct member *member, uint64_t version)
{
    struct vector_entry vector[FARM_MEMBERS_MAX + 1];
    uint8_t bytes[sizeof(vector)];
    size_t count = members_vector(farm, vector);
    struct message message = {
        .kind = MESSAGE_ENTER,
        .enter = {.view = farm->view.id,
                  .previous = farm->view.previous,
                  .number = farm->view.number,
                  .version = version,
                  .vector = vector_pack(vector, count, bytes)}};

    effect_send(farm, member->link, &message);
}

/* Its answer is a lease. */
static void ask_for_lease(struct farm *farm, struct member *member)
{
    struct message request = {.kind = MESSAGE_HEARTBEAT_REQUEST};

    member->asked_for_lease = farm->now;
    heartbeat_send(farm, member);
    effect_send(farm, member->link, &request);
}

void view_tell_again(struct farm *farm, struct member *member)
{
    if (farm->view.id != 0 && farm->settings.has_homes)
        tell(farm, member, highest_version(farm));
}

void view_tell(struct farm *farm, struct member *member)
{
    if (farm->view.id == 0 || !farm->settings.has_homes)
        return;
    view_tell_again(farm, member);
    ask_for_lease(farm, member);
    locks_tell(farm, member);
}

static bool is_remnant(const struct farm *farm, const struct view *view)
{
    size_t lost = 0;
    size_t joined = 0;

    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        bool is_in = member_set_has(&view->members, i);
        bool was_in = member_set_has(&farm->view.members, i);
        joined += is_in && !was_in;
        lost += was_in && !is_in && member->state == MEMBER_DEAD &&
                !member->is_proven;
    }
    return lost > 0 ? lost > view->others_count
                    : farm->view.is_remnant && joined == 0;
}

static void enter(struct farm *farm, struct view view)
{
    uint64_t version = highest_version(farm);

    view.number = farm->view.number + 1;
    view.epoch = farm->view.epoch + 1;
    view.previous = farm->view.id;
    view.before = farm->view.members;
    view.was_complete = farm->view.is_complete;
    view.is_remnant = is_remnant(farm, &view);
    farm->view = view;
    for (size_t i = 0; i < farm->members_end; i++) {
        struct member *member = &farm->members[i];
        if (!member_set_has(&view.members, i) || member->link == 0)
            continue;
        tell(farm, member, version);
        ask_for_lease(farm, member);
        if (!member_set_has(&view.before, i))
            locks_tell(farm, member);
    }
}

/* ---- when it is complete ---- */

static bool has_applied(struct farm *farm, const struct vector_entry *entry,
                        bool counts_gone)
{
    if (entry->id == farm->settings.id)
        return true;
    const struct member *member = member_find(farm, entry->id);
    if (member == NULL || (member_is_gone(member) && !counts_gone))
        return !counts_gone;
    /* What is only known to exist is not here; and may be nowhere any more, if
     * it was a value that nobody had pulled before its server died. */
    time_us gone = member->died > member->lost ? member->died : member->lost;
    return wants_held(farm, member) >= entry->number ||
           (member_is_gone(member) && farm->now - gone >= LOST_AFTER &&
            member->applied >= entry->number);
}

bool view_has_applied(struct farm *farm, const struct vector_entry *vector,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!has_applied(farm, &vector[i], false))
            return false;
    }
    return true;
}

/* What somebody who is gone wrote is to be had from who told of it. */
static bool has_reached(struct farm *farm, struct member *member)
{
    while (member->entered_count > 0) {
        const struct vector_entry *entry =
            &member->entered_vector[member->entered_count - 1];
        if (!has_applied(farm, entry, true)) {
            const struct member *origin = member_find(farm, entry->id);
            if (origin == NULL || member_is_gone(origin))
                member->must_sync = true;
            return false;
        }
        member->entered_count--;
    }
    return true;
}

static bool is_entered(const struct farm *farm, const struct member *member)
{
    return PLANTED == PLANTED_PRIVATE_VIEW ||
           (member->link != 0 && member->entered == farm->view.id);
}

static bool continues(const struct farm *farm)
{
    if (!farm->view.was_complete)
        return false;
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (member_set_has(&farm->view.members, i) &&
            member_set_has(&farm->view.before, i) &&
            (member->entered_previous != farm->view.previous ||
             member->entered_number != member->base_number + 1))
            return false;
    }
    return true;
}

/* What was decided here and not told yet counts on the members' having been in
 * no other view since. */
static void begin_epoch(struct farm *farm)
{
    for (size_t i = 0; i < farm->members_end; i++) {
        struct member *member = &farm->members[i];
        if (member_set_has(&farm->view.members, i))
            member->base_number = member->entered_number;
    }
}

static void look_whether_complete(struct farm *farm)
{
    bool is_reached = true;

    if (farm->view.is_complete || farm->view.id == 0)
        return;
    for (size_t i = 0; i < farm->members_end; i++) {
        struct member *member = &farm->members[i];
        if (member_set_has(&farm->view.members, i))
            is_reached &= is_entered(farm, member) && has_reached(farm, member);
    }
    if (!is_reached && PLANTED != PLANTED_PRIVATE_VIEW)
        return;
    farm->view.is_complete = true;
    farm->view.continues = continues(farm);
    begin_epoch(farm);
}

/* A member was in another view since this one was complete, and is back. */
static void look_whether_broken(struct farm *farm)
{
    bool is_broken = false;

    for (size_t i = 0; i < farm->members_end && farm->view.is_complete; i++) {
        const struct member *member = &farm->members[i];
        is_broken |= member_set_has(&farm->view.members, i) &&
                     is_entered(farm, member) &&
                     member->entered_number != member->base_number;
    }
    if (!is_broken)
        return;
    farm->view.epoch++;
    farm->view.continues = false;
    begin_epoch(farm);
}

static void keep_lease(struct farm *farm)
{
    time_us interval = farm->settings.heartbeat;

    for (size_t i = 0; i < farm->members_end; i++) {
        struct member *member = &farm->members[i];
        if (member_set_has(&farm->view.members, i) && member->link != 0 &&
            farm->now - member->echoed >= (LEASE_HEARTBEATS - 1) * interval &&
            farm->now - member->asked_for_lease >= interval / 4)
            ask_for_lease(farm, member);
    }
}

void view_tick(struct farm *farm)
{
    struct view view = survey(farm);

    if (!farm->settings.has_homes)
        return;
    /* What is being executed belongs to the view that it began in. */
    if (view.id != farm->view.id && home_is_still(farm))
        enter(farm, view);
    look_whether_broken(farm);
    look_whether_complete(farm);
    for (size_t i = 0; i < farm->members_end; i++) {
        if (member_set_has(&farm->view.members, i))
            has_reached(farm, &farm->members[i]);
    }
    keep_lease(farm);
}

void view_take(struct farm *farm, struct member *member,
               const struct message_enter *enter)
{
    struct reader reader = reader_of(enter->vector.bytes);

    if (enter->vector.count > FARM_MEMBERS_MAX + 1)
        return;
    store_saw_version(farm->store, enter->version);
    member->entered = enter->view;
    member->entered_previous = enter->previous;
    member->entered_number = enter->number;
    member->entered_count = enter->vector.count;
    for (size_t i = 0; i < enter->vector.count; i++) {
        member->entered_vector[i].id = read_u64(&reader);
        member->entered_vector[i].number = read_u64(&reader);
    }
}

void view_forget(struct farm *farm, const struct member *member)
{
    member_set_remove(&farm->view.members, member_place(farm, member));
    member_set_remove(&farm->view.before, member_place(farm, member));
}

/* ---- what may be done in it ---- */

bool view_acts(const struct farm *farm)
{
    time_us lease = LEASE_HEARTBEATS * farm->settings.heartbeat;

    if (farm->state != MEMBER_READY || farm->is_retiring ||
        !farm->view.is_complete ||
        (farm->view.others_count + 1) * 2 <= farm->settings.quorum)
        return false;
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (!member_set_has(&farm->view.members, i))
            continue;
        if (!is_entered(farm, member) ||
            (member->entered_count > 0 && PLANTED != PLANTED_PRIVATE_VIEW) ||
            (member->echoed + lease < farm->now && PLANTED != PLANTED_NO_LEASE))
            return false;
    }
    return true;
}

uint64_t view_held(const struct farm *farm)
{
    uint64_t held = UINT64_MAX;

    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (!member_set_has(&farm->view.members, i) ||
            PLANTED == PLANTED_YES_TOO_EARLY)
            continue;
        uint64_t acked = is_entered(farm, member) ? member->acked : 0;
        if (acked < held)
            held = acked;
    }
    return held;
}

enum farm_deciding farm_deciding(const struct farm *farm)
{
    if (!view_has_homes(farm))
        return FARM_DECIDES_EACH;
    return !farm_has_others(farm) && view_acts(farm) ? FARM_DECIDES_ALONE
                                                     : FARM_DECIDES_HOME;
}
