/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>

#include "server/command/rules.h"

bool rule_replaces_at_all_costs(const struct command *command)
{
    return command->is_meta ||
           (command->mode == MODE_SET && !command->has_compare);
}

static bool extends(const struct command *command)
{
    return command->mode == MODE_APPEND || command->mode == MODE_PREPEND;
}

/* A token that is older than the item's, of a client that knows: its value is
 * better than none, and stale.  0 is no token. */
static bool is_outdated(const struct command *command, const struct item *item)
{
    return command->invalidates && command->has_compare && !extends(command) &&
           item != NULL && command->compare != 0 &&
           command->compare < item_token(item);
}

/* Whether the command may store; if not, the outcome says why. */
static bool may_store(const struct command *command,
                      struct execution *execution)
{
    const struct item *item = execution->hold.item;

    /* A token turns set, add and replace alike into "only this state". */
    if (command->has_compare && !extends(command)) {
        execution->outcome.kind =
            item == NULL ? OUTCOME_NOT_FOUND : OUTCOME_EXISTS;
        return item != NULL && (item_token(item) == command->compare ||
                                is_outdated(command, item));
    }
    execution->outcome.kind = OUTCOME_NOT_STORED;
    if (command->mode == MODE_ADD && item != NULL) {
        store_spare(&execution->hold);
        return false;
    }
    if (command->mode == MODE_SET || command->mode == MODE_ADD)
        return true;
    if (item == NULL)
        return extends(command) && command->creates;
    if (extends(command) && command->has_compare &&
        item_token(item) != command->compare) {
        execution->outcome.kind = OUTCOME_EXISTS;
        return false;
    }
    return true;
}

/* Writes what came before the command, into its reservation. */
static enum store_result put_reserved(const struct command *command,
                                      struct execution *execution,
                                      struct store_write *write)
{
    struct store_reservation *reservation = execution->reservation;

    write->version = rule_next_version(execution);
    execution->outcome.token =
        write->token != 0 ? write->token : write->version;
    execution->needed_bytes = store_item_bytes(
        execution->store, command->key.length, reservation->value_bytes);
    write->marks |= execution->home_mark;
    if (execution->replicates) {
        write->parts[0] = span_of(reservation->value, reservation->value_bytes);
        rule_note_put(execution, write);
        write->parts[0] = (struct span){0};
    }
    return store_put_reserved(&execution->hold, write, reservation);
}

/* Writes what came with the command, or before it. */
static inline enum store_result put_value(const struct command *command,
                                          struct execution *execution,
                                          struct store_write *write)
{
    write->token = command->token;
    if (command->key_is_base64)
        write->marks |= ITEM_KEY_BASE64;
    execution->outcome.item.value_bytes = (uint32_t)command->value_bytes;
    if (execution->reservation != NULL)
        return put_reserved(command, execution, write);
    write->parts[0] = command->value;
    return rule_put(execution, write);
}

/* The item keeps its life, and who has won it. */
static enum store_result put_outdated(const struct command *command,
                                      struct execution *execution)
{
    const struct item *item = execution->hold.item;
    struct store_write write = {.flags = command->flags,
                                .marks = ITEM_STALE |
                                         (item_marks(item) & ITEM_WIN_SENT),
                                .exptime = item_exptime(item),
                                .stamp = item_stamp(item)};

    return put_value(command, execution, &write);
}

static enum store_result put_new(const struct command *command,
                                 struct execution *execution, int64_t exptime)
{
    struct store_write write = {.flags = command->flags};

    if (rule_expiry(exptime, execution->now, &write.exptime))
        return put_value(command, execution, &write);
    /* Dead before it is stored: what was there is gone, nothing comes. */
    execution->outcome.item.value_bytes = (uint32_t)command->value_bytes;
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
                                .marks = item_marks(item) & ITEM_KEY_BASE64,
                                .exptime = item_exptime(item),
                                .token = command->token};

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
    execution->outcome.item.value_bytes = (uint32_t)(old.length + more.length);
    return rule_put(execution, &write);
}

/* Of a value too large memcached keeps nothing, not even the old one. */
static enum store_result refuse_too_large(const struct command *command,
                                          struct execution *execution)
{
    execution->outcome.kind = OUTCOME_TOO_LARGE;
    if (rule_replaces_at_all_costs(command) && rule_has_to_drop(execution))
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
    execution->outcome.kind = OUTCOME_STORED;
    const struct item *item = execution->hold.item;
    if (extends(command))
        return item != NULL
                   ? extend(command, execution)
                   : put_new(command, execution, command->created_exptime);
    if (is_outdated(command, item))
        return put_outdated(command, execution);
    return put_new(command, execution, command->exptime);
}
