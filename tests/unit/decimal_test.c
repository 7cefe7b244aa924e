/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Numbers as text: the largest, one more than the largest, nothing at all,
 * and what stands behind the digits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/base/decimal.h"

/* A copy of exactly that size: a byte read beyond it is noticed. */
static uint8_t *copy_of(const char *text, size_t length)
{
    uint8_t *copy = malloc(length > 0 ? length : 1);

    assert_non_null(copy);
    span_copy(copy, span_of(text, length));
    return copy;
}

static struct decimal parse(const char *text)
{
    size_t length = strlen(text);
    uint8_t *copy = copy_of(text, length);
    struct decimal parsed = decimal_parse(span_of(copy, length));

    free(copy);
    return parsed;
}

static bool parse_whole(const char *text, uint64_t *value)
{
    size_t length = strlen(text);
    uint8_t *copy = copy_of(text, length);
    bool is_whole = decimal_parse_whole(span_of(copy, length), value);

    free(copy);
    return is_whole;
}

static void assert_formatted(uint64_t value, const char *expected)
{
    uint8_t *to = malloc(DECIMAL_DIGITS_MAX);

    assert_non_null(to);
    size_t length = (size_t)(decimal_format(to, value) - to);
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(to, expected, length);
    free(to);
}

static void refuses_nothing_at_all(void **state)
{
    (void)state;
    assert_false(parse("").ok);
    assert_int_equal(parse("").used, 0);
    assert_false(decimal_parse((struct span){0}).ok);
}

static void refuses_what_begins_with_no_digit(void **state)
{
    static const char *const others[] = {"-1", "+1", " 1", "a",
                                         "/",  ":",  ".",  "\xb1"};

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(parse(others[i]).ok);
        assert_int_equal(parse(others[i]).used, 0);
    }
}

static void takes_the_largest_number(void **state)
{
    struct decimal largest = parse("18446744073709551615");

    (void)state;
    assert_true(largest.ok);
    assert_true(largest.value == UINT64_MAX);
    assert_int_equal(largest.used, DECIMAL_DIGITS_MAX);
}

static void refuses_one_more_than_the_largest(void **state)
{
    (void)state;
    assert_false(parse("18446744073709551616").ok);
}

static void refuses_more_digits_than_fit(void **state)
{
    (void)state;
    assert_false(parse("184467440737095516150").ok);
    assert_false(parse("99999999999999999999").ok);
    assert_false(parse("100000000000000000000000000000000000000").ok);
}

static void stops_before_the_first_other_byte(void **state)
{
    struct decimal seven = parse("7 noreply");

    (void)state;
    assert_true(seven.ok);
    assert_int_equal(seven.value, 7);
    assert_int_equal(seven.used, 1);
    assert_int_equal(parse("12\r\n").used, 2);
    assert_int_equal(parse("12:").value, 12);
    assert_int_equal(parse("12/").value, 12);
}

static void zeros_in_front_do_not_count(void **state)
{
    struct decimal one = parse("0000000000000000000000000000001");

    (void)state;
    assert_true(one.ok);
    assert_int_equal(one.value, 1);
    assert_int_equal(one.used, 31);
    assert_true(parse("00018446744073709551615").value == UINT64_MAX);
    assert_false(parse("00018446744073709551616").ok);
}

static void a_whole_number_is_digits_and_no_more(void **state)
{
    uint64_t value = 1;

    (void)state;
    assert_true(parse_whole("0", &value));
    assert_int_equal(value, 0);
    assert_true(parse_whole("18446744073709551615", &value));
    assert_true(value == UINT64_MAX);
    assert_false(parse_whole("", &value));
    assert_false(parse_whole("1 ", &value));
    assert_false(parse_whole("1abc", &value));
    assert_false(parse_whole("1.5", &value));
    assert_false(parse_whole("-1", &value));
    assert_false(parse_whole("18446744073709551616", &value));
}

static void every_cut_of_a_number_is_the_number_so_far(void **state)
{
    const char *digits = "18446744073709551615";
    uint64_t expected = 0;

    (void)state;
    for (size_t length = 1; length <= DECIMAL_DIGITS_MAX; length++) {
        uint8_t *copy = copy_of(digits, length);
        struct decimal parsed = decimal_parse(span_of(copy, length));
        expected = expected * 10 + (uint64_t)(digits[length - 1] - '0');
        assert_true(parsed.ok);
        assert_true(parsed.value == expected);
        assert_int_equal(parsed.used, length);
        free(copy);
    }
}

static void writes_without_zeros_in_front(void **state)
{
    (void)state;
    assert_formatted(0, "0");
    assert_formatted(9, "9");
    assert_formatted(10, "10");
    assert_formatted(4294967296, "4294967296");
    assert_formatted(UINT64_MAX, "18446744073709551615");
}

static void what_it_writes_it_reads_back(void **state)
{
    uint64_t power = 1;

    (void)state;
    for (unsigned shift = 0; shift < 64; shift++, power *= 2) {
        for (uint64_t value = power - 1; value <= power + 1; value++) {
            uint8_t to[DECIMAL_DIGITS_MAX];
            size_t length = (size_t)(decimal_format(to, value) - to);
            uint64_t back = ~value;
            assert_true(decimal_parse_whole(span_of(to, length), &back));
            assert_true(back == value);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_nothing_at_all),
        cmocka_unit_test(refuses_what_begins_with_no_digit),
        cmocka_unit_test(takes_the_largest_number),
        cmocka_unit_test(refuses_one_more_than_the_largest),
        cmocka_unit_test(refuses_more_digits_than_fit),
        cmocka_unit_test(stops_before_the_first_other_byte),
        cmocka_unit_test(zeros_in_front_do_not_count),
        cmocka_unit_test(a_whole_number_is_digits_and_no_more),
        cmocka_unit_test(every_cut_of_a_number_is_the_number_so_far),
        cmocka_unit_test(writes_without_zeros_in_front),
        cmocka_unit_test(what_it_writes_it_reads_back),
    };

    return cmocka_run_group_tests_name("decimal", tests, NULL, NULL);
}
