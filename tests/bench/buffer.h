/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffer: bytes on their way, added behind `end` and taken at `start`.
 *
 * Running out of memory ends the program.
 */
#ifndef TESTS_BENCH_BUFFER_H
#define TESTS_BENCH_BUFFER_H

#include <stddef.h>

struct buffer {
    char *data;
    size_t start;    /* the first byte not yet taken */
    size_t end;      /* behind the last byte added */
    size_t capacity; /* bytes at `data` */
};

void buffer_init(struct buffer *buffer, size_t capacity);
void buffer_release(struct buffer *buffer);

/* Where `bytes` more can be written; moves what the buffer holds. */
char *buffer_room(struct buffer *buffer, size_t bytes);

/* Adds `bytes`, written to the room that buffer_room() gave. */
void buffer_add(struct buffer *buffer, size_t bytes);

void buffer_take(struct buffer *buffer, size_t bytes);

#endif
