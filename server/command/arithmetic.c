/* SPDX-License-Identifier: BSD-3-Clause */
#include <ctype.h>

#include "proto/base/decimal.h"
#include "server/command/rules.h"

/* A number as memcached reads it back: blanks before, a blank ends it. */
static bool parse_stored(struct span value, uint64_t *number)
{
    /* More can be no number; and a value of any length is no line to scan. */
    if (value.length > DECIMAL_DIGITS_MAX)
        return false;
    while (value.length > 0 && isspace(value.data[0]))
        value = span_of(value.data + 1, value.length - 1);
    struct decimal parsed = decimal_parse(value);
    *number = parsed.value;
    return parsed.ok &&
           (parsed.used == value.length || isspace(value.data[parsed.used]));
}

static enum store_result put_number(struct execution *execution,
                                    uint64_t number, struct store_write *write)
{
    uint8_t digits[DECIMAL_DIGITS_MAX];

    write->parts[0] =
        span_of(digits, (size_t)(decimal_format(digits, number) - digits));
    execution->outcome.kind = OUTCOME_NUMBER;
    execution->outcome.number = number;
    return rule_put(execution, write);
}

/* Of what is dead at once nothing is kept. */
static enum store_result create(const struct command *command,
                                struct execution *execution)
{
    struct store_write write = {
        .marks = command->key_is_base64 ? ITEM_KEY_BASE64 : 0,
        .token = command->token};

    execution->is_created = true;
    if (command->is_meta)
        rule_describe(command, execution);
    write.exptime = command->is_meta
                        ? rule_meta_life(command, execution, 0)
                        : rule_moment(command->exptime, execution->now);
    if (write.exptime == 0 || write.exptime > time_seconds(execution->now))
        return put_number(execution, command->initial, &write);
    execution->outcome.kind = OUTCOME_NUMBER;
    execution->outcome.number = command->initial;
    execution->outcome.token =
        store_next_version(execution->store, execution->now);
    return STORE_OK;
}

enum store_result rule_arithmetic(const struct command *command,
                                  struct execution *execution)
{
    const struct item *item = execution->hold.item;
    uint64_t number;

    execution->outcome.kind = OUTCOME_NOT_FOUND;
    if (item == NULL)
        return command->creates ? create(command, execution) : STORE_OK;
    /* memcached looks for any bytes, then at the token, then for digits. */
    if (item_value(item).length == 0) {
        execution->outcome.kind = OUTCOME_NON_NUMERIC;
        return STORE_OK;
    }
    if (command->has_compare && item_token(item) != command->compare) {
        execution->outcome.kind = OUTCOME_EXISTS;
        return STORE_OK;
    }
    if (!parse_stored(item_value(item), &number)) {
        execution->outcome.kind = OUTCOME_NON_NUMERIC;
        return STORE_OK;
    }
    /* Counting up wraps at 2^64, counting down stops at 0. */
    if (command->mode == MODE_INCREMENT)
        number += command->delta;
    else
        number = number > command->delta ? number - command->delta : 0;
    struct store_write write = {.flags = item_flags(item),
                                .marks = item_marks(item),
                                .exptime = item_exptime(item),
                                .token = command->token,
                                .is_fetched = item_is_fetched(item)};
    if (command->is_meta) {
        rule_describe(command, execution);
        write.exptime = rule_meta_life(command, execution, item_exptime(item));
    }
    return put_number(execution, number, &write);
}
