/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/simulator/stage.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/farm/state.h"

#define LOOKUP_MAX TIME_US_PER_S
#define LOOKUP_STEP 100
#define CHOICES_MAX 1000

const char *stage_state_name(uint8_t state)
{
    static const char *const names[] = {
        "unknown", "joining", "syncing", "ready", "suspect", "dead", "left"};

    return names[state <= MEMBER_LEFT ? state : 0];
}

/* ---- the transcript ---- */

static void tell(struct stage *stage, unsigned server, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Hundredths of a second are exact enough, and stay as they are for longer. */
static void tell(struct stage *stage, unsigned server, const char *format, ...)
{
    char text[STAGE_LINE_BYTES_MAX];
    char line[2 * STAGE_LINE_BYTES_MAX];
    va_list arguments;

    if (!stage->servers[server].is_traced)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    size_t bytes =
        (size_t)snprintf(line, sizeof(line), "%7.2f %s %s\n",
                         (double)(stage->world.now - WORLD_START_US) / 1e6,
                         stage->servers[server].name, text);
    stage->transcript =
        realloc(stage->transcript, stage->transcript_bytes + bytes + 1);
    assert(stage->transcript != NULL);
    memcpy(stage->transcript + stage->transcript_bytes, line, bytes + 1);
    stage->transcript_bytes += bytes;
}

static struct stage_sight *find_sight(struct stage_server *server, uint64_t id)
{
    for (size_t i = 0; i < FARM_MEMBERS_MAX; i++) {
        if (server->sights[i].id == id || server->sights[i].id == 0)
            return &server->sights[i];
    }
    return &server->sights[FARM_MEMBERS_MAX];
}

/* Tells of each member that is not as it was when it was seen last. */
static void compare_members(struct stage *stage, unsigned number)
{
    struct stage_server *server = &stage->servers[number];
    struct farm_member rows[FARM_MEMBERS_MAX + 1];
    size_t count = farm_read_members(stage->world.servers[number].farm, rows);

    for (size_t i = 0; i < count; i++) {
        struct stage_sight *sight = find_sight(server, rows[i].id);
        if (sight->id == rows[i].id && sight->state == rows[i].state)
            continue;
        *sight = (struct stage_sight){rows[i].id, rows[i].state};
        if (rows[i].is_self)
            tell(stage, number, "is %s", stage_state_name(rows[i].state));
        else
            tell(stage, number, "sees %s %s", rows[i].name,
                 stage_state_name(rows[i].state));
    }
}

static void stepped(struct world *world, unsigned number)
{
    struct stage *stage = world->judge;

    if (stage->servers[number].is_traced)
        compare_members(stage, number);
}

void stage_trace(struct stage *stage, unsigned number)
{
    if (stage->world.servers[number].is_running)
        compare_members(stage, number);
    stage->servers[number].is_traced = true;
}

/* ---- answers ---- */

static void answered(struct world *world, unsigned server, uint64_t waiter,
                     bool is_degraded)
{
    static const char *const verbs[] = {"set", "touch", "delete"};
    struct stage *stage = world->judge;
    struct stage_write *write = &stage->writes[waiter];
    struct stage_key *key = &stage->keys[write->key];

    write->outcome = is_degraded ? STAGE_DEGRADED : STAGE_ANSWERED;
    tell(stage, server, "%s %s %s", verbs[write->kind], key->name,
         is_degraded ? "degraded" : "answered");
    if (is_degraded)
        return;
    if (write->kind != CLIENT_TOUCH && write->version > key->version)
        key->version = write->version;
    if (write->version > key->stamp)
        key->stamp = write->version;
}

static void found(struct world *world, unsigned server, uint64_t waiter,
                  bool is_certain)
{
    (void)is_certain;
    struct stage *stage = world->judge;

    (void)server;
    if (waiter > stage->found)
        stage->found = waiter;
}

static void decided(struct world *world, unsigned server, uint64_t waiter,
                    struct span results)
{
    static const char *const verbs[] = {[LINEAR_INCR] = "count",
                                        [LINEAR_ADD] = "add",
                                        [LINEAR_DELETE] = "delete"};
    struct stage *stage = world->judge;
    struct stage_order *order = &stage->orders[waiter];
    struct reader reader = reader_of(results);
    char told[STAGE_TOLD_BYTES];

    assert(!order->is_told);
    order->is_told = true;
    order->verdict = (enum farm_verdict)read_u8(&reader);
    struct span bytes = read_bytes(&reader, read_u32(&reader));
    assert(reader.ok && reader.rest.length == 0);
    /* What the home could not find out, it did not do. */
    if (order->verdict == FARM_VERDICT_DECIDED &&
        !order_read_result(bytes, &order->result))
        order->verdict = FARM_VERDICT_UNDECIDED;
    stage_told(order, told);
    tell(stage, server, "%s %s told %s", verbs[order->kind],
         stage->keys[order->key].name, told);
}

static void release(struct world *world, unsigned server, struct span key,
                    uint64_t version)
{
    if (order_release(world, server, key, version))
        tell(world->judge, server, "releases %.*s", (int)key.length,
             (const char *)key.data);
}

/* ---- opening, finding, doing ---- */

void stage_open(struct stage *stage, uint64_t seed)
{
    struct world *world = &stage->world;

    world_create(world, seed, stage->servers_count);
    /* A play tells the time by one clock. */
    for (unsigned i = 0; i < stage->servers_count; i++) {
        world->servers[i].skew_us = 0;
        world->servers[i].drift_ppm = 0;
    }
    for (unsigned i = 0; i < stage->servers_count; i++) {
        struct stage_server *server = &stage->servers[i];
        server->last_write = -1;
        server->last_order = -1;
        _Static_assert(sizeof(server->name) <=
                           sizeof(world->servers[i].address),
                       "a name serves as an address");
        memcpy(world->servers[i].address, server->name, sizeof(server->name));
    }
    world->answered = answered;
    world->found = found;
    world->stepped = stepped;
    world->execute = order_execute;
    world->release = release;
    world->decided = decided;
    world->judge = stage;
}

void stage_close(struct stage *stage)
{
    world_destroy(&stage->world);
    free(stage->transcript);
    stage->transcript = NULL;
}

int stage_find_server(const struct stage *stage, const char *name)
{
    for (unsigned i = 0; i < stage->servers_count; i++) {
        if (strcmp(stage->servers[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

int stage_key(struct stage *stage, const char *name)
{
    for (unsigned i = 0; i < stage->keys_count; i++) {
        if (strcmp(stage->keys[i].name, name) == 0)
            return (int)i;
    }
    if (stage->keys_count == STAGE_KEYS_MAX ||
        strlen(name) > STAGE_KEY_BYTES_MAX)
        return -1;
    strcpy(stage->keys[stage->keys_count].name, name);
    return (int)stage->keys_count++;
}

bool stage_write(struct stage *stage, unsigned server,
                 const struct client_write *write)
{
    char name[STAGE_KEY_BYTES_MAX + 1];

    if (stage->writes_count == STAGE_WRITES_MAX ||
        write->key.length > STAGE_KEY_BYTES_MAX)
        return false;
    *span_copy((uint8_t *)name, write->key) = '\0';
    int key = stage_key(stage, name);
    if (key < 0)
        return false;
    unsigned number = stage->writes_count++;
    struct stage_write *entry = &stage->writes[number];
    *entry = (struct stage_write){.kind = write->kind, .key = (unsigned)key};
    stage->servers[server].last_write = (int)number;
    entry->version = client_write(&stage->world, server, write, number);
    if (entry->version == 0) {
        stage->servers[server].last_write = -1;
        return false;
    }
    /* Where nobody else is, the answer came before the version was known. */
    if (entry->outcome == STAGE_ANSWERED) {
        struct stage_key *known = &stage->keys[key];
        if (write->kind != CLIENT_TOUCH)
            known->version = entry->version;
        known->stamp = entry->version;
    }
    return true;
}

bool stage_order(struct stage *stage, unsigned server,
                 const struct order *order)
{
    char name[STAGE_KEY_BYTES_MAX + 1];
    uint8_t bytes[2 * ORDER_BYTES_MAX];
    struct writer writer = writer_of(bytes, sizeof(bytes));

    if (stage->orders_count == STAGE_ORDERS_MAX ||
        order->key.length > STAGE_KEY_BYTES_MAX)
        return false;
    *span_copy((uint8_t *)name, order->key) = '\0';
    int key = stage_key(stage, name);
    if (key < 0)
        return false;
    unsigned number = stage->orders_count++;
    stage->orders[number] =
        (struct stage_order){.kind = order->kind, .key = (unsigned)key};
    stage->servers[server].last_order = (int)number;
    order_write(&writer, stage->world.servers[server].store, order);
    assert(writer.ok);
    world_command(&stage->world, server, span_of(bytes, writer.used_bytes),
                  number);
    return true;
}

void stage_told(const struct stage_order *order, char told[STAGE_TOLD_BYTES])
{
    bool is_yes = order->result.outcome == LINEAR_YES;
    const char *word = is_yes ? "yes" : "no";

    if (!order->is_told)
        word = "nothing";
    else if (order->verdict == FARM_VERDICT_UNDECIDED)
        word = "undecided";
    else if (order->verdict == FARM_VERDICT_UNKNOWN)
        word = "unknown";
    else if (order->kind == LINEAR_INCR && is_yes)
        word = NULL;
    if (word != NULL)
        snprintf(told, STAGE_TOLD_BYTES, "%s", word);
    else
        snprintf(told, STAGE_TOLD_BYTES, "%llu",
                 (unsigned long long)order->result.number);
}

int stage_home(struct stage *stage, unsigned server, const char *key)
{
    struct server *one = &stage->world.servers[server];
    uint64_t id =
        view_home(one->farm, store_hash(one->store, span_of_string(key)));

    for (unsigned i = 0; i < stage->servers_count; i++) {
        if (id != 0 && stage->world.servers[i].id == id)
            return (int)i;
    }
    return -1;
}

bool stage_choose(struct stage *stage, const char *name, unsigned home)
{
    struct stage_nickname *nickname = &stage->nicknames[stage->nicknames_count];

    if (stage->nicknames_count == STAGE_NICKNAMES_MAX ||
        strlen(name) > STAGE_KEY_BYTES_MAX / 2)
        return false;
    strcpy(nickname->name, name);
    for (unsigned i = 0; i < CHOICES_MAX; i++) {
        snprintf(nickname->key, sizeof(nickname->key), "%s.%u", name, i);
        if (stage_home(stage, home, nickname->key) != (int)home)
            continue;
        stage->nicknames_count++;
        return true;
    }
    return false;
}

char *stage_key_called(struct stage *stage, char *name)
{
    for (unsigned i = stage->nicknames_count; i > 0; i--) {
        if (strcmp(stage->nicknames[i - 1].name, name) == 0)
            return stage->nicknames[i - 1].key;
    }
    return name;
}

bool stage_look_up(struct stage *stage, unsigned server, const char *key)
{
    struct world *world = &stage->world;
    time_us end = world->now + LOOKUP_MAX;

    world_look_up(world, server, span_of_string(key), ++stage->lookup);
    while (stage->found < stage->lookup && world->now < end)
        world_run(world, world->now + LOOKUP_STEP);
    return stage->found == stage->lookup;
}
