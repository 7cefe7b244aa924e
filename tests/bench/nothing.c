/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nothing: the server below which no server on sockets can go.
 *
 * Answers text gets and sets with constants, without looking at more than
 * their first byte: their lengths are given beforehand.  One thread, and one
 * read and one write per batch.  What a real server needs beyond this is its
 * own work; the rest is the kernel's.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES ((size_t)1 << 20)
#define EVENTS_MAX 256
#define REPLIES_MAX 256 /* in one write */

/* All there is to know of gets, or of sets: both lengths are constants. */
struct kind {
    size_t request_bytes;
    size_t reply_bytes;
    char *replies; /* REPLIES_MAX of them, side by side */
};

struct kinds {
    struct kind get;
    struct kind set;
};

struct client {
    int socket;
    const struct kind *kind; /* of the request that is only partly here */
    size_t missing_bytes;    /* of it; 0: the next byte starts a request */
};

static void *allocate(size_t bytes)
{
    void *memory = calloc(1, bytes);

    if (memory == NULL)
        err(EXIT_FAILURE, "no memory");
    return memory;
}

static void replies_repeat(struct kind *kind, const char *reply)
{
    kind->replies = allocate(kind->reply_bytes * REPLIES_MAX);
    for (size_t i = 0; i < REPLIES_MAX; i++)
        memcpy(kind->replies + i * kind->reply_bytes, reply, kind->reply_bytes);
}

/* What "get" is answered with: as many values as there are keys. */
static struct kind get_kind(size_t key_bytes, size_t value_bytes,
                            size_t multiget)
{
    struct kind kind = {.request_bytes = 3 + multiget * (1 + key_bytes) + 2};
    char *reply =
        allocate(multiget * (key_bytes + value_bytes + 64) + sizeof "END\r\n");
    char *at = reply;

    for (size_t i = 0; i < multiget; i++) {
        at = mempcpy(at, "VALUE ", 6);
        memset(at, '0', key_bytes);
        at += key_bytes;
        at += sprintf(at, " 0 %zu\r\n", value_bytes);
        memset(at, '.', value_bytes);
        at = mempcpy(at + value_bytes, "\r\n", 2);
    }
    at = mempcpy(at, "END\r\n", 5);
    kind.reply_bytes = (size_t)(at - reply);
    replies_repeat(&kind, reply);
    free(reply);
    return kind;
}

static struct kind set_kind(size_t key_bytes, size_t value_bytes)
{
    int number_bytes = snprintf(NULL, 0, "%zu", value_bytes);
    struct kind kind = {.reply_bytes = sizeof "STORED\r\n" - 1};

    assert(number_bytes > 0);
    kind.request_bytes =
        sizeof "set  0 0 \r\n\r\n" - 1 + key_bytes + value_bytes;
    kind.request_bytes += (size_t)number_bytes;
    replies_repeat(&kind, "STORED\r\n");
    return kind;
}

/* Blocks if it must: the load generator always reads on. */
static bool replies_write(const struct client *client, size_t count)
{
    size_t left = count * client->kind->reply_bytes;
    const char *at = client->kind->replies;

    while (left > 0) {
        ssize_t sent = send(client->socket, at, left, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        at += sent;
        left -= (size_t)sent;
    }
    return true;
}

/*
 * The request that starts with `first` begins; what is owed is written
 * before the kind changes.  False if the client is gone or talks something
 * else.
 */
static bool request_begin(struct client *client, const struct kinds *kinds,
                          char first, size_t *owed)
{
    const struct kind *kind = first == 'g' ? &kinds->get : &kinds->set;

    if (first != 'g' && first != 's')
        return false;
    if (*owed > 0 && (kind != client->kind || *owed == REPLIES_MAX)) {
        if (!replies_write(client, *owed))
            return false;
        *owed = 0;
    }
    client->kind = kind;
    client->missing_bytes = kind->request_bytes;
    return true;
}

/* Answers what `length` bytes complete; one write, if all are of one kind. */
static bool batch_answer(struct client *client, const struct kinds *kinds,
                         const char *bytes, size_t length)
{
    size_t owed = 0;

    while (length > 0) {
        size_t step;

        if (client->missing_bytes == 0 &&
            !request_begin(client, kinds, *bytes, &owed))
            return false;
        step = client->missing_bytes < length ? client->missing_bytes : length;
        client->missing_bytes -= step;
        owed += client->missing_bytes == 0;
        bytes += step;
        length -= step;
    }
    return owed == 0 || replies_write(client, owed);
}

static void client_serve(struct client *client, const struct kinds *kinds)
{
    static char bytes[READ_BYTES];
    ssize_t got = recv(client->socket, bytes, sizeof bytes, 0);

    if (got > 0 && batch_answer(client, kinds, bytes, (size_t)got))
        return;
    close(client->socket);
    free(client);
}

static void watch(int epoll, int socket, void *who)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = who};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) != 0)
        err(EXIT_FAILURE, "cannot watch a socket");
}

static void client_accept(int epoll, int listener)
{
    struct client *client = allocate(sizeof *client);
    int on = 1;

    client->socket = accept(listener, NULL, NULL);
    if (client->socket < 0 || setsockopt(client->socket, IPPROTO_TCP,
                                         TCP_NODELAY, &on, sizeof on) != 0)
        err(EXIT_FAILURE, "cannot accept a client");
    watch(epoll, client->socket, client);
}

static int listen_on(unsigned port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    if (listener < 0 ||
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 1024) != 0)
        err(EXIT_FAILURE, "cannot listen on port %u", port);
    return listener;
}

static size_t number(const char *text, unsigned long min, unsigned long max)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || value < min ||
        value > max)
        errx(2, "%s is no number from %lu to %lu", text, min, max);
    return value;
}

int main(int argc, char **argv)
{
    struct kinds kinds;
    int listener;
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    if (epoll < 0)
        err(EXIT_FAILURE, "no epoll");
    if (argc != 5)
        errx(2, "usage: nothing PORT KEY_BYTES VALUE_BYTES MULTIGET");
    kinds.get = get_kind(number(argv[2], 1, 250), number(argv[3], 0, 1 << 20),
                         number(argv[4], 1, 4096));
    kinds.set = set_kind(number(argv[2], 1, 250), number(argv[3], 0, 1 << 20));
    listener = listen_on((unsigned)number(argv[1], 1, 65535));
    watch(epoll, listener, NULL);

    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(epoll, events, EVENTS_MAX, -1);

        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                client_accept(epoll, listener);
            else
                client_serve(events[i].data.ptr, &kinds);
        }
    }
}
