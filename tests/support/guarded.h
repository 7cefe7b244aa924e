/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guarded: bytes that end where memory ends.
 *
 * The page behind them cannot be read or written, so that one byte over is a
 * fault whoever reads it: the address sanitizer sees only what was compiled
 * with it, and libraries were not.  Places are used in turns, and one that
 * was returned is poisoned for the sanitizer, so that it sees who kept a span
 * from before.
 *
 * Threads: one.
 * Fails:   asserts; for tests.
 */
#ifndef TESTS_SUPPORT_GUARDED_H
#define TESTS_SUPPORT_GUARDED_H

#include "proto/base/span.h"

/* `bytes` of memory, the last of them before the guard page; returned by
 * guarded_return() before the next is taken. */
uint8_t *guarded_take(size_t bytes);

/* The same, with a copy of `text` in it. */
struct span guarded_copy(struct span text);

void guarded_return(void);

#endif
