/* SPDX-License-Identifier: BSD-3-Clause */
#include "crowd.h"

#include <assert.h>
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "connection.h"
#include "moment.h"

#define NS_PER_SECOND 1000000000
#define SILENCE_NS_MAX ((uint64_t)10 * NS_PER_SECOND)
#define EVENTS_MAX 256

struct crowd {
    const struct plan *plan;
    struct connection *connections;
    int epoll;
    struct traffic *traffic; /* that of the run going on */
    struct tally *tally;
    struct connection **idle; /* a stack */
    unsigned idle_count;
    uint64_t due_ns;   /* when the next batch of an open loop should start */
    uint64_t heard_ns; /* when the server last gave a sign */
};

static void watch(struct crowd *crowd, struct connection *connection,
                  int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};

    if (epoll_ctl(crowd->epoll, operation, connection->socket, &event) != 0)
        err(EXIT_FAILURE, "cannot watch a connection");
}

struct crowd *crowd_create(const struct plan *plan)
{
    unsigned count = plan->connections_count;
    unsigned batch_max =
        plan->pipeline > FILL_PIPELINE ? plan->pipeline : FILL_PIPELINE;
    struct crowd *crowd = calloc(1, sizeof *crowd);

    if (crowd == NULL ||
        (crowd->idle = calloc(count, sizeof *crowd->idle)) == NULL ||
        (crowd->connections = calloc(count, sizeof *crowd->connections)) ==
            NULL)
        err(EXIT_FAILURE, "no memory for the connections");
    crowd->plan = plan;
    crowd->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (crowd->epoll < 0)
        err(EXIT_FAILURE, "no epoll");

    for (unsigned i = 0; i < count; i++) {
        struct connection *connection = &crowd->connections[i];

        connection_init(connection, plan, batch_max);
        watch(crowd, connection, EPOLL_CTL_ADD, EPOLLIN);
        crowd->idle[crowd->idle_count++] = connection;
    }
    return crowd;
}

void crowd_destroy(struct crowd *crowd)
{
    if (crowd == NULL)
        return;
    for (unsigned i = 0; i < crowd->plan->connections_count; i++)
        connection_release(&crowd->connections[i]);
    close(crowd->epoll);
    free(crowd->connections);
    free(crowd->idle);
    free(crowd);
}

static bool is_closed_loop(const struct crowd *crowd)
{
    return crowd->traffic->rate <= 0;
}

/* Goes on sending, and has the kernel tell when it can if it cannot now. */
static void flush(struct crowd *crowd, struct connection *connection)
{
    bool must_wait = !connection_send(connection);

    if (must_wait == connection->is_awaiting_room)
        return;
    connection->is_awaiting_room = must_wait;
    watch(crowd, connection, EPOLL_CTL_MOD,
          must_wait ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* The next batch, if there is one; else the connection goes idle. */
static bool begin(struct crowd *crowd, struct connection *connection)
{
    unsigned count =
        traffic_draw(crowd->traffic, moment_now_ns(), connection->requests);

    if (count == 0) {
        crowd->idle[crowd->idle_count++] = connection;
        return false;
    }
    connection_begin(connection, count);
    connection->since_ns =
        is_closed_loop(crowd) ? moment_now_ns() : crowd->due_ns;
    flush(crowd, connection);
    return true;
}

static bool is_due(const struct crowd *crowd)
{
    return is_closed_loop(crowd) || crowd->due_ns <= moment_now_ns();
}

/*
 * Gives work that is due to those who have none; false once there is none
 * to give.
 */
static bool idle_begin(struct crowd *crowd)
{
    while (crowd->idle_count > 0 && is_due(crowd)) {
        if (!begin(crowd, crowd->idle[--crowd->idle_count]))
            return false;
        if (!is_closed_loop(crowd))
            crowd->due_ns += traffic_gap_ns(crowd->traffic);
    }
    return true;
}

static void event_handle(struct crowd *crowd, const struct epoll_event *event)
{
    struct connection *connection = event->data.ptr;

    if (event->events & EPOLLOUT)
        flush(crowd, connection);
    if (!(event->events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
        return;
    if (!connection_receive(connection, crowd->tally))
        return;
    if (is_closed_loop(crowd))
        (void)begin(crowd, connection);
    else
        crowd->idle[crowd->idle_count++] = connection;
}

/* How long to wait for events: to the next start or the end of patience. */
static struct timespec patience(const struct crowd *crowd, bool has_more)
{
    uint64_t now_ns = moment_now_ns();
    uint64_t until_ns = crowd->heard_ns + SILENCE_NS_MAX;
    uint64_t wait_ns;

    if (has_more && !is_closed_loop(crowd) && crowd->idle_count > 0 &&
        crowd->due_ns < until_ns)
        until_ns = crowd->due_ns;
    wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    return (struct timespec){
        .tv_sec = (time_t)(wait_ns / NS_PER_SECOND),
        .tv_nsec = (long)(wait_ns % NS_PER_SECOND),
    };
}

/* A crowd with nothing under way has heard enough: nobody owes it a reply. */
static void hearing_note(struct crowd *crowd, int events_count)
{
    uint64_t now_ns = moment_now_ns();

    if (events_count > 0 || crowd->idle_count == crowd->plan->connections_count)
        crowd->heard_ns = now_ns;
    else if (now_ns - crowd->heard_ns >= SILENCE_NS_MAX)
        errx(EXIT_FAILURE, "the server has been silent for 10 seconds");
}

static void events_handle(struct crowd *crowd, bool has_more)
{
    struct epoll_event events[EVENTS_MAX];
    struct timespec wait = patience(crowd, has_more);
    int count = epoll_pwait2(crowd->epoll, events, EVENTS_MAX, &wait, NULL);

    if (count < 0 && errno != EINTR)
        err(EXIT_FAILURE, "cannot wait for the server");
    hearing_note(crowd, count);
    for (int i = 0; i < count; i++)
        event_handle(crowd, &events[i]);
}

void crowd_run(struct crowd *crowd, struct traffic *traffic,
               struct tally *tally)
{
    bool has_more = true;

    assert(crowd->idle_count == crowd->plan->connections_count);
    crowd->traffic = traffic;
    crowd->tally = tally;
    crowd->due_ns = crowd->heard_ns = moment_now_ns();
    /* Starts of an open loop are due to the microsecond. */
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);

    for (;;) {
        has_more = has_more && idle_begin(crowd);
        if (!has_more && crowd->idle_count == crowd->plan->connections_count)
            return;
        events_handle(crowd, has_more);
    }
}
