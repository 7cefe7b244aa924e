/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timeline: the calls and returns of a history, in time.
 *
 * Left out:  operations that did nothing for sure, and reads of a regular
 *            register.
 * Places:    an operation that returns has one from its call to its return,
 *            which no other has meanwhile.
 * Classes:   operations whose outcome is unknown never return; those that do
 *            the same are of one class, and any may stand for another that
 *            was called later.
 */
#ifndef TESTS_LINEAR_TIMELINE_H
#define TESTS_LINEAR_TIMELINE_H

#include "tests/linear/linear.h"

struct event {
    uint64_t time;
    bool is_return;
    bool is_unknown;
    size_t operation;
    size_t place; /* or class */
};

struct timeline {
    struct event *events;
    size_t count;
    size_t places_count;
    size_t classes_count;
    bool has_releases;
};

void timeline_init(struct timeline *timeline,
                   const struct linear_operation *operations, size_t count);
void timeline_release(struct timeline *timeline);

#endif
