/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Outside: what server/peer sees of the world, in a fuzzer's hands: the loop
 * that calls it, the clock, the log, and a network that ends within this
 * process.
 *
 * Nothing happens but in outside_run() and outside_pass(): the same input
 * takes the same way each time.  Frames that the peers hand on end where
 * memory does, so that one byte over is found out; scripts/fuzz has their
 * calls come here.
 *
 * Threads: one.
 * Fails:   asserts; for tests.
 */
#ifndef TESTS_FUZZ_OUTSIDE_H
#define TESTS_FUZZ_OUTSIDE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/time.h"

#define OUTSIDE_START_US (UINT64_C(1800000000) * TIME_US_PER_S)

/* Before OpenSSL is called: its allocations, a thousand for each link, are its
 * own affair, and come from a pool rather than from the sanitizer. */
void outside_pool_openssl(void);

/* Begins again: nothing is left of what was before. */
void outside_begin(void);
void outside_end(void);

/* Calls whoever is ready, until nobody is. */
void outside_run(void);

/* Time passes, and what falls due is called; at once where it is longer than
 * `sleep`, as for a machine that was asleep. */
void outside_pass(time_us duration, time_us sleep);

/* Two ends of a connection, which does not block; `bytes` are under way from
 * `ends[0]` at most, 0: as many as the system likes. */
void outside_connect(int ends[2], int bytes);

/* The far end of what was dialled first and not taken yet, or -1.  Dials are
 * refused while `answers` is false. */
int outside_take_dialled(void);
void outside_answer_dials(bool answers);

/* How many links of the peers a machine knows. */
struct farm;
size_t outside_links(const struct farm *farm);

#endif
