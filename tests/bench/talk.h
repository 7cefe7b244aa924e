/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Talk: one blocking connection, in batches: requests are written down, sent
 * at once, and their replies are read in order.
 *
 * Fails: a conversation that breaks, and a value that nobody wrote, end the
 *        program with 1.
 */
#ifndef TESTS_BENCH_TALK_H
#define TESTS_BENCH_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

#define TALK_KEY_BYTES 20

struct talk {
    int socket;
    struct buffer out;
    struct buffer in;
};

void talk_init(struct talk *talk, const char *port);
void talk_release(struct talk *talk);

/* Writes down a request in words of one's own. */
void talk_add(struct talk *talk, const char *text);

/* `number` is the key; the value is the one of `stamp` (value.h). */
void talk_set(struct talk *talk, uint64_t number, uint64_t stamp, size_t bytes,
              uint64_t lifetime_s);

/* Asks for `count` keys at once. */
void talk_get(struct talk *talk, const uint64_t *numbers, unsigned count);
void talk_delete(struct talk *talk, uint64_t number);
void talk_touch(struct talk *talk, uint64_t number, uint64_t lifetime_s);
void talk_append(struct talk *talk, uint64_t number, const char *text);

/* Sends what was written down. */
void talk_send(struct talk *talk);

/* One line of reply, without its end; lasts until the next call. */
const char *talk_read_line(struct talk *talk);

/*
 * One value of the reply to talk_get(): false after the last.  Which key it
 * is of, and its bytes, which last until the next call.
 */
struct talk_value {
    uint64_t number;
    const char *data;
    size_t bytes;
};

bool talk_read_value(struct talk *talk, struct talk_value *value);

#endif
