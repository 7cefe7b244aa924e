/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/delivery.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/session/appeal.h"
#include "server/session/state.h"

/* What was sent to a client that hung up is acknowledged, or refused, after a
 * round trip: it is looked for so often, and so many times. */
#define LOOK_INTERVAL (TIME_US_PER_S / 50)
#define LOOKS_MAX 100
/* Of one crew, each with a descriptor (process.c reckons with them); the locks
 * of others live until their exptime. */
#define WAITING_MAX 16

enum hearing {
    HEARD,     /* or about to be: whoever reads there is there */
    NOT_HEARD, /* what was sent there was refused */
    IN_DOUBT   /* it sends no more; whether it reads is not known yet */
};

/* What was told on a connection whose client has hung up. */
struct delivery {
    struct delivery *next;
    struct delivery **link; /* what leads to this one in the crew's list */
    struct crew *crew;
    struct timer *timer;
    int fd;
    unsigned looks_count;
    uint64_t heard_at_bytes; /* when so many are acknowledged; 0: the system
                                does not tell */
    struct possessions told;
};

/* Bytes that the other end has acknowledged, ever; false where nobody tells. */
static bool read_acknowledged(int fd, uint64_t *acknowledged_bytes)
{
    struct tcp_info info = {0};
    socklen_t bytes = sizeof(info);

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0)
        return false;
    *acknowledged_bytes = info.tcpi_bytes_acked;
    return true;
}

/* Bytes that were sent and not acknowledged, or not read by who is here. */
static size_t bytes_under_way(int fd)
{
    int bytes = 0;

    return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

static bool is_broken(int fd)
{
    int error = 0;
    socklen_t bytes = sizeof(error);

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 &&
           error != 0;
}

/* A socket that is closed answers what comes by a reset; one that is only read
 * from acknowledges it.  With `heard_at_bytes` all was heard that is meant,
 * whatever became of what was sent since; 0: look at all of it. */
static enum hearing look(int fd, uint64_t heard_at_bytes)
{
    struct pollfd at = {.fd = fd, .events = POLLRDHUP};
    uint64_t acknowledged_bytes;

    if (poll(&at, 1, 0) <= 0)
        return HEARD;
    if (heard_at_bytes > 0 && read_acknowledged(fd, &acknowledged_bytes) &&
        acknowledged_bytes >= heard_at_bytes)
        return HEARD;
    if (is_broken(fd))
        return NOT_HEARD;
    return bytes_under_way(fd) > 0 ? IN_DOUBT : HEARD;
}

/* ---- where it is in doubt ---- */

static void destroy(struct delivery *delivery)
{
    *delivery->link = delivery->next;
    if (delivery->next != NULL)
        delivery->next->link = delivery->link;
    delivery->crew->deliveries_count--;
    timer_destroy(delivery->timer);
    close(delivery->fd);
    possessions_release(&delivery->told);
    free(delivery);
}

static void look_again(void *context)
{
    struct delivery *delivery = context;
    enum hearing hearing = look(delivery->fd, delivery->heard_at_bytes);

    if (hearing == IN_DOUBT && ++delivery->looks_count < LOOKS_MAX) {
        timer_arm(delivery->timer, LOOK_INTERVAL);
        return;
    }
    if (hearing == NOT_HEARD)
        appeal_release(delivery->crew, &delivery->told);
    destroy(delivery);
}

static struct delivery *create(struct crew *crew, int fd)
{
    struct delivery *delivery = crew->deliveries_count < WAITING_MAX
                                    ? calloc(1, sizeof(*delivery))
                                    : NULL;

    if (delivery == NULL)
        return NULL;
    delivery->crew = crew;
    delivery->timer = timer_create_once(crew->worker, look_again, delivery);
    delivery->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (delivery->timer == NULL || delivery->fd < 0) {
        timer_destroy(delivery->timer);
        if (delivery->fd >= 0)
            close(delivery->fd);
        free(delivery);
        return NULL;
    }
    delivery->next = crew->deliveries;
    delivery->link = &crew->deliveries;
    if (delivery->next != NULL)
        delivery->next->link = &delivery->next;
    crew->deliveries = delivery;
    crew->deliveries_count++;
    return delivery;
}

static void wait_for_answer(struct session *session)
{
    int fd = session->transport.fd;
    uint64_t acknowledged_bytes;
    bool is_told = read_acknowledged(fd, &acknowledged_bytes);
    struct delivery *delivery = create(session->crew, fd);

    if (delivery == NULL)
        return;
    if (is_told)
        delivery->heard_at_bytes = acknowledged_bytes + bytes_under_way(fd);
    delivery->told = session->told;
    session->told = (struct possessions){.count = 0};
    timer_arm(delivery->timer, LOOK_INTERVAL);
}

/* ---- what a session told ---- */

/* All of it was sent. */
static void settle(struct session *session)
{
    switch (look(session->transport.fd, 0)) {
    case HEARD:
        break;
    case NOT_HEARD:
        appeal_release(session->crew, &session->told);
        session->state = SESSION_BROKEN;
        break;
    case IN_DOUBT:
        wait_for_answer(session);
        break;
    }
    possessions_release(&session->told);
}

bool delivery_flush(struct session *session)
{
    bool is_sent = replies_flush(session);

    if (is_sent && session->told.first != NULL)
        settle(session);
    return is_sent && session->state != SESSION_BROKEN;
}

/* Those whose reply was begun may have been read. */
static void forget_sent(struct session *session)
{
    struct possession **at = &session->told.first;

    while (*at != NULL) {
        if ((*at)->reply_bytes < session->output.sent_bytes)
            possessions_forget(&session->told, at);
        else
            at = &(*at)->next;
    }
}

void delivery_end(struct session *session)
{
    if (session->told.first == NULL)
        return;
    if (!session->crew->is_ended) {
        forget_sent(session);
        appeal_release(session->crew, &session->told);
    }
    possessions_release(&session->told);
}

void deliveries_destroy(struct crew *crew)
{
    while (crew->deliveries != NULL)
        destroy(crew->deliveries);
}
