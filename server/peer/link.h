/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Link: one connection to one member; whole frames in, frames out.
 *
 * Where links are keyed, both ends prove themselves first.  A connection that
 * was accepted then says HELLO, or it is none of ours: the farm machine hears
 * only of those that do.
 *
 * Threads: that of the peers.
 */
#ifndef SERVER_PEER_LINK_H
#define SERVER_PEER_LINK_H

#include "server/farm/farm.h"
#include "server/loop/transport.h"
#include "server/loop/worker.h"

#define LINK_HOST_BYTES 80
/* A read that brought so much may have left some. */
#define LINK_FULL_READ_BYTES ((size_t)32 * 1024)
/* Nothing but a HELLO, or a refusal, is the first frame. */
#define LINK_HELLO_BYTES_MAX ((size_t)2048)
/* What is still to be sent to a member that does not read, at most; beside
 * the largest value. */
#define LINK_BACKLOG_BYTES_MAX ((size_t)64 << 20)

enum link_state {
    LINK_DIALLING,
    LINK_SHAKING, /* connected, neither end has proven itself */
    LINK_SILENT,  /* accepted, nothing said yet */
    LINK_UP,
    LINK_LOST,  /* the machine is to be told */
    LINK_CLOSED /* to be destroyed when the turn ends */
};

struct link {
    enum link_state state;
    farm_link number;
    struct transport transport;
    bool was_repeated; /* it is one of two dials of the same address */
    bool is_named;     /* it said HELLO, and its certificate is for that name */
    time_us since;     /* it is in a state that must not last */
    struct watch *watch;
    void *owner;
    char address[FARM_TEXT_BYTES_MAX + 1]; /* that was dialled, or "" */
    char host[LINK_HOST_BYTES];
    uint8_t *input;
    size_t input_bytes;
    size_t input_capacity_bytes;
    uint8_t *output;
    size_t output_bytes;
    size_t output_sent_bytes;
    size_t output_capacity_bytes;
    uint64_t told_backlog_bytes;
    uint64_t moved_bytes; /* sent, ever */
    uint64_t told_moved_bytes;
    time_us moved; /* when something was sent last, or all */
    bool is_blocked;
};

/* Takes `fd`.  NULL if memory is out; then it is closed. */
struct link *link_create(struct worker *worker, int fd, watch_ready *ready,
                         void *owner);
void link_destroy(struct link *link);

/* Begins to connect to a numeric HOST:PORT; NULL where that fails at once,
 * `is_refused` where nobody listens there. */
struct link *link_dial(struct worker *worker, const char *address,
                       watch_ready *ready, void *owner, bool *is_refused);

/* What came of a dial that is ready. */
enum link_dialled {
    LINK_CONNECTED,
    LINK_BROKEN, /* it was connected, and is no more */
    LINK_REFUSED,
    LINK_FAILED
};
enum link_dialled link_finish_dial(struct link *link);

/* Reads what is there, as far as there is room.  False: the far end is gone. */
MUST_USE bool link_receive(struct link *link);

/* There is more to read, whatever the socket says. */
static inline bool link_has_more(const struct link *link)
{
    return transport_has_more(&link->transport);
}

/* What was read is done with, so far. */
void link_take(struct link *link, size_t bytes);

/* Adds to what is to be sent; false if memory is out. */
MUST_USE bool link_add(struct link *link, struct span bytes);

/* After reading or sending: says what the turns of a link wait for. */
void link_want(struct link *link);

/* Sends what the socket takes.  False: the far end is gone. */
MUST_USE bool link_flush(struct link *link);

static inline bool link_is_dialled(const struct link *link)
{
    return link->address[0] != '\0';
}

/* Whom it is with, for people. */
static inline const char *link_name(const struct link *link)
{
    return link_is_dialled(link) ? link->address : link->host;
}

static inline size_t link_backlog_bytes(const struct link *link)
{
    return link->output_bytes - link->output_sent_bytes;
}

#endif
