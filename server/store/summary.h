/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Summary: the digest of the replica, kept by each mutation.
 *
 * 65,536 leaves by key hash, each the XOR of a mix of (key hash, version,
 * stamp) of the items held.  Two replicas that hold the same have the same
 * leaves and so the same root, whatever the order in which they got there.
 *
 * Threads: a leaf is toggled under the lock of its keys; any may read.
 */
#ifndef SERVER_STORE_SUMMARY_H
#define SERVER_STORE_SUMMARY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SUMMARY_LEAVES 65536
/* Leaves are looked at again by the group, where one has changed. */
#define SUMMARY_GROUPS 1024
#define SUMMARY_GROUP_LEAVES (SUMMARY_LEAVES / SUMMARY_GROUPS)

struct summary {
    _Atomic uint64_t leaves[SUMMARY_LEAVES];
    _Atomic bool has_changed[SUMMARY_GROUPS];
    pthread_mutex_t lock; /* of the roots */
    uint64_t roots[SUMMARY_GROUPS];
};

void summary_init(struct summary *summary);
void summary_release(struct summary *summary);

/* Adds an item that was not in, or takes out one that was. */
void summary_toggle(struct summary *summary, uint64_t hash, uint64_t version,
                    uint64_t stamp);

/* Brings nearer what a toggle of that hash is going to change. */
static inline void summary_prefetch(const struct summary *summary,
                                    uint64_t hash)
{
    __builtin_prefetch(&summary->leaves[hash % SUMMARY_LEAVES], 1);
}

/* One number for all leaves; 0 for an empty replica. */
uint64_t summary_root(struct summary *summary);

#endif
