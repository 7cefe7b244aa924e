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
#include "server/tool/server_frame.h"
#include "server/tool/server_tls.h"

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

static bool is_local(const struct access *access)
{
    return access->is_unix || strchr(access->where, '/') != NULL;
}

static bool fail_to_reach(const struct access *access, char *error)
{
    snprintf(error, SERVER_LINE_ERROR_BYTES,
             "cannot reach a server at %.128s: %s; name another with -s",
             access->where, strerror(errno));
    return false;
}

/* What is heard comes from the descriptor, or through TLS. */
static bool open_stream(struct server_line *line, const struct access *access,
                        char *error)
{
    if (!access->is_encrypted) {
        line->stream = fdopen(dup(line->fd), "r");
        return line->stream != NULL || fail_to_reach(access, error);
    }
    line->tls = server_tls_open(line->fd, access, error);
    if (line->tls == NULL)
        return false;
    line->stream = server_tls_stream(line->tls);
    return line->stream != NULL || fail_to_reach(access, error);
}

static bool connect_to(struct server_line *line, const struct access *access,
                       char *error)
{
    line->stream = NULL;
    line->tls = NULL;
    if (is_local(access) && access->is_encrypted) {
        snprintf(error, SERVER_LINE_ERROR_BYTES,
                 "%.128s is a unix socket, which is not encrypted; leave out "
                 "--tls",
                 access->where);
        return false;
    }
    line->fd = is_local(access) ? connect_unix(access->where, access->timeout_s)
                                : connect_tcp(access->where, access->timeout_s);
    if (line->fd < 0)
        return fail_to_reach(access, error);
    if (open_stream(line, access, error))
        return true;
    server_line_close(line);
    return false;
}

/* A `set` of any key, to a server that asked for it: another would keep what
 * it is told. */
static bool log_in_by_text(struct server_line *line,
                           const struct access *access)
{
    char token[ACCESS_USER_BYTES_MAX + ACCESS_PASSWORD_BYTES_MAX + 2];
    char text[64];
    int length =
        snprintf(token, sizeof(token), "%s %s", access->user, access->password);

    snprintf(text, sizeof(text), "set auth 0 0 %d", length);
    bool is_sent =
        server_line_send(line, text) && server_line_send(line, token);
    explicit_bzero(token, sizeof(token));
    return is_sent && server_line_read(line, text, sizeof(text)) &&
           strcmp(text, "STORED") == 0;
}

/* Who is asked for SASL closes at the first word of text. */
static bool log_in_by_sasl(struct server_line *line,
                           const struct access *access, char *error)
{
    server_line_close(line);
    if (!connect_to(line, access, error))
        return false;
    line->is_binary = true;
    if (server_frame_log_in(line, access))
        return true;
    snprintf(error, SERVER_LINE_ERROR_BYTES,
             "the server at %.128s does not let in %.64s with that password",
             access->where, access->user);
    server_line_close(line);
    return false;
}

static bool introduce(struct server_line *line, const struct access *access,
                      char *error)
{
    char text[256];

    if (!server_line_send(line, "version") ||
        !server_line_read(line, text, sizeof(text)))
        return log_in_by_sasl(line, access, error);
    if (strcmp(text, SERVER_LINE_STRANGER) != 0 || log_in_by_text(line, access))
        return true;
    snprintf(error, SERVER_LINE_ERROR_BYTES,
             "the server at %.128s does not let in %.64s with that password",
             access->where, access->user);
    server_line_close(line);
    return false;
}

bool server_line_open(struct server_line *line, const struct access *access,
                      char error[SERVER_LINE_ERROR_BYTES])
{
    line->is_binary = access->is_binary;
    return connect_to(line, access, error) &&
           (access->user == NULL || access->is_binary ||
            introduce(line, access, error));
}

void server_line_close(struct server_line *line)
{
    if (line->stream != NULL)
        fclose(line->stream);
    server_tls_close(line->tls);
    close(line->fd);
}

const char *server_line_silence(const struct server_line *line)
{
    return feof(line->stream) != 0
               ? "the server closed the connection; does it ask for --user, "
                 "--tls or --tls-cert?"
               : "the server did not answer in time";
}

bool server_line_send_bytes(struct server_line *line, const void *bytes,
                            size_t count)
{
    if (line->tls != NULL)
        return server_tls_send(line->tls, bytes, count);
    return send(line->fd, bytes, count, MSG_NOSIGNAL) == (ssize_t)count;
}

bool server_line_read_bytes(struct server_line *line, void *to, size_t count)
{
    return count == 0 || fread(to, count, 1, line->stream) == 1;
}

bool server_line_send(struct server_line *line, const char *request)
{
    char bytes[1024];
    int length = snprintf(bytes, sizeof(bytes), "%s\r\n", request);

    if (line->is_binary)
        return server_frame_send(line, request);
    bool is_sent = length > 0 && (size_t)length < sizeof(bytes) &&
                   server_line_send_bytes(line, bytes, (size_t)length);
    explicit_bzero(bytes, sizeof(bytes));
    return is_sent;
}

bool server_line_read(struct server_line *line, char *to, int bytes)
{
    if (line->is_binary)
        return server_frame_read(line, to, bytes);
    if (fgets(to, bytes, line->stream) == NULL)
        return false;
    to[strcspn(to, "\r\n")] = '\0';
    return true;
}
