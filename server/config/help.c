/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Help: the tables of options as people read them, printed by -h or in the
 * manual.
 */
#include <stdio.h>
#include <string.h>

#include "server/config/reading.h"

/* "2 to 16777216", or nothing where there is no limit. */
static void format_limits(const struct option_row *row, char *to, size_t bytes)
{
    char least[32];
    char most[32];

    to[0] = '\0';
    if (row->most == 0)
        return;
    switch (row->kind) {
    case OPTION_OCTAL:
        snprintf(to, bytes, "0 to %llo", (unsigned long long)row->most);
        break;
    case OPTION_ADDRESSES:
    case OPTION_ENDPOINTS:
    case OPTION_PATTERNS:
        snprintf(to, bytes, "at most %llu", (unsigned long long)row->most);
        break;
    case OPTION_NAME:
    case OPTION_COLON_NAME:
        snprintf(to, bytes, "%llu to %llu letters, digits, - . _%s",
                 (unsigned long long)row->least, (unsigned long long)row->most,
                 row->kind == OPTION_COLON_NAME ? " :" : "");
        break;
    case OPTION_FRACTION:
        snprintf(to, bytes, "%s to %s",
                 value_format_fraction(row->least, least),
                 value_format_fraction(row->most, most));
        break;
    default:
        snprintf(to, bytes, "%llu to %llu", (unsigned long long)row->least,
                 (unsigned long long)row->most);
    }
}

/* "-m, --memory-limit=MB" */
static void format_left(const struct option_row *row, char to[64])
{
    int used;

    if (option_is_word(row))
        used = snprintf(to, 64, "    %s", row->name);
    else if (row->name == NULL)
        used = snprintf(to, 64, "-%c", row->letter);
    else if (row->letter == 0)
        used = snprintf(to, 64, "    --%s", row->name);
    else
        used = snprintf(to, 64, "-%c, --%s", row->letter, row->name);
    if (row->argument == NULL)
        return;
    if (row->argument[0] == '[')
        snprintf(to + used, 64 - (size_t)used, "[=%s", row->argument + 1);
    else
        snprintf(to + used, 64 - (size_t)used, "%s%s",
                 row->name == NULL ? " " : "=", row->argument);
}

static void print_row(FILE *to, const struct option_row *row)
{
    char left[64];
    char limits[96];

    format_left(row, left);
    format_limits(row, limits, sizeof(limits));
    fprintf(to, "%-37s %s", left, row->help);
    if (limits[0] != '\0')
        fprintf(to, " (%s)", limits);
    if (row->fallback != NULL)
        fprintf(to, " [%s: %s]",
                row->kind == OPTION_PRESET ? "stands for" : "default",
                row->fallback);
    fputc('\n', to);
}

static void print_rows(FILE *to, const struct option_row *rows, size_t count,
                       enum option_standing standing)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].refusal == NULL && rows[i].standing == standing)
            print_row(to, &rows[i]);
    }
}

void config_print_help(FILE *to)
{
    print_rows(to, option_rows, option_rows_count, OPTION_WORKS);
    fputs("\nWords of -o:\n", to);
    print_rows(to, word_rows, word_rows_count, OPTION_WORKS);
    fputs("\nAccepted, and nothing follows, as they steer what memcached has "
          "inside and\nthis server has not:\n",
          to);
    print_rows(to, option_rows, option_rows_count, OPTION_IDLE);
    print_rows(to, word_rows, word_rows_count, OPTION_IDLE);
}

/* ---- the manual ---- */

/* As roff has it: a dash that is one, no letter that begins a request. */
static void put_roff(FILE *to, const char *text)
{
    if (text[0] == '.' || text[0] == '\'')
        fputs("\\&", to);
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            fputs("\\e", to);
        else if (*text == '-')
            fputs("\\-", to);
        else
            fputc(*text, to);
    }
}

/* A sentence of its own, if there is anything to say. */
static void put_sentence(FILE *to, const char *before, const char *text)
{
    if (text[0] == '\0')
        return;
    fputs(before, to);
    put_roff(to, text);
    fputs(".\n", to);
}

/* With blanks, where lines may end. */
static void put_words(FILE *to, const char *words)
{
    fputs("Stands for: ", to);
    for (; *words != '\0'; words++) {
        fputc(*words, to);
        if (*words == ',')
            fputc(' ', to);
    }
    fputs(".\n", to);
}

static void print_roff(FILE *to, const struct option_row *row)
{
    char left[64];
    char limits[96];

    format_left(row, left);
    format_limits(row, limits, sizeof(limits));
    fputs(".TP\n.B ", to);
    put_roff(to, left + strspn(left, " "));
    fputc('\n', to);
    put_sentence(to, "", row->help);
    put_sentence(to, "Limits: ", limits);
    if (row->kind == OPTION_PRESET)
        put_words(to, row->fallback);
    else
        put_sentence(to,
                     "Default: ", row->fallback != NULL ? row->fallback : "");
}

static void print_roffs(FILE *to, const struct option_row *rows, size_t count,
                        bool is_working)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].refusal == NULL &&
            (rows[i].standing == OPTION_WORKS) == is_working)
            print_roff(to, &rows[i]);
    }
}

void config_print_manual(FILE *to, enum config_part part)
{
    bool is_working = part != CONFIG_IDLE;

    if (part != CONFIG_WORDS)
        print_roffs(to, option_rows, option_rows_count, is_working);
    if (part != CONFIG_OPTIONS)
        print_roffs(to, word_rows, word_rows_count, is_working);
}
