/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/simulator/detour.h"

#include <stdio.h>
#include <string.h>

#include "tests/simulator/world.h"

#define WRITES 50
#define KEY SPAN("apple")

static struct world world;
static unsigned answers;
static unsigned degraded;

static void answered(struct world *w, unsigned server, uint64_t waiter,
                     bool is_degraded)
{
    (void)w;
    (void)server;
    (void)waiter;
    answers++;
    degraded += is_degraded;
}

static uint64_t write_on(unsigned number)
{
    struct server *server = &world.servers[number];
    struct store_hold hold;
    time_us now = world_time(&world, number);

    store_hold(server->store, KEY, store_hash(server->store, KEY), now, &hold);
    struct store_write write = {.version =
                                    store_next_version(server->store, now)};
    struct record record = {.kind = RECORD_UPDATE,
                            .version = write.version,
                            .stamp = write.version,
                            .token = write.version,
                            .key = KEY};
    if (store_put(&hold, &write) != STORE_OK)
        record.version = 0;
    uint64_t journaled = journal_append(server->journal, &record);
    store_release(&hold);
    world_written(&world, number, journaled, 0);
    return write.version;
}

static uint64_t version_on(unsigned number)
{
    struct store *store = world.servers[number].store;
    struct store_hold hold;

    store_hold(store, KEY, store_hash(store, KEY), world_time(&world, number),
               &hold);
    uint64_t version = hold.item != NULL ? hold.item->version : 0;
    store_release(&hold);
    return version;
}

/* What either of the two writes is answered when all hold it. */
static bool are_one(uint64_t seed, const char *when)
{
    answers = 0;
    degraded = 0;
    for (unsigned i = 0; i < WRITES; i++) {
        uint64_t version = write_on(i % 2);
        world_run(&world, world.now + TIME_US_PER_S / 10);
        for (unsigned other = 0; other < world.servers_count; other++) {
            if (version_on(other) < version) {
                printf("detour %llu, %s: server %u does not hold what %u "
                       "wrote\n",
                       (unsigned long long)seed, when, other, i % 2);
                return false;
            }
        }
    }
    if (answers == WRITES && degraded == 0)
        return true;
    printf("detour %llu, %s: %u answers, %u degraded\n",
           (unsigned long long)seed, when, answers, degraded);
    return false;
}

static void cut(uint64_t seed, bool is_cut)
{
    world_cut(&world, 0, 1, is_cut);
    /* Every other time only one way is cut. */
    world_cut(&world, 1, 0, is_cut && seed % 2 == 0);
}

bool detour_holds(uint64_t seed)
{
    bool holds = true;
    world_create(&world, seed, 3 + (unsigned)(seed % 3));
    world.answered = answered;
    /* Or they never knew of each other. */
    bool begins_cut = seed % 4 < 2;
    if (begins_cut)
        cut(seed, true);
    for (unsigned i = 0; i < world.servers_count; i++)
        world_start(&world, i);
    world_run(&world, world.now + 3 * TIME_US_PER_S);
    if (!begins_cut) {
        holds = are_one(seed, "before the cut");
        cut(seed, true);
    }
    world_run(&world, world.now + 5 * TIME_US_PER_S);
    holds = holds && are_one(seed, "cut");
    cut(seed, false);
    world_run(&world, world.now + 5 * TIME_US_PER_S);
    holds = holds && are_one(seed, "mended");
    world_destroy(&world);
    return holds;
}
