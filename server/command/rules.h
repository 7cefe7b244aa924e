/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rules: the steps behind command_execute(), one family of commands a file.
 *
 * Each runs with the key held, sets the outcome, and returns STORE_NO_ROOM
 * (with `needed_bytes`) where it changed nothing and has to be run again.
 */
#ifndef SERVER_COMMAND_RULES_H
#define SERVER_COMMAND_RULES_H

#include "server/command/execute.h"

enum store_result rule_retrieve(const struct command *command,
                                struct execution *execution);
enum store_result rule_touch(const struct command *command,
                             struct execution *execution);
enum store_result rule_store(const struct command *command,
                             struct execution *execution);
enum store_result rule_arithmetic(const struct command *command,
                                  struct execution *execution);
enum store_result rule_remove(const struct command *command,
                              struct execution *execution);

/*
 * When an item with that exptime dies (0: never); false where it is dead at
 * once.  Up to 30 days are seconds from now, more is a time since 1970.
 */
MUST_USE bool rule_expiry(int64_t exptime, time_us now, time_s *at);

/* Writes the held key's item and sets the outcome's token. */
enum store_result rule_put(struct execution *execution,
                           struct store_write *write);

/* True where there is an item of the key, here or perhaps elsewhere. */
bool rule_has_to_drop(const struct execution *execution);

/* Takes the held key's item away, if it has one; where others may have one,
 * they hear of it. */
enum store_result rule_drop(struct execution *execution);

/* Counts what came of the command, as memcached would. */
void rule_count(const struct command *command,
                const struct execution *execution);

#endif
