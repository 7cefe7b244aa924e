/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/simulator/world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define STORE_BYTES ((size_t)8 << 20)
#define JOURNAL_BYTES ((size_t)256 << 10)
/* As real drivers have it (server/peer), whatever -I is. */
#define INNER_BYTES_MAX ((size_t)2 << 20)
/* How long a dial takes to be refused, and a dead link to be noticed. */
#define REFUSAL_US 1000
#define GRAVE_S 3600
#define BOUNDS_INTERVAL 128
/* Of what is due at one moment: dials, then links, then ticks; of dials and
 * links the newest first. */
#define RANK_DIAL UINT64_C(0)
#define RANK_END (UINT64_C(1) << 60)
#define RANK_TICK (UINT64_C(2) << 60)
#define SERIAL_MAX (UINT64_C(1) << 50)
#define WAKING_US (TIME_US_PER_S / 10)
/* How wrong clocks are. */
#define SKEW_MAX_US (INT64_C(3600) * 1000000)
#define DRIFT_MAX_PPM 200

/* ---- servers ---- */

void world_create(struct world *world, uint64_t seed, unsigned servers_count)
{
    *world = (struct world){.prng = {.state = seed},
                            .now = WORLD_START_US,
                            .servers_count = servers_count,
                            .memory_bytes = STORE_BYTES,
                            .journal_bytes = JOURNAL_BYTES,
                            .delay_least = 50,
                            .delay_most = 500 + seed % 20 * 500};
    for (unsigned i = 0; i < servers_count; i++) {
        struct server *server = &world->servers[i];
        server->number = i;
        server->tick =
            (struct agenda_entry){.rank = RANK_TICK + i, .subject = server};
        server->skew_us =
            (int64_t)prng_below(&world->prng, 2 * SKEW_MAX_US) - SKEW_MAX_US;
        server->drift_ppm =
            (int64_t)prng_below(&world->prng, 2 * DRIFT_MAX_PPM + 1) -
            DRIFT_MAX_PPM;
        snprintf(server->address, sizeof(server->address), "s%u", i);
        world->addresses[i] = server->address;
    }
}

/* ---- clocks ---- */

time_us world_clock(const struct world *world, unsigned number)
{
    const struct server *server = &world->servers[number];
    int64_t passed = (int64_t)(world->now - WORLD_START_US);

    return world->now +
           (time_us)(server->skew_us + passed * server->drift_ppm / 1000000);
}

time_us world_time(const struct world *world, unsigned number)
{
    return farm_time(world->servers[number].farm, world_clock(world, number));
}

/* When the server's clock will show `clock`, at the earliest. */
static time_us when_clock_shows(const struct server *server, time_us clock)
{
    int64_t passed = (int64_t)(clock - WORLD_START_US) - server->skew_us;
    int64_t gained = passed * server->drift_ppm / (1000000 + server->drift_ppm);

    /* A division may have lost a microsecond, twice. */
    return WORLD_START_US + (time_us)(passed - gained + 2);
}

static void step(struct world *world, struct server *server,
                 struct farm_input input);

void world_start(struct world *world, unsigned number)
{
    struct server *server = &world->servers[number];
    struct store_settings store = {.memory_bytes_max = world->memory_bytes,
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
                                     .ack = world->ack,
                                     .has_homes = world->has_homes,
                                     .quorum = world->quorum,
                                     .shared_settings = 1,
                                     .lock_grace = 5 * TIME_US_PER_S,
                                     .ack_timeout = TIME_US_PER_S / 20,
                                     .lookup_timeout = TIME_US_PER_S / 40,
                                     .tick_interval = TIME_US_PER_S / 50,
                                     .memory_bytes = world->memory_bytes,
                                     .item_bytes_max = STORE_BYTES / 2,
                                     .seed = prng_next(&world->prng)};

    assert(!server->is_running);
    /* Tags are unique, as a rule: a server's number, and how often it was
     * started. */
    store.origin_tag =
        (uint16_t)((server->starts % 32) * WORLD_SERVERS_MAX + number);
    if (world->has_few_tags)
        store.origin_tag = (uint16_t)(number % 2);
    settings.tag = store.origin_tag;
    server->id = settings.id;
    server->store = store_create(&store);
    server->journal = journal_create(world->journal_bytes);
    server->farm = farm_create(&settings, server->store, server->journal,
                               world_clock(world, number));
    assert(server->store && server->journal && server->farm);
    server->is_running = true;
    server->frozen_until = 0;
    server->has_left = false;
    server->has_slept = false;
    server->woke = 0;
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

static void schedule_end(struct world *world, struct end *end);
static void schedule_tick(struct world *world, struct server *server);

static void break_wire(struct world *world, struct wire *wire)
{
    if (!wire->is_broken)
        wire->broken_at = world->now;
    wire->is_broken = true;
    schedule_end(world, &wire->ends[0]);
    schedule_end(world, &wire->ends[1]);
}

static void open_end(struct world *world, struct end *end)
{
    struct server *server = &world->servers[end->server];

    if (end->link >= server->ends_capacity) {
        server->ends_capacity = 2 * (size_t)end->link + 64;
        server->ends = realloc(server->ends,
                               server->ends_capacity * sizeof(server->ends[0]));
        assert(server->ends != NULL);
    }
    server->ends[end->link] = end;
}

/* Its server knows the link no more. */
static void shut_end(struct world *world, struct end *end)
{
    struct wire *wire = end->wire;

    world->servers[end->server].ends[end->link] = NULL;
    end->link = 0;
    schedule_end(world, end);
    if (wire->ends[0].link == 0 && wire->ends[1].link == 0) {
        wire->next_closed = world->closed;
        world->closed = wire;
    }
}

static void sweep_wires(struct world *world)
{
    while (world->closed != NULL) {
        struct wire *wire = world->closed;
        world->closed = wire->next_closed;
        if (wire->next != NULL)
            wire->next->previous = wire->previous;
        if (wire->previous != NULL)
            wire->previous->next = wire->next;
        else
            world->wires = wire->next;
        drop_packets(&wire->ends[0]);
        drop_packets(&wire->ends[1]);
        free(wire);
    }
}

static struct end *find_end(struct world *world, unsigned server,
                            farm_link link)
{
    assert(link > 0 && link <= world->servers[server].next_link);
    return world->servers[server].ends[link];
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
    uint64_t rate = world->rate[from->server][to->server];
    if (rate > 0) {
        if (to->busy_until < world->now)
            to->busy_until = world->now;
        to->busy_until += bytes.length * TIME_US_PER_S / rate;
        packet->due += to->busy_until - world->now;
    }
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
    to->packets_count++;
    to->packets_bytes += bytes.length;
    bounds_judge(&world->bounds, BOUND_FLIGHT, from->server, to->packets_count);
    bounds_judge(&world->bounds, BOUND_FLIGHT_BYTES, from->server,
                 to->packets_bytes);
    world->totals.packets++;
    schedule_end(world, to);
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
    struct agenda_entry next;
    unsigned from;
    uint64_t from_id;
    unsigned to;
};

static void begin_dial(struct world *world, struct server *server,
                       struct span address)
{
    int to = find_address(world, address);

    if (to < 0 || world->is_dialling[server->number][to])
        return;
    struct dial *dial = malloc(sizeof(*dial));
    assert(dial != NULL);
    *dial =
        (struct dial){.next = {.rank = RANK_DIAL + SERIAL_MAX - ++world->serial,
                               .subject = dial},
                      .from = server->number,
                      .from_id = server->id,
                      .to = (unsigned)to};
    world->is_dialling[dial->from][dial->to] = true;
    agenda_set(&world->agenda, &dial->next,
               world->now + REFUSAL_US + draw_delay(world));
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
    if (wire->next != NULL)
        wire->next->previous = wire;
    world->wires = wire;
    world->serial++;
    struct server *sides[2] = {from, to};
    for (unsigned i = 0; i < 2; i++) {
        struct end *end = &wire->ends[i];
        *end = (struct end){
            .wire = wire,
            .server = sides[i]->number,
            .link = ++sides[i]->next_link,
            .is_dialler = i == 0,
            .next = {.rank = RANK_END + 2 * (SERIAL_MAX - world->serial) + i,
                     .subject = end}};
        open_end(world, end);
    }
    farm_link links[2] = {wire->ends[0].link, wire->ends[1].link};
    step(world, from,
         (struct farm_input){.kind = FARM_LINKED,
                             .link = links[0],
                             .bytes = address,
                             .host = address});
    step(world, to,
         (struct farm_input){.kind = FARM_LINKED,
                             .link = links[1],
                             .host = span_of_string(from->address)});
}

static void close_end(struct world *world, unsigned server, farm_link link)
{
    struct end *end = find_end(world, server, link);

    if (end == NULL)
        return;
    shut_end(world, end);
    break_wire(world, end->wire);
}

/* What was executed in one step, to be told in the next ones. */
#define EXECUTED_MAX 256
#define RESULT_BYTES_MAX 64

struct executed {
    struct farm_input inputs[EXECUTED_MAX];
    uint8_t results[EXECUTED_MAX][RESULT_BYTES_MAX];
    size_t count;
};

static void execute(struct world *world, struct server *server,
                    const struct farm_effect *effect, struct executed *executed)
{
    assert(executed->count < EXECUTED_MAX);
    struct farm_input *input = &executed->inputs[executed->count];

    *input =
        (struct farm_input){.kind = FARM_EXECUTED, .waiter = effect->waiter};
    world->execute(world, server->number, effect, input);
    assert(input->bytes.length <= RESULT_BYTES_MAX);
    span_copy(executed->results[executed->count], input->bytes);
    input->bytes =
        span_of(executed->results[executed->count], input->bytes.length);
    executed->count++;
}

static void carry_out(struct world *world, struct server *server,
                      struct executed *executed)
{
    struct farm_effect effect;
    uint64_t count = 0;

    while (farm_next_effect(server->farm, &effect)) {
        struct end *end;
        count += effect.kind != FARM_ANSWER && effect.kind != FARM_FOUND;
        bounds_judge(&world->bounds, BOUND_EFFECT_BYTES, server->number,
                     effect.bytes.length);
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
        case FARM_EXECUTE:
            execute(world, server, &effect, executed);
            break;
        case FARM_RELEASE:
            world->release(world, server->number, effect.bytes, effect.number);
            break;
        case FARM_DECIDED:
            world->decided(world, server->number, effect.waiter, effect.bytes);
            break;
        case FARM_EVENT:
            if (world->traces)
                printf("%8.3f s%u: %.*s\n",
                       (double)(world->now - WORLD_START_US) / 1e6,
                       server->number, (int)effect.bytes.length,
                       (const char *)effect.bytes.data);
            break;
        case FARM_LEFT:
            server->has_left = true;
            break;
        }
    }
    bounds_judge(&world->bounds, BOUND_EFFECTS, server->number, count);
}

/* What takes time to count is counted with one tick of many. */
static void judge_bounds(struct world *world, const struct server *server)
{
    struct farm_figures farm;
    struct store_figures store;

    if (world->totals.steps % BOUNDS_INTERVAL != 0)
        return;
    farm_read_figures(server->farm, &farm);
    store_read_figures(server->store, &store);
    bounds_judge(&world->bounds, BOUND_WAITING, server->number, farm.waiting);
    bounds_judge(&world->bounds, BOUND_MEMORY_PERCENT, server->number,
                 (store.segment_bytes + store.index_bytes) * 100 /
                     store.memory_bytes_max);
}

static void tell_of_waking(struct world *world, struct server *server)
{
    bool is_first = server->has_slept;

    if (is_first)
        server->woke = world->now;
    server->has_slept = false;
    if (world->woken != NULL && server->woke != 0 &&
        world->now - server->woke < WAKING_US)
        world->woken(world, server->number, is_first);
}

/* The server's farm takes one step; it must be awake. */
static void step(struct world *world, struct server *server,
                 struct farm_input input)
{
    struct farm_figures before;
    struct farm_figures after;

    tell_of_waking(world, server);
    input.now = world_clock(world, server->number);
    if (world->traces)
        farm_read_figures(server->farm, &before);
    farm_step(server->farm, &input);
    farm_check(server->farm);
    world->totals.steps++;
    if (world->traces)
        farm_read_figures(server->farm, &after);
    if (world->traces &&
        (before.state != after.state || before.members != after.members ||
         before.syncs_done != after.syncs_done))
        printf("%8.3f s%u state %u, %u members, %u ready, %llu syncs\n",
               (double)(world->now - WORLD_START_US) / 1e6, server->number,
               after.state, after.members, after.members_ready,
               (unsigned long long)after.syncs_done);
    struct executed executed = {.count = 0};
    carry_out(world, server, &executed);
    for (size_t i = 0; i < executed.count; i++)
        step(world, server, executed.inputs[i]);
    schedule_tick(world, server);
    if (world->stepped != NULL)
        world->stepped(world, server->number);
}

/* What of a server's links is not sent yet, as a driver would tell. */
static void tell_backlogs(struct world *world, struct server *server)
{
    for (struct wire *wire = world->wires; wire != NULL && world->has_rates;
         wire = wire->next) {
        for (unsigned i = 0; i < 2; i++) {
            struct end *from = &wire->ends[i];
            struct end *to = &wire->ends[1 - i];
            uint64_t rate = world->rate[from->server][to->server];
            uint64_t left =
                to->busy_until > world->now
                    ? (to->busy_until - world->now) * rate / TIME_US_PER_S
                    : 0;
            if (from->server != server->number || from->link == 0 ||
                left == to->told_backlog)
                continue;
            to->told_backlog = left;
            step(world, server,
                 (struct farm_input){.kind = FARM_BACKLOG,
                                     .link = from->link,
                                     .number = left,
                                     .more = true});
        }
    }
}

void world_written(struct world *world, unsigned number, uint64_t journaled,
                   uint64_t waiter)
{
    tell_backlogs(world, &world->servers[number]);
    step(world, &world->servers[number],
         (struct farm_input){
             .kind = FARM_AWAIT, .number = journaled, .waiter = waiter});
}

void world_written_unawaited(struct world *world, unsigned number)
{
    tell_backlogs(world, &world->servers[number]);
    step(world, &world->servers[number],
         (struct farm_input){.kind = FARM_WRITTEN});
}

void world_look_up(struct world *world, unsigned number, struct span key,
                   uint64_t waiter)
{
    step(world, &world->servers[number],
         (struct farm_input){
             .kind = FARM_LOOKUP, .bytes = key, .waiter = waiter});
}

void world_command(struct world *world, unsigned number, struct span commands,
                   uint64_t waiter)
{
    step(world, &world->servers[number],
         (struct farm_input){
             .kind = FARM_COMMAND, .bytes = commands, .waiter = waiter});
}

void world_crash(struct world *world, unsigned number)
{
    struct server *server = &world->servers[number];

    assert(server->is_running);
    for (struct wire *wire = world->wires; wire != NULL; wire = wire->next) {
        for (unsigned i = 0; i < 2; i++) {
            if (wire->ends[i].server == number && wire->ends[i].link != 0) {
                shut_end(world, &wire->ends[i]);
                break_wire(world, wire);
            }
        }
    }
    free_server(server);
    schedule_tick(world, server);
}

void world_leave(struct world *world, unsigned number)
{
    step(world, &world->servers[number],
         (struct farm_input){.kind = FARM_LEAVE});
}

/* What was on its way to the others when they ended still comes. */
static void end_left(struct world *world)
{
    for (unsigned i = 0; i < world->servers_count; i++) {
        if (world->servers[i].is_running && world->servers[i].has_left)
            world_crash(world, i);
    }
}

void world_freeze(struct world *world, unsigned number, time_us until)
{
    world->servers[number].frozen_until = until;
    if (until > world->now)
        world->servers[number].has_slept = true;
}

void world_cut(struct world *world, unsigned from, unsigned to, bool is_cut)
{
    world->is_cut[from][to] = is_cut;
}

void world_reset(struct world *world, unsigned one, unsigned other)
{
    for (struct wire *wire = world->wires; wire != NULL; wire = wire->next) {
        unsigned dialler = wire->ends[0].server;
        unsigned listener = wire->ends[1].server;
        if ((dialler == one && listener == other) ||
            (dialler == other && listener == one))
            break_wire(world, wire);
    }
}

void world_slow(struct world *world, unsigned from, unsigned to, uint64_t rate)
{
    world->rate[from][to] = rate;
    world->has_rates = true;
}

/* ---- time ---- */

/* The whole frames of what has arrived. */
static void take_frames(struct world *world, unsigned number, farm_link link)
{
    for (;;) {
        struct end *end = find_end(world, number, link);
        struct span inner;
        size_t used;
        if (end == NULL)
            return;
        enum frame_result result =
            message_frame(span_of(end->input, end->input_bytes),
                          INNER_BYTES_MAX, &inner, &used);
        assert(result != FRAME_TOO_LARGE);
        if (result != FRAME_OK)
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
    end->packets_count--;
    end->packets_bytes -= packet->length;
    end->input = realloc(end->input, end->input_bytes + packet->length);
    assert(end->input != NULL);
    memcpy(end->input + end->input_bytes, packet->bytes, packet->length);
    end->input_bytes += packet->length;
    free(packet);
    schedule_end(world, end);
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

static void schedule_end(struct world *world, struct end *end)
{
    agenda_set(&world->agenda, &end->next, next_at_end(world, end));
}

static time_us next_tick(const struct server *server)
{
    if (!server->is_running)
        return AGENDA_NEVER;
    time_us at = when_clock_shows(server, farm_deadline(server->farm));
    return at < server->frozen_until ? server->frozen_until : at;
}

static void schedule_tick(struct world *world, struct server *server)
{
    agenda_set(&world->agenda, &server->tick, next_tick(server));
}

/* Cuts and freezes come and go between the runs. */
static void schedule_all(struct world *world)
{
    for (unsigned i = 0; i < world->servers_count; i++)
        schedule_tick(world, &world->servers[i]);
    for (struct wire *wire = world->wires; wire != NULL; wire = wire->next) {
        schedule_end(world, &wire->ends[0]);
        schedule_end(world, &wire->ends[1]);
    }
}

static void run_dial(struct world *world, struct dial *dial)
{
    agenda_set(&world->agenda, &dial->next, AGENDA_NEVER);
    world->is_dialling[dial->from][dial->to] = false;
    if (world_is_awake(world, dial->from))
        finish_dial(world, dial);
    free(dial);
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
    shut_end(world, end);
    step(world, &world->servers[server],
         (struct farm_input){.kind = FARM_UNLINKED, .link = link});
}

static void run_tick(struct world *world, struct server *server)
{
    store_maintain(server->store, world_time(world, server->number));
    judge_bounds(world, server);
    tell_backlogs(world, server);
    step(world, server, (struct farm_input){.kind = FARM_TICK});
}

void world_run(struct world *world, time_us moment)
{
    schedule_all(world);
    for (;;) {
        struct agenda_entry *next = agenda_first(&world->agenda);
        if (next == NULL || next->at > moment)
            break;
        if (next->at > world->now)
            world->now = next->at;
        if (next->rank >= RANK_TICK)
            run_tick(world, next->subject);
        else if (next->rank >= RANK_END)
            run_end(world, next->subject);
        else
            run_dial(world, next->subject);
        end_left(world);
        sweep_wires(world);
    }
    if (world->now < moment)
        world->now = moment;
}

void world_destroy(struct world *world)
{
    struct agenda_entry *next;

    for (unsigned i = 0; i < world->servers_count; i++) {
        if (world->servers[i].is_running)
            world_crash(world, i);
    }
    sweep_wires(world);
    while ((next = agenda_first(&world->agenda)) != NULL) {
        agenda_set(&world->agenda, next, AGENDA_NEVER);
        if (next->rank < RANK_END)
            free(next->subject);
    }
    agenda_release(&world->agenda);
    for (unsigned i = 0; i < world->servers_count; i++)
        free(world->servers[i].ends);
}
