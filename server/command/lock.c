/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/command/lock.h"

static enum lock_step of_arithmetic(const struct command *command,
                                    const struct execution *execution)
{
    uint64_t number = execution->outcome.number;
    bool is_up = command->mode == MODE_INCREMENT;

    if (execution->is_created)
        return LOCK_TAKEN;
    if (number == 0)
        return LOCK_GIVEN_BACK;
    return is_up && number == command->delta ? LOCK_TAKEN : LOCK_CHANGED;
}

static enum lock_step of_store(const struct command *command)
{
    switch (command->mode) {
    case MODE_ADD:
        return LOCK_TAKEN;
    case MODE_APPEND:
    case MODE_PREPEND:
        return LOCK_CHANGED;
    default:
        break;
    }
    return span_equal(command->value, SPAN("0")) ? LOCK_GIVEN_BACK
                                                 : LOCK_WRITTEN;
}

enum lock_step lock_step_of(const struct command *command,
                            const struct execution *execution)
{
    if (!command->is_of_lock)
        return LOCK_LEFT_ALONE;
    switch (execution->outcome.kind) {
    case OUTCOME_STORED:
        return command->kind == COMMAND_STORE ? of_store(command)
                                              : LOCK_CHANGED;
    case OUTCOME_NUMBER:
        return of_arithmetic(command, execution);
    case OUTCOME_HIT:
    case OUTCOME_FOUND:
        return execution->is_created ? LOCK_TAKEN : LOCK_LEFT_ALONE;
    case OUTCOME_DELETED:
        return command->empties ? LOCK_CHANGED : LOCK_GIVEN_BACK;
    case OUTCOME_NOT_FOUND:
        return LOCK_GIVEN_BACK;
    default:
        return LOCK_LEFT_ALONE;
    }
}
