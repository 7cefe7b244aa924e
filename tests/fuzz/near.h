/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Near: the server that a fuzzer talks to over its farm's links: peers, a
 * store and a journal, keyed, without a thread (outside.h).
 *
 * Fails: asserts; for tests.
 */
#ifndef TESTS_FUZZ_NEAR_H
#define TESTS_FUZZ_NEAR_H

#include "server/peer/driver.h"

#define NEAR_ID UINT64_C(200)
#define NEAR_FARM "farm"
/* Where it looks for others, if it is to. */
#define NEAR_JOINS "127.0.0.1:7"
#define NEAR_ITEM_BYTES_MAX ((size_t)256 << 10)
#define NEAR_HANDSHAKES_MAX 4

struct near {
    struct store *store;
    struct clock clock;
    struct peers *peers;
    uint64_t lookups; /* that were begun, and have not ended */
    bool has_left;
};

/* Both ends of a link prove themselves by one of these; `digit` makes the
 * key. */
struct tls *near_make_keys(char digit);

/* READY, alone, or on its way to whoever answers at NEAR_JOINS. */
void near_create(struct near *near, struct tls *keys, bool joins);
void near_destroy(struct near *near);

/* What the server's own clients do, with the key of one byte. */
void near_write(struct near *near, uint8_t key, size_t bytes);
void near_look_up(struct near *near, uint8_t key);

/* Has links proven by other keys, before it has its own again. */
void near_prove_again(struct near *near, struct tls *keys);

/* Asserts what holds between turns. */
void near_check(const struct near *near);

#endif
