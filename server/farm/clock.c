/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clock: farm time, the same on every server, however wrong their clocks are.
 *
 * The oldest READY member has it.  Who is not READY yet takes it outright;
 * who is slews towards it, so slowly that time never goes back.
 */
#include "server/farm/state.h"

/* A twentieth of the time that passes may be gained or lost. */
#define SLEW_SHARE 20
/* Versions have 52 bits for the microseconds. */
#define CLOCK_END_US (UINT64_C(1) << 52)

static int64_t offset_at(const struct farm_clock *clock, time_us now)
{
    int64_t left = clock->target - clock->offset;
    int64_t most =
        now > clock->base ? (int64_t)((now - clock->base) / SLEW_SHARE) : 0;

    if (left > most)
        left = most;
    if (left < -most)
        left = -most;
    return clock->offset + left;
}

time_us farm_time(const struct farm *farm, time_us now)
{
    return now + (uint64_t)offset_at(&farm->clock, now);
}

bool farm_has_time(const struct farm *farm)
{
    return farm->state == MEMBER_READY || farm->clock.is_set ||
           join_has_tried_all(farm);
}

bool clock_is_sane(time_us clock)
{
    return clock > 0 && clock < CLOCK_END_US;
}

/* The one moment when farm time may go back: nobody relies on it yet. */
static void set_outright(struct farm *farm, int64_t offset, bool is_from_ready)
{
    farm->clock = (struct farm_clock){.base = farm->now,
                                      .offset = offset,
                                      .target = offset,
                                      .is_set = true,
                                      .is_from_ready = is_from_ready};
    farm->time = farm_time(farm, farm->now);
}

static void slew_to(struct farm *farm, int64_t target)
{
    farm->clock.offset = offset_at(&farm->clock, farm->now);
    farm->clock.base = farm->now;
    farm->clock.target = target;
}

static bool is_older(time_us since, uint64_t id, time_us other_since,
                     uint64_t other_id)
{
    return since < other_since || (since == other_since && id < other_id);
}

/* Whose time it is: NULL where it is our own, or nobody is READY. */
static const struct member *oldest_ready(const struct farm *farm)
{
    const struct member *oldest = NULL;

    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (!member_is_up(member) || !member->is_ready ||
            member->ready_since == 0)
            continue;
        if (oldest == NULL || is_older(member->ready_since, member->id,
                                       oldest->ready_since, oldest->id))
            oldest = member;
    }
    if (oldest != NULL && farm->state == MEMBER_READY &&
        is_older(farm->ready_since, farm->settings.id, oldest->ready_since,
                 oldest->id))
        return NULL;
    return oldest;
}

/* Nobody is READY: the lowest id will be, and begins with its own time. */
static bool is_lowest(const struct farm *farm, const struct member *member)
{
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *other = &farm->members[i];
        if (member_is_up(other) && (other->is_ready || other->id < member->id))
            return false;
    }
    return member->id < farm->settings.id;
}

/* Nobody who is READY has told it what time it is. */
static bool is_newcomer(const struct farm *farm)
{
    return farm->state != MEMBER_READY && !farm->clock.is_from_ready;
}

/* `offset`: its farm time, less our driver's. */
static void take_sample(struct farm *farm, const struct member *member,
                        int64_t offset)
{
    bool is_new = is_newcomer(farm);

    if (is_new && (member->is_ready || is_lowest(farm, member)))
        set_outright(farm, offset, member->is_ready);
    else if (!is_new && oldest_ready(farm) == member)
        slew_to(farm, offset);
    else if (!is_new && oldest_ready(farm) == NULL)
        slew_to(farm, offset_at(&farm->clock, farm->now));
}

/* It is older by its way here, which the heartbeats will tell. */
void clock_hello(struct farm *farm, const struct member *member,
                 const struct message_hello *hello)
{
    if (is_newcomer(farm))
        take_sample(farm, member, (int64_t)(hello->clock - farm->now));
}

/* There and back; 0 where it cannot be told. */
static time_us trip_of(const struct farm *farm,
                       const struct message_heartbeat *heartbeat)
{
    time_us age = heartbeat->echo_age_us;

    if (heartbeat->echo_sent == 0 || heartbeat->echo_sent > farm->now ||
        heartbeat->echo_age_us == UINT32_MAX ||
        farm->now - heartbeat->echo_sent < age)
        return 0;
    return farm->now - heartbeat->echo_sent - age + 1;
}

/* What lay in a queue would shift the time by half of its stay there: only
 * trips are believed that took hardly longer than the shortest. */
static bool is_good_trip(struct member *member, time_us trip)
{
    if (trip == 0)
        return false;
    if (member->trip_least == 0 || trip < member->trip_least)
        member->trip_least = trip;
    if (trip <= 2 * member->trip_least)
        return true;
    /* A way that has become longer for good is believed after a while. */
    member->trip_least += member->trip_least / 8 + 1;
    return false;
}

void clock_heartbeat(struct farm *farm, struct member *member,
                     const struct message_heartbeat *heartbeat)
{
    time_us trip = trip_of(farm, heartbeat);

    if (!clock_is_sane(heartbeat->clock))
        return;
    /* Whatever it tells is nearer than a newcomer's own clock. */
    if (!is_good_trip(member, trip) && !is_newcomer(farm))
        return;
    time_us its_time = heartbeat->clock + trip / 2;
    member->clock_offset_us = (int64_t)(its_time - farm->time);
    take_sample(farm, member, (int64_t)(its_time - farm->now));
}
