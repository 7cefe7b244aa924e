/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/simulator/client.h"

#include <assert.h>
#include <string.h>

#define ATTEMPTS_MAX 16

/* By which versions and exptimes go at this server. */
static time_us time_at(const struct world *world, unsigned server)
{
    return world_time(world, server);
}

struct client_change client_before(const struct store_hold *hold,
                                   struct span value)
{
    struct client_change change = {.is_there = hold->item != NULL};

    if (change.is_there) {
        change.base = hold->item->version;
        change.splice = splice_between(item_value(hold->item), value);
    }
    return change;
}

uint64_t client_journal(struct journal *journal,
                        const struct client_change *before,
                        const struct record *record)
{
    if (record->kind != RECORD_UPDATE || !before->is_there)
        return journal_append(journal, record);
    struct record splice = record_splice(record, before->base, &before->splice);
    return journal_append_splice(journal, &splice, record);
}

/* Under the key's lock; STORE_REFUSED: there is nothing to touch. */
static enum store_result change(struct store_hold *hold,
                                const struct client_write *write,
                                struct record *record)
{
    struct store_write put = {.parts = {write->value},
                              .exptime = write->exptime,
                              .version = record->version};

    switch (write->kind) {
    case CLIENT_SET:
        return store_put(hold, &put);
    case CLIENT_DELETE:
        record->kind = RECORD_DELETE;
        return store_remove(hold, record->version);
    case CLIENT_TOUCH:
        if (hold->item == NULL)
            return STORE_REFUSED;
        record->kind = RECORD_TOUCH;
        record->version = hold->item->version;
        return store_touch(hold, write->exptime, record->stamp);
    }
    return STORE_REFUSED;
}

uint64_t client_write(struct world *world, unsigned number,
                      const struct client_write *write, uint64_t waiter)
{
    struct server *server = &world->servers[number];
    struct store *store = server->store;
    time_us now = time_at(world, number);

    for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        struct store_hold hold;
        store_hold(store, write->key, store_hash(store, write->key), now,
                   &hold);
        uint64_t version = store_next_version(store, now);
        struct record record = {.kind = RECORD_UPDATE,
                                .exptime = write->exptime,
                                .version = version,
                                .stamp = version,
                                .token = version,
                                .key = write->key,
                                .value = write->value};
        struct client_change before = client_before(&hold, write->value);
        enum store_result result = change(&hold, write, &record);
        uint64_t journaled =
            result == STORE_OK
                ? client_journal(server->journal, &before, &record)
                : 0;
        store_release(&hold);
        if (result == STORE_OK) {
            world->totals.operations++;
            world_written(world, number, journaled, waiter);
            return version;
        }
        if (result == STORE_REFUSED ||
            !store_make_room(
                store,
                store_item_bytes(store, write->key.length, write->value.length),
                now))
            return 0;
    }
    return 0;
}

struct client_view client_look(struct world *world, unsigned number,
                               struct span key)
{
    struct store *store = world->servers[number].store;
    struct client_view view = {0};
    struct store_hold hold;

    /* What has died unseen is told of as a grave. */
    store_maintain(store, time_at(world, number));
    store_hold(store, key, store_hash(store, key), time_at(world, number),
               &hold);
    if (hold.item != NULL) {
        struct span value = item_value(hold.item);
        view = (struct client_view){.is_item = true,
                                    .version = hold.item->version,
                                    .stamp = item_stamp(hold.item),
                                    .value_bytes = value.length};
        if (value.length > sizeof(view.value) - 1)
            value.length = sizeof(view.value) - 1;
        memcpy(view.value, value.data, value.length);
    } else {
        view = (struct client_view){.is_want = hold.stub.kind == STUB_WANTED,
                                    .version = hold.stub.version,
                                    .stamp = hold.stub.stamp};
    }
    store_release(&hold);
    return view;
}

bool client_is_fresh(struct world *world, unsigned server)
{
    return world_is_ready(world, server) &&
           farm_fresh_until(world->servers[server].farm) >=
               world_clock(world, server);
}
