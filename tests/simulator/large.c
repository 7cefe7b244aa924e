/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/simulator/large.h"

#include <stdio.h>
#include <time.h>

#include "tests/simulator/client.h"

#define KEYS 600
#define WRITES_BEFORE 400
#define WRITES_BETWEEN 50
#define WRITES_MAX 2000
#define CRASHES 4
#define WRITE_PAUSE 5000
#define READY_MAX (300 * TIME_US_PER_S)
#define QUIET_MAX (60 * TIME_US_PER_S)

struct written {
    unsigned key;
    uint64_t version;
};

static struct large {
    struct world world;
    struct written written[WRITES_MAX];
    unsigned written_count;
    uint64_t answered[KEYS]; /* versions, not degraded */
    unsigned complaints;
} large;

static void complain(const char *what, unsigned server, unsigned key)
{
    large.complaints++;
    if (large.complaints <= 10)
        printf("%u servers: %s (server %u, key %u)\n",
               large.world.servers_count, what, server, key);
}

static struct span key_of(unsigned number, char to[16])
{
    return span_of(to, (size_t)snprintf(to, 16, "key-%u", number));
}

static void answered(struct world *world, unsigned server, uint64_t waiter,
                     bool is_degraded)
{
    const struct written *written = &large.written[waiter];
    uint64_t *version = &large.answered[written->key];

    (void)world;
    (void)server;
    if (!is_degraded && written->version > *version)
        *version = written->version;
}

/* Servers that run, and are not READY. */
static unsigned unready(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < large.world.servers_count; i++)
        count += large.world.servers[i].is_running &&
                 !world_is_ready(&large.world, i);
    return count;
}

static void await_ready(const char *what)
{
    struct world *world = &large.world;
    time_us begun = world->now;

    while (unready() > 0 && world->now < begun + READY_MAX)
        world_run(world, world->now + TIME_US_PER_S / 10);
    printf("%u servers: %s, all READY after %.1f s\n", world->servers_count,
           what, (double)(world->now - begun) / 1e6);
    if (unready() > 0)
        complain("not all are READY", unready(), 0);
}

static void write_somewhere(unsigned count)
{
    struct world *world = &large.world;

    for (unsigned i = 0; i < count && large.written_count < WRITES_MAX; i++) {
        unsigned server =
            (unsigned)prng_below(&world->prng, world->servers_count);
        unsigned key = (unsigned)prng_below(&world->prng, KEYS);
        char text[16];
        char value[32];
        if (!world_is_ready(world, server))
            continue;
        struct written *written = &large.written[large.written_count];
        written->key = key;
        snprintf(value, sizeof(value), "value-%u", large.written_count);
        struct client_write write = {.kind = prng_below(&world->prng, 8) == 0
                                                 ? CLIENT_DELETE
                                                 : CLIENT_SET,
                                     .key = key_of(key, text),
                                     .value = span_of_string(value)};
        written->version =
            client_write(world, server, &write, large.written_count++);
        world_run(world, world->now + WRITE_PAUSE);
    }
}

static void crash_and_restart(void)
{
    struct world *world = &large.world;
    unsigned victim = (unsigned)prng_below(&world->prng, world->servers_count);

    world_crash(world, victim);
    write_somewhere(WRITES_BETWEEN);
    world_start(world, victim);
    write_somewhere(WRITES_BETWEEN);
    await_ready("one restarted");
}

/* ---- judges ---- */

static unsigned unequal(void)
{
    uint64_t first = store_digest(large.world.servers[0].store);
    unsigned count = 0;

    for (unsigned i = 1; i < large.world.servers_count; i++)
        count += store_digest(large.world.servers[i].store) != first;
    return count;
}

static void judge(void)
{
    struct world *world = &large.world;

    for (unsigned key = 0; key < KEYS; key++) {
        char text[16];
        struct client_view first = client_look(world, 0, key_of(key, text));
        for (unsigned i = 0; i < world->servers_count; i++) {
            struct client_view view = client_look(world, i, key_of(key, text));
            if (view.version < large.answered[key])
                complain("an answered write is lost", i, key);
            if (view.version != first.version || view.stamp != first.stamp ||
                view.is_item != first.is_item || view.is_want)
                complain("it does not hold what the first holds", i, key);
        }
    }
    if (unequal() > 0)
        complain("digests differ", unequal(), 0);
    if (world->bounds.excesses > 0)
        complain("more than may be", 0, 0);
}

bool large_run(uint64_t seed, unsigned servers_count, bool traces)
{
    struct world *world = &large.world;
    clock_t begun = clock();

    large = (struct large){0};
    world_create(world, seed, servers_count);
    world->delay_most = 500;
    world->answered = answered;
    world->traces = traces;
    for (unsigned i = 0; i < servers_count; i++)
        world_start(world, i);
    await_ready("started together");
    write_somewhere(WRITES_BEFORE);
    for (unsigned i = 0; i < CRASHES; i++)
        crash_and_restart();
    time_us quiet = world->now;
    while (unequal() > 0 && world->now < quiet + QUIET_MAX)
        world_run(world, world->now + TIME_US_PER_S);
    judge();
    printf("%u servers: %s; %u writes, %llu answers (%llu degraded), %llu "
           "steps, %llu packets, %.0f s of theirs in %.0f s\n",
           servers_count, large.complaints == 0 ? "equal, nothing lost" : "bad",
           large.written_count, (unsigned long long)world->totals.answers,
           (unsigned long long)world->totals.degraded,
           (unsigned long long)world->totals.steps,
           (unsigned long long)world->totals.packets,
           (double)(world->now - WORLD_START_US) / 1e6,
           (double)(clock() - begun) / CLOCKS_PER_SEC);
    bounds_print(&world->bounds);
    fflush(stdout);
    world_destroy(world);
    return large.complaints == 0;
}
