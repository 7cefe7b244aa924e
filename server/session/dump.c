/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dump: the keys of the whole replica, on their way to one client.
 *
 * A walk in portions, each of them some ten items and one short lock.  What
 * is written waits in the output; while the client does not read it, nothing
 * is walked, held or pinned.
 */
#include <stdlib.h>

#include "proto/base/base64.h"
#include "proto/base/decimal.h"
#include "proto/base/uri.h"
#include "server/session/state.h"

/* All items are of this class, here and in `stats items`. */
#define ITEM_CLASS 1
/* A line: a key, seven numbers and their names. */
#define LINE_BYTES_MAX (URI_BYTES_MAX((size_t)COMMAND_KEY_BYTES_MAX) + 256)
/* Of an index with few items, in one turn; then others are served. */
#define PORTIONS_MAX 1024
/* A client that has not read for so long is not waited for by the next. */
#define SILENCE_MAX (5 * TIME_US_PER_S)

struct dump {
    enum dump_form form;
    uint64_t cursor;
    bool has_items; /* of the classes that were asked for */
};

/* One at a time: two would be no wrong, but memcached's clients expect to be
 * told so. */
static bool take_place(struct session *session)
{
    struct clients *clients = session->crew->clients;
    uintptr_t other = atomic_load(&clients->dumping);
    time_us moved = atomic_load(&clients->dump_moved);

    if (other != 0 && session->now < moved + SILENCE_MAX)
        return false;
    if (!atomic_compare_exchange_strong(&clients->dumping, &other,
                                        (uintptr_t)session))
        return false;
    atomic_store(&clients->dump_moved, session->now);
    return true;
}

static void leave_place(struct session *session)
{
    uintptr_t own = (uintptr_t)session;

    atomic_compare_exchange_strong(&session->crew->clients->dumping, &own, 0);
}

static void move_on(struct session *session)
{
    struct clients *clients = session->crew->clients;

    if (atomic_load(&clients->dumping) == (uintptr_t)session)
        atomic_store(&clients->dump_moved, session->now);
}

const char *dump_begin(struct session *session, enum dump_form form,
                       uint64_t classes)
{
    struct dump *dump;

    if (!take_place(session))
        return "BUSY currently processing crawler request\r\n";
    dump = malloc(sizeof(*dump));
    if (dump == NULL) {
        leave_place(session);
        return "ERROR an unknown error happened\r\n";
    }
    *dump = (struct dump){.form = form,
                          .has_items = (classes >> ITEM_CLASS & 1) != 0};
    session->dump = dump;
    atomic_fetch_add(&session->crew->clients->crawls, 1);
    count(&session->crew->counters, COUNTER_CRAWLS, 1);
    return "OK\r\n";
}

/* ---- lines ---- */

static uint8_t *put_number(uint8_t *at, struct span name, uint64_t number)
{
    return decimal_format(span_copy(at, name), number);
}

static uint8_t *put_metadata(uint8_t *at, const struct item *item,
                             uint64_t token)
{
    at = span_copy(at, SPAN("key="));
    at = uri_escape(at, item_key(item));
    if (item_exptime(item) == 0)
        at = span_copy(at, SPAN(" exp=-1"));
    else
        at = put_number(at, SPAN(" exp="), item_exptime(item));
    at = put_number(at, SPAN(" la="), item_accessed(item));
    at = put_number(at, SPAN(" cas="), token);
    at = span_copy(at, item_is_fetched(item) ? SPAN(" fetch=yes")
                                             : SPAN(" fetch=no"));
    at = put_number(at, SPAN(" cls="), ITEM_CLASS);
    at = put_number(at, SPAN(" size="), item_room(item));
    at = put_number(at, SPAN(" flags="), item_flags(item));
    return span_copy(at, SPAN(" \n"));
}

/* A key that would not be one word of the request is written as base64, as
 * one that came so. */
static bool is_binary(const struct item *item)
{
    struct span key = item_key(item);

    if (item_marks(item) & ITEM_KEY_BASE64)
        return true;
    for (size_t i = 0; i < key.length; i++) {
        if (key.data[i] <= ' ' || key.data[i] == 0x7f)
            return true;
    }
    return false;
}

static uint8_t *put_request(uint8_t *at, const struct item *item)
{
    at = span_copy(at, SPAN("mg "));
    if (is_binary(item))
        at = span_copy(base64_encode(at, item_key(item)), SPAN(" b"));
    else
        at = span_copy(at, item_key(item));
    return span_copy(at, SPAN("\r\n"));
}

static void put_item(const struct item *item, void *context)
{
    struct session *session = context;
    uint8_t *to = output_room(&session->output, LINE_BYTES_MAX);

    if (to == NULL) {
        session_break(session, COUNTER_NO_OUTPUT_MEMORY);
        return;
    }
    uint64_t token =
        session->crew->clients->settings.disable_cas ? 0 : item_token(item);
    uint8_t *at = session->dump->form == DUMP_METADATA
                      ? put_metadata(to, item, token)
                      : put_request(to, item);
    output_add(&session->output, (size_t)(at - to));
    count(&session->crew->counters, COUNTER_CRAWL_CHECKED, 1);
}

static void end(struct session *session)
{
    replies_say(session,
                session->dump->form == DUMP_METADATA ? "END\r\n" : "EN\r\n");
    dump_drop(session);
}

void dump_continue(struct session *session)
{
    struct dump *dump = session->dump;

    move_on(session);
    for (unsigned i = 0; dump->has_items && i < PORTIONS_MAX; i++) {
        if (output_is_high(&session->output) ||
            session->state == SESSION_BROKEN)
            return;
        dump->cursor = store_visit_from(session_store(session), dump->cursor,
                                        session->now, put_item, session);
        dump->has_items = dump->cursor != 0;
    }
    if (!dump->has_items)
        end(session);
}

void dump_drop(struct session *session)
{
    if (session->dump == NULL)
        return;
    leave_place(session);
    atomic_fetch_sub(&session->crew->clients->crawls, 1);
    free(session->dump);
    session->dump = NULL;
}
