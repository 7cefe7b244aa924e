/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Settle: the numbers of the dead, and when they need not be told any more.
 *
 * What each has applied of the dead is compared, so that who has less gets
 * the rest.  When all of the view have told the same for a while there is
 * nothing more to be got: that number is settled, and neither told nor kept
 * when its place in the table is needed.  Without that a farm whose servers
 * were restarted often enough could not remember all of the dead that each
 * heard of from the others, and synchronised for ever.
 */
#include "server/farm/state.h"

/* So long all have told the same: each has heard that of each by then. */
#define SETTLE_AFTER (10 * TIME_US_PER_S)

void settle_not(struct member *origin)
{
    origin->agreed = (struct member_set){0};
    origin->agreed_since = 0;
    origin->is_settled = false;
}

void settle_told(struct farm *farm, const struct member *member,
                 struct member *origin, uint64_t number)
{
    if (!member_is_gone(origin))
        return;
    if (number == origin->applied) {
        member_set_add(&origin->agreed, member_place(farm, member));
    } else {
        member_set_remove(&origin->agreed, member_place(farm, member));
        origin->is_settled = false;
    }
}

void settle_forget(struct farm *farm, const struct member *member)
{
    for (size_t i = 0; i < farm->members_end; i++)
        member_set_remove(&farm->members[i].agreed, member_place(farm, member));
}

static bool has_all(const struct member_set *set,
                    const struct member_set *wanted)
{
    for (size_t i = 0; i < FARM_MEMBERS_MAX / 64; i++) {
        if ((wanted->bits[i] & ~set->bits[i]) != 0)
            return false;
    }
    return true;
}

void settle_tick(struct farm *farm)
{
    struct member_set view = {0};

    if (farm->state != MEMBER_READY)
        return;
    for (size_t i = 0; i < farm->members_end; i++) {
        if (member_is_in_view(&farm->members[i]))
            member_set_add(&view, i);
    }
    for (size_t i = 0; i < farm->members_end; i++) {
        struct member *origin = &farm->members[i];
        if (origin->id == 0 || !member_is_gone(origin) || origin->is_settled)
            continue;
        if (!has_all(&origin->agreed, &view))
            origin->agreed_since = 0;
        else if (origin->agreed_since == 0)
            origin->agreed_since = farm->now;
        else if (farm->now - origin->agreed_since >= SETTLE_AFTER)
            origin->is_settled = true;
    }
}
