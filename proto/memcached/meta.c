/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/memcached/meta.h"

#include <assert.h>
#include <ctype.h>

#include "proto/base/base64.h"
#include "proto/base/decimal.h"
#include "proto/base/planted.h"

#define MODE_NOT_GIVEN (-1)
/* Planted: of base64, one group of letters more. */
#define KEY_BYTES_MAX                                                          \
    (COMMAND_KEY_BYTES_MAX + (PLANTED == PLANTED_META_BASE64 ? 2 : 0))

_Static_assert(BASE64_BYTES(COMMAND_DECODED_KEY_BYTES_MAX) >
                   COMMAND_KEY_BYTES_MAX,
               "a key on the wire fits where it is decoded");

static bool has_word(struct span word, enum command_kind *kind)
{
    if (word.length != 2 || word.data[0] != 'm')
        return false;
    switch (word.data[1]) {
    case 'g':
        *kind = COMMAND_RETRIEVE;
        return true;
    case 's':
        *kind = COMMAND_STORE;
        return true;
    case 'd':
        *kind = COMMAND_REMOVE;
        return true;
    case 'a':
        *kind = COMMAND_ARITHMETIC;
        return true;
    case 'e':
        *kind = COMMAND_INSPECT;
        return true;
    case 'n':
        *kind = COMMAND_NOOP;
        return true;
    default:
        return false;
    }
}

static enum refusal decode_key(struct command *command)
{
    size_t bytes = base64_decode(command->decoded_key, command->key);

    if (bytes == 0)
        return REFUSAL_KEY_CODE;
    assert(bytes <= sizeof(command->decoded_key));
    command->key = span_of(command->decoded_key, bytes);
    command->key_is_base64 = true;
    return REFUSAL_NONE;
}

/* ---- flags ---- */

static enum refusal take_number(struct span token, uint64_t *number)
{
    return decimal_parse_whole(token, number) ? REFUSAL_NONE
                                              : REFUSAL_FLAG_NUMBER;
}

static enum refusal take_time(struct span token, bool *is_given, int64_t *time)
{
    *is_given = true;
    return decimal_parse_signed(token, time) ? REFUSAL_NONE
                                             : REFUSAL_FLAG_NUMBER;
}

static enum refusal take_client_flags(struct span token,
                                      struct command *command)
{
    uint64_t flags;

    if (!decimal_parse_whole(token, &flags))
        return REFUSAL_FORMAT;
    /* As with the classic commands, of 64 bits the low half is kept. */
    command->flags = (uint32_t)flags;
    return REFUSAL_NONE;
}

/* All flags are known to all commands, and those that a command has no use
 * for are ignored. */
static enum refusal take_flag(struct span flag, struct command *command,
                              int *mode)
{
    struct span token = span_of(flag.data + 1, flag.length - 1);

    switch (flag.data[0]) {
    case 'b':
        return decode_key(command);
    case 'c':
        command->with_token = true;
        return REFUSAL_NONE;
    case 'k':
        command->with_key = true;
        return REFUSAL_NONE;
    case 'q':
        command->quiet = true;
        return REFUSAL_NONE;
    case 'u':
        command->is_unnoticed = true;
        return REFUSAL_NONE;
    case 'v':
        command->with_value = true;
        return REFUSAL_NONE;
    case 'x':
        command->empties = true;
        return REFUSAL_NONE;
    case 'I':
        command->invalidates = true;
        return REFUSAL_NONE;
    case 'f':
    case 'h':
    case 'l':
    case 's':
    case 't':
        return REFUSAL_NONE; /* the reply's alone */
    case 'L':
    case 'P':
        return REFUSAL_NONE; /* for proxies */
    case 'C':
        command->has_compare = true;
        return take_number(token, &command->compare);
    case 'D':
        return take_number(token, &command->delta) == REFUSAL_NONE
                   ? REFUSAL_NONE
                   : REFUSAL_FLAG_DELTA;
    case 'E':
        return take_number(token, &command->token);
    case 'F':
        return take_client_flags(token, command);
    case 'J':
        return take_number(token, &command->initial) == REFUSAL_NONE
                   ? REFUSAL_NONE
                   : REFUSAL_FLAG_INITIAL;
    case 'M':
        *mode = token.length > 0 ? token.data[0] : 0;
        return REFUSAL_NONE;
    case 'N':
        return take_time(token, &command->creates, &command->created_exptime);
    case 'O':
        return flag.length > META_OPAQUE_BYTES_MAX ? REFUSAL_FLAG_OPAQUE
                                                   : REFUSAL_NONE;
    case 'R':
        return take_time(token, &command->recaches, &command->recache_exptime);
    case 'T':
        return take_time(token, &command->touches, &command->exptime);
    default:
        return isalnum(flag.data[0]) ? REFUSAL_FLAG : REFUSAL_FORMAT;
    }
}

/* The last of several faults is told, but these only if there is no other. */
static bool is_weak(enum refusal refusal)
{
    return refusal == REFUSAL_FORMAT || refusal == REFUSAL_FLAG_OPAQUE;
}

static enum refusal take_flags(struct command *command, int *mode)
{
    struct span rest = command->tokens;
    struct span flag;
    uint64_t seen[256 / 64] = {0};
    enum refusal refusal = REFUSAL_NONE;

    while (meta_next_flag(&rest, &flag)) {
        uint8_t letter = flag.data[0];
        uint64_t bit = UINT64_C(1) << letter % 64;
        if (seen[letter / 64] & bit)
            return REFUSAL_FLAG_TWICE;
        seen[letter / 64] |= bit;
        enum refusal found = take_flag(flag, command, mode);
        if (found == REFUSAL_FLAG || !isalnum(letter))
            return found;
        if (found != REFUSAL_NONE &&
            (refusal == REFUSAL_NONE || !is_weak(found)))
            refusal = found;
    }
    return refusal;
}

/* ---- modes ---- */

static enum refusal set_store_mode(int letter, struct command *command)
{
    switch (letter) {
    case MODE_NOT_GIVEN:
    case 'S':
        command->mode = MODE_SET;
        break;
    case 'E':
        command->mode = MODE_ADD;
        /* What is there is not replaced, whatever its token. */
        command->has_compare = false;
        break;
    case 'A':
        command->mode = MODE_APPEND;
        break;
    case 'P':
        command->mode = MODE_PREPEND;
        break;
    case 'R':
        command->mode = MODE_REPLACE;
        break;
    default:
        return REFUSAL_STORE_MODE;
    }
    return REFUSAL_NONE;
}

static enum refusal set_count_mode(int letter, struct command *command)
{
    switch (letter) {
    case MODE_NOT_GIVEN:
    case 'I':
    case '+':
        command->mode = MODE_INCREMENT;
        break;
    case 'D':
    case '-':
        command->mode = MODE_DECREMENT;
        break;
    default:
        return REFUSAL_COUNT_MODE;
    }
    return REFUSAL_NONE;
}

/* ---- lines ---- */

/* More than a line may have, behind the `count` words before them. */
static bool are_many(struct span flags, size_t count)
{
    struct span flag;

    /* Each is two bytes, its blank among them: most lines need no counting. */
    if (flags.length / 2 + count < META_WORDS_MAX)
        return false;
    while (meta_next_flag(&flags, &flag))
        count++;
    return count > META_WORDS_MAX;
}

static enum refusal parse_flags(struct command *command)
{
    int mode = MODE_NOT_GIVEN;
    enum refusal refusal = take_flags(command, &mode);

    /* As in the binary protocol, 0 is no token to look at, but of a set. */
    bool extends = mode == 'A' || mode == 'P';
    if (command->compare == 0 && (command->kind == COMMAND_ARITHMETIC ||
                                  (command->kind == COMMAND_STORE && extends)))
        command->has_compare = false;
    switch (command->kind) {
    case COMMAND_STORE:
        return refusal != REFUSAL_NONE ? refusal
                                       : set_store_mode(mode, command);
    case COMMAND_ARITHMETIC:
        if (refusal == REFUSAL_NONE)
            return set_count_mode(mode, command);
        return refusal == REFUSAL_FLAG_OPAQUE ? refusal : REFUSAL_FLAG_OF_COUNT;
    default:
        return refusal;
    }
}

/* It knows one flag, and minds no other. */
static enum refusal parse_inspection(struct command *command)
{
    struct span rest = command->tokens;
    struct span flag;

    while (meta_next_flag(&rest, &flag)) {
        if (flag.data[0] == 'b')
            return decode_key(command) == REFUSAL_NONE ? REFUSAL_NONE
                                                       : REFUSAL_FORMAT;
    }
    return REFUSAL_NONE;
}

/* `rest` is the line behind the word. */
static enum refusal parse(struct span rest, struct command *command)
{
    size_t words_count = 2; /* the command and the key */
    struct span length = {0};
    uint64_t value_bytes;

    if (!meta_next_flag(&rest, &command->key))
        return REFUSAL_FORMAT;
    if (command->kind == COMMAND_STORE) {
        if (!meta_next_flag(&rest, &length) ||
            !decimal_parse_whole(length, &value_bytes) ||
            value_bytes > INT32_MAX - 2)
            return REFUSAL_FORMAT;
        words_count++;
        /* From here on the length is known, so a refusal skips the block. */
        command->value_bytes = value_bytes;
        command->swallow_bytes = value_bytes + 2;
    }
    if (command->key.length > KEY_BYTES_MAX)
        return REFUSAL_FORMAT;
    command->tokens = rest;
    if (command->kind == COMMAND_INSPECT)
        return parse_inspection(command);
    if (are_many(command->tokens, words_count))
        return REFUSAL_FLAGS_MANY;
    return parse_flags(command);
}

bool meta_parse(struct span word, struct span rest, struct command *command)
{
    if (!has_word(word, &command->kind))
        return false;
    command->is_meta = true;
    command->delta = 1;
    if (command->kind == COMMAND_NOOP)
        return true;
    command->refusal = parse(rest, command);
    if (command->refusal == REFUSAL_NONE)
        command->swallow_bytes = 0;
    else
        command->kind = COMMAND_REFUSED;
    return true;
}

struct span meta_keep_flags(struct span tokens, uint8_t to[META_KEPT_BYTES_MAX])
{
    uint8_t *at = to;
    struct span flag;

    while (meta_next_flag(&tokens, &flag)) {
        switch (flag.data[0]) {
        case 'O':
            at = span_copy(at, flag);
            *at++ = ' ';
            break;
        case 'b':
        case 'c':
        case 'k':
        case 's':
            *at++ = flag.data[0];
            *at++ = ' ';
            break;
        default:
            break;
        }
    }
    assert((size_t)(at - to) <= META_KEPT_BYTES_MAX);
    return span_of(to, (size_t)(at - to));
}
