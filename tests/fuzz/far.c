/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/fuzz/far.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/outside.h"

#define TURNS_MAX 64
#define ROOM_BYTES ((size_t)64 << 10)

void far_begin(struct far *far, int fd, struct tls *keys, bool has_dialled)
{
    *far =
        (struct far){.fd = fd, .tls = tls_open_member(keys, fd, has_dialled)};
    assert(far->tls != NULL);
}

void far_end(struct far *far)
{
    if (far->tls == NULL)
        return;
    tls_close(far->tls);
    close(far->fd);
    free(far->heard);
    *far = (struct far){.fd = -1};
}

bool far_shake_hands(struct far *far)
{
    for (unsigned i = 0; i < TURNS_MAX && !far->is_ready; i++) {
        enum tls_progress progress = tls_shake_hands(far->tls);
        if (progress == TLS_FAILED)
            return false;
        far->is_ready = progress == TLS_READY;
        outside_run();
    }
    return far->is_ready;
}

bool far_say(struct far *far, struct span bytes)
{
    for (unsigned i = 0; i < TURNS_MAX && bytes.length > 0;) {
        ssize_t sent = tls_write(far->tls, bytes);
        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent > 0) {
            bytes = span_of(bytes.data + sent, bytes.length - (size_t)sent);
            continue;
        }
        outside_run();
        i++;
    }
    return bytes.length == 0;
}

bool far_has_news(const struct far *far)
{
    struct pollfd descriptor = {.fd = far->fd, .events = POLLIN};

    return !far->is_deaf && poll(&descriptor, 1, 0) == 1;
}

static void make_room(struct far *far)
{
    if (far->capacity_bytes - far->heard_bytes >= ROOM_BYTES)
        return;
    far->capacity_bytes = far->heard_bytes * 2 + ROOM_BYTES;
    far->heard = realloc(far->heard, far->capacity_bytes);
    assert(far->heard != NULL);
}

bool far_hear(struct far *far)
{
    ssize_t got = 1;

    if (far->is_deaf)
        return true;
    while (got > 0) {
        make_room(far);
        struct iovec place = {.iov_base = far->heard + far->heard_bytes,
                              .iov_len =
                                  far->capacity_bytes - far->heard_bytes};
        got = tls_read(far->tls, &place, 1);
        if (got > 0)
            far->heard_bytes += (size_t)got;
    }
    return got < 0 && errno == EAGAIN;
}

bool far_next(struct far *far, struct message *message)
{
    struct span inner;
    size_t used;
    enum frame_result result = message_frame(
        span_of(far->heard, far->heard_bytes), (size_t)16 << 20, &inner, &used);

    assert(result != FRAME_TOO_LARGE);
    if (result == FRAME_MORE)
        return false;
    enum decode_result decoded = message_decode(inner, message);
    assert(decoded == DECODE_OK);
    assert(message->kind != MESSAGE_UNKNOWN);
    return true;
}

void far_take(struct far *far)
{
    size_t bytes = MESSAGE_FRAME_BYTES + bigendian_load32(far->heard);

    far->heard_bytes -= bytes;
    memmove(far->heard, far->heard + bytes, far->heard_bytes);
}
