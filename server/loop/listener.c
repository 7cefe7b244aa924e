/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/loop/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* So many are accepted before the loop's other work has its turn. */
#define ACCEPTS_PER_TURN 64
/* How long a listener rests when descriptors or memory have run out. */
#define REST_US (TIME_US_PER_S / 20)
/* A numeric IPv6 address with its scope; a numeric port. */
#define ADDRESS_BYTES 80
#define PORT_BYTES 8

struct listener {
    struct listener *next;
    struct listener_settings settings;
    struct watch *watch;
    struct timer *rest;
    int fd;
    bool is_tcp;
    bool accepts; /* or lets them wait in the queue */
    char *path;   /* of a unix socket, else NULL */
};

static void end_rest(void *context)
{
    struct listener *listener = context;

    timer_destroy(listener->rest);
    listener->rest = NULL;
    watch_want(listener->watch, listener->accepts, false);
}

/* Out of descriptors: the connection stays in the queue, and looking at it
 * again at once would only burn the processor. */
static void begin_rest(struct listener *listener)
{
    if (listener->rest != NULL)
        return;
    listener->rest = timer_create_every(listener->settings.worker, REST_US,
                                        end_rest, listener);
    if (listener->rest != NULL)
        watch_want(listener->watch, false, false);
}

static void set_client_options(const struct listener *listener, int fd)
{
    int on = 1;

    if (!listener->is_tcp)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/* Until there is nobody, or for a turn; why it could not go on, or 0. */
static int accept_some(struct listener *listener)
{
    for (int i = 0; i < ACCEPTS_PER_TURN && listener->accepts; i++) {
        int fd =
            accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            set_client_options(listener, fd);
            listener->settings.accepted(fd, listener->settings.context);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
                   errno == ENOMEM) {
            return errno;
        } else if (errno == EAGAIN) {
            return 0;
        }
    }
    return 0;
}

static void on_connections(void *context)
{
    struct listener *listener = context;

    if (accept_some(listener) != 0)
        begin_rest(listener);
}

/* Takes `fd`, bound; `what` names it in the error. */
static struct listener *listen_on(const struct listener_settings *settings,
                                  int fd, const char *what, char *error)
{
    struct listener *listener = calloc(1, sizeof(*listener));

    if (listener != NULL && listen(fd, settings->backlog) == 0) {
        listener->settings = *settings;
        listener->fd = fd;
        listener->watch =
            watch_create(settings->worker, fd, on_connections, listener);
        if (listener->watch != NULL) {
            listener->accepts = true;
            watch_want(listener->watch, true, false);
            return listener;
        }
    }
    snprintf(error, LISTENER_ERROR_BYTES, "cannot listen on %s: %s", what,
             strerror(errno));
    free(listener);
    close(fd);
    return NULL;
}

static struct listener *open_address(const struct listener_settings *settings,
                                     const struct addrinfo *address,
                                     char *error)
{
    char host[ADDRESS_BYTES] = "?";
    char port[PORT_BYTES] = "?";
    char what[ADDRESS_BYTES + PORT_BYTES + 4];
    int on = 1;

    getnameinfo(address->ai_addr, address->ai_addrlen, host, sizeof(host), port,
                sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(what, sizeof(what),
             address->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
    int fd = socket(address->ai_family,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        snprintf(error, LISTENER_ERROR_BYTES, "cannot listen on %s: %s", what,
                 strerror(errno));
        return NULL;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, address->ai_addr, address->ai_addrlen) != 0) {
        snprintf(error, LISTENER_ERROR_BYTES,
                 errno == EADDRINUSE
                     ? "cannot listen on %s: %s; choose another port with %s "
                       "or end the other server"
                     : "cannot listen on %s: %s; choose another with %s",
                 what, strerror(errno),
                 errno == EADDRINUSE ? settings->port_option
                                     : settings->address_option);
        close(fd);
        return NULL;
    }
    struct listener *listener = listen_on(settings, fd, what, error);
    if (listener != NULL)
        listener->is_tcp = true;
    return listener;
}

bool listener_has_ipv6(void)
{
    struct sockaddr_in6 loopback = {.sin6_family = AF_INET6,
                                    .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool has = fd >= 0 && bind(fd, (const struct sockaddr *)&loopback,
                               sizeof(loopback)) == 0;

    if (fd >= 0)
        close(fd);
    return has;
}

struct listener *listener_open_tcp(const struct listener_settings *settings,
                                   const char *host, const char *port,
                                   char error[LISTENER_ERROR_BYTES])
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *addresses = NULL;
    struct listener *all = NULL;
    int failure = getaddrinfo(host, port, &hints, &addresses);

    snprintf(error, LISTENER_ERROR_BYTES,
             "cannot listen on '%s' (%s): %s; give an address of this host",
             host == NULL ? "*" : host, settings->address_option,
             failure != 0 ? gai_strerror(failure) : "it has no address");
    if (failure != 0)
        return NULL;
    for (struct addrinfo *at = addresses; at != NULL; at = at->ai_next) {
        struct listener *one = open_address(settings, at, error);
        /* Without IPv6 there is still the IPv4 half of a name. */
        if (one == NULL &&
            !(at->ai_family == AF_INET6 && !listener_has_ipv6())) {
            listener_close(all);
            all = NULL;
            break;
        }
        all = listener_append(all, one);
    }
    freeaddrinfo(addresses);
    return all;
}

/* True where somebody answers at the socket, so that it is not ours. */
static bool is_served(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool served = fd >= 0 && (connect(fd, (const struct sockaddr *)address,
                                      sizeof(*address)) == 0 ||
                              errno == EAGAIN);

    if (fd >= 0)
        close(fd);
    return served;
}

static bool is_socket(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0 && S_ISSOCK(status.st_mode);
}

/* A daemon moves to / later, and still has to find its socket. */
static char *absolute(const char *path)
{
    char directory[PATH_MAX];
    char *joined = NULL;

    if (path[0] == '/' || getcwd(directory, sizeof(directory)) == NULL)
        return strdup(path);
    return asprintf(&joined, "%s/%s", directory, path) < 0 ? NULL : joined;
}

struct listener *listener_open_unix(const struct listener_settings *settings,
                                    const char *path, unsigned mode,
                                    char error[LISTENER_ERROR_BYTES])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path)) {
        snprintf(error, LISTENER_ERROR_BYTES,
                 "unix socket (-s) '%s': give a path of at most %zu bytes",
                 path, sizeof(address.sun_path) - 1);
        return NULL;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (is_socket(path) && is_served(&address)) {
        snprintf(error, LISTENER_ERROR_BYTES,
                 "unix socket (-s) '%s' is in use; end the other server or "
                 "choose another path",
                 path);
        return NULL;
    }
    if (is_socket(path))
        unlink(path);

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mode_t old_mask = umask((mode_t)(~mode & 0777));
    bool is_bound = fd >= 0 && bind(fd, (const struct sockaddr *)&address,
                                    sizeof(address)) == 0;
    int bind_error = errno;
    umask(old_mask);
    if (!is_bound) {
        snprintf(error, LISTENER_ERROR_BYTES,
                 "unix socket (-s) '%s': %s; choose a path that this user "
                 "may create",
                 path, strerror(bind_error));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    struct listener *listener = listen_on(settings, fd, path, error);
    if (listener != NULL)
        listener->path = absolute(path);
    return listener;
}

struct listener *listener_append(struct listener *first, struct listener *next)
{
    struct listener **end = &first;

    while (*end != NULL)
        end = &(*end)->next;
    *end = next;
    return first;
}

size_t listener_fds(const struct listener *first, int *fds, size_t max)
{
    size_t count = 0;

    for (; first != NULL && count < max; first = first->next)
        fds[count++] = first->fd;
    return count;
}

void listener_accept(struct listener *first, bool accepts)
{
    for (struct listener *at = first; at != NULL; at = at->next) {
        at->accepts = accepts;
        watch_want(at->watch, accepts && at->rest == NULL, false);
    }
}

const struct listener *listener_next(const struct listener *listener)
{
    return listener->next;
}

bool listener_port(const struct listener *listener, int *family, unsigned *port)
{
    struct sockaddr_storage address;
    socklen_t bytes = sizeof(address);

    if (!listener->is_tcp ||
        getsockname(listener->fd, (struct sockaddr *)&address, &bytes) != 0)
        return false;
    *family = address.ss_family;
    *port = ntohs(address.ss_family == AF_INET6
                      ? ((struct sockaddr_in6 *)&address)->sin6_port
                      : ((struct sockaddr_in *)&address)->sin_port);
    return true;
}

static void close_all(struct listener *first, bool takes)
{
    while (first != NULL) {
        struct listener *next = first->next;
        timer_destroy(first->rest);
        watch_destroy(first->watch);
        /* Nothing stands between these two: on who comes there the system
         * hangs up. */
        if (takes)
            (void)accept_some(first);
        close(first->fd);
        if (first->path != NULL)
            unlink(first->path);
        free(first->path);
        free(first);
        first = next;
    }
}

void listener_close(struct listener *first)
{
    close_all(first, false);
}

void listener_end(struct listener *first)
{
    close_all(first, true);
}
