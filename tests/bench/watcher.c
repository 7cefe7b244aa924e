/* SPDX-License-Identifier: BSD-3-Clause */
#include "watcher.h"

#include <assert.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "key.h"
#include "line.h"
#include "moment.h"
#include "value.h"
#include "writer.h"

#define PATIENCE_NS 5000000000

void watcher_init(struct watcher *watcher, const char *port,
                  uint64_t keys_count, size_t value_bytes)
{
    memset(watcher, 0, sizeof *watcher);
    watcher->keys_count = keys_count;
    watcher->value_bytes = value_bytes;
    watcher->socket = line_connect(port);
    buffer_init(&watcher->out, (size_t)16 << 10);
    buffer_init(&watcher->in, (size_t)128 << 10);
}

void watcher_release(struct watcher *watcher)
{
    close(watcher->socket);
    buffer_release(&watcher->out);
    buffer_release(&watcher->in);
}

void watcher_add(struct watcher *watcher, uint64_t number, uint64_t sent_ns)
{
    if (watcher->sets_count == WATCHES_MAX)
        errx(EXIT_FAILURE, "%d sets are not seen", WATCHES_MAX);
    watcher->sets[watcher->sets_count++] =
        (struct watched_set){.number = number, .sent_ns = sent_ns};
}

uint64_t watcher_due_ns(const struct watcher *watcher)
{
    return watcher->asked_count > 0 || watcher->sets_count == 0
               ? UINT64_MAX
               : watcher->next_ns;
}

void watcher_ask(struct watcher *watcher, uint64_t now_ns)
{
    char *at;

    if (watcher_due_ns(watcher) > now_ns)
        return;
    if (now_ns > watcher->sets[0].sent_ns + PATIENCE_NS)
        errx(EXIT_FAILURE, "a set was not seen in 5 seconds");
    watcher->asked_count = watcher->sets_count < WATCHER_KEYS_MAX
                               ? watcher->sets_count
                               : WATCHER_KEYS_MAX;
    watcher->answered_count = 0;
    at = buffer_room(&watcher->out,
                     5 + (size_t)watcher->asked_count * (1 + WRITER_KEY_BYTES));
    buffer_add(&watcher->out,
               5 + (size_t)watcher->asked_count * (1 + WRITER_KEY_BYTES));
    at = mempcpy(at, "get", 3);
    for (unsigned i = 0; i < watcher->asked_count; i++) {
        *at++ = ' ';
        key_format(watcher->sets[i].number % watcher->keys_count,
                   WRITER_KEY_BYTES, at);
        at += WRITER_KEY_BYTES;
    }
    memcpy(at, "\r\n", 2);
    watcher->gets++;
    watcher->asked_ns = moment_now_ns();
    (void)line_send(watcher->socket, &watcher->out);
}

/* The number of the set that wrote the value; keys not shown are not here. */
static uint64_t number_read(const struct watcher *watcher,
                            const struct response *response)
{
    uint64_t number;
    size_t rest_bytes = watcher->value_bytes - sizeof number;

    if (response->value_bytes != watcher->value_bytes)
        errx(EXIT_FAILURE, "wrong value: %zu bytes", response->value_bytes);
    memcpy(&number, response->value, sizeof number);
    if (!value_is(number, response->value + sizeof number, rest_bytes) ||
        !key_is(number % watcher->keys_count, response->key,
                response->key_bytes))
        errx(EXIT_FAILURE, "wrong value for key %.*s", (int)response->key_bytes,
             response->key);
    return number;
}

static void set_note(struct watcher *watcher, struct watched_set *set,
                     uint64_t number, uint64_t now_ns)
{
    uint64_t since_ns =
        set->unseen_ns > set->sent_ns ? set->unseen_ns : set->sent_ns;

    if (number < set->number) {
        set->unseen_ns = watcher->asked_ns;
        return;
    }
    histogram_add(&watcher->delays, now_ns - set->sent_ns);
    histogram_add(&watcher->doubts, now_ns - since_ns);
    set->number = UINT64_MAX; /* seen */
}

/* Values come in the order in which their keys were asked for. */
static void value_note(struct watcher *watcher, const struct response *response,
                       uint64_t now_ns)
{
    uint64_t number = number_read(watcher, response);

    while (watcher->answered_count < watcher->asked_count) {
        struct watched_set *set = &watcher->sets[watcher->answered_count++];

        if (set->number % watcher->keys_count == number % watcher->keys_count) {
            set_note(watcher, set, number, now_ns);
            return;
        }
        set->unseen_ns = watcher->asked_ns;
    }
    errx(EXIT_FAILURE, "a value came that nobody asked for");
}

/* Keeps those that are not seen yet. */
static void reply_end(struct watcher *watcher, uint64_t now_ns)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < watcher->sets_count; i++)
        if (watcher->sets[i].number != UINT64_MAX)
            watcher->sets[kept++] = watcher->sets[i];
    watcher->sets_count = kept;
    watcher->asked_count = 0;
    watcher->next_ns = now_ns + WATCHER_PAUSE_NS;
}

static void replies_read(struct watcher *watcher)
{
    struct buffer *in = &watcher->in;
    uint64_t now_ns;

    line_receive(watcher->socket, in);
    now_ns = moment_now_ns();
    while (in->start < in->end) {
        struct response response =
            protocol_text.read(in->data + in->start, in->end - in->start);

        if (response.used == 0)
            return;
        if (response.is_broken || response.is_error || response.is_stored ||
            watcher->asked_count == 0)
            errx(EXIT_FAILURE, "a get was answered: %.*s", (int)response.used,
                 in->data + in->start);
        if (response.has_value)
            value_note(watcher, &response, now_ns);
        buffer_take(in, response.used);
        if (response.is_last)
            reply_end(watcher, now_ns);
    }
}

void watcher_want(const struct watcher *watcher, struct pollfd *want)
{
    bool has_more = watcher->out.start < watcher->out.end;

    *want = (struct pollfd){.fd = watcher->socket,
                            .events =
                                (short)(has_more ? POLLIN | POLLOUT : POLLIN)};
}

void watcher_handle(struct watcher *watcher, const struct pollfd *want)
{
    if (want->revents & POLLOUT)
        (void)line_send(watcher->socket, &watcher->out);
    if (want->revents & (POLLIN | POLLERR | POLLHUP))
        replies_read(watcher);
}
