/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A command: kind, mode, fault u8; bits u16; flags u32; which of the numbers
 * follow u8, these u64 each; key and tokens, each behind a length u8; value,
 * behind a length u32.  Behind it, if one is set, more bits u8.
 *
 * A result: kind, absence u8; bits u16; flags u32; token, number u64; bytes of
 * what was stored u32; with BIT_HAS_ITEM six u32, with BIT_IS_SEEN two; value,
 * behind a length u32.
 *
 * Bytes behind these are skipped.
 */
#include "server/command/parcel.h"

#include <assert.h>

#include "proto/base/cursor.h"
#include "proto/memcached/meta.h"

/* Of the flags of a meta command only the order of these decides anything. */
#define ORDERED_FLAGS "TNR"
#define TOKENS_BYTES_MAX 8

/* ---- commands ---- */

enum command_bit {
    BIT_TOUCHES = 1,
    BIT_HAS_COMPARE = 2,
    BIT_CREATES = 4,
    BIT_IS_META = 8,
    BIT_KEY_IS_BASE64 = 16,
    BIT_WITH_VALUE = 32,
    BIT_IS_UNNOTICED = 64,
    BIT_RECACHES = 128,
    BIT_INVALIDATES = 256,
    BIT_EMPTIES = 512,
    COMMAND_BITS = 1023
};

/* Not known to older servers, who skip them. */
enum more_bit { BIT_ENDS_TAKING = 1 };

#define NUMBERS 7

static unsigned bits_of(const struct command *command)
{
    return (command->touches ? BIT_TOUCHES : 0U) |
           (command->has_compare ? BIT_HAS_COMPARE : 0U) |
           (command->creates ? BIT_CREATES : 0U) |
           (command->is_meta ? BIT_IS_META : 0U) |
           (command->key_is_base64 ? BIT_KEY_IS_BASE64 : 0U) |
           (command->with_value ? BIT_WITH_VALUE : 0U) |
           (command->is_unnoticed ? BIT_IS_UNNOTICED : 0U) |
           (command->recaches ? BIT_RECACHES : 0U) |
           (command->invalidates ? BIT_INVALIDATES : 0U) |
           (command->empties ? BIT_EMPTIES : 0U);
}

static void set_bits(struct command *command, unsigned bits)
{
    command->touches = bits & BIT_TOUCHES;
    command->has_compare = bits & BIT_HAS_COMPARE;
    command->creates = bits & BIT_CREATES;
    command->is_meta = bits & BIT_IS_META;
    command->key_is_base64 = bits & BIT_KEY_IS_BASE64;
    command->with_value = bits & BIT_WITH_VALUE;
    command->is_unnoticed = bits & BIT_IS_UNNOTICED;
    command->recaches = bits & BIT_RECACHES;
    command->invalidates = bits & BIT_INVALIDATES;
    command->empties = bits & BIT_EMPTIES;
}

/* Most are 0 in most commands. */
static void write_numbers(struct writer *writer, const struct command *command)
{
    const uint64_t numbers[NUMBERS] = {(uint64_t)command->exptime,
                                       command->compare,
                                       command->delta,
                                       command->initial,
                                       (uint64_t)command->created_exptime,
                                       (uint64_t)command->recache_exptime,
                                       command->token};
    unsigned present = 0;

    for (unsigned i = 0; i < NUMBERS; i++)
        present |= numbers[i] != 0 ? 1U << i : 0U;
    write_u8(writer, (uint8_t)present);
    for (unsigned i = 0; i < NUMBERS; i++) {
        if (present & 1U << i)
            write_u64(writer, numbers[i]);
    }
}

static void read_numbers(struct reader *reader, struct command *command)
{
    uint64_t numbers[NUMBERS] = {0};
    unsigned present = read_u8(reader);

    if (present >= 1U << NUMBERS)
        reader->ok = false;
    for (unsigned i = 0; i < NUMBERS; i++) {
        if (present & 1U << i)
            numbers[i] = read_u64(reader);
    }
    command->exptime = (int64_t)numbers[0];
    command->compare = numbers[1];
    command->delta = numbers[2];
    command->initial = numbers[3];
    command->created_exptime = (int64_t)numbers[4];
    command->recache_exptime = (int64_t)numbers[5];
    command->token = numbers[6];
}

static void write_tokens(struct writer *writer, struct span tokens)
{
    uint8_t kept[TOKENS_BYTES_MAX];
    size_t used = 0;
    struct span flag;

    while (meta_next_flag(&tokens, &flag)) {
        if (strchr(ORDERED_FLAGS, flag.data[0]) == NULL || used == sizeof(kept))
            continue;
        kept[used++] = flag.data[0];
        kept[used++] = ' ';
    }
    write_short(writer, span_of(kept, used));
}

static struct span read_tokens(struct reader *reader)
{
    struct span tokens = read_short(reader);

    if (tokens.length > TOKENS_BYTES_MAX)
        reader->ok = false;
    return tokens;
}

size_t parcel_encode(const struct command *command, uint8_t *to)
{
    struct writer writer =
        writer_of(to, PARCEL_BYTES_BESIDE_VALUE + command->value.length);

    write_u8(&writer, (uint8_t)command->kind);
    write_u8(&writer, (uint8_t)command->mode);
    write_u8(&writer, (uint8_t)command->block_fault);
    write_u16(&writer, (uint16_t)bits_of(command));
    write_u32(&writer, command->flags);
    write_numbers(&writer, command);
    write_short(&writer, command->key);
    write_tokens(&writer, command->tokens);
    write_u32(&writer, (uint32_t)command->value.length);
    write_bytes(&writer, command->value);
    if (command->ends_taking)
        write_u8(&writer, BIT_ENDS_TAKING);
    assert(writer.ok);
    return writer.used_bytes;
}

/* The modes of that kind, from the first to the last. */
static bool has_fitting_mode(const struct command *command)
{
    switch (command->kind) {
    case COMMAND_STORE:
        return command->mode <= MODE_PREPEND;
    case COMMAND_ARITHMETIC:
        return command->mode == MODE_INCREMENT ||
               command->mode == MODE_DECREMENT;
    case COMMAND_RETRIEVE:
    case COMMAND_REMOVE:
    case COMMAND_TOUCH:
        return command->mode == MODE_SET;
    default:
        return false;
    }
}

/* Only what is stored has a value, and no more than fits into an item. */
static bool has_fitting_value(const struct command *command,
                              size_t item_bytes_max)
{
    if (command->kind != COMMAND_STORE ||
        command->block_fault == BLOCK_TOO_LARGE)
        return command->value.length == 0 &&
               (command->kind == COMMAND_STORE ||
                command->block_fault == BLOCK_SOUND);
    return command->block_fault == BLOCK_SOUND &&
           command->key.length + command->value.length <= item_bytes_max;
}

bool parcel_decode(struct span bytes, size_t item_bytes_max,
                   struct command *command)
{
    struct reader reader = reader_of(bytes);

    command_clear(command, PROTOCOL_UNKNOWN);
    command->kind = (enum command_kind)read_u8(&reader);
    command->mode = (enum command_mode)read_u8(&reader);
    command->block_fault = (enum block_fault)read_u8(&reader);
    unsigned bits = read_u16(&reader);
    set_bits(command, bits);
    command->flags = read_u32(&reader);
    read_numbers(&reader, command);
    command->key = read_short(&reader);
    command->tokens = read_tokens(&reader);
    command->value = read_bytes(&reader, read_u32(&reader));
    command->value_bytes = command->value.length;
    if (reader.rest.length > 0 && command->kind == COMMAND_REMOVE)
        command->ends_taking = read_u8(&reader) & BIT_ENDS_TAKING;
    return reader.ok && bits <= COMMAND_BITS && command->key.length > 0 &&
           command->key.length <= COMMAND_KEY_BYTES_MAX &&
           has_fitting_mode(command) &&
           has_fitting_value(command, item_bytes_max);
}

/* ---- results ---- */

enum result_bit {
    BIT_IS_MADE = 1, /* the item, by arithmetic or a retrieval */
    BIT_HAS_ITEM = 2,
    BIT_WAS_FETCHED = 4,
    BIT_WAS_WON = 8,
    BIT_WAS_STALE = 16,
    BIT_IS_WON = 32,
    BIT_IS_CREATED = 64,
    BIT_IS_BASE64 = 128,
    BIT_IS_SEEN = 256,
    BIT_IS_FOUND = 512,
    RESULT_BITS = 1023
};

static unsigned item_bits_of(const struct outcome_item *item)
{
    return (item->was_fetched ? BIT_WAS_FETCHED : 0U) |
           (item->was_won ? BIT_WAS_WON : 0U) |
           (item->was_stale ? BIT_WAS_STALE : 0U) |
           (item->is_won ? BIT_IS_WON : 0U) |
           (item->is_created ? BIT_IS_CREATED : 0U) |
           (item->is_base64 ? BIT_IS_BASE64 : 0U);
}

static void write_item(struct writer *writer, const struct outcome_item *item)
{
    write_u32(writer, item->now);
    write_u32(writer, item->exptime);
    write_u32(writer, item->touched_exptime);
    write_u32(writer, item->created_exptime);
    write_u32(writer, item->idle_s);
    write_u32(writer, item->room_bytes);
}

static void read_item(struct reader *reader, unsigned bits,
                      struct outcome_item *item)
{
    item->was_fetched = bits & BIT_WAS_FETCHED;
    item->was_won = bits & BIT_WAS_WON;
    item->was_stale = bits & BIT_WAS_STALE;
    item->is_won = bits & BIT_IS_WON;
    item->is_created = bits & BIT_IS_CREATED;
    item->is_base64 = bits & BIT_IS_BASE64;
    item->now = read_u32(reader);
    item->exptime = read_u32(reader);
    item->touched_exptime = read_u32(reader);
    item->created_exptime = read_u32(reader);
    item->idle_s = read_u32(reader);
    item->room_bytes = read_u32(reader);
}

size_t parcel_encode_result(const struct execution *execution, uint8_t *to)
{
    const struct outcome *outcome = &execution->outcome;
    const struct sighting *sighting = execution->sighting;
    bool has_item = outcome->item.now != 0; /* it was described */
    bool is_seen = sighting != NULL && sighting->is_seen;
    struct span value =
        outcome->kind == OUTCOME_HIT ? outcome->value : SPAN("");
    struct writer writer =
        writer_of(to, PARCEL_BYTES_BESIDE_VALUE + value.length);
    unsigned bits =
        (execution->is_created ? BIT_IS_MADE : 0U) |
        (has_item ? BIT_HAS_ITEM | item_bits_of(&outcome->item) : 0U) |
        (is_seen ? BIT_IS_SEEN : 0U) |
        (is_seen && sighting->is_found ? BIT_IS_FOUND : 0U);

    write_u8(&writer, (uint8_t)outcome->kind);
    write_u8(&writer, (uint8_t)execution->absence);
    write_u16(&writer, (uint16_t)bits);
    write_u32(&writer, outcome->flags);
    write_u64(&writer, outcome->token);
    write_u64(&writer, outcome->number);
    write_u32(&writer, outcome->item.value_bytes);
    if (has_item)
        write_item(&writer, &outcome->item);
    if (is_seen) {
        write_u32(&writer, (uint32_t)sighting->value_bytes);
        write_u32(&writer, sighting->exptime);
    }
    write_u32(&writer, (uint32_t)value.length);
    write_bytes(&writer, value);
    assert(writer.ok);
    return writer.used_bytes;
}

/* What a home may say of such a command. */
static bool is_fitting(const struct command *command, enum outcome_kind kind)
{
    switch (kind) {
    case OUTCOME_HIT:
    case OUTCOME_FOUND:
    case OUTCOME_MISS:
        return command->kind == COMMAND_RETRIEVE;
    case OUTCOME_NOT_STORED:
    case OUTCOME_TOO_LARGE:
        return command->kind == COMMAND_STORE;
    case OUTCOME_STORED:
    case OUTCOME_EXISTS:
        return command->kind != COMMAND_RETRIEVE &&
               command->kind != COMMAND_TOUCH;
    case OUTCOME_NOT_FOUND:
        return command->kind != COMMAND_RETRIEVE;
    case OUTCOME_DELETED:
        return command->kind == COMMAND_REMOVE;
    case OUTCOME_TOUCHED:
        return command->kind == COMMAND_TOUCH;
    case OUTCOME_NUMBER:
    case OUTCOME_NON_NUMERIC:
        return command->kind == COMMAND_ARITHMETIC;
    case OUTCOME_NO_MEMORY:
    case OUTCOME_UNDECIDED:
        return true;
    default:
        return false;
    }
}

bool parcel_decode_result(struct span bytes, const struct command *command,
                          struct execution *execution)
{
    struct reader reader = reader_of(bytes);
    struct outcome outcome = {.kind = (enum outcome_kind)read_u8(&reader)};
    unsigned absence = read_u8(&reader);
    unsigned bits = read_u16(&reader);
    struct sighting sighting = {.is_seen = bits & BIT_IS_SEEN,
                                .is_found = bits & BIT_IS_FOUND,
                                .absence = (enum store_absence)absence};

    outcome.flags = read_u32(&reader);
    outcome.token = read_u64(&reader);
    outcome.number = read_u64(&reader);
    outcome.item.value_bytes = read_u32(&reader);
    if (bits & BIT_HAS_ITEM)
        read_item(&reader, bits, &outcome.item);
    if (bits & BIT_IS_SEEN) {
        sighting.value_bytes = read_u32(&reader);
        sighting.exptime = read_u32(&reader);
    }
    outcome.value = read_bytes(&reader, read_u32(&reader));
    if (!reader.ok || absence > STORE_FLUSHED || bits > RESULT_BITS ||
        !is_fitting(command, outcome.kind) ||
        (outcome.kind != OUTCOME_HIT && outcome.value.length > 0))
        return false;
    execution->outcome = outcome;
    execution->absence = (enum store_absence)absence;
    execution->is_created = bits & BIT_IS_MADE;
    if (execution->sighting != NULL)
        *execution->sighting = sighting;
    return true;
}
