/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/command/rules.h"

/* Renews the life of the held item.  A time already past leaves it readable
 * to the end of this hold: get-and-touch still shows the value. */
static enum store_result renew(int64_t exptime, struct execution *execution)
{
    struct store_hold *hold = &execution->hold;
    time_s at;

    if (!rule_expiry(exptime, execution->now, &at))
        at = time_seconds(execution->now);
    execution->needed_bytes = store_item_bytes(
        execution->store, hold->key.length, item_value(hold->item).length);
    execution->mutation.kind = MUTATION_TOUCH;
    return store_touch(hold, at,
                       store_next_version(execution->store, execution->now));
}

enum store_result rule_retrieve(const struct command *command,
                                struct execution *execution)
{
    struct store_hold *hold = &execution->hold;

    execution->outcome.kind = OUTCOME_MISS;
    if (hold->item == NULL)
        return STORE_OK;
    if (command->touches && renew(command->exptime, execution) != STORE_OK)
        return STORE_NO_ROOM;
    store_use(hold);
    execution->outcome = (struct outcome){.kind = OUTCOME_HIT,
                                          .flags = item_flags(hold->item),
                                          .token = item_token(hold->item),
                                          .value = item_value(hold->item)};
    return STORE_OK;
}

enum store_result rule_touch(const struct command *command,
                             struct execution *execution)
{
    struct store_hold *hold = &execution->hold;

    execution->outcome.kind = OUTCOME_NOT_FOUND;
    if (hold->item == NULL)
        return STORE_OK;
    if (renew(command->exptime, execution) != STORE_OK)
        return STORE_NO_ROOM;
    store_use(hold);
    execution->outcome = (struct outcome){.kind = OUTCOME_TOUCHED,
                                          .flags = item_flags(hold->item),
                                          .token = item_token(hold->item)};
    return STORE_OK;
}
