/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Config: what grapevined was asked to be, from command line and file.
 *
 * Every option is one row of a table in options.c: declaration, parser,
 * limits, default and help come from the row.
 *
 * Fails: with one line that names the option and the remedy.
 */
#ifndef SERVER_CONFIG_CONFIG_H
#define SERVER_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_ERROR_BYTES 512
/* -l may be given so often, counting each of a comma list. */
#define CONFIG_LISTEN_MAX 32

struct config {
    uint64_t port;
    const char *listen[CONFIG_LISTEN_MAX]; /* as given: HOST, HOST:PORT, * */
    size_t listen_count;
    const char *unix_socket; /* NULL: none */
    uint64_t unix_mask;
    uint64_t memory_megabytes;
    bool disable_evictions;
    uint64_t connections_max;
    uint64_t threads;
    bool daemon;
    const char *user; /* NULL: whoever started it */
    const char *pid_file;
    uint64_t verbosity;
    uint64_t item_bytes_max;
    bool help;
    bool version;
};

enum config_result { CONFIG_OK, CONFIG_BAD };

/*
 * Reads defaults, then the arguments in their order; `--config FILE` reads
 * that file in its place.  Strings are kept for the life of the process.
 * CONFIG_BAD: `error` has the line.
 */
enum config_result config_read(struct config *config, int argc, char **argv,
                               char error[CONFIG_ERROR_BYTES]);

/* The options with their units, limits and defaults, as -h prints them. */
void config_print_help(FILE *to);

#endif
