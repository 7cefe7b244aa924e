/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Item: one key with its value part and its life part, as it lies in memory.
 *
 * Layout: struct item, then only what differs from the rule, as its shape
 *         tells: room (4) where 16 bits do not hold it, exptime (4), flags (4)
 *         where not 0, stamp (8) where the life part is not as old as the value
 *         part, token (8) where the client named it; then key, then value,
 *         then what is left of the room since a longer value was there, its
 *         size at its end.
 * Align:  none.
 * Threads: room, shape and key never change once the item is stored; all else
 *         is written under its key's lock only, but for its use, which those
 *         who look at it together write.
 */
#ifndef SERVER_STORE_ITEM_H
#define SERVER_STORE_ITEM_H

#include "proto/base/span.h"
#include "proto/base/time.h"
#include "server/store/version.h"

/* What an item has besides its fixed fields. */
enum item_shape {
    ITEM_HAS_FLAGS = 1,
    ITEM_HAS_EXPTIME = 2,
    ITEM_IS_WIDE = 4,
    ITEM_HAS_STAMP = 8,
    ITEM_HAS_TOKEN = 16,
    ITEM_IS_STUB = 128 /* no value is here: see stub.h */
};

#define ITEM_SHAPE_MOST                                                        \
    (ITEM_HAS_FLAGS | ITEM_HAS_EXPTIME | ITEM_IS_WIDE | ITEM_HAS_STAMP |       \
     ITEM_HAS_TOKEN)

/* Marks travel with the value part. */
enum item_mark {
    ITEM_STALE = 1,
    ITEM_WIN_SENT = 2,
    ITEM_KEY_BASE64 = 4,
    ITEM_HOMED = 8
};

#define ITEM_MARKS 15U

/* How it was used, and what else one byte has room for. */
union item_use {
    struct {
        uint8_t marks : 4;
        uint8_t count : 2;      /* since it was written or last spared */
        uint8_t is_fetched : 1; /* since it was written */
        uint8_t has_slack : 1;  /* behind the value */
    };
    uint8_t byte;
};

/* What was done with an item here, and nowhere else: other servers are not
 * told of `accessed`, `uses` and `is_fetched`. */
struct item {
    uint64_t version;
    uint16_t room; /* in its segment, this header included, unless it is wide */
    uint8_t key_bytes;
    uint8_t shape;
    uint8_t use;         /* see item_use() */
    uint8_t accessed[2]; /* see item_accessed() */
} __attribute__((packed));

_Static_assert(sizeof(struct item) == 15, "items are many: keep them lean");

#define ITEM_USES_MAX 3
#define ITEM_NARROW_BYTES_MAX UINT16_MAX

/* The terms are those of the layout, as products of the shape's bits. */
static inline size_t item_extras_bytes(uint8_t shape)
{
    size_t bits = shape;

    /* Most have none. */
    if (shape == 0)
        return 0;
    return (bits & ITEM_IS_WIDE) + (bits & ITEM_HAS_EXPTIME) * 2 +
           (bits & ITEM_HAS_FLAGS) * 4 + (bits & ITEM_HAS_STAMP) +
           (bits & ITEM_HAS_TOKEN) / 2;
}

/* What an item of this shape takes. */
static inline size_t item_room_bytes(uint8_t shape, size_t key_bytes,
                                     size_t value_bytes)
{
    return sizeof(struct item) + item_extras_bytes(shape) + key_bytes +
           value_bytes;
}

/* The same shape, wide where the item is. */
static inline uint8_t item_shape_for(unsigned shape, size_t key_bytes,
                                     size_t value_bytes)
{
    uint8_t narrow = (uint8_t)(shape & ~(unsigned)ITEM_IS_WIDE);

    return item_room_bytes(narrow, key_bytes, value_bytes) >
                   ITEM_NARROW_BYTES_MAX
               ? narrow | ITEM_IS_WIDE
               : narrow;
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

static inline uint8_t item_marks(const struct item *item)
{
    return item_use(item).marks;
}

static inline const uint8_t *item_extras(const struct item *item)
{
    return (const uint8_t *)item + sizeof(struct item);
}

/* Where the extra of that bit is, or would be. */
static inline const uint8_t *item_extra(const struct item *item, unsigned bit)
{
    static const uint8_t before[] = {
        [ITEM_HAS_FLAGS] = ITEM_IS_WIDE | ITEM_HAS_EXPTIME,
        [ITEM_HAS_EXPTIME] = ITEM_IS_WIDE,
        [ITEM_IS_WIDE] = 0,
        [ITEM_HAS_STAMP] = ITEM_IS_WIDE | ITEM_HAS_EXPTIME | ITEM_HAS_FLAGS,
        [ITEM_HAS_TOKEN] =
            ITEM_IS_WIDE | ITEM_HAS_EXPTIME | ITEM_HAS_FLAGS | ITEM_HAS_STAMP};

    return item_extras(item) +
           item_extras_bytes((uint8_t)(item->shape & before[bit]));
}

static inline uint32_t item_extra_32(const struct item *item, unsigned bit)
{
    uint32_t number;

    memcpy(&number, item_extra(item, bit), sizeof(number));
    return number;
}

static inline size_t item_room(const struct item *item)
{
    return (item->shape & ITEM_IS_WIDE) ? item_extra_32(item, ITEM_IS_WIDE)
                                        : item->room;
}

static inline struct span item_key(const struct item *item)
{
    return span_of(item_extras(item) + item_extras_bytes(item->shape),
                   item->key_bytes);
}

/* Key, value and slack have what the head leaves. */
static inline size_t item_slack_bytes(const struct item *item)
{
    const uint8_t *end = (const uint8_t *)item + item_room(item);
    uint32_t bytes = 0;

    if (item_use(item).has_slack)
        bytes = end[-1];
    if (bytes == UINT8_MAX)
        memcpy(&bytes, end - 1 - sizeof(bytes), sizeof(bytes));
    return bytes;
}

static inline struct span item_value(const struct item *item)
{
    struct span key = item_key(item);
    const uint8_t *value = key.data + key.length;
    const uint8_t *end = (const uint8_t *)item + item_room(item);

    return span_of(value, (size_t)(end - value) - item_slack_bytes(item));
}

/* The value is of `bytes` from now on, which fit the room. */
static inline void item_set_value_bytes(struct item *item, size_t bytes)
{
    struct span key = item_key(item);
    uint8_t *end = (uint8_t *)item + item_room(item);
    uint32_t slack = (uint32_t)((size_t)(end - key.data) - key.length - bytes);

    union item_use use = item_use(item);

    use.has_slack = slack > 0;
    item_set_use(item, use);
    if (slack >= UINT8_MAX)
        memcpy(end - 1 - sizeof(slack), &slack, sizeof(slack));
    if (slack > 0)
        end[-1] = (uint8_t)(slack < UINT8_MAX ? slack : UINT8_MAX);
}

/* Dead from this second on; 0: never. */
static inline time_s item_exptime(const struct item *item)
{
    return (item->shape & ITEM_HAS_EXPTIME)
               ? item_extra_32(item, ITEM_HAS_EXPTIME)
               : 0;
}

/* When the life part was set: the version, unless it was touched since. */
static inline uint64_t item_stamp(const struct item *item)
{
    uint64_t stamp = item->version;

    if (item->shape & ITEM_HAS_STAMP)
        memcpy(&stamp, item_extra(item, ITEM_HAS_STAMP), sizeof(stamp));
    return stamp;
}

/* The cas token that clients see: the version, unless a client chose it. */
static inline uint64_t item_token(const struct item *item)
{
    uint64_t token = item->version;

    if (item->shape & ITEM_HAS_TOKEN)
        memcpy(&token, item_extra(item, ITEM_HAS_TOKEN), sizeof(token));
    return token;
}

static inline uint32_t item_flags(const struct item *item)
{
    return (item->shape & ITEM_HAS_FLAGS) ? item_extra_32(item, ITEM_HAS_FLAGS)
                                          : 0;
}

/*
 * The second in which a client last used it; that of its writing, before.
 * Kept as the seconds since its version was drawn, in 16 bits: exact for 68
 * minutes after, and to a 2,048th of the time since later on.
 */
#define ITEM_AGE_BITS 11

static inline uint16_t item_age_code(uint64_t version, time_s second)
{
    time_s written = time_seconds(version_time(version));
    uint32_t age = second > written ? second - written : 0;
    uint32_t power = 0;

    if (age >> ITEM_AGE_BITS != 0)
        power = 32 - ITEM_AGE_BITS - (uint32_t)__builtin_clz(age);
    if (power > 1)
        age >>= power - 1;
    return (uint16_t)(power << ITEM_AGE_BITS |
                      (age & ((1U << ITEM_AGE_BITS) - 1)));
}

static inline uint16_t item_read_age(const struct item *item)
{
    return (uint16_t)(__atomic_load_n(&item->accessed[0], __ATOMIC_RELAXED) |
                      __atomic_load_n(&item->accessed[1], __ATOMIC_RELAXED)
                          << 8);
}

static inline time_s item_accessed(const struct item *item)
{
    uint32_t code = item_read_age(item);
    uint32_t power = code >> ITEM_AGE_BITS;
    uint32_t age = code & ((1U << ITEM_AGE_BITS) - 1);

    if (power > 0)
        age = (age | 1U << ITEM_AGE_BITS) << (power - 1);
    return time_seconds(version_time(item->version)) + age;
}

/* By bytes, as those who look at it together may. */
static inline void item_set_accessed(struct item *item, time_s second)
{
    uint16_t code = item_age_code(item->version, second);

    if (item_read_age(item) == code)
        return;
    __atomic_store_n(&item->accessed[0], (uint8_t)code, __ATOMIC_RELAXED);
    __atomic_store_n(&item->accessed[1], (uint8_t)(code >> 8),
                     __ATOMIC_RELAXED);
}

/* Whether a client has read it since it was written. */
static inline bool item_is_fetched(const struct item *item)
{
    return item_use(item).is_fetched;
}

#endif
