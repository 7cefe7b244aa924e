/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/linear/wire.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static int connected(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
        return fd;
    close(fd);
    return -1;
}

bool wire_open(struct wire *wire, const char *host, const char *port,
               unsigned answer_ms_max)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    struct timeval limit = {.tv_sec = answer_ms_max / 1000,
                            .tv_usec = answer_ms_max % 1000 * 1000};
    int on = 1;

    wire->fd = -1;
    wire->length = wire->taken = 0;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return false;
    wire->fd = connected(found);
    freeaddrinfo(found);
    if (wire->fd < 0)
        return false;
    setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(wire->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return true;
}

void wire_close(struct wire *wire)
{
    if (wire->fd >= 0)
        close(wire->fd);
    wire->fd = -1;
}

bool wire_send(struct wire *wire, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(wire->fd, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

char *wire_line(struct wire *wire)
{
    for (;;) {
        char *start = wire->bytes + wire->taken;
        char *end = memchr(start, '\n', wire->length - wire->taken);
        if (end != NULL) {
            wire->taken = (size_t)(end + 1 - wire->bytes);
            *end = '\0';
            if (end > start && end[-1] == '\r')
                end[-1] = '\0';
            return start;
        }
        memmove(wire->bytes, start, wire->length - wire->taken);
        wire->length -= wire->taken;
        wire->taken = 0;
        if (wire->length == sizeof(wire->bytes))
            return NULL;
        ssize_t read = recv(wire->fd, wire->bytes + wire->length,
                            sizeof(wire->bytes) - wire->length, 0);
        if (read <= 0)
            return NULL;
        wire->length += (size_t)read;
    }
}
