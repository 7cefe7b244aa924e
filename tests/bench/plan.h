/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plan: what one run is to do, as the command line says it.
 *
 * Every bound is checked here; the rest of the program trusts a plan.
 */
#ifndef TESTS_BENCH_PLAN_H
#define TESTS_BENCH_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CONNECTIONS_MAX 10000
#define PIPELINE_MAX 4096
#define MULTIGET_MAX 4096

struct plan {
    const char *host;
    const char *port;
    const struct protocol *protocol;
    unsigned connections_count;
    unsigned pipeline; /* requests in a batch: one write, then its replies */
    unsigned multiget; /* keys in a get */
    uint64_t keys_count;
    size_t key_bytes;
    double zipf_theta; /* 0: every key is as likely as another */
    size_t value_bytes_min;
    size_t value_bytes_max; /* above the least: log-normal between them */
    uint64_t gets_share;    /* so many gets ... */
    uint64_t sets_share;    /* ... to so many sets */
    bool fills;             /* stores every key first */
    bool trusts;            /* does not look into the values it receives */
    double seconds;         /* ends at the earlier of the two; 0: never */
    uint64_t requests_max;  /* (none at all is a run that only fills) */
    double rate;            /* requests a second; 0: as fast as answered */
    uint64_t seed;
    pid_t server_pid; /* whose processor time to read; 0: nobody's */
};

/* Prints one sentence and exits with 2 if there is no sense in `words`. */
struct plan plan_parse(int words_count, char **words);

#endif
