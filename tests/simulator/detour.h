/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Detour: two servers that cannot reach each other, and a neighbour.
 */
#ifndef TESTS_SIMULATOR_DETOUR_H
#define TESTS_SIMULATOR_DETOUR_H

#include <stdbool.h>
#include <stdint.h>

/* A farm of three to five, by seed, of which two are cut from each other: a
 * while later what one writes is held by the other, and answered as it
 * should be; and once the cut is mended likewise. */
bool detour_holds(uint64_t seed);

#endif
