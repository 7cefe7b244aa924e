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

/* Of meta commands alone: a retrieval, a removal that leaves the item there,
 * a look at what is known of it. */
enum store_result rule_meta_retrieve(const struct command *command,
                                     struct execution *execution);
enum store_result rule_invalidate(const struct command *command,
                                  struct execution *execution);
enum store_result rule_inspect(const struct command *command,
                               struct execution *execution);

/*
 * When an item with that exptime dies (0: never); false where it is dead at
 * once.  Up to 30 days are seconds from now, more is a time since 1970.
 */
MUST_USE bool rule_expiry(int64_t exptime, time_us now, time_s *at);

/* The same, where what is dead at once dies with this second. */
time_s rule_moment(int64_t exptime, time_us now);

/* When an item dies, after the flags of a meta command in their order; they
 * find it with `exptime`, or have created it. */
time_s rule_meta_life(const struct command *command,
                      const struct execution *execution, time_s exptime);

/* A retrieval that changes nothing, where there is no memory for that. */
void rule_meta_read(const struct command *command, struct execution *execution);

/* What a meta command tells of the held item, as it is now. */
void rule_describe(const struct command *command, struct execution *execution);

/* The life of the held item is renewed; if that is dead at once it is seen to
 * the end of this hold: get-and-touch still shows the value. */
enum store_result rule_renew(struct execution *execution, time_s exptime);

/* The version of what is about to be written of the held key. */
uint64_t rule_next_version(const struct execution *execution);

/* Writes the held key's item and sets the outcome's token. */
enum store_result rule_put(struct execution *execution,
                           struct store_write *write);

/* What is about to be written or marked, for other servers to hear of: as
 * little of it as may be, by what the held item is before. */
void rule_note_put(struct execution *execution,
                   const struct store_write *write);
void rule_note_mark(struct execution *execution);

/* True where a store that fails for its size or for lack of memory must not
 * leave the old value to be read: a plain set, and ms in every mode. */
bool rule_replaces_at_all_costs(const struct command *command);

/* True where there is an item of the key, here or perhaps elsewhere. */
bool rule_has_to_drop(const struct execution *execution);

/* Takes the held key's item away, if it has one; where others may have one,
 * they hear of it. */
enum store_result rule_drop(struct execution *execution);

/* The client of a meta retrieval is to recache the held item. */
bool rule_wins(const struct command *command,
               const struct execution *execution);

/* Counts what came of the command, as memcached would. */
void rule_count(const struct command *command,
                const struct execution *execution);

#endif
