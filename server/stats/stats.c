/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/stats/stats.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proto/memcached/reply.h"
#include "server/version.h"

enum row_kind {
    ROW_NUMBER, /* uint64_t */
    ROW_OCTAL,  /* uint64_t */
    ROW_TEXT,   /* const char *, NULL as NULL */
    ROW_MOMENT, /* uint64_t microseconds, as seconds with six digits */
    ROW_FIXED   /* the row's own text */
};

struct stats_row {
    const char *name;
    enum row_kind kind;
    size_t offset; /* in struct stats_figures */
    const char *fixed;
};

struct stats {
    const struct config *config;
    struct store *store;
    time_us started;
    pthread_mutex_t lock; /* of what follows */
    uint64_t base[COUNTERS];
    struct store_figures store_base;
    uint64_t connections_base;
    uint64_t rejected_base;
};

#define AT(field) offsetof(struct stats_figures, field)
#define NUMBER(name, field)                                                    \
    {                                                                          \
        name, ROW_NUMBER, AT(field), NULL                                      \
    }
#define COUNTED(name, counter)                                                 \
    {                                                                          \
        name, ROW_NUMBER, AT(live.counters) + (counter) * sizeof(uint64_t),    \
            NULL                                                               \
    }
#define NONE(name)                                                             \
    {                                                                          \
        name, ROW_NUMBER, AT(zero), NULL                                       \
    }
#define FIXED(name, text)                                                      \
    {                                                                          \
        name, ROW_FIXED, 0, text                                               \
    }

/* Names and order are memcached's: monitors read them.  NONE stands where
 * this store has no such thing: no slabs, no LRU lists. */
static const struct stats_row general_rows[] = {
    NUMBER("pid", pid),
    NUMBER("uptime", uptime),
    NUMBER("time", time),
    FIXED("version", REPLY_MEMCACHED_VERSION),
    FIXED("grapevine_version", GRAPEVINE_VERSION),
    NUMBER("pointer_size", pointer_bits),
    {"rusage_user", ROW_MOMENT, AT(user_us), NULL},
    {"rusage_system", ROW_MOMENT, AT(system_us), NULL},
    NUMBER("max_connections", connections_max),
    NUMBER("curr_connections", live.connections),
    NUMBER("total_connections", live.connections_total),
    NUMBER("rejected_connections", live.connections_rejected),
    NUMBER("connection_structures", live.connections),
    NUMBER("reserved_fds", reserved_fds),
    NONE("response_obj_oom"),
    NONE("response_obj_count"),
    NONE("response_obj_bytes"),
    NONE("read_buf_count"),
    NONE("read_buf_bytes"),
    NONE("read_buf_bytes_free"),
    NONE("read_buf_oom"),
    COUNTED("cmd_get", COUNTER_CMD_GET),
    COUNTED("cmd_set", COUNTER_CMD_SET),
    COUNTED("cmd_flush", COUNTER_CMD_FLUSH),
    COUNTED("cmd_touch", COUNTER_CMD_TOUCH),
    COUNTED("cmd_meta", COUNTER_CMD_META),
    COUNTED("get_hits", COUNTER_GET_HITS),
    COUNTED("get_misses", COUNTER_GET_MISSES),
    COUNTED("get_expired", COUNTER_GET_EXPIRED),
    COUNTED("get_flushed", COUNTER_GET_FLUSHED),
    COUNTED("delete_misses", COUNTER_DELETE_MISSES),
    COUNTED("delete_hits", COUNTER_DELETE_HITS),
    COUNTED("incr_misses", COUNTER_INCR_MISSES),
    COUNTED("incr_hits", COUNTER_INCR_HITS),
    COUNTED("decr_misses", COUNTER_DECR_MISSES),
    COUNTED("decr_hits", COUNTER_DECR_HITS),
    COUNTED("cas_misses", COUNTER_CAS_MISSES),
    COUNTED("cas_hits", COUNTER_CAS_HITS),
    COUNTED("cas_badval", COUNTER_CAS_BADVAL),
    COUNTED("touch_hits", COUNTER_TOUCH_HITS),
    COUNTED("touch_misses", COUNTER_TOUCH_MISSES),
    COUNTED("store_too_large", COUNTER_STORE_TOO_LARGE),
    COUNTED("store_no_memory", COUNTER_STORE_NO_MEMORY),
    COUNTED("auth_cmds", COUNTER_AUTH_CMDS),
    COUNTED("auth_errors", COUNTER_AUTH_ERRORS),
    COUNTED("bytes_read", COUNTER_BYTES_READ),
    COUNTED("bytes_written", COUNTER_BYTES_WRITTEN),
    NUMBER("limit_maxbytes", memory_bytes),
    NUMBER("accepting_conns", accepts),
    NONE("listen_disabled_num"),
    NONE("time_in_listen_disabled_us"),
    NUMBER("threads", threads),
    COUNTED("conn_yields", COUNTER_CONN_YIELDS),
    NUMBER("hash_power_level", hash_power),
    NUMBER("hash_bytes", store.index_bytes),
    NONE("hash_is_expanding"),
    NONE("slab_reassign_rescues"),
    NONE("slab_reassign_chunk_rescues"),
    NONE("slab_reassign_evictions_nomem"),
    NONE("slab_reassign_inline_reclaim"),
    NONE("slab_reassign_busy_items"),
    NONE("slab_reassign_busy_deletes"),
    NONE("slab_reassign_running"),
    NONE("slabs_moved"),
    NONE("lru_crawler_running"),
    NONE("lru_crawler_starts"),
    NONE("lru_maintainer_juggles"),
    NONE("malloc_fails"),
    NONE("log_worker_dropped"),
    NONE("log_worker_written"),
    NONE("log_watcher_skipped"),
    NONE("log_watcher_sent"),
    NONE("log_watchers"),
    NUMBER("bytes", store.item_bytes),
    NUMBER("curr_items", store.items),
    COUNTED("total_items", COUNTER_ITEMS_STORED),
    NONE("slab_global_page_pool"),
    NUMBER("expired_unfetched", store.expired_unfetched),
    NUMBER("evicted_unfetched", store.evicted_unfetched),
    NONE("evicted_active"),
    NUMBER("evictions", store.evicted),
    NUMBER("reclaimed", store.expired),
    NONE("crawler_reclaimed"),
    NONE("crawler_items_checked"),
    NONE("lrutail_reflocked"),
    NONE("moves_to_cold"),
    NONE("moves_to_warm"),
    NONE("moves_within_lru"),
    NONE("direct_reclaims"),
    NONE("lru_bumps_dropped"),
    NONE("unexpected_napi_ids"),
    NONE("round_robin_fallback"),
};

/* What steers slabs, LRU lists and TLS in memcached is off, or nothing. */
static const struct stats_row settings_rows[] = {
    NUMBER("maxbytes", memory_bytes),
    NUMBER("maxconns", connections_max),
    NUMBER("tcpport", config.port),
    NONE("udpport"),
    {"inter", ROW_TEXT, AT(listen), NULL},
    NUMBER("verbosity", config.verbosity),
    NONE("oldest"),
    {"evictions", ROW_TEXT, AT(evictions), NULL},
    {"domain_socket", ROW_TEXT, AT(config.unix_socket), NULL},
    {"umask", ROW_OCTAL, AT(config.unix_mask), NULL},
    FIXED("shutdown_command", "no"),
    FIXED("growth_factor", "1.00"),
    FIXED("chunk_size", "8"),
    NUMBER("num_threads", threads),
    NONE("num_threads_per_udp"),
    FIXED("stat_key_prefix", ":"),
    FIXED("detail_enabled", "no"),
    NUMBER("reqs_per_event", live.turn_commands_max),
    FIXED("cas_enabled", "yes"),
    NUMBER("tcp_backlog", live.backlog),
    {"binding_protocol", ROW_TEXT, AT(protocol), NULL},
    {"auth_enabled_sasl", ROW_TEXT, AT(sasl), NULL},
    {"auth_enabled_ascii", ROW_TEXT, AT(auth_file), NULL},
    NUMBER("item_size_max", config.item_bytes_max),
    FIXED("maxconns_fast", "yes"),
    NONE("hashpower_init"),
    FIXED("slab_reassign", "no"),
    NONE("slab_automove"),
    FIXED("slab_automove_ratio", "0.00"),
    NONE("slab_automove_window"),
    NONE("slab_chunk_max"),
    FIXED("lru_crawler", "no"),
    NONE("lru_crawler_sleep"),
    NONE("lru_crawler_tocrawl"),
    NONE("tail_repair_time"),
    FIXED("flush_enabled", "yes"),
    FIXED("dump_enabled", "yes"),
    FIXED("hash_algorithm", "xxh3"),
    FIXED("lru_maintainer_thread", "no"),
    FIXED("lru_segmented", "no"),
    NONE("hot_lru_pct"),
    NONE("warm_lru_pct"),
    FIXED("hot_max_factor", "0.00"),
    FIXED("warm_max_factor", "0.00"),
    FIXED("temp_lru", "no"),
    NONE("temporary_ttl"),
    NONE("idle_timeout"),
    NONE("watcher_logbuf_size"),
    NONE("worker_logbuf_size"),
    NONE("read_buf_mem_limit"),
    FIXED("track_sizes", "no"),
    FIXED("inline_ascii_response", "no"),
    FIXED("ssl_enabled", "no"),
    FIXED("ssl_chain_cert", "NULL"),
    FIXED("ssl_key", "NULL"),
    NONE("ssl_verify_mode"),
    NONE("ssl_keyformat"),
    FIXED("ssl_ciphers", "NULL"),
    FIXED("ssl_ca_cert", "NULL"),
    NONE("ssl_wbuf_size"),
    FIXED("ssl_session_cache", "no"),
    FIXED("ssl_kernel_tls", "no"),
    FIXED("ssl_min_version", "none"),
    FIXED("num_napi_ids", "NULL"),
    FIXED("memory_file", "NULL"),
    FIXED("client_flags_size", "4"),
};

/* This store has no size classes: all items are of class 1. */
static const struct stats_row items_rows[] = {
    NUMBER("items:1:number", store.items),
    NONE("items:1:number_hot"),
    NONE("items:1:number_warm"),
    NONE("items:1:number_cold"),
    NONE("items:1:age_hot"),
    NONE("items:1:age_warm"),
    NONE("items:1:age"),
    NUMBER("items:1:mem_requested", store.item_bytes),
    NUMBER("items:1:evicted", store.evicted),
    NUMBER("items:1:evicted_nonzero", store.evicted_expiring),
    NONE("items:1:evicted_time"),
    COUNTED("items:1:outofmemory", COUNTER_STORE_NO_MEMORY),
    NONE("items:1:tailrepairs"),
    NUMBER("items:1:reclaimed", store.expired),
    NUMBER("items:1:expired_unfetched", store.expired_unfetched),
    NUMBER("items:1:evicted_unfetched", store.evicted_unfetched),
    NONE("items:1:evicted_active"),
    NONE("items:1:crawler_reclaimed"),
    NONE("items:1:crawler_items_checked"),
    NONE("items:1:lrutail_reflocked"),
    NONE("items:1:moves_to_cold"),
    NONE("items:1:moves_to_warm"),
    NONE("items:1:moves_within_lru"),
    NONE("items:1:direct_reclaims"),
    NONE("items:1:hits_to_hot"),
    NONE("items:1:hits_to_warm"),
    NONE("items:1:hits_to_cold"),
    NONE("items:1:hits_to_temp"),
};

static const struct stats_row slabs_rows[] = {
    NUMBER("1:chunk_size", one),
    NUMBER("1:chunks_per_page", store.memory_bytes_max),
    NUMBER("1:total_pages", one),
    NUMBER("1:total_chunks", store.memory_bytes_max),
    NUMBER("1:used_chunks", store.item_bytes),
    NUMBER("1:free_chunks", free_bytes),
    NONE("1:free_chunks_end"),
    COUNTED("1:get_hits", COUNTER_GET_HITS),
    COUNTED("1:cmd_set", COUNTER_CMD_SET),
    COUNTED("1:delete_hits", COUNTER_DELETE_HITS),
    COUNTED("1:incr_hits", COUNTER_INCR_HITS),
    COUNTED("1:decr_hits", COUNTER_DECR_HITS),
    COUNTED("1:cas_hits", COUNTER_CAS_HITS),
    COUNTED("1:cas_badval", COUNTER_CAS_BADVAL),
    COUNTED("1:touch_hits", COUNTER_TOUCH_HITS),
    NUMBER("active_slabs", one),
    NUMBER("total_malloced", store.segment_bytes),
};

struct stats *stats_create(const struct config *config, struct store *store,
                           time_us started)
{
    struct stats *stats = calloc(1, sizeof(*stats));

    if (stats == NULL)
        return NULL;
    stats->config = config;
    stats->store = store;
    stats->started = started;
    pthread_mutex_init(&stats->lock, NULL);
    return stats;
}

void stats_destroy(struct stats *stats)
{
    if (stats == NULL)
        return;
    pthread_mutex_destroy(&stats->lock);
    free(stats);
}

void stats_reset(struct stats *stats, const struct stats_live *live)
{
    struct store_figures store;

    store_read_figures(stats->store, &store);
    pthread_mutex_lock(&stats->lock);
    memcpy(stats->base, live->counters, sizeof(stats->base));
    stats->store_base = store;
    stats->connections_base = live->connections_total;
    stats->rejected_base = live->connections_rejected;
    pthread_mutex_unlock(&stats->lock);
}

static void subtract_base(struct stats *stats, struct stats_figures *figures)
{
    struct store_figures *store = &figures->store;

    pthread_mutex_lock(&stats->lock);
    for (size_t i = 0; i < COUNTERS; i++)
        figures->live.counters[i] -= stats->base[i];
    store->expired -= stats->store_base.expired;
    store->expired_unfetched -= stats->store_base.expired_unfetched;
    store->evicted -= stats->store_base.evicted;
    store->evicted_expiring -= stats->store_base.evicted_expiring;
    store->evicted_unfetched -= stats->store_base.evicted_unfetched;
    figures->live.connections_total -= stats->connections_base;
    figures->live.connections_rejected -= stats->rejected_base;
    pthread_mutex_unlock(&stats->lock);
}

static uint64_t to_us(struct timeval time)
{
    return (uint64_t)time.tv_sec * TIME_US_PER_S + (uint64_t)time.tv_usec;
}

static void join_listen(const struct config *config, char *to, size_t bytes)
{
    size_t used = 0;

    to[0] = '\0';
    for (size_t i = 0; i < config->listen_count && used < bytes; i++) {
        int length = snprintf(to + used, bytes - used, "%s%s",
                              i == 0 ? "" : ",", config->listen[i]);
        used += length > 0 ? (size_t)length : 0;
    }
}

static const char *const protocols[] = {[SPEAKS_ASCII] = "ascii",
                                        [SPEAKS_BINARY] = "binary",
                                        [SPEAKS_AUTO] = "auto-negotiate"};

static void take_snapshot(struct stats_report *report, struct stats *stats,
                          const struct stats_live *live)
{
    struct stats_figures *figures = &report->figures;
    const struct config *config = stats->config;
    struct rusage usage;

    *figures = (struct stats_figures){
        .one = 1,
        .pid = (uint64_t)getpid(),
        .uptime = (live->now - stats->started) / TIME_US_PER_S,
        .time = live->now / TIME_US_PER_S,
        .pointer_bits = 8 * sizeof(void *),
        .connections_max = config->connections_max,
        .memory_bytes = config->memory_megabytes * 1024 * 1024,
        .threads = config->threads,
        .reserved_fds = 5 * config->threads,
        .accepts = live->accepts,
        .protocol = protocols[config->protocol],
        .sasl = config->sasl ? "yes" : "no",
        .auth_file = config->auth_file != NULL ? config->auth_file : "no",
        .evictions = config->disable_evictions ? "off" : "on",
        .live = *live,
        .config = *config};
    figures->config.verbosity = live->verbosity;
    join_listen(config, report->listen, sizeof(report->listen));
    figures->listen = config->unix_socket != NULL ? NULL : report->listen;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        figures->user_us = to_us(usage.ru_utime);
        figures->system_us = to_us(usage.ru_stime);
    }
    store_read_figures(stats->store, &figures->store);
    subtract_base(stats, figures);
    figures->hash_power =
        63 - (uint64_t)__builtin_clzll(figures->store.index_buckets);
    figures->free_bytes =
        figures->store.memory_bytes_max - figures->store.item_bytes;
}

#define GROUP(word, table)                                                     \
    {                                                                          \
        word, table, sizeof(table) / sizeof((table)[0])                        \
    }

bool stats_open(struct stats_report *report, struct stats *stats,
                struct span group, const struct stats_live *live)
{
    static const struct {
        const char *word;
        const struct stats_row *rows;
        size_t count;
    } groups[] = {
        GROUP("", general_rows),
        GROUP("settings", settings_rows),
        GROUP("items", items_rows),
        GROUP("slabs", slabs_rows),
    };

    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if (!span_equal(group, span_of_string(groups[i].word)))
            continue;
        report->rows = groups[i].rows;
        report->count = groups[i].count;
        report->next = 0;
        take_snapshot(report, stats, live);
        /* An empty cache has no class to tell of. */
        if (groups[i].rows == items_rows && report->figures.store.items == 0)
            report->count = 0;
        return true;
    }
    return false;
}

static const char *text_of(const char *text)
{
    return text == NULL ? "NULL" : text;
}

static int format(struct stats_report *report, const struct stats_row *row)
{
    const char *at = (const char *)&report->figures + row->offset;
    char *to = report->text;
    size_t bytes = sizeof(report->text);
    uint64_t number = 0;

    if (row->kind == ROW_NUMBER || row->kind == ROW_OCTAL ||
        row->kind == ROW_MOMENT)
        memcpy(&number, at, sizeof(number));
    switch (row->kind) {
    case ROW_NUMBER:
        return snprintf(to, bytes, "%llu", (unsigned long long)number);
    case ROW_OCTAL:
        return snprintf(to, bytes, "%llo", (unsigned long long)number);
    case ROW_MOMENT:
        return snprintf(to, bytes, "%llu.%06llu",
                        (unsigned long long)(number / TIME_US_PER_S),
                        (unsigned long long)(number % TIME_US_PER_S));
    case ROW_TEXT:
        return snprintf(to, bytes, "%s", text_of(*(const char *const *)at));
    case ROW_FIXED:
        break;
    }
    return snprintf(to, bytes, "%s", row->fixed);
}

bool stats_next(struct stats_report *report, struct span *name,
                struct span *value)
{
    if (report->next == report->count)
        return false;
    const struct stats_row *row = &report->rows[report->next++];
    int length = format(report, row);
    size_t used = length > 0 ? (size_t)length : 0;
    if (used >= sizeof(report->text))
        used = sizeof(report->text) - 1;
    *name = span_of_string(row->name);
    *value = span_of(report->text, used);
    return true;
}
