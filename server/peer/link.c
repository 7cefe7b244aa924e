/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/peer/link.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/address.h"

#define INPUT_BYTES_MIN ((size_t)64 * 1024)
#define OUTPUT_BYTES_MIN ((size_t)16 * 1024)
/* A buffer that had to grow for something large is given back after. */
#define BUFFER_BYTES_KEPT ((size_t)1 << 20)

/* ---- making ---- */

static void set_options(int fd)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

struct link *link_create(struct worker *worker, int fd, watch_ready *ready,
                         void *owner)
{
    struct link *link = calloc(1, sizeof(*link));
    struct sockaddr_storage far_end;
    socklen_t bytes = sizeof(far_end);

    if (link == NULL) {
        close(fd);
        return NULL;
    }
    set_options(fd);
    link->transport.fd = fd;
    link->owner = owner;
    link->watch = watch_create(worker, fd, ready, link);
    if (getpeername(fd, (struct sockaddr *)&far_end, &bytes) == 0)
        getnameinfo((const struct sockaddr *)&far_end, bytes, link->host,
                    sizeof(link->host), NULL, 0, NI_NUMERICHOST);
    if (link->watch == NULL) {
        link_destroy(link);
        return NULL;
    }
    return link;
}

void link_destroy(struct link *link)
{
    if (link == NULL)
        return;
    watch_destroy(link->watch);
    tls_close(link->transport.tls);
    close(link->transport.fd);
    free(link->input);
    free(link->output);
    free(link);
}

/* ---- dialling ---- */

static struct addrinfo *read_address(const char *text)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    struct address address;

    if (!address_split(text, &address) ||
        getaddrinfo(address.host, address.port, &hints, &found) != 0)
        return NULL;
    return found;
}

/* A process that is ending took the connection and reset it at once: found
 * broken when it is looked at, like one that is reset a moment later. */
static bool is_under_way(int error)
{
    return error == EINPROGRESS || error == ECONNRESET || error == ECONNABORTED;
}

struct link *link_dial(struct worker *worker, const char *address,
                       watch_ready *ready, void *owner, bool *is_refused)
{
    struct addrinfo *to = read_address(address);
    struct link *link = NULL;

    *is_refused = false;
    if (to == NULL)
        return NULL;
    int fd =
        socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, to->ai_addr, to->ai_addrlen) != 0 &&
        !is_under_way(errno)) {
        *is_refused = errno == ECONNREFUSED;
        close(fd);
        fd = -1;
    }
    if (fd >= 0)
        link = link_create(worker, fd, ready, owner);
    freeaddrinfo(to);
    if (link == NULL)
        return NULL;
    link->state = LINK_DIALLING;
    span_copy((uint8_t *)link->address, span_of_string(address));
    watch_want(link->watch, false, true);
    return link;
}

enum link_dialled link_finish_dial(struct link *link)
{
    int error = 0;
    socklen_t bytes = sizeof(error);

    if (getsockopt(link->transport.fd, SOL_SOCKET, SO_ERROR, &error, &bytes) !=
        0)
        return LINK_FAILED;
    if (error == ECONNREFUSED)
        return LINK_REFUSED;
    if (error == ECONNRESET || error == ECONNABORTED || error == EPIPE)
        return LINK_BROKEN;
    if (error != 0)
        return LINK_FAILED;
    struct sockaddr_storage far_end;
    bytes = sizeof(far_end);
    if (getpeername(link->transport.fd, (struct sockaddr *)&far_end, &bytes) !=
        0)
        return LINK_BROKEN;
    getnameinfo((const struct sockaddr *)&far_end, bytes, link->host,
                sizeof(link->host), NULL, 0, NI_NUMERICHOST);
    return LINK_CONNECTED;
}

/* ---- reading ---- */

static bool has_room(struct link *link)
{
    size_t capacity_bytes = link->input_capacity_bytes;

    if (capacity_bytes - link->input_bytes >= INPUT_BYTES_MIN / 2)
        return true;
    /* It grows with what has come, not with what was announced. */
    capacity_bytes = link->input_bytes * 2 > INPUT_BYTES_MIN
                         ? link->input_bytes * 2
                         : INPUT_BYTES_MIN;
    uint8_t *grown = realloc(link->input, capacity_bytes);
    if (grown == NULL)
        return false;
    link->input = grown;
    link->input_capacity_bytes = capacity_bytes;
    return true;
}

bool link_receive(struct link *link)
{
    if (!has_room(link))
        return false;
    struct iovec place = {.iov_base = link->input + link->input_bytes,
                          .iov_len =
                              link->input_capacity_bytes - link->input_bytes};
    ssize_t got = transport_receive(&link->transport, &place, 1);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    link->input_bytes += (size_t)got;
    return got > 0;
}

void link_take(struct link *link, size_t bytes)
{
    link->input_bytes -= bytes;
    if (link->input_bytes > 0) {
        memmove(link->input, link->input + bytes, link->input_bytes);
    } else if (link->input_capacity_bytes > BUFFER_BYTES_KEPT) {
        free(link->input);
        link->input = NULL;
        link->input_capacity_bytes = 0;
    }
}

/* ---- writing ---- */

bool link_add(struct link *link, struct span bytes)
{
    size_t needed_bytes = link->output_bytes + bytes.length;

    if (needed_bytes > link->output_capacity_bytes &&
        link->output_sent_bytes > 0) {
        link->output_bytes -= link->output_sent_bytes;
        memmove(link->output, link->output + link->output_sent_bytes,
                link->output_bytes);
        needed_bytes -= link->output_sent_bytes;
        link->output_sent_bytes = 0;
    }
    if (needed_bytes > link->output_capacity_bytes) {
        size_t capacity_bytes = link->output_capacity_bytes == 0
                                    ? OUTPUT_BYTES_MIN
                                    : link->output_capacity_bytes;
        while (capacity_bytes < needed_bytes)
            capacity_bytes *= 2;
        uint8_t *grown = realloc(link->output, capacity_bytes);
        if (grown == NULL)
            return false;
        link->output = grown;
        link->output_capacity_bytes = capacity_bytes;
    }
    span_copy(link->output + link->output_bytes, bytes);
    link->output_bytes += bytes.length;
    return true;
}

/* Where reading waits to write, something to read is no news: the turn would
 * come at once, again and again. */
void link_want(struct link *link)
{
    bool reads_later = transport_read_waits_to_write(&link->transport);

    watch_want(link->watch, !reads_later, link->is_blocked || reads_later);
}

bool link_flush(struct link *link)
{
    while (link_backlog_bytes(link) > 0) {
        ssize_t sent = transport_send(
            &link->transport, span_of(link->output + link->output_sent_bytes,
                                      link_backlog_bytes(link)));
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent < 0)
            break;
        link->output_sent_bytes += (size_t)sent;
        link->moved_bytes += (uint64_t)sent;
    }
    link->is_blocked = link_backlog_bytes(link) > 0;
    link_want(link);
    if (link->is_blocked)
        return true;
    link->output_bytes = 0;
    link->output_sent_bytes = 0;
    if (link->output_capacity_bytes > BUFFER_BYTES_KEPT) {
        free(link->output);
        link->output = NULL;
        link->output_capacity_bytes = 0;
    }
    return true;
}
