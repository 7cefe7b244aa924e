/* SPDX-License-Identifier: BSD-3-Clause */
/* The text protocol: memcached's doc/protocol.txt. */
#include <stdio.h>
#include <string.h>

#include "key.h"
#include "protocol.h"
#include "value.h"

/* Longer than any line a server has reason to send. */
#define LINE_BYTES_MAX 2048

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

static bool starts_with(const char *line, size_t length, const char *word)
{
    size_t word_bytes = strlen(word);

    return length >= word_bytes && memcmp(line, word, word_bytes) == 0;
}

/* A number and the one byte that has to follow it; false if they do not. */
static bool number_read(const char **at, const char *end, char follower,
                        size_t *number)
{
    const char *start = *at;

    for (*number = 0; *at < end && **at >= '0' && **at <= '9'; (*at)++) {
        if (*number > VALUE_BYTES_MAX)
            return false;
        *number = *number * 10 + (size_t)(**at - '0');
    }
    return *at > start && *at < end && *(*at)++ == follower;
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
    if (!number_read(&at, value, ' ', &flags) || flags != 0 ||
        !number_read(&at, value, '\r', &response.value_bytes) ||
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
    struct response response = {.is_last = true};
    const char *newline = memchr(bytes, '\n', length);

    if (newline == NULL) {
        response.is_broken = length > LINE_BYTES_MAX;
        response.used = response.is_broken ? length : 0;
        return response;
    }

    response.used = (size_t)(newline - bytes) + 1;
    if (starts_with(bytes, response.used, "VALUE "))
        return value_read(bytes, length, response.used);
    if (starts_with(bytes, response.used, "STORED\r\n"))
        response.is_stored = true;
    else if (starts_with(bytes, response.used, "ERROR\r\n") ||
             starts_with(bytes, response.used, "CLIENT_ERROR ") ||
             starts_with(bytes, response.used, "SERVER_ERROR ") ||
             starts_with(bytes, response.used, "NOT_STORED\r\n"))
        response.is_error = true;
    else if (!starts_with(bytes, response.used, "END\r\n"))
        response.is_broken = true;
    return response;
}

const struct protocol protocol_text = {
    .name = "text",
    .get_write = get_write,
    .set_write = set_write,
    .read = response_read,
};
