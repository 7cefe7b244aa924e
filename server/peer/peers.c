/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/peer/peers.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/peer/driver.h"

#define LEAVE_US_MAX (3 * TIME_US_PER_S)
#define MEET_US_MAX (TIME_US_PER_S * 3 / 10)
/* What nobody waits for is told so often: a wake-up, and a message to each
 * member and back, cost more than many a change. */
#define TELL_US (TIME_US_PER_S / 500)
/* But sooner where there is so much of it: a part of the longest record. */
#define TELL_SHARE 4
#define RESOLVE_US (5 * TIME_US_PER_S)
#define LISTEN_BACKLOG 256
/* No frame is longer: what one member tells another at once, or the largest
 * value with what belongs to it. */
#define FRAME_BYTES_MIN ((size_t)2 << 20)
#define FRAME_BYTES_BESIDE_VALUE ((size_t)64 * 1024)

/* ---- the machine ---- */

static void tell_watchers(struct peers *peers, const struct farm_effect *effect)
{
    if (effect->event == FARM_MEMBERS)
        log_event(peers->settings.log, EVENT_FARM, SEVERITY_NOTICE,
                  "farm: %.*s", (int)effect->bytes.length,
                  (const char *)effect->bytes.data);
    if (atomic_load(&peers->watchers) > 0)
        peers->callbacks.told(peers->callbacks.context, effect->bytes);
}

static void carry_out_effects(struct peers *peers)
{
    const struct peers_callbacks *callbacks = &peers->callbacks;
    struct farm_effect effect;

    while (farm_next_effect(peers->farm, &effect)) {
        switch (effect.kind) {
        case FARM_SEND:
            links_send(peers, effect.link, effect.bytes);
            break;
        case FARM_DIAL:
            links_dial(peers, effect.bytes);
            break;
        case FARM_UNLINK:
            links_close(peers, effect.link, effect.bytes);
            break;
        case FARM_ANSWER:
            callbacks->answered(callbacks->context, (size_t)effect.waiter,
                                effect.number, effect.is_degraded);
            break;
        case FARM_FOUND:
            callbacks->found(effect.waiter, effect.is_certain);
            break;
        case FARM_EXECUTE:
            calls_add(peers, &effect);
            break;
        case FARM_RELEASE:
            callbacks->release(callbacks->context, effect.bytes, effect.number,
                               effect.gives_way);
            peers_written(peers);
            break;
        case FARM_DECIDED:
            callbacks->decided(effect.waiter, effect.bytes);
            break;
        case FARM_EVENT:
            tell_watchers(peers, &effect);
            break;
        case FARM_LEFT:
            peers->has_left = true;
            break;
        }
    }
}

/* While this server decides alone, clients' threads decide beside this one. The
 * step that links another ends that; it is told here, before a later step can
 * tell that other what was journalled so far (peers_were_alone()). */
static void step(struct peers *peers, struct farm_input input)
{
    peers_term term = atomic_load_explicit(&peers->term, memory_order_relaxed);
    bool was_alone = peers_decides(term) == FARM_DECIDES_ALONE;

    input.now = clock_own(peers->settings.clock);
    peers->stepped = input.now;
    input.more = input.kind != FARM_TURN;
    farm_step(peers->farm, &input);
    enum farm_deciding deciding = farm_deciding(peers->farm);
    if (was_alone && deciding != FARM_DECIDES_ALONE)
        term += DRIVER_TERM_UNIT;
    term = (term & ~(peers_term)PEERS_TERM_DECIDING) | deciding;
    atomic_store(&peers->term, term);
}

static void execute(struct peers *peers, const struct driver_call *call,
                    struct span bytes)
{
    struct peers_call what = {.bytes = bytes,
                              .asker = call->asker,
                              .now = call->now,
                              .gives_way = call->gives_way,
                              .is_asked = call->is_asked,
                              .is_certain = call->is_certain};
    struct peers_result result = {.number = 0};
    uint64_t number = call->number;

    /* A process that slept since the machine looked at its lease has none. */
    time_us age = clock_own(peers->settings.clock) - call->asked;
    if (age > peers->settings.ack_timeout)
        result.is_refused = true;
    else
        peers->callbacks.execute(peers->callbacks.context, &what, &result);
    step(peers, (struct farm_input){.kind = FARM_EXECUTED,
                                    .waiter = number,
                                    .number = result.number,
                                    .must_ask = result.must_ask,
                                    .is_refused = result.is_refused,
                                    .lock = result.lock,
                                    .held = result.held,
                                    .bytes = result.bytes});
}

void driver_step(struct peers *peers, struct farm_input input)
{
    const struct driver_call *call;
    struct span bytes;

    step(peers, input);
    carry_out_effects(peers);
    while ((call = calls_take(peers, &bytes)) != NULL) {
        execute(peers, call, bytes);
        carry_out_effects(peers);
    }
}

void driver_enter(struct peers *peers)
{
    pthread_mutex_lock(&peers->lock);
}

/* Clients' threads see what holds from here on. */
static void publish(struct peers *peers, time_us now)
{
    int64_t offset_us = (int64_t)(farm_time(peers->farm, now) - now);
    time_us until = farm_fresh_until(peers->farm);

    if (until != 0 && until != UINT64_MAX)
        until += (time_us)offset_us;
    atomic_store_explicit(&peers->settings.clock->offset_us, offset_us,
                          memory_order_relaxed);
    atomic_store(&peers->fresh_until, until);
    atomic_store(&peers->has_others, farm_has_others(peers->farm));
    atomic_store(&peers->is_ready, farm_state(peers->farm) == MEMBER_READY);
}

/* Who is not met yet is not waited for with a change, nor asked for what is
 * not here; clients can wait for that a moment. */
static bool may_open(struct peers *peers, time_us now)
{
    if (peers->is_open || !farm_has_time(peers->farm))
        return false;
    if (peers->opens_until == 0)
        peers->opens_until = now + MEET_US_MAX;
    return now >= peers->opens_until || farm_has_met_all(peers->farm);
}

static void call_back(struct peers *peers, time_us now)
{
    const struct peers_callbacks *callbacks = &peers->callbacks;

    if (may_open(peers, now)) {
        peers->is_open = true;
        callbacks->opened(callbacks->context);
    }
    if (!peers->was_ready && atomic_load(&peers->is_ready)) {
        peers->was_ready = true;
        callbacks->ready(callbacks->context);
    }
    if (peers->is_leaving && (peers->has_left || now > peers->leaves_until)) {
        peers->is_leaving = false;
        callbacks->left(callbacks->context);
    }
}

/* ---- what is written ---- */

static bool has_waits(const struct peers *peers)
{
    for (size_t i = 0; i < peers->settings.crews_count; i++) {
        if (atomic_load(&peers->waits[i].wanted) != peers->waits[i].told)
            return true;
    }
    return false;
}

/* What was written, and what the crews have come to wait for. */
static void tell_of_writes(struct peers *peers)
{
    atomic_store(&peers->told_bytes, journal_bytes(peers->journal));
    driver_step(peers, (struct farm_input){.kind = FARM_WRITTEN});
    for (size_t i = 0; i < peers->settings.crews_count; i++) {
        struct crew_wait *wait = &peers->waits[i];
        uint64_t wanted = atomic_load(&wait->wanted);
        if (wanted == wait->told)
            continue;
        wait->told = wanted;
        driver_step(peers, (struct farm_input){.kind = FARM_AWAIT,
                                               .number = wanted,
                                               .waiter = i});
    }
}

static void wake(void *context);

static void wake_up(struct peers *peers)
{
    if (atomic_exchange(&peers->is_woken, true))
        return;
    if (!worker_post(peers->worker, wake, peers))
        atomic_store(&peers->is_woken, false); /* the next tick is soon */
}

/* While acknowledgements are on their way whoever comes to wait does not wake
 * this thread: it looks when they have come, or are late.  True: they are. */
static bool settle_asking(struct peers *peers)
{
    bool is_asking = farm_is_asking(peers->farm);

    if (!is_asking &&
        !atomic_load_explicit(&peers->is_asking, memory_order_relaxed))
        return false;
    atomic_store(&peers->is_asking, is_asking);
    /* Who came just before that may have relied on it. */
    if (!is_asking && has_waits(peers))
        wake_up(peers);
    return is_asking;
}

void driver_leave(struct peers *peers)
{
    /* What came to be awaited while others were asked goes out now. */
    if (atomic_load_explicit(&peers->is_asking, memory_order_relaxed) &&
        !farm_is_asking(peers->farm) && has_waits(peers))
        tell_of_writes(peers);
    driver_step(peers, (struct farm_input){.kind = FARM_TURN});
    links_settle(peers);
    time_us now = clock_own(peers->settings.clock);
    publish(peers, now);
    call_back(peers, now);
    time_us deadline = farm_deadline(peers->farm);
    time_us delay = deadline > now ? deadline - now : 0;
    time_us delay_max = settle_asking(peers) ? TELL_US : peers->tick;
    timer_arm(peers->timer, delay < delay_max ? delay : delay_max);
    links_sweep(peers);
    pthread_mutex_unlock(&peers->lock);
}

static void tick(void *context)
{
    struct peers *peers = context;

    driver_enter(peers);
    tell_of_writes(peers); /* also of those of whom no wake-up told: memory
                              was out */
    links_watch(peers, clock_own(peers->settings.clock));
    driver_leave(peers);
}

/* ---- names ---- */

struct resolved {
    struct peers *peers;
    char address[PLACE_BYTES];
};

static void take_seed(struct peers *peers, const char *address)
{
    driver_step(peers, (struct farm_input){.kind = FARM_SEED,
                                           .bytes = span_of_string(address)});
}

static void take_resolved(void *context)
{
    struct resolved *resolved = context;

    driver_enter(resolved->peers);
    take_seed(resolved->peers, resolved->address);
    driver_leave(resolved->peers);
    free(resolved);
}

static void post_resolved(const char *address, void *context)
{
    struct peers *peers = context;
    struct resolved *resolved = calloc(1, sizeof(*resolved));

    if (resolved == NULL)
        return;
    resolved->peers = peers;
    snprintf(resolved->address, PLACE_BYTES, "%s", address);
    if (!worker_post(peers->worker, take_resolved, resolved))
        free(resolved);
}

/* Names are looked up again and again: what they stand for may change, or
 * become known only later. */
static void resolve(void *context)
{
    struct peers *peers = context;

    for (size_t i = 0; i < peers->settings.joins_count; i++) {
        const char *name = peers->settings.joins[i];
        if (!places_is_numeric(name) &&
            !places_resolve(name, post_resolved, peers))
            log_event(peers->settings.log, EVENT_FARM, SEVERITY_WARNING,
                      "farm: option --farm-join: '%.200s' has no address at "
                      "present; it will be looked up again",
                      name);
    }
}

static void take_numeric(const char *address, void *context)
{
    take_seed(context, address);
}

static bool start_resolver(struct peers *peers)
{
    bool has_names = false;

    for (size_t i = 0; i < peers->settings.joins_count; i++)
        has_names |= !places_is_numeric(peers->settings.joins[i]);
    if (!has_names)
        return true;
    peers->resolver = worker_create();
    if (peers->resolver == NULL)
        return false;
    peers->resolver_timer =
        timer_create_every(peers->resolver, RESOLVE_US, resolve, peers);
    if (peers->resolver_timer != NULL &&
        worker_post(peers->resolver, resolve, peers) &&
        worker_start(peers->resolver, "farm-names"))
        return true;
    /* There is no thread to be joined. */
    timer_destroy(peers->resolver_timer);
    worker_destroy(peers->resolver);
    peers->resolver_timer = NULL;
    peers->resolver = NULL;
    return false;
}

/* ---- life ---- */

static void tell(void *context);

static bool open_farm(struct peers *peers)
{
    const struct peers_settings *settings = &peers->settings;
    /* Timers come late, by a millisecond or two: clients are told in time. */
    time_us timer_slack = settings->ack_timeout / 16;
    struct farm_settings farm = {.id = settings->id,
                                 .tag = settings->tag,
                                 .farm_name = settings->farm_name,
                                 .name = peers->name,
                                 .address = peers->place.told,
                                 .heartbeat = settings->heartbeat,
                                 .ack = settings->ack,
                                 .ack_timeout =
                                     settings->ack_timeout - timer_slack,
                                 .lookup_timeout = settings->lookup_timeout,
                                 .has_homes = settings->has_homes,
                                 .quorum = settings->quorum,
                                 .shared_settings = settings->shared_settings,
                                 .lock_grace = settings->lock_grace,
                                 .tick_interval = peers->tick,
                                 .seed = settings->seed,
                                 .memory_bytes = settings->memory_bytes,
                                 .item_bytes_max = settings->item_bytes_max};

    peers->journal = journal_create(settings->journal_bytes);
    if (peers->journal == NULL)
        return false;
    peers->farm = farm_create(&farm, settings->store, peers->journal,
                              clock_own(settings->clock));
    return peers->farm != NULL;
}

static bool open_listener(struct peers *peers, char *error)
{
    const struct address *address = &peers->place.address;
    struct listener_settings listeners = {.worker = peers->worker,
                                          .backlog = LISTEN_BACKLOG,
                                          .accepted = links_accept,
                                          .context = peers,
                                          .address_option = "--farm-listen",
                                          .port_option = "--farm-listen"};

    peers->listener = listener_open_tcp(
        &listeners, address->host[0] == '\0' ? NULL : address->host,
        address->port, error);
    return peers->listener != NULL;
}

struct peers *peers_create(const struct peers_settings *settings,
                           char error[PEERS_ERROR_BYTES])
{
    struct peers *peers = calloc(1, sizeof(*peers));

    snprintf(error, PEERS_ERROR_BYTES, "memory or descriptors are out");
    if (peers == NULL)
        return NULL;
    pthread_mutex_init(&peers->lock, NULL);
    peers->settings = *settings;
    peers->tick = settings->ack_timeout / DRIVER_TICKS_PER_ACK_TIMEOUT;
    if (peers->tick > DRIVER_TICK_US_MAX)
        peers->tick = DRIVER_TICK_US_MAX;
    peers->frame_bytes_max =
        2 * settings->item_bytes_max + FRAME_BYTES_BESIDE_VALUE;
    if (peers->frame_bytes_max < FRAME_BYTES_MIN)
        peers->frame_bytes_max = FRAME_BYTES_MIN;
    if (!places_choose(settings, &peers->place, error))
        goto fail;
    /* The name that people see, and that is unique in the farm. */
    char host[ADDRESS_HOST_BYTES] = "";
    places_host_name(host);
    if (settings->name != NULL)
        snprintf(peers->name, sizeof(peers->name), "%s", settings->name);
    else
        snprintf(peers->name, sizeof(peers->name), "%.200s:%s", host,
                 peers->place.address.port);
    snprintf(error, PEERS_ERROR_BYTES, "memory or descriptors are out");
    peers->waits = calloc(settings->crews_count, sizeof(peers->waits[0]));
    peers->worker = worker_create();
    if (peers->waits == NULL || peers->worker == NULL)
        goto fail;
    peers->timer = timer_create_once(peers->worker, tick, peers);
    peers->teller = timer_create_exact(peers->worker, tell, peers);
    if (peers->timer == NULL || peers->teller == NULL || !open_farm(peers))
        goto fail;
    if (!open_listener(peers, error))
        goto fail;
    return peers;

fail:
    peers_destroy(peers);
    return NULL;
}

bool peers_start(struct peers *peers, const struct peers_callbacks *callbacks)
{
    peers->callbacks = *callbacks;
    driver_enter(peers);
    for (size_t i = 0; i < peers->settings.joins_count; i++) {
        const char *name = peers->settings.joins[i];
        if (places_is_numeric(name))
            places_resolve(name, take_numeric, peers);
    }
    driver_leave(peers);
    log_event(peers->settings.log, EVENT_FARM, SEVERITY_NOTICE,
              "farm: '%s' of the farm '%s' listens for others at %s",
              peers->name, peers->settings.farm_name, peers->place.told);
    peers->is_started = worker_start(peers->worker, "farm");
    return peers->is_started && start_resolver(peers);
}

static void begin_to_leave(void *context)
{
    struct peers *peers = context;

    driver_enter(peers);
    /* However often it is asked to: the first time counts. */
    if (peers->leaves_until == 0) {
        peers->is_leaving = true;
        peers->leaves_until = clock_own(peers->settings.clock) + LEAVE_US_MAX;
        driver_step(peers, (struct farm_input){.kind = FARM_LEAVE});
    }
    driver_leave(peers);
}

void peers_leave(struct peers *peers)
{
    if (!worker_post(peers->worker, begin_to_leave, peers))
        peers->callbacks.left(peers->callbacks.context);
}

static void stop_thread(struct worker *worker)
{
    worker_stop(worker);
    worker_join(worker);
}

void peers_stop(struct peers *peers)
{
    if (peers == NULL || !peers->is_started)
        return;
    if (peers->resolver != NULL)
        stop_thread(peers->resolver);
    stop_thread(peers->worker);
    peers->is_started = false;
}

void peers_destroy(struct peers *peers)
{
    if (peers == NULL)
        return;
    peers_stop(peers);
    timer_destroy(peers->resolver_timer);
    worker_destroy(peers->resolver);
    links_destroy(peers);
    listener_close(peers->listener);
    timer_destroy(peers->timer);
    timer_destroy(peers->teller);
    worker_destroy(peers->worker);
    farm_destroy(peers->farm);
    journal_destroy(peers->journal);
    calls_release(peers);
    free(peers->waits);
    pthread_mutex_destroy(&peers->lock);
    free(peers);
}

/* ---- for any thread ---- */

struct journal *peers_journal(struct peers *peers)
{
    return peers->journal;
}

enum peers_reading peers_reading(const struct peers *peers, time_us now)
{
    enum peers_lookup lookup = peers->settings.lookup;

    if (now > atomic_load_explicit(&peers->fresh_until, memory_order_acquire))
        return PEERS_ASK_ALWAYS;
    if (!atomic_load_explicit(&peers->has_others, memory_order_relaxed))
        return PEERS_READ_HERE;
    if (lookup == PEERS_LOOKUP_NEVER ||
        (lookup == PEERS_LOOKUP_AUTO &&
         !store_has_evicted(peers->settings.store)))
        return PEERS_READ_HERE;
    return PEERS_ASK_ON_MISS;
}

peers_term peers_deciding(const struct peers *peers)
{
    return atomic_load(&peers->term);
}

bool peers_were_alone(const struct peers *peers, peers_term term)
{
    return atomic_load(&peers->term) == term;
}

bool peers_waits(const struct peers *peers)
{
    return peers->settings.waits_for_acks &&
           atomic_load_explicit(&peers->has_others, memory_order_acquire);
}

static void wake(void *context)
{
    struct peers *peers = context;

    /* From here on whoever writes wakes again. */
    atomic_store(&peers->is_woken, false);
    driver_enter(peers);
    tell_of_writes(peers);
    driver_leave(peers);
}

static uint64_t untold_bytes(struct peers *peers)
{
    /* In this order: what is told grows only up to what there is. */
    uint64_t told_bytes = atomic_load(&peers->told_bytes);

    return journal_bytes(peers->journal) - told_bytes;
}

/* The first that is written is told at once, what follows by the timer, and
 * without a wake-up by whoever writes, until there is nothing new. */
static void tell(void *context)
{
    struct peers *peers = context;

    if (untold_bytes(peers) == 0) {
        atomic_store(&peers->is_telling, false);
        /* Who wrote just before this was done may have relied on it. */
        if (untold_bytes(peers) == 0 ||
            atomic_exchange(&peers->is_telling, true))
            return;
    }
    driver_enter(peers);
    tell_of_writes(peers);
    driver_leave(peers);
    timer_arm(peers->teller, TELL_US);
}

void peers_written(struct peers *peers)
{
    if (atomic_exchange(&peers->is_telling, true)) {
        if (untold_bytes(peers) >
            journal_record_bytes_max(peers->journal) / TELL_SHARE)
            wake_up(peers);
        return;
    }
    if (!worker_post(peers->worker, tell, peers))
        atomic_store(&peers->is_telling, false); /* the next tick is soon */
}

void peers_await(struct peers *peers, size_t crew, uint64_t number)
{
    atomic_store(&peers->waits[crew].wanted, number);
    if (!atomic_load(&peers->is_asking))
        wake_up(peers);
}

bool peers_post(struct peers *peers, worker_task *task, void *context)
{
    return worker_post(peers->worker, task, context);
}

static void prove_again(void *context)
{
    struct peers *peers = context;

    driver_enter(peers);
    strangers_prove_again(peers);
    driver_leave(peers);
}

void peers_prove_again(struct peers *peers)
{
    if (!worker_post(peers->worker, prove_again, peers))
        log_event(peers->settings.log, EVENT_FARM, SEVERITY_ERROR,
                  "farm: memory is out; links are as they were, send SIGHUP "
                  "again");
}

void peers_watch(struct peers *peers, int more)
{
    pthread_mutex_lock(&peers->lock);
    int watchers = atomic_fetch_add(&peers->watchers, more) + more;
    farm_watch(peers->farm, watchers > 0);
    pthread_mutex_unlock(&peers->lock);
}

void peers_read(struct peers *peers, struct peers_view *view)
{
    struct farm_member rows[FARM_MEMBERS_MAX + 1];

    pthread_mutex_lock(&peers->lock);
    farm_read_figures(peers->farm, &view->figures);
    view->members_count = farm_read_members(peers->farm, rows);
    for (size_t i = 0; i < view->members_count; i++) {
        struct peers_member *member = &view->members[i];
        member->row = rows[i];
        snprintf(member->name, sizeof(member->name), "%s", rows[i].name);
        snprintf(member->address, sizeof(member->address), "%s",
                 rows[i].address);
        member->row.name = member->name;
        member->row.address = member->address;
    }
    view->handshakes_failed = peers->handshakes_failed;
    pthread_mutex_unlock(&peers->lock);
    view->keys[0] = '\0';
    if (peers->settings.tls != NULL)
        tls_list_keys(peers->settings.tls, view->keys);
    view->digest = store_digest(peers->settings.store);
}

bool peers_find_lock(const struct peers *peers, struct span key,
                     struct farm_lock *lock)
{
    return farm_find_lock(peers->farm, key, lock);
}

struct farm_lock peers_lock_after(const struct peers *peers, struct span key,
                                  uint64_t before, uint64_t asker,
                                  bool is_taking)
{
    return farm_lock_after(peers->farm, key, before, asker, is_taking);
}

void peers_look_up(struct peers *peers, const struct peers_question *questions,
                   size_t count)
{
    driver_enter(peers);
    for (size_t i = 0; i < count; i++)
        driver_step(peers, (struct farm_input){.kind = FARM_LOOKUP,
                                               .bytes = questions[i].key,
                                               .waiter = questions[i].waiter});
    driver_leave(peers);
}

void peers_command(struct peers *peers, uint64_t waiter, struct span commands)
{
    driver_enter(peers);
    driver_step(peers, (struct farm_input){.kind = FARM_COMMAND,
                                           .bytes = commands,
                                           .waiter = waiter});
    driver_leave(peers);
}
