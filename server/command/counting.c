/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/command/rules.h"

static void count_retrieval(const struct command *command,
                            const struct execution *execution)
{
    struct counters *counters = execution->counters;
    bool is_hit = execution->outcome.kind == OUTCOME_HIT ||
                  execution->outcome.kind == OUTCOME_FOUND;

    if (execution->is_created && is_hit)
        count(counters, COUNTER_ITEMS_STORED, 1);
    /* A get-and-touch is a touch, not a get; but for mg that misses. */
    if (command->touches && (is_hit || !command->is_meta)) {
        count(counters, COUNTER_CMD_TOUCH, 1);
        count(counters, is_hit ? COUNTER_TOUCH_HITS : COUNTER_TOUCH_MISSES, 1);
        return;
    }
    count(counters, COUNTER_CMD_GET, 1);
    count(counters, is_hit ? COUNTER_GET_HITS : COUNTER_GET_MISSES, 1);
}

/* Whatever was asked of the dead: memcached looks for an item's key with one
 * function, which counts. */
static void count_absence(const struct execution *execution)
{
    struct counters *counters = execution->counters;

    if (execution->absence == STORE_EXPIRED)
        count(counters, COUNTER_GET_EXPIRED, 1);
    if (execution->absence == STORE_FLUSHED)
        count(counters, COUNTER_GET_FLUSHED, 1);
}

static void count_compare(const struct execution *execution)
{
    struct counters *counters = execution->counters;

    if (execution->outcome.kind == OUTCOME_STORED)
        count(counters, COUNTER_CAS_HITS, 1);
    else if (execution->outcome.kind == OUTCOME_EXISTS)
        count(counters, COUNTER_CAS_BADVAL, 1);
    else if (execution->outcome.kind == OUTCOME_NOT_FOUND)
        count(counters, COUNTER_CAS_MISSES, 1);
}

/* Every store that got as far as its data is a cmd_set: monitors subtract
 * the cas figures from it. */
static void count_store(const struct command *command,
                        const struct execution *execution)
{
    struct counters *counters = execution->counters;

    if (execution->outcome.kind == OUTCOME_TOO_LARGE) {
        count(counters, COUNTER_STORE_TOO_LARGE, 1);
        return;
    }
    if (execution->outcome.kind == OUTCOME_NO_MEMORY) {
        count(counters, COUNTER_STORE_NO_MEMORY, 1);
        return;
    }
    count(counters, COUNTER_CMD_SET, 1);
    if (execution->outcome.kind == OUTCOME_STORED)
        count(counters, COUNTER_ITEMS_STORED, 1);
    bool extends =
        command->mode == MODE_APPEND || command->mode == MODE_PREPEND;
    if (command->has_compare && !extends)
        count_compare(execution);
}

static void count_arithmetic(const struct command *command,
                             const struct execution *execution)
{
    struct counters *counters = execution->counters;
    bool goes_up = command->mode == MODE_INCREMENT;

    bool has_number = execution->outcome.kind == OUTCOME_NUMBER;

    if (execution->is_created && has_number)
        count(counters, COUNTER_ITEMS_STORED, 1);
    else if (has_number)
        count(counters, goes_up ? COUNTER_INCR_HITS : COUNTER_DECR_HITS, 1);
    else if (execution->outcome.kind == OUTCOME_NOT_FOUND)
        count(counters, goes_up ? COUNTER_INCR_MISSES : COUNTER_DECR_MISSES, 1);
}

static void count_removal(const struct command *command,
                          const struct execution *execution)
{
    struct counters *counters = execution->counters;
    enum outcome_kind kind = execution->outcome.kind;
    bool is_done = kind == OUTCOME_DELETED || kind == OUTCOME_STORED;

    count(counters, COUNTER_DELETE_HITS, kind == OUTCOME_DELETED);
    count(counters, COUNTER_DELETE_MISSES,
          kind == OUTCOME_NOT_FOUND ||
              (command->is_meta && kind == OUTCOME_EXISTS));
    count(counters, COUNTER_ITEMS_STORED, command->empties && is_done);
}

void rule_count(const struct command *command,
                const struct execution *execution)
{
    struct counters *counters = execution->counters;
    enum outcome_kind kind = execution->outcome.kind;

    if (execution->absence != STORE_NEVER)
        count_absence(execution);
    switch (command->kind) {
    case COMMAND_RETRIEVE:
        count_retrieval(command, execution);
        break;
    case COMMAND_STORE:
        count_store(command, execution);
        break;
    case COMMAND_ARITHMETIC:
        count_arithmetic(command, execution);
        break;
    case COMMAND_TOUCH:
        count(counters, COUNTER_CMD_TOUCH, 1);
        count(counters, COUNTER_TOUCH_HITS, kind == OUTCOME_TOUCHED);
        count(counters, COUNTER_TOUCH_MISSES, kind == OUTCOME_NOT_FOUND);
        break;
    case COMMAND_REMOVE:
        count_removal(command, execution);
        break;
    case COMMAND_INSPECT:
        count(counters, COUNTER_CMD_META, 1);
        break;
    case COMMAND_FLUSH:
        count(counters, COUNTER_CMD_FLUSH, 1);
        break;
    default:
        break;
    }
}
