/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/replication.h"

#include <assert.h>

static enum record_kind kind_of(enum mutation_kind kind)
{
    switch (kind) {
    case MUTATION_CREATE:
        return RECORD_CREATE;
    case MUTATION_UPDATE:
        return RECORD_UPDATE;
    case MUTATION_TOUCH:
        return RECORD_TOUCH;
    case MUTATION_DELETE:
        return RECORD_DELETE;
    case MUTATION_FLUSH:
        return RECORD_FLUSH;
    case MUTATION_NONE:
        break;
    }
    return RECORD_UNKNOWN;
}

uint64_t replication_journal(struct peers *peers, struct span key,
                             const struct execution *execution,
                             const struct farm_lock *lock)
{
    const struct mutation *mutation = &execution->mutation;
    const struct item *item = execution->hold.item;
    struct record record = {.kind = kind_of(mutation->kind), .key = key};

    assert(mutation->kind != MUTATION_NONE);
    if (mutation->kind == MUTATION_DELETE || mutation->kind == MUTATION_FLUSH) {
        record.version = mutation->version;
        record.moment = mutation->moment;
    } else {
        record.marks = item_marks(item);
        record.flags = item_flags(item);
        record.exptime = item_exptime(item);
        record.version = item->version;
        record.stamp = item_stamp(item);
        record.token = item_token(item);
        record.value = item_value(item);
    }
    if (lock != NULL && mutation->kind != MUTATION_TOUCH &&
        mutation->kind != MUTATION_DELETE) {
        record.owner = lock->owner;
        record.is_kept = lock->is_kept;
    }
    if (mutation->kind == MUTATION_UPDATE && mutation->base != 0) {
        struct record splice =
            record_splice(&record, mutation->base, &mutation->change);
        return journal_append_splice(peers_journal(peers), &splice, &record);
    }
    return journal_append(peers_journal(peers), &record);
}
