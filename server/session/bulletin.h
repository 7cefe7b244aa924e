/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bulletin: lines for those who watch, on their way from the thread that has
 * something to tell to the threads whose sessions show it.
 *
 * Lines are gathered while a thread does its work and handed over at once.
 * Nobody waits: what finds no room, here or there, is dropped and counted.
 *
 * Threads: a bulletin is one thread's, or its owner provides the exclusion.
 */
#ifndef SERVER_SESSION_BULLETIN_H
#define SERVER_SESSION_BULLETIN_H

#include <stdatomic.h>

#include "proto/base/time.h"
#include "proto/base/uri.h"
#include "proto/memcached/command.h"

/* What can be watched; memcached's words, and `farm`. */
enum watch_stream {
    WATCH_NOTHING = 0,
    WATCH_FETCHERS = 1,
    WATCH_MUTATIONS = 2,
    WATCH_EVICTIONS = 4,
    WATCH_CONNEVENTS = 8,
    WATCH_DELETIONS = 16,
    WATCH_SYSEVENTS = 32,
    WATCH_RAWCMDS = 64,
    WATCH_FARM = 128,
    WATCH_PROXY = 256 /* there is none: nothing is ever told */
};

/* The stream of that name, or WATCH_NOTHING. */
unsigned watch_stream_named(struct span name);

/* One line: a key and all that is said of it, or a request's first part. */
#define BULLETIN_LINE_BYTES_MAX                                                \
    (URI_BYTES_MAX((size_t)COMMAND_KEY_BYTES_MAX) + 320)
/* All that is gathered before it is handed over is so much at least, whatever
 * is asked for. */
#define BULLETIN_BYTES_MIN ((size_t)8 * 1024)
/* On their way to one thread may be so many times of that. */
#define BULLETIN_WAITING_MAX 16

struct clients;
struct crew;

struct bulletin {
    uint8_t *bytes; /* taken when first needed */
    size_t capacity_bytes;
    size_t used_bytes;
    unsigned streams; /* of all lines */
    unsigned lines_count;
    uint8_t *line; /* that is being written */
};

void bulletin_release(struct bulletin *bulletin);

/*
 * Begins a line of that stream, head first: `ts=... gid=... type=TYPE`, or
 * without a type where that is NULL.  Returns where it goes on, with room for
 * BULLETIN_LINE_BYTES_MAX; NULL where there is none.
 */
uint8_t *bulletin_begin(struct bulletin *bulletin, struct clients *clients,
                        enum watch_stream stream, const char *type);
void bulletin_end(struct bulletin *bulletin, uint8_t *end);

/* Hands the lines over to all threads with sessions that watch any of them.
 * Returns how many lines could not be. */
unsigned bulletin_post(struct bulletin *bulletin, struct clients *clients);

/* Takes the next line, its end included, off what was handed over. */
bool bulletin_next(struct span *rest, unsigned *stream, struct span *line);

#endif
