/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/listing.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/decimal.h"
#include "proto/base/uri.h"
#include "server/session/session.h"
#include "server/session/state.h"

/* memcached's bound for `stats cachedump`: some 2 MB. */
#define ITEMS_BYTES_MAX ((size_t)2 * 1024 * 1024)
#define ITEM_LINE_BYTES_MAX (URI_BYTES_MAX((size_t)COMMAND_KEY_BYTES_MAX) + 64)
/* Steps of sizes, most of them empty, that a turn looks at. */
#define TURN_STEPS_MAX 65536

struct listing *listing_begin(struct session *session, enum listing_kind kind,
                              const struct command *command)
{
    struct listing *listing = calloc(1, sizeof(*listing));

    if (listing == NULL)
        return NULL;
    listing->kind = kind;
    listing->command = *command;
    listing->command.key = SPAN("");
    listing->command.value = SPAN("");
    listing->command.argument = SPAN("");
    listing->lines_left = UINT64_MAX;
    listing->bytes_left = SIZE_MAX;
    if (kind == LISTING_ITEMS)
        listing->bytes_left = ITEMS_BYTES_MAX;
    if (kind == LISTING_CONNECTIONS) {
        listing->roll = roll_create(session);
        if (listing->roll == NULL) {
            free(listing);
            return NULL;
        }
    }
    session->listing = listing;
    return listing;
}

void listing_drop(struct session *session)
{
    struct listing *listing = session->listing;

    if (listing == NULL)
        return;
    session->listing = NULL;
    roll_drop(listing->roll);
    free(listing);
}

/* What comes of a turn: to go on at the next one, or when the session is
 * resumed; or to end. */
enum progress { PROGRESS_MORE, PROGRESS_DONE, PROGRESS_BROKEN };

struct page {
    struct session *session;
    struct listing *listing;
    size_t end_bytes; /* of the output, for this turn */
    bool is_broken;
};

static bool is_full(const struct page *page)
{
    return page->is_broken ||
           page->session->output.used_bytes >= page->end_bytes;
}

/* ---- items ---- */

static void write_item(const struct item *item, void *context)
{
    struct page *page = context;
    struct listing *listing = page->listing;
    struct output *output = &page->session->output;

    if (listing->lines_left == 0 || listing->bytes_left == 0)
        return;
    uint8_t *to = output_room(output, ITEM_LINE_BYTES_MAX);
    if (to == NULL) {
        page->is_broken = true;
        return;
    }
    uint8_t *at = span_copy(to, SPAN("ITEM "));
    at = uri_escape_blanks(at, item_key(item));
    at = span_copy(at, SPAN(" ["));
    at = decimal_format(at, item_value(item).length);
    at = span_copy(at, SPAN(" b; "));
    at = decimal_format(at, item_exptime(item));
    at = span_copy(at, SPAN(" s]\r\n"));
    size_t bytes = (size_t)(at - to);
    output_add(output, bytes);
    listing->lines_left--;
    listing->bytes_left -=
        bytes < listing->bytes_left ? bytes : listing->bytes_left;
}

static enum progress write_items(struct page *page)
{
    struct listing *listing = page->listing;
    struct store *store = session_store(page->session);

    for (size_t i = 0; i < TURN_STEPS_MAX; i++) {
        listing->at = store_visit_from(store, listing->at, page->session->now,
                                       write_item, page);
        if (listing->at == 0 || listing->lines_left == 0 ||
            listing->bytes_left == 0)
            return PROGRESS_DONE;
        if (is_full(page))
            break;
    }
    return PROGRESS_MORE;
}

/* ---- prefixes ---- */

static enum progress write_prefixes(struct page *page)
{
    struct prefixes *prefixes = page->session->crew->clients->prefixes;
    struct output *output = &page->session->output;
    struct prefix prefix;

    while (!is_full(page)) {
        if (!prefixes_read(prefixes, page->listing->at, &prefix))
            return PROGRESS_DONE;
        uint8_t *to = output_room(output, PREFIX_LINE_BYTES_MAX);
        if (to == NULL)
            return PROGRESS_BROKEN;
        output_add(output, prefix_format(&prefix, to));
        page->listing->at++;
    }
    return PROGRESS_MORE;
}

/* ---- sizes ---- */

static enum progress write_sizes(struct page *page)
{
    struct listing *listing = page->listing;
    struct store *store = session_store(page->session);
    struct output *output = &page->session->output;
    size_t steps = store_size_steps(store);
    size_t end = listing->at + TURN_STEPS_MAX;

    for (; listing->at < steps && listing->at < end && !is_full(page);
         listing->at++) {
        char name[24];
        char value[24];
        uint64_t count = store_size_count(store, listing->at);
        if (count == 0)
            continue;
        uint8_t *to = output_room(output, REPLY_HEAD_BYTES_MAX);
        if (to == NULL)
            return PROGRESS_BROKEN;
        snprintf(name, sizeof(name), "%llu",
                 (unsigned long long)(listing->at * STORE_SIZE_STEP));
        snprintf(value, sizeof(value), "%llu", (unsigned long long)count);
        output_add(output, reply_stat(&listing->command, span_of_string(name),
                                      span_of_string(value), to));
    }
    return listing->at < steps ? PROGRESS_MORE : PROGRESS_DONE;
}

/* ---- connections ---- */

static bool write_doors(struct page *page)
{
    const struct clients *clients = page->session->crew->clients;
    struct output *output = &page->session->output;
    size_t count = atomic_load(&clients->doors_count);

    for (; page->listing->at < count; page->listing->at++) {
        uint8_t *to = output_room(output, REPLY_HEAD_BYTES_MAX);
        if (to == NULL)
            return false;
        output_add(output, roll_write_door(clients, page->listing->at, to,
                                           REPLY_HEAD_BYTES_MAX));
    }
    return true;
}

static enum progress write_connections(struct page *page)
{
    struct output *output = &page->session->output;
    struct roll *roll = page->listing->roll;
    struct span text = roll_text(roll);

    if (!write_doors(page))
        return PROGRESS_BROKEN;
    if (text.length > 0) {
        uint8_t *to = output_room(output, text.length);
        if (to == NULL)
            return PROGRESS_BROKEN;
        span_copy(to, text);
        output_add(output, text.length);
        roll_clear(roll);
        /* It does not travel on before the client has read. */
        return PROGRESS_MORE;
    }
    if (!roll_travel(roll))
        return PROGRESS_DONE;
    page->session->waits = true;
    return PROGRESS_MORE;
}

static enum progress write_page(struct page *page)
{
    switch (page->listing->kind) {
    case LISTING_ITEMS:
        return write_items(page);
    case LISTING_PREFIXES:
        return write_prefixes(page);
    case LISTING_SIZES:
        return write_sizes(page);
    case LISTING_CONNECTIONS:
        break;
    }
    return write_connections(page);
}

bool listing_continue(struct session *session)
{
    struct page page = {.session = session,
                        .listing = session->listing,
                        .end_bytes =
                            session->output.used_bytes + LISTING_TURN_BYTES};
    enum progress progress = write_page(&page);

    if (progress == PROGRESS_MORE && !page.is_broken)
        return false;
    uint8_t *to = output_room(&session->output, REPLY_HEAD_BYTES_MAX);
    if (progress == PROGRESS_BROKEN || page.is_broken || to == NULL)
        session_break(session, COUNTER_NO_OUTPUT_MEMORY);
    else
        output_add(&session->output,
                   reply_stats_end(&session->listing->command, to));
    listing_drop(session);
    return true;
}
