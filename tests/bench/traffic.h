/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Traffic: which requests come next, in what batches, and until when.
 *
 * Units: nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef TESTS_BENCH_TRAFFIC_H
#define TESTS_BENCH_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include "dice.h"
#include "plan.h"
#include "protocol.h"
#include "zipf.h"

/* Requests in a batch while filling, which is not what is measured. */
#define FILL_PIPELINE 64

struct traffic {
    const struct plan *plan;
    struct dice dice;
    struct zipf zipf;
    bool is_fill;
    unsigned batch_max;
    uint64_t requests_left;
    uint64_t ends_ns; /* 0: never */
    double rate;      /* requests a second; 0: closed loop */
};

/* A set of every key, in order. */
struct traffic traffic_filling(const struct plan *plan);

/* What the plan says, from now on. */
struct traffic traffic_planned(const struct plan *plan, uint64_t now_ns);

/*
 * Draws the next requests, up to a batch, into `requests`, whose `keys` have
 * room for a multiget each; returns how many, 0 once it is over.
 */
unsigned traffic_draw(struct traffic *traffic, uint64_t now_ns,
                      struct request *requests);

/* From one batch of an open loop to the next. */
uint64_t traffic_gap_ns(struct traffic *traffic);

#endif
