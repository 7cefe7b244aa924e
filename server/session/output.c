/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/output.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define PIECES_MAX 64
#define CAPACITY_BYTES_MIN ((size_t)16 * 1024)
#define REFERENCES_MIN 8
#define HELD_MIN 16
/* Of one connection, before others. */
#define ENCRYPTED_BYTES_MAX ((size_t)1024 * 1024)

bool output_grow(struct output *output, size_t bytes)
{
    size_t needed_bytes = output->used_bytes + bytes;
    size_t capacity_bytes = output->capacity_bytes == 0
                                ? CAPACITY_BYTES_MIN
                                : output->capacity_bytes;

    while (capacity_bytes < needed_bytes)
        capacity_bytes *= 2;
    uint8_t *grown = realloc(output->bytes, capacity_bytes);
    if (grown == NULL)
        return false;
    output->bytes = grown;
    output->capacity_bytes = capacity_bytes;
    return true;
}

bool output_refer(struct output *output, struct store *store, struct span value,
                  struct segment *pinned)
{
    if (output->references_used == output->references_capacity) {
        size_t capacity = output->references_capacity == 0
                              ? REFERENCES_MIN
                              : 2 * output->references_capacity;
        struct reference *grown =
            realloc(output->references, capacity * sizeof(*grown));
        if (grown == NULL) {
            store_unpin(store, pinned);
            return false;
        }
        output->references = grown;
        output->references_capacity = capacity;
    }
    output->references[output->references_used++] =
        (struct reference){output->used_bytes, value, pinned};
    if (store_pin_is_shared(pinned))
        output->shared_bytes += value.length;
    return true;
}

static void drop_reference(struct output *output, struct store *store,
                           struct reference *reference)
{
    if (reference->pinned != NULL) {
        store_unpin(store, reference->pinned);
        return;
    }
    output->copied_bytes -= reference->value.length;
    free((void *)(uintptr_t)reference->value.data);
}

bool output_unshare(struct output *output, struct store *store)
{
    for (size_t i = output->references_sent; i < output->references_used; i++) {
        struct reference *reference = &output->references[i];
        size_t bytes = reference->value.length;
        if (reference->pinned == NULL ||
            !store_pin_is_shared(reference->pinned))
            continue;
        uint8_t *copy = malloc(bytes);
        if (copy == NULL)
            return false;
        span_copy(copy, reference->value);
        store_unpin(store, reference->pinned);
        reference->pinned = NULL;
        reference->value = span_of(copy, bytes);
        output->copied_bytes += bytes;
    }
    return true;
}

/* ---- replies that are held back ---- */

bool output_hold(struct output *output, const struct held_reply *held)
{
    if (output->held_used == output->held_capacity) {
        size_t capacity =
            output->held_capacity == 0 ? HELD_MIN : 2 * output->held_capacity;
        struct held_reply *grown =
            realloc(output->held, capacity * sizeof(*grown));
        if (grown == NULL)
            return false;
        output->held = grown;
        output->held_capacity = capacity;
    }
    output->held[output->held_used++] = *held;
    return true;
}

const struct held_reply *output_first_held(const struct output *output)
{
    return output->held_first < output->held_used
               ? &output->held[output->held_first]
               : NULL;
}

void output_let_go(struct output *output)
{
    assert(output->held_first < output->held_used);
    output->held_first++;
    if (output->held_first == output->held_used) {
        output->held_first = 0;
        output->held_used = 0;
    }
}

bool output_replace_held(struct output *output, struct span reply)
{
    struct held_reply *held = &output->held[output->held_first];
    size_t old_bytes = held->end_bytes - held->begin_bytes;
    size_t behind_bytes = output->used_bytes - held->end_bytes;

    if (output_room(output, reply.length) == NULL)
        return false;
    uint8_t *at = output->bytes + held->begin_bytes;
    memmove(at + reply.length, at + old_bytes, behind_bytes);
    span_copy(at, reply);
    output->used_bytes = output->used_bytes - old_bytes + reply.length;
    for (size_t i = output->held_first + 1; i < output->held_used; i++) {
        output->held[i].begin_bytes += reply.length - old_bytes;
        output->held[i].end_bytes += reply.length - old_bytes;
    }
    for (size_t i = output->references_sent; i < output->references_used; i++) {
        if (output->references[i].at_bytes >= held->end_bytes)
            output->references[i].at_bytes += reply.length - old_bytes;
    }
    held->end_bytes = held->begin_bytes + reply.length;
    return true;
}

/* ---- sending ---- */

/* How far the bytes may be sent. */
static size_t limit_bytes(const struct output *output)
{
    const struct held_reply *held = output_first_held(output);

    return held == NULL ? output->used_bytes : held->begin_bytes;
}

/* How far the bytes go before the next reference, or the limit. */
static size_t bytes_until(const struct output *output, size_t reference,
                          size_t limit)
{
    return reference < output->references_used &&
                   output->references[reference].at_bytes <= limit
               ? output->references[reference].at_bytes
               : limit;
}

/* True where a value is to be sent, behind the bytes before it. */
static bool has_reference(const struct output *output, size_t reference,
                          size_t limit)
{
    return reference < output->references_used &&
           output->references[reference].at_bytes <= limit;
}

/* What is to be sent next, in order, as far as one call takes it: no more than
 * `bytes_max`. */
static size_t list_pieces(const struct output *output, size_t limit,
                          size_t bytes_max, struct iovec pieces[PIECES_MAX])
{
    size_t count = 0;
    size_t at_bytes = output->sent_bytes;
    size_t reference = output->references_sent;
    size_t skip_bytes = output->reference_sent_bytes;

    while (count < PIECES_MAX && bytes_max > 0) {
        size_t until_bytes = bytes_until(output, reference, limit);
        struct iovec piece;
        if (at_bytes < until_bytes) {
            piece = (struct iovec){.iov_base = output->bytes + at_bytes,
                                   .iov_len = until_bytes - at_bytes};
            at_bytes = until_bytes;
        } else if (has_reference(output, reference, limit)) {
            struct span value = output->references[reference++].value;
            piece = (struct iovec){
                .iov_base = (void *)(uintptr_t)(value.data + skip_bytes),
                .iov_len = value.length - skip_bytes};
            skip_bytes = 0;
        } else {
            break;
        }
        if (piece.iov_len > bytes_max)
            piece.iov_len = bytes_max;
        bytes_max -= piece.iov_len;
        pieces[count++] = piece;
    }
    return count;
}

static void drop_sent(struct output *output, struct store *store, size_t limit,
                      size_t bytes)
{
    for (;;) {
        size_t until_bytes =
            bytes_until(output, output->references_sent, limit);
        size_t plain_bytes = until_bytes - output->sent_bytes;
        if (plain_bytes > bytes)
            plain_bytes = bytes;
        output->sent_bytes += plain_bytes;
        bytes -= plain_bytes;
        if (output->sent_bytes < until_bytes ||
            !has_reference(output, output->references_sent, limit))
            break;

        struct reference *reference =
            &output->references[output->references_sent];
        size_t left_bytes =
            reference->value.length - output->reference_sent_bytes;
        if (bytes < left_bytes) {
            output->reference_sent_bytes += bytes;
            return;
        }
        bytes -= left_bytes;
        drop_reference(output, store, reference);
        output->references_sent++;
        output->reference_sent_bytes = 0;
    }
    assert(bytes == 0);
}

/* Most of the time there is one piece, and no vector for the system to
 * copy. */
static ssize_t send_pieces(int fd, struct iovec *pieces, size_t count)
{
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};

    return count == 1
               ? send(fd, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL)
               : sendmsg(fd, &message, MSG_NOSIGNAL);
}

/*
 * A record for as much as it takes, small things put together.
 *
 * What is offered again, after nothing was taken, begins with what was
 * offered before: an output only grows, and holding back ends, at its end.
 * Not inline, lest every plain reply pays for the record on the stack.
 */
__attribute__((noinline)) static ssize_t
send_encrypted(struct tls_link *tls, const struct iovec *pieces, size_t count)
{
    uint8_t record[TLS_RECORD_BYTES_MAX];
    size_t record_bytes = tls_record_bytes(tls);
    size_t bytes = 0;

    if (count == 1 || pieces[0].iov_len >= record_bytes) {
        bytes = pieces[0].iov_len;
        return tls_write(tls,
                         span_of(pieces[0].iov_base,
                                 bytes < record_bytes ? bytes : record_bytes));
    }
    for (size_t i = 0; i < count && bytes < record_bytes; i++) {
        size_t part = record_bytes - bytes;
        if (pieces[i].iov_len < part)
            part = pieces[i].iov_len;
        memcpy(record + bytes, pieces[i].iov_base, part);
        bytes += part;
    }
    return tls_write(tls, span_of(record, bytes));
}

/* What is left of it after a send that failed. */
static enum output_result failure(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK ? OUTPUT_BLOCKED
                                                   : OUTPUT_BROKEN;
}

static void start_again(struct output *output)
{
    output->used_bytes = 0;
    output->sent_bytes = 0;
    output->references_used = 0;
    output->references_sent = 0;
    output->shared_bytes = 0;
}

/* Whatever there is, wherever it lies, as far as it is not held back. */
static enum output_result send_any(struct output *output, struct store *store,
                                   const struct transport *transport,
                                   size_t *sent_bytes)
{
    struct iovec pieces[PIECES_MAX];
    size_t limit = limit_bytes(output);
    size_t bytes_left = OUTPUT_SEND_BYTES_MAX;

    while (!output_is_empty(output)) {
        if (bytes_left == 0)
            return OUTPUT_BLOCKED;
        size_t count = list_pieces(output, limit, bytes_left, pieces);
        if (count == 0)
            return OUTPUT_HELD;
        /* Encrypting is work: others have their turn between. */
        if (transport->tls != NULL && *sent_bytes >= ENCRYPTED_BYTES_MAX)
            return OUTPUT_BLOCKED;
        ssize_t sent = transport->tls == NULL
                           ? send_pieces(transport->fd, pieces, count)
                           : send_encrypted(transport->tls, pieces, count);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return failure(errno);
        *sent_bytes += (size_t)sent;
        bytes_left -= (size_t)sent;
        drop_sent(output, store, limit, (size_t)sent);
    }
    start_again(output);
    return OUTPUT_SENT;
}

/* Most of the time it is some bytes in the clear, and the socket takes all. */
enum output_result output_send(struct output *output, struct store *store,
                               const struct transport *transport,
                               size_t *sent_bytes)
{
    size_t bytes = output->used_bytes - output->sent_bytes;

    if (transport->tls != NULL || output->references_used > 0 ||
        output->held_used > 0 || bytes == 0 || bytes > OUTPUT_SEND_BYTES_MAX)
        return send_any(output, store, transport, sent_bytes);
    ssize_t sent = send(transport->fd, output->bytes + output->sent_bytes,
                        bytes, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EINTR ? send_any(output, store, transport, sent_bytes)
                              : failure(errno);
    *sent_bytes += (size_t)sent;
    output->sent_bytes += (size_t)sent;
    if ((size_t)sent < bytes)
        return send_any(output, store, transport, sent_bytes);
    start_again(output);
    return OUTPUT_SENT;
}

void output_release(struct output *output, struct store *store)
{
    for (size_t i = output->references_sent; i < output->references_used; i++)
        drop_reference(output, store, &output->references[i]);
    free(output->references);
    free(output->held);
    free(output->bytes);
    *output = (struct output){0};
}
