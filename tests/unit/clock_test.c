/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The clock that items die by: set forward or back, the wall clock ends no
 * life and prolongs none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/loop/clock.h"

#define HOUR_S 3600
/* That a test may be kept from running. */
#define SLACK_US (60 * TIME_US_PER_S)

/* By how much somebody has set the wall clock. */
static time_t jump_s;

/* Stands in the place of the C library's. */
int clock_gettime(clockid_t id, struct timespec *now)
{
    long result = syscall(SYS_clock_gettime, id, now);

    if (result == 0 && id == CLOCK_REALTIME)
        now->tv_sec += jump_s;
    return (int)result;
}

static int forget_jumps(void **state)
{
    (void)state;
    jump_s = 0;
    return 0;
}

static time_us wall(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (time_us)now.tv_sec * TIME_US_PER_S + (time_us)now.tv_nsec / 1000;
}

static void assert_near(time_us is, time_us expected)
{
    assert_in_range(is, expected - SLACK_US, expected + SLACK_US);
}

static void begins_at_the_wall_clock(void **state)
{
    struct clock clock;

    (void)state;
    clock_start(&clock);
    assert_near(clock_now(&clock), wall());
    jump_s = -HOUR_S;
    clock_start(&clock);
    assert_near(clock_now(&clock), wall());
}

static void follows_no_jump_of_the_wall_clock(void **state)
{
    struct clock clock;

    (void)state;
    clock_start(&clock);
    time_us before = clock_now(&clock);
    jump_s = HOUR_S;
    time_us after = clock_now(&clock);
    assert_true(after >= before);
    assert_near(after, before);
    assert_near(wall(), before + HOUR_S * TIME_US_PER_S);
    jump_s = -HOUR_S;
    assert_true(clock_now(&clock) >= after);
    assert_near(clock_now(&clock), before);
}

static void follows_the_time_of_the_farm(void **state)
{
    struct clock clock;

    (void)state;
    clock_start(&clock);
    atomic_store(&clock.offset_us, 2 * HOUR_S * (int64_t)TIME_US_PER_S);
    assert_near(clock_own(&clock), wall());
    assert_near(clock_now(&clock), wall() + 2 * HOUR_S * TIME_US_PER_S);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(begins_at_the_wall_clock, forget_jumps),
        cmocka_unit_test_setup(follows_no_jump_of_the_wall_clock, forget_jumps),
        cmocka_unit_test_setup(follows_the_time_of_the_farm, forget_jumps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
