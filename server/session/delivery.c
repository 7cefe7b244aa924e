/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/delivery.h"

#include <fcntl.h>
#include <linux/sockios.h>
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
/* Of one crew, each with a descriptor; the locks of others live until their
 * exptime. */
#define WAITING_MAX 256

enum hearing {
    HEARD,     /* or about to be: whoever reads there is there */
    NOT_HEARD, /* what was sent there was refused */
    IN_DOUBT   /* it sends no more; whether it reads is not known yet */
};

/* What a session left that has ended. */
struct delivery {
    struct delivery *next;
    struct delivery **link; /* what leads to this one in the crew's list */
    struct crew *crew;
    struct timer *timer;
    int fd;
    unsigned looks_count;
    struct possessions told;
};

static enum hearing look(int fd)
{
    struct pollfd at = {.fd = fd, .events = POLLRDHUP};
    int error = 0;
    socklen_t error_bytes = sizeof(error);
    int left_bytes = 0;

    if (poll(&at, 1, 0) <= 0)
        return HEARD;
    /* A socket that is closed answers what comes by a reset; one that is only
     * read from acknowledges it. */
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_bytes) == 0 &&
        error != 0)
        return NOT_HEARD;
    if (ioctl(fd, SIOCOUTQ, &left_bytes) == 0 && left_bytes > 0)
        return IN_DOUBT;
    return HEARD;
}

static void give_back(struct session *session)
{
    appeal_release(session->crew, &session->told);
    possessions_release(&session->told);
}

/* All that was told was sent. */
static void settle(struct session *session)
{
    enum hearing hearing = look(session->transport.fd);

    if (hearing == HEARD)
        possessions_release(&session->told);
    if (hearing != NOT_HEARD)
        return;
    give_back(session);
    session->state = SESSION_BROKEN;
}

bool delivery_flush(struct session *session)
{
    bool is_sent = replies_flush(session);

    if (is_sent && session->told.first != NULL)
        settle(session);
    return is_sent;
}

/* ---- what was sent, and the session has ended ---- */

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
    enum hearing hearing = look(delivery->fd);

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
    struct delivery *delivery = create(session->crew, session->transport.fd);

    if (delivery == NULL)
        return;
    delivery->told = session->told;
    session->told = (struct possessions){.count = 0};
    timer_arm(delivery->timer, LOOK_INTERVAL);
}

/* ---- the end of a session ---- */

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
    if (session->crew->is_ended) {
        possessions_release(&session->told);
        return;
    }
    if (output_is_empty(&session->output)) {
        settle(session);
        if (session->told.first != NULL)
            wait_for_answer(session);
        possessions_release(&session->told);
        return;
    }
    forget_sent(session);
    give_back(session);
}

void deliveries_destroy(struct crew *crew)
{
    while (crew->deliveries != NULL)
        destroy(crew->deliveries);
}
