/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/config/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/address.h"
#include "server/config/reading.h"

#define MEGABYTE (UINT64_C(1024) * 1024)
#define LINE_BYTES_MAX 4096
/* Files that read files that read files: somebody went in a circle. */
#define FILE_DEPTH_MAX 8
#define LRU_PERCENT_MAX 80
#define JOURNAL_MEGABYTES_DEFAULT_MAX 64

static enum config_result read_file(struct reading *reading, const char *path);
static enum config_result read_extended(struct reading *reading,
                                        const char *text);

/* ---- words ---- */

static const struct option_row *find_letter(char letter)
{
    for (size_t i = 0; i < option_rows_count; i++) {
        if (option_rows[i].letter != 0 && option_rows[i].letter == letter)
            return &option_rows[i];
    }
    return NULL;
}

/* A row whose name ends in * goes by what is before it. */
static bool is_named(const struct option_row *row, const char *name,
                     size_t length)
{
    if (row->name == NULL)
        return false;
    size_t named = strlen(row->name);
    if (row->name[named - 1] == '*')
        return length >= named - 1 && memcmp(row->name, name, named - 1) == 0;
    return length == named && memcmp(row->name, name, length) == 0;
}

static const struct option_row *find_name(const struct option_row *rows,
                                          size_t count, const char *name,
                                          size_t length)
{
    for (size_t i = 0; i < count; i++) {
        if (is_named(&rows[i], name, length))
            return &rows[i];
    }
    return NULL;
}

static enum config_result set_option(struct reading *reading,
                                     const struct option_row *row,
                                     const char *text)
{
    char name[64];

    if (row->refusal != NULL)
        return reading_bad(reading, "option %s: %s", option_written(row, name),
                           row->refusal);
    bool is_empty =
        text == NULL || (text[0] == '\0' && row->kind != OPTION_PATTERNS);
    if (row->argument != NULL && is_empty) {
        if (row->argument[0] == '[')
            return value_set(reading, row, row->fallback);
        return reading_bad(reading, "option %s needs an argument: %s",
                           option_written(row, name), row->argument);
    }
    if (row->argument == NULL && text != NULL)
        return reading_bad(reading,
                           "option %s takes no argument; remove '%.64s'",
                           option_written(row, name), text);
    if (row->name != NULL && strncmp(row->name, "farm-", 5) == 0)
        reading->farm_row = row;
    if (row->letter == 'B')
        reading->has_protocol = true;
    if (row->kind == OPTION_FILE)
        return read_file(reading, text);
    if (row->kind == OPTION_WORDS)
        return read_extended(reading, text);
    if (row->kind == OPTION_PRESET)
        return read_extended(reading, row->fallback);
    return value_set(reading, row, text);
}

/* `name` or `name=value`. */
static enum config_result read_extended_word(struct reading *reading,
                                             const char *word)
{
    size_t length = strcspn(word, "=");
    const struct option_row *row =
        find_name(word_rows, word_rows_count, word, length);

    if (row == NULL)
        return reading_bad(reading,
                           "option -o (--extended): '%.64s' is not known; "
                           "grapevined -h lists the words",
                           word);
    return set_option(reading, row,
                      word[length] == '=' ? word + length + 1 : NULL);
}

/* Words with commas between them; no value has a comma in it. */
static enum config_result read_extended(struct reading *reading,
                                        const char *text)
{
    enum config_result result = CONFIG_OK;
    char *list = strdup(text);
    char *rest;

    if (list == NULL)
        return reading_bad(reading, "option -o (--extended): no memory");
    for (char *word = strtok_r(list, ",", &rest);
         word != NULL && result == CONFIG_OK; word = strtok_r(NULL, ",", &rest))
        result = read_extended_word(reading, word);
    free(list);
    return result;
}

static enum config_result unknown(const struct reading *reading,
                                  const char *word)
{
    return reading_bad(
        reading, "option '%.64s' is not known; grapevined -h lists the options",
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
    const struct option_row *row =
        find_name(option_rows, option_rows_count, name, length);

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
    return reading_bad(
        reading,
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
        return reading_bad(reading,
                           "option '%.64s' takes no argument; remove '%.64s'",
                           line, next);
    return CONFIG_OK;
}

static enum config_result read_file(struct reading *reading, const char *path)
{
    struct reading inner = {.config = reading->config,
                            .error = reading->error,
                            .depth = reading->depth + 1,
                            .file = path,
                            .farm_row = reading->farm_row,
                            .has_protocol = reading->has_protocol,
                            .has_patterns = reading->has_patterns};
    char line[LINE_BYTES_MAX];
    enum config_result result = CONFIG_OK;

    if (inner.depth > FILE_DEPTH_MAX)
        return reading_bad(reading,
                           "option --config: files read each other more than "
                           "%d deep; remove one of them",
                           FILE_DEPTH_MAX);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return reading_bad(reading,
                           "option --config: cannot read '%.200s': %s; give "
                           "a file that this user can read",
                           path, strerror(errno));
    while (result == CONFIG_OK && fgets(line, sizeof(line), file) != NULL) {
        inner.line++;
        if (strlen(line) == sizeof(line) - 1 && line[sizeof(line) - 2] != '\n')
            result =
                reading_bad(&inner, "the line is too long; at most %d bytes",
                            LINE_BYTES_MAX - 2);
        else
            result = read_line(&inner, line);
    }
    if (result == CONFIG_OK && ferror(file))
        result =
            reading_bad(reading, "option --config: cannot read '%.200s': %s",
                        path, strerror(EIO));
    fclose(file);
    reading->farm_row = inner.farm_row;
    reading->has_protocol = inner.has_protocol;
    reading->has_patterns = inner.has_patterns;
    return result;
}

/* ---- all of it ---- */

static enum config_result set_defaults(struct reading *reading,
                                       const struct option_row *rows,
                                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct option_row *row = &rows[i];
        /* A list of addresses only grows: its default comes last. */
        if (row->fallback == NULL || row->kind == OPTION_PRESET ||
            row->kind == OPTION_ADDRESSES || row->kind == OPTION_ENDPOINTS)
            continue;
        if (value_set(reading, row, row->fallback) != CONFIG_OK)
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
        return reading_bad(
            reading,
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
        return reading_bad(
            reading,
            "option --%s: this server is in no farm; give it also "
            "--farm-listen or --farm-join",
            reading->farm_row->name);
    for (size_t i = 0; i < config->farm_join_count; i++) {
        struct address address;
        if (!address_split(config->farm_join[i], &address) ||
            address.host[0] == '\0')
            return reading_bad(
                reading,
                "option --farm-join: '%.64s' is no single host; give "
                "HOST, HOST:PORT or [IPV6]:PORT",
                config->farm_join[i]);
    }
    if (encryption_check_farm(reading) != CONFIG_OK)
        return CONFIG_BAD;
    return check_journal(reading);
}

/* As memcached has it, though nothing follows from them. */
static enum config_result check_idle(const struct reading *reading)
{
    const struct config *config = reading->config;
    uint64_t hot_percent = config->tuning.hot_percent;
    uint64_t warm_percent = config->tuning.warm_percent;

    if (config->napi_ids > config->threads)
        return reading_bad(reading,
                           "option -N (--napi-ids): %llu is more than -t "
                           "(%llu); lower -N or raise -t",
                           (unsigned long long)config->napi_ids,
                           (unsigned long long)config->threads);
    if (hot_percent + warm_percent > LRU_PERCENT_MAX)
        return reading_bad(reading,
                           "option -o hot_lru_pct and warm_lru_pct: %llu and "
                           "%llu are more than %d together; lower one of them",
                           (unsigned long long)hot_percent,
                           (unsigned long long)warm_percent, LRU_PERCENT_MAX);
    return CONFIG_OK;
}

static enum config_result check_together(struct reading *reading)
{
    struct config *config = reading->config;
    const struct option_row *listen = find_letter('l');

    if (config->item_bytes_max > config->memory_megabytes * MEGABYTE / 2)
        return reading_bad(
            reading,
            "option -I (--max-item-size): %llu bytes is more than half "
            "of -m (%llu MB); lower -I or raise -m",
            (unsigned long long)config->item_bytes_max,
            (unsigned long long)config->memory_megabytes);
    if (config->udp_port != 0)
        return reading_bad(reading,
                           "option -U (--udp-port): there is no UDP, as forged "
                           "requests would have it flood others; give 0");
    if (identity_check(reading) != CONFIG_OK ||
        check_idle(reading) != CONFIG_OK || check_farm(reading) != CONFIG_OK ||
        encryption_check(reading) != CONFIG_OK)
        return CONFIG_BAD;
    if (config->unix_socket == NULL && config->port == 0 &&
        config->listen_count == 0)
        return reading_bad(reading,
                           "option -p (--port): 0 leaves nothing to listen "
                           "on; give a port, or a unix socket with -s");
    if (config->listen_count == 0)
        return value_set(reading, listen, listen->fallback);
    return CONFIG_OK;
}

enum config_result config_read(struct config *config, int argc, char **argv,
                               char error[CONFIG_ERROR_BYTES])
{
    struct reading reading = {.config = config, .error = error};

    *config = (struct config){0};
    if (set_defaults(&reading, option_rows, option_rows_count) != CONFIG_OK ||
        set_defaults(&reading, word_rows, word_rows_count) != CONFIG_OK)
        return CONFIG_BAD;
    reading.farm_row = NULL;
    reading.has_patterns = false;
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        bool used_next;
        if (read_word(&reading, argv[i], next, &used_next) != CONFIG_OK)
            return CONFIG_BAD;
        i += used_next;
    }
    return check_together(&reading);
}
