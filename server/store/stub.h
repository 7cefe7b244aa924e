/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stub: how struct store_stub lies among the items; inside of the store.
 *
 * An item of shape ITEM_IS_STUB: its key is 128 bits of hash, its value
 * struct stub_rest, its stamp always there, its exptime when it is dropped.
 */
#ifndef SERVER_STORE_STUB_H
#define SERVER_STORE_STUB_H

#include "server/store/replica.h"

struct stub_rest {
    uint64_t hash; /* by which the key is filed */
    time_s exptime;
    uint32_t kind;
};

_Static_assert(sizeof(struct stub_rest) == 16, "no padding in stored bytes");

#define STUB_SHAPE (ITEM_IS_STUB | ITEM_HAS_STAMP | ITEM_HAS_EXPTIME)
#define STUB_KEY_BYTES 16

struct store_stub stub_of(const struct item *item);

/* The same at a moment: nobody has to pull what would be dead by then. */
struct store_stub stub_at(const struct store *store, const struct item *item,
                          time_us now);

/* A new item for the stub, not linked yet; NULL if there is no room. */
struct item *stub_append(struct store *store, enum life_class life,
                         uint64_t hash, struct digest128 key,
                         const struct store_stub *stub);

/* The held key has this stub and no item from now on. */
MUST_USE enum store_result stub_put(struct store_hold *hold,
                                    const struct store_stub *stub);

#endif
