/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/tool/server_line.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define PORT_DEFAULT "11211"
#define HOST_BYTES 256

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

/* HOST, HOST:PORT, [IPV6]:PORT or a bare IPV6. */
static bool split(const char *where, char host[HOST_BYTES], const char **port)
{
    const char *start = where;
    size_t length = strlen(where);
    const char *colon = strrchr(where, ':');

    *port = PORT_DEFAULT;
    if (where[0] == '[') {
        const char *bracket = strchr(where, ']');
        if (bracket == NULL)
            return false;
        start = where + 1;
        length = (size_t)(bracket - start);
        colon = bracket[1] == ':' ? bracket + 1 : NULL;
    } else if (colon != NULL && strchr(where, ':') == colon) {
        length = (size_t)(colon - where);
    } else {
        colon = NULL;
    }
    if (colon != NULL)
        *port = colon + 1;
    if (length == 0 || length >= HOST_BYTES)
        return false;
    memcpy(host, start, length);
    host[length] = '\0';
    return true;
}

static int connect_tcp(const char *where, unsigned timeout_s)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses = NULL;
    char host[HOST_BYTES];
    const char *port;
    int fd = -1;

    errno = EINVAL;
    if (!split(where, host, &port) ||
        getaddrinfo(host, port, &hints, &addresses) != 0)
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
