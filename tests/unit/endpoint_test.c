/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Endpoints as people write them: each word in front of an address, in any
 * order, and what is none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/base/endpoint.h"

static struct endpoint endpoint;

/* Parses a copy of exactly that size: a byte read beyond it is noticed. */
static bool parse(const char *text)
{
    char *copy = strdup(text);

    assert_non_null(copy);
    memset(&endpoint, 'x', sizeof(endpoint));
    bool is_good = endpoint_parse(copy, &endpoint) == NULL;
    if (is_good && endpoint.unix_path != NULL)
        endpoint.unix_path = text + (endpoint.unix_path - copy);
    free(copy);
    return is_good;
}

static void an_address_may_stand_alone(void **state)
{
    (void)state;
    assert_true(parse("127.0.0.1:11211"));
    assert_int_equal(endpoint.security, ENDPOINT_USUAL);
    assert_int_equal(endpoint.protocol, ENDPOINT_AS_USUAL);
    assert_string_equal(endpoint.tag, "");
    assert_null(endpoint.unix_path);
    assert_string_equal(endpoint.address.host, "127.0.0.1");
    assert_string_equal(endpoint.address.port, "11211");
    assert_true(parse("*"));
    assert_string_equal(endpoint.address.host, "");
}

static void a_word_says_whether_it_is_encrypted(void **state)
{
    (void)state;
    assert_true(parse("notls:a"));
    assert_int_equal(endpoint.security, ENDPOINT_CLEAR);
    assert_true(parse("btls:a:1"));
    assert_int_equal(endpoint.security, ENDPOINT_ENCRYPTED);
    assert_true(parse("mtls:[::1]:5"));
    assert_int_equal(endpoint.security, ENDPOINT_PROVEN);
    assert_string_equal(endpoint.address.host, "::1");
}

static void a_word_says_which_protocol_is_spoken(void **state)
{
    (void)state;
    assert_true(parse("proto[ascii]:a"));
    assert_int_equal(endpoint.protocol, ENDPOINT_ASCII);
    assert_true(parse("proto[binary]:a"));
    assert_int_equal(endpoint.protocol, ENDPOINT_BINARY);
    assert_true(parse("proto[negotiating]:a"));
    assert_int_equal(endpoint.protocol, ENDPOINT_NEGOTIATING);
    assert_false(parse("proto[]:a"));
    assert_false(parse("proto[asci]:a"));
    assert_false(parse("proto[ascii]a"));
    assert_false(parse("proto[ascii"));
    assert_false(parse("proto["));
    assert_false(parse("proto[ascii]:"));
}

static void a_tag_has_one_to_eight_characters(void **state)
{
    (void)state;
    assert_true(parse("tag[a]:b"));
    assert_string_equal(endpoint.tag, "a");
    assert_true(parse("tag_12345678_:b"));
    assert_string_equal(endpoint.tag, "12345678");
    assert_string_equal(endpoint.address.host, "b");
    assert_false(parse("tag[]:b"));
    assert_false(parse("tag[123456789]:b"));
    assert_false(parse("tag_123456789_:b"));
    assert_false(parse("tag[a:b"));
    assert_false(parse("tag[a]"));
    assert_false(parse("tag[a]b"));
    assert_false(parse("tag_a:b"));
    assert_false(parse("tag_"));
}

static void words_come_in_any_order(void **state)
{
    (void)state;
    assert_true(parse("tag[x]:mtls:proto[binary]:[::1]:9"));
    assert_int_equal(endpoint.security, ENDPOINT_PROVEN);
    assert_int_equal(endpoint.protocol, ENDPOINT_BINARY);
    assert_string_equal(endpoint.tag, "x");
    assert_string_equal(endpoint.address.port, "9");
    assert_true(parse("proto[ascii]:tag[x]:notls:*:9"));
    assert_int_equal(endpoint.security, ENDPOINT_CLEAR);
    assert_int_equal(endpoint.protocol, ENDPOINT_ASCII);
}

static void a_unix_socket_has_a_path(void **state)
{
    (void)state;
    assert_true(parse("unix:/a/b:c"));
    assert_string_equal(endpoint.unix_path, "/a/b:c");
    assert_true(parse("proto[ascii]:unix:s"));
    assert_string_equal(endpoint.unix_path, "s");
    assert_int_equal(endpoint.protocol, ENDPOINT_ASCII);
    assert_false(parse("unix:"));
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const others[] = {"",        "notls:",  "notls:a:0",
                                         "mtls:[a", "btls:[]", "a:65536"};

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(parse(others[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_may_stand_alone),
        cmocka_unit_test(a_word_says_whether_it_is_encrypted),
        cmocka_unit_test(a_word_says_which_protocol_is_spoken),
        cmocka_unit_test(a_tag_has_one_to_eight_characters),
        cmocka_unit_test(words_come_in_any_order),
        cmocka_unit_test(a_unix_socket_has_a_path),
        cmocka_unit_test(what_is_no_address_is_refused)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
