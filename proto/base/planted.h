/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Planted: faults that are compiled in for one test only, which proves that
 * it finds them: those of the farm the simulator's judges
 * (tests/simulator/planted), those of the parsers the fuzzers
 * (tests/fuzz/planted).
 */
#ifndef PROTO_BASE_PLANTED_H
#define PROTO_BASE_PLANTED_H

#define PLANTED_NOTHING 0

/* Of the farm. */
#define PLANTED_MERGE_BY_ARRIVAL 1
#define PLANTED_GRAVE_FORGOTTEN 2
#define PLANTED_ANSWER_TOO_EARLY 3
#define PLANTED_TOUCH_OVERWRITES 4
#define PLANTED_VECTOR_NOT_ADOPTED 5
#define PLANTED_ALWAYS_FRESH 6
#define PLANTED_WANT_ACKNOWLEDGED 7
#define PLANTED_SPLICE_OF_ANYTHING 8
#define PLANTED_NO_BARRIER 9
#define PLANTED_PRIVATE_VIEW 10
#define PLANTED_YES_TOO_EARLY 11
#define PLANTED_NO_LEASE 12
#define PLANTED_RELEASE_ANY 13
#define PLANTED_LOCK_TAKEN_OVER 14
#define PLANTED_NEWCOMER_FORGOTTEN 15

/* A length that is checked off by one. */
#define PLANTED_BINARY_EXTRAS 21
#define PLANTED_META_BASE64 22
#define PLANTED_VECTOR_LIST 23

#ifdef PLANTED_BY_ENVIRONMENT
/* All are compiled in, and the test chooses one: tests/support/planted.c. */
extern int planted_fault;
#define PLANTED planted_fault
#endif

#ifndef PLANTED
#define PLANTED PLANTED_NOTHING
#endif

#endif
