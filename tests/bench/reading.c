/* SPDX-License-Identifier: BSD-3-Clause */
#include "reading.h"

#include <string.h>

#include "value.h"

/* Longer than any line a server has reason to send. */
#define LINE_BYTES_MAX 2048

bool reading_starts_with(const char *line, size_t length, const char *word)
{
    size_t word_bytes = strlen(word);

    return length >= word_bytes && memcmp(line, word, word_bytes) == 0;
}

bool reading_number(const char **at, const char *end, char follower,
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

struct response reading_line(const char *bytes, size_t length)
{
    static const char *const refusals[] = {"ERROR\r\n", "CLIENT_ERROR ",
                                           "SERVER_ERROR ", "NOT_STORED\r\n",
                                           "NS\r\n"};
    struct response response = {.is_last = true};
    const char *newline = memchr(bytes, '\n', length);

    if (newline == NULL) {
        response.is_broken = length > LINE_BYTES_MAX;
        response.used = response.is_broken ? length : 0;
        return response;
    }
    response.used = (size_t)(newline - bytes) + 1;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        response.is_error |=
            reading_starts_with(bytes, response.used, refusals[i]);
    return response;
}
