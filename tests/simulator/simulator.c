/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Simulator: farms that live through what a seed has in store for them.
 *
 *   simulator [--seeds N] [--first SEED] [--until-failure] [--trace] [--jobs N]
 *             [--atomic | --plain]
 *   simulator --play [--rewrite] FILE...
 *   simulator --large SERVERS [--first SEED] [--trace]
 *
 * Each seed draws 2 to 9 servers, at least 30 seconds of virtual time, 500
 * operations of clients and 5 faults: crashes and restarts with nothing,
 * freezes, cuts, half-cuts.  Then everything is mended, and the judges look:
 *
 *   - every server is READY, and all hold the same, by digest and in fact;
 *   - nothing that was answered is older anywhere than when it was answered;
 *   - what is there was written once, whole, by somebody.
 *
 * All the while, what is answered is held by the whole view, and what is
 * read is not older than what was answered: from its replica, by a server
 * that is fresh and has the key; else by a lookup.
 *
 * Each seed also plays a farm of which two members reach each other only
 * through a neighbour (detour.h).
 *
 * A seed that fails prints the command that replays it.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/farm/state.h"
#include "tests/simulator/atomic.h"
#include "tests/simulator/client.h"
#include "tests/simulator/crowd.h"
#include "tests/simulator/detour.h"
#include "tests/simulator/large.h"
#include "tests/simulator/play.h"
#include "tests/simulator/world.h"

#define KEYS 60
#define OPERATIONS_MAX 4000
#define NOBODY_WAITS_EVERY 4
#define FAULTS_MIN 5
/* After each operation. */
#define READS 4
#define READINGS_MAX 65536
/* The ring streams values of less than an eighth of it. */
#define LARGE_BYTES ((size_t)33 * 1024)
#define VALUE_BYTES_MAX ((size_t)256 * 1024)
#define EDIT_BYTES_MAX 24
#define QUIET_US (30 * TIME_US_PER_S)

enum operation_kind { OPERATION_SET, OPERATION_TOUCH, OPERATION_DELETE };

/* What one client did, by waiter. */
struct operation {
    enum operation_kind kind;
    unsigned key;
    uint64_t version; /* or stamp of a touch */
    time_s exptime;
    bool is_answered;
    uint8_t *value; /* of a set */
    size_t value_bytes;
};

/* A client that waits for a lookup, and what had been answered before. */
struct reading {
    bool is_waiting;
    unsigned server;
    uint64_t server_id; /* a crash ends the waiting, too */
    unsigned key;
    uint64_t version;
    uint64_t stamp;
};

struct judge {
    uint64_t seed;
    unsigned operations_count;
    struct operation operations[OPERATIONS_MAX];
    uint64_t answered_version[KEYS];
    uint64_t answered_stamp[KEYS];
    /* Degraded answers as well; and as each server found them on waking. */
    uint64_t degraded_version[KEYS];
    uint64_t degraded_stamp[KEYS];
    uint64_t missed_version[WORLD_SERVERS_MAX][KEYS];
    uint64_t missed_stamp[WORLD_SERVERS_MAX][KEYS];
    unsigned complaints;
    uint64_t reads;
    bool has_cuts; /* every other seed */
    time_us end;   /* in farm time */
    unsigned readings_count;
    struct reading readings[READINGS_MAX];
};

/* Of all seeds. */
static struct totals {
    uint64_t reads;   /* from one replica alone */
    uint64_t lookups; /* and what came of them */
    uint64_t certain;
    uint64_t hits;
    uint64_t stale;
    uint64_t large; /* values that were written */
    uint64_t edits; /* of values that were there */
    uint64_t splices;
    uint64_t splices_wanted;
} totals;

static struct judge judge;
static struct world world;

static void complain(const char *what, unsigned server, unsigned key)
{
    judge.complaints++;
    printf("seed %llu: %s (server %u, key %u)\n",
           (unsigned long long)judge.seed, what, server, key);
}

/* ---- clients ---- */

static struct span key_of(unsigned number, char to[16])
{
    int length = snprintf(to, 16, "key-%u", number);

    return span_of(to, (size_t)length);
}

/* Every write has a value of its own, of some length. */
static void make_value(struct operation *operation, unsigned number,
                       size_t bytes)
{
    char text[24];
    size_t length = (size_t)snprintf(text, sizeof(text), "value-%u", number);

    operation->value = malloc(bytes);
    assert(operation->value != NULL);
    operation->value_bytes = bytes;
    memset(operation->value, (int)(number & 0xff), bytes);
    memcpy(operation->value, text, length < bytes ? length : bytes);
}

/* One that differs little from what is there, as a session's does that was
 * read, changed in one place, and written again. */
static void edit_value(struct operation *operation, unsigned number,
                       struct span old)
{
    struct prng *prng = &world.prng;
    char text[24];
    size_t length = (size_t)snprintf(text, sizeof(text), "edit-%u;", number);
    size_t offset = prng_below(prng, old.length + 1);
    size_t cut = prng_below(prng, EDIT_BYTES_MAX);

    if (cut > old.length - offset)
        cut = old.length - offset;
    operation->value_bytes = old.length - cut + length;
    operation->value = malloc(operation->value_bytes);
    assert(operation->value != NULL);
    uint8_t *at = span_copy(operation->value, span_of(old.data, offset));
    at = span_copy(at, span_of(text, length));
    span_copy(at, span_of(old.data + offset + cut, old.length - offset - cut));
    totals.edits++;
}

static struct span value_of(const struct operation *operation)
{
    return span_of(operation->value, operation->value_bytes);
}

static void forget_values(void)
{
    for (unsigned i = 0; i < judge.operations_count; i++)
        free(judge.operations[i].value);
}

static size_t draw_value_bytes(struct prng *prng)
{
    switch (prng_below(prng, 40)) {
    case 0:
    case 1:
        totals.large++;
        return LARGE_BYTES +
               prng_below(prng, VALUE_BYTES_MAX - LARGE_BYTES + 1);
    case 2:
    case 3:
        return 16384 + prng_below(prng, 49152);
    default:
        return prng_below(prng, 3) == 0 ? 200 + prng_below(prng, 4000)
                                        : 10 + prng_below(prng, 20);
    }
}

/* What the server knows of the key: value or grave, each with its age. */
static void look(unsigned server, unsigned number, uint64_t *version,
                 uint64_t *stamp)
{
    struct store *store = world.servers[server].store;
    struct store_hold hold;
    char key[16];
    struct span span = key_of(number, key);

    /* What has died unseen is told of as a grave. */
    time_us now = world_time(&world, server);
    store_maintain(store, now);
    store_hold(store, span, store_hash(store, span), now, &hold);
    *version = hold.item ? hold.item->version : hold.stub.version;
    *stamp = hold.item ? item_stamp(hold.item) : hold.stub.stamp;
    store_release(&hold);
}

/* How many others have to hold what was answered. */
static unsigned holders_needed(unsigned others)
{
    switch (world.ack) {
    case FARM_ACK_ONE:
        return others > 0;
    case FARM_ACK_MAJORITY:
        return (others + 1) / 2;
    default:
        return others;
    }
}

/* Who may have been counted as a holder, and is none of the READY now. */
static unsigned count_leaving_or_coming(unsigned server)
{
    struct farm *farm = world.servers[server].farm;
    unsigned count = 0;

    for (size_t i = 0; i < FARM_MEMBERS_MAX; i++) {
        const struct member *member = &farm->members[i];
        if (!member_is_up(member))
            continue;
        bool is_running = false;
        for (unsigned j = 0; j < world.servers_count; j++)
            is_running |= world.servers[j].is_running &&
                          world.servers[j].id == member->id;
        count += !is_running || member->is_entering;
    }
    return count;
}

/* An answer that is not degraded: so many of the view hold it. */
static void judge_answer(unsigned server, const struct operation *operation)
{
    struct farm *farm = world.servers[server].farm;
    unsigned others = 0;
    unsigned holders = 0;

    for (unsigned i = 0; i < world.servers_count; i++) {
        uint64_t version;
        uint64_t stamp;
        if (i == server || !world.servers[i].is_running)
            continue;
        const struct member *member = member_find(farm, world.servers[i].id);
        if (member == NULL || !member_is_up(member) || !member->is_ready)
            continue;
        look(i, operation->key, &version, &stamp);
        bool holds = operation->kind == OPERATION_TOUCH
                         ? stamp >= operation->version
                         : version >= operation->version;
        others++;
        holders += holds;
    }
    /* Others may be about to be READY, or have crashed since they said so. */
    if (world.ack != FARM_ACK_ALL)
        holders += count_leaving_or_coming(server);
    if (holders < holders_needed(others))
        complain("answered before it was held", server, operation->key);
}

static void note(const struct operation *operation, uint64_t *version,
                 uint64_t *stamp)
{
    if (operation->kind != OPERATION_TOUCH && operation->version > *version)
        *version = operation->version;
    if (operation->version > *stamp)
        *stamp = operation->version;
}

static void answered(struct world *w, unsigned server, uint64_t waiter,
                     bool is_degraded)
{
    struct operation *operation = &judge.operations[waiter];
    unsigned key = operation->key;

    (void)w;
    operation->is_answered = true;
    note(operation, &judge.degraded_version[key], &judge.degraded_stamp[key]);
    if (is_degraded)
        return;
    judge_answer(server, operation);
    note(operation, &judge.answered_version[key], &judge.answered_stamp[key]);
}

/* The change a client asks for, under the key's lock, and its record. */
static bool change(struct operation *operation, struct store_hold *hold,
                   struct record *record)
{
    *record = (struct record){.kind = RECORD_UPDATE,
                              .exptime = operation->exptime,
                              .version = operation->version,
                              .stamp = operation->version,
                              .token = operation->version,
                              .key = hold->key,
                              .value = value_of(operation)};
    struct store_write write = {.parts = {record->value},
                                .exptime = operation->exptime,
                                .version = operation->version};
    switch (operation->kind) {
    case OPERATION_SET:
        return store_put(hold, &write) == STORE_OK;
    case OPERATION_DELETE:
        record->kind = RECORD_DELETE;
        return store_remove(hold, operation->version) == STORE_OK;
    case OPERATION_TOUCH:
        if (hold->item == NULL)
            return false;
        record->kind = RECORD_TOUCH;
        record->version = hold->item->version;
        return store_touch(hold, operation->exptime, operation->version) ==
               STORE_OK;
    }
    return false;
}

static void draw_value(struct operation *operation,
                       const struct store_hold *hold)
{
    struct prng *prng = &world.prng;
    unsigned number = judge.operations_count;

    if (hold->item != NULL && prng_below(prng, 2) == 0 &&
        item_value(hold->item).length + 24 <= VALUE_BYTES_MAX)
        edit_value(operation, number, item_value(hold->item));
    else
        make_value(operation, number, draw_value_bytes(prng));
}

static void operate(unsigned number)
{
    struct server *server = &world.servers[number];
    struct prng *prng = &world.prng;
    struct operation *operation = &judge.operations[judge.operations_count];
    struct store_hold hold;
    struct record record;
    char key[16];
    time_us now = world_time(&world, number);

    *operation = (struct operation){
        .kind = prng_below(prng, 10) < 6   ? OPERATION_SET
                : prng_below(prng, 2) == 0 ? OPERATION_TOUCH
                                           : OPERATION_DELETE,
        .key = (unsigned)prng_below(prng, KEYS),
        .exptime = prng_below(prng, 3) == 0
                       ? 0
                       : time_seconds(now) + 1 + (time_s)prng_below(prng, 60)};
    struct span span = key_of(operation->key, key);
    store_hold(server->store, span, store_hash(server->store, span), now,
               &hold);
    if (operation->kind == OPERATION_SET)
        draw_value(operation, &hold);
    struct client_change before = client_before(&hold, value_of(operation));
    operation->version = store_next_version(server->store, now);
    bool has_changed = change(operation, &hold, &record);
    uint64_t journaled =
        has_changed ? client_journal(server->journal, &before, &record) : 0;
    store_release(&hold);
    if (!has_changed) {
        free(operation->value);
        return;
    }
    world.totals.operations++;
    unsigned waiter = judge.operations_count++;
    if (waiter % NOBODY_WAITS_EVERY == 0)
        world_written_unawaited(&world, number);
    else
        world_written(&world, number, journaled, waiter);
}

static bool is_fresh(unsigned number)
{
    return farm_fresh_until(world.servers[number].farm) >=
           world_clock(&world, number);
}

/* Whatever is read was written, whole, by somebody. */
static void judge_value(unsigned server, unsigned key, const struct item *item)
{
    for (unsigned i = judge.operations_count; i-- > 0;) {
        const struct operation *operation = &judge.operations[i];
        if (operation->version == item->version &&
            operation->kind == OPERATION_SET && operation->key == key &&
            span_equal(item_value(item), value_of(operation)))
            return;
    }
    complain("a state that nobody wrote", server, key);
}

/*
 * A read that a READY, fresh server answers by itself is never older than
 * what was answered, not degraded, before; nor is what a lookup finds, if it
 * is certain, older than what was answered before it began.  After a cut
 * each side may have been a farm of its own: seeds with cuts are not judged
 * by this.
 */
static void judge_read(unsigned server, unsigned key, uint64_t least_version,
                       uint64_t least_stamp)
{
    uint64_t version;
    uint64_t stamp;

    look(server, key, &version, &stamp);
    if (!judge.has_cuts && (version < least_version || stamp < least_stamp))
        complain("a server read an older state", server, key);
}

/* A value or a grave is here; of a want there is only word. */
static bool is_held(unsigned server, unsigned number)
{
    struct store *store = world.servers[server].store;
    struct store_hold hold;
    char key[16];
    struct span span = key_of(number, key);

    store_hold(store, span, store_hash(store, span), world_time(&world, server),
               &hold);
    bool is_held = hold.item != NULL || hold.stub.kind == STUB_DELETED ||
                   hold.stub.kind == STUB_EXPIRED;
    bool is_wanted = hold.stub.kind == STUB_WANTED;
    if (hold.item != NULL)
        judge_value(server, number, hold.item);
    store_release(&hold);
    return is_held && !is_wanted;
}

static void found(struct world *w, unsigned server, uint64_t waiter,
                  bool is_certain)
{
    struct reading *reading = &judge.readings[waiter];

    (void)w;
    if (!reading->is_waiting)
        complain("a lookup ended twice", server, reading->key);
    reading->is_waiting = false;
    if (!is_certain)
        return;
    totals.certain++;
    judge_read(server, reading->key, reading->version, reading->stamp);
    if (is_held(server, reading->key))
        return;
    uint64_t version;
    uint64_t stamp;
    look(server, reading->key, &version, &stamp);
    if (version != 0)
        complain("a lookup found what is only wanted", server, reading->key);
}

static void read_somewhere(void)
{
    unsigned number = (unsigned)prng_below(&world.prng, world.servers_count);
    unsigned key = (unsigned)prng_below(&world.prng, KEYS);
    char text[16];

    if (!world_is_awake(&world, number))
        return;
    judge.reads++;
    if (is_fresh(number) && is_held(number, key)) {
        totals.reads++;
        judge_read(number, key, judge.answered_version[key],
                   judge.answered_stamp[key]);
        return;
    }
    if (judge.readings_count == READINGS_MAX)
        return;
    totals.lookups++;
    judge.readings[judge.readings_count] =
        (struct reading){.is_waiting = true,
                         .server = number,
                         .server_id = world.servers[number].id,
                         .key = key,
                         .version = judge.answered_version[key],
                         .stamp = judge.answered_stamp[key]};
    world_look_up(&world, number, key_of(key, text), judge.readings_count++);
}

/*
 * The clients of a server that was frozen may be served before its farm has
 * noticed anything.  What was answered without it meanwhile counts, too.
 */
static void woken(struct world *w, unsigned number, bool is_first)
{
    (void)w;
    if (is_first) {
        memcpy(judge.missed_version[number], judge.degraded_version,
               sizeof(judge.degraded_version));
        memcpy(judge.missed_stamp[number], judge.degraded_stamp,
               sizeof(judge.degraded_stamp));
    }
    if (judge.has_cuts || !is_fresh(number))
        return;
    for (unsigned key = 0; key < KEYS; key++) {
        uint64_t version;
        uint64_t stamp;
        look(number, key, &version, &stamp);
        if (version < judge.missed_version[number][key] ||
            stamp < judge.missed_stamp[number][key])
            complain("a server read an older state when it woke", number, key);
    }
}

static void operate_somewhere(void)
{
    unsigned number = (unsigned)prng_below(&world.prng, world.servers_count);

    if (judge.operations_count < OPERATIONS_MAX &&
        world_is_awake(&world, number) && world_is_ready(&world, number))
        operate(number);
}

/* ---- faults ---- */

static void run_with_clients(time_us duration)
{
    time_us end = world.now + duration;

    while (world.now < end) {
        time_us pause = prng_below(&world.prng, 30000) + 1;
        world_run(&world, world.now + pause < end ? world.now + pause : end);
        operate_somewhere();
        for (unsigned i = 0; i < READS; i++)
            read_somewhere();
    }
}

static time_us some_time(time_us most)
{
    return prng_below(&world.prng, most) + TIME_US_PER_S / 10;
}

static void mend_all(void)
{
    memset(world.is_cut, 0, sizeof(world.is_cut));
    for (unsigned i = 0; i < world.servers_count; i++) {
        if (world.servers[i].is_running)
            world_freeze(&world, i, 0);
    }
}

static void cut_some(unsigned victim)
{
    bool is_half = prng_below(&world.prng, 3) == 0;
    bool from_all = prng_below(&world.prng, 2) == 0;
    unsigned other = (unsigned)prng_below(&world.prng, world.servers_count);

    for (unsigned i = 0; i < world.servers_count; i++) {
        if (i == victim || (!from_all && i != other))
            continue;
        world_cut(&world, victim, i, true);
        world_cut(&world, i, victim, !is_half);
    }
}

static bool all_ready(void)
{
    for (unsigned i = 0; i < world.servers_count; i++) {
        if (!world_is_ready(&world, i))
            return false;
    }
    return true;
}

/* A crash comes when the farm is whole: of two crashes at a time no farm can
 * keep what only those two held. */
static void crash_and_restart(unsigned victim)
{
    for (unsigned i = 0; i < 100 && !all_ready(); i++)
        run_with_clients(TIME_US_PER_S / 2);
    run_with_clients(8 * TIME_US_PER_S);
    if (!all_ready())
        return;
    world_crash(&world, victim);
    run_with_clients(some_time(6 * TIME_US_PER_S));
    world_start(&world, victim);
    run_with_clients(some_time(4 * TIME_US_PER_S));
}

static void fault(void)
{
    unsigned victim = (unsigned)prng_below(&world.prng, world.servers_count);

    world.totals.faults++;
    switch (prng_below(&world.prng, judge.has_cuts ? 3 : 2)) {
    case 0:
        crash_and_restart(victim);
        break;
    case 1:
        world_freeze(&world, victim, world.now + some_time(8000000));
        run_with_clients(some_time(8000000));
        break;
    default:
        cut_some(victim);
        if (prng_below(&world.prng, 2) == 0)
            cut_some((unsigned)prng_below(&world.prng, world.servers_count));
        run_with_clients(some_time(8000000));
        break;
    }
    mend_all();
    run_with_clients(some_time(3000000));
}

/* ---- judges ---- */

static void judge_key(unsigned server, unsigned number)
{
    struct store *store = world.servers[server].store;
    struct store_hold hold;
    char key[16];
    struct span span = key_of(number, key);
    uint64_t version;
    uint64_t stamp;

    look(server, number, &version, &stamp);
    store_hold(store, span, store_hash(store, span), judge.end, &hold);
    if (version < judge.answered_version[number])
        complain("an answered write is lost", server, number);
    if (stamp < judge.answered_stamp[number])
        complain("an answered touch is lost", server, number);
    if (hold.item == NULL && hold.stub.kind == STUB_WANTED)
        complain("a want is still unfulfilled", server, number);
    if (hold.item != NULL)
        judge_value(server, number, hold.item);
    store_release(&hold);
}

/* Of what is announced and has not come, nobody may have it any more. */
static void judge_want(const struct record *announce, void *context)
{
    unsigned number = *(unsigned *)context;

    for (unsigned i = 0; i < world.servers_count; i++) {
        struct store *store = world.servers[i].store;
        struct store_hold hold;
        store_hold(store, announce->key, store_hash(store, announce->key),
                   judge.end, &hold);
        if (hold.item != NULL && hold.item->version >= announce->version)
            complain("it still wants what another has", number, i);
        store_release(&hold);
    }
}

static void judge_readings(void)
{
    for (unsigned i = 0; i < judge.readings_count; i++) {
        const struct reading *reading = &judge.readings[i];
        const struct server *server = &world.servers[reading->server];
        if (reading->is_waiting && server->id == reading->server_id)
            complain("a lookup never ended", reading->server, reading->key);
    }
}

static void count_figures(unsigned server)
{
    struct farm_figures figures;

    farm_read_figures(world.servers[server].farm, &figures);
    totals.splices += figures.splices;
    totals.splices_wanted += figures.splices_wanted;
    totals.hits += figures.lookup_hits;
    totals.stale += figures.stale_reads;
    if (wants_is_synchronising(world.servers[server].farm))
        complain("it still pulls what it synchronised", server, 0);
}

static int by_number(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;

    return left < right ? -1 : left > right;
}

/* Versions that two drew: one of them would not be heard. */
static void judge_versions(void)
{
    static uint64_t versions[OPERATIONS_MAX];
    unsigned count = judge.operations_count;

    for (unsigned i = 0; i < count; i++)
        versions[i] = judge.operations[i].version;
    qsort(versions, count, sizeof(versions[0]), by_number);
    for (unsigned i = 1; i < count; i++) {
        if (versions[i] == versions[i - 1])
            complain("two drew the same version", 0, 0);
    }
}

/* However wrong their clocks are, no two servers' farm time is further apart
 * than half of what a message takes, there and back, and what they drift in
 * the seconds until a heartbeat comes that was not delayed. */
#define DRIFT_US 3000

static void judge_times(void)
{
    time_us least = UINT64_MAX;
    time_us most = 0;

    for (unsigned i = 0; i < world.servers_count; i++) {
        time_us now = world_time(&world, i);
        least = now < least ? now : least;
        most = now > most ? now : most;
    }
    judge.end = most;
    if (most - least > world.delay_most + DRIFT_US)
        complain("farm time is not the same everywhere", 0, 0);
}

/* All look at the same moment: the last that any of them has seen. */
static void judge_all(void)
{
    judge_times();
    judge_versions();
    judge_readings();
    store_maintain(world.servers[0].store, judge.end);
    uint64_t first = store_digest(world.servers[0].store);
    for (unsigned i = 0; i < world.servers_count; i++) {
        if (!world_is_ready(&world, i)) {
            complain("a server is not READY in the end", i, 0);
            continue;
        }
        store_maintain(world.servers[i].store, judge.end);
        store_check(world.servers[i].store);
        if (store_digest(world.servers[i].store) != first)
            complain("it does not hold what the first holds", i, 0);
        for (unsigned key = 0; key < KEYS; key++)
            judge_key(i, key);
        wants_visit_range(world.servers[i].farm, 0, 0, judge_want, &i);
        count_figures(i);
    }
}

static bool run_seed(uint64_t seed, bool traces)
{
    struct prng shape = {.state = seed};
    struct world_totals before = world.totals;
    struct bounds bounds = {.excesses = 0};

    memcpy(bounds.peaks, world.bounds.peaks, sizeof(bounds.peaks));

    memset(&judge, 0, sizeof(judge));
    judge.seed = seed;
    judge.has_cuts = seed % 2 != 0;
    world_create(&world, seed, 2 + (unsigned)prng_below(&shape, 8));
    world.totals = before;
    world.bounds = bounds;
    world.answered = answered;
    world.woken = woken;
    world.has_few_tags = seed % 4 < 2;
    /* Of these no read is judged while they go on: a member may be late. */
    world.ack = seed % 8 == 1   ? FARM_ACK_ONE
                : seed % 8 == 5 ? FARM_ACK_MAJORITY
                                : FARM_ACK_ALL;
    world.found = found;
    world.traces = traces;
    for (unsigned i = 0; i < world.servers_count; i++) {
        world_start(&world, i);
        if (prng_below(&shape, 3) == 0)
            world_run(&world, world.now + prng_below(&shape, 2000000));
    }
    run_with_clients(3 * TIME_US_PER_S);
    for (unsigned i = 0; i < FAULTS_MIN; i++)
        fault();
    while (world.now < WORLD_START_US + QUIET_US ||
           judge.operations_count < 500)
        run_with_clients(TIME_US_PER_S);
    world_run(&world, world.now + QUIET_US);
    judge_all();
    if (world.bounds.excesses > 0)
        complain("more than may be", 0, 0);
    world_destroy(&world);
    forget_values();
    if (judge.complaints > 0)
        printf("replay: simulator --first %llu --seeds 1 --trace\n",
               (unsigned long long)seed);
    return judge.complaints == 0;
}

/* ---- many seeds ---- */

static struct {
    bool traces;
    bool until_failure;
    bool atomic_only;
    bool plain_only;
} wishes;

/* What came of some seeds: numbers, to be added up, and peaks. */
struct account {
    uint64_t failed;
    struct world_totals world;
    struct totals totals;
    struct atomic_totals atomic;
    struct bounds bounds;
};

static void run_seeds(uint64_t first, uint64_t stride, uint64_t end,
                      void *result)
{
    struct account *account = result;

    for (uint64_t seed = first;
         seed < end && !(wishes.until_failure && account->failed > 0);
         seed += stride)
        account->failed +=
            (!wishes.atomic_only &&
             (!run_seed(seed, wishes.traces) || !detour_holds(seed))) ||
            (!wishes.plain_only &&
             !atomic_holds(seed, wishes.traces, &account->atomic));
    account->world = world.totals;
    account->totals = totals;
    account->bounds = world.bounds;
}

static void add_numbers(void *to, const void *from, size_t bytes)
{
    uint64_t *sums = to;
    const uint64_t *numbers = from;

    for (size_t i = 0; i < bytes / sizeof(*sums); i++)
        sums[i] += numbers[i];
}

static void add_account(void *to, const void *from)
{
    struct account *sum = to;
    const struct account *one = from;

    sum->failed += one->failed;
    add_numbers(&sum->world, &one->world, sizeof(sum->world));
    add_numbers(&sum->totals, &one->totals, sizeof(sum->totals));
    add_numbers(&sum->atomic, &one->atomic, sizeof(sum->atomic));
    for (size_t i = 0; i < BOUNDS; i++) {
        if (one->bounds.peaks[i] > sum->bounds.peaks[i])
            sum->bounds.peaks[i] = one->bounds.peaks[i];
    }
}

static void print_account(const struct account *account, uint64_t seeds)
{
    const struct world_totals *events = &account->world;
    const struct totals *reads = &account->totals;

    printf("%llu seeds, %llu failed: %llu operations, %llu answers (%llu "
           "degraded), %llu faults, %llu steps, %llu packets\n",
           (unsigned long long)seeds, (unsigned long long)account->failed,
           (unsigned long long)events->operations,
           (unsigned long long)events->answers,
           (unsigned long long)events->degraded,
           (unsigned long long)events->faults,
           (unsigned long long)events->steps,
           (unsigned long long)events->packets);
    printf("%llu reads, %llu lookups (%llu certain), %llu hits, %llu stale; "
           "%llu large values\n",
           (unsigned long long)reads->reads, (unsigned long long)reads->lookups,
           (unsigned long long)reads->certain, (unsigned long long)reads->hits,
           (unsigned long long)reads->stale, (unsigned long long)reads->large);
    printf("%llu commands for homes: %llu decided, %llu not, %llu unknown; "
           "%llu faults, %llu locks released; %llu of %llu keys not judged; "
           "%llu reads\n",
           (unsigned long long)account->atomic.operations,
           (unsigned long long)account->atomic.decided,
           (unsigned long long)account->atomic.undecided,
           (unsigned long long)account->atomic.unknown,
           (unsigned long long)account->atomic.faults,
           (unsigned long long)account->atomic.released,
           (unsigned long long)account->atomic.unjudged,
           (unsigned long long)account->atomic.keys,
           (unsigned long long)account->atomic.reads);
    printf("%llu edits; of the journals that last %llu records are splices, "
           "%llu of them met another base\n",
           (unsigned long long)reads->edits, (unsigned long long)reads->splices,
           (unsigned long long)reads->splices_wanted);
    bounds_print(&account->bounds);
}

int main(int argc, char **argv)
{
    uint64_t first = 1;
    uint64_t seeds = 100;
    unsigned large = 0;
    unsigned jobs = 1;
    struct account account = {0};

    if (argc > 2 && strcmp(argv[1], "--play") == 0) {
        int skipped = strcmp(argv[2], "--rewrite") == 0 ? 3 : 2;
        return play_files(argv + skipped, argc - skipped, skipped == 3);
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--trace") == 0)
            wishes.traces = true;
        else if (strcmp(argv[i], "--until-failure") == 0)
            wishes.until_failure = true;
        else if (strcmp(argv[i], "--atomic") == 0)
            wishes.atomic_only = true;
        else if (strcmp(argv[i], "--plain") == 0)
            wishes.plain_only = true;
        else if (strcmp(argv[i], "--jobs") == 0 && i + 1 < argc)
            jobs = (unsigned)strtoul(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc)
            seeds = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--first") == 0 && i + 1 < argc)
            first = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--large") == 0 && i + 1 < argc)
            large = (unsigned)strtoul(argv[++i], NULL, 10);
    }
    if (large > 1 && large <= WORLD_SERVERS_MAX)
        return !large_run(first, large, wishes.traces);
    if (jobs == 0 || jobs > CROWD_JOBS_MAX)
        jobs = 1;
    bool holds = crowd_run(jobs, first, first + seeds, run_seeds, add_account,
                           &account, sizeof(account));
    print_account(&account, seeds);
    return !holds || account.failed > 0;
}
