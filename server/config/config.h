/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Config: what grapevined was asked to be, from command line and file.
 *
 * Every option is one row of a table in options.c, every word of -o one in
 * words.c: declaration, parser, limits, default and help come from the row.
 *
 * Fails: with one line that names the option and the remedy.
 */
#ifndef SERVER_CONFIG_CONFIG_H
#define SERVER_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "server/config/tuning.h"

#define CONFIG_ERROR_BYTES 512
/* -l may be given so often, counting each of a comma list. */
#define CONFIG_LISTEN_MAX 32
#define CONFIG_FARM_JOIN_MAX 64
#define CONFIG_FARM_LOCK_KEYS_MAX 32
/* Of a farm or a server in it. */
#define CONFIG_NAME_BYTES_MAX 64
/* Of farm addresses that name no port. */
#define CONFIG_FARM_PORT 11311
/* -1 as a port: one of the system's choice. */
#define CONFIG_PORT_ANY 65536

enum config_lookup { LOOKUP_ALWAYS, LOOKUP_AUTO, LOOKUP_NEVER };
enum config_ack { ACK_ALL, ACK_MAJORITY, ACK_ONE, ACK_LOCAL };
enum config_coordinate { COORDINATE_ATOMIC, COORDINATE_ALL, COORDINATE_NONE };
enum config_protocol { SPEAKS_ASCII, SPEAKS_BINARY, SPEAKS_AUTO };
enum config_ack_fallback { ACK_FALLBACK_ANSWER, ACK_FALLBACK_ERROR };

struct config {
    uint64_t port;                         /* 0: none; or CONFIG_PORT_ANY */
    uint64_t udp_port;                     /* 0; others are refused */
    const char *listen[CONFIG_LISTEN_MAX]; /* as given, in a form
                                              that endpoint_parse() takes */
    size_t listen_count;
    const char *unix_socket; /* NULL: none */
    uint64_t unix_mask;
    uint64_t memory_megabytes;
    bool disable_evictions;
    uint64_t connections_max;
    uint64_t threads;
    uint64_t turn_commands_max; /* of one client, before others have a turn */
    uint64_t backlog;           /* connections that wait to be accepted */
    uint64_t protocol;          /* enum config_protocol */
    uint64_t napi_ids;          /* 0: none named; nothing follows */
    bool daemon;
    const char *user; /* NULL: whoever started it */
    const char *pid_file;
    uint64_t verbosity;
    uint64_t item_bytes_max;
    bool core_dumps;
    bool locks_memory;
    bool large_pages;
    /* What clients may ask for. */
    bool enable_shutdown;
    bool disable_flush_all;
    bool disable_dumping;
    bool disable_watch;
    bool disable_cas;
    const char *prefix_delimiter; /* one byte; NULL: `:`, and stats detail is
                                     off at the start */
    bool sasl;
    const char *auth_file; /* NULL: none */
    const char *memory_file;
    bool tls;
    /* The words of -o. */
    bool surplus_waits;      /* clients beyond connections_max; else refused */
    uint64_t idle_timeout_s; /* 0: for ever */
    uint64_t watcher_buffer_kilobytes;
    uint64_t worker_buffer_kilobytes; /* for all watchers of a thread */
    bool track_sizes;
    struct tuning tuning;
    const char *tls_chain;
    const char *tls_key;        /* NULL: in tls_chain */
    const char *tls_key_format; /* as given; NULL: PEM */
    bool tls_key_is_der;        /* what that comes to */
    const char *tls_ciphers;    /* NULL: the library's */
    const char *tls_authority;  /* who signs clients' certificates */
    uint64_t tls_verify;        /* 0 none, 1 request, 2 require, 3 once */
    uint64_t tls_version_min;   /* of TLS 1.x, the x */
    uint64_t tls_buffer_kilobytes;
    bool tls_session_cache;
    bool tls_in_kernel;
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
    uint64_t farm_coordinate;   /* enum config_coordinate */
    uint64_t farm_quorum;       /* 0: any part of the farm decides */
    const char *farm_lock_keys[CONFIG_FARM_LOCK_KEYS_MAX]; /* patterns */
    size_t farm_lock_keys_count;
    uint64_t farm_lock_grace_ms;
    bool farm_lock_connection;
    uint64_t farm_leave_timeout_ms;
    const char *farm_keys;  /* file; NULL: none */
    const char *farm_chain; /* certificate; NULL: none, and so the next two */
    const char *farm_chain_key;
    const char *farm_authority; /* who signs members' certificates */
    uint64_t farm_handshakes;   /* not done yet, at once */
    uint64_t farm_handshake_timeout_ms;
    bool farm_insecure;
    bool help;
    bool license;
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

/* The same as roff, for the manual: options, words of -o, and what is
 * accepted without effect. */
enum config_part { CONFIG_OPTIONS, CONFIG_WORDS, CONFIG_IDLE };
void config_print_manual(FILE *to, enum config_part part);

void config_print_license(FILE *to);

#endif
