/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/simulator/atomic.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "tests/simulator/client.h"
#include "tests/simulator/order.h"

#define KEYS 6
#define CLIENTS 10
#define OPERATIONS_MAX 30000
#define FAULTS 6
#define RUN_MAX 4
#define GONE_MAX 64
#define CONFIGURATIONS_MAX 5000
#define PER_MILLION 1000000

/* It waits for one answer at a time, and asks each time another server. */
struct client {
    bool is_waiting;
    unsigned server;
    uint64_t server_id;
    size_t first; /* of its operations under way */
    size_t count;
    uint64_t tokens[KEYS]; /* that it was told of last */
    bool has_lock[KEYS];
    unsigned lock_server[KEYS]; /* where it got it, and writes under it */
    time_us rests_until;
};

/* An operation, and what is judged besides. */
struct deed {
    struct linear_operation linear;
    unsigned key;
    bool is_told;
    time_us called;
    enum farm_verdict verdict;
    /* Of a lock's release, what its holder wrote before; of its taking, what
     * the next one saw. */
    uint64_t lock_token;
    uint64_t data;
    uint64_t server_id;
};

static struct world world;

static struct judge {
    uint64_t seed;
    struct deed deeds[OPERATIONS_MAX];
    size_t count;
    struct client clients[CLIENTS];
    unsigned complaints;
    /* Servers only come and leave, in their time: no client is to notice. */
    bool is_peaceful;
    unsigned leaver; /* nobody goes to it */
    bool is_over;    /* nobody goes anywhere */
    uint64_t released;
    uint64_t unjudged; /* keys */
    uint64_t last_data;
    uint64_t last_number;
    uint64_t told[KEYS]; /* the newest version that any client was told of */
    struct seen {
        uint64_t server_id;
        uint64_t versions[KEYS];
    } seen[WORLD_SERVERS_MAX]; /* by reads there */
    struct prng prng;          /* of reads: they change nothing of the rest */
    uint64_t reads;
    uint64_t gone[GONE_MAX]; /* servers */
    time_us gone_at[GONE_MAX];
    size_t gone_count;
} judge;

static void complain(const char *what, const struct deed *deed)
{
    if (judge.complaints++ < 5)
        printf("atomic %llu: %s (key %u, client %u, asked at %.6f s)\n",
               (unsigned long long)judge.seed, what, deed->key,
               deed->linear.client,
               (double)(deed->called - WORLD_START_US) / 1e6);
}

static struct span key_of(const char *kind, unsigned number, char to[16])
{
    int length = snprintf(to, 16, "%s-%u", kind, number);

    return span_of(to, (size_t)length);
}

/* Two keys are counters, two are registers, two are locks. */
static bool is_counter(unsigned key)
{
    return key < KEYS / 3;
}

static bool is_lock(unsigned key)
{
    return key >= KEYS / 3 * 2;
}

/* One that a server's next run does not share. */
static uint32_t incarnation_of(unsigned server)
{
    return world.servers[server].starts * WORLD_SERVERS_MAX + server + 1;
}

static void release(struct world *w, unsigned number, struct span key,
                    uint64_t version)
{
    judge.released += order_release(w, number, key, version);
}

/* ---- clients ---- */

static void answered(struct world *w, unsigned number, uint64_t waiter,
                     bool is_degraded)
{
    (void)w;
    (void)number;
    (void)waiter;
    (void)is_degraded;
}

/* What is written under a lock is written by a plain set, whose answer nobody
 * waits for. */
static uint64_t write_data(unsigned number, unsigned lock)
{
    struct server *server = &world.servers[number];
    time_us now = world_time(&world, number);
    struct store_hold hold;
    char text[16];
    struct span key = key_of("data", lock, text);

    store_hold(server->store, key, store_hash(server->store, key), now, &hold);
    uint64_t journaled = order_put(server, &hold, ++judge.last_data, NULL, now);
    store_release(&hold);
    world_written(&world, number, journaled, 0);
    return judge.last_data;
}

static uint64_t read_data(unsigned number, unsigned lock)
{
    struct server *server = &world.servers[number];
    struct store_hold hold;
    char text[16];
    struct span key = key_of("data", lock, text);

    store_hold(server->store, key, store_hash(server->store, key),
               world_time(&world, number), &hold);
    uint64_t data = hold.item == NULL ? 0 : order_number(hold.item);
    store_release(&hold);
    return data;
}

static void take_result(struct deed *deed, const struct order_result *result,
                        unsigned server)
{
    struct client *client = &judge.clients[deed->linear.client];
    struct linear_operation *linear = &deed->linear;

    linear->outcome = (enum linear_outcome)result->outcome;
    bool is_yes = linear->outcome == LINEAR_YES;
    bool is_gone =
        linear->kind == LINEAR_DELETE || linear->kind == LINEAR_DELETE_IF;
    if (is_yes && !is_gone) {
        linear->has_told = true;
        linear->told = result->number;
        linear->told_token = result->token;
        client->tokens[deed->key] = result->token;
        if (result->token > judge.told[deed->key])
            judge.told[deed->key] = result->token;
    }
    if (!is_lock(deed->key))
        return;
    if (linear->kind == LINEAR_ADD && is_yes) {
        client->has_lock[deed->key] = true;
        client->lock_server[deed->key] = server;
        deed->lock_token = result->token;
        deed->data = read_data(server, deed->key);
    }
}

static void decided(struct world *w, unsigned number, uint64_t waiter,
                    struct span results)
{
    struct client *client = &judge.clients[waiter];
    struct reader reader = reader_of(results);

    assert(client->is_waiting);
    client->is_waiting = false;
    for (size_t i = 0; i < client->count; i++) {
        struct deed *deed = &judge.deeds[client->first + i];
        struct order_result result;
        deed->is_told = true;
        deed->linear.end = w->now;
        deed->verdict = (enum farm_verdict)read_u8(&reader);
        struct span bytes = read_bytes(&reader, read_u32(&reader));
        /* What the home could not find out, it did not do. */
        if (deed->verdict == FARM_VERDICT_DECIDED &&
            !order_read_result(bytes, &result))
            deed->verdict = FARM_VERDICT_UNDECIDED;
        if (deed->verdict == FARM_VERDICT_UNDECIDED)
            deed->linear.outcome = LINEAR_NOTHING;
        if (deed->verdict != FARM_VERDICT_DECIDED)
            continue;
        take_result(deed, &result, number);
    }
    assert(reader.ok && reader.rest.length == 0);
    client->rests_until = w->now + prng_below(&w->prng, 150000);
}

/* ---- reads ---- */

/* Of a value, or of the grave that is in its place. */
static uint64_t version_here(unsigned number, unsigned key)
{
    struct server *server = &world.servers[number];
    struct store_hold hold;
    char text[16];
    struct span span = key_of("atomic", key, text);

    store_hold(server->store, span, store_hash(server->store, span),
               world_time(&world, number), &hold);
    uint64_t version =
        hold.item != NULL ? hold.item->version : hold.stub.version;
    store_release(&hold);
    return version;
}

/* Who is alone in its part of a cut is a farm of its own. */
static bool is_with_most(unsigned number)
{
    struct farm_figures figures;

    farm_read_figures(world.servers[number].farm, &figures);
    return figures.members_ready > world.servers_count / 2;
}

/*
 * A read is answered where it is asked for.  It is never older than what homes
 * told anybody before, whoever is cut off: they do without a server only when
 * it is not fresh any more.  And never older than another read there.
 */
static void read_somewhere(void)
{
    unsigned number = (unsigned)prng_below(&judge.prng, world.servers_count);
    unsigned key = (unsigned)prng_below(&judge.prng, KEYS);
    struct seen *seen = &judge.seen[number];
    struct deed reading = {
        .key = key, .called = world.now, .linear.client = CLIENTS + number};

    if (!world_is_awake(&world, number) || !client_is_fresh(&world, number))
        return;
    if (seen->server_id != world.servers[number].id)
        *seen = (struct seen){.server_id = world.servers[number].id};
    uint64_t version = version_here(number, key);
    judge.reads++;
    if (version < judge.told[key] &&
        (world.quorum == 0 || is_with_most(number)))
        complain("a read is older than what a home told before", &reading);
    if (version < seen->versions[key])
        complain("a read is older than one before it", &reading);
    seen->versions[key] = version;
}

/* ---- what is asked of homes ---- */

static enum linear_kind draw_kind(struct client *client, unsigned key)
{
    static const enum linear_kind counting[] = {LINEAR_ADD,  LINEAR_INCR,
                                                LINEAR_INCR, LINEAR_INCR,
                                                LINEAR_INCR, LINEAR_GET};
    static const enum linear_kind storing[] = {LINEAR_SET,    LINEAR_CAS,
                                               LINEAR_CAS,    LINEAR_GET,
                                               LINEAR_DELETE, LINEAR_ADD};

    /* Who has none asks for it, contends for it as pecl/memcache does, writes
     * over it, or frees it for all, as a plain delete does. */
    static const enum linear_kind locking[] = {
        LINEAR_ADD,  LINEAR_ADD,  LINEAR_ADD, LINEAR_ADD,
        LINEAR_INCR, LINEAR_INCR, LINEAR_SET, LINEAR_DELETE};

    if (is_lock(key))
        return client->has_lock[key] ? LINEAR_DELETE_IF
                                     : locking[prng_below(&world.prng, 8)];
    return is_counter(key) ? counting[prng_below(&world.prng, 6)]
                           : storing[prng_below(&world.prng, 6)];
}

/* Who has a lock writes under it where it got it, and gives it back there. */
static unsigned draw_server(const struct client *client)
{
    for (unsigned key = 0; key < KEYS; key++) {
        if (client->has_lock[key])
            return client->lock_server[key];
    }
    return (unsigned)prng_below(&world.prng, world.servers_count);
}

static void add_deed(unsigned number, unsigned key, struct writer *writer)
{
    struct client *client = &judge.clients[number];
    struct deed *deed = &judge.deeds[judge.count++];
    char text[16];
    *deed = (struct deed){.key = key,
                          .called = world.now,
                          .server_id = client->server_id,
                          .linear = {.kind = draw_kind(client, key),
                                     .outcome = LINEAR_UNKNOWN,
                                     .client = number,
                                     .start = world.now}};
    /* What is not released need not be told apart by server. */
    if (is_lock(key))
        deed->linear.through = incarnation_of(client->server);
    if (deed->linear.kind == LINEAR_CAS ||
        deed->linear.kind == LINEAR_DELETE_IF)
        deed->linear.expected = client->tokens[key];
    deed->linear.number = deed->linear.kind == LINEAR_INCR ? 1
                          : is_counter(key)                ? PER_MILLION
                                            : ++judge.last_number * PER_MILLION;
    if (deed->linear.kind == LINEAR_DELETE_IF) {
        deed->lock_token = client->tokens[key];
        deed->data = write_data(client->server, key);
        client->has_lock[key] = false;
    }
    struct order order = {.kind = deed->linear.kind,
                          .is_lock = is_lock(key),
                          .number = deed->linear.number,
                          .expected = deed->linear.expected,
                          .key = key_of("atomic", key, text)};
    order_write(writer, world.servers[client->server].store, &order);
}

static void call(unsigned number)
{
    struct client *client = &judge.clients[number];
    uint8_t bytes[RUN_MAX * ORDER_BYTES_MAX];
    struct writer writer = writer_of(bytes, sizeof(bytes));

    client->server_id = world.servers[client->server].id;
    client->first = judge.count;
    client->count = 1 + prng_below(&world.prng, RUN_MAX);
    /* Each on a key of its own: which of two came first could not be told.  It
     * has one lock at a time. */
    unsigned first = (unsigned)prng_below(&world.prng, KEYS);
    bool has_lock = client->has_lock[KEYS - 1] || client->has_lock[KEYS - 2];
    for (unsigned i = 0; i < client->count; i++) {
        unsigned key = (first + i) % KEYS;
        if (!is_lock(key) || client->has_lock[key] || !has_lock)
            add_deed(number, key, &writer);
        has_lock |= is_lock(key);
    }
    client->count = judge.count - client->first;
    if (client->count == 0)
        return;
    assert(writer.ok);
    client->is_waiting = true;
    world_command(&world, client->server, span_of(bytes, writer.used_bytes),
                  number);
}

/* Whose server has crashed is told nothing any more. */
static void look_after_clients(void)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *client = &judge.clients[i];
        const struct server *server = &world.servers[client->server];
        if (!server->is_running || server->id != client->server_id) {
            client->is_waiting = false;
            memset(client->has_lock, 0, sizeof(client->has_lock));
        }
        if (client->is_waiting || judge.is_over ||
            world.now < client->rests_until ||
            judge.count + RUN_MAX + WORLD_SERVERS_MAX > OPERATIONS_MAX)
            continue;
        client->server = draw_server(client);
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
        read_somewhere();
    }
}

/* From now on its locks may be released; and by who is cut off from it. */
static void note_silence(unsigned server)
{
    for (unsigned key = 0; key < KEYS; key++) {
        if (!is_lock(key))
            continue;
        judge.deeds[judge.count++] =
            (struct deed){.key = key,
                          .called = world.now,
                          .verdict = FARM_VERDICT_UNKNOWN,
                          .linear = {.kind = LINEAR_RELEASE,
                                     .outcome = LINEAR_UNKNOWN,
                                     .client = CLIENTS + server,
                                     .through = incarnation_of(server),
                                     .start = world.now}};
    }
}

static void note_end(unsigned server)
{
    assert(judge.gone_count < GONE_MAX);
    judge.gone_at[judge.gone_count] = world.now;
    judge.gone[judge.gone_count++] = world.servers[server].id;
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
        note_silence(victim);
        note_end(victim);
        world_crash(&world, victim);
        run(some_time(5 * TIME_US_PER_S));
        world_start(&world, victim);
        break;
    case 1:
        judge.leaver = victim;
        note_silence(victim);
        note_end(victim);
        world_leave(&world, victim);
        run(some_time(4 * TIME_US_PER_S) + 2 * TIME_US_PER_S);
        judge.leaver = world.servers_count;
        if (!world.servers[victim].is_running)
            world_start(&world, victim);
        break;
    case 2:
        note_silence(victim);
        world_freeze(&world, victim, world.now + some_time(8000000));
        run(some_time(8 * TIME_US_PER_S));
        world_freeze(&world, victim, 0);
        break;
    case 3:
        for (unsigned i = 0; i < world.servers_count; i++)
            note_silence(i);
        cut_off(victim, true);
        run(some_time(8 * TIME_US_PER_S));
        cut_off(victim, false);
        break;
    default:
        for (unsigned i = 0; i < world.servers_count; i++)
            note_silence(i);
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

static void judge_order(unsigned key)
{
    static struct linear_operation operations[OPERATIONS_MAX];
    static size_t deeds[OPERATIONS_MAX];
    struct linear_rules rules = {.tokens_rise = true,
                                 .configurations_max = CONFIGURATIONS_MAX};
    size_t count = 0;

    for (size_t i = 0; i < judge.count; i++) {
        if (judge.deeds[i].key != key)
            continue;
        deeds[count] = i;
        operations[count++] = judge.deeds[i].linear;
    }
    struct linear_judgement judgement = linear_judge(operations, count, &rules);
    /* Where much is unknown there may be more orders than can be tried. */
    judge.unjudged += judgement.verdict == LINEAR_UNDECIDED;
    if (judgement.verdict == LINEAR_WRONG)
        complain(judgement.why, &judge.deeds[deeds[judgement.operation]]);
}

static bool was_gone(uint64_t server_id, time_us before)
{
    for (size_t i = 0; i < judge.gone_count; i++) {
        if (judge.gone[i] == server_id && judge.gone_at[i] < before)
            return true;
    }
    return false;
}

/* Written by who had the lock no more, as its server had slept: a plain set
 * that nobody keeps from winning by its version over the holder's. */
static bool is_stale(unsigned lock, uint64_t data)
{
    for (size_t i = 0; i < judge.count; i++) {
        const struct deed *gave = &judge.deeds[i];
        if (gave->key == lock && gave->linear.kind == LINEAR_DELETE_IF &&
            gave->data == data)
            return gave->linear.outcome != LINEAR_YES;
    }
    return false;
}

/* Who gets a lock sees what was written under it before; unless the server is
 * gone, with which that may have been lost. */
static void judge_causes(void)
{
    for (size_t i = 0; i < judge.count; i++) {
        const struct deed *got = &judge.deeds[i];
        if (!is_lock(got->key) || got->linear.kind != LINEAR_ADD ||
            got->linear.outcome != LINEAR_YES)
            continue;
        for (size_t j = 0; j < judge.count; j++) {
            const struct deed *gave = &judge.deeds[j];
            if (gave->key == got->key &&
                gave->linear.kind == LINEAR_DELETE_IF &&
                gave->linear.outcome == LINEAR_YES &&
                gave->lock_token < got->lock_token && gave->data > got->data &&
                !was_gone(gave->server_id, got->linear.end) &&
                !is_stale(got->key, got->data))
                complain("a lock's next holder does not see what was written "
                         "under it",
                         got);
        }
    }
}

static void judge_peace(void)
{
    for (size_t i = 0; i < judge.count && judge.is_peaceful; i++) {
        const struct deed *deed = &judge.deeds[i];
        if (deed->linear.kind == LINEAR_RELEASE)
            continue;
        if (!deed->is_told)
            complain("a client was told nothing", deed);
        else if (deed->verdict == FARM_VERDICT_UNKNOWN)
            complain("an outcome was unknown", deed);
        else if (deed->verdict == FARM_VERDICT_UNDECIDED)
            complain("no home was found", deed);
    }
}

static void judge_all(void)
{
    for (unsigned key = 0; key < KEYS; key++)
        judge_order(key);
    judge_causes();
    judge_peace();
}

static void add_totals(struct atomic_totals *totals)
{
    for (size_t i = 0; i < judge.count; i++) {
        const struct deed *deed = &judge.deeds[i];
        if (deed->linear.kind == LINEAR_RELEASE)
            continue;
        bool is_unknown =
            !deed->is_told || deed->verdict == FARM_VERDICT_UNKNOWN;
        totals->operations++;
        totals->unknown += is_unknown;
        totals->decided += !is_unknown && deed->verdict == FARM_VERDICT_DECIDED;
        totals->undecided +=
            !is_unknown && deed->verdict == FARM_VERDICT_UNDECIDED;
    }
    totals->released += judge.released;
    totals->unjudged += judge.unjudged;
    totals->reads += judge.reads;
    totals->keys += KEYS;
}

bool atomic_holds(uint64_t seed, bool traces, struct atomic_totals *totals)
{
    struct prng shape = {.state = ~seed};

    memset(&judge, 0, sizeof(judge));
    judge.seed = seed;
    judge.prng.state = seed;
    world_create(&world, seed, 2 + (unsigned)prng_below(&shape, 4));
    world.has_homes = true;
    world.quorum = seed % 2 == 0 ? world.servers_count : 0;
    judge.is_peaceful = seed % 5 == 0 && world.servers_count > 2;
    judge.leaver = world.servers_count;
    world.execute = order_execute;
    world.release = release;
    world.decided = decided;
    world.answered = answered;
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
        complain("the farm did not become whole again", &judge.deeds[0]);
    judge_all();
    add_totals(totals);
    world_destroy(&world);
    if (judge.complaints > 0)
        printf("replay: simulator --atomic --first %llu --seeds 1 --trace\n",
               (unsigned long long)seed);
    return judge.complaints == 0;
}
