/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The journal gives back every record in its order, for as long as the ring
 * reaches back, and says so when it does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proto/base/prng.h"
#include "server/farm/journal.h"

#define RING_BYTES 4096

static uint64_t append(struct journal *journal, uint64_t version,
                       size_t value_bytes)
{
    static uint8_t value[RING_BYTES];
    struct record record = {.kind = RECORD_UPDATE,
                            .version = version,
                            .stamp = version,
                            .token = version,
                            .key = SPAN("key"),
                            .value = span_of(value, value_bytes)};

    memset(value, (int)(version & 0xff), value_bytes);
    return journal_append(journal, &record);
}

/* Reads what is there; every record must follow on the one before. */
static uint64_t read_all(struct journal *journal, struct journal_cursor *cursor,
                         uint64_t expected, size_t buffer_bytes)
{
    uint8_t buffer[RING_BYTES];
    bool overrun;
    size_t bytes;

    while ((bytes = journal_read(journal, cursor, buffer, buffer_bytes,
                                 &overrun)) > 0) {
        struct span rest = span_of(buffer, bytes);
        while (rest.length > 0) {
            struct message message;
            struct record record;
            struct span inner;
            size_t used;
            assert_int_equal(message_frame(rest, RING_BYTES, &inner, &used),
                             FRAME_OK);
            assert_int_equal(message_decode(inner, &message), DECODE_OK);
            assert_int_equal(message.kind, MESSAGE_RECORD);
            assert_int_equal(message.state.number, expected);
            assert_int_equal(record_decode(message.state.bytes, &record),
                             DECODE_OK);
            assert_int_equal(record.version, expected);
            for (size_t i = 0; i < record.value.length; i++)
                assert_int_equal(record.value.data[i], expected & 0xff);
            expected++;
            rest = span_of(rest.data + used, rest.length - used);
        }
    }
    assert_false(overrun);
    return expected;
}

static void numbers_begin_with_one_and_have_no_gaps(void **state)
{
    struct journal *journal = journal_create(RING_BYTES);
    struct journal_cursor cursor;

    (void)state;
    assert_int_equal(journal_head(journal), 0);
    assert_int_equal(journal_bytes(journal), 0);
    assert_true(journal_seek(journal, 1, &cursor));
    for (uint64_t number = 1; number <= 5; number++)
        assert_int_equal(append(journal, number, 10), number);
    assert_int_equal(journal_head(journal), 5);
    assert_int_equal(journal_bytes(journal),
                     5 * journal_next_bytes(journal, &cursor));
    assert_int_equal(read_all(journal, &cursor, 1, RING_BYTES), 6);
    journal_destroy(journal);
}

static void a_reader_that_keeps_up_misses_nothing(void **state)
{
    struct journal *journal = journal_create(RING_BYTES);
    struct prng prng = {.state = 4};
    struct journal_cursor cursor;
    uint64_t expected = 1;

    (void)state;
    assert_true(journal_seek(journal, 1, &cursor));
    for (uint64_t number = 1; number <= 5000; number++) {
        append(journal, number, prng_below(&prng, 300));
        if (prng_below(&prng, 3) == 0)
            expected = read_all(journal, &cursor, expected,
                                400 + prng_below(&prng, 1000));
    }
    assert_int_equal(read_all(journal, &cursor, expected, RING_BYTES), 5001);
    journal_destroy(journal);
}

static void a_reader_left_behind_is_told(void **state)
{
    struct journal *journal = journal_create(RING_BYTES);
    struct journal_cursor cursor;
    uint8_t buffer[RING_BYTES];
    bool overrun = false;

    (void)state;
    assert_true(journal_seek(journal, 1, &cursor));
    for (uint64_t number = 1; number <= 100; number++)
        append(journal, number, 200);
    assert_int_equal(
        journal_read(journal, &cursor, buffer, sizeof(buffer), &overrun), 0);
    assert_true(overrun);
    assert_false(journal_seek(journal, 1, &cursor));
    /* What is left can be read from any number on. */
    for (uint64_t number = 100; number > 90; number--) {
        assert_true(journal_seek(journal, number, &cursor));
        assert_int_equal(read_all(journal, &cursor, number, RING_BYTES), 101);
    }
    /* Beyond the head there is nothing yet. */
    assert_true(journal_seek(journal, 1000, &cursor));
    assert_int_equal(cursor.number, 101);
    journal_destroy(journal);
}

static void the_longest_record_fits(void **state)
{
    struct journal *journal = journal_create(RING_BYTES);
    struct journal_cursor cursor;
    struct record record = {.kind = RECORD_UPDATE, .key = SPAN("key")};
    size_t value_bytes =
        journal_record_bytes_max(journal) - record_bytes(&record);

    (void)state;
    for (uint64_t number = 1; number <= 50; number++)
        append(journal, number, value_bytes);
    assert_true(journal_seek(journal, 50, &cursor));
    assert_int_equal(read_all(journal, &cursor, 50, RING_BYTES), 51);
    journal_destroy(journal);
}

static void what_is_longer_is_announced(void **state)
{
    static uint8_t value[RING_BYTES];
    struct journal *journal = journal_create(RING_BYTES);
    struct record record = {.kind = RECORD_UPDATE,
                            .version = 7,
                            .stamp = 8,
                            .key = SPAN("key"),
                            .value = span_of(value, sizeof(value))};
    struct journal_cursor cursor;
    struct message message;
    struct record read;
    struct span inner;
    uint8_t buffer[RING_BYTES];
    size_t used;
    bool overrun;

    (void)state;
    assert_true(journal_seek(journal, 1, &cursor));
    assert_int_equal(journal_append(journal, &record), 1);
    size_t bytes =
        journal_read(journal, &cursor, buffer, sizeof(buffer), &overrun);
    assert_int_equal(
        message_frame(span_of(buffer, bytes), RING_BYTES, &inner, &used),
        FRAME_OK);
    assert_int_equal(message_decode(inner, &message), DECODE_OK);
    assert_int_equal(record_decode(message.state.bytes, &read), DECODE_OK);
    assert_int_equal(read.kind, RECORD_ANNOUNCE);
    assert_int_equal(read.version, 7);
    assert_int_equal(read.stamp, 8);
    assert_int_equal(read.value_bytes, sizeof(value));
    journal_destroy(journal);
}

static void a_frame_that_does_not_fit_tells_what_it_takes(void **state)
{
    struct journal *journal = journal_create(RING_BYTES);
    struct journal_cursor cursor;
    uint8_t buffer[RING_BYTES];
    bool overrun = true;

    (void)state;
    assert_true(journal_seek(journal, 1, &cursor));
    assert_int_equal(journal_next_bytes(journal, &cursor), 0);
    append(journal, 1, 300);
    size_t bytes = journal_next_bytes(journal, &cursor);
    assert_true(bytes > 300);
    assert_int_equal(
        journal_read(journal, &cursor, buffer, bytes - 1, &overrun), 0);
    assert_false(overrun);
    assert_int_equal(journal_read(journal, &cursor, buffer, bytes, &overrun),
                     bytes);
    assert_int_equal(journal_next_bytes(journal, &cursor), 0);
    /* One that is gone takes nothing. */
    assert_true(journal_seek(journal, 1, &cursor));
    for (uint64_t number = 2; number <= 100; number++)
        append(journal, number, 200);
    assert_int_equal(journal_next_bytes(journal, &cursor), 0);
    journal_destroy(journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_begin_with_one_and_have_no_gaps),
        cmocka_unit_test(a_reader_that_keeps_up_misses_nothing),
        cmocka_unit_test(a_reader_left_behind_is_told),
        cmocka_unit_test(the_longest_record_fits),
        cmocka_unit_test(what_is_longer_is_announced),
        cmocka_unit_test(a_frame_that_does_not_fit_tells_what_it_takes),
    };

    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
