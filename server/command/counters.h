/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Counters: what clients did, counted by the thread that served them.
 *
 * Threads: one thread counts, any reads; sums over threads may be a moment
 *          old but never torn.
 */
#ifndef SERVER_COMMAND_COUNTERS_H
#define SERVER_COMMAND_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

enum counter {
    COUNTER_CMD_GET,
    COUNTER_CMD_SET,
    COUNTER_CMD_FLUSH,
    COUNTER_CMD_TOUCH,
    COUNTER_CMD_META,
    COUNTER_GET_HITS,
    COUNTER_GET_MISSES,
    COUNTER_GET_EXPIRED,
    COUNTER_GET_FLUSHED,
    COUNTER_DELETE_MISSES,
    COUNTER_DELETE_HITS,
    COUNTER_INCR_MISSES,
    COUNTER_INCR_HITS,
    COUNTER_DECR_MISSES,
    COUNTER_DECR_HITS,
    COUNTER_CAS_MISSES,
    COUNTER_CAS_HITS,
    COUNTER_CAS_BADVAL,
    COUNTER_TOUCH_HITS,
    COUNTER_TOUCH_MISSES,
    COUNTER_STORE_TOO_LARGE,
    COUNTER_STORE_NO_MEMORY,
    COUNTER_ITEMS_STORED,
    COUNTER_BYTES_READ,
    COUNTER_BYTES_WRITTEN,
    COUNTER_CONN_YIELDS,
    COUNTER_IDLE_KICKS,           /* silent clients that were closed */
    COUNTER_AUTH_CMDS,            /* attempts to say who one is */
    COUNTER_AUTH_ERRORS,          /* those that failed */
    COUNTER_LOG_WRITTEN,          /* lines for watchers */
    COUNTER_LOG_DROPPED,          /* those that found no room */
    COUNTER_LOG_SENT,             /* lines to one watcher each */
    COUNTER_LOG_SKIPPED,          /* those that it was too slow for */
    COUNTER_TLS_HANDSHAKE_ERRORS, /* handshakes that failed */
    COUNTER_TLS_PROTOCOL_ERRORS,  /* connections that broke later */
    COUNTER_TLS_SESSIONS,         /* handshakes that resumed nothing */
    COUNTER_CRAWLS,               /* walks over the items, asked for */
    COUNTER_CRAWL_CHECKED,        /* items that they looked at */
    COUNTER_NO_INPUT_MEMORY,
    COUNTER_NO_OUTPUT_MEMORY,
    COUNTER_NO_SESSION_MEMORY, /* for a connection, or one large value */
    COUNTER_FARM_ACK_DEGRADED, /* answers given without a member of the view */
    COUNTERS
};

struct counters {
    _Atomic uint64_t values[COUNTERS];
};

static inline void count(struct counters *counters, enum counter counter,
                         uint64_t amount)
{
    _Atomic uint64_t *at = &counters->values[counter];

    atomic_store_explicit(
        at, atomic_load_explicit(at, memory_order_relaxed) + amount,
        memory_order_relaxed);
}

static inline uint64_t counted(const struct counters *counters,
                               enum counter counter)
{
    return atomic_load_explicit(&counters->values[counter],
                                memory_order_relaxed);
}

#endif
