/* SPDX-License-Identifier: BSD-3-Clause */
#include "talk.h"

#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "key.h"
#include "line.h"
#include "value.h"

#define BUFFER_BYTES ((size_t)1 << 20)
#define HEAD_BYTES_MAX 128
/* Nothing to wait for but the server: so long, then it is broken. */
#define SILENCE_MS_MAX 30000

void talk_init(struct talk *talk, const char *port)
{
    talk->socket = line_connect(port);
    buffer_init(&talk->out, BUFFER_BYTES);
    buffer_init(&talk->in, BUFFER_BYTES);
}

void talk_release(struct talk *talk)
{
    close(talk->socket);
    buffer_release(&talk->out);
    buffer_release(&talk->in);
}

/* ---- requests ---- */

void talk_add(struct talk *talk, const char *text)
{
    size_t bytes = strlen(text);

    memcpy(buffer_room(&talk->out, bytes), text, bytes);
    buffer_add(&talk->out, bytes);
}

static void add_key(struct talk *talk, uint64_t number)
{
    key_format(number, TALK_KEY_BYTES, buffer_room(&talk->out, TALK_KEY_BYTES));
    buffer_add(&talk->out, TALK_KEY_BYTES);
}

void talk_set(struct talk *talk, uint64_t number, uint64_t stamp, size_t bytes,
              uint64_t lifetime_s)
{
    char head[HEAD_BYTES_MAX];

    talk_add(talk, "set ");
    add_key(talk, number);
    snprintf(head, sizeof(head), " 0 %" PRIu64 " %zu\r\n", lifetime_s, bytes);
    talk_add(talk, head);
    value_fill(stamp, buffer_room(&talk->out, bytes), bytes);
    buffer_add(&talk->out, bytes);
    talk_add(talk, "\r\n");
}

void talk_get(struct talk *talk, const uint64_t *numbers, unsigned count)
{
    talk_add(talk, "get");
    for (unsigned i = 0; i < count; i++) {
        talk_add(talk, " ");
        add_key(talk, numbers[i]);
    }
    talk_add(talk, "\r\n");
}

void talk_delete(struct talk *talk, uint64_t number)
{
    talk_add(talk, "delete ");
    add_key(talk, number);
    talk_add(talk, "\r\n");
}

void talk_touch(struct talk *talk, uint64_t number, uint64_t lifetime_s)
{
    char rest[HEAD_BYTES_MAX];

    talk_add(talk, "touch ");
    add_key(talk, number);
    snprintf(rest, sizeof(rest), " %" PRIu64 "\r\n", lifetime_s);
    talk_add(talk, rest);
}

void talk_append(struct talk *talk, uint64_t number, const char *text)
{
    char rest[HEAD_BYTES_MAX];

    talk_add(talk, "append ");
    add_key(talk, number);
    snprintf(rest, sizeof(rest), " 0 0 %zu\r\n", strlen(text));
    talk_add(talk, rest);
    talk_add(talk, text);
    talk_add(talk, "\r\n");
}

static void await(struct talk *talk, short events)
{
    struct pollfd one = {.fd = talk->socket, .events = events};

    if (poll(&one, 1, SILENCE_MS_MAX) != 1)
        errx(EXIT_FAILURE, "the server is silent");
}

void talk_send(struct talk *talk)
{
    /* A server that cannot write does not read on: its replies are taken
     * meanwhile, so that neither waits for the other. */
    while (!line_send(talk->socket, &talk->out)) {
        await(talk, POLLIN | POLLOUT);
        line_receive(talk->socket, &talk->in);
    }
}

/* ---- replies ---- */

static void read_more(struct talk *talk)
{
    await(talk, POLLIN);
    line_receive(talk->socket, &talk->in);
}

/* Where the line at the start ends, its two bytes included. */
static size_t await_line(struct talk *talk)
{
    for (;;) {
        const char *start = talk->in.data + talk->in.start;
        const char *end = memchr(start, '\n', talk->in.end - talk->in.start);
        if (end != NULL && end > start)
            return (size_t)(end - start) + 1;
        read_more(talk);
    }
}

const char *talk_read_line(struct talk *talk)
{
    size_t bytes = await_line(talk);
    char *line = talk->in.data + talk->in.start;

    line[bytes - 2] = '\0';
    talk->in.start += bytes;
    return line;
}

bool talk_read_value(struct talk *talk, struct talk_value *value)
{
    size_t head_bytes = await_line(talk);
    const char *head = talk->in.data + talk->in.start;

    if (strncmp(head, "END\r\n", 5) == 0) {
        talk->in.start += head_bytes;
        return false;
    }
    if (sscanf(head, "VALUE %" SCNu64 " %*u %zu", &value->number,
               &value->bytes) != 2)
        errx(EXIT_FAILURE, "not a value: %.*s", (int)head_bytes, head);
    size_t bytes = head_bytes + value->bytes + 2;
    while (talk->in.end - talk->in.start < bytes)
        read_more(talk);
    value->data = talk->in.data + talk->in.start + head_bytes;
    talk->in.start += bytes;
    return true;
}
