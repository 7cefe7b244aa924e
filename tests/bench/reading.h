/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading: what the lines of text replies, classic and meta, have in common.
 */
#ifndef TESTS_BENCH_READING_H
#define TESTS_BENCH_READING_H

#include "protocol.h"

bool reading_starts_with(const char *line, size_t length, const char *word);

/* A number and the one byte that has to follow it; false if they do not. */
bool reading_number(const char **at, const char *end, char follower,
                    size_t *number);

/* The first line in `length` bytes, of which no more is said than whether it
 * is there, and whether it refuses what was asked. */
struct response reading_line(const char *bytes, size_t length);

#endif
