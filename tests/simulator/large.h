/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Large: a farm of many servers, started at once, written to everywhere,
 * some of them crashed and restarted; what must hold then is judged.
 */
#ifndef TESTS_SIMULATOR_LARGE_H
#define TESTS_SIMULATOR_LARGE_H

#include <stdbool.h>
#include <stdint.h>

/* Prints what it cost; false if anything was lost, differs, or is late. */
bool large_run(uint64_t seed, unsigned servers_count, bool traces);

#endif
