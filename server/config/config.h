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
#define CONFIG_FARM_JOIN_MAX 64
/* Of a farm or a server in it. */
#define CONFIG_NAME_BYTES_MAX 64
/* Of farm addresses that name no port. */
#define CONFIG_FARM_PORT 11311

enum config_lookup { LOOKUP_ALWAYS, LOOKUP_AUTO, LOOKUP_NEVER };
enum config_ack { ACK_ALL, ACK_LOCAL };
enum config_ack_fallback { ACK_FALLBACK_ANSWER, ACK_FALLBACK_ERROR };

struct config {
    uint64_t port;
    const char *listen[CONFIG_LISTEN_MAX]; /* as given, in a form
                                              that address_split() takes */
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
    /* In a farm: where either of these two is given. */
    const char *farm_listen;    /* ADDR or ADDR:PORT; NULL: as farm_join is */
    const char *farm_advertise; /* where others dial; NULL: farm_listen */
    const char *farm_join[CONFIG_FARM_JOIN_MAX]; /* HOST or HOST:PORT */
    size_t farm_join_count;
    const char *farm_name;
    const char *farm_server_name; /* NULL: host and farm port */
    uint64_t farm_heartbeat_ms;
    uint64_t farm_lookup; /* enum config_lookup */
    uint64_t farm_lookup_timeout_ms;
    uint64_t farm_journal_megabytes;
    uint64_t farm_ack; /* enum config_ack */
    uint64_t farm_ack_timeout_ms;
    uint64_t farm_ack_fallback; /* enum config_ack_fallback */
    bool farm_insecure;
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
