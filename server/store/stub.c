/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/store/stub.h"

/* A grave outlives what it defends against; a want is pulled long before. */
static time_s stub_end(const struct store *store, const struct store_stub *stub)
{
    time_s died = time_seconds(version_time(stub->stamp));

    if (stub->kind != STUB_DELETED && stub->exptime > died)
        died = stub->exptime;
    return died < UINT32_MAX - store->settings.grave_s
               ? died + store->settings.grave_s
               : UINT32_MAX;
}

struct store_stub stub_of(const struct item *item)
{
    struct stub_rest rest;

    memcpy(&rest, item_value(item).data, sizeof(rest));
    return (struct store_stub){.kind = (enum stub_kind)rest.kind,
                               .version = item->version,
                               .stamp = item_stamp(item),
                               .exptime = rest.exptime};
}

struct store_stub stub_at(const struct store *store, const struct item *item,
                          time_us now)
{
    struct store_stub stub = stub_of(item);

    if (stub.kind == STUB_WANTED &&
        replica_death_of(store, stub.version, stub.exptime, now) != STORE_NEVER)
        stub.kind = STUB_EXPIRED;
    return stub;
}

struct item *stub_append(struct store *store, enum life_class life,
                         uint64_t hash, struct digest128 key,
                         const struct store_stub *stub)
{
    struct store_write write = {.version = stub->version,
                                .stamp = stub->stamp,
                                .exptime = stub_end(store, stub)};
    struct stub_rest rest = {
        .hash = hash, .exptime = stub->exptime, .kind = stub->kind};
    uint8_t shape = STUB_SHAPE;
    struct item *item = segment_append(
        &store->pool, life, item_room_bytes(shape, sizeof(key), sizeof(rest)),
        write.exptime);

    if (item == NULL)
        return NULL;
    uint8_t *at = replica_write_item(item, shape, span_of(&key, sizeof(key)),
                                     sizeof(rest), &write);
    span_copy(at, span_of(&rest, sizeof(rest)));
    return item;
}

enum store_result stub_put(struct store_hold *hold,
                           const struct store_stub *stub)
{
    struct store *store = hold->store;
    time_s now = time_seconds(hold->now);
    struct digest128 key;

    if (hold->digest.length == sizeof(key))
        memcpy(&key, hold->digest.data, sizeof(key));
    else
        key = digest128(hold->key, store->settings.seed);
    struct item *item = stub_append(
        store, life_class(stub_end(store, stub), now), hold->hash, key, stub);
    return item == NULL ? STORE_NO_ROOM : replica_link_appended(hold, item);
}
