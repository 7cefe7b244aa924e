/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Execute: what each command does to the replica, whoever asks.
 *
 * (store, command, now) -> outcome and mutation.  A hit keeps its key locked,
 * so that the value can be copied from where it lies, and so does a mutation
 * that others are to hear of: command_finish() ends that.
 *
 * Threads: any; one execution at a time for each.
 */
#ifndef SERVER_COMMAND_EXECUTE_H
#define SERVER_COMMAND_EXECUTE_H

#include "proto/base/splice.h"
#include "proto/memcached/reply.h"
#include "server/command/counters.h"
#include "server/store/store.h"

/* When other servers have to be asked about a key before a command on it. */
enum asking {
    ASK_NEVER,   /* what is here is all there is */
    ASK_WANTED,  /* where the key is known to be elsewhere */
    ASK_ON_MISS, /* where the key is not here */
    ASK_ALWAYS   /* this replica may have missed something */
};

/* Which commands are for homes to decide, so that the whole farm agrees. */
enum homing {
    HOMING_NONE,   /* none: each server decides for itself */
    HOMING_ATOMIC, /* those that depend on what is there, and all changes of
                      locks and of what such a command wrote */
    HOMING_ALL     /* every change of a key */
};

/* What a command changed, for other servers to hear of. */
enum mutation_kind {
    MUTATION_NONE,
    MUTATION_CREATE, /* the state of hold.item, where there was none */
    MUTATION_UPDATE, /* the state of hold.item; perhaps made from another */
    MUTATION_TOUCH,  /* the life part of hold.item */
    MUTATION_DELETE, /* as of `version` */
    MUTATION_FLUSH   /* as of `version`, from `moment` on (0: at once) */
};

struct mutation {
    enum mutation_kind kind;
    uint64_t version; /* this and `moment` are set where named above */
    time_us moment;
    /* Of an update: the version whose value `change` turns into that of
     * hold.item; 0: nobody looked for it. */
    uint64_t base;
    struct splice change;
};

/* What a command found before it changed anything. */
struct sighting {
    bool is_seen; /* the key was looked up: what follows is set */
    bool is_found;
    enum store_absence absence;
    size_t value_bytes;
    time_s exptime;
};

struct execution {
    struct store *store;
    time_us now;
    struct counters *counters;
    /* The value of a COMMAND_STORE that arrived in pieces, or NULL. */
    struct store_reservation *reservation;
    struct sighting *sighting; /* NULL: nobody wants to know */
    struct onlooker *onlooker; /* of this thread, or NULL */
    bool replicates; /* other servers hear of mutations; the next four are
                        for such alone */
    bool splices;    /* what changed may be all that they are told */
    enum asking asking;
    enum homing homing;
    bool is_home;    /* it is this server that decides those */
    bool gives_way;  /* what is written over an item gives way to whatever was
                        written elsewhere since */
    bool is_asked;   /* the others were, for this key */
    bool is_certain; /* they were asked, all of them answered */

    struct outcome outcome;
    struct mutation mutation; /* its key is held until command_finish() */
    struct store_hold hold;
    bool must_ask;     /* nothing was done: ask, and execute again */
    bool goes_home;    /* nothing was done: a home has to decide */
    bool is_decision;  /* this server decided for all */
    bool is_held;      /* until command_finish() */
    bool is_created;   /* arithmetic made the item */
    uint8_t home_mark; /* of what is written */
    enum store_absence absence;
    size_t needed_bytes; /* after STORE_NO_ROOM */
};

/* True for commands on the replica; the others are the session's. */
static inline bool command_is_executed(enum command_kind kind)
{
    return kind == COMMAND_RETRIEVE || kind == COMMAND_STORE ||
           kind == COMMAND_REMOVE || kind == COMMAND_ARITHMETIC ||
           kind == COMMAND_TOUCH || kind == COMMAND_FLUSH ||
           kind == COMMAND_INSPECT;
}

/*
 * Executes `command`, one of those, whose `hash` is that of its key; the
 * fields of `execution` down to `is_certain` are the caller's.
 */
void command_execute(const struct command *command,
                     struct execution *execution);

/* The same for a command that is not one of those; `outcome` is then the
 * caller's, too. */
void command_skip(struct execution *execution);

/* Whether command_execute() would ask, as things are. */
bool command_must_ask(const struct command *command,
                      struct execution *execution);

/* Whether command_execute() would leave it to a home, as things are. */
bool command_goes_home(const struct command *command,
                       struct execution *execution);

/* Counts a command that was executed elsewhere; `execution` has what came of
 * it. */
void command_count(const struct command *command,
                   const struct execution *execution);

/* Nothing was done, as one of the two says. */
static inline bool command_is_halted(const struct execution *execution)
{
    return execution->must_ask | execution->goes_home;
}

/* Releases the key; the outcome's value is gone. */
void command_finish(struct execution *execution);

/* Takes memory for a value that follows; false: answer `outcome`. */
MUST_USE bool command_reserve(const struct command *command,
                              struct execution *execution,
                              struct store_reservation *reservation);

#endif
