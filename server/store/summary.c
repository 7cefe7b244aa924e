/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/store/summary.h"

#include "proto/base/digest.h"

void summary_init(struct summary *summary)
{
    pthread_mutex_init(&summary->lock, NULL);
}

void summary_release(struct summary *summary)
{
    pthread_mutex_destroy(&summary->lock);
}

void summary_toggle(struct summary *summary, uint64_t hash, uint64_t version,
                    uint64_t stamp)
{
    uint64_t place = hash % SUMMARY_LEAVES;
    _Atomic uint64_t *leaf = &summary->leaves[place];
    uint64_t mixed = digest_mix(hash ^ digest_mix(version ^ digest_mix(stamp)));

    /* The key's lock makes this the only writer: no locked instruction. */
    uint64_t value = atomic_load_explicit(leaf, memory_order_relaxed);
    atomic_store_explicit(leaf, value ^ mixed, memory_order_relaxed);
    atomic_store_explicit(&summary->has_changed[place / SUMMARY_GROUP_LEAVES],
                          true, memory_order_release);
}

static uint64_t root_of_group(const struct summary *summary, uint64_t group)
{
    uint64_t root = 0;

    for (uint64_t i = group * SUMMARY_GROUP_LEAVES;
         i < (group + 1) * SUMMARY_GROUP_LEAVES; i++) {
        uint64_t leaf =
            atomic_load_explicit(&summary->leaves[i], memory_order_relaxed);
        if (leaf != 0)
            root ^= digest_mix(leaf ^ digest_mix(i + 1));
    }
    return root;
}

uint64_t summary_root(struct summary *summary)
{
    uint64_t root = 0;

    pthread_mutex_lock(&summary->lock);
    for (uint64_t group = 0; group < SUMMARY_GROUPS; group++) {
        /* Whoever changes a leaf after this says so again. */
        if (atomic_load_explicit(&summary->has_changed[group],
                                 memory_order_relaxed) &&
            atomic_exchange_explicit(&summary->has_changed[group], false,
                                     memory_order_acquire))
            summary->roots[group] = root_of_group(summary, group);
        root ^= summary->roots[group];
    }
    pthread_mutex_unlock(&summary->lock);
    return root;
}
