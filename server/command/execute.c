/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/command/execute.h"

#include <assert.h>

#include "server/command/rules.h"

/* Room that was made may be taken by others before it is used. */
#define ATTEMPTS_MAX 16
#define RELATIVE_EXPTIME_MAX (60 * 60 * 24 * 30)
/* Of less nothing is saved that would be worth a look; of more the look would
 * keep others from the key for too long. */
#define SPLICED_BYTES_MIN 200
#define SPLICED_BYTES_MAX ((size_t)4 << 20)

bool rule_expiry(int64_t exptime, time_us now, time_s *at)
{
    time_s second = time_seconds(now);

    *at = 0;
    if (exptime == 0)
        return true;
    if (exptime < 0)
        return false;
    if (exptime <= RELATIVE_EXPTIME_MAX)
        *at = second + (time_s)exptime;
    else
        *at = exptime < UINT32_MAX ? (time_s)exptime : UINT32_MAX;
    return *at > second;
}

time_s rule_moment(int64_t exptime, time_us now)
{
    time_s at;

    return rule_expiry(exptime, now, &at) ? at : time_seconds(now);
}

uint64_t rule_next_version(const struct execution *execution)
{
    const struct item *item = execution->hold.item;

    return execution->gives_way && item != NULL
               ? store_version_after(execution->store, item->version)
               : store_next_version(execution->store, execution->now);
}

/* Of an extension the old value is a part, and need not be looked at. */
static struct splice change_of(struct span old, const struct store_write *write)
{
    struct span first = write->parts[0];
    struct span second = write->parts[1];

    if (first.data == old.data && first.length == old.length)
        return (struct splice){old.length, 0, second.length};
    if (second.data == old.data && second.length == old.length)
        return (struct splice){0, 0, first.length};
    assert(second.length == 0);
    return splice_between(old, first);
}

void rule_note_put(struct execution *execution, const struct store_write *write)
{
    struct mutation *mutation = &execution->mutation;
    const struct item *item = execution->hold.item;
    size_t bytes = write->parts[0].length + write->parts[1].length;

    mutation->kind = item == NULL ? MUTATION_CREATE : MUTATION_UPDATE;
    mutation->base = 0;
    if (!execution->splices || item == NULL || bytes < SPLICED_BYTES_MIN ||
        bytes > SPLICED_BYTES_MAX)
        return;
    mutation->base = item->version;
    mutation->change = change_of(item_value(item), write);
}

void rule_note_mark(struct execution *execution)
{
    const struct item *item = execution->hold.item;
    struct mutation *mutation = &execution->mutation;

    mutation->kind = MUTATION_UPDATE;
    mutation->base =
        execution->replicates && execution->splices ? item->version : 0;
    mutation->change = (struct splice){0};
}

enum store_result rule_put(struct execution *execution,
                           struct store_write *write)
{
    struct store_hold *hold = &execution->hold;

    write->version = rule_next_version(execution);
    execution->outcome.token =
        write->token != 0 ? write->token : write->version;
    execution->needed_bytes =
        store_item_bytes(execution->store, hold->key.length,
                         write->parts[0].length + write->parts[1].length);
    write->marks |= execution->home_mark;
    if (execution->replicates)
        rule_note_put(execution, write);
    return store_put(hold, write);
}

bool rule_has_to_drop(const struct execution *execution)
{
    return execution->hold.item != NULL || execution->replicates;
}

enum store_result rule_drop(struct execution *execution)
{
    execution->needed_bytes =
        store_item_bytes(execution->store, execution->hold.key.length, 0);
    execution->outcome.token = rule_next_version(execution);
    execution->mutation = (struct mutation){
        .kind = MUTATION_DELETE, .version = execution->outcome.token};
    return store_remove(&execution->hold, execution->outcome.token);
}

static enum store_result run(const struct command *command,
                             struct execution *execution)
{
    switch (command->kind) {
    case COMMAND_RETRIEVE:
        return rule_retrieve(command, execution);
    case COMMAND_STORE:
        return rule_store(command, execution);
    case COMMAND_REMOVE:
        return rule_remove(command, execution);
    case COMMAND_ARITHMETIC:
        return rule_arithmetic(command, execution);
    case COMMAND_TOUCH:
        return rule_touch(command, execution);
    case COMMAND_INSPECT:
        return rule_inspect(command, execution);
    default:
        break;
    }
    assert(false); /* command_is_executed() says which come here */
    return STORE_OK;
}

/* A plain set does not depend on what was there. */
static bool is_blind(const struct command *command)
{
    return command->kind == COMMAND_STORE &&
           ((command->mode == MODE_SET && !command->has_compare) ||
            command->block_fault != BLOCK_SOUND);
}

/* A grave is a miss of its own: this server knows that the key is gone. */
static bool must_ask(const struct command *command,
                     const struct execution *execution)
{
    const struct store_hold *hold = &execution->hold;

    if (execution->asking != ASK_ALWAYS && hold->item != NULL)
        return false;
    if (is_blind(command))
        return false;
    if (execution->asking == ASK_WANTED)
        return hold->stub.kind == STUB_WANTED;
    return execution->asking == ASK_ALWAYS ||
           (hold->stub.kind == STUB_NONE || hold->stub.kind == STUB_WANTED);
}

/* PHP asks in this way whether a session is known: with an add of what is
 * dead before it is stored.  It changes nothing, whatever is answered. */
static bool is_probe(const struct command *command, time_us now)
{
    time_s at;

    return command->mode == MODE_ADD && !command->has_compare &&
           !rule_expiry(command->exptime, now, &at);
}

/* What it does, or answers, depends on what is there. */
static bool is_atomic(const struct command *command,
                      const struct execution *execution)
{
    switch (command->kind) {
    case COMMAND_STORE:
        return !is_blind(command) && !is_probe(command, execution->now);
    case COMMAND_REMOVE:
        return command->has_compare;
    case COMMAND_ARITHMETIC:
        return true;
    case COMMAND_RETRIEVE:
        if (!command->is_meta)
            return false;
        return execution->hold.item == NULL ? command->creates
                                            : rule_wins(command, execution);
    default:
        return false;
    }
}

/* It may change the key, whatever is there. */
static bool changes(const struct command *command, time_us now)
{
    switch (command->kind) {
    case COMMAND_STORE:
        /* Nobody else can know a key that was minted. */
        if (command->block_fault == BLOCK_UNTERMINATED || command->mints)
            return false;
        if (command->block_fault == BLOCK_TOO_LARGE)
            return rule_replaces_at_all_costs(command);
        return !is_probe(command, now);
    case COMMAND_RETRIEVE:
        return command->touches;
    default:
        return command->kind == COMMAND_REMOVE ||
               command->kind == COMMAND_ARITHMETIC ||
               command->kind == COMMAND_TOUCH;
    }
}

/* What one server decided for all is changed through homes alone, until a
 * plain set takes its place. */
static bool is_for_home(const struct command *command,
                        const struct execution *execution)
{
    const struct item *item = execution->hold.item;

    if (is_atomic(command, execution))
        return true;
    /* Where something may have been missed, a grave may be out of date. */
    bool may_be = item == NULL && execution->hold.stub.kind != STUB_NONE &&
                  execution->asking == ASK_ALWAYS && !is_blind(command);
    bool is_bound = execution->homing == HOMING_ALL || command->is_of_lock ||
                    may_be || (item != NULL && (item_marks(item) & ITEM_HOMED));
    return is_bound && changes(command, execution->now);
}

/* True where the command goes to its home instead. */
static bool leave_to_home(const struct command *command,
                          struct execution *execution)
{
    execution->is_decision = false;
    execution->home_mark = 0;
    if (!is_for_home(command, execution))
        return false;
    execution->goes_home = !execution->is_home;
    execution->is_decision = execution->is_home;
    if (execution->is_home && is_atomic(command, execution))
        execution->home_mark = ITEM_HOMED;
    return execution->goes_home;
}

/* The first look is what counts: a retry may find it evicted. */
static void note_sighting(const struct store_hold *hold,
                          struct sighting *sighting)
{
    if (sighting->is_seen)
        return;
    *sighting = (struct sighting){.is_seen = true,
                                  .is_found = hold->item != NULL,
                                  .absence = hold->absence};
    if (hold->item == NULL)
        return;
    sighting->value_bytes = item_value(hold->item).length;
    sighting->exptime = item_exptime(hold->item);
}

/* Such a command changes nothing, but that a stale item is won by whoever
 * reads it first. */
static bool only_looks(const struct command *command)
{
    return command->kind == COMMAND_RETRIEVE && !command->touches &&
           !command->creates && !command->recaches;
}

static void hold(const struct command *command, struct execution *execution)
{
    struct store_hold *hold = &execution->hold;

    execution->is_held = true;
    if (only_looks(command) &&
        store_look(execution->store, execution->onlooker, command->key,
                   command->hash, execution->now, hold)) {
        if (hold->item == NULL || (item_marks(hold->item) & ITEM_STALE) == 0)
            return;
        store_release(hold);
    }
    store_hold(execution->store, command->key, command->hash, execution->now,
               hold);
}

/* Others have to be heard first. */
static bool halts(const struct command *command, struct execution *execution)
{
    /* What is here and right, most of all that is asked for. */
    if (command_only_reads(command) && execution->hold.item != NULL &&
        execution->asking != ASK_ALWAYS)
        return false;
    if (execution->homing != HOMING_NONE && leave_to_home(command, execution))
        return true;
    execution->must_ask =
        execution->asking != ASK_NEVER && must_ask(command, execution);
    return execution->must_ask;
}

static enum store_result hold_and_run(const struct command *command,
                                      struct execution *execution)
{
    outcome_clear(&execution->outcome);
    hold(command, execution);
    /* What a retry finds is gone already: the first look is what counts. */
    if (execution->hold.absence != STORE_NEVER)
        execution->absence = execution->hold.absence;
    if (execution->replicates && halts(command, execution))
        return STORE_OK;
    if (execution->sighting != NULL)
        note_sighting(&execution->hold, execution->sighting);
    return run(command, execution);
}

/* A set that finds no memory must not leave the old value to be read.  It
 * stays where not even a grave finds room; the client is told of failure. */
static void run_out_of_memory(const struct command *command,
                              struct execution *execution)
{
    bool replaces =
        command->kind == COMMAND_STORE && rule_replaces_at_all_costs(command);

    execution->mutation.kind = MUTATION_NONE;
    if (command->kind == COMMAND_RETRIEVE && command->is_meta) {
        rule_meta_read(command, execution);
        return;
    }
    if (replaces && rule_has_to_drop(execution) &&
        rule_drop(execution) != STORE_OK)
        execution->mutation.kind = MUTATION_NONE;
    execution->outcome = (struct outcome){.kind = OUTCOME_NO_MEMORY};
}

static void execute_on_key(const struct command *command,
                           struct execution *execution)
{
    enum store_result result = hold_and_run(command, execution);

    for (int attempt = 1; result != STORE_OK && attempt < ATTEMPTS_MAX;
         attempt++) {
        command_finish(execution);
        bool has_room = store_make_room(
            execution->store, execution->needed_bytes, execution->now);
        execution->mutation.kind = MUTATION_NONE;
        execution->is_created = false;
        result = hold_and_run(command, execution);
        if (!has_room)
            break;
    }
    if (result != STORE_OK)
        run_out_of_memory(command, execution);
}

/* A time that has passed takes what was written before then. */
static time_us flush_moment(int64_t delay, time_us now)
{
    time_s at = 0;
    bool is_to_come = delay > 0 && rule_expiry(delay, now, &at);

    assert(is_to_come == (at > time_seconds(now)));
    return at * TIME_US_PER_S;
}

static void flush(const struct command *command, struct execution *execution)
{
    time_us moment = flush_moment(command->exptime, execution->now);

    execution->mutation = (struct mutation){
        .kind = MUTATION_FLUSH,
        .version = store_flush(execution->store, moment, execution->now),
        .moment = moment > execution->now ? moment : 0};
    execution->outcome = (struct outcome){.kind = OUTCOME_OK};
}

/* A value is read, and a mutation is told of, under the key's lock. */
static bool needs_key(const struct execution *execution)
{
    return execution->outcome.kind == OUTCOME_HIT ||
           (execution->replicates && execution->mutation.kind != MUTATION_NONE);
}

/* The big ones are filled where they come to be used. */
static void begin(struct execution *execution)
{
    execution->mutation.kind = MUTATION_NONE;
    execution->must_ask = false;
    execution->goes_home = false;
    execution->is_decision = false;
    execution->is_held = false;
    execution->is_created = false;
    execution->home_mark = 0;
    execution->absence = STORE_NEVER;
}

void command_skip(struct execution *execution)
{
    begin(execution);
    execution->outcome = (struct outcome){0};
}

void command_execute(const struct command *command, struct execution *execution)
{
    begin(execution);
    if (command->refusal != REFUSAL_NONE)
        execution->outcome = (struct outcome){.kind = OUTCOME_REFUSED};
    else if (command->kind == COMMAND_FLUSH)
        flush(command, execution);
    else
        execute_on_key(command, execution);
    if (!command_is_halted(execution))
        rule_count(command, execution);
    if (!needs_key(execution))
        command_finish(execution);
}

void command_count(const struct command *command,
                   const struct execution *execution)
{
    rule_count(command, execution);
}

static bool is_on_key(const struct command *command)
{
    return command_is_executed(command->kind) && !command->value_follows &&
           command->kind != COMMAND_FLUSH && command->refusal == REFUSAL_NONE;
}

bool command_must_ask(const struct command *command,
                      struct execution *execution)
{
    if (!is_on_key(command))
        return false;
    store_hold(execution->store, command->key, command->hash, execution->now,
               &execution->hold);
    bool goes_home = execution->homing != HOMING_NONE && !execution->is_home &&
                     is_for_home(command, execution);
    bool asks = execution->asking != ASK_NEVER && must_ask(command, execution);
    store_release(&execution->hold);
    return asks && !goes_home;
}

bool command_goes_home(const struct command *command,
                       struct execution *execution)
{
    if (!is_on_key(command) || execution->homing == HOMING_NONE ||
        execution->is_home)
        return false;
    store_hold(execution->store, command->key, command->hash, execution->now,
               &execution->hold);
    bool goes_home = is_for_home(command, execution);
    store_release(&execution->hold);
    return goes_home;
}

void command_finish(struct execution *execution)
{
    if (execution->is_held)
        store_release(&execution->hold);
    execution->is_held = false;
}

bool command_reserve(const struct command *command, struct execution *execution,
                     struct store_reservation *reservation)
{
    size_t bytes = store_item_bytes(execution->store, command->key.length,
                                    command->value_bytes);

    begin(execution);
    for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        enum store_result result = store_reserve(
            execution->store, command->key, command->value_bytes, reservation);
        if (result == STORE_OK)
            return true;
        if (result == STORE_REFUSED ||
            !store_make_room(execution->store, bytes, execution->now))
            break;
    }
    /* The same as for a value that was here and found no room. */
    execution->is_held = true;
    store_hold(execution->store, command->key, command->hash, execution->now,
               &execution->hold);
    run_out_of_memory(command, execution);
    rule_count(command, execution);
    if (!needs_key(execution))
        command_finish(execution);
    return false;
}
