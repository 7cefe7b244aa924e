/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Links: all connections of this server to others, and how they begin and
 * end.
 */
#include <stdio.h>
#include <unistd.h>

#include "server/peer/driver.h"

#define DIAL_US_MAX (2 * TIME_US_PER_S)
/* After so long an address is dialled once more, beside: what asks to connect
 * just as a server ends is lost, and the system asks again after a second. */
#define DIAL_REPEAT_US (TIME_US_PER_S / 50)
/* So long nothing of what is to be sent was taken. */
#define STALL_US_MAX (5 * TIME_US_PER_S)
/* Of what the machine is told while it tells of more to do. */
#define ROUNDS_MAX 8
/* Of one link, before others have their turn. */
#define READS_PER_TURN 8

static void take_turn(void *context);

/* ---- numbers ---- */

static bool give_number(struct peers *peers, struct link *link)
{
    for (uint32_t slot = 0; slot < DRIVER_LINKS_MAX; slot++) {
        if (peers->links[slot] != NULL)
            continue;
        peers->links[slot] = link;
        if (slot >= peers->links_end)
            peers->links_end = slot + 1;
        /* Never 0, and nobody else's for a long time. */
        peers->generation = peers->generation % (1U << 20) + 1;
        link->number = peers->generation * DRIVER_LINKS_MAX + slot;
        return true;
    }
    return false;
}

static struct link *find_link(struct peers *peers, farm_link number)
{
    struct link *link = peers->links[number % DRIVER_LINKS_MAX];

    return link != NULL && link->number == number ? link : NULL;
}

/* ---- ends ---- */

static void end(struct link *link)
{
    if (link->state == LINK_CLOSED || link->state == LINK_LOST)
        return;
    /* The machine is told by links_settle(), of those that it knows. */
    link->state = link->state == LINK_UP ? LINK_LOST : LINK_CLOSED;
    watch_want(link->watch, false, false);
}

void links_cut(struct peers *peers, struct link *link, const char *reason)
{
    /* Strangers do not use up the lines that members need. */
    if (link->state < LINK_UP || !link->is_named)
        strangers_fail(peers, link, reason);
    else
        log_event(peers->settings.log, EVENT_FARM, SEVERITY_WARNING,
                  "farm: the link with %s is cut: %s", link_name(link), reason);
    end(link);
}

void links_close(struct peers *peers, farm_link number, struct span reason)
{
    struct link *link = find_link(peers, number);

    if (link == NULL || link->state == LINK_CLOSED)
        return;
    log_event(peers->settings.log, EVENT_FARM, SEVERITY_INFO,
              "farm: the link with %s ends: %.*s", link_name(link),
              (int)reason.length, (const char *)reason.data);
    /* Its last words, a refusal perhaps, as far as the system takes them. */
    if (!link_flush(link))
        link->is_blocked = false;
    link->state = LINK_CLOSED;
    watch_want(link->watch, false, false);
}

static bool tell_of_losses(struct peers *peers)
{
    bool has_news = false;

    for (size_t i = 0; i < peers->links_end; i++) {
        struct link *link = peers->links[i];
        if (link == NULL || link->state != LINK_LOST)
            continue;
        link->state = LINK_CLOSED;
        has_news = true;
        driver_step(peers, (struct farm_input){.kind = FARM_UNLINKED,
                                               .link = link->number});
    }
    return has_news;
}

static bool tell_of_refusals(struct peers *peers)
{
    bool has_news = peers->refusals_count > 0;

    while (peers->refusals_count > 0) {
        char address[PLACE_BYTES];
        peers->refusals_count--;
        memcpy(address, peers->refusals[peers->refusals_count],
               sizeof(address));
        driver_step(peers,
                    (struct farm_input){.kind = FARM_REFUSED,
                                        .bytes = span_of_string(address)});
    }
    return has_news;
}

static void note_refusal(struct peers *peers, const char *address)
{
    if (peers->refusals_count < DRIVER_REFUSALS_MAX)
        snprintf(peers->refusals[peers->refusals_count++], PLACE_BYTES, "%s",
                 address);
}

/* ---- beginnings ---- */

static bool is_dialling(const struct peers *peers, const char *address)
{
    for (size_t i = 0; i < peers->links_end; i++) {
        const struct link *link = peers->links[i];
        if (link != NULL && link->state <= LINK_SHAKING &&
            strcmp(link->address, address) == 0)
            return true;
    }
    return false;
}

static struct link *dial(struct peers *peers, const char *address)
{
    bool is_refused;
    struct link *link =
        link_dial(peers->worker, address, take_turn, peers, &is_refused);

    if (is_refused)
        note_refusal(peers, address);
    if (link == NULL)
        return NULL;
    link->since = clock_own(peers->settings.clock);
    if (give_number(peers, link))
        return link;
    link_destroy(link);
    return NULL;
}

static void dial_beside(struct peers *peers, struct link *first)
{
    struct link *second = dial(peers, first->address);

    first->was_repeated = true;
    if (second != NULL)
        second->was_repeated = true;
}

/* One of two has told. */
static void end_other_dial(struct peers *peers, const struct link *link)
{
    for (size_t i = 0; link->was_repeated && i < peers->links_end; i++) {
        struct link *other = peers->links[i];
        if (other != NULL && other != link && other->state == LINK_DIALLING &&
            strcmp(other->address, link->address) == 0)
            end(other);
    }
}

void links_dial(struct peers *peers, struct span address)
{
    char text[PLACE_BYTES];

    if (address.length >= sizeof(text))
        return;
    *span_copy((uint8_t *)text, address) = '\0';
    if (is_dialling(peers, text))
        return;
    if (!places_may_link(&peers->settings, text)) {
        strangers_tell(peers, text,
                       "it is beyond this host, and links are not keyed; give "
                       "--farm-key-file");
        return;
    }
    (void)dial(peers, text);
}

static void begin_link(struct peers *peers, struct link *link)
{
    link->state = LINK_UP;
    watch_want(link->watch, true, false);
    driver_step(peers,
                (struct farm_input){.kind = FARM_LINKED,
                                    .link = link->number,
                                    .bytes = span_of_string(link->address),
                                    .host = span_of_string(link->host)});
}

void links_break_off(struct peers *peers, struct link *link)
{
    begin_link(peers, link);
    end(link);
}

static void finish_dial(struct peers *peers, struct link *link)
{
    enum link_dialled what = link_finish_dial(link);

    if (what != LINK_FAILED)
        end_other_dial(peers, link);
    switch (what) {
    case LINK_BROKEN:
        links_break_off(peers, link);
        break;
    case LINK_REFUSED:
        note_refusal(peers, link->address);
        end(link);
        break;
    case LINK_FAILED:
        end(link);
        break;
    case LINK_CONNECTED:
        if (peers->settings.tls == NULL) {
            begin_link(peers, link);
            break;
        }
        link->state = LINK_SHAKING;
        link->since = clock_own(peers->settings.clock);
        break;
    }
}

void links_accept(int fd, void *context)
{
    struct peers *peers = context;

    driver_enter(peers);
    strangers_make_room(peers);
    struct link *link = link_create(peers->worker, fd, take_turn, peers);
    if (link != NULL && give_number(peers, link)) {
        link->state = peers->settings.tls != NULL ? LINK_SHAKING : LINK_SILENT;
        link->since = clock_own(peers->settings.clock);
        watch_want(link->watch, true, false);
    } else {
        link_destroy(link);
    }
    driver_leave(peers);
}

/* ---- frames ---- */

/* Who has connected has said HELLO. */
static void begin_accepted(struct peers *peers, struct link *link)
{
    link->state = LINK_UP;
    driver_step(peers, (struct farm_input){.kind = FARM_LINKED,
                                           .link = link->number,
                                           .host = span_of_string(link->host)});
}

static void take_frames(struct peers *peers, struct link *link)
{
    size_t at_bytes = 0;

    for (;;) {
        size_t limit_bytes =
            link->is_named ? peers->frame_bytes_max : LINK_HELLO_BYTES_MAX;
        struct span inner;
        size_t used;
        enum frame_result result = message_frame(
            span_of(link->input + at_bytes, link->input_bytes - at_bytes),
            limit_bytes, &inner, &used);
        if (result == FRAME_TOO_LARGE && !link->is_named)
            strangers_refuse(peers, link);
        else if (result == FRAME_TOO_LARGE)
            links_cut(peers, link, "it announced more than a frame may have");
        if (result != FRAME_OK ||
            (!link->is_named && !strangers_hear(peers, link, inner)))
            break;
        if (link->state == LINK_SILENT)
            begin_accepted(peers, link);
        if (link->state != LINK_UP)
            break;
        driver_step(peers, (struct farm_input){.kind = FARM_FRAME,
                                               .link = link->number,
                                               .bytes = inner});
        at_bytes += used;
        if (link->state != LINK_UP)
            break;
    }
    if (at_bytes > 0)
        link_take(link, at_bytes);
}

static void read_frames(struct peers *peers, struct link *link)
{
    bool has_more = true;

    for (unsigned i = 0;
         i < READS_PER_TURN && has_more && link->state <= LINK_UP; i++) {
        size_t before_bytes = link->input_bytes;
        if (!link_receive(link)) {
            if (!strangers_were_rejected(peers, link))
                end(link);
        } else {
            has_more = link_has_more(link) ||
                       link->input_bytes - before_bytes >= LINK_FULL_READ_BYTES;
        }
        take_frames(peers, link);
    }
    if (link->state > LINK_UP)
        return;
    link_want(link);
    if (link_has_more(link))
        watch_again(link->watch);
}

static void take_turn(void *context)
{
    struct link *link = context;
    struct peers *peers = link->owner;

    driver_enter(peers);
    if (link->state == LINK_DIALLING)
        finish_dial(peers, link);
    if (link->state == LINK_SHAKING && strangers_shake_hands(peers, link)) {
        if (link_is_dialled(link))
            begin_link(peers, link);
        else
            link->state = LINK_SILENT;
    }
    if (link->state == LINK_SILENT || link->state == LINK_UP)
        read_frames(peers, link);
    driver_leave(peers);
}

/* ---- sending ---- */

void links_send(struct peers *peers, farm_link number, struct span frames)
{
    struct link *link = find_link(peers, number);

    if (link == NULL || link->state != LINK_UP)
        return;
    if (link_backlog_bytes(link) >
        LINK_BACKLOG_BYTES_MAX + peers->settings.item_bytes_max)
        links_cut(peers, link, "it does not read what it is sent");
    else if (!link_add(link, frames))
        links_cut(peers, link, "memory is out");
}

static void send_all(struct peers *peers)
{
    for (size_t i = 0; i < peers->links_end; i++) {
        struct link *link = peers->links[i];
        if (link == NULL || link->state != LINK_UP)
            continue;
        if (link_backlog_bytes(link) > 0 && !link_flush(link))
            end(link);
    }
}

/* The machine streams no more on a link that is behind. */
static bool tell_of_backlogs(struct peers *peers)
{
    bool has_news = false;

    for (size_t i = 0; i < peers->links_end; i++) {
        struct link *link = peers->links[i];
        if (link == NULL || link->state != LINK_UP)
            continue;
        size_t backlog_bytes = link_backlog_bytes(link);
        if (backlog_bytes == link->told_backlog_bytes)
            continue;
        link->told_backlog_bytes = backlog_bytes;
        has_news = true;
        driver_step(peers, (struct farm_input){.kind = FARM_BACKLOG,
                                               .link = link->number,
                                               .number = backlog_bytes});
    }
    return has_news;
}

void links_settle(struct peers *peers)
{
    send_all(peers);
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        bool has_news = tell_of_losses(peers);
        has_news |= tell_of_refusals(peers);
        has_news |= tell_of_backlogs(peers);
        if (!has_news)
            return;
        driver_step(peers, (struct farm_input){.kind = FARM_TURN});
        send_all(peers);
    }
}

void links_watch(struct peers *peers, time_us now)
{
    for (size_t i = 0; i < peers->links_end; i++) {
        struct link *link = peers->links[i];
        if (link == NULL)
            continue;
        if (link->state == LINK_DIALLING && now > link->since + DIAL_US_MAX)
            end(link);
        if (link->state == LINK_DIALLING && !link->was_repeated &&
            now > link->since + DIAL_REPEAT_US)
            dial_beside(peers, link);
        if (link_backlog_bytes(link) == 0 ||
            link->moved_bytes != link->told_moved_bytes)
            link->moved = now;
        link->told_moved_bytes = link->moved_bytes;
        if (link->state == LINK_UP && now - link->moved > STALL_US_MAX)
            links_cut(peers, link, "it does not read what it is sent");
        if ((link->state == LINK_SHAKING || link->state == LINK_SILENT) &&
            now > link->since + peers->settings.handshake_timeout)
            links_cut(peers, link,
                      link->state == LINK_SILENT ? "it said nothing"
                                                 : "it did not prove itself in "
                                                   "time");
    }
}

void links_sweep(struct peers *peers)
{
    for (size_t i = 0; i < peers->links_end; i++) {
        struct link *link = peers->links[i];
        if (link == NULL || link->state != LINK_CLOSED)
            continue;
        peers->links[i] = NULL;
        link_destroy(link);
    }
}

void links_destroy(struct peers *peers)
{
    for (size_t i = 0; i < peers->links_end; i++) {
        link_destroy(peers->links[i]);
        peers->links[i] = NULL;
    }
}
