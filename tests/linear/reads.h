/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads: those of a regular register, each for itself.
 *
 * A read may tell of any change that it overlaps, or of one before it that
 * no other is surely between; where tokens rise, none that is older than
 * what was answered before it, or than what its client has read.
 */
#ifndef TESTS_LINEAR_READS_H
#define TESTS_LINEAR_READS_H

#include "tests/linear/linear.h"

/* Writes into `judgement` what is wrong, if anything is. */
void reads_judge(const struct linear_operation *operations, size_t count,
                 const struct linear_rules *rules,
                 struct linear_judgement *judgement);

#endif
