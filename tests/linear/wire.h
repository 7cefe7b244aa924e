/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wire: a connection to a server that is asked one thing after another.
 *
 * Waits:  at most as long as it was told, for each read.
 * Lasts:  a line, until the next is taken.
 */
#ifndef TESTS_LINEAR_WIRE_H
#define TESTS_LINEAR_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#define WIRE_BYTES_MAX 8192

struct wire {
    int fd; /* -1: there is none */
    size_t length;
    size_t taken;
    char bytes[WIRE_BYTES_MAX];
};

/* False where nobody takes it. */
bool wire_open(struct wire *wire, const char *host, const char *port,
               unsigned answer_ms_max);
void wire_close(struct wire *wire);
bool wire_send(struct wire *wire, const char *bytes, size_t length);

/* The next line, without its end; NULL: the server hung up, or says nothing,
 * or too much. */
char *wire_line(struct wire *wire);

#endif
