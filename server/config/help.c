/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Help: the tables of options as people read them.
 */
#include <stdio.h>

#include "server/config/reading.h"

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
    case OPTION_FRACTION: {
        char least[32];
        char most[32];
        fprintf(to, " (%s to %s)", value_format_fraction(row->least, least),
                value_format_fraction(row->most, most));
        break;
    }
    default:
        fprintf(to, " (%llu to %llu)", (unsigned long long)row->least,
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

    format_left(row, left);
    fprintf(to, "%-37s %s", left, row->help);
    print_limits(to, row);
    if (row->fallback != NULL)
        fprintf(to, " [default: %s]", row->fallback);
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
    fputs("\nAccepted, and nothing follows, as they steer what memcached's "
          "storage has and\nthis one has not:\n",
          to);
    print_rows(to, option_rows, option_rows_count, OPTION_IDLE);
    print_rows(to, word_rows, word_rows_count, OPTION_IDLE);
}
