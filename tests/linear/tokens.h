/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tokens: what answers told of them, in the whole history and up to a point
 * of an order.
 *
 * Owns: a table of the history's tokens.
 */
#ifndef TESTS_LINEAR_TOKENS_H
#define TESTS_LINEAR_TOKENS_H

#include "tests/linear/linear.h"

struct token {
    uint64_t token;
    bool is_spent; /* told by, or used up by, what has returned */
    bool has_number;
    uint64_t number; /* the value of its state */
};

struct tokens {
    struct token *table; /* in order */
    size_t count;
    uint64_t newest; /* told by what has returned */
    bool rise;
};

/* Behind all that has returned, and these, which have not. */
struct tokens_point {
    const struct tokens *tokens;
    const struct linear_operation *const *done;
    size_t done_count;
};

/* Reads the history.  Returns the operation that says of a token what
 * another says otherwise; `count` if there is none. */
size_t tokens_init(struct tokens *tokens,
                   const struct linear_operation *operations, size_t count,
                   bool rise);
void tokens_release(struct tokens *tokens);

/* The operation, which took its place, has returned. */
void tokens_return(struct tokens *tokens,
                   const struct linear_operation *operation);

bool tokens_is_spent(const struct tokens_point *point, uint64_t token);

/* A state that begins at this point may have it. */
bool tokens_is_newest(const struct tokens_point *point, uint64_t token);

/* Its state is told to have this value, before this point or behind it. */
bool tokens_has_value(const struct tokens_point *point, uint64_t token,
                      uint64_t number);

#endif
