/* SPDX-License-Identifier: BSD-3-Clause */
#include "buffer.h"

#include <assert.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

void buffer_init(struct buffer *buffer, size_t capacity)
{
    *buffer = (struct buffer){.capacity = capacity, .data = malloc(capacity)};
    if (buffer->data == NULL)
        err(EXIT_FAILURE, "no memory for a buffer");
}

void buffer_release(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){.data = NULL};
}

char *buffer_room(struct buffer *buffer, size_t bytes)
{
    size_t held = buffer->end - buffer->start;

    if (buffer->capacity - buffer->end >= bytes)
        return buffer->data + buffer->end;

    memmove(buffer->data, buffer->data + buffer->start, held);
    buffer->start = 0;
    buffer->end = held;
    if (buffer->capacity - held < bytes) {
        buffer->capacity = 2 * (held + bytes);
        buffer->data = realloc(buffer->data, buffer->capacity);
        if (buffer->data == NULL)
            err(EXIT_FAILURE, "no memory for a buffer");
    }
    return buffer->data + held;
}

void buffer_add(struct buffer *buffer, size_t bytes)
{
    assert(bytes <= buffer->capacity - buffer->end);
    buffer->end += bytes;
}

/* An empty buffer starts over, so that short talks stay in the cache. */
void buffer_take(struct buffer *buffer, size_t bytes)
{
    assert(bytes <= buffer->end - buffer->start);
    buffer->start += bytes;
    if (buffer->start == buffer->end)
        buffer->start = buffer->end = 0;
}
