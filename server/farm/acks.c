/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Acks: when what was applied of another's journal is acknowledged.
 *
 * An acknowledgement wakes its receiver, which costs more than many a record.
 * Somebody waits for few of them: these are asked for, and come at once.  The
 * others only move the window of the stream, and are put off.
 */
#include "proto/base/planted.h"
#include "server/farm/state.h"

/* So long, or for so many records. */
#define PUT_OFF_MAX (TIME_US_PER_S / 100)
#define PUT_OFF_RECORDS_MAX (WINDOW_RECORDS / 4)

static bool says_what_it_awaits(const struct member *member)
{
    return member->version >= MESSAGE_VERSION_AWAITS;
}

/* ---- of others' journals ---- */

void acks_owe(struct farm *farm, struct member *member)
{
    if (member->ack_owed == 0)
        member->ack_owed = farm->now;
}

void acks_awaited(struct member *member, uint64_t number)
{
    if (number > member->ack_awaited)
        member->ack_awaited = number;
    member->owes_ack = true;
}

void acks_begin(struct member *member)
{
    member->owes_ack = true;
    member->ack_told = 0;
    member->ack_awaited = 0;
}

static bool is_due(const struct farm *farm, const struct member *member,
                   uint64_t held)
{
    return member->owes_ack || !says_what_it_awaits(member) ||
           member->ack_told < member->ack_awaited ||
           held >= member->ack_told + PUT_OFF_RECORDS_MAX ||
           farm->now - member->ack_owed >= PUT_OFF_MAX;
}

static void send(struct farm *farm, struct member *member, uint64_t held)
{
    struct message ack = {.kind = MESSAGE_ACK, .number = held};

    if (PLANTED == PLANTED_WANT_ACKNOWLEDGED)
        ack.number = member->applied;
    effect_send(farm, member->link, &ack);
    member->owes_ack = false;
    member->ack_owed = 0;
    member->ack_told = ack.number;
}

void acks_send(struct farm *farm)
{
    farm->acks_owed_by = UINT64_MAX;
    for (size_t i = 0; i < farm->members_end; i++) {
        struct member *member = &farm->members[i];
        if ((!member->owes_ack && member->ack_owed == 0) || member->link == 0)
            continue;
        uint64_t held = wants_held(farm, member);
        if (is_due(farm, member, held))
            send(farm, member, held);
        else if (member->ack_owed + PUT_OFF_MAX < farm->acks_owed_by)
            farm->acks_owed_by = member->ack_owed + PUT_OFF_MAX;
    }
}

time_us acks_deadline(const struct farm *farm)
{
    return farm->acks_owed_by;
}

/* ---- of ours ---- */

bool farm_is_asking(const struct farm *farm)
{
    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (member->link != 0 && member->acked < member->asked_for &&
            member_is_in_sync(member))
            return true;
    }
    return false;
}

static bool is_to_be_asked(const struct farm *farm, const struct member *member)
{
    return member->is_attached && member->link != 0 &&
           says_what_it_awaits(member) && member->acked < farm->awaited &&
           member->asked_for < farm->awaited &&
           member->cursor.number > farm->awaited;
}

/* The last one says it, and needs no message more. */
void acks_mark(const struct farm *farm, struct member *member, uint8_t *frames,
               size_t bytes)
{
    size_t last = 0;

    if (!is_to_be_asked(farm, member))
        return;
    for (size_t at = 0; at < bytes;
         at += MESSAGE_FRAME_BYTES + bigendian_load32(frames + at))
        last = at;
    frames[last + MESSAGE_FRAME_BYTES] = MESSAGE_RECORD_AWAITED;
    member->asked_for = member->cursor.number - 1;
}

void acks_ask(struct farm *farm)
{
    struct message awaited = {.kind = MESSAGE_ACK_AWAITED,
                              .number = farm->awaited};

    for (size_t i = 0; i < farm->members_end; i++) {
        struct member *member = &farm->members[i];
        if (!is_to_be_asked(farm, member))
            continue;
        effect_send(farm, member->link, &awaited);
        member->asked_for = farm->awaited;
    }
}
