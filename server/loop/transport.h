/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transport: how the bytes of a connection come and go, in the clear or not.
 *
 * For a plain socket these are its own calls and nothing else.
 * Threads: its owner's.
 */
#ifndef SERVER_LOOP_TRANSPORT_H
#define SERVER_LOOP_TRANSPORT_H

#include <sys/socket.h>
#include <sys/uio.h>

#include "server/loop/tls.h"

struct transport {
    int fd;
    struct tls_link *tls; /* NULL: in the clear */
};

/* Bytes into the places, 0 at the end, or -1 and errno. */
static inline ssize_t transport_receive(const struct transport *transport,
                                        const struct iovec *places,
                                        int places_count)
{
    if (transport->tls != NULL)
        return tls_read(transport->tls, places, places_count);
    return places_count == 1
               ? recv(transport->fd, places[0].iov_base, places[0].iov_len, 0)
               : readv(transport->fd, places, places_count);
}

/* As send(): how many of the bytes were taken, or -1 and errno; at least those
 * of one record. */
static inline ssize_t transport_send(const struct transport *transport,
                                     struct span bytes)
{
    return transport->tls != NULL
               ? tls_write(transport->tls, bytes)
               : send(transport->fd, bytes.data, bytes.length, MSG_NOSIGNAL);
}

/* There is more to receive, whatever the socket says. */
static inline bool transport_has_more(const struct transport *transport)
{
    return transport->tls != NULL && tls_has_more(transport->tls);
}

/* To go on reading it has to write, or the reverse; never so in the clear. */
static inline bool
transport_read_waits_to_write(const struct transport *transport)
{
    return transport->tls != NULL && tls_read_waits_to_write(transport->tls);
}

static inline bool
transport_write_waits_to_read(const struct transport *transport)
{
    return transport->tls != NULL && tls_write_waits_to_read(transport->tls);
}

#endif
