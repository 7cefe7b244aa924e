/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/memcached/binary.h"

#include "proto/base/bigendian.h"
#include "proto/base/planted.h"

enum presence { NEVER, OPTIONAL, ALWAYS };

/* One row per opcode: what it means and what its frame must look like. */
struct shape {
    bool known;
    enum command_kind kind;
    enum command_mode mode;
    bool quiet;
    bool with_key;
    bool touches;
    uint8_t extras_bytes;
    bool extras_optional;
    enum presence key;
    bool has_value;
};

#define RETRIEVE_SHAPE(is_quiet, has_key)                                      \
    {                                                                          \
        .known = true, .kind = COMMAND_RETRIEVE, .quiet = (is_quiet),          \
        .with_key = (has_key), .key = ALWAYS                                   \
    }
#define TOUCHING_SHAPE(is_quiet, has_key)                                      \
    {                                                                          \
        .known = true, .kind = COMMAND_RETRIEVE, .quiet = (is_quiet),          \
        .with_key = (has_key), .touches = true, .extras_bytes = 4,             \
        .key = ALWAYS                                                          \
    }
#define STORE_SHAPE(store_mode, is_quiet, extras)                              \
    {                                                                          \
        .known = true, .kind = COMMAND_STORE, .mode = (store_mode),            \
        .quiet = (is_quiet), .extras_bytes = (extras), .key = ALWAYS,          \
        .has_value = true                                                      \
    }
#define ARITHMETIC_SHAPE(direction, is_quiet)                                  \
    {                                                                          \
        .known = true, .kind = COMMAND_ARITHMETIC, .mode = (direction),        \
        .quiet = (is_quiet), .extras_bytes = 20, .key = ALWAYS                 \
    }
#define PLAIN_SHAPE(command_kind, is_quiet)                                    \
    {                                                                          \
        .known = true, .kind = (command_kind), .quiet = (is_quiet)             \
    }
#define FLUSH_SHAPE(is_quiet)                                                  \
    {                                                                          \
        .known = true, .kind = COMMAND_FLUSH, .quiet = (is_quiet),             \
        .extras_bytes = 4, .extras_optional = true                             \
    }
#define REMOVE_SHAPE(is_quiet)                                                 \
    {                                                                          \
        .known = true, .kind = COMMAND_REMOVE, .quiet = (is_quiet),            \
        .key = ALWAYS                                                          \
    }

static const struct shape shapes[256] = {
    [BINARY_GET] = RETRIEVE_SHAPE(false, false),
    [BINARY_GETQ] = RETRIEVE_SHAPE(true, false),
    [BINARY_GETK] = RETRIEVE_SHAPE(false, true),
    [BINARY_GETKQ] = RETRIEVE_SHAPE(true, true),
    [BINARY_GAT] = TOUCHING_SHAPE(false, false),
    [BINARY_GATQ] = TOUCHING_SHAPE(true, false),
    [BINARY_GATK] = TOUCHING_SHAPE(false, true),
    [BINARY_GATKQ] = TOUCHING_SHAPE(true, true),
    [BINARY_SET] = STORE_SHAPE(MODE_SET, false, 8),
    [BINARY_SETQ] = STORE_SHAPE(MODE_SET, true, 8),
    [BINARY_ADD] = STORE_SHAPE(MODE_ADD, false, 8),
    [BINARY_ADDQ] = STORE_SHAPE(MODE_ADD, true, 8),
    [BINARY_REPLACE] = STORE_SHAPE(MODE_REPLACE, false, 8),
    [BINARY_REPLACEQ] = STORE_SHAPE(MODE_REPLACE, true, 8),
    [BINARY_APPEND] = STORE_SHAPE(MODE_APPEND, false, 0),
    [BINARY_APPENDQ] = STORE_SHAPE(MODE_APPEND, true, 0),
    [BINARY_PREPEND] = STORE_SHAPE(MODE_PREPEND, false, 0),
    [BINARY_PREPENDQ] = STORE_SHAPE(MODE_PREPEND, true, 0),
    [BINARY_INCREMENT] = ARITHMETIC_SHAPE(MODE_INCREMENT, false),
    [BINARY_INCREMENTQ] = ARITHMETIC_SHAPE(MODE_INCREMENT, true),
    [BINARY_DECREMENT] = ARITHMETIC_SHAPE(MODE_DECREMENT, false),
    [BINARY_DECREMENTQ] = ARITHMETIC_SHAPE(MODE_DECREMENT, true),
    [BINARY_DELETE] = REMOVE_SHAPE(false),
    [BINARY_DELETEQ] = REMOVE_SHAPE(true),
    [BINARY_FLUSH] = FLUSH_SHAPE(false),
    [BINARY_FLUSHQ] = FLUSH_SHAPE(true),
    [BINARY_QUIT] = PLAIN_SHAPE(COMMAND_QUIT, false),
    [BINARY_QUITQ] = PLAIN_SHAPE(COMMAND_QUIT, true),
    [BINARY_NOOP] = PLAIN_SHAPE(COMMAND_NOOP, false),
    [BINARY_VERSION] = PLAIN_SHAPE(COMMAND_VERSION, false),
    [BINARY_TOUCH] = {.known = true,
                      .kind = COMMAND_TOUCH,
                      .extras_bytes = 4,
                      .key = ALWAYS},
    [BINARY_STAT] = {.known = true, .kind = COMMAND_STATS, .key = OPTIONAL},
};

struct header {
    size_t key_bytes;
    size_t extras_bytes;
    size_t body_bytes;
    size_t value_bytes;
};

static bool is_sasl(uint8_t opcode)
{
    return opcode >= BINARY_SASL_LIST && opcode <= BINARY_SASL_STEP;
}

static bool frame_fits(const struct shape *shape, const struct header *header)
{
    size_t lacking_bytes = PLANTED == PLANTED_BINARY_EXTRAS &&
                           header->extras_bytes + 1 == shape->extras_bytes;

    if (header->extras_bytes + lacking_bytes != shape->extras_bytes &&
        !(shape->extras_optional && header->extras_bytes == 0))
        return false;
    if (header->key_bytes > COMMAND_KEY_BYTES_MAX)
        return false;
    if (shape->key == ALWAYS && header->key_bytes == 0)
        return false;
    if (shape->key == NEVER && header->key_bytes != 0)
        return false;
    return shape->has_value || header->value_bytes == 0;
}

static struct parsed refuse(struct command *command, enum refusal refusal,
                            bool closes)
{
    command->kind = COMMAND_REFUSED;
    command->refusal = refusal;
    command->quiet = false;
    command->closes = closes;
    return (struct parsed){.result = PARSE_COMMAND,
                           .used = BINARY_HEADER_BYTES};
}

static void take_extras(const struct shape *shape, const uint8_t *extras,
                        struct command *command)
{
    switch (shape->kind) {
    case COMMAND_STORE:
        if (shape->extras_bytes == 8) {
            command->flags = bigendian_load32(extras);
            command->exptime = bigendian_load32(extras + 4);
        }
        break;
    case COMMAND_ARITHMETIC:
        command->delta = bigendian_load64(extras);
        command->initial = bigendian_load64(extras + 8);
        command->creates =
            bigendian_load32(extras + 16) != BINARY_EXPTIME_NO_CREATION;
        command->exptime = bigendian_load32(extras + 16);
        break;
    default:
        command->exptime = bigendian_load32(extras);
        break;
    }
}

/* The value of a store: here, still to come, or more than is kept. */
static struct parsed take_value(struct span input, size_t used,
                                const struct parse_limits *limits,
                                struct command *command)
{
    if (command->value_bytes + command->key.length > limits->item_bytes_max) {
        command->block_fault = BLOCK_TOO_LARGE;
        command->swallow_bytes = command->value_bytes;
    } else if (command->value_bytes > COMMAND_INLINE_BYTES_MAX) {
        command->value_follows = true;
    } else if (input.length < used + command->value_bytes) {
        return (struct parsed){.result = PARSE_MORE,
                               .need = used + command->value_bytes};
    } else {
        command->value = span_of(input.data + used, command->value_bytes);
        used += command->value_bytes;
    }
    return (struct parsed){.result = PARSE_COMMAND, .used = used};
}

struct parsed binary_parse(struct span input, const struct parse_limits *limits,
                           struct command *command)
{
    command_clear(command, PROTOCOL_BINARY);
    command->with_token = true;
    if (input.length > 0 && input.data[0] != BINARY_MAGIC_REQUEST)
        return (struct parsed){.result = PARSE_CLOSE};
    if (input.length < BINARY_HEADER_BYTES)
        return (struct parsed){.result = PARSE_MORE,
                               .need = BINARY_HEADER_BYTES};

    struct header header = {.key_bytes = bigendian_load16(input.data + 2),
                            .extras_bytes = input.data[4],
                            .body_bytes = bigendian_load32(input.data + 8)};
    size_t framed_bytes = header.key_bytes + header.extras_bytes;
    command->opcode = input.data[1];
    command->opaque = bigendian_load32(input.data + 12);
    command->compare = bigendian_load64(input.data + 16);
    const struct shape *shape = &shapes[command->opcode];

    if (framed_bytes > header.body_bytes)
        return refuse(command, REFUSAL_UNKNOWN_COMMAND, true);
    if (header.body_bytes > BINARY_BODY_BYTES_MAX)
        return refuse(command, REFUSAL_ARGUMENTS, true);
    if (!shape->known) {
        if (limits->with_sasl && is_sasl(command->opcode))
            return (struct parsed){.result = PARSE_CREDENTIALS};
        command->swallow_bytes = header.body_bytes;
        return refuse(command, REFUSAL_UNKNOWN_COMMAND, false);
    }
    header.value_bytes = header.body_bytes - framed_bytes;
    if (!frame_fits(shape, &header))
        return refuse(command, REFUSAL_ARGUMENTS, true);

    size_t used = BINARY_HEADER_BYTES + framed_bytes;
    if (input.length < used)
        return (struct parsed){.result = PARSE_MORE, .need = used};
    command->kind = shape->kind;
    command->mode = shape->mode;
    command->quiet = shape->quiet;
    command->with_key = shape->with_key;
    command->touches = shape->touches;
    command->has_compare = command->compare != 0;
    command->value_bytes = header.value_bytes;
    if (header.extras_bytes > 0)
        take_extras(shape, input.data + BINARY_HEADER_BYTES, command);
    command->key =
        span_of(input.data + BINARY_HEADER_BYTES + header.extras_bytes,
                header.key_bytes);
    if (shape->kind == COMMAND_STATS)
        command->argument = command->key;
    return take_value(input, used, limits, command);
}
