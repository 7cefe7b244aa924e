/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * History: operations on many keys as lines of text, for programs that record
 * them and for the one that judges them (judge.c).
 *
 *   KEY CLIENT SERVER START END KIND OUTCOME NUMBER EXPECTED TOLD TOKEN
 *   stock 3 1 1000 1020 cas yes 7 99 - 100
 *   x.lock 0 2 1500 - release unknown 0 0 - 0
 *
 * END is `-` where there was no answer; TOLD where there was no value, and
 * `empty` for one without a number.  Kinds and outcomes are called as in
 * linear.h.
 */
#ifndef TESTS_LINEAR_HISTORY_H
#define TESTS_LINEAR_HISTORY_H

#include <stdio.h>

#include "tests/linear/linear.h"

#define HISTORY_KEY_BYTES_MAX 251

void history_write(FILE *file, const char *key,
                   const struct linear_operation *operation);

/* One line; false where it is none.  `key` has room for a zero, too. */
MUST_USE bool history_read(const char *line, char key[HISTORY_KEY_BYTES_MAX],
                           struct linear_operation *operation);

#endif
