/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/memcached/text.h"

#include <assert.h>

#include "proto/base/decimal.h"
#include "proto/memcached/meta.h"

/* No command has more words that matter; further ones are ignored. */
#define TOKENS_MAX 8
/* memcached looks for "get " behind at most so many spaces. */
#define LEADING_SPACES_MAX 100

struct line {
    struct span text; /* without its end */
    size_t all_bytes; /* with its end */
    size_t count;     /* tokens, at most TOKENS_MAX of them in `tokens` */
    struct span tokens[TOKENS_MAX];
    struct span last; /* the last token, however many there are */
};

static struct parsed parsed_command(size_t used)
{
    return (struct parsed){.result = PARSE_COMMAND, .used = used};
}

/* `word` is the first token of the line, `rest` what is behind it. */
static void tokenise(struct line *line, struct span word, struct span rest)
{
    struct span last = word;
    size_t count = 0;

    for (struct span token = word; token.length > 0;
         token = span_take_word(&rest)) {
        if (count < TOKENS_MAX)
            line->tokens[count] = token;
        count++;
        last = token;
    }
    line->count = count;
    line->last = last;
}

/* `noreply` counts as the last word only; there also where it stands for an
 * argument that is missing, so that nobody gets a reply whom none is due. */
static bool is_noreply(const struct line *line)
{
    return line->count > 1 && span_equal(line->last, SPAN("noreply"));
}

static struct parsed refuse(const struct line *line, struct command *command,
                            enum refusal refusal)
{
    command->kind = COMMAND_REFUSED;
    command->refusal = refusal;
    return parsed_command(line->all_bytes);
}

static bool is_key(struct span token)
{
    return token.length >= 1 && token.length <= COMMAND_KEY_BYTES_MAX;
}

/* A key of a retrieval line; `from` is where the parser stands in it, `rest`
 * what is behind the key. */
static struct parsed take_key(struct text_parser *parser, const uint8_t *from,
                              struct span key, struct span rest,
                              struct command *command)
{
    command->kind = COMMAND_RETRIEVE;
    command->with_key = true;
    command->with_token = parser->with_token;
    command->touches = parser->touches;
    command->exptime = parser->exptime;
    command->key = key;
    while (rest.length > 0 && rest.data[0] == ' ')
        rest = span_of(rest.data + 1, rest.length - 1);
    command->last = rest.length == 0;

    size_t used =
        command->last ? parser->line_bytes_left : (size_t)(rest.data - from);
    parser->line_bytes_left -= used;
    return parsed_command(used);
}

/*
 * The next key of a retrieval line.  Its keys were checked when the line was
 * first seen, and the line stays in the input until its last key is taken.
 */
static struct parsed take_next_key(struct text_parser *parser,
                                   struct span input, struct command *command)
{
    assert(input.length >= parser->line_bytes_left);
    struct span rest =
        span_of(input.data, parser->line_bytes_left - parser->line_end_bytes);
    struct span key = span_take_word(&rest);

    return take_key(parser, input.data, key, rest, command);
}

/* `rest` is the line behind its command word. */
static struct parsed parse_retrieval(struct text_parser *parser,
                                     const struct line *line, struct span rest,
                                     struct command *command, bool with_token,
                                     bool touches)
{
    parser->exptime = 0;
    if (touches) {
        struct span exptime = span_take_word(&rest);
        struct span peek = rest;
        if (span_take_word(&peek).length == 0)
            return refuse(line, command, REFUSAL_FORMAT);
        if (!decimal_parse_signed(exptime, &parser->exptime))
            return refuse(line, command, REFUSAL_EXPTIME);
    }

    const uint8_t *from = rest.data;
    struct span first = span_take_word(&rest);
    if (!is_key(first))
        return refuse(line, command, REFUSAL_FORMAT);
    for (struct span keys = rest; keys.length > 0;) {
        struct span key = span_take_word(&keys);
        if (key.length > COMMAND_KEY_BYTES_MAX)
            return refuse(line, command, REFUSAL_FORMAT);
    }

    size_t skipped = (size_t)(from - line->text.data);
    parser->with_token = with_token;
    parser->touches = touches;
    parser->line_end_bytes = line->all_bytes - line->text.length;
    parser->line_bytes_left = line->all_bytes - skipped;
    struct parsed parsed = take_key(parser, from, first, rest, command);
    parsed.used += skipped;
    return parsed;
}

/* The data block of a store, when all of it is there. */
static struct parsed take_block(size_t line_bytes, struct span input,
                                struct command *command)
{
    size_t whole_bytes = line_bytes + command->value_bytes + 2;

    if (input.length < whole_bytes)
        return (struct parsed){.result = PARSE_MORE, .need = whole_bytes};
    command->value = span_of(input.data + line_bytes, command->value_bytes);
    const uint8_t *end = command->value.data + command->value_bytes;
    if (end[0] != '\r' || end[1] != '\n')
        command->block_fault = BLOCK_UNTERMINATED;
    return parsed_command(whole_bytes);
}

/* What a store announced: here, still to come, or more than is kept. */
static struct parsed take_value(size_t line_bytes, struct span input,
                                const struct parse_limits *limits,
                                struct command *command)
{
    size_t key_bytes =
        command->key.length + (command->mints ? COMMAND_MINTED_BYTES : 0);

    if (command->value_bytes + key_bytes > limits->item_bytes_max) {
        command->block_fault = BLOCK_TOO_LARGE;
        command->swallow_bytes = command->value_bytes + 2;
        return parsed_command(line_bytes);
    }
    if (command->value_bytes > COMMAND_INLINE_BYTES_MAX) {
        command->value_follows = true;
        return parsed_command(line_bytes);
    }
    return take_block(line_bytes, input, command);
}

static bool parse_store_numbers(const struct line *line,
                                struct command *command)
{
    uint64_t flags;

    if (!decimal_parse_whole(line->tokens[2], &flags) ||
        !decimal_parse_signed(line->tokens[3], &command->exptime))
        return false;
    /* 64-bit flags keep their low half, as in memcached's default build. */
    command->flags = (uint32_t)flags;
    return !command->has_compare ||
           decimal_parse_whole(line->tokens[5], &command->compare);
}

static struct parsed parse_store(const struct line *line, struct span input,
                                 const struct parse_limits *limits,
                                 struct command *command,
                                 enum command_mode mode, bool has_compare)
{
    size_t required = has_compare ? 6 : 5;
    uint64_t value_bytes = 0;

    if (line->count < 5)
        return refuse(line, command, REFUSAL_FORMAT);
    command->quiet = is_noreply(line);
    if (!decimal_parse_whole(line->tokens[4], &value_bytes) ||
        value_bytes > INT32_MAX - 2)
        return refuse(line, command, REFUSAL_FORMAT);

    /* From here on the length is known, so a refusal skips the block. */
    command->mode = mode;
    command->has_compare = has_compare;
    command->key = line->tokens[1];
    command->value_bytes = value_bytes;
    if (line->count < required || !is_key(command->key) ||
        (command->mints &&
         command->key.length > COMMAND_MINT_PREFIX_BYTES_MAX) ||
        !parse_store_numbers(line, command)) {
        command->swallow_bytes = value_bytes + 2;
        return refuse(line, command, REFUSAL_FORMAT);
    }

    command->kind = COMMAND_STORE;
    return take_value(line->all_bytes, input, limits, command);
}

/* As a set, whose key is to be made: of ours alone. */
static struct parsed parse_mint(const struct line *line, struct span input,
                                const struct parse_limits *limits,
                                struct command *command)
{
    command->mints = true;
    return parse_store(line, input, limits, command, MODE_SET, false);
}

static struct parsed parse_delete(const struct line *line,
                                  struct command *command)
{
    if (line->count < 2)
        return refuse(line, command, REFUSAL_FORMAT);
    command->quiet = line->count > 2 && is_noreply(line);
    if (!is_key(line->tokens[1]))
        return refuse(line, command, REFUSAL_FORMAT);
    /* Old PHP clients send a time of 0 behind the key.  Anything else is an
     * error, as in 1.6.18; 1.6.45 ignores it, and memccapable objects. */
    size_t zero = line->count > 2 && span_equal(line->tokens[2], SPAN("0"));
    if (line->count > 2 + zero + command->quiet)
        return refuse(line, command, REFUSAL_DELETE);
    command->kind = COMMAND_REMOVE;
    command->key = line->tokens[1];
    return parsed_command(line->all_bytes);
}

static struct parsed parse_arithmetic(const struct line *line,
                                      struct command *command,
                                      enum command_mode mode)
{
    if (line->count < 3)
        return refuse(line, command, REFUSAL_FORMAT);
    command->quiet = is_noreply(line);
    if (!is_key(line->tokens[1]))
        return refuse(line, command, REFUSAL_FORMAT);
    if (!decimal_parse_whole(line->tokens[2], &command->delta))
        return refuse(line, command, REFUSAL_DELTA);
    command->kind = COMMAND_ARITHMETIC;
    command->mode = mode;
    command->key = line->tokens[1];
    return parsed_command(line->all_bytes);
}

static struct parsed parse_touch(const struct line *line,
                                 struct command *command)
{
    if (line->count < 3)
        return refuse(line, command, REFUSAL_FORMAT);
    command->quiet = is_noreply(line);
    if (!is_key(line->tokens[1]))
        return refuse(line, command, REFUSAL_FORMAT);
    if (!decimal_parse_signed(line->tokens[2], &command->exptime))
        return refuse(line, command, REFUSAL_EXPTIME);
    command->kind = COMMAND_TOUCH;
    command->key = line->tokens[1];
    return parsed_command(line->all_bytes);
}

static struct parsed parse_flush(const struct line *line,
                                 struct command *command)
{
    command->quiet = is_noreply(line);
    bool has_delay = line->count > 1 && !(command->quiet && line->count == 2);
    command->kind = COMMAND_FLUSH;
    /* Refused, it counts as a flush all the same. */
    if (has_delay && !decimal_parse_signed(line->tokens[1], &command->exptime))
        command->refusal = REFUSAL_EXPTIME;
    return parsed_command(line->all_bytes);
}

static struct parsed parse_word(const struct line *line,
                                struct command *command, enum command_kind kind)
{
    struct span rest = line->text;

    span_take_word(&rest);
    command->kind = kind;
    command->argument = rest;
    return parsed_command(line->all_bytes);
}

static struct parsed parse_unknown(const struct line *line,
                                   struct command *command)
{
    struct span http = SPAN("HTTP/");

    /* A browser or a scanner: no reply of ours may reach its page. */
    if (line->last.length >= http.length &&
        memcmp(line->last.data, http.data, http.length) == 0)
        return (struct parsed){.result = PARSE_CLOSE};
    command->quiet = is_noreply(line);
    return refuse(line, command, REFUSAL_UNKNOWN_COMMAND);
}

static bool is_word(struct span token, const char *word)
{
    return span_equal(token, span_of_string(word));
}

/* Words that operators use, or scripts of theirs. */
static bool is_operators(struct span word)
{
    static const char *const words[] = {
        "verbosity", "cache_memlimit", "watch",         "lru_crawler", "slabs",
        "lru",       "shutdown",       "refresh_certs", "extstore"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (is_word(word, words[i]))
            return true;
    }
    return false;
}

static struct parsed parse_operator(const struct line *line,
                                    struct command *command)
{
    command->kind = COMMAND_OPERATOR;
    command->argument = line->text;
    return parsed_command(line->all_bytes);
}

static struct parsed parse_line(struct text_parser *parser, struct line *line,
                                struct span input,
                                const struct parse_limits *limits,
                                struct command *command)
{
    struct span rest = line->text;
    struct span word = span_take_word(&rest);

    /* Retrievals go first and look at each key by themselves. */
    if (is_word(word, "get"))
        return parse_retrieval(parser, line, rest, command, false, false);
    if (is_word(word, "gets"))
        return parse_retrieval(parser, line, rest, command, true, false);
    if (is_word(word, "gat"))
        return parse_retrieval(parser, line, rest, command, false, true);
    if (is_word(word, "gats"))
        return parse_retrieval(parser, line, rest, command, true, true);
    if (meta_parse(word, rest, command))
        return command->kind == COMMAND_STORE
                   ? take_value(line->all_bytes, input, limits, command)
                   : parsed_command(line->all_bytes);

    tokenise(line, word, rest);
    if (is_word(word, "set"))
        return parse_store(line, input, limits, command, MODE_SET, false);
    if (is_word(word, "delete"))
        return parse_delete(line, command);
    if (is_word(word, "add"))
        return parse_store(line, input, limits, command, MODE_ADD, false);
    if (is_word(word, "touch"))
        return parse_touch(line, command);
    if (is_word(word, "incr"))
        return parse_arithmetic(line, command, MODE_INCREMENT);
    if (is_word(word, "decr"))
        return parse_arithmetic(line, command, MODE_DECREMENT);
    if (is_word(word, "cas"))
        return parse_store(line, input, limits, command, MODE_SET, true);
    if (is_word(word, "replace"))
        return parse_store(line, input, limits, command, MODE_REPLACE, false);
    if (is_word(word, "append"))
        return parse_store(line, input, limits, command, MODE_APPEND, false);
    if (is_word(word, "prepend"))
        return parse_store(line, input, limits, command, MODE_PREPEND, false);
    if (is_word(word, "mint"))
        return parse_mint(line, input, limits, command);
    if (is_word(word, "stats"))
        return parse_word(line, command, COMMAND_STATS);
    if (is_word(word, "version"))
        return parse_word(line, command, COMMAND_VERSION);
    if (is_word(word, "quit"))
        return parse_word(line, command, COMMAND_QUIT);
    if (is_word(word, "flush_all"))
        return parse_flush(line, command);
    if (is_operators(word))
        return parse_operator(line, command);
    return parse_unknown(line, command);
}

/* ---- what is said most, as most clients say it ---- */

/* How many bytes the end of a line takes there; 0: there is none. */
static size_t line_end(const uint8_t *at, const uint8_t *end)
{
    if (end - at >= 2 && at[0] == '\r' && at[1] == '\n')
        return 2;
    return end - at >= 1 && at[0] == '\n' ? 1 : 0;
}

/* `get`, a key, and no more; 0: it is not that. */
static size_t take_plain_get(struct span input, struct command *command)
{
    const uint8_t *end = input.data + input.length;
    const uint8_t *key = input.data + sizeof("get ") - 1;

    if (input.length < sizeof("get k\n") - 1 || memcmp(input.data, "get ", 4))
        return 0;
    const uint8_t *at = span_find_end(key, end);
    size_t end_bytes = line_end(at, end);
    command->key = span_of(key, (size_t)(at - key));
    if (end_bytes == 0 || !is_key(command->key))
        return 0;
    command->kind = COMMAND_RETRIEVE;
    command->with_key = true;
    return (size_t)(at - input.data) + end_bytes;
}

/* So many digits are no number that is too large. */
#define PLAIN_DIGITS_MAX 9

/* The number there, behind a blank, up to where another byte stands; NULL: it
 * is none. */
static const uint8_t *take_plain_number(const uint8_t *at, const uint8_t *end,
                                        uint32_t *number)
{
    if (end - at <= PLAIN_DIGITS_MAX + 2 || *at != ' ')
        return NULL;
    const uint8_t *first = ++at;
    uint32_t value = 0;
    for (unsigned digit; (digit = (unsigned)*at - '0') <= 9; at++) {
        if (at - first == PLAIN_DIGITS_MAX)
            return NULL;
        value = value * 10 + digit;
    }
    *number = value;
    return at > first ? at : NULL;
}

/* `set` with a key and three numbers; the length of the line, or 0. */
static size_t take_plain_set(struct span input, struct command *command)
{
    const uint8_t *end = input.data + input.length;
    const uint8_t *key = input.data + sizeof("set ") - 1;
    uint32_t numbers[3];

    if (input.length < sizeof("set k 0 0 0\n") - 1 ||
        memcmp(input.data, "set ", 4))
        return 0;
    const uint8_t *at = span_find_end(key, end);
    command->key = span_of(key, (size_t)(at - key));
    for (int i = 0; i < 3 && at != NULL; i++)
        at = take_plain_number(at, end, &numbers[i]);
    size_t end_bytes = at != NULL ? line_end(at, end) : 0;
    if (end_bytes == 0 || !is_key(command->key))
        return 0;
    command->kind = COMMAND_STORE;
    command->mode = MODE_SET;
    command->flags = numbers[0];
    command->exptime = numbers[1];
    command->value_bytes = numbers[2];
    return (size_t)(at - input.data) + end_bytes;
}

static bool begins_get(struct span input)
{
    size_t at = 0;

    while (at < input.length && at < LEADING_SPACES_MAX &&
           input.data[at] == ' ')
        at++;
    struct span rest = span_of(input.data + at, input.length - at);
    return (rest.length >= 4 && memcmp(rest.data, "get ", 4) == 0) ||
           (rest.length >= 5 && memcmp(rest.data, "gets ", 5) == 0);
}

/* A line that nobody sends in earnest: told so, then closed. */
static struct parsed refuse_line(struct command *command, size_t line_bytes)
{
    command->kind = COMMAND_REFUSED;
    command->refusal = REFUSAL_LINE_TOO_LONG;
    command->closes = true;
    return parsed_command(line_bytes);
}

/* The input holds no line end yet. */
static struct parsed wait_for_line(struct text_parser *parser,
                                   struct span input, struct command *command)
{
    parser->scanned_bytes = input.length;
    if (input.length > TEXT_LINE_BYTES_MAX && !begins_get(input))
        return (struct parsed){.result = PARSE_CLOSE};
    if (input.length > TEXT_GET_LINE_BYTES_MAX)
        return refuse_line(command, input.length);
    return (struct parsed){.result = PARSE_MORE, .need = input.length + 1};
}

struct parsed text_parse(struct text_parser *parser, struct span input,
                         const struct parse_limits *limits,
                         struct command *command)
{
    command_clear(command, PROTOCOL_TEXT);
    if (parser->line_bytes_left > 0)
        return take_next_key(parser, input, command);
    if (input.length == 0)
        return (struct parsed){.result = PARSE_MORE, .need = 1};

    size_t from = parser->scanned_bytes;
    assert(from <= input.length);
    if (from == 0) {
        size_t line_bytes = take_plain_get(input, command);
        if (line_bytes > 0)
            return parsed_command(line_bytes);
        line_bytes = take_plain_set(input, command);
        if (line_bytes > 0)
            return take_value(line_bytes, input, limits, command);
        command->key = (struct span){0};
    }
    const uint8_t *end = from == input.length ? NULL
                                              : memchr(input.data + from, '\n',
                                                       input.length - from);
    if (end == NULL)
        return wait_for_line(parser, input, command);
    parser->scanned_bytes = 0;

    struct line line; /* whoever wants its tokens calls tokenise() */
    line.all_bytes = (size_t)(end - input.data) + 1;
    size_t length = line.all_bytes - 1;
    if (length > 0 && input.data[length - 1] == '\r')
        length--;
    line.text = span_of(input.data, length);
    if (line.all_bytes > TEXT_GET_LINE_BYTES_MAX)
        return refuse_line(command, line.all_bytes);
    if (line.text.length < 2)
        return refuse(&line, command, REFUSAL_FORMAT);
    if (input.data[0] == ' ') {
        struct span rest = line.text;
        struct span word = span_take_word(&rest);
        tokenise(&line, word, rest);
        return parse_unknown(&line, command);
    }
    return parse_line(parser, &line, input, limits, command);
}
