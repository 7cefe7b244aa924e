/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/session.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/session/delivery.h"
#include "server/session/state.h"

/* While nothing waits to be sent, a session has no buffer of its own: it
 * writes into the crew's. */
void session_borrow_output(struct session *session)
{
    if (session->output.bytes == NULL)
        output_hand_over(&session->crew->output, &session->output);
}

static void return_output(struct session *session)
{
    struct output *output = &session->output;

    if (!output_is_empty(output)) {
        if (!output_unshare(output, session_store(session)))
            session_break(session, COUNTER_NO_OUTPUT_MEMORY);
        replies_count(session, output->capacity_bytes + output->copied_bytes);
        return;
    }
    if (session->output_counted_bytes > 0)
        replies_count(session, 0);
    /* A giant's buffer is not kept for dwarfs. */
    if (session->crew->output.bytes == NULL &&
        output->capacity_bytes <= 2 * OUTPUT_BYTES_HIGH)
        output_hand_over(output, &session->crew->output);
    else
        output_release(output, session_store(session));
}

/* The client, or the farm, has to come after before more is answered. */
static bool is_congested(const struct session *session)
{
    if (session->sending == OUTPUT_SENT)
        return false;
    return session->sending == OUTPUT_BLOCKED ||
           output_is_high(&session->output);
}

/* What the session waits for may take the other direction, too. */
static void want_encrypted(const struct session *session, bool *reads,
                           bool *writes)
{
    const struct transport *transport = &session->transport;

    if (*writes && transport_write_waits_to_read(transport)) {
        *writes = false;
        *reads = true;
    } else if (*reads && session->state == SESSION_OPEN &&
               transport_read_waits_to_write(transport)) {
        *writes = true;
    }
}

static bool flush(struct session *session, bool may_delay)
{
    session->sending = OUTPUT_SENT;
    if (session->state == SESSION_BROKEN)
        return false;
    if (output_is_empty(&session->output))
        return true;
    if (!may_delay || !holding_delays(session))
        return delivery_flush(session);
    session->sending = OUTPUT_HELD;
    return false;
}

static inline void finish_turn(struct session *session, bool may_delay)
{
    bool is_told = !output_is_empty(&session->output);
    bool is_sent = flush(session, may_delay);

    return_output(session);
    if (session->state == SESSION_ENDING && is_sent) {
        if (session->transport.tls != NULL)
            tls_end(session->transport.tls);
        if (session->drains && shutdown(session->transport.fd, SHUT_WR) == 0)
            session->state = SESSION_DRAINING;
        else
            session_leave(session);
    }
    if (session->state == SESSION_BROKEN) {
        session_destroy(session);
        return;
    }
    bool takes_more = !is_congested(session) && !session->waits;
    bool reads = takes_more && (session->state == SESSION_OPEN ||
                                session->state == SESSION_DRAINING);
    bool writes = session->sending == OUTPUT_BLOCKED;
    if (session->transport.tls != NULL)
        want_encrypted(session, &reads, &writes);
    /* What a client sent before it broke off looks like all there is, until
     * something is sent there. */
    if (session->has_read_all && is_told)
        watch_took_all(session->watch);
    watch_want(session->watch, reads, writes);
    if (takes_more &&
        (session->has_backlog || (session->state == SESSION_OPEN &&
                                  transport_has_more(&session->transport))))
        watch_again(session->watch);
}

void session_ask_who_decides(struct session *session)
{
    session->term = peers_deciding(session_peers(session));
    enum farm_deciding deciding = peers_decides(session->term);
    session->homing = deciding == FARM_DECIDES_EACH
                          ? HOMING_NONE
                          : session->crew->clients->settings.homing;
    session->is_home = deciding == FARM_DECIDES_ALONE;
}

static inline void begin_turn(struct session *session)
{
    session->now = clock_now(session->crew->clients->settings.clock);
    session->crew->reporting = atomic_load_explicit(
        &session->crew->clients->watched, memory_order_relaxed);
    if (session_peers(session) != NULL) {
        session->reading = peers_reading(session_peers(session), session->now);
        session_ask_who_decides(session);
    }
    session->has_read_all = false;
    session_borrow_output(session);
}

void session_take_turn(struct session *session, const struct reading *reading)
{
    struct crew *crew = session->crew;

    begin_turn(session);
    if (reading != NULL)
        input_take(session, reading);
    else if (session->state == SESSION_DRAINING)
        input_drain(session);
    else if (!output_is_empty(&session->output) && !delivery_flush(session) &&
             (is_congested(session) || session->waits))
        ; /* the client has not read enough: nothing new is begun */
    else if (session->waits)
        ; /* nor while it waits for the farm */
    else if (session->dump != NULL)
        dump_continue(session);
    else if (session->has_backlog)
        input_resume(session);
    else if (session->state == SESSION_OPEN)
        input_receive(session);
    if (crew->has_written || crew->has_awaited)
        holding_end_turn(session);
    if (crew->bulletin.used_bytes > 0)
        report_post(crew);
    finish_turn(session, true);
}

static void greet(void *context)
{
    greeting_go_on(context);
}

void session_begin(struct session *session)
{
    watch_redirect(session->watch, turns_await);
    session_take_turn(session, NULL);
}

void session_resume(struct session *session)
{
    struct crew *crew = session->crew;

    session->waits = false;
    begin_turn(session);
    authentication_resume(session);
    filling_resume(session);
    if (session->has_backlog && !session->waits)
        input_resume(session);
    inquiry_forget(session);
    if (crew->has_written || crew->has_awaited)
        holding_end_turn(session);
    if (crew->bulletin.used_bytes > 0)
        report_post(crew);
    finish_turn(session, true);
}

void session_answer_all(struct crew *crew, uint64_t number, bool is_degraded)
{
    struct session *session = crew->holding;

    /* An answer that was given up at once overtakes those before it. */
    if (number > crew->answered)
        crew->answered = number;
    while (session != NULL) {
        struct session *next = session->next_holding;
        if (output_first_held(&session->output)->number <= number) {
            holding_let_go(session, number, is_degraded);
            finish_turn(session, false);
        }
        session = next;
    }
}

void session_tell_all(struct crew *crew, struct span lines)
{
    struct session *session = crew->watching;

    while (session != NULL) {
        struct session *next = session->next_watching;
        session_borrow_output(session);
        watching_tell(session, lines);
        finish_turn(session, false);
        session = next;
    }
}

/* What a door asks of those who come through it. */
static bool enter(struct session *session, const struct door *door)
{
    if (door->tls == NULL) {
        session->watch = watch_create_lazy(
            session->crew->worker, session->transport.fd, turns_await, session);
        return session->watch != NULL;
    }
    session->transport.tls =
        tls_open(door->tls, session->transport.fd, door->verify);
    session->watch = watch_create(session->crew->worker, session->transport.fd,
                                  greet, session);
    return session->transport.tls != NULL && session->watch != NULL &&
           greeting_begin(session);
}

bool session_create(struct crew *crew, const struct door *door, int fd)
{
    struct session *session = calloc(1, sizeof(*session));

    if (session == NULL) {
        count(&crew->counters, COUNTER_NO_SESSION_MEMORY, 1);
        return false;
    }
    session->crew = crew;
    session->door = door;
    session->transport.fd = fd;
    session->now = clock_now(crew->clients->settings.clock);
    session->protocol = door->protocol;
    authentication_begin(session);
    if (!enter(session, door)) {
        watch_destroy(session->watch);
        tls_close(session->transport.tls);
        free(session);
        return false;
    }
    session->next = crew->sessions;
    session->link = &crew->sessions;
    if (session->next != NULL)
        session->next->link = &session->next;
    crew->sessions = session;
    watch_want(session->watch, true, false);
    log_event(session_log(session), EVENT_CONNECTION, SEVERITY_INFO,
              "connection %d: opened", fd);
    report_arrival(session);
    return true;
}

void session_destroy(struct session *session)
{
    struct store *store = session_store(session);

    log_event(session_log(session), EVENT_CONNECTION, SEVERITY_INFO,
              "connection %d: closed", session->transport.fd);
    if (session->crew->is_ended)
        session->departure = DEPARTURE_SHUTDOWN;
    report_departure(session);
    turns_forget(session);
    greeting_end(session);
    if (session->crew->rolls != NULL)
        rolls_pass(session->crew, session);
    listing_drop(session);
    holding_leave(session);
    watching_end(session);
    inquiry_drop(session->inquiry);
    appeal_drop(session->appeal);
    delivery_end(session);
    if (session->possessions.first != NULL && !session->crew->is_ended)
        appeal_release(session->crew, &session->possessions);
    possessions_release(&session->possessions);
    authentication_end(session);
    filling_drop(session);
    dump_drop(session);
    output_release(&session->output, store);
    replies_count(session, 0);
    input_drop(session);
    watch_destroy(session->watch);
    if (session->transport.tls != NULL &&
        tls_broke_protocol(session->transport.tls))
        count(&session->crew->counters, COUNTER_TLS_PROTOCOL_ERRORS, 1);
    tls_close(session->transport.tls);
    /* Who sees it closed does not find it among those that are there, nor
     * counted. */
    *session->link = session->next;
    if (session->next != NULL)
        session->next->link = session->link;
    clients_lose(session->crew->clients);
    close(session->transport.fd);
    free(session);
}
