/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Line: a socket to a server on this machine, which never blocks.
 *
 * Fails: a line that breaks ends the program with 1.
 */
#ifndef TESTS_BENCH_LINE_H
#define TESTS_BENCH_LINE_H

#include <stdbool.h>

#include "buffer.h"

int line_connect(const char *port);

/* Sends what it can; false if the rest has to wait for room. */
bool line_send(int socket, struct buffer *out);

/* Reads once. */
void line_receive(int socket, struct buffer *in);

#endif
