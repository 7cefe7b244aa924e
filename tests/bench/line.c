/* SPDX-License-Identifier: BSD-3-Clause */
#include "line.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#define READ_BYTES_MIN ((size_t)16 << 10)

int line_connect(const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *address;
    int on = 1;
    int s;

    if (getaddrinfo("127.0.0.1", port, &hints, &address) != 0)
        errx(EXIT_FAILURE, "%s is no port", port);
    s = socket(address->ai_family, address->ai_socktype, 0);
    if (s < 0 || connect(s, address->ai_addr, address->ai_addrlen) != 0 ||
        setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        fcntl(s, F_SETFL, O_NONBLOCK) != 0)
        err(EXIT_FAILURE, "cannot connect to port %s", port);
    freeaddrinfo(address);
    return s;
}

bool line_send(int socket, struct buffer *out)
{
    while (out->start < out->end) {
        ssize_t sent = send(socket, out->data + out->start,
                            out->end - out->start, MSG_NOSIGNAL);

        if (sent < 0 && errno == EAGAIN)
            return false;
        if (sent < 0 && errno != EINTR)
            err(EXIT_FAILURE, "cannot send to the server");
        if (sent > 0)
            buffer_take(out, (size_t)sent);
    }
    return true;
}

void line_receive(int socket, struct buffer *in)
{
    char *room = buffer_room(in, READ_BYTES_MIN);
    ssize_t got = recv(socket, room, in->capacity - in->end, 0);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got < 0)
        err(EXIT_FAILURE, "cannot read from the server");
    if (got == 0)
        errx(EXIT_FAILURE, "the server closed a connection");
    buffer_add(in, (size_t)got);
}
