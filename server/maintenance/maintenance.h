/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Maintenance: the thread that keeps the store in order beside the clients:
 * expiry of what nobody asks for, and memory ahead of need.
 */
#ifndef SERVER_MAINTENANCE_MAINTENANCE_H
#define SERVER_MAINTENANCE_MAINTENANCE_H

#include "server/log/log.h"
#include "server/loop/clock.h"
#include "server/store/store.h"

struct maintenance;

/* All borrowed; NULL when memory or threads are out. */
struct maintenance *maintenance_create(struct store *store, struct log *log,
                                       const struct clock *clock);
void maintenance_destroy(struct maintenance *maintenance);

#endif
