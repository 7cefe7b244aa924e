/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a command does to a lock: who takes it, who only changes it, and who
 * gives it back; as text says it, in the order in which clients do.
 */
#include "server/command/lock.h"

#include "proto/memcached/text.h"
#include "server/command/parcel.h"
#include "tests/unit/customer.h"

static enum lock_step step_of(const char *line)
{
    const struct parse_limits limits = {.item_bytes_max = ITEM_BYTES_MAX};
    struct text_parser parser = {0};
    struct command command;
    struct execution execution = begin();
    struct execution told = begin();
    uint8_t bytes[2 * PARCEL_BYTES_BESIDE_VALUE];
    struct parsed parsed =
        text_parse(&parser, span_of_string(line), &limits, &command);

    assert_int_equal(parsed.result, PARSE_COMMAND);
    assert_int_equal(command.refusal, REFUSAL_NONE);
    command.hash = store_hash(store, command.key);
    command.is_of_lock = true;
    command_execute(&command, &execution);
    enum lock_step step = lock_step_of(&command, &execution);
    size_t length = parcel_encode_result(&execution, bytes);
    command_finish(&execution);
    /* Whoever asked finds the same in what its home tells. */
    command_skip(&told);
    assert_true(parcel_decode_result(span_of(bytes, length), &command, &told));
    assert_int_equal(lock_step_of(&command, &told), step);
    /* And of another key it is no lock. */
    command.is_of_lock = false;
    assert_int_equal(lock_step_of(&command, &told), LOCK_LEFT_ALONE);
    return step;
}

struct line {
    const char *said;
    enum lock_step step;
};

static void assert_steps(const struct line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum lock_step step = step_of(lines[i].said);
        if (step != lines[i].step)
            fail_msg("%s is step %d", lines[i].said, (int)step);
    }
}

#define ASSERT_STEPS(lines)                                                    \
    assert_steps(lines, sizeof(lines) / sizeof((lines)[0]))

static void php_memcached_adds_and_deletes(void **state)
{
    static const struct line lines[] = {
        {"add a 0 30 1\r\n1\r\n", LOCK_TAKEN},
        {"add a 0 30 1\r\n1\r\n", LOCK_LEFT_ALONE},
        {"get a\r\n", LOCK_LEFT_ALONE},
        {"touch a 30\r\n", LOCK_LEFT_ALONE},
        {"gat 30 a\r\n", LOCK_LEFT_ALONE},
        {"delete a\r\n", LOCK_GIVEN_BACK},
        {"delete a\r\n", LOCK_GIVEN_BACK},
    };

    (void)state;
    ASSERT_STEPS(lines);
}

static void php_memcache_counts_up_from_0(void **state)
{
    static const struct line lines[] = {
        {"incr a 1\r\n", LOCK_GIVEN_BACK}, /* it is not there */
        {"add a 768 15 1\r\n1\r\n", LOCK_TAKEN},
        {"incr a 1\r\n", LOCK_CHANGED},
        {"add a 768 15 1\r\n1\r\n", LOCK_LEFT_ALONE},
        {"set a 768 15 1\r\n0\r\n", LOCK_GIVEN_BACK},
        {"incr a 1\r\n", LOCK_TAKEN},
        {"incr a 1\r\n", LOCK_CHANGED},
        {"decr a 1\r\n", LOCK_CHANGED},
        {"decr a 1\r\n", LOCK_GIVEN_BACK},
        {"incr a 5\r\n", LOCK_TAKEN},
        {"incr a 0\r\n", LOCK_CHANGED},
    };

    (void)state;
    ASSERT_STEPS(lines);
}

static void others_swap_or_write_over_it(void **state)
{
    static const struct line lines[] = {
        {"ms a 1 ME T30 E7\r\n1\r\n", LOCK_TAKEN},
        {"ms a 1 ME T30\r\n1\r\n", LOCK_LEFT_ALONE},
        {"cas a 0 30 1 8\r\n2\r\n", LOCK_LEFT_ALONE},
        {"cas a 0 30 1 7\r\n2\r\n", LOCK_WRITTEN},
        {"set a 0 30 1\r\n3\r\n", LOCK_WRITTEN},
        {"replace a 0 30 1\r\n4\r\n", LOCK_WRITTEN},
        {"append a 0 30 1\r\n5\r\n", LOCK_CHANGED},
        {"prepend a 0 30 1\r\n5\r\n", LOCK_CHANGED},
        {"md a I\r\n", LOCK_CHANGED},
        {"mg a v N30\r\n", LOCK_LEFT_ALONE}, /* won, and there */
        {"md a x\r\n", LOCK_CHANGED},
        {"replace a 0 30 1\r\n0\r\n", LOCK_GIVEN_BACK},
        {"md a\r\n", LOCK_GIVEN_BACK},
    };

    (void)state;
    ASSERT_STEPS(lines);
}

static void meta_commands_make_what_is_not_there(void **state)
{
    static const struct line lines[] = {
        {"mg a v\r\n", LOCK_LEFT_ALONE},     {"mg a v N30\r\n", LOCK_TAKEN},
        {"mg a v N30\r\n", LOCK_LEFT_ALONE}, {"md a\r\n", LOCK_GIVEN_BACK},
        {"mg a N30\r\n", LOCK_TAKEN}, /* without a value */
        {"md a\r\n", LOCK_GIVEN_BACK},       {"ma a N30\r\n", LOCK_TAKEN},
        {"ma a N30\r\n", LOCK_TAKEN}, /* from 0 */
        {"ma a N30\r\n", LOCK_CHANGED},
    };

    (void)state;
    ASSERT_STEPS(lines);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(php_memcached_adds_and_deletes),
        CASE(php_memcache_counts_up_from_0),
        CASE(others_swap_or_write_over_it),
        CASE(meta_commands_make_what_is_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
