/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the server tells of itself: how long that may become, what a reset
 * leaves, which rows there are when, and that figures of memory add up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/stats/stats.h"

#define MEGABYTE ((size_t)1024 * 1024)
#define MEMORY_BYTES (8 * MEGABYTE)
#define START_US (UINT64_C(1800000000) * TIME_US_PER_S)
/* collectd reads the answer to `stats` into so much. */
#define COLLECTD_BYTES 4096
#define DIGITS_MAX 20

static struct store *store;
static struct config config;
static struct stats *stats;
static struct stats_live live;

static int set_up(void **state)
{
    struct store_settings settings = {.memory_bytes_max = MEMORY_BYTES,
                                      .item_bytes_max = MEGABYTE,
                                      .evicts = true,
                                      .counts_sizes = true,
                                      .seed = 7};

    (void)state;
    store = store_create(&settings);
    config = (struct config){.memory_megabytes = MEMORY_BYTES / MEGABYTE,
                             .item_bytes_max = MEGABYTE,
                             .threads = 4,
                             .connections_max = 1024};
    stats = store == NULL ? NULL : stats_create(&config, store, START_US);
    live = (struct stats_live){.now = START_US + 100 * TIME_US_PER_S};
    return stats == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    stats_destroy(stats);
    store_destroy(store);
    return 0;
}

static void put(const char *key, size_t value_bytes, time_us now)
{
    uint8_t *value = calloc(1, value_bytes);
    struct store_write write = {.parts = {span_of(value, value_bytes)},
                                .version = store_next_version(store, now)};
    struct store_hold hold;
    struct span name = span_of_string(key);

    assert_non_null(value);
    for (;;) {
        store_hold(store, name, store_hash(store, name), now, &hold);
        enum store_result result = store_put(&hold, &write);
        store_release(&hold);
        if (result == STORE_OK)
            break;
        assert_true(store_make_room(
            store, store_item_bytes(store, name.length, value_bytes), now));
    }
    free(value);
}

/* The figure of that name in a group, as text; false if there is no row. */
static bool find(const char *group, const char *wanted, char text[64])
{
    struct stats_report report;
    struct span name;
    struct span value;

    assert_true(stats_open(&report, stats, span_of_string(group), &live));
    while (stats_next(&report, &name, &value)) {
        if (!span_equal(name, span_of_string(wanted)))
            continue;
        snprintf(text, 64, "%.*s", (int)value.length, (const char *)value.data);
        return true;
    }
    return false;
}

static unsigned long long number(const char *group, const char *name)
{
    char text[64];

    assert_true(find(group, name, text));
    return strtoull(text, NULL, 10);
}

static bool has(const char *group, const char *name)
{
    char text[64];

    return find(group, name, text);
}

/* ---- length ---- */

/* What cannot grow to any length, and how long it can become. */
static size_t digits_max(struct span name, struct span value)
{
    static const struct {
        const char *name;
        size_t digits;
    } bounded[] = {
        {"pid", 7},
        {"uptime", 10},
        {"time", 10},
        {"pointer_size", 2},
        {"rusage_user", 17},
        {"rusage_system", 17},
        {"threads", 3},
        {"max_connections", 7},
        {"reserved_fds", 4},
        {"hash_power_level", 2},
        {"accepting_conns", 1},
    };
    /* Nothing of the kind is here. */
    static const char *const nothing[] = {
        "hash_is_expanding",
        "slab_reassign_chunk_rescues",
        "slab_reassign_evictions_nomem",
        "slab_reassign_inline_reclaim",
        "slab_reassign_busy_items",
        "slab_reassign_busy_deletes",
        "slab_reassign_running",
        "lrutail_reflocked",
        "moves_to_cold",
        "moves_to_warm",
        "lru_bumps_dropped",
        "unexpected_napi_ids",
        "round_robin_fallback",
    };

    for (size_t i = 0; i < sizeof(bounded) / sizeof(bounded[0]); i++) {
        if (span_equal(name, span_of_string(bounded[i].name)))
            return bounded[i].digits;
    }
    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        if (span_equal(name, span_of_string(nothing[i]))) {
            assert_true(span_equal(value, SPAN("0")));
            return 1;
        }
    }
    for (size_t i = 0; i < value.length; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return value.length; /* a version */
    }
    return DIGITS_MAX;
}

static void the_general_rows_fit_what_collectd_reads(void **state)
{
    struct stats_report report;
    struct span name;
    struct span value;
    size_t bytes = sizeof("END\r\n") - 1;
    size_t rows = 0;

    (void)state;
    live.kicks_idle = true;
    live.has_tls = true;
    live.has_tls_sessions = true;
    assert_true(stats_open(&report, stats, SPAN(""), &live));
    while (stats_next(&report, &name, &value)) {
        bytes +=
            sizeof("STAT  \r\n") - 1 + name.length + digits_max(name, value);
        rows++;
    }
    assert_true(rows > 95);
    assert_true(bytes < COLLECTD_BYTES);
}

/* ---- rows ---- */

static void rows_of_what_is_not_in_use_are_not_there(void **state)
{
    static const struct {
        const char *name;
        bool *flag;
    } rows[] = {
        {"idle_kicks", &live.kicks_idle},
        {"ssl_handshake_errors", &live.has_tls},
        {"ssl_proto_errors", &live.has_tls},
        {"time_since_server_cert_refresh", &live.has_tls},
        {"ssl_new_sessions", &live.has_tls_sessions},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        *rows[i].flag = false;
        assert_false(has("", rows[i].name));
        *rows[i].flag = true;
        assert_true(has("", rows[i].name));
        *rows[i].flag = false;
    }
}

static void an_empty_store_has_no_class(void **state)
{
    struct stats_report report;
    struct span name;
    struct span value;

    (void)state;
    assert_true(stats_open(&report, stats, SPAN("items"), &live));
    assert_false(stats_next(&report, &name, &value));
    assert_int_equal(number("slabs", "active_slabs"), 0);
    assert_int_equal(number("slabs", "total_malloced"), 0);
    assert_false(has("slabs", "1:chunk_size"));
}

static void no_group_has_that_name(void **state)
{
    struct stats_report report;

    (void)state;
    assert_false(stats_open(&report, stats, SPAN("nonsense"), &live));
    assert_false(stats_open(&report, stats, SPAN("setting"), &live));
}

/* ---- memory ---- */

static void chunks_add_up_to_what_is_malloced(void **state)
{
    char key[32];

    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(key, sizeof(key), "key%u", i);
        put(key, 100 + i % 400, START_US);
    }
    put("large", 900 * 1000, START_US);
    unsigned long long chunk = number("slabs", "1:chunk_size");
    assert_int_equal(number("slabs", "1:total_chunks") * chunk,
                     number("slabs", "total_malloced"));
    assert_int_equal(number("slabs", "1:used_chunks") * chunk,
                     number("slabs", "1:mem_requested"));
    assert_int_equal(number("slabs", "1:used_chunks") +
                         number("slabs", "1:free_chunks"),
                     number("slabs", "1:total_chunks"));
    assert_int_equal(number("slabs", "1:mem_requested"),
                     number("items", "items:1:mem_requested"));
    assert_int_equal(number("slabs", "1:mem_requested"), number("", "bytes"));
    assert_true(number("slabs", "1:total_pages") *
                    number("slabs", "1:chunks_per_page") >=
                number("slabs", "1:total_chunks"));
    assert_int_equal(number("slabs", "active_slabs"), 1);
    assert_int_equal(number("items", "items:1:number"), 3001);
    assert_int_equal(number("items", "items:1:number_cold"), 3001);
    assert_true(number("slabs", "total_malloced") <= MEMORY_BYTES);
}

static void sizes_are_counted_in_steps(void **state)
{
    uint64_t counted = 0;
    uint64_t steps_bytes = 0;

    (void)state;
    put("a", 1, START_US);
    put("b", 1, START_US);
    size_t item_bytes = number("", "bytes") / 2;
    assert_int_equal(
        store_size_count(store,
                         (item_bytes + STORE_SIZE_STEP - 1) / STORE_SIZE_STEP),
        2);
    put("c", 1000, START_US);
    put("c", 2000, START_US);
    put("d", 900 * 1000, START_US);
    for (size_t i = 0; i < store_size_steps(store); i++) {
        counted += store_size_count(store, i);
        steps_bytes += store_size_count(store, i) * i * STORE_SIZE_STEP;
    }
    assert_int_equal(counted, 4);
    assert_true(steps_bytes >= number("", "bytes"));
    assert_true(steps_bytes < number("", "bytes") + 4 * STORE_SIZE_STEP);
    store_flush(store, 0, START_US);
    for (unsigned i = 0; i < 10; i++)
        store_maintain(store, START_US + i * TIME_US_PER_S);
    for (size_t i = 0; i < store_size_steps(store); i++)
        assert_int_equal(store_size_count(store, i), 0);
}

static void the_oldest_segment_tells_the_age(void **state)
{
    (void)state;
    store_maintain(store, START_US);
    put("a", 10, START_US);
    live.now = START_US + 42 * TIME_US_PER_S;
    store_maintain(store, live.now);
    assert_int_equal(number("items", "items:1:age"), 42);
}

static void an_eviction_tells_how_long_that_was_not_used(void **state)
{
    char key[32];
    time_us later = START_US + 1000 * TIME_US_PER_S;

    (void)state;
    store_maintain(store, START_US);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "old%u", i);
        put(key, 4000, START_US);
    }
    store_maintain(store, later);
    live.now = later;
    for (unsigned i = 0; number("", "evictions") == 0; i++) {
        snprintf(key, sizeof(key), "new%u", i);
        put(key, 4000, later);
    }
    assert_int_equal(number("items", "items:1:evicted_time"), 1000);
    assert_int_equal(number("items", "items:1:evicted"),
                     number("", "evictions"));
    assert_int_equal(number("", "evicted_unfetched"), number("", "evictions"));
    assert_int_equal(number("", "evicted_active"), 0);
    assert_true(number("", "direct_reclaims") > 0);
}

static void what_died_is_swept_and_counted(void **state)
{
    (void)state;
    put("a", 10, START_US);
    put("b", 10, START_US);
    store_flush(store, 0, START_US);
    store_maintain(store, START_US + TIME_US_PER_S);
    assert_int_equal(number("", "crawler_reclaimed"), 2);
    assert_int_equal(number("", "crawler_items_checked"), 2);
    assert_int_equal(number("", "lru_crawler_starts"), 1);
    assert_int_equal(number("", "reclaimed"), 2);
    assert_int_equal(number("", "expired_unfetched"), 2);
    assert_int_equal(number("", "lru_maintainer_juggles"), 1);
}

/* ---- reset ---- */

static void a_reset_zeroes_what_counts_and_no_gauge(void **state)
{
    static const char *const gauges[] = {"pid",
                                         "uptime",
                                         "time",
                                         "version",
                                         "grapevine_version",
                                         "pointer_size",
                                         "rusage_user",
                                         "rusage_system",
                                         "max_connections",
                                         "curr_connections",
                                         "connection_structures",
                                         "reserved_fds",
                                         "response_obj_count",
                                         "response_obj_bytes",
                                         "read_buf_count",
                                         "read_buf_bytes",
                                         "read_buf_bytes_free",
                                         "limit_maxbytes",
                                         "accepting_conns",
                                         "threads",
                                         "hash_power_level",
                                         "hash_bytes",
                                         "lru_crawler_running",
                                         "log_watchers",
                                         "bytes",
                                         "curr_items",
                                         "slab_global_page_pool",
                                         "time_since_server_cert_refresh"};
    struct stats_report report;
    struct span name;
    struct span value;
    size_t gauges_seen = 0;

    (void)state;
    live.kicks_idle = live.has_tls = live.has_tls_sessions = true;
    live.accepts = true;
    live.connections = live.connections_total = live.connections_rejected = 9;
    live.listen_disabled = live.listen_disabled_us = 9;
    live.watchers = live.crawls = live.certificate_age_s = 9;
    live.input_buffers = live.input_buffers_bytes = 9;
    live.input_buffers_free_bytes = 9;
    live.output_buffers = live.output_buffers_bytes = 9;
    for (size_t i = 0; i < COUNTERS; i++)
        live.counters[i] = 9;
    put("a", 10, START_US);
    put("b", 10, START_US);
    store_flush(store, 0, START_US);
    store_maintain(store, START_US + TIME_US_PER_S);
    put("c", 10, START_US + TIME_US_PER_S);
    assert_true(prefixes_prepare(stats_prefixes(stats)));
    prefixes_count(stats_prefixes(stats), SPAN("a:b"), PREFIX_GETS, true);
    stats_reset(stats, &live);

    assert_true(stats_open(&report, stats, SPAN(""), &live));
    while (stats_next(&report, &name, &value)) {
        bool is_gauge = false;
        for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
            is_gauge |= span_equal(name, span_of_string(gauges[i]));
        gauges_seen += is_gauge;
        if (!is_gauge && !span_equal(value, SPAN("0")))
            fail_msg("%.*s is %.*s after a reset", (int)name.length,
                     (const char *)name.data, (int)value.length,
                     (const char *)value.data);
    }
    assert_int_equal(gauges_seen, sizeof(gauges) / sizeof(gauges[0]));
    assert_int_equal(number("", "curr_items"), 1);
    assert_int_equal(number("", "log_watchers"), 9);
    assert_int_equal(number("slabs", "1:get_hits"), 0);
    assert_int_equal(number("slabs", "1:cmd_set"), 0);
    assert_int_equal(number("items", "items:1:reclaimed"), 0);
    assert_int_equal(number("items", "items:1:number"), 1);
    struct prefix prefix;
    assert_false(prefixes_read(stats_prefixes(stats), 0, &prefix));
    /* And from there on. */
    live.counters[COUNTER_GET_HITS]++;
    assert_int_equal(number("", "get_hits"), 1);
    assert_int_equal(number("slabs", "1:get_hits"), 1);
}

/* ---- settings ---- */

static void settings_are_those_of_the_options(void **state)
{
    char text[64];

    (void)state;
    config.prefix_delimiter = "/";
    config.disable_cas = config.disable_flush_all = true;
    config.disable_dumping = config.surplus_waits = config.tls = true;
    config.protocol = SPEAKS_BINARY;
    config.auth_file = "/etc/users";
    config.watcher_buffer_kilobytes = 256;
    config.tls_version_min = 3;
    config.napi_ids = 2;
    live.counts_prefixes = live.has_crawler = true;
    live.tuning.chunk_bytes_min = 96;
    live.tuning.growth = 1250;
    live.tuning.is_flat = true;
    static const struct {
        const char *name;
        const char *value;
    } rows[] = {
        {"stat_key_prefix", "/"},
        {"detail_enabled", "yes"},
        {"cas_enabled", "no"},
        {"flush_enabled", "no"},
        {"dump_enabled", "no"},
        {"maxconns_fast", "no"},
        {"binding_protocol", "binary"},
        {"auth_enabled_ascii", "/etc/users"},
        {"watcher_logbuf_size", "262144"},
        {"ssl_enabled", "yes"},
        {"ssl_min_version", "tlsv1.3"},
        {"domain_socket", "NULL"},
        {"lru_crawler", "yes"},
        {"chunk_size", "96"},
        {"growth_factor", "1.25"},
        {"lru_segmented", "no"},
        {"lru_maintainer_thread", "yes"},
        {"num_napi_ids", "2"},
        {"memory_file", "NULL"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(find("settings", rows[i].name, text));
        assert_string_equal(text, rows[i].value);
    }
}

#define ON_STATS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STATS(the_general_rows_fit_what_collectd_reads),
        ON_STATS(rows_of_what_is_not_in_use_are_not_there),
        ON_STATS(an_empty_store_has_no_class),
        ON_STATS(no_group_has_that_name),
        ON_STATS(chunks_add_up_to_what_is_malloced),
        ON_STATS(sizes_are_counted_in_steps),
        ON_STATS(the_oldest_segment_tells_the_age),
        ON_STATS(an_eviction_tells_how_long_that_was_not_used),
        ON_STATS(what_died_is_swept_and_counted),
        ON_STATS(a_reset_zeroes_what_counts_and_no_gauge),
        ON_STATS(settings_are_those_of_the_options),
    };

    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
