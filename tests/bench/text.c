/* SPDX-License-Identifier: BSD-3-Clause */
/* The text protocol: memcached's doc/protocol.txt. */
#include <stdio.h>
#include <string.h>

#include "key.h"
#include "protocol.h"
#include "reading.h"
#include "value.h"

#define SET_LINE_BYTES_MAX (KEY_BYTES_MAX + 64)

static void get_write(const struct request *request, size_t key_bytes,
                      struct buffer *out)
{
    size_t bytes = 3 + request->keys_count * (1 + key_bytes) + 2;
    char *at = buffer_room(out, bytes);

    at = mempcpy(at, "get", 3);
    for (unsigned i = 0; i < request->keys_count; i++) {
        *at++ = ' ';
        key_format(request->keys[i], key_bytes, at);
        at += key_bytes;
    }
    memcpy(at, "\r\n", 2);
    buffer_add(out, bytes);
}

static void set_write(const struct request *request, size_t key_bytes,
                      struct buffer *out)
{
    char *start =
        buffer_room(out, SET_LINE_BYTES_MAX + request->value_bytes + 2);
    char *at = mempcpy(start, "set ", 4);

    key_format(request->keys[0], key_bytes, at);
    at += key_bytes;
    at += sprintf(at, " 0 0 %zu\r\n", request->value_bytes);
    value_fill(request->keys[0], at, request->value_bytes);
    at = mempcpy(at + request->value_bytes, "\r\n", 2);
    buffer_add(out, (size_t)(at - start));
}

/* VALUE <key> <flags> <bytes>\r\n<value>\r\n; nobody asked for a cas. */
static struct response value_read(const char *bytes, size_t length,
                                  size_t line_bytes)
{
    const struct response broken = {.used = line_bytes, .is_broken = true};
    struct response response = {.has_value = true, .key = bytes + 6};
    const char *value = bytes + line_bytes;
    const char *at = memchr(response.key, ' ', line_bytes - 6);
    size_t flags;

    if (at == NULL)
        return broken;
    response.key_bytes = (size_t)(at++ - response.key);
    if (!reading_number(&at, value, ' ', &flags) || flags != 0 ||
        !reading_number(&at, value, '\r', &response.value_bytes) ||
        at + 1 != value)
        return broken;

    if (length - line_bytes < response.value_bytes + 2)
        return (struct response){.used = 0};
    if (memcmp(value + response.value_bytes, "\r\n", 2) != 0)
        return broken;
    response.value = value;
    response.used = line_bytes + response.value_bytes + 2;
    return response;
}

static struct response response_read(const char *bytes, size_t length)
{
    struct response response = reading_line(bytes, length);

    if (response.used == 0 || response.is_broken || response.is_error)
        return response;
    if (reading_starts_with(bytes, response.used, "VALUE "))
        return value_read(bytes, length, response.used);
    response.is_stored =
        reading_starts_with(bytes, response.used, "STORED\r\n");
    response.is_broken = !response.is_stored &&
                         !reading_starts_with(bytes, response.used, "END\r\n");
    return response;
}

const struct protocol protocol_text = {
    .name = "text",
    .get_write = get_write,
    .set_write = set_write,
    .read = response_read,
};
