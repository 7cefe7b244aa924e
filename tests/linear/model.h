/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Model: one key of one memcached, and what it tells of itself.
 *
 * A token that nobody was told is 0, and may be any that nobody knows yet.
 */
#ifndef TESTS_LINEAR_MODEL_H
#define TESTS_LINEAR_MODEL_H

#include "tests/linear/linear.h"
#include "tests/linear/tokens.h"

struct model_state {
    bool is_there;
    uint32_t owner;  /* through whom it was stored last */
    uint64_t number; /* or LINEAR_EMPTY */
    uint64_t token;
};

enum model_result {
    MODEL_CONTRADICTS, /* here it would have been told something else */
    MODEL_LOOKS,       /* it fits, and leaves everything as it is */
    MODEL_CHANGES,
};

/* What the operation, with its outcome, does here; one whose outcome is
 * unknown, what it does if it takes effect.  `state` is changed where it
 * changes it. */
enum model_result model_step(const struct linear_operation *operation,
                             const struct tokens_point *point,
                             struct model_state *state);

/* It changes no state whatever it meets, and no token becomes known by it. */
bool model_only_looks(const struct linear_operation *operation);

#endif
