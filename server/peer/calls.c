/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls: what the machine asks to be executed, until the driver comes to it:
 * all effects of a step are drained before the next.
 */
#include <stdlib.h>

#include "server/peer/driver.h"

/* Room for `count` of them, and `bytes` more. */
static void grow(struct driver_calls *calls, size_t count, size_t bytes)
{
    if (count > calls->capacity) {
        calls->capacity = 2 * count;
        calls->list =
            realloc(calls->list, calls->capacity * sizeof(calls->list[0]));
    }
    if (bytes > calls->bytes_capacity) {
        calls->bytes_capacity = bytes + bytes / 2;
        calls->bytes = realloc(calls->bytes, calls->bytes_capacity);
    }
    /* A home that forgets a command is worse than none. */
    if (calls->list == NULL || calls->bytes == NULL)
        abort();
}

void calls_add(struct peers *peers, const struct farm_effect *effect)
{
    struct driver_calls *calls = &peers->calls;

    grow(calls, calls->count + 1, calls->bytes_used + effect->bytes.length + 1);
    span_copy(calls->bytes + calls->bytes_used, effect->bytes);
    calls->list[calls->count++] =
        (struct driver_call){.number = effect->waiter,
                             .asker = effect->number,
                             .asked = peers->stepped,
                             .now = farm_time(peers->farm, peers->stepped),
                             .gives_way = effect->gives_way,
                             .is_asked = effect->is_asked,
                             .is_certain = effect->is_certain,
                             .offset = calls->bytes_used,
                             .length = effect->bytes.length};
    calls->bytes_used += effect->bytes.length;
}

const struct driver_call *calls_take(struct peers *peers, struct span *bytes)
{
    struct driver_calls *calls = &peers->calls;

    if (calls->taken == calls->count) {
        calls->taken = 0;
        calls->count = 0;
        calls->bytes_used = 0;
        return NULL;
    }
    const struct driver_call *call = &calls->list[calls->taken++];
    *bytes = span_of(calls->bytes + call->offset, call->length);
    return call;
}

void calls_release(struct peers *peers)
{
    free(peers->calls.list);
    free(peers->calls.bytes);
}
