/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/simulator/atomic.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "tests/simulator/world.h"

#define KEYS 6
#define CLIENTS 10
#define OPERATIONS_MAX 30000
#define FAULTS 6
#define RUN_MAX 4

enum action { ACTION_COUNT, ACTION_ADD, ACTION_DELETE };

/* What one client had done to one key. */
struct operation {
    enum action action;
    unsigned client;
    unsigned key;
    time_us called;
    time_us told; /* 0: it never was */
    enum farm_verdict verdict;
    uint64_t result; /* the number; 1: yes */
};

/* It waits for one answer at a time, and asks each time another server. */
struct client {
    bool is_waiting;
    unsigned server;
    uint64_t server_id;
    size_t first; /* of its operations under way */
    size_t count;
    bool has_lock;
    time_us rests_until;
};

static struct world world;

static struct judge {
    uint64_t seed;
    struct operation operations[OPERATIONS_MAX];
    size_t count;
    struct client clients[CLIENTS];
    unsigned complaints;
    /* Servers only come and leave, in their time: no client is to notice. */
    bool is_peaceful;
    unsigned leaver; /* nobody goes to it */
    bool is_over;    /* nobody goes anywhere */
    uint64_t released;
} judge;

static void complain(const char *what, const struct operation *operation)
{
    if (judge.complaints++ < 5)
        printf("atomic %llu: %s (key %u, client %u, asked at %.3f s)\n",
               (unsigned long long)judge.seed, what, operation->key,
               operation->client,
               (double)(operation->called - WORLD_START_US) / 1e6);
}

static struct span key_of(unsigned number, char to[16])
{
    int length = snprintf(to, 16, "atomic-%u", number);

    return span_of(to, (size_t)length);
}

/* ---- what a home does ---- */

/* As it stands in a command. */
struct order {
    uint8_t action;
    uint8_t key;
};

static uint64_t number_of(const struct item *item)
{
    uint64_t number;

    assert(item_value(item).length == sizeof(number));
    memcpy(&number, item_value(item).data, sizeof(number));
    return number;
}

/* Keys of the first half are counted, those of the other are locks. */
static bool is_lock(unsigned key)
{
    return key >= KEYS / 2;
}

static uint64_t journal_put(struct server *server, struct store_hold *hold,
                            uint64_t number, uint64_t owner, time_us now)
{
    struct store_write write = {.parts = {span_of(&number, sizeof(number))},
                                .version =
                                    store_next_version(server->store, now)};
    struct record record = {.kind = RECORD_UPDATE,
                            .version = write.version,
                            .stamp = write.version,
                            .token = write.version,
                            .owner = owner,
                            .key = hold->key,
                            .value = write.parts[0]};

    if (store_put(hold, &write) != STORE_OK)
        assert(false);
    return journal_append(server->journal, &record);
}

static uint64_t journal_delete(struct server *server, struct store_hold *hold,
                               time_us now)
{
    struct record record = {.kind = RECORD_DELETE,
                            .version = store_next_version(server->store, now),
                            .key = hold->key};

    if (store_remove(hold, record.version) != STORE_OK)
        assert(false);
    return journal_append(server->journal, &record);
}

static void execute(struct world *w, unsigned number,
                    const struct farm_effect *effect, struct farm_input *input)
{
    static uint64_t result;
    static char key[16];
    struct server *server = &w->servers[number];
    time_us now = world_time(w, number);
    struct store_hold hold;
    struct order order;

    assert(effect->bytes.length == sizeof(order));
    memcpy(&order, effect->bytes.data, sizeof(order));
    struct span span = key_of(order.key, key);
    store_hold(server->store, span, store_hash(server->store, span), now,
               &hold);
    bool is_there = hold.item != NULL;
    uint64_t owner = is_lock(order.key) ? effect->number : 0;
    uint64_t before = is_there ? number_of(hold.item) : 0;
    result = 1;
    if (!is_there && hold.stub.kind == STUB_WANTED) {
        input->must_ask = !effect->is_asked;
        input->bytes = input->must_ask ? span : SPAN("");
    } else {
        if (order.action == ACTION_COUNT) {
            result = before + 1;
            input->number = journal_put(server, &hold, result, owner, now);
        } else if (order.action == ACTION_ADD && !is_there) {
            input->number = journal_put(server, &hold, 1, owner, now);
        } else if (order.action == ACTION_DELETE && is_there) {
            input->number = journal_delete(server, &hold, now);
        } else {
            result = 0;
        }
        input->bytes = span_of(&result, sizeof(result));
        if (is_lock(order.key)) {
            input->lock = span;
            input->version = hold.item == NULL ? 0 : hold.item->version;
        }
    }
    store_release(&hold);
}

static void release(struct world *w, unsigned number, struct span key,
                    uint64_t version)
{
    struct server *server = &w->servers[number];
    time_us now = world_time(w, number);
    struct store_hold hold;

    store_hold(server->store, key, store_hash(server->store, key), now, &hold);
    if (hold.item != NULL && hold.item->version == version) {
        judge.released++;
        journal_delete(server, &hold, now);
    }
    store_release(&hold);
}

/* ---- clients ---- */

static void decided(struct world *w, unsigned number, uint64_t waiter,
                    struct span results)
{
    struct client *client = &judge.clients[waiter];
    struct reader reader = reader_of(results);

    (void)number;
    assert(client->is_waiting);
    client->is_waiting = false;
    for (size_t i = 0; i < client->count; i++) {
        struct operation *operation = &judge.operations[client->first + i];
        operation->told = w->now;
        operation->verdict = (enum farm_verdict)read_u8(&reader);
        struct span result = read_bytes(&reader, read_u32(&reader));
        if (operation->verdict != FARM_VERDICT_DECIDED)
            continue;
        /* What the home could not find out, it did not do. */
        if (result.length == 0)
            operation->verdict = FARM_VERDICT_UNDECIDED;
        else
            memcpy(&operation->result, result.data, sizeof(uint64_t));
        if (operation->action == ACTION_ADD)
            client->has_lock = operation->result == 1;
    }
    assert(reader.ok && reader.rest.length == 0);
    client->rests_until = w->now + prng_below(&w->prng, 150000);
}

static enum action draw_action(const struct client *client, unsigned key)
{
    if (!is_lock(key))
        return ACTION_COUNT;
    if (client->has_lock || prng_below(&world.prng, 8) == 0)
        return ACTION_DELETE;
    return ACTION_ADD;
}

static void call(unsigned number)
{
    struct client *client = &judge.clients[number];
    uint8_t bytes[RUN_MAX * 32];
    struct writer writer = writer_of(bytes, sizeof(bytes));
    struct server *server = &world.servers[client->server];

    client->first = judge.count;
    client->count = 1 + prng_below(&world.prng, RUN_MAX);
    for (size_t i = 0; i < client->count; i++) {
        struct operation *operation = &judge.operations[judge.count++];
        char text[16];
        *operation =
            (struct operation){.client = number,
                               .key = (unsigned)prng_below(&world.prng, KEYS),
                               .called = world.now};
        operation->action = draw_action(client, operation->key);
        struct order order = {(uint8_t)operation->action,
                              (uint8_t)operation->key};
        write_u64(&writer,
                  store_hash(server->store, key_of(operation->key, text)));
        write_u32(&writer, sizeof(order));
        write_bytes(&writer, span_of(&order, sizeof(order)));
    }
    client->is_waiting = true;
    client->server_id = server->id;
    world_command(&world, client->server, span_of(bytes, writer.used_bytes),
                  number);
}

/* Whose server has crashed is told nothing any more. */
static void look_after_clients(void)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *client = &judge.clients[i];
        const struct server *server = &world.servers[client->server];
        if (client->is_waiting &&
            (!server->is_running || server->id != client->server_id)) {
            client->is_waiting = false;
            client->has_lock = false;
        }
        if (client->is_waiting || judge.is_over ||
            world.now < client->rests_until ||
            judge.count + RUN_MAX > OPERATIONS_MAX)
            continue;
        client->server = (unsigned)prng_below(&world.prng, world.servers_count);
        if (world_is_awake(&world, client->server) &&
            client->server != judge.leaver)
            call(i);
    }
}

static void run(time_us duration)
{
    time_us end = world.now + duration;

    while (world.now < end) {
        world_run(&world, world.now + 1 + prng_below(&world.prng, 5000));
        look_after_clients();
    }
}

/* ---- faults ---- */

static bool all_ready(void)
{
    for (unsigned i = 0; i < world.servers_count; i++) {
        if (!world_is_ready(&world, i))
            return false;
    }
    return true;
}

static void wait_until_whole(void)
{
    for (unsigned i = 0; i < 100 && !all_ready(); i++)
        run(TIME_US_PER_S / 2);
    run(2 * TIME_US_PER_S);
}

static time_us some_time(time_us most)
{
    return prng_below(&world.prng, most) + TIME_US_PER_S / 20;
}

static void cut_off(unsigned victim, bool is_cut)
{
    for (unsigned i = 0; i < world.servers_count; i++) {
        if (i == victim)
            continue;
        world_cut(&world, victim, i, is_cut);
        world_cut(&world, i, victim, is_cut);
    }
}

static void fault(struct atomic_totals *totals)
{
    unsigned victim = (unsigned)prng_below(&world.prng, world.servers_count);
    bool has_quorum = world.quorum > 0;

    wait_until_whole();
    if (!all_ready())
        return;
    totals->faults++;
    switch (judge.is_peaceful ? 1
                              : prng_below(&world.prng, has_quorum ? 5 : 3)) {
    case 0:
        world_crash(&world, victim);
        run(some_time(5 * TIME_US_PER_S));
        world_start(&world, victim);
        break;
    case 1:
        judge.leaver = victim;
        world_leave(&world, victim);
        run(some_time(4 * TIME_US_PER_S) + 2 * TIME_US_PER_S);
        judge.leaver = world.servers_count;
        if (!world.servers[victim].is_running)
            world_start(&world, victim);
        break;
    case 2:
        world_freeze(&world, victim, world.now + some_time(8000000));
        run(some_time(8 * TIME_US_PER_S));
        world_freeze(&world, victim, 0);
        break;
    case 3:
        cut_off(victim, true);
        run(some_time(8 * TIME_US_PER_S));
        cut_off(victim, false);
        break;
    default:
        world_cut(&world, victim, (victim + 1) % world.servers_count, true);
        world_cut(&world, (victim + 1) % world.servers_count, victim,
                  prng_below(&world.prng, 2) == 0);
        run(some_time(8 * TIME_US_PER_S));
        memset(world.is_cut, 0, sizeof(world.is_cut));
        break;
    }
    run(some_time(3 * TIME_US_PER_S));
}

/* ---- judging ---- */

static void judge_counter(unsigned key)
{
    uint64_t successes = 0;
    uint64_t doubtful = 0;
    const struct operation *highest = NULL;

    for (size_t i = 0; i < judge.count; i++) {
        const struct operation *one = &judge.operations[i];
        if (one->key != key)
            continue;
        if (one->told == 0 || one->verdict == FARM_VERDICT_UNKNOWN)
            doubtful++;
        if (one->told == 0 || one->verdict != FARM_VERDICT_DECIDED)
            continue;
        successes++;
        if (highest == NULL || one->result > highest->result)
            highest = one;
        for (size_t j = 0; j < i; j++) {
            const struct operation *other = &judge.operations[j];
            if (other->key != key || other->told == 0 ||
                other->verdict != FARM_VERDICT_DECIDED)
                continue;
            if (other->result == one->result)
                complain("two counted the same", one);
            else if (other->told < one->called && other->result > one->result)
                complain("a count went back", one);
        }
    }
    if (highest != NULL && highest->result > successes + doubtful)
        complain("more was counted than anybody did", highest);
}

static void judge_peace(void)
{
    for (size_t i = 0; i < judge.count && judge.is_peaceful; i++) {
        const struct operation *operation = &judge.operations[i];
        if (operation->told == 0)
            complain("a client was told nothing", operation);
        else if (operation->verdict == FARM_VERDICT_UNKNOWN)
            complain("an outcome was unknown", operation);
        else if (operation->verdict == FARM_VERDICT_UNDECIDED)
            complain("no home was found", operation);
    }
}

static void judge_all(void)
{
    for (unsigned key = 0; key < KEYS / 2; key++)
        judge_counter(key);
    judge_peace();
}

bool atomic_holds(uint64_t seed, bool traces, struct atomic_totals *totals)
{
    struct prng shape = {.state = ~seed};

    memset(&judge, 0, sizeof(judge));
    judge.seed = seed;
    world_create(&world, seed, 2 + (unsigned)prng_below(&shape, 4));
    world.has_homes = true;
    world.quorum = seed % 2 == 0 ? world.servers_count : 0;
    judge.is_peaceful = seed % 5 == 0 && world.servers_count > 2;
    judge.leaver = world.servers_count;
    world.execute = execute;
    world.release = release;
    world.decided = decided;
    world.traces = traces;
    for (unsigned i = 0; i < world.servers_count; i++) {
        world_start(&world, i);
        if (prng_below(&shape, 3) == 0)
            world_run(&world, world.now + prng_below(&shape, 2000000));
    }
    if (judge.is_peaceful)
        world_run(&world, world.now + 5 * TIME_US_PER_S);
    run(3 * TIME_US_PER_S);
    for (unsigned i = 0; i < FAULTS; i++)
        fault(totals);
    wait_until_whole();
    judge.is_over = true;
    run(2 * TIME_US_PER_S);
    if (!all_ready())
        complain("the farm did not become whole again", &judge.operations[0]);
    for (size_t i = 0; i < judge.count; i++) {
        const struct operation *operation = &judge.operations[i];
        totals->operations++;
        totals->decided +=
            operation->told != 0 && operation->verdict == FARM_VERDICT_DECIDED;
        totals->undecided += operation->told != 0 &&
                             operation->verdict == FARM_VERDICT_UNDECIDED;
        totals->unknown +=
            operation->told == 0 || operation->verdict == FARM_VERDICT_UNKNOWN;
    }
    judge_all();
    world_destroy(&world);
    if (judge.complaints > 0)
        printf("replay: simulator --atomic --first %llu --seeds 1 --trace\n",
               (unsigned long long)seed);
    return judge.complaints == 0;
}
