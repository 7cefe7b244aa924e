/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writer: sends numbered sets to one server, whether the ones before were
 * answered or not, and times the answers.
 *
 * Set `number` goes to key `number % keys_count` and its value begins with
 * that number, so that a reader sees which set it reads.
 *
 * Units: nanoseconds of CLOCK_MONOTONIC.
 * Fails: a server that refuses, breaks off or falls far behind ends the
 *        program with 1.
 */
#ifndef TESTS_BENCH_WRITER_H
#define TESTS_BENCH_WRITER_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "histogram.h"

#define WRITER_CONNECTIONS 10
#define WRITER_UNANSWERED_MAX 65536
#define WRITER_KEY_BYTES 20

struct writer_connection {
    int socket;
    struct buffer out;
    struct buffer in;
    uint64_t answered; /* of its sets */
};

struct writer {
    uint64_t keys_count;
    size_t value_bytes;
    struct writer_connection connections[WRITER_CONNECTIONS];
    uint64_t sent;     /* also the number of the next set */
    uint64_t answered; /* in any order */
    uint64_t sent_ns[WRITER_UNANSWERED_MAX];
    struct histogram answers;
};

void writer_init(struct writer *writer, const char *port, uint64_t keys_count,
                 size_t value_bytes);
void writer_release(struct writer *writer);

/* Sends the next set; returns when. */
uint64_t writer_send(struct writer *writer);

/* What to wait for, in WRITER_CONNECTIONS places. */
void writer_want(const struct writer *writer, struct pollfd *wants);

/* Acts on what came of waiting for that. */
void writer_handle(struct writer *writer, const struct pollfd *wants);

#endif
