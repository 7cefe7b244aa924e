/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lock: what a command that was executed did to the lock that its key is.
 *
 * Who makes a lock takes it, and who counts it up from 0, as pecl/memcache
 * does: the lock of whoever gives it back by a set is a 0.  What a contender
 * does while it waits, such as counting it further up, takes nothing.
 */
#ifndef SERVER_COMMAND_LOCK_H
#define SERVER_COMMAND_LOCK_H

#include "server/command/execute.h"

enum lock_step {
    LOCK_LEFT_ALONE,
    LOCK_TAKEN,     /* made, or counted up from 0: by who had none before */
    LOCK_WRITTEN,   /* over what was there, by its token or not: by who takes it
                       from another, or renews his own */
    LOCK_CHANGED,   /* as a part of what was there; it is whose it was */
    LOCK_GIVEN_BACK /* it is gone, or 0 */
};

/* Reads the outcome, and whether something was made; a command on another key
 * leaves locks alone. */
enum lock_step lock_step_of(const struct command *command,
                            const struct execution *execution);

#endif
