/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Strangers: connections that have not proven that they are members; how many
 * there may be, for how long, and what is said of those that fail.
 *
 * Nothing that a stranger sends is looked at but by TLS.  Its first byte tells
 * a member without a key from anything else, so that both can be told so.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "server/peer/driver.h"

/* What comes first of a TLS record that begins a handshake (RFC 8446, 5.1),
 * and of the length of a HELLO. */
#define FIRST_OF_TLS 22
#define FIRST_OF_FRAME 0
#define REFUSAL_BYTES 256
#define TELL_AGAIN_AFTER (60 * TIME_US_PER_S)

/* ---- what is said of them ---- */

/* Somebody who tries again and again is told of once a minute. */
void strangers_tell(struct peers *peers, const char *who, const char *reason)
{
    time_us now = clock_own(peers->settings.clock);
    struct stranger_telling *oldest = &peers->tellings[0];

    for (size_t i = 0; i < DRIVER_TELLINGS_MAX; i++) {
        struct stranger_telling *telling = &peers->tellings[i];
        if (strcmp(telling->who, who) == 0 &&
            strcmp(telling->reason, reason) == 0 &&
            now - telling->at < TELL_AGAIN_AFTER)
            return;
        if (telling->at < oldest->at)
            oldest = telling;
    }
    oldest->at = now;
    snprintf(oldest->who, sizeof(oldest->who), "%s", who);
    snprintf(oldest->reason, sizeof(oldest->reason), "%s", reason);
    log_event(peers->settings.log, EVENT_STRANGER, SEVERITY_WARNING,
              "farm: no link with %s: %s", who, reason);
}

void strangers_fail(struct peers *peers, const struct link *link,
                    const char *reason)
{
    peers->handshakes_failed++;
    strangers_tell(peers, link_name(link), reason);
}

/* Tells the far end, in the clear where hands are not shaken: so a member
 * without the key can tell its operator. */
static void refuse(struct link *link, const char *reason)
{
    struct message message = {.kind = MESSAGE_REFUSE,
                              .refuse = span_of_string(reason)};
    uint8_t bytes[REFUSAL_BYTES];
    struct writer writer = writer_of(bytes, sizeof(bytes));

    message_encode(&message, &writer);
    /* It was told little so far: this fits, or it is not told. */
    if (!writer.ok || !link_add(link, span_of(bytes, writer.used_bytes)) ||
        !link_flush(link))
        link->is_blocked = false;
}

/* ---- how many ---- */

static bool is_stranger(const struct link *link)
{
    return link != NULL && !link_is_dialled(link) &&
           (link->state == LINK_SHAKING || link->state == LINK_SILENT);
}

static size_t count_of_host(const struct peers *peers, const char *host)
{
    size_t count = 0;

    for (size_t i = 0; i < peers->links_end; i++) {
        const struct link *link = peers->links[i];
        count += is_stranger(link) && strcmp(link->host, host) == 0;
    }
    return count;
}

/* Who has been trying for longest, of the host that most come from: a flood
 * from one host stays out of the way of members on others. */
static struct link *find_victim(const struct peers *peers)
{
    struct link *victim = NULL;
    size_t most = 0;

    for (size_t i = 0; i < peers->links_end; i++) {
        struct link *link = peers->links[i];
        if (!is_stranger(link))
            continue;
        if (victim != NULL && strcmp(link->host, victim->host) == 0) {
            if (link->since < victim->since)
                victim = link;
            continue;
        }
        size_t count = count_of_host(peers, link->host);
        if (count > most || (count == most && link->since < victim->since)) {
            most = count;
            victim = link;
        }
    }
    return victim;
}

void strangers_make_room(struct peers *peers)
{
    size_t count = 0;

    for (size_t i = 0; i < peers->links_end; i++)
        count += is_stranger(peers->links[i]);
    if (count < peers->settings.handshakes_max)
        return;
    links_cut(peers, find_victim(peers),
              "it said nothing while others wanted to");
    links_sweep(peers);
}

/* ---- hands are shaken ---- */

static void reject(struct peers *peers, struct link *link, const char *reason)
{
    links_cut(peers, link, reason);
    /* There is somebody; perhaps a farm that this server should be in. */
    if (link_is_dialled(link))
        driver_step(peers, (struct farm_input){.kind = FARM_REJECTED});
}

static void fail(struct peers *peers, struct link *link)
{
    const char *reason = tls_failure(link->transport.tls);

    if (reason == NULL && link_is_dialled(link)) {
        strangers_tell(peers, link_name(link),
                       "it hung up before it had proven itself");
        links_break_off(peers, link);
    } else if (reason == NULL) {
        links_cut(peers, link, "it hung up before it had proven itself");
    } else {
        reject(peers, link, reason);
    }
}

/* Keys may have been read again since it began to prove that it has one. */
static bool is_proven_late(struct peers *peers, struct link *link)
{
    if (tls_is_proven_still(peers->settings.tls, link->transport.tls))
        return false;
    links_cut(peers, link, "what it is proven by is accepted no longer");
    return true;
}

/* Who was dialled may say only now that it does not know our certificate. */
bool strangers_were_rejected(struct peers *peers, struct link *link)
{
    const char *reason = link->transport.tls == NULL || link->is_named
                             ? NULL
                             : tls_failure(link->transport.tls);

    if (reason != NULL)
        reject(peers, link, reason);
    return reason != NULL;
}

static bool shake(struct peers *peers, struct link *link)
{
    switch (tls_shake_hands(link->transport.tls)) {
    case TLS_WAITS_TO_READ:
        watch_want(link->watch, true, false);
        break;
    case TLS_WAITS_TO_WRITE:
        watch_want(link->watch, false, true);
        break;
    case TLS_FAILED:
        fail(peers, link);
        break;
    case TLS_READY:
        watch_want(link->watch, true, false);
        return !is_proven_late(peers, link);
    }
    return false;
}

/* Looks at the first byte of who has connected; true where it may be TLS. */
static bool begins_as_tls(struct peers *peers, struct link *link)
{
    uint8_t first;
    ssize_t got = recv(link->transport.fd, &first, 1, MSG_PEEK);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got <= 0) {
        links_cut(peers, link, "it hung up before it had proven itself");
        return false;
    }
    if (first == FIRST_OF_TLS)
        return true;
    if (first == FIRST_OF_FRAME)
        refuse(link, "links of this farm are keyed; give the server "
                     "its key, with --farm-key-file");
    links_cut(peers, link,
              first == FIRST_OF_FRAME
                  ? "it does not speak TLS; if it is a member give it the "
                    "farm's key, with --farm-key-file"
                  : "it does not speak TLS");
    return false;
}

bool strangers_shake_hands(struct peers *peers, struct link *link)
{
    if (link->transport.tls == NULL) {
        if (!link_is_dialled(link) && !begins_as_tls(peers, link))
            return false;
        link->transport.tls = tls_open_member(
            peers->settings.tls, link->transport.fd, link_is_dialled(link));
        if (link->transport.tls == NULL) {
            links_cut(peers, link, "memory is out");
            return false;
        }
    }
    return shake(peers, link);
}

/* The first frame of who is not encrypted is none of grapevine. */
void strangers_refuse(struct peers *peers, struct link *link)
{
    bool speaks_tls = link->transport.tls == NULL && link->input_bytes > 0 &&
                      link->input[0] == FIRST_OF_TLS;

    if (speaks_tls)
        refuse(link, "links of this farm are not keyed");
    links_cut(peers, link,
              speaks_tls ? "it speaks TLS; if it is a member give this server "
                           "the farm's key, too, with --farm-key-file"
                         : "it does not speak grapevine");
}

/* ---- who they say they are ---- */

/* What a server calls itself, without the port that may be behind. */
static void copy_host_part(char to[FARM_TEXT_BYTES_MAX + 1], struct span name)
{
    size_t length = name.length;

    while (length > 0 && name.data[length - 1] >= '0' &&
           name.data[length - 1] <= '9')
        length--;
    if (length == name.length || length < 2 || name.data[length - 1] != ':')
        length = name.length + 1;
    span_copy((uint8_t *)to, span_of(name.data, length - 1));
    to[length - 1] = '\0';
}

bool strangers_hear(struct peers *peers, struct link *link, struct span inner)
{
    char name[FARM_TEXT_BYTES_MAX + 1];
    struct message message;

    if (message_decode(inner, &message) != DECODE_OK ||
        message.kind != MESSAGE_HELLO) {
        /* Who was dialled may refuse us; the machine heeds nothing else. */
        if (link->state == LINK_SILENT)
            strangers_refuse(peers, link);
        return link->state == LINK_UP;
    }
    copy_host_part(name, message.hello.name);
    link->is_named = link->transport.tls == NULL ||
                     tls_proves_name(link->transport.tls, name);
    if (link->is_named)
        return true;
    refuse(link, "its certificate is not for its name (--farm-server-name)");
    reject(peers, link,
           "its certificate is not for its name (--farm-server-name)");
    return false;
}

/* ---- keys that are no more ---- */

void strangers_prove_again(struct peers *peers)
{
    for (size_t i = 0; i < peers->links_end; i++) {
        struct link *link = peers->links[i];
        if (link == NULL || link->state > LINK_UP ||
            link->transport.tls == NULL || link->state == LINK_SHAKING ||
            tls_is_proven_still(peers->settings.tls, link->transport.tls))
            continue;
        links_cut(peers, link, "what it was proven by is accepted no longer");
    }
}
