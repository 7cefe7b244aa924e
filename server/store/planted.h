/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Planted: faults that are compiled in for one test only, which proves that
 * the simulator's judges find them (tests/simulator/planted).
 */
#ifndef SERVER_STORE_PLANTED_H
#define SERVER_STORE_PLANTED_H

#define PLANTED_NOTHING 0
#define PLANTED_MERGE_BY_ARRIVAL 1
#define PLANTED_GRAVE_FORGOTTEN 2
#define PLANTED_ANSWER_TOO_EARLY 3
#define PLANTED_TOUCH_OVERWRITES 4
#define PLANTED_VECTOR_NOT_ADOPTED 5
#define PLANTED_ALWAYS_FRESH 6
#define PLANTED_WANT_ACKNOWLEDGED 7

#ifndef PLANTED
#define PLANTED PLANTED_NOTHING
#endif

#endif
