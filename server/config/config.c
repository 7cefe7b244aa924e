/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/config/config.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/address.h"
#include "server/config/options.h"

#define MEGABYTE (UINT64_C(1024) * 1024)
#define LINE_BYTES_MAX 4096
/* Files that read files that read files: somebody went in a circle. */
#define FILE_DEPTH_MAX 8
#define ADDRESS_FORMS "HOST, HOST:PORT, [IPV6]:PORT or *"
#define JOURNAL_MEGABYTES_DEFAULT_MAX 64

struct reading {
    struct config *config;
    char *error;
    unsigned depth;
    const char *file; /* being read, or NULL for the command line */
    unsigned line;
    const struct option_row *farm_row; /* given last that asks for a farm */
};

static enum config_result read_file(struct reading *reading, const char *path);

/* ---- errors ---- */

static enum config_result bad(const struct reading *reading, const char *format,
                              ...) __attribute__((format(printf, 2, 3)));

static enum config_result bad(const struct reading *reading, const char *format,
                              ...)
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

/* How people write the option: "-m, --memory-limit". */
static const char *written(const struct option_row *row, char to[64])
{
    if (row->letter != 0)
        snprintf(to, 64, "-%c (--%s)", row->letter, row->name);
    else
        snprintf(to, 64, "--%s", row->name);
    return to;
}

/* ---- values ---- */

static void *field(const struct reading *reading, const struct option_row *row)
{
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

static enum config_result set_number(const struct reading *reading,
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
        return bad(reading,
                   "option %s: '%.64s' will not do; give an octal "
                   "number from 0 to %llo",
                   written(row, name), text, (unsigned long long)row->most);
    return bad(reading,
               "option %s: '%.64s' will not do; give a number from %llu to "
               "%llu%s",
               written(row, name), text, (unsigned long long)row->least,
               (unsigned long long)row->most,
               row->kind == OPTION_BYTES ? " (k, m and g are understood)" : "");
}

static enum config_result set_text(const struct reading *reading,
                                   const struct option_row *row,
                                   const char *text)
{
    char name[64];
    const char **kept = field(reading, row);
    char *copy = strdup(text);

    if (copy == NULL)
        return bad(reading, "option %s: no memory", written(row, name));
    free((char *)*kept); /* of two the last one counts */
    *kept = copy;
    return CONFIG_OK;
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

static enum config_result set_name(const struct reading *reading,
                                   const struct option_row *row,
                                   const char *text)
{
    char name[64];

    if (is_name(row, text))
        return set_text(reading, row, text);
    return bad(reading,
               "option %s: '%.64s' will not do; give %llu to %llu letters, "
               "digits, - . or _%s",
               written(row, name), text, (unsigned long long)row->least,
               (unsigned long long)row->most,
               row->kind == OPTION_COLON_NAME ? " or :" : "");
}

static enum config_result set_choice(const struct reading *reading,
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
    return bad(reading, "option %s: '%.64s' will not do; give one of %s",
               written(row, name), text, row->argument);
}

static enum config_result check_address(const struct reading *reading,
                                        const struct option_row *row,
                                        const char *text)
{
    struct address address;
    char name[64];

    if (address_split(text, &address))
        return CONFIG_OK;
    return bad(reading,
               "option %s: '%.64s' is no address; give " ADDRESS_FORMS
               ", with a port from 1 to 65535",
               written(row, name), text);
}

/* Cuts `list` at its commas, and keeps what lies between. */
static enum config_result add_addresses(const struct reading *reading,
                                        const struct option_row *row,
                                        char *list)
{
    const char **addresses = field(reading, row);
    size_t *count = count_field(reading, row);
    char name[64];
    char *rest;

    for (char *one = strtok_r(list, ",", &rest); one != NULL;
         one = strtok_r(NULL, ",", &rest)) {
        if (check_address(reading, row, one) != CONFIG_OK)
            return CONFIG_BAD;
        if (*count == row->most)
            return bad(reading, "option %s: give at most %llu addresses",
                       written(row, name), (unsigned long long)row->most);
        addresses[(*count)++] = one;
    }
    if (*count < row->least)
        return bad(reading, "option %s: give an address: " ADDRESS_FORMS,
                   written(row, name));
    return CONFIG_OK;
}

static enum config_result set_addresses(const struct reading *reading,
                                        const struct option_row *row,
                                        const char *text)
{
    size_t *count = count_field(reading, row);
    size_t count_before = *count;
    char name[64];
    char *list = strdup(text);

    if (list == NULL)
        return bad(reading, "option %s: no memory", written(row, name));
    enum config_result result = add_addresses(reading, row, list);
    if (result != CONFIG_OK)
        *count = count_before;
    if (*count == count_before)
        free(list);
    return result;
}

static enum config_result set_option(struct reading *reading,
                                     const struct option_row *row,
                                     const char *text)
{
    char name[64];

    if (row->argument != NULL && (text == NULL || text[0] == '\0'))
        return bad(reading, "option %s needs an argument: %s",
                   written(row, name), row->argument);
    if (row->argument == NULL && text != NULL)
        return bad(reading, "option %s takes no argument; remove '%.64s'",
                   written(row, name), text);
    if (strncmp(row->name, "farm-", 5) == 0)
        reading->farm_row = row;
    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)field(reading, row) = true;
        return CONFIG_OK;
    case OPTION_COUNT:
        *(uint64_t *)field(reading, row) += 1;
        return CONFIG_OK;
    case OPTION_NUMBER:
    case OPTION_OCTAL:
    case OPTION_BYTES:
        return set_number(reading, row, text);
    case OPTION_TEXT:
        return set_text(reading, row, text);
    case OPTION_NAME:
    case OPTION_COLON_NAME:
        return set_name(reading, row, text);
    case OPTION_CHOICE:
        return set_choice(reading, row, text);
    case OPTION_ADDRESS:
        if (check_address(reading, row, text) != CONFIG_OK)
            return CONFIG_BAD;
        return set_text(reading, row, text);
    case OPTION_ADDRESSES:
        return set_addresses(reading, row, text);
    case OPTION_FILE:
        return read_file(reading, text);
    }
    assert(false); /* every kind has its case */
    return CONFIG_BAD;
}

/* ---- words ---- */

static const struct option_row *find_letter(char letter)
{
    for (size_t i = 0; i < option_rows_count; i++) {
        if (option_rows[i].letter != 0 && option_rows[i].letter == letter)
            return &option_rows[i];
    }
    return NULL;
}

static const struct option_row *find_name(const char *name, size_t length)
{
    for (size_t i = 0; i < option_rows_count; i++) {
        if (strlen(option_rows[i].name) == length &&
            memcmp(option_rows[i].name, name, length) == 0)
            return &option_rows[i];
    }
    return NULL;
}

static enum config_result unknown(const struct reading *reading,
                                  const char *word)
{
    return bad(reading,
               "option '%.64s' is not known; grapevined -h lists the options",
               word);
}

/* `--name`, `--name=value` or `--name value`; `used_next` tells of the
 * last. */
static enum config_result read_long(struct reading *reading, const char *word,
                                    const char *next, bool *used_next)
{
    const char *name = word + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    const struct option_row *row = find_name(name, length);

    if (row == NULL)
        return unknown(reading, word);
    *used_next = value == NULL && row->argument != NULL && next != NULL;
    return set_option(reading, row, *used_next ? next : value);
}

/* `-x`, `-xyz` for flags, `-xvalue` or `-x value`. */
static enum config_result read_letters(struct reading *reading,
                                       const char *word, const char *next,
                                       bool *used_next)
{
    for (const char *at = word + 1; *at != '\0'; at++) {
        const struct option_row *row = find_letter(*at);
        if (row == NULL)
            return unknown(reading, word);
        if (row->argument != NULL) {
            const char *value = at[1] != '\0' ? at + 1 : next;
            *used_next = at[1] == '\0' && next != NULL;
            return set_option(reading, row, value);
        }
        if (set_option(reading, row, NULL) != CONFIG_OK)
            return CONFIG_BAD;
    }
    return CONFIG_OK;
}

static enum config_result read_word(struct reading *reading, const char *word,
                                    const char *next, bool *used_next)
{
    *used_next = false;
    if (word[0] == '-' && word[1] == '-' && word[2] != '\0')
        return read_long(reading, word, next, used_next);
    if (word[0] == '-' && word[1] != '-' && word[1] != '\0')
        return read_letters(reading, word, next, used_next);
    return bad(reading,
               "'%.64s' is no option; options begin with - (grapevined -h "
               "lists them)",
               word);
}

/* ---- the file ---- */

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1]))
        end--;
    *end = '\0';
    return text;
}

/* One line: an option and, behind blanks, its argument. */
static enum config_result read_line(struct reading *reading, char *line)
{
    bool used_next;

    line = trim(line);
    if (line[0] == '\0' || line[0] == '#')
        return CONFIG_OK;
    char *argument = line + strcspn(line, " \t");
    if (*argument != '\0')
        *argument++ = '\0';
    argument = trim(argument);
    /* Debian's memcached.conf tells its wrapper where to log; ours logs to
     * the journal or syslog, and the line does no harm. */
    if (strcmp(line, "logfile") == 0)
        return CONFIG_OK;
    const char *next = argument[0] != '\0' ? argument : NULL;
    if (read_word(reading, line, next, &used_next) != CONFIG_OK)
        return CONFIG_BAD;
    if (next != NULL && !used_next)
        return bad(reading, "option '%.64s' takes no argument; remove '%.64s'",
                   line, next);
    return CONFIG_OK;
}

static enum config_result read_file(struct reading *reading, const char *path)
{
    struct reading inner = {.config = reading->config,
                            .error = reading->error,
                            .depth = reading->depth + 1,
                            .file = path,
                            .farm_row = reading->farm_row};
    char line[LINE_BYTES_MAX];
    enum config_result result = CONFIG_OK;

    if (inner.depth > FILE_DEPTH_MAX)
        return bad(reading,
                   "option --config: files read each other more than "
                   "%d deep; remove one of them",
                   FILE_DEPTH_MAX);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return bad(reading,
                   "option --config: cannot read '%.200s': %s; give "
                   "a file that this user can read",
                   path, strerror(errno));
    while (result == CONFIG_OK && fgets(line, sizeof(line), file) != NULL) {
        inner.line++;
        if (strlen(line) == sizeof(line) - 1 && line[sizeof(line) - 2] != '\n')
            result = bad(&inner, "the line is too long; at most %d bytes",
                         LINE_BYTES_MAX - 2);
        else
            result = read_line(&inner, line);
    }
    if (result == CONFIG_OK && ferror(file))
        result = bad(reading, "option --config: cannot read '%.200s': %s", path,
                     strerror(EIO));
    fclose(file);
    reading->farm_row = inner.farm_row;
    return result;
}

/* ---- all of it ---- */

static enum config_result set_defaults(struct reading *reading)
{
    for (size_t i = 0; i < option_rows_count; i++) {
        const struct option_row *row = &option_rows[i];
        /* A list of addresses only grows: its default comes last. */
        if (row->fallback == NULL || row->kind == OPTION_ADDRESSES)
            continue;
        if (set_option(reading, row, row->fallback) != CONFIG_OK)
            return CONFIG_BAD;
    }
    return CONFIG_OK;
}

static uint64_t journal_default(const struct config *config)
{
    uint64_t quarter = config->memory_megabytes / 4;

    if (quarter > JOURNAL_MEGABYTES_DEFAULT_MAX)
        return JOURNAL_MEGABYTES_DEFAULT_MAX;
    return quarter > 0 ? quarter : 1;
}

static enum config_result check_journal(struct reading *reading)
{
    struct config *config = reading->config;
    uint64_t wanted = config->farm_journal_megabytes;

    if (wanted > config->memory_megabytes / 2)
        return bad(reading,
                   "option --farm-journal: %llu MB is more than half of -m "
                   "(%llu MB); lower --farm-journal or raise -m",
                   (unsigned long long)wanted,
                   (unsigned long long)config->memory_megabytes);
    if (wanted == 0)
        config->farm_journal_megabytes = journal_default(config);
    return CONFIG_OK;
}

static enum config_result check_farm(struct reading *reading)
{
    struct config *config = reading->config;
    bool is_in_farm =
        config->farm_listen != NULL || config->farm_join_count > 0;

    if (!is_in_farm && reading->farm_row != NULL)
        return bad(reading,
                   "option --%s: this server is in no farm; give it also "
                   "--farm-listen or --farm-join",
                   reading->farm_row->name);
    for (size_t i = 0; i < config->farm_join_count; i++) {
        struct address address;
        if (!address_split(config->farm_join[i], &address) ||
            address.host[0] == '\0')
            return bad(reading,
                       "option --farm-join: '%.64s' is no single host; give "
                       "HOST, HOST:PORT or [IPV6]:PORT",
                       config->farm_join[i]);
    }
    return check_journal(reading);
}

static enum config_result check_together(struct reading *reading)
{
    struct config *config = reading->config;
    const struct option_row *listen = find_letter('l');

    if (config->item_bytes_max > config->memory_megabytes * MEGABYTE / 2)
        return bad(reading,
                   "option -I (--max-item-size): %llu bytes is more than half "
                   "of -m (%llu MB); lower -I or raise -m",
                   (unsigned long long)config->item_bytes_max,
                   (unsigned long long)config->memory_megabytes);
    if (check_farm(reading) != CONFIG_OK)
        return CONFIG_BAD;
    if (config->unix_socket == NULL && config->port == 0 &&
        config->listen_count == 0)
        return bad(reading, "option -p (--port): 0 leaves nothing to listen "
                            "on; give a port, or a unix socket with -s");
    if (config->listen_count == 0)
        return set_addresses(reading, listen, listen->fallback);
    return CONFIG_OK;
}

enum config_result config_read(struct config *config, int argc, char **argv,
                               char error[CONFIG_ERROR_BYTES])
{
    struct reading reading = {.config = config, .error = error};

    *config = (struct config){0};
    if (set_defaults(&reading) != CONFIG_OK)
        return CONFIG_BAD;
    reading.farm_row = NULL;
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        bool used_next;
        if (read_word(&reading, argv[i], next, &used_next) != CONFIG_OK)
            return CONFIG_BAD;
        i += used_next;
    }
    return check_together(&reading);
}

static void print_limits(FILE *to, const struct option_row *row)
{
    if (row->most == 0)
        return;
    switch (row->kind) {
    case OPTION_OCTAL:
        fprintf(to, " (0 to %llo)", (unsigned long long)row->most);
        break;
    case OPTION_ADDRESSES:
        fprintf(to, " (at most %llu)", (unsigned long long)row->most);
        break;
    case OPTION_NAME:
    case OPTION_COLON_NAME:
        fprintf(to, " (%llu to %llu letters, digits, - . _%s)",
                (unsigned long long)row->least, (unsigned long long)row->most,
                row->kind == OPTION_COLON_NAME ? " :" : "");
        break;
    default:
        fprintf(to, " (%llu to %llu)", (unsigned long long)row->least,
                (unsigned long long)row->most);
    }
}

static void print_row(FILE *to, const struct option_row *row)
{
    char left[64];
    int used =
        row->letter != 0
            ? snprintf(left, sizeof(left), "-%c, --%s", row->letter, row->name)
            : snprintf(left, sizeof(left), "    --%s", row->name);

    if (row->argument != NULL)
        snprintf(left + used, sizeof(left) - (size_t)used, "=%s",
                 row->argument);
    fprintf(to, "%-37s %s", left, row->help);
    print_limits(to, row);
    if (row->fallback != NULL)
        fprintf(to, " [default: %s]", row->fallback);
    fputc('\n', to);
}

void config_print_help(FILE *to)
{
    for (size_t i = 0; i < option_rows_count; i++)
        print_row(to, &option_rows[i]);
}
