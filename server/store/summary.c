/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/store/summary.h"

#include "proto/base/digest.h"

void summary_toggle(struct summary *summary, uint64_t hash, uint64_t version,
                    uint64_t stamp)
{
    _Atomic uint64_t *leaf = &summary->leaves[hash % SUMMARY_LEAVES];
    uint64_t mixed = digest_mix(hash ^ digest_mix(version ^ digest_mix(stamp)));

    /* The key's lock makes this the only writer: no locked instruction. */
    uint64_t value = atomic_load_explicit(leaf, memory_order_relaxed);
    atomic_store_explicit(leaf, value ^ mixed, memory_order_relaxed);
}

uint64_t summary_root(const struct summary *summary)
{
    uint64_t root = 0;

    for (uint64_t i = 0; i < SUMMARY_LEAVES; i++) {
        uint64_t leaf =
            atomic_load_explicit(&summary->leaves[i], memory_order_relaxed);
        if (leaf != 0)
            root ^= digest_mix(leaf ^ digest_mix(i + 1));
    }
    return root;
}
