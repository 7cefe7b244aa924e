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
    ROW_SHARE,  /* uint64_t thousandths, with two digits behind the point */
    ROW_GIVEN,  /* uint64_t, 0 as NULL */
    ROW_TEXT,   /* const char *, NULL as NULL */
    ROW_MOMENT, /* uint64_t microseconds, as seconds with six digits */
    ROW_YES,    /* bool, as yes or no */
    ROW_NO,     /* the other way round */
    ROW_FIXED   /* the row's own text */
};

struct stats_row {
    const char *name;
    enum row_kind kind;
    size_t offset; /* in struct stats_figures */
    const char *fixed;
    size_t where; /* offset of the bool without which there is no such row;
                     0: there always is */
};

/* Memory has no chunks: who asks for them is told of bytes. */
#define CHUNK_BYTES 1
/* Half of one of memcached's pages. */
#define SLAB_CHUNK_BYTES ((uint64_t)512 * 1024)

struct stats {
    const struct config *config;
    struct store *store;
    time_us started;
    struct prefixes *prefixes;
    pthread_mutex_t lock;      /* of what follows */
    struct stats_figures base; /* of what counts, as of the last reset */
};

#define AT(field) offsetof(struct stats_figures, field)
#define NUMBER(name, field)                                                    \
    {                                                                          \
        name, ROW_NUMBER, AT(field), NULL, 0                                   \
    }
#define NUMBER_WHERE(name, field, where)                                       \
    {                                                                          \
        name, ROW_NUMBER, AT(field), NULL, AT(where)                           \
    }
#define COUNTED(name, counter)                                                 \
    {                                                                          \
        name, ROW_NUMBER, COUNTER_AT(counter), NULL, 0                         \
    }
#define COUNTED_WHERE(name, counter, where)                                    \
    {                                                                          \
        name, ROW_NUMBER, COUNTER_AT(counter), NULL, AT(where)                 \
    }
#define COUNTER_AT(counter) (AT(live.counters) + (counter) * sizeof(uint64_t))
#define TEXT(name, field)                                                      \
    {                                                                          \
        name, ROW_TEXT, AT(field), NULL, 0                                     \
    }
#define YES(name, field)                                                       \
    {                                                                          \
        name, ROW_YES, AT(field), NULL, 0                                      \
    }
#define NO(name, field)                                                        \
    {                                                                          \
        name, ROW_NO, AT(field), NULL, 0                                       \
    }
#define SHARE(name, field)                                                     \
    {                                                                          \
        name, ROW_SHARE, AT(field), NULL, 0                                    \
    }
#define NONE(name)                                                             \
    {                                                                          \
        name, ROW_NUMBER, AT(zero), NULL, 0                                    \
    }
#define FIXED(name, text)                                                      \
    {                                                                          \
        name, ROW_FIXED, 0, text, 0                                            \
    }

/*
 * Names and order are memcached's: monitors read them.  What is here by
 * another name has a row where that is the same to whoever draws conclusions:
 * sweeps for what has died are the LRU crawler, segments the pages of slabs,
 * compaction their moving, second chances moves within the LRU.  NONE stands
 * where this store has no such thing.
 */
static const struct stats_row general_rows[] = {
    NUMBER("pid", pid),
    NUMBER("uptime", uptime),
    NUMBER("time", time),
    FIXED("version", REPLY_MEMCACHED_VERSION),
    FIXED("grapevine_version", GRAPEVINE_VERSION),
    NUMBER("pointer_size", pointer_bits),
    {"rusage_user", ROW_MOMENT, AT(user_us), NULL, 0},
    {"rusage_system", ROW_MOMENT, AT(system_us), NULL, 0},
    NUMBER("max_connections", connections_max),
    NUMBER("curr_connections", live.connections),
    NUMBER("total_connections", live.connections_total),
    NUMBER("rejected_connections", live.connections_rejected),
    NUMBER("connection_structures", live.connections),
    COUNTED("response_obj_oom", COUNTER_NO_OUTPUT_MEMORY),
    NUMBER("response_obj_count", live.output_buffers),
    NUMBER("response_obj_bytes", live.output_buffers_bytes),
    NUMBER("read_buf_count", live.input_buffers),
    NUMBER("read_buf_bytes", live.input_buffers_bytes),
    NUMBER("read_buf_bytes_free", live.input_buffers_free_bytes),
    COUNTED("read_buf_oom", COUNTER_NO_INPUT_MEMORY),
    NUMBER("reserved_fds", reserved_fds),
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
    COUNTED_WHERE("idle_kicks", COUNTER_IDLE_KICKS, live.kicks_idle),
    COUNTED("bytes_read", COUNTER_BYTES_READ),
    COUNTED("bytes_written", COUNTER_BYTES_WRITTEN),
    NUMBER("limit_maxbytes", memory_bytes),
    NUMBER("accepting_conns", accepts),
    NUMBER("listen_disabled_num", live.listen_disabled),
    NUMBER("time_in_listen_disabled_us", live.listen_disabled_us),
    NUMBER("threads", threads),
    COUNTED("conn_yields", COUNTER_CONN_YIELDS),
    NUMBER("hash_power_level", hash_power),
    NUMBER("hash_bytes", store.index_bytes),
    NONE("hash_is_expanding"),
    NUMBER("slab_reassign_rescues", store.rescued),
    NONE("slab_reassign_chunk_rescues"),
    NONE("slab_reassign_evictions_nomem"),
    NONE("slab_reassign_inline_reclaim"),
    NONE("slab_reassign_busy_items"),
    NONE("slab_reassign_busy_deletes"),
    NONE("slab_reassign_running"),
    NUMBER("slabs_moved", store.compactions),
    NUMBER("lru_crawler_running", live.crawls),
    NUMBER("lru_crawler_starts", crawls),
    NUMBER("lru_maintainer_juggles", store.rounds),
    NUMBER("malloc_fails", malloc_fails),
    COUNTED("log_worker_dropped", COUNTER_LOG_DROPPED),
    COUNTED("log_worker_written", COUNTER_LOG_WRITTEN),
    COUNTED("log_watcher_skipped", COUNTER_LOG_SKIPPED),
    COUNTED("log_watcher_sent", COUNTER_LOG_SENT),
    NUMBER("log_watchers", live.watchers),
    COUNTED_WHERE("ssl_handshake_errors", COUNTER_TLS_HANDSHAKE_ERRORS,
                  live.has_tls),
    COUNTED_WHERE("ssl_proto_errors", COUNTER_TLS_PROTOCOL_ERRORS,
                  live.has_tls),
    NUMBER_WHERE("time_since_server_cert_refresh", live.certificate_age_s,
                 live.has_tls),
    COUNTED_WHERE("ssl_new_sessions", COUNTER_TLS_SESSIONS,
                  live.has_tls_sessions),
    NONE("unexpected_napi_ids"),
    NONE("round_robin_fallback"),
    NUMBER("bytes", store.item_bytes),
    NUMBER("curr_items", store.items),
    COUNTED("total_items", COUNTER_ITEMS_STORED),
    NUMBER("slab_global_page_pool", store.segments_free),
    NUMBER("expired_unfetched", store.expired_unfetched),
    NUMBER("evicted_unfetched", store.evicted_unfetched),
    NUMBER("evicted_active", store.evicted_active),
    NUMBER("evictions", store.evicted),
    NUMBER("reclaimed", store.expired),
    NUMBER("crawler_reclaimed", store.swept),
    NUMBER("crawler_items_checked", checked),
    NONE("lrutail_reflocked"),
    NONE("moves_to_cold"),
    NONE("moves_to_warm"),
    NUMBER("moves_within_lru", store.spared),
    NUMBER("direct_reclaims", store.hasty),
    NONE("lru_bumps_dropped"),
};

/*
 * Of what steers slabs, LRU lists and hash table in memcached, what was asked
 * for, or memcached's default: scripts look whether it was taken.
 */
static const struct stats_row settings_rows[] = {
    NUMBER("maxbytes", memory_bytes),
    NUMBER("maxconns", connections_max),
    NUMBER("tcpport", tcp_port),
    NUMBER("udpport", config.udp_port),
    TEXT("inter", listen),
    NUMBER("verbosity", config.verbosity),
    NONE("oldest"),
    TEXT("evictions", evictions),
    TEXT("domain_socket", config.unix_socket),
    {"umask", ROW_OCTAL, AT(config.unix_mask), NULL, 0},
    YES("shutdown_command", config.enable_shutdown),
    SHARE("growth_factor", live.tuning.growth),
    NUMBER("chunk_size", live.tuning.chunk_bytes_min),
    NUMBER("num_threads", threads),
    NUMBER("num_threads_per_udp", threads),
    TEXT("stat_key_prefix", delimiter),
    YES("detail_enabled", live.counts_prefixes),
    NUMBER("reqs_per_event", live.turn_commands_max),
    NO("cas_enabled", config.disable_cas),
    NUMBER("tcp_backlog", live.backlog),
    TEXT("binding_protocol", protocol),
    YES("auth_enabled_sasl", config.sasl),
    TEXT("auth_enabled_ascii", auth_file),
    NUMBER("item_size_max", config.item_bytes_max),
    NO("maxconns_fast", config.surplus_waits),
    NUMBER("hashpower_init", live.tuning.hash_power),
    NO("slab_reassign", live.tuning.pages_stay),
    NUMBER("slab_automove", live.tuning.automove),
    SHARE("slab_automove_ratio", live.tuning.automove_ratio),
    NUMBER("slab_automove_window", live.tuning.automove_window),
    NUMBER("slab_chunk_max", slab_chunk_max),
    YES("lru_crawler", live.has_crawler),
    NUMBER("lru_crawler_sleep", live.tuning.crawler_sleep_us),
    NUMBER("lru_crawler_tocrawl", live.tuning.crawler_items),
    NUMBER("tail_repair_time", live.tuning.tail_repair_s),
    NO("flush_enabled", config.disable_flush_all),
    NO("dump_enabled", config.disable_dumping),
    TEXT("hash_algorithm", hash_function),
    NO("lru_maintainer_thread", live.tuning.has_no_maintainer),
    NO("lru_segmented", live.tuning.is_flat),
    NUMBER("hot_lru_pct", live.tuning.hot_percent),
    NUMBER("warm_lru_pct", live.tuning.warm_percent),
    SHARE("hot_max_factor", live.tuning.hot_factor),
    SHARE("warm_max_factor", live.tuning.warm_factor),
    YES("temp_lru", live.tuning.has_temporary),
    NUMBER("temporary_ttl", live.tuning.temporary_s),
    NUMBER("idle_timeout", config.idle_timeout_s),
    NUMBER("watcher_logbuf_size", watcher_buffer_bytes),
    NUMBER("worker_logbuf_size", worker_buffer_bytes),
    NUMBER("read_buf_mem_limit", read_buffer_bytes),
    YES("track_sizes", config.track_sizes),
    FIXED("inline_ascii_response", "no"),
    YES("ssl_enabled", config.tls),
    TEXT("ssl_chain_cert", config.tls_chain),
    TEXT("ssl_key", config.tls_key),
    NUMBER("ssl_verify_mode", tls_verify),
    NUMBER("ssl_keyformat", tls_key_format),
    TEXT("ssl_ciphers", config.tls_ciphers),
    TEXT("ssl_ca_cert", config.tls_authority),
    NUMBER("ssl_wbuf_size", tls_buffer_bytes),
    YES("ssl_session_cache", config.tls_session_cache),
    FIXED("ssl_kernel_tls", "no"), /* whatever was asked for */
    TEXT("ssl_min_version", tls_version),
    {"num_napi_ids", ROW_GIVEN, AT(config.napi_ids), NULL, 0},
    TEXT("memory_file", config.memory_file),
    FIXED("client_flags_size", "4"),
};

/*
 * This store has no classes of sizes: all items are of class 1, and wait for
 * their end in one queue, which is what memcached's cold LRU is without
 * segmented ones.
 */
static const struct stats_row items_rows[] = {
    NUMBER_WHERE("items:1:number", store.items, has_items),
    NUMBER_WHERE("items:1:number_hot", zero, has_items),
    NUMBER_WHERE("items:1:number_warm", zero, has_items),
    NUMBER_WHERE("items:1:number_cold", store.items, has_items),
    NUMBER_WHERE("items:1:number_temp", zero, has_items),
    NUMBER_WHERE("items:1:age_hot", zero, has_items),
    NUMBER_WHERE("items:1:age_warm", zero, has_items),
    NUMBER_WHERE("items:1:age", age, has_items),
    NUMBER_WHERE("items:1:mem_requested", store.item_bytes, has_items),
    NUMBER_WHERE("items:1:evicted", store.evicted, has_items),
    NUMBER_WHERE("items:1:evicted_nonzero", store.evicted_expiring, has_items),
    NUMBER_WHERE("items:1:evicted_time", store.evicted_age_s, has_items),
    COUNTED_WHERE("items:1:outofmemory", COUNTER_STORE_NO_MEMORY, has_items),
    NUMBER_WHERE("items:1:tailrepairs", zero, has_items),
    NUMBER_WHERE("items:1:reclaimed", store.expired, has_items),
    NUMBER_WHERE("items:1:expired_unfetched", store.expired_unfetched,
                 has_items),
    NUMBER_WHERE("items:1:evicted_unfetched", store.evicted_unfetched,
                 has_items),
    NUMBER_WHERE("items:1:evicted_active", store.evicted_active, has_items),
    NUMBER_WHERE("items:1:crawler_reclaimed", store.swept, has_items),
    NUMBER_WHERE("items:1:crawler_items_checked", checked, has_items),
    NUMBER_WHERE("items:1:lrutail_reflocked", zero, has_items),
    NUMBER_WHERE("items:1:moves_to_cold", zero, has_items),
    NUMBER_WHERE("items:1:moves_to_warm", zero, has_items),
    NUMBER_WHERE("items:1:moves_within_lru", store.spared, has_items),
    NUMBER_WHERE("items:1:direct_reclaims", store.hasty, has_items),
    NUMBER_WHERE("items:1:hits_to_hot", zero, has_items),
    NUMBER_WHERE("items:1:hits_to_warm", zero, has_items),
    COUNTED_WHERE("items:1:hits_to_cold", COUNTER_GET_HITS, has_items),
    NUMBER_WHERE("items:1:hits_to_temp", zero, has_items),
};

/* A page is a segment, a chunk the step in which items take memory: so that
 * chunks come to total_malloced, and those in use to mem_requested. */
static const struct stats_row slabs_rows[] = {
    NUMBER_WHERE("1:chunk_size", chunk_bytes, has_pages),
    NUMBER_WHERE("1:chunks_per_page", chunks_per_page, has_pages),
    NUMBER_WHERE("1:total_pages", pages, has_pages),
    NUMBER_WHERE("1:total_chunks", chunks, has_pages),
    NUMBER_WHERE("1:used_chunks", chunks_used, has_pages),
    NUMBER_WHERE("1:free_chunks", chunks_free, has_pages),
    NUMBER_WHERE("1:free_chunks_end", zero, has_pages),
    NUMBER_WHERE("1:mem_requested", store.item_bytes, has_pages),
    COUNTED_WHERE("1:get_hits", COUNTER_GET_HITS, has_pages),
    COUNTED_WHERE("1:cmd_set", COUNTER_CMD_SET, has_pages),
    COUNTED_WHERE("1:delete_hits", COUNTER_DELETE_HITS, has_pages),
    COUNTED_WHERE("1:incr_hits", COUNTER_INCR_HITS, has_pages),
    COUNTED_WHERE("1:decr_hits", COUNTER_DECR_HITS, has_pages),
    COUNTED_WHERE("1:cas_hits", COUNTER_CAS_HITS, has_pages),
    COUNTED_WHERE("1:cas_badval", COUNTER_CAS_BADVAL, has_pages),
    COUNTED_WHERE("1:touch_hits", COUNTER_TOUCH_HITS, has_pages),
    NUMBER("active_slabs", classes),
    NUMBER("total_malloced", store.segment_bytes),
};

/* What counts from zero again after a reset, besides the counters. */
static const size_t resets[] = {
    AT(live.connections_total),
    AT(live.connections_rejected),
    AT(live.listen_disabled),
    AT(live.listen_disabled_us),
    AT(store.expired),
    AT(store.expired_unfetched),
    AT(store.evicted),
    AT(store.evicted_expiring),
    AT(store.evicted_unfetched),
    AT(store.evicted_active),
    AT(store.spared),
    AT(store.sweeps),
    AT(store.checked),
    AT(store.swept),
    AT(store.compactions),
    AT(store.rescued),
    AT(store.hasty),
    AT(store.rounds),
};

static const char *delimiter_of(const struct config *config)
{
    return config->prefix_delimiter == NULL ? ":" : config->prefix_delimiter;
}

struct stats *stats_create(const struct config *config, struct store *store,
                           time_us started)
{
    struct stats *stats = calloc(1, sizeof(*stats));

    if (stats == NULL)
        return NULL;
    stats->config = config;
    stats->store = store;
    stats->started = started;
    /* Keys that strangers make up are not to collide in its table. */
    stats->prefixes =
        prefixes_create((uint8_t)delimiter_of(config)[0],
                        store_hash(store, SPAN("prefixes")) ^ started);
    if (stats->prefixes == NULL) {
        free(stats);
        return NULL;
    }
    pthread_mutex_init(&stats->lock, NULL);
    return stats;
}

void stats_destroy(struct stats *stats)
{
    if (stats == NULL)
        return;
    prefixes_destroy(stats->prefixes);
    pthread_mutex_destroy(&stats->lock);
    free(stats);
}

struct prefixes *stats_prefixes(struct stats *stats)
{
    return stats->prefixes;
}

void stats_reset(struct stats *stats, const struct stats_live *live)
{
    struct store_figures store;

    store_read_figures(stats->store, &store);
    pthread_mutex_lock(&stats->lock);
    stats->base.live = *live;
    stats->base.store = store;
    pthread_mutex_unlock(&stats->lock);
    prefixes_clear(stats->prefixes);
}

static void subtract(struct stats_figures *figures,
                     const struct stats_figures *base, size_t offset)
{
    uint64_t value;
    uint64_t less;

    memcpy(&value, (const uint8_t *)figures + offset, sizeof(value));
    memcpy(&less, (const uint8_t *)base + offset, sizeof(less));
    value -= less;
    memcpy((uint8_t *)figures + offset, &value, sizeof(value));
}

static void subtract_base(struct stats *stats, struct stats_figures *figures)
{
    pthread_mutex_lock(&stats->lock);
    for (size_t i = 0; i < COUNTERS; i++)
        subtract(figures, &stats->base, COUNTER_AT(i));
    for (size_t i = 0; i < sizeof(resets) / sizeof(resets[0]); i++)
        subtract(figures, &stats->base, resets[i]);
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

/* What follows from other figures. */
static void derive(struct stats_figures *figures)
{
    const struct store_figures *store = &figures->store;
    const uint64_t *counters = figures->live.counters;
    uint64_t second = figures->time;

    figures->memory_bytes = store->memory_bytes_max;
    figures->hash_power = 63 - (uint64_t)__builtin_clzll(store->index_buckets);
    figures->malloc_fails = counters[COUNTER_NO_INPUT_MEMORY] +
                            counters[COUNTER_NO_OUTPUT_MEMORY] +
                            counters[COUNTER_NO_SESSION_MEMORY];
    figures->crawls = store->sweeps + counters[COUNTER_CRAWLS];
    figures->checked = store->checked + counters[COUNTER_CRAWL_CHECKED];
    figures->age = store->oldest != 0 && second > store->oldest
                       ? second - store->oldest
                       : 0;
    figures->chunk_bytes = CHUNK_BYTES;
    figures->chunks_per_page = store->segment_size_bytes / CHUNK_BYTES;
    figures->chunks = store->segment_bytes / CHUNK_BYTES;
    figures->chunks_used = store->item_bytes / CHUNK_BYTES;
    /* The two are not of the same moment. */
    if (figures->chunks_used > figures->chunks)
        figures->chunks_used = figures->chunks;
    figures->chunks_free = figures->chunks - figures->chunks_used;
    figures->pages = (store->segment_bytes + store->segment_size_bytes - 1) /
                     store->segment_size_bytes;
    figures->has_items = store->items > 0;
    figures->has_pages = store->segment_bytes > 0;
    figures->classes = figures->has_pages;
}

static const char *name_of_tls(uint64_t version)
{
    static const char *const names[] = {"tlsv1.0", "tlsv1.1", "tlsv1.2",
                                        "tlsv1.3"};

    return version < sizeof(names) / sizeof(names[0]) ? names[version] : "?";
}

/* Here whatever was asked for comes to the same: xxh3. */
static const char *name_of_hash(uint64_t place)
{
    static const char *const names[] = {"jenkins", "murmur3", "xxh3"};

    return place < sizeof(names) / sizeof(names[0]) ? names[place] : "?";
}

/* What memcached shows: the number as it was given, which is of kilobytes; or
 * bytes. */
static uint64_t slab_chunk_max(const struct config *config)
{
    if (config->tuning.chunks_are_whole)
        return config->item_bytes_max;
    return config->tuning.chunk_max > 0 ? config->tuning.chunk_max
                                        : SLAB_CHUNK_BYTES;
}

static void take_snapshot(struct stats_report *report, struct stats *stats,
                          const struct stats_live *live)
{
    struct stats_figures *figures = &report->figures;
    /* OpenSSL's numbers of them, which memcached shows. */
    static const uint64_t tls_verify[] = {0, 1, 3, 7};
    const struct config *config = stats->config;
    struct rusage usage;

    *figures = (struct stats_figures){
        .pid = (uint64_t)getpid(),
        .uptime = (live->now - stats->started) / TIME_US_PER_S,
        .time = live->now / TIME_US_PER_S,
        .pointer_bits = 8 * sizeof(void *),
        .connections_max = config->connections_max,
        .threads = config->threads,
        .reserved_fds = 5 * config->threads,
        .accepts = live->accepts,
        .evictions = config->disable_evictions ? "off" : "on",
        .tcp_port = config->port == CONFIG_PORT_ANY ? 0 : config->port,
        .protocol = config->protocol == SPEAKS_ASCII    ? "ascii"
                    : config->protocol == SPEAKS_BINARY ? "binary"
                                                        : "auto-negotiate",
        .delimiter = delimiter_of(config),
        .auth_file = config->auth_file == NULL ? "no" : config->auth_file,
        .hash_function = name_of_hash(config->tuning.hash_function),
        .slab_chunk_max = slab_chunk_max(config),
        .read_buffer_bytes = config->tuning.read_megabytes << 20,
        .tls_version = name_of_tls(config->tls_version_min),
        .tls_verify = tls_verify[config->tls_verify],
        .tls_key_format = config->tls_key_is_der ? 2 : 1,
        .watcher_buffer_bytes = config->watcher_buffer_kilobytes << 10,
        .worker_buffer_bytes = config->worker_buffer_kilobytes << 10,
        .tls_buffer_bytes = config->tls_buffer_kilobytes << 10,
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
    derive(figures);
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
    bool is_so = false;

    if (row->kind == ROW_NUMBER || row->kind == ROW_OCTAL ||
        row->kind == ROW_SHARE || row->kind == ROW_GIVEN ||
        row->kind == ROW_MOMENT)
        memcpy(&number, at, sizeof(number));
    switch (row->kind) {
    case ROW_NUMBER:
        return snprintf(to, bytes, "%llu", (unsigned long long)number);
    case ROW_OCTAL:
        return snprintf(to, bytes, "%llo", (unsigned long long)number);
    case ROW_SHARE:
        return snprintf(to, bytes, "%.2f", (double)number / TUNING_UNIT);
    case ROW_GIVEN:
        return number == 0
                   ? snprintf(to, bytes, "NULL")
                   : snprintf(to, bytes, "%llu", (unsigned long long)number);
    case ROW_MOMENT:
        return snprintf(to, bytes, "%llu.%06llu",
                        (unsigned long long)(number / TIME_US_PER_S),
                        (unsigned long long)(number % TIME_US_PER_S));
    case ROW_TEXT:
        return snprintf(to, bytes, "%s", text_of(*(const char *const *)at));
    case ROW_YES:
    case ROW_NO:
        memcpy(&is_so, at, sizeof(is_so));
        return snprintf(to, bytes, "%s",
                        is_so == (row->kind == ROW_YES) ? "yes" : "no");
    case ROW_FIXED:
        break;
    }
    return snprintf(to, bytes, "%s", row->fixed);
}

static bool is_here(const struct stats_report *report)
{
    size_t where = report->rows[report->next].where;
    bool here = true;

    if (where > 0)
        memcpy(&here, (const uint8_t *)&report->figures + where, sizeof(here));
    return here;
}

bool stats_next(struct stats_report *report, struct span *name,
                struct span *value)
{
    while (report->next < report->count && !is_here(report))
        report->next++;
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
