/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Throttle: how long those wait for an answer who gave a wrong password.
 *
 * On one connection the second failure waits twice as long as the first, and
 * so on up to THROTTLE_DELAY_MAX.  Whoever connects anew for each guess waits
 * as long: failures of an address count, too, beyond a few that are anybody's
 * mistakes.  Nobody waits who gives the right password, wherever it comes
 * from.
 *
 * Bounded: THROTTLE_PLACES addresses; the one that failed longest ago makes
 *          way.  An IPv6 network of 64 bits is one address.
 * Threads: any.
 */
#ifndef SERVER_AUTH_THROTTLE_H
#define SERVER_AUTH_THROTTLE_H

#include "proto/base/span.h"
#include "proto/base/time.h"

#define THROTTLE_DELAY_MIN (100 * TIME_US_PER_MS)
#define THROTTLE_DELAY_MAX (3200 * TIME_US_PER_MS)
/* Failures of an address that do not count. */
#define THROTTLE_FREE_FAILURES 16
/* An address without another failure is forgotten after so long. */
#define THROTTLE_MEMORY (60 * TIME_US_PER_S)
#define THROTTLE_PLACES 256
/* Of an address, as throttle_fail() takes it. */
#define THROTTLE_ADDRESS_BYTES_MAX 8

struct throttle;

/* NULL when memory is out. */
struct throttle *throttle_create(void);
void throttle_destroy(struct throttle *throttle);

/*
 * Notes a failure, the `failures`th of its connection, and tells how long its
 * answer is to wait.  `address` is empty where there is none (unix sockets).
 */
time_us throttle_fail(struct throttle *throttle, struct span address,
                      unsigned failures, time_us now);

#endif
