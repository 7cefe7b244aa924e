/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/command/rules.h"

enum store_result rule_renew(struct execution *execution, time_s exptime)
{
    struct store_hold *hold = &execution->hold;

    execution->needed_bytes = store_item_bytes(
        execution->store, hold->key.length, item_value(hold->item).length);
    execution->mutation.kind = MUTATION_TOUCH;
    return store_touch(hold, exptime,
                       store_next_version(execution->store, execution->now));
}

/* To the life that the command names. */
static enum store_result renew(const struct command *command,
                               struct execution *execution)
{
    return rule_renew(execution, rule_moment(command->exptime, execution->now));
}

enum store_result rule_retrieve(const struct command *command,
                                struct execution *execution)
{
    struct store_hold *hold = &execution->hold;

    if (command->is_meta)
        return rule_meta_retrieve(command, execution);
    execution->outcome.kind = OUTCOME_MISS;
    if (hold->item == NULL)
        return STORE_OK;
    if (command->touches && renew(command, execution) != STORE_OK)
        return STORE_NO_ROOM;
    store_use(hold);
    struct outcome *outcome = &execution->outcome;
    outcome->kind = OUTCOME_HIT;
    outcome->flags = item_flags(hold->item);
    outcome->token = item_token(hold->item);
    outcome->value = item_value(hold->item);
    return STORE_OK;
}

enum store_result rule_touch(const struct command *command,
                             struct execution *execution)
{
    struct store_hold *hold = &execution->hold;

    execution->outcome.kind = OUTCOME_NOT_FOUND;
    if (hold->item == NULL)
        return STORE_OK;
    if (renew(command, execution) != STORE_OK)
        return STORE_NO_ROOM;
    store_use(hold);
    execution->outcome = (struct outcome){.kind = OUTCOME_TOUCHED,
                                          .flags = item_flags(hold->item),
                                          .token = item_token(hold->item)};
    return STORE_OK;
}
