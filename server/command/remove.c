/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/command/rules.h"

enum store_result rule_remove(const struct command *command,
                              struct execution *execution)
{
    const struct item *item = execution->hold.item;

    if (item == NULL) {
        /* Who was not heard may have it: the grave goes there, too. */
        bool is_known = execution->is_certain || command->has_compare ||
                        execution->hold.stub.kind == STUB_DELETED;
        enum store_result result = STORE_OK;
        if (execution->replicates && !is_known)
            result = rule_drop(execution);
        execution->outcome = (struct outcome){.kind = OUTCOME_NOT_FOUND};
        return result;
    }
    if (command->has_compare && item_token(item) != command->compare) {
        execution->outcome.kind = OUTCOME_EXISTS;
        return STORE_OK;
    }
    if (command->invalidates || command->empties)
        return rule_invalidate(command, execution);
    enum store_result result = rule_drop(execution);
    execution->outcome = (struct outcome){.kind = OUTCOME_DELETED};
    return result;
}
