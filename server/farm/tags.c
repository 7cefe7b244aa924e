/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tags: no two living members draw versions with the same tag, so that
 * versions never tie.
 *
 * The tag of a member that is dead needs no care: all that it drew and that
 * anybody knows is below the versions that are drawn from then on.
 */
#include "server/farm/state.h"
#include "server/store/version.h"

static bool is_taken(const struct farm *farm, uint16_t tag)
{
    if (tag == farm->settings.tag)
        return true;
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (member->id != 0 && !member_is_gone(member) && member->tag == tag)
            return true;
    }
    return false;
}

/* Both ends must come to the same end; where one of them became READY in
 * between, the next heartbeat finds them alike. */
static bool is_mine_to_change(const struct farm *farm,
                              const struct member *other)
{
    bool is_ready = farm->state == MEMBER_READY;

    if (is_ready != other->is_ready)
        return !is_ready;
    return farm->settings.id > other->id;
}

void tags_meet(struct farm *farm, const struct member *other, uint16_t tag)
{
    _Static_assert(FARM_MEMBERS_MAX < VERSION_TAG_MAX, "one is always free");
    uint16_t drawn = tag;

    if (tag != farm->settings.tag || !is_mine_to_change(farm, other))
        return;
    while (is_taken(farm, drawn))
        drawn = (uint16_t)prng_below(&farm->prng, VERSION_TAG_MAX + 1);
    farm->settings.tag = drawn;
    store_set_tag(farm->store, drawn);
}
