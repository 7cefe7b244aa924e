/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/store/ghosts.h"

#include <string.h>
#include <sys/mman.h>

#include "server/store/index.h"

/* So many items for each fingerprint, or up to twice as many. */
#define ITEMS_PER_GHOST 4
#define FINGERPRINT_SHIFT 32

bool ghosts_init(struct ghosts *ghosts, size_t items_max, _Atomic size_t *bytes)
{
    *ghosts = (struct ghosts){.sets_max = INDEX_STRIPES, .bytes = bytes};
    atomic_init(&ghosts->sets_count, INDEX_STRIPES);
    while (ghosts->sets_max * GHOSTS_SET * ITEMS_PER_GHOST < items_max)
        ghosts->sets_max *= 2;
    void *mapped = mmap(NULL, ghosts->sets_max * sizeof(*ghosts->sets),
                        PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED)
        return false;
    ghosts->sets = mapped;
    atomic_fetch_add(bytes, INDEX_STRIPES * sizeof(*ghosts->sets));
    return true;
}

void ghosts_release(struct ghosts *ghosts)
{
    if (ghosts->sets != NULL)
        munmap(ghosts->sets, ghosts->sets_max * sizeof(*ghosts->sets));
    ghosts->sets = NULL;
}

void ghosts_fit(struct ghosts *ghosts, size_t items)
{
    size_t count = atomic_load(&ghosts->sets_count);

    /* Half of the keys have another set then, and are forgotten. */
    if (count < ghosts->sets_max &&
        2 * count * GHOSTS_SET * ITEMS_PER_GHOST <= items) {
        atomic_store(&ghosts->sets_count, 2 * count);
        atomic_fetch_add(ghosts->bytes, count * sizeof(*ghosts->sets));
    }
}

/* The low bits are those of the key's stripe. */
static uint32_t *set_of(struct ghosts *ghosts, uint64_t hash)
{
    size_t count =
        atomic_load_explicit(&ghosts->sets_count, memory_order_relaxed);

    return ghosts->sets[hash & (count - 1)];
}

/* 0 stands for none. */
static uint32_t fingerprint_of(uint64_t hash)
{
    uint32_t fingerprint = (uint32_t)(hash >> FINGERPRINT_SHIFT);

    return fingerprint == 0 ? 1 : fingerprint;
}

void ghosts_add(struct ghosts *ghosts, uint64_t hash)
{
    uint32_t *set = set_of(ghosts, hash);

    memmove(set + 1, set, (GHOSTS_SET - 1) * sizeof(*set));
    set[0] = fingerprint_of(hash);
}

bool ghosts_take(struct ghosts *ghosts, uint64_t hash)
{
    uint32_t *set = set_of(ghosts, hash);
    uint32_t fingerprint = fingerprint_of(hash);

    for (size_t i = 0; i < GHOSTS_SET; i++) {
        if (set[i] == fingerprint) {
            set[i] = 0;
            return true;
        }
    }
    return false;
}
