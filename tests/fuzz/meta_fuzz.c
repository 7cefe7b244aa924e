/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Meta commands, from the line to the reply.
 *
 * Lines make the same commands however they were cut into reads; and whatever
 * came of a command, its reply fits, takes up the flags of the request in
 * their order, and is the same when the line itself is gone.
 */
#include <assert.h>
#include <ctype.h>

#include "proto/memcached/meta.h"
#include "proto/memcached/meta_reply.h"
#include "proto/memcached/text.h"
#include "tests/fuzz/parsing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t number_of(struct reads *reads)
{
    static const uint64_t numbers[] = {0, 1, 9, 10, UINT32_MAX, UINT64_MAX};
    uint8_t control = reads_control(reads);

    return control % 8 < 6 ? numbers[control % 8] : control;
}

static struct outcome outcome_of(struct reads *reads)
{
    uint8_t bits = reads_control(reads);
    struct outcome outcome = {
        .kind =
            (enum outcome_kind)(reads_control(reads) % (OUTCOME_SILENT + 1)),
        .flags = (uint32_t)number_of(reads),
        .token = number_of(reads),
        .number = number_of(reads),
        .item = {.was_fetched = bits & 1,
                 .was_won = bits & 2,
                 .was_stale = bits & 4,
                 .is_won = bits & 8,
                 .is_created = bits & 16,
                 .is_base64 = bits & 32,
                 .now = 1800000000,
                 .exptime = (time_s)number_of(reads),
                 .touched_exptime = (time_s)number_of(reads),
                 .created_exptime = (time_s)number_of(reads),
                 .idle_s = (time_s)number_of(reads),
                 .value_bytes = (uint32_t)number_of(reads),
                 .room_bytes = (uint32_t)number_of(reads)}};

    return outcome;
}

/* True where `letter` is a flag of the request at or behind `tokens`, which
 * then begin behind it. */
static bool takes_up(struct span *tokens, uint8_t letter)
{
    struct span flag;

    while (meta_next_flag(tokens, &flag)) {
        if (flag.data[0] == letter)
            return true;
    }
    return false;
}

/* Behind the code: flags of the request, in its order; b behind a key; then
 * perhaps Z, X and W. */
static void check_flags(const struct command *command, struct span line)
{
    struct span tokens = command->tokens;
    struct span word;
    const char *wins = "ZXW";
    bool was_key = false;

    while (meta_next_flag(&line, &word)) {
        uint8_t letter = word.data[0];
        const char *win = strchr(wins, letter);
        if (letter == 'b' && was_key) {
            assert(word.length == 1);
            was_key = false;
        } else if (win != NULL && word.length == 1) {
            wins = win + 1;
        } else {
            assert(*wins == 'Z');
            assert(takes_up(&tokens, letter));
            was_key = letter == 'k';
        }
    }
}

static bool has_return(struct span key)
{
    return key.length > 0 && memchr(key.data, '\r', key.length) != NULL;
}

static void check_reply(const struct command *command,
                        const struct outcome *outcome)
{
    uint8_t *to = malloc(REPLY_HEAD_BYTES_MAX);

    assert(to != NULL);
    size_t bytes = reply_head(command, outcome, to);
    assert(bytes <= REPLY_HEAD_BYTES_MAX);
    assert(bytes == 0 || memcmp(to + bytes - 2, "\r\n", 2) == 0);
    uint8_t *end = bytes == 0 ? NULL : memchr(to, '\r', bytes);
    struct span line =
        bytes == 0 ? (struct span){0} : span_of(to, (size_t)(end - to));
    /* A key of a line holds no blank, but perhaps a return. */
    bool is_plain = line.length >= 2 && isupper(to[0]) && isupper(to[1]) &&
                    !has_return(command->key);
    if (is_plain && command->kind != COMMAND_INSPECT &&
        (line.length == 2 || to[2] == ' ')) {
        struct span rest = span_of(to + 2, line.length - 2);
        struct span length;
        if (to[0] == 'V')
            assert(meta_next_flag(&rest, &length) && isdigit(length.data[0]));
        check_flags(command, rest);
    }
    free(to);
}

/* What a value that arrives in pieces is answered with. */
static void check_kept(const struct command *command,
                       const struct outcome *outcome)
{
    uint8_t *kept = malloc(META_KEPT_BYTES_MAX);
    uint8_t before[REPLY_HEAD_BYTES_MAX];
    uint8_t after[REPLY_HEAD_BYTES_MAX];
    struct command later = *command;

    assert(kept != NULL);
    if (command->key_is_base64)
        later.key = span_of(later.decoded_key, command->key.length);
    later.tokens = meta_keep_flags(command->tokens, kept);
    size_t bytes = reply_head(command, outcome, before);
    assert(reply_head(&later, outcome, after) == bytes);
    assert(memcmp(before, after, bytes) == 0);
    free(kept);
}

static void try_line(struct span line, struct reads *reads)
{
    uint8_t *copy = malloc(line.length);
    struct command command;

    assert(copy != NULL);
    span_copy(copy, line);
    command_clear(&command, PROTOCOL_TEXT);
    struct span rest = span_of(copy, line.length);
    struct span word;
    if (meta_next_flag(&rest, &word) && meta_parse(word, rest, &command)) {
        struct outcome outcome = outcome_of(reads);
        if (command.kind == COMMAND_REFUSED)
            outcome.kind = OUTCOME_REFUSED;
        /* The outcomes of other kinds are not among those of a store. */
        check_reply(&command, &outcome);
        if (command.kind == COMMAND_STORE && outcome.kind != OUTCOME_HIT &&
            outcome.kind != OUTCOME_FOUND && outcome.kind != OUTCOME_NUMBER)
            check_kept(&command, &outcome);
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reads reads = reads_of(data, size);

    /* A line beyond that is closed, unless its end came with it. */
    parsing_try(PROTOCOL_TEXT, data, size, TEXT_LINE_BYTES_MAX);
    if (reads.sent.length == 0)
        return 0;
    const uint8_t *at = reads.sent.data;
    const uint8_t *end = at + reads.sent.length;
    while (at < end) {
        const uint8_t *line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == NULL)
            line_end = end;
        try_line(span_of(at, (size_t)(line_end - at)), &reads);
        at = line_end + 1;
    }
    return 0;
}
