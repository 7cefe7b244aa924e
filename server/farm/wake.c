/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wake: what a server does that was not run for a while.
 *
 * The others may have gone on without it, and what lies in its buffers was
 * sent before they did: it is not fresh until each of them has answered a
 * heartbeat that was sent after the waking, and all is here that they had.
 */
#include "server/farm/state.h"

/* Nobody waits longer for a server to be awake. */
#define WAKING_MAX (2 * TIME_US_PER_S)

bool wake_needs_ticks(const struct farm *farm)
{
    if (farm->settings.tick_interval == 0)
        return false;
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (member->id != 0 && !member_is_gone(member))
            return true;
    }
    return false;
}

void wake_after_gap(struct farm *farm, time_us last_step)
{
    struct message request = {.kind = MESSAGE_HEARTBEAT_REQUEST};
    time_us gap = farm->now - last_step;

    if (!farm->is_ticked || gap <= farm->settings.ack_timeout)
        return;
    farm->woke = farm->now;
    for (size_t i = 0; i < farm->members_end; i++) {
        struct member *member = &farm->members[i];
        if (!member_is_up(member))
            continue;
        /* So much of the silence was ours. */
        member->heard += gap;
        heartbeat_send(farm, member);
        effect_send(farm, member->link, &request);
    }
    /* A busy host has small gaps all the time. */
    if (gap >= farm->settings.heartbeat)
        effect_event(farm, FARM_MEMBERS, "this server was not run for %u ms",
                     (unsigned)(gap / 1000));
}

bool farm_is_waking(const struct farm *farm)
{
    if (farm->woke == 0 || farm->now - farm->woke >= WAKING_MAX)
        return false;
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (member_is_in_view(member) &&
            (member->echoed < farm->woke || member->must_sync ||
             member->has_gap || member->awaits_start ||
             wants_held(farm, member) < member->fresh_from))
            return true;
    }
    return false;
}
