/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file of a farm's keys: what is a line of it, what is not, who may have
 * access to it; and that no line about it shows a key.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/loop/farm_keys.h"

/* 64 digits; the sixteen bytes behind tell keys apart. */
#define DIGITS_48 "0123456789abcdef0123456789abcdef0123456789abcdef"
#define KEY_A DIGITS_48 "aaaaaaaaaaaaaaaa"
#define KEY_B DIGITS_48 "bbbbbbbbbbbbbbbb"
#define FILE_BYTES_MAX 16384

static char path[64];
static char error[TLS_ERROR_BYTES];

static int make_file(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/grapevine-keys-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    return close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static struct farm_keys *read_bytes_of(const char *bytes, size_t length)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    error[0] = '\0';
    return farm_keys_read(path, error);
}

static struct farm_keys *read_keys(const char *text)
{
    return read_bytes_of(text, strlen(text));
}

static void assert_says(const char *words)
{
    if (strstr(error, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error, words);
}

/* One line, of the option and the file, without any of what is in it. */
static void assert_told_well(void)
{
    assert_says("option --farm-key-file: ");
    assert_says(path);
    assert_null(strchr(error, '\n'));
    assert_null(strstr(error, "0123456789abcde"));
    assert_null(strstr(error, "aaaa"));
}

static void assert_refused(const char *text, const char *words)
{
    assert_null(read_keys(text));
    assert_told_well();
    assert_says(words);
}

static void assert_count(const char *text, size_t count)
{
    struct farm_keys *keys = read_keys(text);

    if (keys == NULL)
        fail_msg("refused: %s", error);
    assert_int_equal(keys->count, count);
    farm_keys_destroy(keys);
}

/* ---- lines ---- */

static void a_key_is_a_line_of_64_digits(void **state)
{
    (void)state;
    struct farm_keys *keys = read_keys(KEY_A "\n");

    assert_non_null(keys);
    assert_int_equal(keys->count, 1);
    assert_int_equal(keys->list[0].bytes[0], 0x01);
    assert_int_equal(keys->list[0].bytes[7], 0xef);
    assert_int_equal(keys->list[0].bytes[FARM_KEY_BYTES - 1], 0xaa);
    farm_keys_destroy(keys);
}

static void what_stands_around_a_key_is_skipped(void **state)
{
    (void)state;
    assert_count(KEY_A, 1); /* no line end */
    assert_count(KEY_A "\r\n" KEY_B "\r\n", 2);
    assert_count("\n\n  \t\n" KEY_A "\n\n", 1);
    assert_count("# the farm of the shop\n" KEY_A " # since May\n", 1);
    assert_count(KEY_A "#\n#" KEY_B "\n", 1);
    assert_count(" \t" KEY_A "\t \n", 1);
}

static void digits_may_be_large_or_small(void **state)
{
    (void)state;
    struct farm_keys *small = read_keys(KEY_A "\n");
    struct farm_keys *large =
        read_keys("0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF"
                  "AAAAAAAAAAAAAAAA\n");

    assert_non_null(small);
    assert_non_null(large);
    assert_memory_equal(small->list[0].bytes, large->list[0].bytes,
                        FARM_KEY_BYTES);
    assert_string_equal(small->list[0].name, large->list[0].name);
    farm_keys_destroy(small);
    farm_keys_destroy(large);
}

static void the_bad_line_is_named_by_its_number_alone(void **state)
{
    (void)state;
    assert_refused("secret\n", "line 1 of ");
    assert_refused(KEY_A "\n# fine\n\n" KEY_B "b\n", "line 4 of ");
    assert_refused(KEY_A "\r\n" DIGITS_48 "aaaaaaaaaaaaaaa\r\n", "line 2 of ");
    assert_refused(DIGITS_48 "aaaaaaaaaaaaaaag\n", "line 1 of ");
    assert_refused(DIGITS_48 "aaaaaaaaaaaaaaa@\n", "line 1 of ");
    assert_refused(DIGITS_48 "aaaaaaa aaaaaaaa\n", "line 1 of ");
    assert_refused("0x" DIGITS_48 "aaaaaaaaaaaaaa\n", "line 1 of ");
    assert_refused(KEY_A " " KEY_B "\n", "line 1 of ");
    assert_refused("\xef\xbb\xbf" KEY_A "\n", "line 1 of ");
    assert_null(read_bytes_of(DIGITS_48 "aaaaaaa\0aaaaaaaa\n", 66));
    assert_told_well();
}

static void a_file_without_a_key_is_refused(void **state)
{
    (void)state;
    assert_refused("", "there is no key in ");
    assert_refused("\n\r\n  \n", "there is no key in ");
    assert_refused("# " KEY_A "\n", "there is no key in ");
}

/* ---- how many ---- */

/* Keys that differ, each on a line. */
static size_t write_keys(char *to, unsigned count)
{
    size_t used = 0;

    for (unsigned i = 0; i < count; i++)
        used += (size_t)sprintf(to + used, DIGITS_48 "%016u\n", i);
    return used;
}

static void eight_keys_are_enough(void **state)
{
    char text[1024];

    (void)state;
    write_keys(text, FARM_KEYS_MAX);
    assert_count(text, FARM_KEYS_MAX);
    write_keys(text, FARM_KEYS_MAX + 1);
    assert_refused(text, "has more than 8 keys");
}

static void the_same_key_twice_is_one(void **state)
{
    char text[1024];

    (void)state;
    assert_count(KEY_A "\n" KEY_B "\n" KEY_A "\n", 2);
    size_t used = write_keys(text, FARM_KEYS_MAX);
    write_keys(text + used, 1);
    assert_count(text, FARM_KEYS_MAX);
}

static void a_file_beyond_16_kilobytes_is_refused(void **state)
{
    static char text[FILE_BYTES_MAX + 1];

    (void)state;
    memset(text, '\n', sizeof(text));
    memcpy(text, KEY_A, strlen(KEY_A));
    struct farm_keys *keys = read_bytes_of(text, FILE_BYTES_MAX - 1);
    assert_non_null(keys);
    farm_keys_destroy(keys);
    assert_null(read_bytes_of(text, FILE_BYTES_MAX));
    assert_told_well();
    assert_says("cannot read");
    assert_null(read_bytes_of(text, FILE_BYTES_MAX + 1));
    assert_told_well();
}

/* ---- names ---- */

static void a_name_goes_with_the_key_and_does_not_tell_it(void **state)
{
    (void)state;
    struct farm_keys *one = read_keys(KEY_A "\n" KEY_B "\n");
    struct farm_keys *other = read_keys("# new first\n" KEY_B "\n" KEY_A "\n");

    assert_non_null(one);
    assert_non_null(other);
    assert_string_equal(one->list[0].name, other->list[1].name);
    assert_string_equal(one->list[1].name, other->list[0].name);
    assert_string_not_equal(one->list[0].name, one->list[1].name);
    assert_int_equal(strlen(one->list[0].name), FARM_KEY_NAME_BYTES - 1);
    assert_null(strstr(KEY_A KEY_B, one->list[0].name));
    farm_keys_destroy(one);
    farm_keys_destroy(other);
}

static void only_the_whole_name_finds_a_key(void **state)
{
    (void)state;
    struct farm_keys *keys = read_keys(KEY_A "\n" KEY_B "\n");

    assert_non_null(keys);
    const uint8_t *name = (const uint8_t *)keys->list[1].name;
    assert_ptr_equal(farm_keys_find(keys, name, FARM_KEY_NAME_BYTES - 1),
                     &keys->list[1]);
    assert_null(farm_keys_find(keys, name, FARM_KEY_NAME_BYTES - 2));
    assert_null(farm_keys_find(keys, name, FARM_KEY_NAME_BYTES));
    assert_null(farm_keys_find(keys, name, 0));
    assert_null(farm_keys_find(keys, (const uint8_t *)"Client_identity", 15));
    farm_keys_destroy(keys);
}

/* ---- who may have access ---- */

static void others_have_no_access(void **state)
{
    static const mode_t wide[] = {0640, 0604, 0620, 0602, 0610, 0601, 0666};

    (void)state;
    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        assert_int_equal(chmod(path, wide[i]), 0);
        assert_refused(KEY_A "\n", "chmod 600");
    }
    assert_int_equal(chmod(path, 0400), 0);
    struct farm_keys *keys = farm_keys_read(path, error);
    assert_non_null(keys);
    farm_keys_destroy(keys);
}

static void what_is_no_file_is_refused(void **state)
{
    char folder[] = "/tmp/grapevine-keys-XXXXXX";
    char pipe_path[80];

    (void)state;
    assert_non_null(mkdtemp(folder));
    assert_null(farm_keys_read(folder, error));
    assert_says("is no file");
    /* Nobody waits for who would write to it. */
    snprintf(pipe_path, sizeof(pipe_path), "%s/pipe", folder);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    assert_null(farm_keys_read(pipe_path, error));
    assert_says("is no file");
    assert_int_equal(unlink(pipe_path), 0);
    assert_null(farm_keys_read(pipe_path, error));
    assert_says("cannot read");
    assert_says("No such file");
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_file, remove_file)
    const struct CMUnitTest tests[] = {
        CASE(a_key_is_a_line_of_64_digits),
        CASE(what_stands_around_a_key_is_skipped),
        CASE(digits_may_be_large_or_small),
        CASE(the_bad_line_is_named_by_its_number_alone),
        CASE(a_file_without_a_key_is_refused),
        CASE(eight_keys_are_enough),
        CASE(the_same_key_twice_is_one),
        CASE(a_file_beyond_16_kilobytes_is_refused),
        CASE(a_name_goes_with_the_key_and_does_not_tell_it),
        CASE(only_the_whole_name_finds_a_key),
        CASE(others_have_no_access),
        CASE(what_is_no_file_is_refused),
    };

    return cmocka_run_group_tests_name("farm_keys", tests, NULL, NULL);
}
