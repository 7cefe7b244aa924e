/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Forward: links through a neighbour, between two members that cannot reach
 * each other.
 *
 * A virtual link is used like any other.  What is sent on it goes in FORWARD
 * to the neighbour, which passes it on over a link of its own and remembers
 * nothing.  It begins with HELLO, and again with another HELLO; a real link
 * replaces it, never the reverse.
 */
#include <stdio.h>
#include <string.h>

#include "server/farm/state.h"

#define LINK_IS_VIRTUAL (UINT32_C(1) << 31)
/* Who is frozen is vouched for by those who have not noticed yet: not any
 * more by then. */
#define DETOUR_AFTER TIME_US_PER_S
/* An answer to HELLO must come; and after it, another HELLO may be one that
 * was on its way, not a new beginning. */
#define SETTLING_MAX TIME_US_PER_S
#define SETTLED_FOR TIME_US_PER_S

bool link_is_virtual(farm_link link)
{
    return (link & LINK_IS_VIRTUAL) != 0;
}

bool member_has_real_link(const struct member *member)
{
    return member->link != 0 && !link_is_virtual(member->link);
}

static struct connection *find_detour(struct farm *farm, uint64_t to)
{
    for (size_t i = 0; i < farm->connections_end; i++) {
        struct connection *connection = &farm->connections[i];
        if (link_is_virtual(connection->link) && connection->to == to)
            return connection;
    }
    return NULL;
}

/* The member that carries it, or NULL where it cannot any more. */
static const struct member *relay_of(struct farm *farm,
                                     const struct connection *connection)
{
    const struct member *relay = member_find(farm, connection->relay);

    return relay != NULL && member_is_up(relay) && member_has_real_link(relay)
               ? relay
               : NULL;
}

/* The host that its address was completed with once. */
static void copy_host(struct connection *connection, const char *address)
{
    const char *port = strrchr(address, ':');

    if (port != NULL)
        members_copy_text(connection->host,
                          span_of(address, (size_t)(port - address)));
}

static struct connection *open_detour(struct farm *farm, uint64_t to,
                                      const struct member *relay)
{
    const struct member *member = member_find(farm, to);
    struct connection *connection = connection_take(farm);

    if (connection == NULL)
        return NULL;
    *connection = (struct connection){
        .link = LINK_IS_VIRTUAL | (++farm->next_detour & ~LINK_IS_VIRTUAL),
        .to = to,
        .relay = relay->id,
        .begun = farm->now};
    if (member != NULL)
        copy_host(connection, member->address);
    members_send_hello(farm, connection->link);
    return connection;
}

/* ---- sending ---- */

void forward_send(struct farm *farm, farm_link link, struct span frames)
{
    struct connection *connection = connection_find(farm, link);
    const struct member *relay =
        connection != NULL ? relay_of(farm, connection) : NULL;
    struct span inner;
    size_t used;

    while (relay != NULL &&
           message_frame(frames, UINT32_MAX, &inner, &used) == FRAME_OK) {
        struct message message = {.kind = MESSAGE_FORWARD,
                                  .forward = {.to = connection->to,
                                              .from = farm->settings.id,
                                              .inner = inner}};
        effect_send(farm, relay->link, &message);
        frames = span_of(frames.data + used, frames.length - used);
    }
}

uint64_t link_backlog_bytes(struct farm *farm, farm_link link)
{
    const struct connection *connection = connection_find(farm, link);

    if (connection != NULL && link_is_virtual(link)) {
        const struct member *relay = relay_of(farm, connection);
        connection = relay != NULL ? connection_find(farm, relay->link) : NULL;
    }
    return connection != NULL ? connection->backlog_bytes : UINT64_MAX;
}

/* ---- taking ---- */

/* For somebody else: over one link, from its own sender, or not at all. */
static void pass_on(struct farm *farm, const struct member *sender,
                    const struct message *message)
{
    const struct member *to = member_find(farm, message->forward.to);

    if (message->forward.from != sender->id || to == NULL || to == sender ||
        !member_is_up(to) || !member_has_real_link(to) ||
        link_backlog_bytes(farm, to->link) > BACKLOG_BYTES_MAX)
        return;
    effect_send(farm, to->link, message);
}

/* The link on which a HELLO begins; NULL where it is none of ours. */
static struct connection *begin_anew(struct farm *farm, uint64_t from,
                                     const struct member *relay)
{
    const struct member *member = member_find(farm, from);
    struct connection *connection = find_detour(farm, from);

    if (member != NULL && member_has_real_link(member)) {
        if (member->state != MEMBER_SUSPECT)
            return NULL;
        members_drop_link(farm, connection_find(farm, member->link),
                          "it is reached through a neighbour");
    }
    if (connection != NULL && connection->member != NULL) {
        if (farm->now - connection->begun < SETTLED_FOR)
            return NULL;
        members_drop_link(farm, connection, "the far end began anew");
        connection = NULL;
    }
    if (connection == NULL)
        connection = open_detour(farm, from, relay);
    else
        /* Ours may have come while a real link was believed to be there. */
        members_send_hello(farm, connection->link);
    if (connection != NULL) {
        connection->comes_by = relay->id;
        connection->begun = farm->now;
    }
    return connection;
}

void forward_take(struct farm *farm, const struct member *sender,
                  const struct message *message)
{
    struct span inner = message->forward.inner;
    uint64_t from = message->forward.from;
    struct connection *connection;

    if (message->forward.to != farm->settings.id) {
        pass_on(farm, sender, message);
        return;
    }
    if (from == farm->settings.id || from == 0 || from == sender->id ||
        inner.data[0] == MESSAGE_FORWARD)
        return;
    if (inner.data[0] == MESSAGE_HELLO) {
        connection = begin_anew(farm, from, sender);
    } else {
        connection = find_detour(farm, from);
        /* Two ways do not keep the order. */
        if (connection != NULL &&
            (connection->comes_by != sender->id || connection->member == NULL))
            return;
    }
    if (connection != NULL)
        farm_take_frame(farm, connection->link, inner);
}

/* ---- beginning and ending ---- */

void forward_vouched(struct farm *farm, struct member *subject,
                     const struct member *neighbour)
{
    bool is_old = farm->now - subject->vouched > 2 * farm->settings.heartbeat;

    if (!member_has_real_link(neighbour) ||
        (!is_old && neighbour->id > subject->vouched_by))
        return;
    subject->vouched = farm->now;
    subject->vouched_by = neighbour->id;
}

static bool needs_detour(struct farm *farm, const struct member *member)
{
    return member->id != 0 && member->state == MEMBER_SUSPECT &&
           !link_is_virtual(member->link) && member->vouched != 0 &&
           farm->now - member->suspect_since >= DETOUR_AFTER &&
           farm->now - member->vouched <= 2 * farm->settings.heartbeat &&
           farm->now - member->detoured >= SETTLED_FOR &&
           find_detour(farm, member->id) == NULL;
}

void forward_tick(struct farm *farm)
{
    for (size_t i = 0; i < farm->connections_end; i++) {
        struct connection *connection = &farm->connections[i];
        if (!link_is_virtual(connection->link))
            continue;
        if (relay_of(farm, connection) == NULL)
            members_drop_link(farm, connection, "its neighbour is gone");
        else if (connection->member == NULL &&
                 farm->now - connection->begun >= SETTLING_MAX)
            members_drop_link(farm, connection, "no answer");
    }
    for (size_t i = 0; i < farm->members_end; i++) {
        struct member *member = &farm->members[i];
        if (!needs_detour(farm, member))
            continue;
        const struct member *relay = member_find(farm, member->vouched_by);
        if (relay == NULL || !member_is_up(relay) ||
            !member_has_real_link(relay))
            continue;
        if (member->link != 0)
            members_drop_link(farm, connection_find(farm, member->link),
                              "it is reached through a neighbour");
        char line[FARM_TEXT_BYTES_MAX + 1];
        snprintf(line, sizeof(line), "%.70s (%.70s) is reached through %.70s",
                 member->name, member->address, relay->name);
        tell_once(farm, line);
        member->detoured = farm->now;
        open_detour(farm, member->id, relay);
    }
}
