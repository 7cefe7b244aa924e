/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How long wrong passwords wait for their answer: longer with each one of a
 * connection, and of an address that has many; never without bound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/auth/throttle.h"

#define START (UINT64_C(1800000000) * TIME_US_PER_S)

static struct span address_of(uint32_t number, uint8_t to[4])
{
    memcpy(to, &number, 4);
    return span_of(to, 4);
}

static void each_failure_of_a_connection_doubles_its_wait(void **state)
{
    static const unsigned waits_ms[] = {100, 200, 400, 800, 1600, 3200, 3200};
    struct throttle *throttle = throttle_create();

    (void)state;
    assert_non_null(throttle);
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(throttle_fail(throttle, SPAN(""), i + 1, START),
                         waits_ms[i] * TIME_US_PER_MS);
    assert_int_equal(throttle_fail(throttle, SPAN(""), 4000000000u, START),
                     THROTTLE_DELAY_MAX);
    /* Nobody's failures are not another nobody's. */
    assert_int_equal(throttle_fail(throttle, SPAN(""), 1, START),
                     THROTTLE_DELAY_MIN);
    throttle_destroy(throttle);
}

static void connecting_anew_for_each_guess_helps_little(void **state)
{
    struct throttle *throttle = throttle_create();
    uint8_t bytes[4];
    struct span here = address_of(1, bytes);
    uint8_t others[4];

    (void)state;
    for (unsigned i = 0; i <= THROTTLE_FREE_FAILURES; i++)
        assert_int_equal(throttle_fail(throttle, here, 1, START),
                         THROTTLE_DELAY_MIN);
    assert_int_equal(throttle_fail(throttle, here, 1, START),
                     2 * THROTTLE_DELAY_MIN);
    for (unsigned i = 0; i < 100000; i++)
        throttle_fail(throttle, here, 1, START);
    assert_int_equal(throttle_fail(throttle, here, 1, START),
                     THROTTLE_DELAY_MAX);
    assert_int_equal(throttle_fail(throttle, address_of(2, others), 1, START),
                     THROTTLE_DELAY_MIN);
    throttle_destroy(throttle);
}

static void an_address_that_mends_is_forgotten(void **state)
{
    struct throttle *throttle = throttle_create();
    uint8_t bytes[4];
    struct span here = address_of(1, bytes);

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        throttle_fail(throttle, here, 1, START);
    time_us later = START + THROTTLE_MEMORY - 1;
    assert_int_equal(throttle_fail(throttle, here, 1, later),
                     THROTTLE_DELAY_MAX);
    later += THROTTLE_MEMORY;
    assert_int_equal(throttle_fail(throttle, here, 1, later),
                     THROTTLE_DELAY_MIN);
    throttle_destroy(throttle);
}

static void of_too_many_addresses_the_oldest_makes_way(void **state)
{
    struct throttle *throttle = throttle_create();
    uint8_t bytes[4];

    (void)state;
    for (uint32_t i = 0; i < THROTTLE_PLACES; i++) {
        for (unsigned tries = 0; tries < 100; tries++)
            throttle_fail(throttle, address_of(i, bytes), 1, START + i);
    }
    time_us now = START + THROTTLE_PLACES;
    throttle_fail(throttle, address_of(THROTTLE_PLACES, bytes), 1, now);
    assert_int_equal(throttle_fail(throttle, address_of(1, bytes), 1, now),
                     THROTTLE_DELAY_MAX);
    assert_int_equal(throttle_fail(throttle, address_of(0, bytes), 1, now),
                     THROTTLE_DELAY_MIN);
    throttle_destroy(throttle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failure_of_a_connection_doubles_its_wait),
        cmocka_unit_test(connecting_anew_for_each_guess_helps_little),
        cmocka_unit_test(an_address_that_mends_is_forgotten),
        cmocka_unit_test(of_too_many_addresses_the_oldest_makes_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
