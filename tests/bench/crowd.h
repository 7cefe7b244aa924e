/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Crowd: all the connections of a run, kept busy from one thread.
 *
 * In a closed loop a connection gets its next batch when the last one is
 * answered.  In an open loop batches fall due at times of their own and wait
 * for an idle connection; their latency counts from when they were due, so
 * that a server which stalls cannot make the load wait for it unseen.
 */
#ifndef TESTS_BENCH_CROWD_H
#define TESTS_BENCH_CROWD_H

#include "plan.h"
#include "tally.h"
#include "traffic.h"

/* Connects them all; borrows the plan for the life of the crowd. */
struct crowd *crowd_create(const struct plan *plan);
void crowd_destroy(struct crowd *crowd);

/* Returns once the traffic is over and everything has been answered. */
void crowd_run(struct crowd *crowd, struct traffic *traffic,
               struct tally *tally);

#endif
