/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Atomic: clients on all servers have homes decide, while servers come, crash,
 * freeze and leave; what they are told is judged key by key.
 */
#ifndef TESTS_SIMULATOR_ATOMIC_H
#define TESTS_SIMULATOR_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

struct atomic_totals {
    uint64_t operations;
    uint64_t decided;
    uint64_t undecided;
    uint64_t unknown;
    uint64_t reads; /* on fresh servers */
    uint64_t faults;
    uint64_t keys;
    uint64_t unjudged; /* keys of which too much was unknown */
    uint64_t released; /* locks, of servers that were gone */
};

bool atomic_holds(uint64_t seed, bool traces, struct atomic_totals *totals);

#endif
