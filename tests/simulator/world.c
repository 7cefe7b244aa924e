/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/simulator/world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define STORE_BYTES ((size_t)8 << 20)
#define JOURNAL_BYTES ((size_t)256 << 10)
#define INNER_BYTES_MAX ((size_t)16 << 20)
/* How long a dial takes to be refused, and a dead link to be noticed. */
#define REFUSAL_US 1000
#define GRAVE_S 3600

/* ---- servers ---- */

void world_create(struct world *world, uint64_t seed, unsigned servers_count)
{
    *world = (struct world){.prng = {.state = seed},
                            .now = WORLD_START_US,
                            .servers_count = servers_count,
                            .delay_least = 50,
                            .delay_most = 500 + seed % 20 * 500};
    for (unsigned i = 0; i < servers_count; i++) {
        struct server *server = &world->servers[i];
        server->number = i;
        snprintf(server->address, sizeof(server->address), "s%u", i);
        world->addresses[i] = server->address;
    }
}

static void step(struct world *world, struct server *server,
                 struct farm_input input);

void world_start(struct world *world, unsigned number)
{
    struct server *server = &world->servers[number];
    struct store_settings store = {.memory_bytes_max = STORE_BYTES,
                                   .item_bytes_max = STORE_BYTES / 2,
                                   .evicts = true,
                                   .replicates = true,
                                   .grave_s = GRAVE_S,
                                   .seed = 1,
                                   .origin_tag = (uint16_t)++server->starts};
    struct farm_settings settings = {.id = prng_next(&world->prng) | 1,
                                     .farm_name = "farm",
                                     .name = server->address,
                                     .address = server->address,
                                     .heartbeat = TIME_US_PER_S / 2,
                                     .ack_timeout = TIME_US_PER_S / 20,
                                     .lookup_timeout = TIME_US_PER_S / 40,
                                     .memory_bytes = STORE_BYTES,
                                     .item_bytes_max = STORE_BYTES / 2,
                                     .seed = prng_next(&world->prng)};

    assert(!server->is_running);
    /* Tags are unique: a server's number, and how often it was started. */
    store.origin_tag =
        (uint16_t)((server->starts % 32) * WORLD_SERVERS_MAX + number);
    settings.tag = store.origin_tag;
    server->id = settings.id;
    server->store = store_create(&store);
    server->journal = journal_create(JOURNAL_BYTES);
    server->farm =
        farm_create(&settings, server->store, server->journal, world->now);
    assert(server->store && server->journal && server->farm);
    server->is_running = true;
    server->frozen_until = 0;
    for (unsigned i = 0; i < world->servers_count; i++)
        step(world, server,
             (struct farm_input){.kind = FARM_SEED,
                                 .bytes = span_of_string(world->addresses[i])});
}

static void free_server(struct server *server)
{
    farm_destroy(server->farm);
    journal_destroy(server->journal);
    store_destroy(server->store);
    server->is_running = false;
}

bool world_is_awake(const struct world *world, unsigned number)
{
    const struct server *server = &world->servers[number];

    return server->is_running && server->frozen_until <= world->now;
}

bool world_is_ready(struct world *world, unsigned number)
{
    struct farm_figures figures;

    if (!world->servers[number].is_running)
        return false;
    farm_read_figures(world->servers[number].farm, &figures);
    return figures.state == MEMBER_READY;
}

/* ---- wires ---- */

static void drop_packets(struct end *end)
{
    while (end->first != NULL) {
        struct packet *packet = end->first;
        end->first = packet->next;
        free(packet);
    }
    end->last = NULL;
    free(end->input);
    end->input = NULL;
    end->input_bytes = 0;
}

static void break_wire(struct world *world, struct wire *wire)
{
    if (!wire->is_broken)
        wire->broken_at = world->now;
    wire->is_broken = true;
}

static void sweep_wires(struct world *world)
{
    struct wire **at = &world->wires;

    while (*at != NULL) {
        struct wire *wire = *at;
        if (wire->ends[0].link != 0 || wire->ends[1].link != 0) {
            at = &wire->next;
            continue;
        }
        *at = wire->next;
        drop_packets(&wire->ends[0]);
        drop_packets(&wire->ends[1]);
        free(wire);
    }
}

static struct end *find_end(struct world *world, unsigned server,
                            farm_link link)
{
    for (struct wire *wire = world->wires; wire != NULL; wire = wire->next) {
        for (unsigned i = 0; i < 2; i++) {
            if (wire->ends[i].server == server && wire->ends[i].link == link)
                return &wire->ends[i];
        }
    }
    return NULL;
}

static struct end *other_end(struct end *end)
{
    return end == &end->wire->ends[0] ? &end->wire->ends[1]
                                      : &end->wire->ends[0];
}

static time_us draw_delay(struct world *world)
{
    return world->delay_least +
           prng_below(&world->prng, world->delay_most - world->delay_least);
}

static void send_bytes(struct world *world, struct end *from, struct span bytes)
{
    struct end *to = other_end(from);
    struct packet *packet = malloc(sizeof(*packet) + bytes.length);

    assert(packet != NULL);
    *packet = (struct packet){.due = world->now + draw_delay(world),
                              .length = bytes.length};
    span_copy(packet->bytes, bytes);
    /* A link keeps its order, whatever the delays. */
    if (packet->due < to->last_due)
        packet->due = to->last_due;
    to->last_due = packet->due;
    if (to->last != NULL)
        to->last->next = packet;
    else
        to->first = packet;
    to->last = packet;
    world->totals.packets++;
}

/* ---- carrying out effects ---- */

static int find_address(const struct world *world, struct span address)
{
    for (unsigned i = 0; i < world->servers_count; i++) {
        if (span_equal(span_of_string(world->addresses[i]), address))
            return (int)i;
    }
    return -1;
}

struct dial {
    struct dial *next;
    time_us due;
    unsigned from;
    uint64_t from_id;
    unsigned to;
    bool is_refused;
};

static struct dial *dials;

static bool is_dialling(unsigned from, unsigned to)
{
    for (struct dial *dial = dials; dial != NULL; dial = dial->next) {
        if (dial->from == from && dial->to == to)
            return true;
    }
    return false;
}

static void begin_dial(struct world *world, struct server *server,
                       struct span address)
{
    int to = find_address(world, address);

    if (to < 0 || is_dialling(server->number, (unsigned)to))
        return;
    struct dial *dial = malloc(sizeof(*dial));
    assert(dial != NULL);
    *dial = (struct dial){.next = dials,
                          .due = world->now + REFUSAL_US + draw_delay(world),
                          .from = server->number,
                          .from_id = server->id,
                          .to = (unsigned)to};
    dials = dial;
}

static void finish_dial(struct world *world, const struct dial *dial)
{
    struct server *from = &world->servers[dial->from];
    struct server *to = &world->servers[dial->to];
    struct span address = span_of_string(to->address);

    if (!from->is_running || from->id != dial->from_id ||
        (to->is_running && !world_is_awake(world, dial->to)) ||
        world->is_cut[dial->from][dial->to] ||
        world->is_cut[dial->to][dial->from])
        return; /* no answer comes back */
    if (!to->is_running) {
        step(world, from,
             (struct farm_input){.kind = FARM_REFUSED, .bytes = address});
        return;
    }
    struct wire *wire = calloc(1, sizeof(*wire));
    assert(wire != NULL);
    wire->next = world->wires;
    world->wires = wire;
    struct server *sides[2] = {from, to};
    for (unsigned i = 0; i < 2; i++)
        wire->ends[i] = (struct end){.wire = wire,
                                     .server = sides[i]->number,
                                     .link = ++sides[i]->next_link,
                                     .is_dialler = i == 0};
    farm_link links[2] = {wire->ends[0].link, wire->ends[1].link};
    step(world, from,
         (struct farm_input){
             .kind = FARM_LINKED, .link = links[0], .bytes = address});
    step(world, to, (struct farm_input){.kind = FARM_LINKED, .link = links[1]});
}

static void close_end(struct world *world, unsigned server, farm_link link)
{
    struct end *end = find_end(world, server, link);

    if (end == NULL)
        return;
    end->link = 0;
    break_wire(world, end->wire);
}

static void carry_out(struct world *world, struct server *server)
{
    struct farm_effect effect;

    while (farm_next_effect(server->farm, &effect)) {
        struct end *end;
        switch (effect.kind) {
        case FARM_SEND:
            end = find_end(world, server->number, effect.link);
            if (end != NULL && !end->wire->is_broken)
                send_bytes(world, end, effect.bytes);
            break;
        case FARM_DIAL:
            begin_dial(world, server, effect.bytes);
            break;
        case FARM_UNLINK:
            if (world->traces)
                printf("%8.3f s%u unlinks %u: %.*s\n",
                       (double)(world->now - WORLD_START_US) / 1e6,
                       server->number, effect.link, (int)effect.bytes.length,
                       (const char *)effect.bytes.data);
            close_end(world, server->number, effect.link);
            break;
        case FARM_ANSWER:
            world->totals.answers++;
            world->totals.degraded += effect.is_degraded;
            if (world->answered != NULL)
                world->answered(world, server->number, effect.waiter,
                                effect.is_degraded);
            break;
        case FARM_FOUND:
            if (world->found != NULL)
                world->found(world, server->number, effect.waiter,
                             effect.is_certain);
            break;
        case FARM_EVENT:
        case FARM_LEFT:
            break;
        }
    }
}

/* The server's farm takes one step; it must be awake. */
static void step(struct world *world, struct server *server,
                 struct farm_input input)
{
    struct farm_figures before;
    struct farm_figures after;

    input.now = world->now;
    farm_read_figures(server->farm, &before);
    farm_step(server->farm, &input);
    farm_check(server->farm);
    world->totals.steps++;
    farm_read_figures(server->farm, &after);
    if (world->traces &&
        (before.state != after.state || before.members != after.members ||
         before.syncs_done != after.syncs_done))
        printf("%8.3f s%u state %u, %u members, %u ready, %llu syncs\n",
               (double)(world->now - WORLD_START_US) / 1e6, server->number,
               after.state, after.members, after.members_ready,
               (unsigned long long)after.syncs_done);
    carry_out(world, server);
}

void world_written(struct world *world, unsigned number, uint64_t journaled,
                   uint64_t waiter)
{
    step(world, &world->servers[number],
         (struct farm_input){
             .kind = FARM_AWAIT, .number = journaled, .waiter = waiter});
}

void world_lookup(struct world *world, unsigned number, struct span key,
                  uint64_t waiter)
{
    step(world, &world->servers[number],
         (struct farm_input){
             .kind = FARM_LOOKUP, .bytes = key, .waiter = waiter});
}

void world_crash(struct world *world, unsigned number)
{
    struct server *server = &world->servers[number];

    assert(server->is_running);
    for (struct wire *wire = world->wires; wire != NULL; wire = wire->next) {
        for (unsigned i = 0; i < 2; i++) {
            if (wire->ends[i].server == number && wire->ends[i].link != 0) {
                wire->ends[i].link = 0;
                break_wire(world, wire);
            }
        }
    }
    free_server(server);
}

void world_freeze(struct world *world, unsigned number, time_us until)
{
    world->servers[number].frozen_until = until;
}

void world_cut(struct world *world, unsigned from, unsigned to, bool is_cut)
{
    world->is_cut[from][to] = is_cut;
}

/* ---- time ---- */

/* The whole frames of what has arrived. */
static void take_frames(struct world *world, unsigned number, farm_link link)
{
    for (;;) {
        struct end *end = find_end(world, number, link);
        struct span inner;
        size_t used;
        if (end == NULL ||
            message_frame(span_of(end->input, end->input_bytes),
                          INNER_BYTES_MAX, &inner, &used) != FRAME_OK)
            return;
        uint8_t *copy = malloc(inner.length);
        assert(copy != NULL);
        span_copy(copy, inner);
        size_t length = inner.length;
        end->input_bytes -= used;
        memmove(end->input, end->input + used, end->input_bytes);
        step(world, &world->servers[number],
             (struct farm_input){.kind = FARM_FRAME,
                                 .link = link,
                                 .bytes = span_of(copy, length)});
        free(copy);
    }
}

static void deliver(struct world *world, struct end *end)
{
    struct packet *packet = end->first;

    end->first = packet->next;
    if (end->first == NULL)
        end->last = NULL;
    end->input = realloc(end->input, end->input_bytes + packet->length);
    assert(end->input != NULL);
    memcpy(end->input + end->input_bytes, packet->bytes, packet->length);
    end->input_bytes += packet->length;
    free(packet);
    take_frames(world, end->server, end->link);
}

static bool is_cut_towards(const struct world *world, struct end *end)
{
    return world->is_cut[other_end(end)->server][end->server];
}

/* When something next happens at this end; UINT64_MAX: never, as it is. */
static time_us next_at_end(const struct world *world, struct end *end)
{
    if (end->link == 0 || is_cut_towards(world, end))
        return UINT64_MAX;
    time_us awake = world->servers[end->server].frozen_until;
    time_us due = UINT64_MAX;
    if (end->first != NULL)
        due = end->first->due;
    else if (end->wire->is_broken)
        due = end->wire->broken_at + world->delay_least;
    return due != UINT64_MAX && due < awake ? awake : due;
}

static struct end *earliest_end(const struct world *world, time_us *due)
{
    struct end *earliest = NULL;

    *due = UINT64_MAX;
    for (struct wire *wire = world->wires; wire != NULL; wire = wire->next) {
        for (unsigned i = 0; i < 2; i++) {
            time_us at = next_at_end(world, &wire->ends[i]);
            if (at < *due) {
                *due = at;
                earliest = &wire->ends[i];
            }
        }
    }
    return earliest;
}

static struct server *earliest_tick(struct world *world, time_us *due)
{
    struct server *earliest = NULL;

    *due = UINT64_MAX;
    for (unsigned i = 0; i < world->servers_count; i++) {
        struct server *server = &world->servers[i];
        if (!server->is_running)
            continue;
        time_us at = farm_deadline(server->farm);
        if (at < server->frozen_until)
            at = server->frozen_until;
        if (at < *due) {
            *due = at;
            earliest = server;
        }
    }
    return earliest;
}

static struct dial **earliest_dial(time_us *due)
{
    struct dial **earliest = NULL;

    *due = UINT64_MAX;
    for (struct dial **at = &dials; *at != NULL; at = &(*at)->next) {
        if ((*at)->due < *due) {
            *due = (*at)->due;
            earliest = at;
        }
    }
    return earliest;
}

static void run_end(struct world *world, struct end *end)
{
    if (end->first != NULL) {
        deliver(world, end);
        return;
    }
    /* All that was sent before the break has come: now the end itself. */
    unsigned server = end->server;
    farm_link link = end->link;
    end->link = 0;
    step(world, &world->servers[server],
         (struct farm_input){.kind = FARM_UNLINKED, .link = link});
}

void world_run(struct world *world, time_us moment)
{
    for (;;) {
        time_us end_due;
        time_us tick_due;
        time_us dial_due;
        struct end *end = earliest_end(world, &end_due);
        struct server *server = earliest_tick(world, &tick_due);
        struct dial **dial = earliest_dial(&dial_due);
        time_us due = end_due < tick_due ? end_due : tick_due;
        if (dial_due < due)
            due = dial_due;
        if (due > moment)
            break;
        if (due > world->now)
            world->now = due;
        if (due == dial_due) {
            struct dial *done = *dial;
            *dial = done->next;
            if (world_is_awake(world, done->from))
                finish_dial(world, done);
            free(done);
        } else if (due == end_due) {
            run_end(world, end);
        } else {
            store_maintain(server->store, world->now);
            step(world, server, (struct farm_input){.kind = FARM_TICK});
        }
        sweep_wires(world);
    }
    if (world->now < moment)
        world->now = moment;
}

void world_destroy(struct world *world)
{
    for (unsigned i = 0; i < world->servers_count; i++) {
        if (world->servers[i].is_running)
            world_crash(world, i);
    }
    while (world->wires != NULL) {
        world->wires->ends[0].link = 0;
        world->wires->ends[1].link = 0;
        sweep_wires(world);
    }
    while (dials != NULL) {
        struct dial *dial = dials;
        dials = dial->next;
        free(dial);
    }
}
