/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Replication: what a command changed, into this server's journal.
 *
 * Threads: any; under the lock of the mutation's key.
 */
#ifndef SERVER_SESSION_REPLICATION_H
#define SERVER_SESSION_REPLICATION_H

#include "server/command/execute.h"
#include "server/peer/peers.h"

/* Only where something was changed; `lock` is what became of the lock that was
 * written, or NULL.  Returns the number of the record. */
uint64_t replication_journal(struct peers *peers, struct span key,
                             const struct execution *execution,
                             const struct farm_lock *lock);

#endif
