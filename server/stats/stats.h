/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stats: what the server tells of itself, one table row per figure.
 *
 * A report is a snapshot that is read row by row.
 * Threads: any; each report belongs to one.
 */
#ifndef SERVER_STATS_STATS_H
#define SERVER_STATS_STATS_H

#include "server/command/counters.h"
#include "server/config/config.h"
#include "server/stats/prefixes.h"
#include "server/store/store.h"

struct stats;

/* What only the room of the clients knows. */
struct stats_live {
    time_us now;
    uint64_t counters[COUNTERS]; /* summed over all threads */
    uint64_t connections;
    uint64_t connections_total;
    uint64_t connections_rejected;
    bool accepts;
    unsigned verbosity;
    uint64_t backlog;
    uint64_t turn_commands_max;   /* of one connection, before others */
    uint64_t listen_disabled;     /* times that accepting was stopped */
    uint64_t listen_disabled_us;  /* for so long */
    uint64_t watchers;            /* clients that `watch` */
    uint64_t crawls;              /* walks that are under way */
    uint64_t certificate_age_s;   /* since TLS read it */
    uint64_t input_buffers;       /* what clients' bytes are read into */
    uint64_t input_buffers_bytes; /* of these */
    uint64_t input_buffers_free_bytes;
    uint64_t output_buffers; /* replies that clients have not read yet */
    uint64_t output_buffers_bytes;
    bool counts_prefixes; /* as `stats detail` was told */
    bool has_crawler;     /* as `lru_crawler` was told */
    struct tuning tuning; /* likewise, and by `lru` and `slabs` */
    /* What has rows only where it is. */
    bool kicks_idle;
    bool has_tls;
    bool has_tls_sessions;
};

/* Borrows both for its life; NULL if memory is out. */
struct stats *stats_create(const struct config *config, struct store *store,
                           time_us started);
void stats_destroy(struct stats *stats);

/* Those that it owns. */
struct prefixes *stats_prefixes(struct stats *stats);

/* Counts from zero again; gauges stay. */
void stats_reset(struct stats *stats, const struct stats_live *live);

/* Figures as they are, flat: rows of the tables point into it. */
struct stats_figures {
    uint64_t zero;
    uint64_t pid;
    uint64_t uptime;
    uint64_t time;
    uint64_t pointer_bits;
    uint64_t user_us;
    uint64_t system_us;
    uint64_t connections_max;
    uint64_t memory_bytes;
    uint64_t threads;
    uint64_t hash_power;
    uint64_t accepts;
    uint64_t reserved_fds;
    uint64_t malloc_fails;
    uint64_t crawls;
    uint64_t checked;
    uint64_t age;
    uint64_t chunk_bytes;
    uint64_t chunks;
    uint64_t chunks_used;
    uint64_t chunks_free;
    uint64_t chunks_per_page;
    uint64_t pages;
    uint64_t classes;
    bool has_items;
    bool has_pages;
    const char *listen;
    const char *evictions;
    const char *protocol;
    const char *delimiter;
    const char *auth_file;
    const char *tls_version;
    const char *hash_function;
    uint64_t slab_chunk_max;
    uint64_t read_buffer_bytes;
    uint64_t tcp_port;
    uint64_t watcher_buffer_bytes;
    uint64_t worker_buffer_bytes;
    uint64_t tls_buffer_bytes;
    uint64_t tls_verify;
    uint64_t tls_key_format;
    struct stats_live live;
    struct store_figures store;
    struct config config;
};

struct stats_row;

struct stats_report {
    const struct stats_row *rows;
    size_t count;
    size_t next;
    struct stats_figures figures;
    char text[320];
    char listen[256];
};

/* False where there is no group of that name; "" is the general one. */
MUST_USE bool stats_open(struct stats_report *report, struct stats *stats,
                         struct span group, const struct stats_live *live);

/* The next row, borrowed until the next call; false at the end. */
bool stats_next(struct stats_report *report, struct span *name,
                struct span *value);

#endif
