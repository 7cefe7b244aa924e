/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What comes to the door of a keyed farm without the key, or answers where it
 * dials: the machine has no link with any of it, and a member still gets in.
 *
 * Input: a byte about what comes (see `scene_kind`), then it, in pieces: a byte
 * for the length of each before it.  It is what the fuzzer thinks of; or all
 * that a member once said, played again, or what somebody says who has another
 * key, each with some of its bytes changed: a piece says how many are left as
 * they are, and a byte how the next is changed.
 */
#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fuzz/far.h"
#include "tests/fuzz/near.h"
#include "tests/fuzz/outside.h"

#define PIECES_MAX 256
#define RECORD_BYTES_MAX ((size_t)4096)

enum scene_kind {
    SCENE_BYTES,
    SCENE_RECORDED,
    SCENE_OTHER_KEY,
    SCENE_KINDS,
    SCENE_DIALLED = 128 /* a bit: the server has dialled */
};

/* Of what is sent in place of bytes, or changed on its way. */
struct flight {
    uint8_t bytes[RECORD_BYTES_MAX];
    size_t length;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
const char *__asan_default_options(void);

static struct tls *near_keys;
static struct tls *far_keys;
static struct tls *other_keys;
/* All that a member said up to its HELLO, and was answered. */
static struct flight recorded;
static struct flight replies;

const char *__asan_default_options(void)
{
    return "quarantine_size_mb=16";
}

/* ---- what a member once said ---- */

static void take_flight(int from, struct flight *flight)
{
    ssize_t got;

    while ((got = recv(from, flight->bytes + flight->length,
                       sizeof(flight->bytes) - flight->length, 0)) > 0)
        flight->length += (size_t)got;
}

static void pass_on(int from, int to, struct flight *flight)
{
    size_t begun = flight->length;

    take_flight(from, flight);
    ssize_t sent = flight->length == begun
                       ? 0
                       : send(to, flight->bytes + begun, flight->length - begun,
                              MSG_NOSIGNAL);
    assert(sent == (ssize_t)(flight->length - begun));
}

static void record_member(void)
{
    uint8_t hello[] = {0, 0, 0, 9, MESSAGE_HEARTBEAT_REQUEST, 0, 0, 0, 0,
                       0, 0, 0, 0};
    struct near near;
    struct far far;
    int relay[2];
    int ends[2];

    outside_begin();
    near_create(&near, near_keys, false);
    outside_connect(ends, 0);
    outside_connect(relay, 0);
    links_accept(ends[0], near.peers);
    far_begin(&far, relay[0], far_keys, true);
    while (!far.is_ready) {
        enum tls_progress progress = tls_shake_hands(far.tls);
        assert(progress != TLS_FAILED);
        far.is_ready = progress == TLS_READY;
        pass_on(relay[1], ends[1], &recorded);
        outside_run();
        pass_on(ends[1], relay[1], &replies);
    }
    bool is_said = far_say(&far, span_of(hello, sizeof(hello)));
    assert(is_said);
    take_flight(relay[1], &recorded);
    assert(recorded.length > 250);
    far_end(&far);
    close(relay[1]);
    close(ends[1]);
    near_destroy(&near);
    outside_end();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    outside_pool_openssl();
    near_keys = near_make_keys('5');
    far_keys = near_make_keys('5');
    other_keys = near_make_keys('6');
    record_member();
    return 0;
}

/* ---- what comes ---- */

static void deliver(int fd, const uint8_t *bytes, size_t length)
{
    if (length > 0 && send(fd, bytes, length, MSG_NOSIGNAL) < 0)
        return; /* it was cut */
    outside_run();
}

static void come_in_bytes(int fd, struct reader *input)
{
    for (unsigned i = 0; i < PIECES_MAX && input->rest.length > 0; i++) {
        size_t length = read_u8(input);
        if (length > input->rest.length)
            length = input->rest.length;
        struct span piece = read_bytes(input, length);
        deliver(fd, piece.data, piece.length);
    }
}

/* Changes what the input says, and delivers it in these pieces. */
static void come_changed(int fd, struct flight *flight, struct reader *input)
{
    size_t at = 0;
    size_t sent = 0;

    while (input->rest.length >= 2 && at < flight->length) {
        at += read_u8(input);
        if (at < flight->length)
            flight->bytes[at++] ^= read_u8(input);
        size_t end = at < flight->length ? at : flight->length;
        deliver(fd, flight->bytes + sent, end - sent);
        sent = end;
    }
    deliver(fd, flight->bytes + sent, flight->length - sent);
}

static void come_with_other_key(int fd, struct reader *input, bool is_dialled)
{
    struct flight heard = {.length = 0};
    struct far far;
    int relay[2];
    bool is_ready = false;

    outside_connect(relay, 0);
    far_begin(&far, relay[0], other_keys, !is_dialled);
    for (unsigned i = 0; i < 8; i++) {
        if (is_dialled)
            pass_on(fd, relay[1], &heard);
        struct flight flight = {.length = 0};
        enum tls_progress progress = tls_shake_hands(far.tls);
        is_ready = progress == TLS_READY;
        take_flight(relay[1], &flight);
        come_changed(fd, &flight, input);
        if (progress == TLS_FAILED || is_ready)
            break;
        heard.length = 0;
        pass_on(fd, relay[1], &heard);
    }
    assert(!is_ready);
    far_end(&far);
    close(relay[1]);
}

static void come(struct near *near, uint8_t what, struct reader *input)
{
    bool is_dialled = (what & SCENE_DIALLED) != 0;
    struct flight flight = is_dialled ? replies : recorded;
    int ends[2];

    if (is_dialled) {
        ends[1] = outside_take_dialled();
        assert(ends[1] >= 0);
    } else {
        outside_connect(ends, 0);
        links_accept(ends[0], near->peers);
    }
    switch (what % SCENE_KINDS) {
    case SCENE_RECORDED:
        come_changed(ends[1], &flight, input);
        break;
    case SCENE_OTHER_KEY:
        come_with_other_key(ends[1], input, is_dialled);
        break;
    default:
        come_in_bytes(ends[1], input);
        break;
    }
    /* Nothing was heard of it. */
    assert(outside_links(near->peers->farm) == 0);
    for (size_t i = 0; i < near->peers->links_end; i++)
        assert(near->peers->links[i] == NULL ||
               near->peers->links[i]->state == LINK_SHAKING);
    near_check(near);
    close(ends[1]);
    outside_run();
    assert(near->peers->handshakes_failed == 1 || is_dialled);
    assert(near->peers->links[0] == NULL);
}

/* ---- and a member ---- */

static void let_in_member(struct near *near)
{
    struct far far;
    int ends[2];

    outside_connect(ends, 0);
    links_accept(ends[0], near->peers);
    far_begin(&far, ends[1], far_keys, true);
    bool is_linked = far_shake_hands(&far);
    assert(is_linked);
    far_end(&far);
    outside_run();
    near_check(near);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader input = reader_of(span_of(data, size));
    uint8_t what = read_u8(&input);
    struct near near;

    outside_begin();
    near_create(&near, near_keys, (what & SCENE_DIALLED) != 0);
    come(&near, what, &input);
    if (size % 8 == 0)
        let_in_member(&near);
    near_destroy(&near);
    outside_end();
    return 0;
}
