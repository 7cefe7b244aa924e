/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Value: bytes that follow from the number of their key and their length.
 *
 * Whoever receives one can check it without having kept it, whatever
 * process stored it, and another key's value, a value cut short or one that
 * was moved by some bytes does not pass.
 */
#ifndef TESTS_BENCH_VALUE_H
#define TESTS_BENCH_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VALUE_BYTES_MAX ((size_t)64 << 20)

/* Writes the value of `bytes` bytes for key `number` to `at`. */
void value_fill(uint64_t number, char *at, size_t bytes);

bool value_is(uint64_t number, const char *at, size_t bytes);

#endif
