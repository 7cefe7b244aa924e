/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/conversation.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/memcached/binary.h"
#include "proto/memcached/credentials.h"
#include "proto/memcached/text.h"
#include "tests/support/guarded.h"

struct driver {
    const struct conversation *conversation;
    const size_t *cuts; /* of the reads still to come */
    size_t cuts_count;
    struct text_parser text;
    size_t start_bytes;    /* parsed or skipped */
    size_t received_bytes; /* of all */
    size_t skip_bytes;     /* announced, not yet skipped */
    bool is_over;
    FILE *to;
};

/* ---- the transcript ---- */

static const char *const kinds[] = {[COMMAND_REFUSED] = "refused",
                                    [COMMAND_RETRIEVE] = "retrieve",
                                    [COMMAND_STORE] = "store",
                                    [COMMAND_REMOVE] = "remove",
                                    [COMMAND_ARITHMETIC] = "arithmetic",
                                    [COMMAND_TOUCH] = "touch",
                                    [COMMAND_FLUSH] = "flush",
                                    [COMMAND_VERSION] = "version",
                                    [COMMAND_STATS] = "stats",
                                    [COMMAND_INSPECT] = "inspect",
                                    [COMMAND_OPERATOR] = "operator",
                                    [COMMAND_NOOP] = "noop",
                                    [COMMAND_QUIT] = "quit",
                                    [COMMAND_AUTHENTICATE] = "authenticate",
                                    [COMMAND_MECHANISMS] = "mechanisms"};

static const char *const modes[] = {
    [MODE_SET] = "set",         [MODE_ADD] = "add",
    [MODE_REPLACE] = "replace", [MODE_APPEND] = "append",
    [MODE_PREPEND] = "prepend", [MODE_INCREMENT] = "up",
    [MODE_DECREMENT] = "down"};

static const char *const refusals[] = {
    [REFUSAL_NONE] = "nothing",
    [REFUSAL_UNKNOWN_COMMAND] = "unknown",
    [REFUSAL_FORMAT] = "format",
    [REFUSAL_EXPTIME] = "exptime",
    [REFUSAL_DELTA] = "delta",
    [REFUSAL_DELETE] = "delete",
    [REFUSAL_LINE_TOO_LONG] = "long",
    [REFUSAL_ARGUMENTS] = "arguments",
    [REFUSAL_UNAUTHENTICATED] = "unauthenticated",
    [REFUSAL_AUTHENTICATION] = "authentication",
    [REFUSAL_TOKEN_FORMAT] = "token_format",
    [REFUSAL_TOKEN_END] = "token_end",
    [REFUSAL_TOKEN_TOO_LONG] = "token_too_long",
    [REFUSAL_FLAG] = "flag",
    [REFUSAL_FLAG_TWICE] = "twice",
    [REFUSAL_FLAGS_MANY] = "many",
    [REFUSAL_FLAG_NUMBER] = "number",
    [REFUSAL_FLAG_INITIAL] = "initial",
    [REFUSAL_FLAG_DELTA] = "flag_delta",
    [REFUSAL_FLAG_OPAQUE] = "opaque",
    [REFUSAL_FLAG_OF_COUNT] = "of_count",
    [REFUSAL_KEY_CODE] = "key_code",
    [REFUSAL_STORE_MODE] = "store_mode",
    [REFUSAL_COUNT_MODE] = "count_mode"};

static const char *const block_faults[] = {[BLOCK_SOUND] = "sound",
                                           [BLOCK_TOO_LARGE] = "too_large",
                                           [BLOCK_UNTERMINATED] =
                                               "unterminated"};

static void print_flag(FILE *to, const char *name, bool is_set)
{
    if (is_set)
        fprintf(to, " %s", name);
}

static void print_number(FILE *to, const char *name, uint64_t number)
{
    if (number != 0)
        fprintf(to, " %s=%" PRIu64, name, number);
}

static void print_span(FILE *to, const char *name, struct span span)
{
    if (span.length == 0)
        return;
    fprintf(to, " %s='", name);
    for (size_t i = 0; i < span.length; i++) {
        uint8_t byte = span.data[i];
        if (byte < ' ' || byte > '~' || byte == '\'' || byte == '\\')
            fprintf(to, "\\x%02x", byte);
        else
            fputc(byte, to);
    }
    fputc('\'', to);
}

static void print_time(FILE *to, const char *name, int64_t time)
{
    if (time != 0)
        fprintf(to, " %s=%" PRId64, name, time);
}

static void print_meta(FILE *to, const struct command *command)
{
    print_flag(to, "meta", command->is_meta);
    print_flag(to, "base64", command->key_is_base64);
    print_flag(to, "with_value", command->with_value);
    print_flag(to, "unnoticed", command->is_unnoticed);
    print_flag(to, "recaches", command->recaches);
    print_flag(to, "invalidates", command->invalidates);
    print_flag(to, "empties", command->empties);
    print_time(to, "created", command->created_exptime);
    print_time(to, "recache", command->recache_exptime);
    print_number(to, "token", command->token);
    print_span(to, "tokens", command->tokens);
}

static void print_command(FILE *to, const struct command *command)
{
    bool is_binary = command->protocol == PROTOCOL_BINARY;
    bool has_mode = command->kind == COMMAND_STORE ||
                    command->kind == COMMAND_ARITHMETIC || command->mode != 0;

    fputs(kinds[command->kind], to);
    if (is_binary)
        fprintf(to, " %02x", command->opcode);
    print_number(to, "opaque", command->opaque);
    print_flag(to, modes[command->mode], has_mode);
    print_flag(to, refusals[command->refusal],
               command->kind == COMMAND_REFUSED ||
                   command->refusal != REFUSAL_NONE);
    print_flag(to, block_faults[command->block_fault],
               command->block_fault != BLOCK_SOUND);
    print_span(to, "key", command->key);
    print_span(to, "value", command->value);
    print_span(to, "argument", command->argument);
    print_number(to, "flags", command->flags);
    print_time(to, "exptime", command->exptime);
    print_number(to, "compare", command->compare);
    print_number(to, "delta", command->delta);
    print_number(to, "initial", command->initial);
    if (command->value_bytes != command->value.length)
        fprintf(to, " value_bytes=%zu", command->value_bytes);
    print_number(to, "swallow", command->swallow_bytes);
    print_flag(to, "quiet", command->quiet);
    print_flag(to, "mints", command->mints);
    print_flag(to, "with_key", command->with_key);
    print_flag(to, "with_token", command->with_token && !is_binary);
    print_flag(to, "without_token", !command->with_token && is_binary);
    print_flag(to, "more", !command->last);
    print_flag(to, "touches", command->touches);
    print_flag(to, "compares", command->has_compare);
    print_flag(to, "creates", command->creates);
    print_flag(to, "follows", command->value_follows);
    print_flag(to, "closes", command->closes);
    print_meta(to, command);
    fputc('\n', to);
}

/* ---- what a parser owes ---- */

static bool is_inside(struct span inner, struct span outer)
{
    return inner.length == 0 ||
           ((uintptr_t)inner.data >= (uintptr_t)outer.data &&
            inner.length <= outer.length &&
            (uintptr_t)inner.data - (uintptr_t)outer.data <=
                outer.length - inner.length);
}

static void check_command(const struct driver *driver, struct span used,
                          const struct command *command)
{
    assert(command->protocol == driver->conversation->protocol);
    assert(command->hash == 0); /* whoever executes it sets it */
    assert(is_inside(command->key, used) ||
           (command->key_is_base64 &&
            is_inside(command->key, span_of(command->decoded_key,
                                            sizeof(command->decoded_key)))));
    assert(is_inside(command->tokens, used));
    assert(is_inside(command->value, used));
    assert(is_inside(command->argument, used));
    /* The protocols say 250, whatever the parsers make of it. */
    assert(command->key.length <= 250 || command->kind == COMMAND_REFUSED ||
           command->kind == COMMAND_AUTHENTICATE);
    assert(command->kind != COMMAND_AUTHENTICATE ||
           command->key.length + command->value.length <=
               CREDENTIALS_BYTES_MAX);
    assert(!driver->conversation->is_stranger ||
           command->kind == COMMAND_AUTHENTICATE ||
           command->kind == COMMAND_REFUSED ||
           (command->protocol == PROTOCOL_BINARY &&
            (command->kind == COMMAND_MECHANISMS ||
             command->kind == COMMAND_VERSION)));
    assert(command->kind != COMMAND_REFUSED ||
           command->refusal != REFUSAL_NONE);
    assert(command->value_bytes <= INT32_MAX);
    assert(command->swallow_bytes <= (size_t)INT32_MAX + 2);
    assert(!command->value_follows ||
           (command->kind == COMMAND_STORE && command->swallow_bytes == 0 &&
            command->value_bytes + command->key.length <=
                driver->conversation->limits.item_bytes_max));
    assert(command->kind != COMMAND_STORE || command->value_follows ||
           command->block_fault == BLOCK_TOO_LARGE ||
           command->value.length == command->value_bytes);
}

/* ---- the reads ---- */

/* Receives up to the end of the next read; false when all is received. */
static bool receive(struct driver *driver)
{
    size_t all_bytes = driver->conversation->bytes.length;
    size_t until_bytes = all_bytes;

    if (driver->received_bytes == all_bytes)
        return false;
    if (driver->cuts_count > 0) {
        until_bytes = *driver->cuts++;
        driver->cuts_count--;
    }
    assert(until_bytes >= driver->received_bytes && until_bytes <= all_bytes);
    driver->received_bytes = until_bytes;
    return true;
}

static size_t waiting_bytes(const struct driver *driver)
{
    return driver->received_bytes - driver->start_bytes;
}

static void skip(struct driver *driver)
{
    size_t bytes = waiting_bytes(driver);

    if (bytes > driver->skip_bytes)
        bytes = driver->skip_bytes;
    driver->start_bytes += bytes;
    driver->skip_bytes -= bytes;
}

static void take_command(struct driver *driver, struct span used,
                         const struct command *command)
{
    check_command(driver, used, command);
    print_command(driver->to, command);
    driver->start_bytes += used.length;
    driver->skip_bytes = command->swallow_bytes;
    if (command->value_follows)
        driver->skip_bytes =
            command->value_bytes + (command->protocol == PROTOCOL_TEXT ? 2 : 0);
    driver->is_over = command->closes || command->kind == COMMAND_QUIT;
}

static struct parsed parse_input(struct driver *driver, struct span input,
                                 struct command *command)
{
    const struct conversation *conversation = driver->conversation;

    if (conversation->protocol == PROTOCOL_TEXT)
        return conversation->is_stranger
                   ? credentials_parse_text(input, command)
                   : text_parse(&driver->text, input, &conversation->limits,
                                command);
    if (!conversation->is_stranger) {
        struct parsed parsed =
            binary_parse(input, &conversation->limits, command);
        if (parsed.result != PARSE_CREDENTIALS)
            return parsed;
        assert(conversation->limits.with_sasl);
    }
    return credentials_parse_binary(input, command);
}

/* One call of the parser; how much input it asks for, 0 if it took some. */
static size_t parse(struct driver *driver)
{
    const struct conversation *conversation = driver->conversation;
    size_t bytes = waiting_bytes(driver);
    struct span input = guarded_copy(
        span_of(conversation->bytes.data + driver->start_bytes, bytes));
    struct command command;
    struct parsed parsed;

    parsed = parse_input(driver, input, &command);

    size_t need_bytes = 0;
    switch (parsed.result) {
    case PARSE_COMMAND:
        assert(parsed.used > 0 && parsed.used <= bytes);
        take_command(driver, span_of(input.data, parsed.used), &command);
        break;
    case PARSE_MORE:
        assert(parsed.need > bytes);
        need_bytes = parsed.need;
        break;
    case PARSE_CLOSE:
        fputs("closed without a reply\n", driver->to);
        driver->is_over = true;
        break;
    case PARSE_CREDENTIALS:
        assert(false); /* its parsers find what it is */
    }
    guarded_return();
    return need_bytes;
}

char *conversation_transcript(const struct conversation *conversation,
                              const size_t *cuts, size_t cuts_count)
{
    struct driver driver = {
        .conversation = conversation, .cuts = cuts, .cuts_count = cuts_count};
    size_t need_bytes = 1;
    char *transcript;
    size_t length;

    driver.to = open_memstream(&transcript, &length);
    assert(driver.to != NULL);
    while (!driver.is_over) {
        skip(&driver);
        if (driver.skip_bytes == 0 && need_bytes == 0 &&
            waiting_bytes(&driver) == 0)
            need_bytes = 1; /* there is nothing to look at */
        if (driver.skip_bytes > 0 || waiting_bytes(&driver) < need_bytes) {
            if (!receive(&driver))
                break;
        } else {
            need_bytes = parse(&driver);
        }
    }
    if (driver.skip_bytes > 0)
        fprintf(driver.to, "%zu bytes to skip\n", driver.skip_bytes);
    else if (!driver.is_over && waiting_bytes(&driver) > 0)
        fprintf(driver.to, "%zu bytes of %zu\n", waiting_bytes(&driver),
                need_bytes);
    fclose(driver.to);
    return transcript;
}

/* ---- splits ---- */

static bool is_same(const struct conversation *conversation,
                    const char *expected, const size_t *cuts, size_t cuts_count)
{
    char *transcript = conversation_transcript(conversation, cuts, cuts_count);
    bool same = strcmp(transcript, expected) == 0;

    if (!same)
        fprintf(stderr,
                "cut into %zu reads, the first of %zu bytes:\n%s"
                "in one read:\n%s",
                cuts_count + 1, cuts[0], transcript, expected);
    free(transcript);
    return same;
}

bool conversation_is_split_proof(const struct conversation *conversation)
{
    char *expected = conversation_transcript(conversation, NULL, 0);
    size_t length = conversation->bytes.length;
    size_t *every = calloc(length + 1, sizeof(*every));
    bool same = true;

    assert(every != NULL);
    for (size_t cut = 0; cut <= length; cut++) {
        same = same && is_same(conversation, expected, &cut, 1);
        every[cut] = cut;
    }
    same = same && is_same(conversation, expected, every, length + 1);
    free(every);
    free(expected);
    return same;
}
