/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Replies reach a client whole and in their order, however little its socket
 * takes at a time; and a value that is sent from where it lies stays there
 * until then, and no longer.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/prng.h"
#include "server/session/output.h"

#define MEGABYTE ((size_t)1024 * 1024)
#define NOW (UINT64_C(1800000000) * TIME_US_PER_S)
/* Large enough to lie in a segment of its own, and so to be pinned. */
#define LARGE_BYTES ((size_t)40000)
/* Pinned, too, in a segment that others share. */
#define SHARED_BYTES ((size_t)10000)
#define EXPECTED_BYTES_MAX (16 * MEGABYTE)

static struct store *store;
static struct output output;
static int ours;
static struct transport wire; /* ours */
static int theirs;
/* What the client is to get, and what it has got. */
static uint8_t *expected;
static size_t expected_bytes;
static size_t got_bytes;
static size_t sent_bytes; /* as output_send() tells it */

static void make_tiny(int fd)
{
    int bytes = 1;

    assert_int_equal(
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
    assert_int_equal(
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

static int set_up(void **state)
{
    struct store_settings settings = {.memory_bytes_max = 64 * MEGABYTE,
                                      .item_bytes_max = MEGABYTE,
                                      .evicts = true,
                                      .seed = 3};
    int ends[2];

    (void)state;
    store = store_create(&settings);
    assert_non_null(store);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ours = ends[0];
    wire = (struct transport){.fd = ours};
    theirs = ends[1];
    make_tiny(ours);
    make_tiny(theirs);
    output = (struct output){0};
    expected = malloc(EXPECTED_BYTES_MAX);
    assert_non_null(expected);
    expected_bytes = 0;
    got_bytes = 0;
    sent_bytes = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    output_release(&output, store);
    close(ours);
    if (theirs >= 0)
        close(theirs);
    free(expected);
    store_check(store);
    store_destroy(store);
    return 0;
}

static void expect(struct span bytes)
{
    assert_true(expected_bytes + bytes.length <= EXPECTED_BYTES_MAX);
    span_copy(expected + expected_bytes, bytes);
    expected_bytes += bytes.length;
}

static void add(struct span bytes)
{
    uint8_t *to = output_room(&output, bytes.length);

    assert_non_null(to);
    span_copy(to, bytes);
    output_add(&output, bytes.length);
    expect(bytes);
}

static void add_filled(size_t bytes, uint8_t filler)
{
    uint8_t *text = malloc(bytes + 1);

    assert_non_null(text);
    memset(text, filler, bytes);
    add(span_of(text, bytes));
    free(text);
}

static void hold(const char *key, struct store_hold *held)
{
    struct span span = span_of_string(key);

    store_hold(store, span, store_hash(store, span), NOW, held);
}

static void put_large(const char *key, size_t bytes, uint8_t filler)
{
    uint8_t *text = malloc(bytes);
    struct store_hold held;
    struct store_write write = {.parts = {span_of(text, bytes)},
                                .version = store_next_version(store, NOW)};

    assert_non_null(text);
    memset(text, filler, bytes);
    if (bytes > 100)
        memcpy(text + bytes - 3, "end", 3);
    hold(key, &held);
    assert_int_equal(store_put(&held, &write), STORE_OK);
    store_release(&held);
    free(text);
}

static void drop(const char *key)
{
    struct store_hold held;

    hold(key, &held);
    assert_int_equal(store_remove(&held, store_next_version(store, NOW)),
                     STORE_OK);
    store_release(&held);
}

static void refer(const char *key)
{
    struct store_hold held;

    hold(key, &held);
    assert_non_null(held.item);
    struct span value = item_value(held.item);
    struct segment *pinned = store_pin(&held);
    assert_non_null(pinned);
    expect(value);
    assert_true(output_refer(&output, store, value, pinned));
    store_release(&held);
}

static size_t segment_bytes(void)
{
    struct store_figures figures;

    store_read_figures(store, &figures);
    return figures.segment_bytes;
}

/* Reads up to `bytes_max` as the client, and compares. */
static size_t read_some(size_t bytes_max)
{
    uint8_t chunk[8192];
    ssize_t got =
        recv(theirs, chunk,
             bytes_max < sizeof(chunk) ? bytes_max : sizeof(chunk), 0);

    if (got < 0) {
        assert_true(errno == EAGAIN || errno == EWOULDBLOCK);
        return 0;
    }
    assert_true(got_bytes + (size_t)got <= expected_bytes);
    assert_memory_equal(chunk, expected + got_bytes, (size_t)got);
    got_bytes += (size_t)got;
    return (size_t)got;
}

/* Sends and reads in turns until nothing is left; how often it was blocked. */
static unsigned send_all(struct prng *prng)
{
    unsigned blocked = 0;

    for (;;) {
        enum output_result result =
            output_send(&output, store, &wire, &sent_bytes);
        assert_int_not_equal(result, OUTPUT_BROKEN);
        assert_int_equal(result == OUTPUT_SENT, output_is_empty(&output));
        if (result == OUTPUT_SENT)
            break;
        blocked++;
        read_some(prng == NULL ? 8192 : 1 + prng_below(prng, 5000));
    }
    while (read_some(8192) > 0)
        ;
    assert_int_equal(got_bytes, expected_bytes);
    assert_int_equal(sent_bytes, expected_bytes);
    return blocked;
}

static void nothing_to_send_is_sent(void **state)
{
    (void)state;
    assert_true(output_is_empty(&output));
    assert_false(output_is_high(&output));
    assert_int_equal(output_send(&output, store, &wire, &sent_bytes),
                     OUTPUT_SENT);
    assert_int_equal(sent_bytes, 0);
}

static void small_replies_arrive_in_their_order(void **state)
{
    (void)state;
    add(SPAN("STORED\r\n"));
    add(SPAN(""));
    add(SPAN("END\r\n"));
    assert_false(output_is_empty(&output));
    send_all(NULL);
    assert_int_equal(expected_bytes, 13);
}

static void room_may_be_taken_in_part_or_not_at_all(void **state)
{
    (void)state;
    assert_non_null(output_room(&output, 1000));
    output_add(&output, 0);
    assert_true(output_is_empty(&output));
    memcpy(output_room(&output, 1000), "abc", 3);
    output_add(&output, 3);
    expect(SPAN("abc"));
    send_all(NULL);
}

static void room_grows_and_keeps_what_was_written(void **state)
{
    uint8_t text[777];

    (void)state;
    for (unsigned i = 1; i < 1000; i++) {
        memset(text, (int)(i % 251), sizeof(text));
        add(span_of(text, i % sizeof(text)));
    }
    add_filled(MEGABYTE, 'm');
    assert_true(send_all(NULL) > 0);
}

static void sent_bytes_make_place_for_new_ones(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        add_filled(1000, (uint8_t)i);
        send_all(NULL);
        assert_true(output_is_empty(&output));
    }
    assert_true(output.capacity_bytes <= 64 * 1024);
}

static void a_blocked_reply_goes_on_where_it_stopped(void **state)
{
    (void)state;
    add_filled(100000, 'a');
    assert_int_equal(output_send(&output, store, &wire, &sent_bytes),
                     OUTPUT_BLOCKED);
    assert_true(sent_bytes > 0 && sent_bytes < 100000);
    assert_int_equal(output_send(&output, store, &wire, &sent_bytes),
                     OUTPUT_BLOCKED);
    /* What is added behind a reply half sent comes behind it. */
    add_filled(5000, 'b');
    add_filled(5000, 'c');
    while (!output_is_empty(&output)) {
        read_some(3000);
        output_send(&output, store, &wire, &sent_bytes);
    }
    while (read_some(8192) > 0)
        ;
    assert_int_equal(got_bytes, 110000);
    assert_int_equal(sent_bytes, 110000);
}

static void a_value_goes_where_it_was_referred_to(void **state)
{
    (void)state;
    put_large("a", LARGE_BYTES, 'a');
    put_large("b", LARGE_BYTES, 'b');
    /* First of all, in the middle, two in a row, and last. */
    refer("a");
    add(SPAN("-one-"));
    refer("b");
    refer("a");
    add(SPAN("-two-"));
    add(SPAN("-three-"));
    refer("b");
    assert_true(send_all(NULL) > 0);
    assert_int_equal(expected_bytes, 4 * LARGE_BYTES + 17);
}

static void values_alone_are_sent_too(void **state)
{
    (void)state;
    put_large("a", LARGE_BYTES, 'a');
    refer("a");
    assert_false(output_is_empty(&output));
    send_all(NULL);
}

static void more_pieces_than_one_call_takes_keep_their_order(void **state)
{
    struct prng prng = {.state = 5};
    char text[32];

    (void)state;
    put_large("a", LARGE_BYTES, 'a');
    for (unsigned i = 0; i < 200; i++) {
        int length = snprintf(text, sizeof(text), "<%u>", i);
        add(span_of(text, (size_t)length));
        refer("a");
    }
    assert_true(send_all(&prng) > 100);
}

static void any_mixture_arrives_whole(void **state)
{
    struct prng prng = {.state = 17};
    char key[8];

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        snprintf(key, sizeof(key), "key-%u", i);
        put_large(key, 10000 + i * 7777, (uint8_t)i);
    }
    for (unsigned round = 0; round < 40; round++) {
        for (unsigned i = 0; i < prng_below(&prng, 10); i++) {
            snprintf(key, sizeof(key), "key-%u",
                     (unsigned)prng_below(&prng, 10));
            if (prng_below(&prng, 2) == 0)
                refer(key);
            else
                add_filled(prng_below(&prng, 3000), (uint8_t)i);
        }
        /* Sometimes a part is sent before more is said. */
        if (prng_below(&prng, 3) == 0) {
            output_send(&output, store, &wire, &sent_bytes);
            read_some(1 + prng_below(&prng, 4000));
        } else {
            size_t before_bytes = expected_bytes;
            send_all(&prng);
            assert_int_equal(before_bytes, expected_bytes);
        }
    }
    send_all(&prng);
}

static void a_value_overwritten_arrives_as_it_was(void **state)
{
    (void)state;
    put_large("a", LARGE_BYTES, 'o');
    refer("a");
    output_send(&output, store, &wire, &sent_bytes);
    assert_true(sent_bytes < LARGE_BYTES);
    put_large("a", LARGE_BYTES, 'n');
    drop("a");
    put_large("a", LARGE_BYTES, 'm');
    send_all(NULL);
}

static void a_value_is_let_go_when_it_is_sent(void **state)
{
    size_t empty_bytes = segment_bytes();

    (void)state;
    put_large("a", LARGE_BYTES, 'a');
    put_large("b", LARGE_BYTES, 'b');
    refer("a");
    refer("b");
    refer("b");
    drop("a");
    drop("b");
    assert_true(segment_bytes() >= empty_bytes + 2 * LARGE_BYTES);
    while (got_bytes < LARGE_BYTES + 20000) {
        output_send(&output, store, &wire, &sent_bytes);
        read_some(1000);
    }
    /* The first is sent, the second is still on its way, twice. */
    assert_true(segment_bytes() >= empty_bytes + LARGE_BYTES);
    assert_true(segment_bytes() < empty_bytes + 2 * LARGE_BYTES);
    while (!output_is_empty(&output)) {
        output_send(&output, store, &wire, &sent_bytes);
        read_some(1000);
    }
    assert_int_equal(segment_bytes(), empty_bytes);
}

/* Who is slow gets what he was to get, and keeps nothing of the store. */
static void a_value_among_others_is_copied_for_who_is_slow(void **state)
{
    (void)state;
    put_large("a", SHARED_BYTES, 'o');
    put_large("b", LARGE_BYTES, 'b');
    for (int i = 0; i < 5; i++) {
        add(SPAN("VALUE\r\n"));
        refer(i == 2 ? "b" : "a");
    }
    assert_int_equal(output.shared_bytes, 4 * SHARED_BYTES);
    while (got_bytes < SHARED_BYTES + 100) {
        output_send(&output, store, &wire, &sent_bytes);
        read_some(100);
    }
    for (int i = 0; i < 2; i++) {
        assert_true(output_unshare(&output, store));
        assert_true(output.copied_bytes >= 2 * SHARED_BYTES);
    }
    put_large("a", SHARED_BYTES, 'n');
    put_large("b", LARGE_BYTES, 'n');
    assert_true(send_all(NULL) > 0);
    assert_int_equal(output.copied_bytes, 0);
    assert_int_equal(output.shared_bytes, 0);
}

static void what_is_not_sent_is_let_go_at_the_end(void **state)
{
    size_t empty_bytes = segment_bytes();

    (void)state;
    put_large("a", LARGE_BYTES, 'a');
    for (unsigned i = 0; i < 20; i++)
        refer("a");
    drop("a");
    while (got_bytes < 2 * LARGE_BYTES + 100) {
        output_send(&output, store, &wire, &sent_bytes);
        read_some(500);
    }
    assert_true(segment_bytes() > empty_bytes);
    output_release(&output, store);
    assert_int_equal(segment_bytes(), empty_bytes);
    assert_true(output_is_empty(&output));
    assert_null(output.bytes);
    assert_null(output.references);
}

static void a_client_that_is_gone_is_noticed(void **state)
{
    (void)state;
    put_large("a", LARGE_BYTES, 'a');
    add(SPAN("x"));
    refer("a");
    close(theirs);
    theirs = -1;
    assert_int_equal(output_send(&output, store, &wire, &sent_bytes),
                     OUTPUT_BROKEN);
    assert_int_equal(sent_bytes, 0);
}

static void much_to_send_is_high(void **state)
{
    (void)state;
    add_filled(OUTPUT_BYTES_HIGH - 1, 'x');
    assert_false(output_is_high(&output));
    add(SPAN("x"));
    assert_true(output_is_high(&output));
    send_all(NULL);
    assert_false(output_is_high(&output));
}

static void many_values_to_send_are_high(void **state)
{
    (void)state;
    put_large("a", LARGE_BYTES, 'a');
    for (unsigned i = 0; i < OUTPUT_REFERENCES_HIGH; i++) {
        assert_false(output_is_high(&output));
        refer("a");
    }
    assert_true(output_is_high(&output));
    send_all(NULL);
    assert_false(output_is_high(&output));
}

#define ON_SOCKET(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_SOCKET(nothing_to_send_is_sent),
        ON_SOCKET(small_replies_arrive_in_their_order),
        ON_SOCKET(room_may_be_taken_in_part_or_not_at_all),
        ON_SOCKET(room_grows_and_keeps_what_was_written),
        ON_SOCKET(sent_bytes_make_place_for_new_ones),
        ON_SOCKET(a_blocked_reply_goes_on_where_it_stopped),
        ON_SOCKET(a_value_goes_where_it_was_referred_to),
        ON_SOCKET(values_alone_are_sent_too),
        ON_SOCKET(more_pieces_than_one_call_takes_keep_their_order),
        ON_SOCKET(any_mixture_arrives_whole),
        ON_SOCKET(a_value_overwritten_arrives_as_it_was),
        ON_SOCKET(a_value_is_let_go_when_it_is_sent),
        ON_SOCKET(a_value_among_others_is_copied_for_who_is_slow),
        ON_SOCKET(what_is_not_sent_is_let_go_at_the_end),
        ON_SOCKET(a_client_that_is_gone_is_noticed),
        ON_SOCKET(much_to_send_is_high),
        ON_SOCKET(many_values_to_send_are_high),
    };

    return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
