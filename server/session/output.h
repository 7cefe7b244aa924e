/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Output: replies on their way to a client.
 *
 * Small things are copied into one buffer; large values are referred to
 * where they lie, pinned until they are sent.  One system call sends all.
 *
 * Threads: its session's.
 * Fails:   when memory is out; the connection is to be closed then.
 */
#ifndef SERVER_SESSION_OUTPUT_H
#define SERVER_SESSION_OUTPUT_H

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "server/session/transport.h"
#include "server/store/store.h"

/*
 * A reply may be held back until other servers hold what it tells of; then
 * all behind it waits with it, in order.
 */
struct held_reply {
    size_t begin_bytes; /* of the buffer */
    size_t end_bytes;
    uint64_t number; /* of the record that it waits for */
    uint32_t opaque; /* of its request, to answer otherwise */
    uint8_t opcode;
    bool is_plain; /* a value, which is told whatever comes of its touch */
};

/* Beyond this a session sends before it answers more. */
#define OUTPUT_BYTES_HIGH ((size_t)256 * 1024)
#define OUTPUT_REFERENCES_HIGH 64

/* So much is sent at once: from a client that reads as fast as this, others
 * would not get a turn. */
#define OUTPUT_SEND_BYTES_MAX ((size_t)2 * 1024 * 1024)

struct reference {
    size_t at_bytes; /* of the buffer; the value goes before them */
    struct span value;
    struct segment *pinned; /* NULL: the value is a copy, on the heap */
};

struct output {
    uint8_t *bytes;
    size_t capacity_bytes;
    struct reference *references;
    size_t references_capacity;
    struct held_reply *held;
    size_t held_capacity;

    /* All 0 in an empty output. */
    size_t used_bytes;
    size_t sent_bytes;
    size_t references_used;
    size_t references_sent;
    size_t reference_sent_bytes; /* of the first one not sent */
    size_t shared_bytes; /* of values, sent or not, whose pin is shared */
    size_t copied_bytes; /* of those, copied as the client was too slow */
    size_t held_first;
    size_t held_used;
};

/* OUTPUT_HELD: all is sent that may be.  OUTPUT_BLOCKED: the rest is sent when
 * the socket takes it, at once perhaps. */
enum output_result { OUTPUT_SENT, OUTPUT_HELD, OUTPUT_BLOCKED, OUTPUT_BROKEN };

static inline bool output_is_empty(const struct output *output)
{
    return output->sent_bytes == output->used_bytes &&
           output->references_sent == output->references_used;
}

static inline bool output_is_high(const struct output *output)
{
    return output->used_bytes + output->shared_bytes >= OUTPUT_BYTES_HIGH ||
           output->references_used >= OUTPUT_REFERENCES_HIGH;
}

/* The memory of an empty output goes to one that has none. */
static inline void output_hand_over(struct output *from, struct output *to)
{
    size_t memory_bytes = offsetof(struct output, used_bytes);

    memcpy(to, from, memory_bytes);
    memset(from, 0, memory_bytes);
}

/* Room for `bytes` more, where there is less; false: none. */
MUST_USE bool output_grow(struct output *output, size_t bytes);

/* Room for `bytes` more, of which output_add() then takes some; NULL: none. */
static inline uint8_t *output_room(struct output *output, size_t bytes)
{
    if (output->used_bytes + bytes > output->capacity_bytes &&
        !output_grow(output, bytes))
        return NULL;
    return output->bytes + output->used_bytes;
}

static inline void output_add(struct output *output, size_t bytes)
{
    assert(output->used_bytes + bytes <= output->capacity_bytes);
    output->used_bytes += bytes;
}

/* Takes `pinned`, whatever comes of it. */
MUST_USE bool output_refer(struct output *output, struct store *store,
                           struct span value, struct segment *pinned);

/* Holds back a reply, and all that comes behind it. */
MUST_USE bool output_hold(struct output *output, const struct held_reply *held);

/* The first reply that is held back, or NULL. */
const struct held_reply *output_first_held(const struct output *output);

/* Lets go of the first one. */
void output_let_go(struct output *output);

/* The first one says `reply` instead. */
MUST_USE bool output_replace_held(struct output *output, struct span reply);

/* Sends what the socket takes, and OUTPUT_SEND_BYTES_MAX at most; adds it to
 * `sent_bytes`. */
enum output_result output_send(struct output *output, struct store *store,
                               const struct transport *transport,
                               size_t *sent_bytes);

/* What is left waits for a client: values that share what is pinned with
 * others are copied, lest he keep it. */
MUST_USE bool output_unshare(struct output *output, struct store *store);

/* Drops what was not sent, and the memory. */
void output_release(struct output *output, struct store *store);

#endif
