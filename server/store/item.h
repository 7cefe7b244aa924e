/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Item: one key with its value part and its life part, as it lies in memory.
 *
 * Layout: struct item, then only what differs from the rule: stamp (8) where
 *         the life part is not as old as the value part, token (8) where the
 *         client named it, flags (4) where not 0; then key, then value.
 * Threads: `room_bytes`, `shape`, `key_bytes` and the key never change once
 *         the item is stored; all else is written under its key's lock
 *         only, but for its use, which those who look at it together write.
 */
#ifndef SERVER_STORE_ITEM_H
#define SERVER_STORE_ITEM_H

#include "proto/base/span.h"
#include "proto/base/time.h"

/* What an item has besides its fixed fields. */
enum item_shape {
    ITEM_HAS_STAMP = 1,
    ITEM_HAS_TOKEN = 2,
    ITEM_HAS_FLAGS = 4,
    ITEM_IS_STUB = 128 /* no value is here: see stub.h */
};

/* Marks travel with the value part. */
enum item_mark {
    ITEM_STALE = 1,
    ITEM_WIN_SENT = 2,
    ITEM_KEY_BASE64 = 4,
    ITEM_HOMED = 8
};

/* How it was used, in one byte. */
union item_use {
    struct {
        uint8_t count : 2;      /* since it was written or last spared */
        uint8_t is_fetched : 1; /* since it was written */
    };
    uint8_t byte;
};

/* What was done with an item here, and nowhere else: other servers are not
 * told of `accessed`, `uses` and `is_fetched`. */
struct item {
    uint64_t version;
    uint32_t room_bytes; /* in its segment, this header included */
    uint32_t value_bytes;
    time_s exptime; /* dead from this second on; 0: never */
    uint8_t shape;
    uint8_t key_bytes;
    uint8_t marks;
    union {
        struct { /* as in item_use */
            uint8_t uses : 2;
            uint8_t is_fetched : 1;
        };
        uint8_t use;
    };
    time_s accessed; /* the second of its last use */
} __attribute__((packed, aligned(4)));

_Static_assert(sizeof(struct item) == 28, "items are many: keep them lean");

#define ITEM_ALIGN 8
#define ITEM_USES_MAX 3

static inline size_t item_extras_bytes(uint8_t shape)
{
    return (size_t)((shape & ITEM_HAS_STAMP) ? 8 : 0) +
           (size_t)((shape & ITEM_HAS_TOKEN) ? 8 : 0) +
           (size_t)((shape & ITEM_HAS_FLAGS) ? 4 : 0);
}

/* What an item of this shape takes, in whole steps of ITEM_ALIGN. */
static inline size_t item_room_bytes(uint8_t shape, size_t key_bytes,
                                     size_t value_bytes)
{
    size_t bytes = sizeof(struct item) + item_extras_bytes(shape) + key_bytes +
                   value_bytes;

    return (bytes + ITEM_ALIGN - 1) & ~(size_t)(ITEM_ALIGN - 1);
}

static inline const uint8_t *item_extras(const struct item *item)
{
    return (const uint8_t *)item + sizeof(struct item);
}

static inline struct span item_key(const struct item *item)
{
    return span_of(item_extras(item) + item_extras_bytes(item->shape),
                   item->key_bytes);
}

static inline struct span item_value(const struct item *item)
{
    struct span key = item_key(item);

    return span_of(key.data + key.length, item->value_bytes);
}

/* When the life part was set: the version, unless it was touched since. */
static inline uint64_t item_stamp(const struct item *item)
{
    uint64_t stamp = item->version;

    if (item->shape & ITEM_HAS_STAMP)
        memcpy(&stamp, item_extras(item), sizeof(stamp));
    return stamp;
}

/* The cas token that clients see: the version, unless a client chose it. */
static inline uint64_t item_token(const struct item *item)
{
    uint64_t token = item->version;

    if (item->shape & ITEM_HAS_TOKEN)
        memcpy(&token,
               item_extras(item) + ((item->shape & ITEM_HAS_STAMP) ? 8 : 0),
               sizeof(token));
    return token;
}

/* The second in which a client last used it; that of its writing, before. */
static inline time_s item_accessed(const struct item *item)
{
    return __atomic_load_n(&item->accessed, __ATOMIC_RELAXED);
}

static inline void item_set_accessed(struct item *item, time_s second)
{
    __atomic_store_n(&item->accessed, second, __ATOMIC_RELAXED);
}

static inline union item_use item_use(const struct item *item)
{
    return (union item_use){.byte =
                                __atomic_load_n(&item->use, __ATOMIC_RELAXED)};
}

static inline void item_set_use(struct item *item, union item_use use)
{
    __atomic_store_n(&item->use, use.byte, __ATOMIC_RELAXED);
}

/* Whether a client has read it since it was written. */
static inline bool item_is_fetched(const struct item *item)
{
    return item_use(item).is_fetched;
}

static inline uint32_t item_flags(const struct item *item)
{
    uint32_t flags = 0;

    if (item->shape & ITEM_HAS_FLAGS)
        memcpy(&flags, item_extras(item) + item_extras_bytes(item->shape) - 4,
               sizeof(flags));
    return flags;
}

#endif
