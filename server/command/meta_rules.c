/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Meta rules: what only meta commands do.
 *
 * Recaching: of all clients that read an item which is stale, is about to
 * expire, or was not there, one is told that it has won; the others read what
 * there is until the winner, or anybody, stores a value again.
 */
#include "server/command/rules.h"

#include "proto/memcached/meta.h"

time_s rule_meta_life(const struct command *command,
                      const struct execution *execution, time_s exptime)
{
    struct span rest = command->tokens;
    struct span flag;

    while (meta_next_flag(&rest, &flag)) {
        if (flag.data[0] == 'T')
            exptime = rule_moment(command->exptime, execution->now);
        else if (flag.data[0] == 'N' && execution->is_created)
            exptime = rule_moment(command->created_exptime, execution->now);
    }
    return exptime;
}

void rule_describe(const struct command *command, struct execution *execution)
{
    const struct item *item = execution->hold.item;
    struct outcome_item *to = &execution->outcome.item;

    *to = (struct outcome_item){.now = time_seconds(execution->now)};
    if (command->touches)
        to->touched_exptime = rule_moment(command->exptime, execution->now);
    if (command->creates)
        to->created_exptime =
            rule_moment(command->created_exptime, execution->now);
    to->is_created = execution->is_created;
    if (item == NULL)
        return;
    to->was_fetched = item_is_fetched(item);
    to->was_won = item_marks(item) & ITEM_WIN_SENT;
    to->was_stale = item_marks(item) & ITEM_STALE;
    to->is_base64 = item_marks(item) & ITEM_KEY_BASE64;
    to->exptime = item_exptime(item);
    to->idle_s =
        to->now > item_accessed(item) ? to->now - item_accessed(item) : 0;
    to->value_bytes = (uint32_t)item_value(item).length;
    to->room_bytes = (uint32_t)item_room(item);
}

/* ---- retrieval ---- */

/* Whether the rest of the item's life is shorter than the client wants; as
 * the flags before R have left it. */
static bool is_due(const struct command *command,
                   const struct execution *execution)
{
    struct span rest = command->tokens;
    struct span flag;
    time_s exptime = item_exptime(execution->hold.item);
    time_s due;

    if (!rule_expiry(command->recache_exptime, execution->now, &due))
        return false;
    while (meta_next_flag(&rest, &flag) && flag.data[0] != 'R') {
        if (flag.data[0] == 'T')
            exptime = rule_moment(command->exptime, execution->now);
    }
    return exptime != 0 && exptime < due;
}

/* One of them, until a value is stored. */
static inline bool wins(const struct command *command,
                        const struct execution *execution)
{
    uint8_t marks = item_marks(execution->hold.item);

    if (marks & ITEM_WIN_SENT)
        return false;
    return (marks & ITEM_STALE) ||
           (command->recaches && is_due(command, execution));
}

bool rule_wins(const struct command *command, const struct execution *execution)
{
    return wins(command, execution);
}

/* What a retrieval changes: the life of the item, its marks, or both. */
static enum store_result change(const struct command *command,
                                struct execution *execution, bool is_won)
{
    struct store_hold *hold = &execution->hold;
    const struct item *item = hold->item;

    if (!is_won && !command->touches)
        return STORE_OK;
    time_s exptime = rule_meta_life(command, execution, item_exptime(item));
    if (!is_won)
        return rule_renew(execution, exptime);
    execution->needed_bytes = store_item_bytes(
        execution->store, hold->key.length, item_value(item).length);
    rule_note_mark(execution);
    uint64_t stamp = command->touches
                         ? store_next_version(execution->store, execution->now)
                         : 0;
    return store_mark(hold,
                      item_marks(item) | ITEM_WIN_SENT | execution->home_mark,
                      exptime, stamp);
}

/* An empty item stands for the value that the winner is to bring. */
static enum store_result create(const struct command *command,
                                struct execution *execution)
{
    execution->is_created = true;
    struct store_write write = {
        .marks = ITEM_WIN_SENT | (command->key_is_base64 ? ITEM_KEY_BASE64 : 0),
        .exptime = rule_meta_life(command, execution, 0),
        .token = command->token};
    enum store_result result = rule_put(execution, &write);

    if (result != STORE_OK)
        return result;
    rule_describe(command, execution);
    struct outcome_item *item = &execution->outcome.item;
    item->exptime = 0;
    item->was_won = false;
    item->is_won = true;
    return STORE_OK;
}

/* Where not all members answered, one may have the value: nothing is put in
 * its place. */
static bool is_absent(const struct execution *execution)
{
    return execution->hold.item == NULL &&
           (!execution->is_asked || execution->is_certain);
}

/* The held item, for the reply. */
static void show(const struct command *command, struct execution *execution)
{
    struct store_hold *hold = &execution->hold;
    struct outcome *outcome = &execution->outcome;

    if (!command->is_unnoticed)
        store_use(hold);
    outcome->flags = item_flags(hold->item);
    outcome->token = item_token(hold->item);
    bool is_known = command->has_compare && outcome->token == command->compare;
    outcome->kind = OUTCOME_FOUND;
    if (command->with_value && !is_known) {
        outcome->kind = OUTCOME_HIT;
        outcome->value = item_value(hold->item);
    }
}

enum store_result rule_meta_retrieve(const struct command *command,
                                     struct execution *execution)
{
    struct store_hold *hold = &execution->hold;
    struct outcome *outcome = &execution->outcome;
    enum store_result result;

    outcome->kind = OUTCOME_MISS;
    if (hold->item == NULL && !(command->creates && is_absent(execution)))
        return STORE_OK;
    if (hold->item == NULL) {
        result = create(command, execution);
    } else {
        rule_describe(command, execution);
        outcome->item.is_won = wins(command, execution);
        result = change(command, execution, outcome->item.is_won);
    }
    if (result == STORE_OK)
        show(command, execution);
    return result;
}

void rule_meta_read(const struct command *command, struct execution *execution)
{
    outcome_clear(&execution->outcome);
    execution->outcome.kind = OUTCOME_MISS;
    execution->is_created = false;
    if (execution->hold.item == NULL)
        return;
    rule_describe(command, execution);
    execution->outcome.item.touched_exptime =
        item_exptime(execution->hold.item);
    show(command, execution);
}

/* ---- removal, in part ---- */

enum store_result rule_invalidate(const struct command *command,
                                  struct execution *execution)
{
    const struct item *item = execution->hold.item;
    struct store_write write = {.marks = item_marks(item) &
                                         (ITEM_KEY_BASE64 | ITEM_HOMED),
                                .token = command->token};

    if (command->invalidates)
        write.marks |= ITEM_STALE;
    if (command->empties) {
        write.flags = command->flags;
    } else {
        write.parts[0] = item_value(item);
        write.flags = item_flags(item);
        write.exptime = item_exptime(item);
        write.stamp = item_stamp(item);
        write.is_fetched = item_is_fetched(item);
        write.accessed = item_accessed(item);
    }
    if (command->touches) {
        write.exptime = rule_moment(command->exptime, execution->now);
        write.stamp = 0;
    }
    /* Only what loses its value alone counts as deleted. */
    execution->outcome.kind =
        command->invalidates ? OUTCOME_STORED : OUTCOME_DELETED;
    return rule_put(execution, &write);
}

/* ---- inspection ---- */

enum store_result rule_inspect(const struct command *command,
                               struct execution *execution)
{
    const struct item *item = execution->hold.item;

    execution->outcome.kind = OUTCOME_MISS;
    if (item == NULL)
        return STORE_OK;
    execution->outcome.kind = OUTCOME_FOUND;
    execution->outcome.token = item_token(item);
    rule_describe(command, execution);
    return STORE_OK;
}
