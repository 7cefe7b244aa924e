/* SPDX-License-Identifier: BSD-3-Clause */
#include "connection.h"

#include <assert.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "key.h"
#include "moment.h"
#include "value.h"

#define BUFFER_BYTES ((size_t)64 << 10)
#define READ_BYTES_MIN ((size_t)16 << 10)

static int address_connect(const struct addrinfo *address)
{
    int on = 1;
    int s = socket(address->ai_family, address->ai_socktype, 0);

    if (s < 0)
        err(EXIT_FAILURE, "no socket");
    if (connect(s, address->ai_addr, address->ai_addrlen) != 0)
        err(EXIT_FAILURE, "cannot connect to the server");
    if (setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        fcntl(s, F_SETFL, O_NONBLOCK) != 0)
        err(EXIT_FAILURE, "cannot set up a socket");
    return s;
}

static int server_connect(const struct plan *plan)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *address;
    int problem = getaddrinfo(plan->host, plan->port, &hints, &address);
    int s;

    if (problem != 0)
        errx(EXIT_FAILURE, "%s: %s", plan->host, gai_strerror(problem));
    s = address_connect(address);
    freeaddrinfo(address);
    return s;
}

void connection_init(struct connection *connection, const struct plan *plan,
                     unsigned batch_max)
{
    *connection = (struct connection){
        .plan = plan,
        .socket = server_connect(plan),
        .requests = calloc(batch_max, sizeof *connection->requests),
        .keys = calloc((size_t)batch_max * plan->multiget,
                       sizeof *connection->keys),
    };
    if (connection->requests == NULL || connection->keys == NULL)
        err(EXIT_FAILURE, "no memory for a connection");
    for (unsigned i = 0; i < batch_max; i++)
        connection->requests[i].keys =
            connection->keys + (size_t)i * plan->multiget;
    buffer_init(&connection->out, BUFFER_BYTES);
    buffer_init(&connection->in, BUFFER_BYTES);
}

void connection_release(struct connection *connection)
{
    close(connection->socket);
    buffer_release(&connection->in);
    buffer_release(&connection->out);
    free(connection->keys);
    free(connection->requests);
}

void connection_begin(struct connection *connection, unsigned count)
{
    const struct protocol *protocol = connection->plan->protocol;

    assert(connection->answered_count == connection->requests_count);
    connection->requests_count = count;
    connection->answered_count = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct request *request = &connection->requests[i];

        if (request->kind == REQUEST_GET)
            protocol->get_write(request, connection->plan->key_bytes,
                                &connection->out);
        else
            protocol->set_write(request, connection->plan->key_bytes,
                                &connection->out);
    }
}

bool connection_send(struct connection *connection)
{
    struct buffer *out = &connection->out;

    while (out->start < out->end) {
        ssize_t sent = send(connection->socket, out->data + out->start,
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

/*
 * Values come in the order in which their keys were asked for; keys that
 * are skipped were missed.
 */
static uint64_t key_claim(struct request *request, size_t key_bytes,
                          const struct response *response)
{
    while (request->keys_asked < request->keys_count) {
        uint64_t key = request->keys[request->keys_asked++];

        if (response->key_bytes == key_bytes &&
            key_is(key, response->key, response->key_bytes))
            return key;
    }
    errx(EXIT_FAILURE, "a value came for %.*s, which was not asked for",
         (int)response->key_bytes, response->key);
}

static void value_check(const struct plan *plan, struct request *request,
                        const struct response *response)
{
    uint64_t key;

    if (request->kind != REQUEST_GET ||
        request->keys_hit == request->keys_count)
        errx(EXIT_FAILURE, "a value came that nobody asked for");
    request->keys_hit++;
    if (plan->trusts)
        return;

    key = key_claim(request, plan->key_bytes, response);
    if (response->value_bytes < plan->value_bytes_min ||
        response->value_bytes > plan->value_bytes_max ||
        !value_is(key, response->value, response->value_bytes))
        errx(EXIT_FAILURE, "wrong value: %zu bytes for key %.*s",
             response->value_bytes, (int)response->key_bytes, response->key);
}

/* Whether the last piece of a reply is one that the request can have. */
static void end_check(const struct request *request,
                      const struct response *response)
{
    bool wants_stored = request->kind == REQUEST_SET;

    if (!response->is_error && response->is_stored != wants_stored)
        errx(EXIT_FAILURE, "a %s was answered as if it were a %s",
             wants_stored ? "set" : "get", wants_stored ? "get" : "set");
}

static void request_end(struct connection *connection, struct tally *tally,
                        const struct response *response, uint64_t now_ns)
{
    struct request *request =
        &connection->requests[connection->answered_count++];

    end_check(request, response);
    tally->requests++;
    tally->stored += response->is_stored;
    if (request->kind == REQUEST_GET) {
        tally->hits += request->keys_hit;
        if (!response->is_error)
            tally->misses += request->keys_count - request->keys_hit;
    }
    histogram_add(&tally->latency, now_ns - connection->since_ns);
}

static void response_account(struct connection *connection, struct tally *tally,
                             const struct response *response, uint64_t now_ns)
{
    if (response->is_broken)
        errx(EXIT_FAILURE, "no %s reply: %.*s",
             connection->plan->protocol->name,
             (int)(response->used < 80 ? response->used : 80),
             connection->in.data + connection->in.start);
    if (connection->answered_count == connection->requests_count)
        errx(EXIT_FAILURE, "the server said more than it was asked");

    tally->errors += response->is_error;
    if (response->has_value)
        value_check(connection->plan,
                    &connection->requests[connection->answered_count],
                    response);
    if (response->is_last)
        request_end(connection, tally, response, now_ns);
}

/* False if there was nothing to read after all. */
static bool read_once(struct connection *connection)
{
    struct buffer *in = &connection->in;
    char *room = buffer_room(in, READ_BYTES_MIN);
    ssize_t got = recv(connection->socket, room, in->capacity - in->end, 0);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got < 0)
        err(EXIT_FAILURE, "cannot read from the server");
    if (got == 0)
        errx(EXIT_FAILURE, "the server closed a connection");
    buffer_add(in, (size_t)got);
    return true;
}

bool connection_receive(struct connection *connection, struct tally *tally)
{
    struct buffer *in = &connection->in;
    uint64_t now_ns;

    if (!read_once(connection))
        return false;
    now_ns = moment_now_ns();
    while (in->start < in->end) {
        struct response response = connection->plan->protocol->read(
            in->data + in->start, in->end - in->start);

        if (response.used == 0)
            break;
        response_account(connection, tally, &response, now_ns);
        buffer_take(in, response.used);
    }
    return connection->answered_count == connection->requests_count;
}
