/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frontier: a set of configurations, each a state of the key and what has
 * taken its place in the order so far.
 *
 * Of those with the same state one that can do whatever another can makes
 * the other superfluous: it has more of the operations behind it that only
 * look, and fewer of those whose outcome is unknown; others are equal.
 *
 * Owns:   its configurations, one behind the other, all of one size.
 * Lasts:  what frontier_at() hands out, until the next frontier_add().
 * Bounds: `count_max`; what is added beyond is refused.
 */
#ifndef TESTS_LINEAR_FRONTIER_H
#define TESTS_LINEAR_FRONTIER_H

#include "tests/linear/model.h"

struct configuration {
    struct model_state state;
    /* How many unknown operations have taken effect since the last return;
     * no matter to whether it is superfluous. */
    size_t unknown_count;
    /* First a bit for each place (see linear.c), then how many of each class
     * of unknown operations have taken effect. */
    uint64_t words[];
};

struct frontier {
    struct configuration *configurations;
    uint32_t *chains;  /* by hash: the last one added, from 1 */
    uint32_t *earlier; /* with the same hash, from 1 */
    size_t count;
    size_t count_max;
    size_t room;   /* for so many there is memory */
    size_t places; /* words of bits */
    size_t classes;
};

void frontier_init(struct frontier *frontier, size_t places, size_t classes,
                   size_t count_max);
void frontier_release(struct frontier *frontier);
void frontier_clear(struct frontier *frontier);

size_t configuration_bytes(const struct frontier *frontier);
struct configuration *frontier_at(const struct frontier *frontier,
                                  size_t index);

/* `looking`: the bits of those that only look.  False where there is no room
 * for it. */
MUST_USE bool frontier_add(struct frontier *frontier,
                           const struct configuration *configuration,
                           const uint64_t *looking);

/* Keeps so many, those in which the fewest unknown operations took effect.
 * Nothing is to be added before it is cleared. */
void frontier_trim(struct frontier *frontier, size_t count);

#endif
