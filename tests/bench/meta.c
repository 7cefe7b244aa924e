/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The meta commands: memcached's doc/protocol.txt.
 *
 * Gets ask for key and value.  For many keys each is quiet and carries an
 * opaque, by which its reply is known to be followed by others; a noop behind
 * them shows that the last has been answered.
 */
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
    bool is_quiet = request->keys_count > 1;
    const char *flags = is_quiet ? " k q v O+\r\n" : " k v\r\n";
    size_t line_bytes = 3 + key_bytes + strlen(flags);
    char *start = buffer_room(out, request->keys_count * line_bytes + 4);
    char *at = start;

    for (unsigned i = 0; i < request->keys_count; i++) {
        at = mempcpy(at, "mg ", 3);
        key_format(request->keys[i], key_bytes, at);
        at = mempcpy(at + key_bytes, flags, strlen(flags));
    }
    if (is_quiet)
        at = mempcpy(at, "mn\r\n", 4);
    buffer_add(out, (size_t)(at - start));
}

static void set_write(const struct request *request, size_t key_bytes,
                      struct buffer *out)
{
    char *start =
        buffer_room(out, SET_LINE_BYTES_MAX + request->value_bytes + 2);
    char *at = mempcpy(start, "ms ", 3);

    key_format(request->keys[0], key_bytes, at);
    at += key_bytes;
    at += sprintf(at, " %zu\r\n", request->value_bytes);
    value_fill(request->keys[0], at, request->value_bytes);
    at = mempcpy(at + request->value_bytes, "\r\n", 2);
    buffer_add(out, (size_t)(at - start));
}

/* VA <bytes> k<key>[ O+]\r\n<value>\r\n */
static struct response value_read(const char *bytes, size_t length,
                                  size_t line_bytes)
{
    const struct response broken = {.used = line_bytes, .is_broken = true};
    struct response response = {.has_value = true};
    const char *at = bytes + 3;
    const char *value = bytes + line_bytes;

    if (!reading_number(&at, value, ' ', &response.value_bytes) || *at++ != 'k')
        return broken;
    response.key = at;
    while (*at != ' ' && *at != '\r' && *at != '\n')
        at++;
    response.key_bytes = (size_t)(at - response.key);
    response.is_last = *at != ' ';

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
    if (reading_starts_with(bytes, response.used, "VA "))
        return value_read(bytes, length, response.used);
    response.is_stored = reading_starts_with(bytes, response.used, "HD\r\n");
    response.is_broken = !response.is_stored &&
                         !reading_starts_with(bytes, response.used, "EN") &&
                         !reading_starts_with(bytes, response.used, "MN\r\n");
    return response;
}

const struct protocol protocol_meta = {
    .name = "meta",
    .get_write = get_write,
    .set_write = set_write,
    .read = response_read,
};
