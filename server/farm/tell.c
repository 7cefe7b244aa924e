/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tell: lines for people, of how members come, live and go.
 */
#include <stdio.h>
#include <string.h>

#include "server/farm/state.h"

#define TELL_AGAIN_AFTER (60 * TIME_US_PER_S)

void tell_once(struct farm *farm, const char *line)
{
    struct telling *oldest = &farm->tellings[0];

    for (size_t i = 0; i < TELLINGS_MAX; i++) {
        struct telling *telling = &farm->tellings[i];
        if (strcmp(telling->line, line) == 0 &&
            farm->now - telling->at < TELL_AGAIN_AFTER)
            return;
        if (telling->at < oldest->at)
            oldest = telling;
    }
    oldest->at = farm->now;
    snprintf(oldest->line, sizeof(oldest->line), "%s", line);
    effect_event(farm, FARM_MEMBERS, "%s", line);
}

static void tell_self(struct farm *farm)
{
    if (farm->told_state == farm->state)
        return;
    farm->told_state = farm->state;
    if (farm->state == MEMBER_READY)
        effect_event(farm, FARM_MEMBERS, "this server is READY");
    else if (farm->state == MEMBER_SYNCING)
        effect_event(farm, FARM_MEMBERS, "this server synchronises");
}

/* Deaths are told where their reason is known (member_die). */
static void tell_state(struct farm *farm, struct member *member)
{
    uint8_t before = member->told_state;

    if (member->state == before || !member->was_met)
        return;
    member->told_state = member->state;
    if (member->state == MEMBER_READY)
        effect_event(farm, FARM_MEMBERS,
                     before == MEMBER_SUSPECT ? "%s (%s) is heard again"
                                              : "%s (%s) is READY",
                     member->name, member->address);
    else if (member->state == MEMBER_LEFT)
        effect_event(farm, FARM_MEMBERS, "%s (%s) has left", member->name,
                     member->address);
    else if (member->state == MEMBER_SUSPECT)
        effect_event(farm, FARM_MEMBERS, "%s (%s) is silent: suspected",
                     member->name, member->address);
    else if (member->state != MEMBER_DEAD && before != MEMBER_JOINING)
        effect_event(farm, FARM_MEMBERS, "%s (%s) joins", member->name,
                     member->address);
}

static void tell_sync(struct farm *farm, struct member *member)
{
    bool is_out = !member_is_in_sync(member);

    if (farm->state != MEMBER_READY || !member_is_in_view(member) ||
        !member_is_up(member) || is_out == member->is_told_out)
        return;
    member->is_told_out = is_out;
    effect_event(farm, FARM_MEMBERS,
                 is_out ? "%s (%s) is out of sync: not waited for"
                        : "%s (%s) is in sync again",
                 member->name, member->address);
}

void tell_changes(struct farm *farm)
{
    tell_self(farm);
    for (size_t i = 0; i < farm->members_end; i++) {
        struct member *member = &farm->members[i];
        if (member->id == 0)
            continue;
        tell_state(farm, member);
        tell_sync(farm, member);
    }
}
