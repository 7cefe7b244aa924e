/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reservation: memory for values that arrive in pieces.
 */
#include <assert.h>

#include "server/store/replica.h"

/* Clients that announce much and send nothing never hold more than half. */
#define RESERVED_SHARE 2
/* The value's place does not depend on the shape: the largest is reserved,
 * and the value stands at its end. */
#define RESERVED_SHAPE ITEM_SHAPE_MOST

enum store_result store_reserve(struct store *store, struct span key,
                                size_t value_bytes,
                                struct store_reservation *reservation)
{
    size_t room_bytes =
        item_room_bytes(RESERVED_SHAPE, key.length, value_bytes);
    size_t reserved_bytes =
        atomic_fetch_add(&store->reserved_bytes, room_bytes) + room_bytes;
    struct item *item = NULL;

    *reservation = (struct store_reservation){.item = NULL};
    /* One alone may be as large as -I allows, its overhead on top. */
    bool is_modest =
        reserved_bytes == room_bytes ||
        reserved_bytes <= atomic_load(&store->memory_goal) / RESERVED_SHARE;
    if (is_modest)
        item = segment_append_private(&store->pool, room_bytes, 0);
    if (item == NULL) {
        atomic_fetch_sub(&store->reserved_bytes, room_bytes);
        return is_modest ? STORE_NO_ROOM : STORE_REFUSED;
    }
    reservation->item = item;
    struct store_write nothing = {0};
    reservation->value =
        replica_write_item(item, RESERVED_SHAPE, key, value_bytes, &nothing);
    reservation->key_bytes = key.length;
    reservation->value_bytes = value_bytes;
    return STORE_OK;
}

/* A value that is not large enough for a segment of its own for life moves
 * in with others: mappings are not for free. */
static enum store_result put_copy(struct store_hold *hold,
                                  const struct store_write *write,
                                  struct store_reservation *reservation)
{
    struct store_write whole = *write;

    whole.parts[0] = span_of(reservation->value, reservation->value_bytes);
    enum store_result result = store_put(hold, &whole);
    if (result == STORE_OK)
        store_cancel(hold->store, reservation);
    return result;
}

enum store_result store_put_reserved(struct store_hold *hold,
                                     const struct store_write *write,
                                     struct store_reservation *reservation)
{
    struct item *item = reservation->item;

    assert(item != NULL && hold->key.length == reservation->key_bytes);
    if (!segment_is_large(&hold->store->pool, item_room(item)))
        return put_copy(hold, write, reservation);
    replica_write_state(item, reservation->value_bytes, write);
    replica_write_use(item, hold, write);
    segment_expires(&hold->store->pool, item, write->exptime);
    if (replica_link(hold, item) != STORE_OK)
        return STORE_NO_ROOM;
    reservation->item = NULL;
    atomic_fetch_sub(&hold->store->reserved_bytes, item_room(item));
    segment_settle(&hold->store->pool, item);
    return STORE_OK;
}

void store_cancel(struct store *store, struct store_reservation *reservation)
{
    struct item *item = reservation->item;

    if (item == NULL)
        return;
    atomic_fetch_sub(&store->reserved_bytes, item_room(item));
    segment_forget(&store->pool, item, item_room(item));
    segment_settle(&store->pool, item);
    reservation->item = NULL;
}

size_t store_item_bytes(const struct store *store, size_t key_bytes,
                        size_t value_bytes)
{
    (void)store;
    return item_room_bytes(RESERVED_SHAPE, key_bytes, value_bytes);
}
