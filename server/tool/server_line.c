/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/tool/server_line.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/address.h"

#define PORT_DEFAULT "11211"

static bool set_timeouts(int fd, unsigned timeout_s)
{
    struct timeval limit = {.tv_sec = timeout_s};

    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ==
               0 &&
           setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0;
}

/* Takes `fd`; -1 passes through. */
static int connect_or_close(int fd, const struct sockaddr *address,
                            socklen_t bytes, unsigned timeout_s)
{
    if (fd < 0)
        return -1;
    if (set_timeouts(fd, timeout_s) && connect(fd, address, bytes) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

static int connect_unix(const char *path, unsigned timeout_s)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    return connect_or_close(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
                            (const struct sockaddr *)&address, sizeof(address),
                            timeout_s);
}

static int connect_tcp(const char *where, unsigned timeout_s)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses = NULL;
    struct address server;
    int fd = -1;

    errno = EINVAL;
    if (!address_split(where, &server) || server.host[0] == '\0')
        return -1;
    const char *port = server.port[0] == '\0' ? PORT_DEFAULT : server.port;
    if (getaddrinfo(server.host, port, &hints, &addresses) != 0)
        return -1;
    for (struct addrinfo *at = addresses; at != NULL && fd < 0;
         at = at->ai_next)
        fd = connect_or_close(
            socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), at->ai_addr,
            at->ai_addrlen, timeout_s);
    freeaddrinfo(addresses);
    return fd;
}

bool server_line_open(struct server_line *line, const char *where,
                      unsigned timeout_s, char error[SERVER_LINE_ERROR_BYTES])
{
    line->fd = strchr(where, '/') != NULL ? connect_unix(where, timeout_s)
                                          : connect_tcp(where, timeout_s);
    line->stream = line->fd < 0 ? NULL : fdopen(line->fd, "r");
    if (line->stream != NULL)
        return true;
    snprintf(error, SERVER_LINE_ERROR_BYTES,
             "cannot reach a server at %.128s: %s; name another with -s", where,
             strerror(errno));
    if (line->fd >= 0)
        close(line->fd);
    return false;
}

void server_line_close(struct server_line *line)
{
    fclose(line->stream);
}

bool server_line_send(struct server_line *line, const char *request)
{
    char bytes[512];
    int length = snprintf(bytes, sizeof(bytes), "%s\r\n", request);

    return length > 0 && (size_t)length < sizeof(bytes) &&
           send(line->fd, bytes, (size_t)length, MSG_NOSIGNAL) == length;
}

bool server_line_read(struct server_line *line, char *to, int bytes)
{
    if (fgets(to, bytes, line->stream) == NULL)
        return false;
    to[strcspn(to, "\r\n")] = '\0';
    return true;
}
