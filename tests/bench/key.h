/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Key: a number written in decimal, with leading zeros, to a chosen width.
 */
#ifndef TESTS_BENCH_KEY_H
#define TESTS_BENCH_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEY_BYTES_MAX 250
#define KEYS_COUNT_MAX 1000000000

/* Writes the `bytes` of key `number` to `at`, and nothing behind them. */
void key_format(uint64_t number, size_t bytes, char *at);

bool key_is(uint64_t number, const char *key, size_t bytes);

#endif
