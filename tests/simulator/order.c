/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An order as it stands in a command: kind, is_lock, creates u8; number,
 * expected u64; the key, behind its length.
 */
#include "tests/simulator/order.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define DIGITS_MAX 24

/* ---- as bytes ---- */

void order_write(struct writer *writer, const struct store *store,
                 const struct order *order)
{
    uint8_t bytes[ORDER_BYTES_MAX];
    struct writer inner = writer_of(bytes, sizeof(bytes));

    assert(order->key.length <= ORDER_KEY_BYTES_MAX);
    write_u8(&inner, (uint8_t)order->kind);
    write_u8(&inner, order->is_lock);
    write_u8(&inner, order->creates);
    write_u64(&inner, order->number);
    write_u64(&inner, order->expected);
    write_short(&inner, order->key);
    assert(inner.ok);
    write_u64(writer, store_hash(store, order->key));
    write_u32(writer, (uint32_t)inner.used_bytes);
    write_bytes(writer, span_of(bytes, inner.used_bytes));
}

static struct order read_order(struct span bytes)
{
    struct reader reader = reader_of(bytes);
    struct order order = {.kind = (enum linear_kind)read_u8(&reader)};

    order.is_lock = read_u8(&reader) != 0;
    order.creates = read_u8(&reader) != 0;
    order.number = read_u64(&reader);
    order.expected = read_u64(&reader);
    order.key = read_short(&reader);
    assert(reader.ok && reader.rest.length == 0);
    return order;
}

bool order_read_result(struct span bytes, struct order_result *result)
{
    if (bytes.length == 0)
        return false;
    assert(bytes.length == sizeof(*result));
    memcpy(result, bytes.data, sizeof(*result));
    return true;
}

/* ---- what a home does ---- */

uint64_t order_number(const struct item *item)
{
    struct span value = item_value(item);
    uint64_t number = 0;

    for (size_t i = 0; i < value.length; i++)
        number = number * 10 + (value.data[i] - (uint64_t)'0');
    return number;
}

uint64_t order_put(struct server *server, struct store_hold *hold,
                   uint64_t number, const struct farm_lock *lock, time_us now)
{
    char text[DIGITS_MAX];
    int length =
        snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    struct store_write write = {.parts = {span_of(text, (size_t)length)},
                                .version =
                                    store_next_version(server->store, now)};
    struct record record = {.kind = RECORD_UPDATE,
                            .version = write.version,
                            .stamp = write.version,
                            .token = write.version,
                            .owner = lock == NULL ? 0 : lock->owner,
                            .is_kept = lock != NULL && lock->is_kept,
                            .key = hold->key,
                            .value = write.parts[0]};

    if (store_put(hold, &write) != STORE_OK)
        assert(false);
    return journal_append(server->journal, &record);
}

static uint64_t drop(struct server *server, struct store_hold *hold,
                     time_us now)
{
    struct record record = {.kind = RECORD_DELETE,
                            .version = store_next_version(server->store, now),
                            .key = hold->key};

    if (store_remove(hold, record.version) != STORE_OK)
        assert(false);
    return journal_append(server->journal, &record);
}

static bool changes(const struct order *order, const struct store_hold *hold,
                    struct order_result *result)
{
    bool is_there = hold->item != NULL;
    bool is_expected = is_there && hold->item->version == order->expected;
    bool creates = order->kind == LINEAR_INCR && order->creates;

    switch (order->kind) {
    case LINEAR_SET:
        return true;
    case LINEAR_ADD:
        result->outcome = is_there ? LINEAR_NO : LINEAR_YES;
        return !is_there;
    case LINEAR_INCR:
    case LINEAR_DELETE:
        result->outcome = is_there || creates ? LINEAR_YES : LINEAR_NO;
        return is_there || creates;
    case LINEAR_CAS:
    case LINEAR_DELETE_IF:
        result->outcome = is_expected ? LINEAR_YES
                          : is_there  ? LINEAR_OTHER
                                      : LINEAR_NO;
        return is_expected;
    default:
        result->outcome = is_there ? LINEAR_YES : LINEAR_NO;
        return false;
    }
}

/* Whose the lock is then; no lock counts up from 0. */
static struct farm_lock lock_after(const struct server *server,
                                   const struct store_hold *hold,
                                   const struct order *order, uint64_t asker)
{
    uint64_t before = hold->item == NULL ? 0 : hold->item->version;

    return farm_lock_after(server->farm, order->key, before, asker,
                           order->kind != LINEAR_INCR || before == 0);
}

static void decide(struct server *server, struct store_hold *hold,
                   const struct order *order, uint64_t asker, time_us now,
                   struct farm_input *input, struct order_result *result)
{
    *result =
        (struct order_result){.outcome = LINEAR_YES, .number = order->number};
    if (hold->item != NULL && order->kind == LINEAR_INCR)
        result->number = order_number(hold->item) + order->number;
    if (hold->item != NULL && order->kind == LINEAR_GET) {
        result->number = order_number(hold->item);
        result->token = hold->item->version;
    }
    if (!changes(order, hold, result))
        return;
    if (order->kind == LINEAR_DELETE || order->kind == LINEAR_DELETE_IF) {
        input->number = drop(server, hold, now);
        return;
    }
    if (order->is_lock)
        input->held = lock_after(server, hold, order, asker);
    input->number = order_put(server, hold, result->number, &input->held, now);
    result->token = hold->item->version;
    if (!input->held.is_kept)
        input->held.taken = result->token;
}

void order_execute(struct world *world, unsigned number,
                   const struct farm_effect *effect, struct farm_input *input)
{
    static struct order_result result;
    struct server *server = &world->servers[number];
    time_us now = world_time(world, number);
    struct order order = read_order(effect->bytes);
    struct store_hold hold;

    store_hold(server->store, order.key, store_hash(server->store, order.key),
               now, &hold);
    if (hold.item == NULL && hold.stub.kind == STUB_WANTED) {
        input->must_ask = !effect->is_asked;
        input->is_refused = effect->is_asked;
        input->bytes = input->must_ask ? order.key : SPAN("");
    } else {
        decide(server, &hold, &order, effect->number, now, input, &result);
        input->bytes = span_of(&result, sizeof(result));
    }
    if (order.is_lock && !input->must_ask && !input->is_refused) {
        input->lock = order.key;
        input->held.version = hold.item == NULL ? 0 : hold.item->version;
    }
    store_release(&hold);
}

bool order_release(struct world *world, unsigned number, struct span key,
                   uint64_t version)
{
    struct server *server = &world->servers[number];
    time_us now = world_time(world, number);
    struct store_hold hold;

    store_hold(server->store, key, store_hash(server->store, key), now, &hold);
    /* No lock has version 0, unless that fault is planted. */
    bool is_there =
        hold.item != NULL && (hold.item->version == version || version == 0);
    if (is_there)
        drop(server, &hold, now);
    store_release(&hold);
    return is_there;
}
