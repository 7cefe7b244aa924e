/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>

#include "server/command/rules.h"

/* Whether the command may store; if not, the outcome says why. */
static bool may_store(const struct command *command,
                      struct execution *execution)
{
    const struct item *item = execution->hold.item;
    bool extends =
        command->mode == MODE_APPEND || command->mode == MODE_PREPEND;

    /* A token turns set, add and replace alike into "only this state". */
    if (command->has_compare && !extends) {
        execution->outcome.kind =
            item == NULL ? OUTCOME_NOT_FOUND : OUTCOME_EXISTS;
        return item != NULL && item_token(item) == command->compare;
    }
    execution->outcome.kind = OUTCOME_NOT_STORED;
    if (command->mode == MODE_ADD && item != NULL) {
        store_use(&execution->hold);
        return false;
    }
    if (command->mode == MODE_SET || command->mode == MODE_ADD)
        return true;
    if (item == NULL)
        return false;
    if (extends && command->has_compare &&
        item_token(item) != command->compare) {
        execution->outcome.kind = OUTCOME_EXISTS;
        return false;
    }
    return true;
}

static enum store_result put_new(const struct command *command,
                                 struct execution *execution)
{
    struct store_write write = {.parts = {command->value},
                                .flags = command->flags};

    if (rule_expiry(command->exptime, execution->now, &write.exptime)) {
        if (execution->reservation == NULL)
            return rule_put(execution, &write);
        write.version = store_next_version(execution->store, execution->now);
        execution->outcome.token = write.version;
        execution->needed_bytes =
            store_item_bytes(execution->store, command->key.length,
                             execution->reservation->value_bytes);
        execution->mutation.kind =
            execution->hold.item == NULL ? MUTATION_CREATE : MUTATION_UPDATE;
        return store_put_reserved(&execution->hold, &write,
                                  execution->reservation);
    }
    /* Dead before it is stored: what was there is gone, nothing comes. */
    bool is_blind = command->mode == MODE_SET && !command->has_compare;
    if (execution->hold.item != NULL ||
        (is_blind && rule_has_to_drop(execution)))
        return rule_drop(execution);
    execution->outcome.token =
        store_next_version(execution->store, execution->now);
    return STORE_OK;
}

/* The item keeps its flags and its life. */
static enum store_result extend(const struct command *command,
                                struct execution *execution)
{
    const struct item *item = execution->hold.item;
    struct span old = item_value(item);
    struct span more = command->value;
    struct store_write write = {.flags = item_flags(item),
                                .exptime = item->exptime};

    if (execution->reservation != NULL)
        more = span_of(execution->reservation->value,
                       execution->reservation->value_bytes);
    if (old.length + more.length + command->key.length >
        store_item_bytes_max(execution->store)) {
        execution->outcome.kind = OUTCOME_NOT_STORED;
        return STORE_OK;
    }
    bool is_append = command->mode == MODE_APPEND;
    write.parts[0] = is_append ? old : more;
    write.parts[1] = is_append ? more : old;
    execution->outcome.kind = OUTCOME_STORED;
    return rule_put(execution, &write);
}

/* Of a value too large memcached keeps nothing, not even the old one, but
 * only a plain set means to replace it. */
static enum store_result refuse_too_large(const struct command *command,
                                          struct execution *execution)
{
    execution->outcome.kind = OUTCOME_TOO_LARGE;
    if (command->mode == MODE_SET && !command->has_compare &&
        rule_has_to_drop(execution))
        return rule_drop(execution);
    return STORE_OK;
}

enum store_result rule_store(const struct command *command,
                             struct execution *execution)
{
    if (command->block_fault == BLOCK_TOO_LARGE)
        return refuse_too_large(command, execution);
    if (command->block_fault == BLOCK_UNTERMINATED) {
        execution->outcome.kind = OUTCOME_UNTERMINATED;
        return STORE_OK;
    }
    if (!may_store(command, execution))
        return STORE_OK;
    if (command->mode == MODE_APPEND || command->mode == MODE_PREPEND)
        return extend(command, execution);
    execution->outcome.kind = OUTCOME_STORED;
    return put_new(command, execution);
}
