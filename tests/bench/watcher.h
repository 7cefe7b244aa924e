/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Watcher: reads keys from one server, again and again, until each has the
 * value of the set that is waited for; see writer.h.
 *
 * Times are upper bounds: they end when the reply that shows the value has
 * arrived.  How far below the truth may lie is kept too: `doubts`, the time
 * since the last get was sent that did not show it yet.
 *
 * Units: nanoseconds of CLOCK_MONOTONIC.
 * Fails: a wrong value, a line that breaks and a set that is not seen in 5
 *        seconds end the program with 1.
 */
#ifndef TESTS_BENCH_WATCHER_H
#define TESTS_BENCH_WATCHER_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "histogram.h"
#include "protocol.h"

#define WATCHES_MAX 8192
/* Keys in one get. */
#define WATCHER_KEYS_MAX 32
/* Between a reply and the next get. */
#define WATCHER_PAUSE_NS 50000

struct watched_set {
    uint64_t number;
    uint64_t sent_ns;
    uint64_t unseen_ns; /* then a get was sent that did not show it */
};

struct watcher {
    uint64_t keys_count;
    size_t value_bytes;
    int socket;
    struct buffer out;
    struct buffer in;
    struct watched_set sets[WATCHES_MAX]; /* the oldest first */
    unsigned sets_count;
    unsigned
        asked_count; /* sets, the first ones, that a get is under way for */
    unsigned answered_count; /* of those */
    uint64_t asked_ns;
    uint64_t next_ns; /* when the next get is due */
    uint64_t gets;
    struct histogram delays;
    struct histogram doubts;
};

void watcher_init(struct watcher *watcher, const char *port,
                  uint64_t keys_count, size_t value_bytes);
void watcher_release(struct watcher *watcher);

/* Set `number` was sent, later than all before. */
void watcher_add(struct watcher *watcher, uint64_t number, uint64_t sent_ns);

/* Asks, if that is due. */
void watcher_ask(struct watcher *watcher, uint64_t now_ns);

/* When watcher_ask() is due next; UINT64_MAX: not before a reply or a set. */
uint64_t watcher_due_ns(const struct watcher *watcher);

void watcher_want(const struct watcher *watcher, struct pollfd *want);
void watcher_handle(struct watcher *watcher, const struct pollfd *want);

#endif
