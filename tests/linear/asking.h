/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asking: operations as requests in memcached's text protocol, and what is
 * answered as their outcome.
 */
#ifndef TESTS_LINEAR_ASKING_H
#define TESTS_LINEAR_ASKING_H

#include "tests/linear/linear.h"
#include "tests/linear/wire.h"

/* Sends the operation, in the words of the meta commands, which tell tokens,
 * or in the old ones where there are such; writes outcome, times and what it
 * was told into it.  A `mg` with N that does not win becomes a read, of the
 * kind that it says.
 *
 * False where the connection is of no use any more. */
bool ask(struct wire *wire, const char *key, bool is_meta,
         enum linear_kind read_kind, struct linear_operation *operation);

/* CLOCK_MONOTONIC. */
uint64_t ask_now_ns(void);

#endif
