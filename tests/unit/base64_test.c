/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Base64: what is no base64 first, then both ways.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/base/base64.h"
#include "proto/base/prng.h"

#define BYTES_MAX 300

/* Decoded from memory of exactly its size into memory of exactly the size
 * that is asked for. */
static size_t decode(struct span text, uint8_t to[BYTES_MAX])
{
    uint8_t *copy = malloc(text.length);
    uint8_t *room = malloc(text.length / 4 * 3);

    span_copy(copy, text);
    size_t bytes = base64_decode(room, span_of(copy, text.length));
    assert_true(bytes <= text.length / 4 * 3);
    span_copy(to, span_of(room, bytes));
    free(copy);
    free(room);
    return bytes;
}

static void refuses_what_is_no_base64(void **state)
{
    static const char *const texts[] = {"",      "Z",        "Zm",       "Zm9",
                                        "Zm9vZ", "====",     "Z===",     "=Zm9",
                                        "Zm=v",  "Zg==Zg==", "Zm9=Zm9v", "Zm 9",
                                        "Zm9-",  "Zm9_",     "Zm9\n",    "Zm9@",
                                        "Zm9[",  "Zm9`",     "Zm9{",     "Zm9.",
                                        "Zm9:"};
    uint8_t bytes[BYTES_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_int_equal(decode(span_of_string(texts[i]), bytes), 0);
}

static void refuses_any_byte_that_is_no_letter(void **state)
{
    uint8_t bytes[BYTES_MAX];
    unsigned letters_count = 0;

    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t text[] = {'Z', (uint8_t)byte, '9', 'v'};
        letters_count += decode(span_of(text, sizeof(text)), bytes) == 3;
    }
    assert_int_equal(letters_count, 64);
}

static void decodes_with_and_without_padding(void **state)
{
    static const struct {
        const char *text;
        const char *bytes;
    } pairs[] = {{"Zg==", "f"},         {"Zm8=", "fo"},
                 {"Zm9v", "foo"},       {"Zm9vYg==", "foob"},
                 {"Zm9vYmE=", "fooba"}, {"Zm9vYmFy", "foobar"}};
    uint8_t bytes[BYTES_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        size_t length = decode(span_of_string(pairs[i].text), bytes);
        assert_true(
            span_equal(span_of(bytes, length), span_of_string(pairs[i].bytes)));
        uint8_t text[16];
        uint8_t *end = base64_encode(text, span_of_string(pairs[i].bytes));
        assert_true(span_equal(span_of(text, (size_t)(end - text)),
                               span_of_string(pairs[i].text)));
    }
}

static void ignores_bits_too_many(void **state)
{
    uint8_t bytes[BYTES_MAX];

    (void)state;
    assert_int_equal(decode(SPAN("Zh=="), bytes), 1);
    assert_int_equal(bytes[0], 'f');
}

static void what_was_encoded_is_decoded(void **state)
{
    struct prng prng = {.state = 7};
    uint8_t bytes[BYTES_MAX];
    uint8_t text[BASE64_BYTES(BYTES_MAX)];
    uint8_t again[BYTES_MAX];

    (void)state;
    for (size_t length = 1; length <= 220; length++) {
        for (size_t i = 0; i < length; i++)
            bytes[i] = (uint8_t)prng_next(&prng);
        uint8_t *end = base64_encode(text, span_of(bytes, length));
        assert_int_equal(end - text, BASE64_BYTES(length));
        assert_int_equal(decode(span_of(text, BASE64_BYTES(length)), again),
                         length);
        assert_memory_equal(bytes, again, length);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_no_base64),
        cmocka_unit_test(refuses_any_byte_that_is_no_letter),
        cmocka_unit_test(decodes_with_and_without_padding),
        cmocka_unit_test(ignores_bits_too_many),
        cmocka_unit_test(what_was_encoded_is_decoded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
