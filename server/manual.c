/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Manual: makes a man page of its template, when the programs are built.
 *
 *     manual TEMPLATE < USAGE > PAGE
 *
 * A line @OPTIONS@, @WORDS@ or @IDLE@ becomes that part of grapevined's
 * options, @USAGE@ what comes from the standard input; @VERSION@ is the
 * version.
 */
#include <stdio.h>
#include <string.h>

#include "server/config/config.h"
#include "server/version.h"

#define LINE_BYTES 1024
#define VERSION_MARK "@VERSION@"

/* Text as it stands, where roff must not fill lines. */
static void copy_usage(FILE *from, FILE *to)
{
    char line[LINE_BYTES];

    while (fgets(line, sizeof(line), from) != NULL) {
        if (line[0] == '.' || line[0] == '\'')
            fputs("\\&", to);
        for (const char *at = line; *at != '\0'; at++) {
            if (*at == '\\' || *at == '-')
                fputs(*at == '-' ? "\\-" : "\\e", to);
            else
                fputc(*at, to);
        }
    }
}

static void print_line(const char *line, FILE *to)
{
    const char *mark = strstr(line, VERSION_MARK);

    if (strcmp(line, "@OPTIONS@\n") == 0)
        config_print_manual(to, CONFIG_OPTIONS);
    else if (strcmp(line, "@WORDS@\n") == 0)
        config_print_manual(to, CONFIG_WORDS);
    else if (strcmp(line, "@IDLE@\n") == 0)
        config_print_manual(to, CONFIG_IDLE);
    else if (strcmp(line, "@USAGE@\n") == 0)
        copy_usage(stdin, to);
    else if (mark != NULL)
        fprintf(to, "%.*s%s%s", (int)(mark - line), line, GRAPEVINE_VERSION,
                mark + strlen(VERSION_MARK));
    else
        fputs(line, to);
}

int main(int argc, char **argv)
{
    char line[LINE_BYTES];
    FILE *template = argc == 2 ? fopen(argv[1], "r") : NULL;

    if (template == NULL) {
        fputs("manual: give a template that can be read\n", stderr);
        return 64;
    }
    while (fgets(line, sizeof(line), template) != NULL)
        print_line(line, stdout);
    fclose(template);
    return ferror(stdout) || fflush(stdout) != 0;
}
