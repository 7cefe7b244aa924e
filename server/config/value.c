/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Value: what stands behind an option, by its kind.
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/endpoint.h"
#include "server/config/reading.h"

#define PORT_MAX 65535
#define MEGABYTE (UINT64_C(1024) * 1024)
/* Of a key, and a star. */
#define PATTERN_BYTES_MAX 251
#define ADDRESS_FORMS "HOST, HOST:PORT, [IPV6]:PORT or *"

enum config_result reading_bad(const struct reading *reading,
                               const char *format, ...)
{
    size_t used = 0;
    va_list arguments;

    if (reading->file != NULL) {
        int length = snprintf(reading->error, CONFIG_ERROR_BYTES,
                              "%.200s line %u: ", reading->file, reading->line);
        used = length > 0 ? (size_t)length : 0;
    }
    va_start(arguments, format);
    vsnprintf(reading->error + used, CONFIG_ERROR_BYTES - used, format,
              arguments);
    va_end(arguments);
    return CONFIG_BAD;
}

static void *field(struct reading *reading, const struct option_row *row)
{
    if (row->standing != OPTION_WORKS && row->offset == 0)
        return &reading->idle;
    return (char *)reading->config + row->offset;
}

static size_t *count_field(const struct reading *reading,
                           const struct option_row *row)
{
    return (size_t *)((char *)reading->config + row->count_offset);
}

static uint64_t unit_bytes(int letter)
{
    switch (letter) {
    case 'k':
    case 'K':
        return 1024;
    case 'm':
    case 'M':
        return MEGABYTE;
    case 'g':
    case 'G':
        return 1024 * MEGABYTE;
    default:
        return 0;
    }
}

static bool parse_number(const char *text, enum option_kind kind,
                         uint64_t *value)
{
    char *end;

    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    *value = strtoull(text, &end, kind == OPTION_OCTAL ? 8 : 10);
    if (errno != 0)
        return false;
    if (kind == OPTION_BYTES && unit_bytes(*end) != 0) {
        if (*value > UINT64_MAX / unit_bytes(*end))
            return false;
        *value *= unit_bytes(*end);
        end++;
    }
    return *end == '\0';
}

static enum config_result set_number(struct reading *reading,
                                     const struct option_row *row,
                                     const char *text)
{
    char name[64];
    uint64_t value;

    if (parse_number(text, row->kind, &value) && value >= row->least &&
        value <= row->most) {
        *(uint64_t *)field(reading, row) = value;
        return CONFIG_OK;
    }
    if (row->kind == OPTION_OCTAL)
        return reading_bad(reading,
                           "option %s: '%.64s' will not do; give an octal "
                           "number from 0 to %llo",
                           option_written(row, name), text,
                           (unsigned long long)row->most);
    return reading_bad(
        reading,
        "option %s: '%.64s' will not do; give a number from %llu to "
        "%llu%s",
        option_written(row, name), text, (unsigned long long)row->least,
        (unsigned long long)row->most,
        row->kind == OPTION_BYTES ? " (k, m and g are understood)" : "");
}

static enum config_result set_port(struct reading *reading,
                                   const struct option_row *row,
                                   const char *text)
{
    char name[64];
    uint64_t value;

    if (strcmp(text, "-1") == 0)
        value = CONFIG_PORT_ANY;
    else if (!parse_number(text, row->kind, &value) || value > PORT_MAX)
        return reading_bad(reading,
                           "option %s: '%.64s' will not do; give a number from "
                           "0 to %d, or -1",
                           option_written(row, name), text, PORT_MAX);
    *(uint64_t *)field(reading, row) = value;
    return CONFIG_OK;
}

/* Digits, and behind a point up to three that count. */
static bool parse_fraction(const char *text, uint64_t *thousandths)
{
    char *end;
    uint64_t unit = 1000;

    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    *thousandths = strtoull(text, &end, 10);
    if (errno != 0 || *thousandths > UINT64_MAX / 1000 - 1)
        return false;
    *thousandths *= 1000;
    if (*end == '.')
        end++;
    for (; isdigit((unsigned char)*end); end++) {
        unit /= 10;
        *thousandths += (uint64_t)(*end - '0') * unit;
    }
    return *end == '\0';
}

const char *value_format_fraction(uint64_t thousandths, char to[32])
{
    snprintf(to, 32, "%llu.%03llu", (unsigned long long)(thousandths / 1000),
             (unsigned long long)(thousandths % 1000));
    char *end = to + strlen(to);
    while (end[-1] == '0')
        *--end = '\0';
    if (end[-1] == '.')
        *--end = '\0';
    return to;
}

static enum config_result set_fraction(struct reading *reading,
                                       const struct option_row *row,
                                       const char *text)
{
    char name[64];
    char least[32];
    char most[32];
    uint64_t value;

    if (parse_fraction(text, &value) && value >= row->least &&
        value <= row->most) {
        *(uint64_t *)field(reading, row) = value;
        return CONFIG_OK;
    }
    return reading_bad(reading,
                       "option %s: '%.64s' will not do; give a number from %s "
                       "to %s",
                       option_written(row, name), text,
                       value_format_fraction(row->least, least),
                       value_format_fraction(row->most, most));
}

/* Numbers that rise, with a dash between two. */
static bool are_sizes(const char *text)
{
    unsigned long long before = 0;

    for (;;) {
        char *end;
        if (!isdigit((unsigned char)text[0]))
            return false;
        errno = 0;
        unsigned long long size = strtoull(text, &end, 10);
        if (errno != 0 || size <= before)
            return false;
        if (*end == '\0')
            return true;
        if (*end != '-')
            return false;
        before = size;
        text = end + 1;
    }
}

static enum config_result check_sizes(const struct reading *reading,
                                      const struct option_row *row,
                                      const char *text)
{
    char name[64];

    if (are_sizes(text))
        return CONFIG_OK;
    return reading_bad(reading,
                       "option %s: '%.64s' will not do; give numbers that "
                       "rise, with - between them",
                       option_written(row, name), text);
}

static enum config_result set_text(struct reading *reading,
                                   const struct option_row *row,
                                   const char *text)
{
    char name[64];
    const char **kept = field(reading, row);
    char *copy = strdup(text);

    if (copy == NULL)
        return reading_bad(reading, "option %s: no memory",
                           option_written(row, name));
    free((char *)*kept); /* of two the last one counts */
    *kept = copy;
    return CONFIG_OK;
}

static enum config_result set_character(struct reading *reading,
                                        const struct option_row *row,
                                        const char *text)
{
    char name[64];

    if (strlen(text) == 1)
        return set_text(reading, row, text);
    return reading_bad(reading,
                       "option %s: '%.64s' will not do; give one character",
                       option_written(row, name), text);
}

static bool is_name(const struct option_row *row, const char *text)
{
    size_t length = strlen(text);

    if (length < row->least || length > row->most)
        return false;
    for (; *text != '\0'; text++) {
        if (!isalnum((unsigned char)*text) && strchr("-._", *text) == NULL &&
            !(*text == ':' && row->kind == OPTION_COLON_NAME))
            return false;
    }
    return true;
}

static enum config_result set_name(struct reading *reading,
                                   const struct option_row *row,
                                   const char *text)
{
    char name[64];

    if (is_name(row, text))
        return set_text(reading, row, text);
    return reading_bad(
        reading,
        "option %s: '%.64s' will not do; give %llu to %llu letters, "
        "digits, - . or _%s",
        option_written(row, name), text, (unsigned long long)row->least,
        (unsigned long long)row->most,
        row->kind == OPTION_COLON_NAME ? " or :" : "");
}

static enum config_result set_choice(struct reading *reading,
                                     const struct option_row *row,
                                     const char *text)
{
    const char *word = row->argument;
    size_t length = strlen(text);
    char name[64];

    for (uint64_t place = 0; word[0] != '\0'; place++) {
        size_t word_length = strcspn(word, "|");
        if (word_length == length && memcmp(word, text, length) == 0) {
            *(uint64_t *)field(reading, row) = place;
            return CONFIG_OK;
        }
        word += word_length;
        word += word[0] == '|';
    }
    return reading_bad(reading,
                       "option %s: '%.64s' will not do; give one of %s",
                       option_written(row, name), text, row->argument);
}

static enum config_result check_address(const struct reading *reading,
                                        const struct option_row *row,
                                        const char *text)
{
    struct address address;
    struct endpoint endpoint;
    char name[64];

    if (row->kind == OPTION_ENDPOINTS) {
        const char *wrong = endpoint_parse(text, &endpoint);
        return wrong == NULL
                   ? CONFIG_OK
                   : reading_bad(reading, "option %s: '%.64s' %s",
                                 option_written(row, name), text, wrong);
    }
    if (address_split(text, &address))
        return CONFIG_OK;
    return reading_bad(reading,
                       "option %s: '%.64s' is no address; give " ADDRESS_FORMS
                       ", with a port from 1 to 65535",
                       option_written(row, name), text);
}

/* Cuts `list` at its commas, and keeps what lies between. */
static enum config_result
add_addresses(struct reading *reading, const struct option_row *row, char *list)
{
    const char **addresses = field(reading, row);
    size_t *count = count_field(reading, row);
    const char *separators = row->kind == OPTION_ENDPOINTS ? ",;" : ",";
    char name[64];
    char *rest;

    for (char *one = strtok_r(list, separators, &rest); one != NULL;
         one = strtok_r(NULL, separators, &rest)) {
        if (check_address(reading, row, one) != CONFIG_OK)
            return CONFIG_BAD;
        if (*count == row->most)
            return reading_bad(
                reading, "option %s: give at most %llu addresses",
                option_written(row, name), (unsigned long long)row->most);
        addresses[(*count)++] = one;
    }
    if (*count < row->least)
        return reading_bad(reading,
                           "option %s: give an address: " ADDRESS_FORMS,
                           option_written(row, name));
    return CONFIG_OK;
}

static enum config_result set_addresses(struct reading *reading,
                                        const struct option_row *row,
                                        const char *text)
{
    size_t *count = count_field(reading, row);
    size_t count_before = *count;
    char name[64];
    char *list = strdup(text);

    if (list == NULL)
        return reading_bad(reading, "option %s: no memory",
                           option_written(row, name));
    enum config_result result = add_addresses(reading, row, list);
    if (result != CONFIG_OK)
        *count = count_before;
    if (*count == count_before)
        free(list);
    return result;
}

/* Of a key, with one star before or behind it. */
static bool is_pattern(const char *text)
{
    const char *star = strchr(text, '*');

    for (const char *at = text; *at != '\0'; at++) {
        if (!isgraph((unsigned char)*at))
            return false;
    }
    return strlen(text) <= PATTERN_BYTES_MAX &&
           (star == NULL || star[1] == '\0' ||
            (star == text && strchr(text + 1, '*') == NULL));
}

/* Cuts `list` at its commas, and keeps what lies between. */
static enum config_result add_patterns(struct reading *reading,
                                       const struct option_row *row, char *list)
{
    const char **patterns = field(reading, row);
    size_t *count = count_field(reading, row);
    char name[64];
    char *rest;

    for (char *one = strtok_r(list, ",", &rest); one != NULL;
         one = strtok_r(NULL, ",", &rest)) {
        if (!is_pattern(one))
            return reading_bad(reading,
                               "option %s: '%.64s' will not do; give keys of "
                               "at most %d bytes, with one * at the start or "
                               "the end for whatever may be there",
                               option_written(row, name), one,
                               PATTERN_BYTES_MAX);
        if (*count == row->most)
            return reading_bad(reading, "option %s: give at most %llu patterns",
                               option_written(row, name),
                               (unsigned long long)row->most);
        patterns[(*count)++] = one;
    }
    return CONFIG_OK;
}

/* What is given first takes the place of the default. */
static enum config_result set_patterns(struct reading *reading,
                                       const struct option_row *row,
                                       const char *text)
{
    char name[64];
    char *list = strdup(text);

    if (list == NULL)
        return reading_bad(reading, "option %s: no memory",
                           option_written(row, name));
    if (!reading->has_patterns)
        *count_field(reading, row) = 0;
    reading->has_patterns = true;
    return add_patterns(reading, row, list);
}

enum config_result value_set(struct reading *reading,
                             const struct option_row *row, const char *text)
{
    switch (row->kind) {
    case OPTION_FLAG:
    case OPTION_OFF:
        *(bool *)field(reading, row) = row->kind == OPTION_FLAG;
        return CONFIG_OK;
    case OPTION_COUNT:
        *(uint64_t *)field(reading, row) += 1;
        return CONFIG_OK;
    case OPTION_NUMBER:
    case OPTION_OCTAL:
    case OPTION_BYTES:
        return set_number(reading, row, text);
    case OPTION_PORT:
        return set_port(reading, row, text);
    case OPTION_FRACTION:
        return set_fraction(reading, row, text);
    case OPTION_TEXT:
        return set_text(reading, row, text);
    case OPTION_CHARACTER:
        return set_character(reading, row, text);
    case OPTION_NAME:
    case OPTION_COLON_NAME:
        return set_name(reading, row, text);
    case OPTION_CHOICE:
        return set_choice(reading, row, text);
    case OPTION_SIZES:
        return check_sizes(reading, row, text);
    case OPTION_ADDRESS:
        if (check_address(reading, row, text) != CONFIG_OK)
            return CONFIG_BAD;
        return set_text(reading, row, text);
    case OPTION_ADDRESSES:
    case OPTION_ENDPOINTS:
        return set_addresses(reading, row, text);
    case OPTION_PATTERNS:
        return set_patterns(reading, row, text);
    case OPTION_WORDS:
    case OPTION_PRESET:
    case OPTION_FILE:
        break;
    }
    assert(false); /* the caller's, or no kind at all */
    return CONFIG_BAD;
}
