/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/linear/frontier.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 64

static void make_room(struct frontier *frontier, size_t room)
{
    size_t bytes = configuration_bytes(frontier);

    frontier->room = room;
    frontier->configurations = realloc(frontier->configurations, room * bytes);
    frontier->earlier =
        realloc(frontier->earlier, room * sizeof(*frontier->earlier));
    free(frontier->chains);
    frontier->chains = calloc(room, sizeof(*frontier->chains));
    assert(frontier->configurations != NULL && frontier->earlier != NULL &&
           frontier->chains != NULL);
}

void frontier_init(struct frontier *frontier, size_t places, size_t classes,
                   size_t count_max)
{
    *frontier = (struct frontier){
        .places = places, .classes = classes, .count_max = count_max};
    make_room(frontier, ROOM_MIN);
}

void frontier_release(struct frontier *frontier)
{
    free(frontier->configurations);
    free(frontier->chains);
    free(frontier->earlier);
    *frontier = (struct frontier){0};
}

size_t configuration_bytes(const struct frontier *frontier)
{
    return sizeof(struct configuration) +
           (frontier->places + frontier->classes) * sizeof(uint64_t);
}

struct configuration *frontier_at(const struct frontier *frontier, size_t index)
{
    return (struct configuration *)(void *)((char *)frontier->configurations +
                                            index *
                                                configuration_bytes(frontier));
}

static uint64_t mixed(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

/* Of what has to be equal. */
static uint64_t hash_of(const struct frontier *frontier,
                        const struct configuration *configuration,
                        const uint64_t *looking)
{
    uint64_t hash =
        mixed(configuration->state.is_there, configuration->state.number);

    hash = mixed(hash, configuration->state.token);
    hash = mixed(hash, configuration->state.owner);
    for (size_t i = 0; i < frontier->places; i++)
        hash = mixed(hash, configuration->words[i] & ~looking[i]);
    return hash;
}

static uint32_t *chain_of(struct frontier *frontier, uint64_t hash)
{
    /* `room` is a power of two. */
    return &frontier->chains[(hash >> 20) & (frontier->room - 1)];
}

static void grow(struct frontier *frontier, const uint64_t *looking)
{
    make_room(frontier, 2 * frontier->room);
    for (size_t i = 0; i < frontier->count; i++) {
        uint32_t *chain = chain_of(
            frontier, hash_of(frontier, frontier_at(frontier, i), looking));
        frontier->earlier[i] = *chain;
        *chain = (uint32_t)(i + 1);
    }
}

void frontier_clear(struct frontier *frontier)
{
    frontier->count = 0;
    memset(frontier->chains, 0, frontier->room * sizeof(*frontier->chains));
}

static bool is_superfluous(const struct frontier *frontier,
                           const struct configuration *one,
                           const struct configuration *beside,
                           const uint64_t *looking)
{
    if (one->state.is_there != beside->state.is_there ||
        one->state.number != beside->state.number ||
        one->state.token != beside->state.token ||
        one->state.owner != beside->state.owner)
        return false;
    for (size_t i = 0; i < frontier->places; i++) {
        uint64_t different = one->words[i] ^ beside->words[i];
        if (different & ~looking[i] || different & one->words[i])
            return false;
    }
    for (size_t i = 0; i < frontier->classes; i++)
        if (one->words[frontier->places + i] <
            beside->words[frontier->places + i])
            return false;
    return true;
}

bool frontier_add(struct frontier *frontier,
                  const struct configuration *configuration,
                  const uint64_t *looking)
{
    uint64_t hash = hash_of(frontier, configuration, looking);

    for (uint32_t at = *chain_of(frontier, hash); at != 0;
         at = frontier->earlier[at - 1])
        if (is_superfluous(frontier, configuration,
                           frontier_at(frontier, at - 1), looking))
            return true;
    if (frontier->count == frontier->count_max)
        return false;
    if (frontier->count == frontier->room)
        grow(frontier, looking);
    uint32_t *chain = chain_of(frontier, hash);
    memcpy(frontier_at(frontier, frontier->count), configuration,
           configuration_bytes(frontier));
    frontier->earlier[frontier->count] = *chain;
    *chain = (uint32_t)++frontier->count;
    return true;
}

static void swap(struct frontier *frontier, size_t one, size_t other)
{
    size_t bytes = configuration_bytes(frontier);
    char *a = (char *)frontier_at(frontier, one);
    char *b = (char *)frontier_at(frontier, other);

    for (size_t i = 0; i < bytes; i++) {
        char byte = a[i];
        a[i] = b[i];
        b[i] = byte;
    }
}

static uint64_t used_count(const struct frontier *frontier, size_t index)
{
    const uint64_t *classes =
        &frontier_at(frontier, index)->words[frontier->places];
    uint64_t count = 0;

    for (size_t i = 0; i < frontier->classes; i++)
        count += classes[i];
    return count;
}

void frontier_trim(struct frontier *frontier, size_t count)
{
    size_t kept = 0;

    if (frontier->count <= count)
        return;
    /* Those with none first, then with one, and so on, in their order. */
    for (uint64_t used = 0; kept < count; used++)
        for (size_t i = kept; i < frontier->count && kept < count; i++)
            if (used_count(frontier, i) == used)
                swap(frontier, i, kept++);
    frontier->count = kept;
}
