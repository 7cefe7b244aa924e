/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Far: the other end of a link, which proves itself as members do, and then
 * says what a fuzzer wants.
 *
 * What it hears are whole messages that make sense, or it asserts.
 */
#ifndef TESTS_FUZZ_FAR_H
#define TESTS_FUZZ_FAR_H

#include "proto/grapevine/message.h"
#include "server/loop/tls.h"

struct far {
    int fd;
    struct tls_link *tls; /* NULL: there is no link */
    bool is_ready;        /* hands are shaken */
    bool is_deaf;         /* it does not read */
    uint8_t *heard;       /* that was not taken yet */
    size_t heard_bytes;
    size_t capacity_bytes;
};

/* Takes `fd`. */
void far_begin(struct far *far, int fd, struct tls *keys, bool has_dialled);
void far_end(struct far *far);

/* Shakes hands with whoever is at the other end; false where that fails. */
bool far_shake_hands(struct far *far);

/* Says all of it, in a record for each 16 KB; false where nobody listens. */
bool far_say(struct far *far, struct span bytes);

/* There is something to listen to, and it does. */
bool far_has_news(const struct far *far);

/* Listens; false where the other end has hung up. */
bool far_hear(struct far *far);

/* The next message that was heard; false where there is no whole one.  Lasts
 * until far_take(). */
bool far_next(struct far *far, struct message *message);
void far_take(struct far *far);

#endif
