/* SPDX-License-Identifier: BSD-3-Clause */
#include "writer.h"

#include <assert.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "key.h"
#include "line.h"
#include "moment.h"
#include "protocol.h"
#include "value.h"

#define SET_LINE_BYTES_MAX (WRITER_KEY_BYTES + 64)

void writer_init(struct writer *writer, const char *port, uint64_t keys_count,
                 size_t value_bytes)
{
    assert(value_bytes >= sizeof(uint64_t));
    memset(writer, 0, sizeof *writer);
    writer->keys_count = keys_count;
    writer->value_bytes = value_bytes;
    for (int i = 0; i < WRITER_CONNECTIONS; i++) {
        struct writer_connection *connection = &writer->connections[i];

        connection->socket = line_connect(port);
        buffer_init(&connection->out, (size_t)64 << 10);
        buffer_init(&connection->in, (size_t)64 << 10);
    }
}

void writer_release(struct writer *writer)
{
    for (int i = 0; i < WRITER_CONNECTIONS; i++) {
        close(writer->connections[i].socket);
        buffer_release(&writer->connections[i].out);
        buffer_release(&writer->connections[i].in);
    }
}

static void set_write(const struct writer *writer, uint64_t number,
                      struct buffer *out)
{
    char *start = buffer_room(out, SET_LINE_BYTES_MAX + writer->value_bytes);
    char *at = mempcpy(start, "set ", 4);

    key_format(number % writer->keys_count, WRITER_KEY_BYTES, at);
    at += WRITER_KEY_BYTES;
    at += sprintf(at, " 0 0 %zu\r\n", writer->value_bytes);
    at = mempcpy(at, &number, sizeof number);
    value_fill(number, at, writer->value_bytes - sizeof number);
    at = mempcpy(at + writer->value_bytes - sizeof number, "\r\n", 2);
    buffer_add(out, (size_t)(at - start));
}

uint64_t writer_send(struct writer *writer)
{
    uint64_t number = writer->sent++;
    struct writer_connection *connection =
        &writer->connections[number % WRITER_CONNECTIONS];
    uint64_t now_ns;

    if (number - writer->answered >= WRITER_UNANSWERED_MAX)
        errx(EXIT_FAILURE, "the server has not answered %d sets",
             WRITER_UNANSWERED_MAX);
    set_write(writer, number, &connection->out);
    now_ns = moment_now_ns();
    writer->sent_ns[number % WRITER_UNANSWERED_MAX] = now_ns;
    (void)line_send(connection->socket, &connection->out);
    return now_ns;
}

void writer_want(const struct writer *writer, struct pollfd *wants)
{
    for (int i = 0; i < WRITER_CONNECTIONS; i++) {
        const struct writer_connection *connection = &writer->connections[i];
        bool has_more = connection->out.start < connection->out.end;

        wants[i] = (struct pollfd){
            .fd = connection->socket,
            .events = (short)(has_more ? POLLIN | POLLOUT : POLLIN)};
    }
}

/* Sets of one connection are answered in the order in which they were sent. */
static void answer_note(struct writer *writer, int i, uint64_t now_ns)
{
    struct writer_connection *connection = &writer->connections[i];
    uint64_t number = connection->answered++ * WRITER_CONNECTIONS + (uint64_t)i;

    if (number >= writer->sent)
        errx(EXIT_FAILURE, "the server said more than it was asked");
    writer->answered++;
    histogram_add(&writer->answers,
                  now_ns - writer->sent_ns[number % WRITER_UNANSWERED_MAX]);
}

static void answers_read(struct writer *writer, int i)
{
    struct buffer *in = &writer->connections[i].in;
    uint64_t now_ns;

    line_receive(writer->connections[i].socket, in);
    now_ns = moment_now_ns();
    while (in->start < in->end) {
        struct response response =
            protocol_text.read(in->data + in->start, in->end - in->start);

        if (response.used == 0)
            return;
        if (!response.is_stored)
            errx(EXIT_FAILURE, "a set was answered: %.*s", (int)response.used,
                 in->data + in->start);
        buffer_take(in, response.used);
        answer_note(writer, i, now_ns);
    }
}

void writer_handle(struct writer *writer, const struct pollfd *wants)
{
    for (int i = 0; i < WRITER_CONNECTIONS; i++) {
        struct writer_connection *connection = &writer->connections[i];

        if (wants[i].revents & POLLOUT)
            (void)line_send(connection->socket, &connection->out);
        if (wants[i].revents & (POLLIN | POLLERR | POLLHUP))
            answers_read(writer, i);
    }
}
