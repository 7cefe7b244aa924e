/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/state.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "proto/memcached/credentials.h"
#include "server/auth/exchange.h"
#include "server/auth/throttle.h"
#include "server/auth/users.h"
#include "server/session/login.h"
#include "server/session/session.h"

static const struct clients_settings *settings_of(const struct session *session)
{
    return &session->crew->clients->settings;
}

void authentication_begin(struct session *session)
{
    const struct clients_settings *settings = settings_of(session);

    /* No first byte, and no door, has it otherwise. */
    if (settings->users != NULL)
        session->protocol = PROTOCOL_TEXT;
    else if (settings->exchanges != NULL)
        session->protocol = PROTOCOL_BINARY;
    else
        return;
    session->standing = STANDING_STRANGER;
}

void authentication_end(struct session *session)
{
    login_drop(session->login);
    timer_destroy(session->failure_timer);
}

/* ---- answers ---- */

static void reply(struct session *session, const struct command *command,
                  const struct outcome *outcome)
{
    uint8_t *to = output_room(&session->output,
                              REPLY_HEAD_BYTES_MAX + outcome->value.length);

    if (to == NULL) {
        session->state = SESSION_BROKEN;
        return;
    }
    size_t head_bytes = reply_head(command, outcome, to);
    span_copy(to + head_bytes, outcome->value);
    output_add(&session->output, head_bytes + outcome->value.length);
}

static void refuse(struct session *session, const struct command *command,
                   enum refusal refusal)
{
    struct command refused = *command;
    struct outcome outcome = {.kind = OUTCOME_REFUSED};

    refused.refusal = refusal;
    reply(session, &refused, &outcome);
}

static void admit(struct session *session, const struct command *command)
{
    struct outcome outcome = {.kind = OUTCOME_AUTHENTICATED};

    count(&session->crew->counters, COUNTER_AUTH_CMDS, 1);
    session->standing = STANDING_KNOWN;
    session->failures = 0;
    reply(session, command, &outcome);
}

/* What the answer to credentials that are looked at elsewhere, or that wait,
 * has to repeat. */
static struct command asked(const struct session *session)
{
    return (struct command){.protocol = session->protocol,
                            .opcode = session->asked_opcode,
                            .opaque = session->asked_opaque,
                            .last = true};
}

/* ---- failures ---- */

struct peer {
    char text[INET6_ADDRSTRLEN];
    uint8_t bytes[THROTTLE_ADDRESS_BYTES_MAX];
    size_t bytes_count; /* 0: no address */
};

static void take_address(struct peer *peer, const void *address, int family)
{
    /* A network of IPv6 is what one customer has. */
    peer->bytes_count = family == AF_INET ? 4 : 8;
    memcpy(peer->bytes, address, peer->bytes_count);
    inet_ntop(family, address, peer->text, sizeof(peer->text));
}

static struct peer peer_of(int fd)
{
    struct peer peer = {.text = "a unix socket"};
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t bytes = sizeof(address);

    if (getpeername(fd, (struct sockaddr *)&address, &bytes) != 0)
        return peer;
    if (address.ss_family == AF_INET)
        take_address(&peer, &((struct sockaddr_in *)&address)->sin_addr,
                     AF_INET);
    else if (address.ss_family == AF_INET6)
        take_address(&peer, &((struct sockaddr_in6 *)&address)->sin6_addr,
                     AF_INET6);
    return peer;
}

static void end_wait(void *context)
{
    struct session *session = context;

    session->has_failed = true;
    session_resume(session);
}

/* It is told so later; until then nothing it sends is looked at. */
static void fail(struct session *session)
{
    const struct clients_settings *settings = settings_of(session);
    struct peer peer = peer_of(session->transport.fd);

    count(&session->crew->counters, COUNTER_AUTH_CMDS, 1);
    count(&session->crew->counters, COUNTER_AUTH_ERRORS, 1);
    log_event(settings->log, EVENT_REFUSAL, SEVERITY_WARNING,
              "connection %d: authentication failed, from %s",
              session->transport.fd, peer.text);
    session->failures++;
    time_us delay =
        throttle_fail(settings->throttle, span_of(peer.bytes, peer.bytes_count),
                      session->failures, session->now);
    if (session->failure_timer == NULL)
        session->failure_timer =
            timer_create_once(session->crew->worker, end_wait, session);
    if (session->failure_timer == NULL) {
        session->state = SESSION_BROKEN;
        return;
    }
    timer_arm(session->failure_timer, delay);
    session->waits = true;
    session->has_backlog = true;
}

void authentication_resume(struct session *session)
{
    struct command command = asked(session);

    if (!session->has_failed)
        return;
    session->has_failed = false;
    refuse(session, &command, REFUSAL_AUTHENTICATION);
}

/* ---- who is it? ---- */

void authentication_judged(struct session *session)
{
    struct command command = asked(session);
    struct outcome outcome = {.kind = OUTCOME_CHALLENGE};
    enum exchange_result result = login_result(session->login, &outcome.value);

    if (result == EXCHANGE_REFUSED) {
        login_drop(session->login);
        session->login = NULL;
        session->now = clock_now(settings_of(session)->clock);
        fail(session);
        if (session->state == SESSION_BROKEN)
            session_destroy(session);
        return;
    }
    session_borrow_output(session);
    if (result == EXCHANGE_CONTINUES) {
        reply(session, &command, &outcome);
    } else {
        login_drop(session->login);
        session->login = NULL;
        admit(session, &command);
    }
    session_resume(session);
}

static void authenticate(struct session *session, const struct command *command)
{
    /* Whoever tries again is not who it was before. */
    session->standing = STANDING_STRANGER;
    session->asked_opcode = command->opcode;
    session->asked_opaque = command->opaque;
    if (command->protocol == PROTOCOL_TEXT) {
        if (users_check(settings_of(session)->users, command->key,
                        command->value))
            admit(session, command);
        else
            fail(session);
    } else if (login_begin(session, command)) {
        session->waits = true;
        session->has_backlog = true;
    } else {
        fail(session);
    }
}

static void take(struct session *session, const struct command *command)
{
    struct outcome outcome = {.kind = OUTCOME_VERSION};

    switch (command->kind) {
    case COMMAND_AUTHENTICATE:
        authenticate(session, command);
        return;
    case COMMAND_MECHANISMS:
        outcome.kind = OUTCOME_MECHANISMS;
        outcome.value = span_of_string(
            exchanges_mechanisms(settings_of(session)->exchanges));
        reply(session, command, &outcome);
        break;
    case COMMAND_VERSION:
        reply(session, command, &outcome);
        break;
    default:
        refuse(session, command, command->refusal);
        break;
    }
    session->swallow_bytes = command->swallow_bytes;
    if (session->standing == STANDING_RENEWS)
        session->standing = STANDING_KNOWN;
    if (command->closes)
        session_end(session, true);
}

bool authentication_take(struct session *session, struct span *input)
{
    struct command command;
    struct parsed parsed = session->protocol == PROTOCOL_TEXT
                               ? credentials_parse_text(*input, &command)
                               : credentials_parse_binary(*input, &command);

    if (parsed.result == PARSE_CLOSE) {
        session_end(session, false);
        return false;
    }
    if (parsed.result == PARSE_MORE) {
        session->needed_bytes = parsed.need;
        return false;
    }
    *input = span_of(input->data + parsed.used, input->length - parsed.used);
    take(session, &command);
    return true;
}
