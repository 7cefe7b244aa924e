/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Addresses as people write them: each form, with and without a port, the
 * longest, and what is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/address.h"

static struct address address;

/* Splits a copy of exactly that size: a byte read beyond it is noticed. */
static bool split(const char *text)
{
    char *copy = strdup(text);

    assert_non_null(copy);
    memset(&address, 'x', sizeof(address));
    bool is_split = address_split(copy, &address);
    free(copy);
    return is_split;
}

static void assert_split(const char *text, const char *host, const char *port)
{
    assert_true(split(text));
    assert_string_equal(address.host, host);
    assert_string_equal(address.port, port);
}

static void a_host_may_stand_alone(void **state)
{
    (void)state;
    assert_split("a", "a", "");
    assert_split("127.0.0.1", "127.0.0.1", "");
    assert_split("web-1.example.org", "web-1.example.org", "");
    assert_split("[::1]", "::1", "");
}

static void a_port_follows_the_only_colon(void **state)
{
    (void)state;
    assert_split("a:1", "a", "1");
    assert_split("127.0.0.1:11211", "127.0.0.1", "11211");
    assert_split("[::1]:65535", "::1", "65535");
    assert_split("[fe80::1%eth0]:5", "fe80::1%eth0", "5");
}

static void two_colons_without_brackets_are_a_host(void **state)
{
    (void)state;
    assert_split("::1", "::1", "");
    assert_split("::", "::", "");
    assert_split("2001:db8::5:11211", "2001:db8::5:11211", "");
}

static void a_star_stands_for_every_address(void **state)
{
    (void)state;
    assert_split("*", "", "");
    assert_split("*:7", "", "7");
    assert_split("**", "**", "");
}

static void a_port_is_a_number_from_1_to_65535(void **state)
{
    static const char *const others[] = {
        "a:",      "a:0",      "a:65536", "a:70000", "a:99999", "a:000001",
        "a:http",  "a:1x",     "a:x1",    "a:-1",    "a:+1",    "a: 1",
        "[::1]:",  "[::1]:0",  "*:",      "*:0",     "a:1 ",    "a:123456",
        "[::1]:x", "[::1]:1:", "a:0x1",   "a:1.0",   "a:00000"};

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(split(others[i]));
}

static void what_has_no_host_is_no_address(void **state)
{
    (void)state;
    assert_false(split(""));
    assert_false(split(":"));
    assert_false(split(":11211"));
    assert_false(split("[]"));
    assert_false(split("[]:11211"));
}

static void brackets_come_in_pairs_and_end_the_host(void **state)
{
    (void)state;
    assert_false(split("["));
    assert_false(split("[::1"));
    assert_false(split("[::1:5"));
    assert_false(split("[::1]5"));
    assert_false(split("[::1]]"));
}

static void a_host_has_at_most_255_bytes(void **state)
{
    char text[ADDRESS_HOST_BYTES + 16];

    (void)state;
    memset(text, 'h', sizeof(text));
    memcpy(text + ADDRESS_HOST_BYTES - 1, ":80", 4);
    assert_true(split(text));
    assert_int_equal(strlen(address.host), ADDRESS_HOST_BYTES - 1);
    assert_string_equal(address.port, "80");
    text[ADDRESS_HOST_BYTES - 1] = '\0';
    assert_true(split(text));
    text[ADDRESS_HOST_BYTES - 1] = 'h';
    text[ADDRESS_HOST_BYTES] = '\0';
    assert_false(split(text));
    memcpy(text + ADDRESS_HOST_BYTES, ":80", 4);
    assert_false(split(text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_may_stand_alone),
        cmocka_unit_test(a_port_follows_the_only_colon),
        cmocka_unit_test(two_colons_without_brackets_are_a_host),
        cmocka_unit_test(a_star_stands_for_every_address),
        cmocka_unit_test(a_port_is_a_number_from_1_to_65535),
        cmocka_unit_test(what_has_no_host_is_no_address),
        cmocka_unit_test(brackets_come_in_pairs_and_end_the_host),
        cmocka_unit_test(a_host_has_at_most_255_bytes),
    };

    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
