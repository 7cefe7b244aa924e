/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Broadcast: this server's journal on its way to the others, and the answers
 * that wait for them.
 */
#include "proto/base/planted.h"
#include "server/farm/state.h"

bool member_is_in_sync(const struct member *member)
{
    return member_is_up(member) && (member->is_ready || member->is_entering) &&
           member->acked >= member->out_until;
}

bool member_speaks_splices(const struct member *member)
{
    return member->version >= MESSAGE_VERSION_SPLICES;
}

/* It has what a splice may be made from; who lacks much would pull each. */
static bool has_bases(const struct member *member)
{
    return member->is_ready && member->acked >= member->overrun;
}

/* A record is encoded once, for all.  Who does not know splices would count
 * one and not apply it. */
void broadcast_choose(struct farm *farm)
{
    bool has_others = false;
    bool has_outsiders = false;

    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (member->id == 0 || member->link == 0)
            continue;
        has_others = true;
        has_outsiders |= !member_speaks_splices(member) || !has_bases(member);
    }
    journal_allow_splices(farm->journal, has_others && !has_outsiders);
}

/* What the ring holds from there on is understood by the member. */
static bool is_readable(const struct farm *farm, const struct member *member,
                        uint64_t number)
{
    return member_speaks_splices(member) ||
           number > journal_last_splice(farm->journal);
}

void broadcast_attach(struct farm *farm, struct member *member, uint64_t number)
{
    uint64_t head = journal_head(farm->journal);

    member->is_attached = true;
    /* What it asks for tells where its stream ended, not what it holds: it
     * may have gaps.  Its acknowledgement comes at once. */
    member->acked = 0;
    member->asked_for = 0;
    member->overrun = 0;
    broadcast_due(farm, head);
    if (number > 0 && number <= head + 1 && is_readable(farm, member, number) &&
        journal_seek(farm->journal, number, &member->cursor)) {
        /* Answers were given without it: not waited for until it has them. */
        member->out_until = head;
        return;
    }
    struct message overrun = {.kind = MESSAGE_OVERRUN, .number = head + 1};
    if (!journal_seek(farm->journal, head + 1, &member->cursor))
        return;
    overrun.number = member->cursor.number;
    member->out_until = overrun.number - 1;
    member->overrun = overrun.number - 1;
    broadcast_choose(farm);
    effect_send(farm, member->link, &overrun);
}

void broadcast_ack(struct farm *farm, struct member *member, uint64_t number)
{
    if (member->cursor.number == 0)
        return;
    /* By a synchronisation it may be ahead of the stream, not beyond it. */
    if (number >= member->cursor.number)
        number = member->cursor.number - 1;
    bool had_bases = has_bases(member);
    if (number > member->acked)
        member->acked = number;
    if (!had_bases && has_bases(member))
        broadcast_choose(farm);
    farm->wants_tick = true;
}

void broadcast_due(struct farm *farm, uint64_t number)
{
    if (number > farm->due)
        farm->due = number;
}

void broadcast_need(struct farm *farm, uint64_t number)
{
    broadcast_due(farm, number);
    if (number > farm->awaited)
        farm->awaited = number;
}

void broadcast_await(struct farm *farm, uint64_t waiter, uint64_t number)
{
    struct wait wait = {.number = number,
                        .waiter = waiter,
                        .deadline = farm->now + farm->settings.ack_timeout};

    if (farm->waits_count == WAITS_MAX) {
        /* More clients than ever wait at once: this one is not kept. */
        farm->figures.acks_degraded++;
        effect_answer(farm, &wait, true);
        return;
    }
    size_t at = (farm->waits_first + farm->waits_count) % WAITS_MAX;
    farm->waits[at] = wait;
    farm->waits_count++;
    broadcast_need(farm, number);
}

/* One that alone is more than is put on a link at a time. */
static size_t read_long_record(struct farm *farm, struct member *member,
                               bool *overrun)
{
    size_t bytes = journal_next_bytes(farm->journal, &member->cursor);

    return bytes == 0 ? 0
                      : journal_read(farm->journal, &member->cursor,
                                     effect_room(farm, bytes), bytes, overrun);
}

static void stream_to(struct farm *farm, struct member *member)
{
    bool overrun = false;
    size_t sent_bytes = 0;

    while (member->is_attached && member_is_up(member) &&
           link_backlog_bytes(farm, member->link) < BACKLOG_BYTES_MAX &&
           member->cursor.number - member->acked < WINDOW_RECORDS) {
        uint64_t before = member->cursor.number;
        if (sent_bytes >= STREAM_STEP_BYTES) {
            /* The driver sends that, and tells what is left of it. */
            farm->wants_tick = true;
            return;
        }
        size_t bytes = journal_read(farm->journal, &member->cursor,
                                    effect_room(farm, STREAM_BYTES),
                                    STREAM_BYTES, &overrun);
        if (overrun) {
            broadcast_attach(farm, member, 0);
            return;
        }
        if (bytes == 0)
            bytes = read_long_record(farm, member, &overrun);
        if (bytes == 0 || overrun)
            return;
        acks_mark(farm, member, effect_room(farm, 0), bytes);
        sent_bytes += bytes;
        farm->figures.records_sent += member->cursor.number - before;
        effect_send_raw(farm, member->link,
                        span_of(effect_room(farm, 0), bytes));
        effect_event(
            farm, FARM_BROADCASTS, "records %llu to %llu to %s, %zu bytes",
            (unsigned long long)before,
            (unsigned long long)member->cursor.number - 1, member->name, bytes);
    }
}

static bool is_in_view(const struct member *member)
{
    return member->id != 0 && !member_is_gone(member) &&
           (member->is_ready || member->is_entering);
}

/* Who is about to be READY, or is so and has entered no view with us yet, reads
 * from its own replica soon. */
static bool is_newcomer(const struct farm *farm, const struct member *member)
{
    return is_in_view(member) && member_is_in_sync(member) &&
           !member_set_has(&farm->view.members, member_place(farm, member));
}

uint64_t broadcast_held_by_newcomers(const struct farm *farm)
{
    uint64_t held = UINT64_MAX;

    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (is_newcomer(farm, member) && member->acked < held)
            held = member->acked;
    }
    return held;
}

void broadcast_leave_newcomers(struct farm *farm, uint64_t number)
{
    for (size_t i = 0; i < farm->members_end; i++) {
        struct member *member = &farm->members[i];
        if (is_newcomer(farm, member) && member->acked < number)
            member->out_until = number;
    }
}

static bool holds(const struct member *member, uint64_t number)
{
    return member->link != 0 && member->acked >= number;
}

/* How a record is held by the others of the view. */
struct holders {
    unsigned others;
    unsigned count;   /* of them, who hold it */
    unsigned awaited; /* who do not, and are waited for */
};

static struct holders count_holders(const struct farm *farm, uint64_t number)
{
    struct holders holders = {0};

    for (size_t i = 0; i < farm->members_end; i++) {
        const struct member *member = &farm->members[i];
        if (!is_in_view(member))
            continue;
        bool is_holder = holds(member, number);
        holders.others++;
        holders.count += is_holder;
        holders.awaited += !is_holder && member_is_in_sync(member);
    }
    return holders;
}

static unsigned needed(const struct farm *farm, unsigned others)
{
    switch (farm->settings.ack) {
    case FARM_ACK_ONE:
        return others > 0;
    case FARM_ACK_MAJORITY:
        return (others + 1) / 2;
    case FARM_ACK_ALL:
        break;
    }
    return others;
}

/* A member of the view that does not hold the record goes on without being
 * waited for, until it does. */
static void leave_behind(struct farm *farm, uint64_t number)
{
    for (size_t i = 0; i < farm->members_end; i++) {
        struct member *member = &farm->members[i];
        if (is_in_view(member) && !holds(member, number) &&
            member->out_until < number)
            member->out_until = number;
    }
}

static void answer_waits(struct farm *farm)
{
    while (farm->waits_count > 0) {
        const struct wait *wait = &farm->waits[farm->waits_first];
        struct holders holders = count_holders(farm, wait->number);
        bool is_degraded = holders.count < needed(farm, holders.others);
        if (is_degraded && holders.awaited > 0 && farm->now < wait->deadline)
            return;
        if (is_degraded)
            leave_behind(farm, wait->number);
        if (PLANTED == PLANTED_ANSWER_TOO_EARLY)
            is_degraded = false;
        farm->figures.acks_degraded += is_degraded;
        effect_answer(farm, wait, is_degraded);
        farm->waits_first = (farm->waits_first + 1) % WAITS_MAX;
        farm->waits_count--;
    }
}

void broadcast_run(struct farm *farm)
{
    uint64_t head = journal_head(farm->journal);
    uint64_t due = farm->due < head ? farm->due : head;

    acks_send(farm);
    for (size_t i = 0; i < farm->members_end; i++) {
        struct member *member = &farm->members[i];
        if (member->is_attached && member->cursor.number <= due)
            stream_to(farm, member);
    }
    acks_ask(farm);
    answer_waits(farm);
}
