/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Commands on their way to their homes, and results on their way back: what is
 * decoded says the same when it is encoded and decoded again.
 *
 * Input: the length of a command in a byte, the command, a result of it.
 */
#include <assert.h>
#include <stdlib.h>

#include "proto/base/cursor.h"
#include "server/command/parcel.h"
#include "tests/support/guarded.h"

#define ITEM_BYTES_MAX ((size_t)4096)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_same(const struct command *one, const struct command *other)
{
    assert(one->kind == other->kind && one->mode == other->mode);
    assert(one->block_fault == other->block_fault);
    assert(one->flags == other->flags && one->delta == other->delta);
    assert(one->exptime == other->exptime && one->token == other->token);
    assert(span_equal(one->key, other->key));
    assert(span_equal(one->value, other->value));
}

static bool try_command(struct span bytes, struct command *command)
{
    static uint8_t room[PARCEL_BYTES_BESIDE_VALUE + ITEM_BYTES_MAX];
    struct command again;

    if (!parcel_decode(bytes, ITEM_BYTES_MAX, command))
        return false;
    assert(command->key.length + command->value.length <= ITEM_BYTES_MAX);
    size_t used = parcel_encode(command, room);
    assert(used <= sizeof(room));
    bool is_whole = parcel_decode(span_of(room, used), ITEM_BYTES_MAX, &again);
    assert(is_whole);
    assert_same(command, &again);
    return true;
}

static void try_result(struct span bytes, const struct command *command)
{
    struct sighting sighting = {0};
    struct sighting again_sighting = {0};
    struct execution execution = {.sighting = &sighting};
    struct execution again = {.sighting = &again_sighting};

    if (!parcel_decode_result(bytes, command, &execution))
        return;
    uint8_t *room = malloc(PARCEL_BYTES_BESIDE_VALUE + bytes.length);
    assert(room != NULL);
    size_t used = parcel_encode_result(&execution, room);
    bool is_whole = parcel_decode_result(span_of(room, used), command, &again);
    assert(is_whole);
    assert(again.outcome.kind == execution.outcome.kind);
    assert(again.outcome.token == execution.outcome.token);
    assert(again.outcome.number == execution.outcome.number);
    assert(again_sighting.is_seen == sighting.is_seen);
    free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader input = reader_of(span_of(data, size));
    size_t length = read_u8(&input);
    struct command command;

    if (length > input.rest.length)
        length = input.rest.length;
    struct span first = read_bytes(&input, length);
    /* One byte read beyond the end is found out. */
    uint8_t *exact = malloc(length + 1);
    assert(exact != NULL);
    span_copy(exact, first);
    if (try_command(span_of(exact, length), &command)) {
        struct span result = guarded_copy(input.rest);
        try_result(result, &command);
        guarded_return();
    }
    free(exact);
    /* And all of it, where a value is longer than a byte can tell. */
    struct span whole = guarded_copy(span_of(data, size));
    (void)try_command(whole, &command);
    guarded_return();
    return 0;
}
