/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/memcached/meta_reply.h"

#include "proto/base/base64.h"
#include "proto/base/decimal.h"
#include "proto/memcached/meta.h"

static uint8_t *put_number(uint8_t *at, char letter, uint64_t number)
{
    *at++ = ' ';
    *at++ = (uint8_t)letter;
    return decimal_format(at, number);
}

static uint8_t *put_bit(uint8_t *at, char letter, bool bit)
{
    return put_number(at, letter, bit);
}

/* Seconds until then; -1 for ever. */
static uint8_t *put_life(uint8_t *at, time_s exptime, time_s now)
{
    if (exptime == 0)
        return span_copy(at, SPAN("-1"));
    return decimal_format(at, exptime > now ? exptime - now : 0);
}

/* ---- keys ---- */

/* What could be taken for the end of a word, or of a line. */
static bool breaks_words(struct span key)
{
    for (size_t i = 0; i < key.length; i++) {
        if (key.data[i] <= ' ' || key.data[i] == 0x7f)
            return true;
    }
    return false;
}

/* Only keys that came in base64 go out so; others are no longer than that
 * either, whatever other servers have told. */
static bool is_encoded(const struct command *command, bool is_marked)
{
    if (command->key.length > COMMAND_DECODED_KEY_BYTES_MAX)
        return false;
    return is_marked || (command->key_is_base64 && breaks_words(command->key));
}

static uint8_t *put_key(uint8_t *at, const struct command *command,
                        bool is_marked)
{
    *at++ = ' ';
    *at++ = 'k';
    if (!is_encoded(command, is_marked))
        return span_copy(at, command->key);
    return span_copy(base64_encode(at, command->key), SPAN(" b"));
}

/* ---- flags ---- */

/* What every reply takes up. */
static uint8_t *put_common(uint8_t *at, const struct command *command,
                           struct span flag, bool is_marked)
{
    switch (flag.data[0]) {
    case 'O':
        *at++ = ' ';
        return span_copy(at, flag);
    case 'k':
        return put_key(at, command, is_marked);
    default:
        return at;
    }
}

/* An item as it was before the command; its life as the flags before this
 * one have left it.  Of an item that was counted less is told. */
static uint8_t *put_item_flags(uint8_t *at, const struct command *command,
                               const struct outcome *outcome)
{
    const struct outcome_item *item = &outcome->item;
    struct span rest = command->tokens;
    struct span flag;
    time_s exptime = item->exptime;
    bool is_counted = command->kind == COMMAND_ARITHMETIC;
    bool is_marked = is_counted ? command->key_is_base64 : item->is_base64;

    while (meta_next_flag(&rest, &flag)) {
        uint8_t letter = flag.data[0];
        if (is_counted &&
            (letter == 'f' || letter == 'h' || letter == 'l' || letter == 's'))
            continue;
        switch (letter) {
        case 'N':
            exptime = item->is_created ? item->created_exptime : exptime;
            break;
        case 'T':
            exptime = item->touched_exptime;
            break;
        case 'c':
            at = put_number(at, 'c', outcome->token);
            break;
        case 'f':
            at = put_number(at, 'f', outcome->flags);
            break;
        case 'h':
            at = put_bit(at, 'h', item->was_fetched);
            break;
        case 'l':
            at = put_number(at, 'l', item->idle_s);
            break;
        case 's':
            at = put_number(at, 's', item->value_bytes);
            break;
        case 't':
            *at++ = ' ';
            *at++ = 't';
            at = put_life(at, exptime, item->now);
            break;
        default:
            at = put_common(at, command, flag, is_marked);
            break;
        }
    }
    return at;
}

/* Who won is told last, and that somebody else has before, first. */
static uint8_t *put_wins(uint8_t *at, const struct outcome_item *item)
{
    if (item->was_won)
        at = span_copy(at, SPAN(" Z"));
    if (item->was_stale)
        at = span_copy(at, SPAN(" X"));
    if (item->is_won)
        at = span_copy(at, SPAN(" W"));
    return at;
}

static uint8_t *put_stored_flags(uint8_t *at, const struct command *command,
                                 const struct outcome *outcome)
{
    struct span rest = command->tokens;
    struct span flag;
    size_t value_bytes = outcome->kind == OUTCOME_STORED
                             ? outcome->item.value_bytes
                             : command->value_bytes;

    while (meta_next_flag(&rest, &flag)) {
        if (flag.data[0] == 'c')
            at = put_number(at, 'c', outcome->token);
        else if (flag.data[0] == 's')
            at = put_number(at, 's', value_bytes);
        else
            at = put_common(at, command, flag, command->key_is_base64);
    }
    return at;
}

static uint8_t *put_plain_flags(uint8_t *at, const struct command *command)
{
    struct span rest = command->tokens;
    struct span flag;

    while (meta_next_flag(&rest, &flag))
        at = put_common(at, command, flag, command->key_is_base64);
    return at;
}

/* ---- replies ---- */

static const char *code_of(enum outcome_kind kind)
{
    switch (kind) {
    case OUTCOME_HIT:
        return "VA ";
    case OUTCOME_FOUND:
    case OUTCOME_STORED:
    case OUTCOME_DELETED:
    case OUTCOME_NUMBER:
        return "HD";
    case OUTCOME_MISS:
        return "EN";
    case OUTCOME_NOT_FOUND:
        return "NF";
    case OUTCOME_NOT_STORED:
        return "NS";
    case OUTCOME_EXISTS:
        return "EX";
    case OUTCOME_OK:
        return "MN";
    default:
        return NULL;
    }
}

static size_t reply_retrieval(const struct command *command,
                              const struct outcome *outcome, uint8_t *to)
{
    uint8_t *at = to;

    if (outcome->kind == OUTCOME_HIT) {
        at = span_copy(at, SPAN("VA "));
        at = decimal_format(at, outcome->value.length);
    } else {
        at = span_copy(at, SPAN("HD"));
    }
    at = put_item_flags(at, command, outcome);
    at = put_wins(at, &outcome->item);
    return (size_t)(span_copy(at, SPAN("\r\n")) - to);
}

static size_t reply_number(const struct command *command,
                           const struct outcome *outcome, uint8_t *to)
{
    uint8_t digits[DECIMAL_DIGITS_MAX];
    struct span number = span_of(
        digits, (size_t)(decimal_format(digits, outcome->number) - digits));
    uint8_t *at = to;

    if (command->with_value) {
        at = span_copy(at, SPAN("VA "));
        at = decimal_format(at, number.length);
    } else {
        at = span_copy(at, SPAN("HD"));
    }
    at = put_item_flags(at, command, outcome);
    at = span_copy(at, SPAN("\r\n"));
    if (command->with_value)
        at = span_copy(span_copy(at, number), SPAN("\r\n"));
    return (size_t)(at - to);
}

static size_t reply_inspection(const struct command *command,
                               const struct outcome *outcome, uint8_t *to)
{
    const struct outcome_item *item = &outcome->item;
    uint8_t *at = span_copy(to, SPAN("ME "));

    if (is_encoded(command, item->is_base64))
        at = base64_encode(at, command->key);
    else
        at = span_copy(at, command->key);
    at = put_life(span_copy(at, SPAN(" exp=")), item->exptime, item->now);
    at = decimal_format(span_copy(at, SPAN(" la=")), item->idle_s);
    at = decimal_format(span_copy(at, SPAN(" cas=")), outcome->token);
    at = span_copy(at, SPAN(" fetch="));
    at = span_copy(at, item->was_fetched ? SPAN("yes") : SPAN("no"));
    at = decimal_format(span_copy(at, SPAN(" cls=1 size=")), item->room_bytes);
    return (size_t)(span_copy(at, SPAN("\r\n")) - to);
}

size_t meta_reply_head(const struct command *command,
                       const struct outcome *outcome,
                       uint8_t to[REPLY_HEAD_BYTES_MAX])
{
    enum outcome_kind kind = outcome->kind;
    bool is_found = kind == OUTCOME_HIT || kind == OUTCOME_FOUND;

    if (command->kind == COMMAND_INSPECT)
        return is_found ? reply_inspection(command, outcome, to)
               : kind == OUTCOME_MISS
                   ? (size_t)(span_copy(to, SPAN("EN\r\n")) - to)
                   : 0;
    if (is_found)
        return reply_retrieval(command, outcome, to);
    if (kind == OUTCOME_NUMBER)
        return reply_number(command, outcome, to);

    const char *code = code_of(kind);
    if (code == NULL)
        return 0;
    uint8_t *at = span_copy(to, span_of_string(code));
    if (command->kind == COMMAND_STORE)
        at = put_stored_flags(at, command, outcome);
    else
        at = put_plain_flags(at, command);
    return (size_t)(span_copy(at, SPAN("\r\n")) - to);
}

bool meta_reply_is_silent(const struct command *command,
                          const struct outcome *outcome)
{
    if (!command->quiet)
        return false;
    switch (outcome->kind) {
    case OUTCOME_MISS:
        return command->kind == COMMAND_RETRIEVE;
    case OUTCOME_STORED:
    case OUTCOME_DELETED:
        return true;
    case OUTCOME_NUMBER:
        /* Whoever made the item is told so, as by mg. */
        return !outcome->item.is_created;
    default:
        return false;
    }
}
