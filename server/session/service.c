/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/service.h"

#include <stdlib.h>

#include "server/command/lock.h"
#include "server/command/parcel.h"
#include "server/session/crew.h"
#include "server/session/replication.h"

/* What is here is all there is, unless something was evicted. */
static enum asking asking(const struct clients *clients,
                          const struct peers_call *call)
{
    if (call->is_asked && call->is_certain)
        return ASK_NEVER;
    return store_has_evicted(clients->settings.store) ? ASK_ON_MISS
                                                      : ASK_WANTED;
}

static uint8_t *room(struct service *service, size_t bytes)
{
    if (bytes > service->result_capacity) {
        uint8_t *grown = realloc(service->result, bytes);
        if (grown == NULL)
            abort(); /* what was done has to be told */
        service->result = grown;
        service->result_capacity = bytes;
    }
    return service->result;
}

static struct span tell(struct service *service,
                        const struct execution *execution)
{
    size_t value_bytes = execution->outcome.kind == OUTCOME_HIT
                             ? execution->outcome.value.length
                             : 0;
    uint8_t *to = room(service, PARCEL_BYTES_BESIDE_VALUE + value_bytes);

    return span_of(to, parcel_encode_result(execution, to));
}

/* Nothing was done, and nothing can be. */
static void refuse(struct execution *execution)
{
    command_skip(execution);
    execution->outcome.kind = OUTCOME_UNDECIDED;
}

/* ---- locks ---- */

/* The version that is there; 0: none.  Others may have changed the lock since
 * it was taken: whoever ends that taking ends what it has become. */
static uint64_t look_at(struct clients *clients, struct command *command,
                        time_us now)
{
    struct store_hold hold;
    struct farm_lock lock;

    store_hold(clients->settings.store, command->key, command->hash, now,
               &hold);
    uint64_t version = hold.item == NULL ? 0 : hold.item->version;
    if (command->ends_taking && version != 0 && command->compare != 0 &&
        peers_find_lock(clients->settings.peers, command->key, &lock) &&
        lock.version == version && lock.taken == command->compare)
        command->compare = item_token(hold.item);
    store_release(&hold);
    return version;
}

/* Whose the lock is, after what was done to it. */
static struct farm_lock lock_after(struct clients *clients,
                                   const struct peers_call *call,
                                   const struct command *command,
                                   uint64_t before,
                                   const struct execution *execution)
{
    enum lock_step step = lock_step_of(command, execution);
    bool is_taking = step == LOCK_TAKEN || step == LOCK_WRITTEN;
    const struct item *item = execution->hold.item;
    struct farm_lock lock = {.owner = 0};

    if (step != LOCK_GIVEN_BACK)
        lock = peers_lock_after(clients->settings.peers, command->key, before,
                                call->asker, is_taking);
    lock.version = item == NULL ? 0 : item->version;
    if (is_taking)
        lock.taken = item == NULL ? 0 : item_token(item);
    return lock;
}

/* ---- executing ---- */

static void execute(struct clients *clients, const struct peers_call *call,
                    struct command *command, struct execution *execution,
                    struct peers_result *result)
{
    uint64_t before =
        command->is_of_lock ? look_at(clients, command, execution->now) : 0;

    command_execute(command, execution);
    if (execution->must_ask && !call->is_asked) {
        result->must_ask = true;
        result->bytes = command->key;
        return;
    }
    /* Not all have answered: one of them may have what decides it. */
    if (execution->must_ask) {
        result->is_refused = true;
        return;
    }
    if (execution->mutation.kind != MUTATION_NONE) {
        if (command->is_of_lock) {
            result->lock = command->key;
            result->held =
                lock_after(clients, call, command, before, execution);
        }
        result->number = replication_journal(
            clients->settings.peers, command->key, execution, &result->held);
    }
    result->bytes = tell(&clients->service, execution);
    command_finish(execution);
}

void service_execute(void *context, const struct peers_call *call,
                     struct peers_result *result)
{
    struct clients *clients = context;
    struct store *store = clients->settings.store;
    struct sighting sighting = {.is_seen = false};
    struct command command;
    struct execution execution = {
        .store = store,
        .now = call->now,
        .counters = &clients->service.counters,
        .sighting = &sighting,
        .replicates = true,
        .splices =
            journal_takes_splices(peers_journal(clients->settings.peers)),
        .asking = asking(clients, call),
        .is_asked = call->is_asked && call->is_certain,
        .is_certain = call->is_certain,
        .homing = clients->settings.homing,
        .is_home = true};

    *result = (struct peers_result){.number = 0};
    if (!parcel_decode(call->bytes, store_item_bytes_max(store), &command)) {
        refuse(&execution);
        result->bytes = tell(&clients->service, &execution);
        return;
    }
    command.hash = store_hash(store, command.key);
    command.is_of_lock =
        lock_keys_match(&clients->settings.lock_keys, command.key);
    execution.gives_way = call->gives_way && command.is_of_lock;
    execute(clients, call, &command, &execution, result);
}

/* False where there is no room for what a delete leaves. */
static bool delete_version(struct clients *clients, struct span key,
                           uint64_t version, struct execution *execution)
{
    struct store *store = clients->settings.store;
    struct store_hold *hold = &execution->hold;
    enum store_result result = STORE_OK;

    store_hold(store, key, store_hash(store, key), execution->now, hold);
    if (hold->item != NULL && hold->item->version == version) {
        execution->mutation = (struct mutation){
            .kind = MUTATION_DELETE,
            .version = execution->gives_way
                           ? store_version_after(store, version)
                           : store_next_version(store, execution->now)};
        result = store_remove(hold, execution->mutation.version);
        if (result == STORE_OK)
            replication_journal(clients->settings.peers, key, execution, NULL);
    }
    store_release(hold);
    return result == STORE_OK;
}

void service_delete(void *context, struct span key, uint64_t version,
                    bool gives_way)
{
    struct clients *clients = context;
    struct store *store = clients->settings.store;
    struct execution execution = {.now = clock_now(clients->settings.clock),
                                  .gives_way = gives_way};

    while (!delete_version(clients, key, version, &execution)) {
        if (!store_make_room(store, store_item_bytes(store, key.length, 0),
                             execution.now))
            break; /* it lives until its exptime */
    }
}

void service_release(struct service *service)
{
    free(service->result);
}
