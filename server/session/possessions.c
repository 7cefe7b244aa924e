/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/possessions.h"

#include <stdlib.h>

static struct possession **find(struct possessions *possessions,
                                struct span key)
{
    struct possession **at = &possessions->first;

    while (*at != NULL &&
           !span_equal(span_of((*at)->key, (*at)->key_bytes), key))
        at = &(*at)->next;
    return at;
}

/* NULL where memory is out, or there are too many: it lives until its
 * exptime. */
static struct possession *add(struct possessions *possessions, struct span key)
{
    struct possession *added =
        possessions->count < POSSESSIONS_MAX ? malloc(sizeof(*added)) : NULL;

    if (added == NULL)
        return NULL;
    added->key_bytes = (uint8_t)key.length;
    span_copy(added->key, key);
    added->next = possessions->first;
    possessions->first = added;
    possessions->count++;
    return added;
}

void possessions_forget(struct possessions *possessions, struct possession **at)
{
    struct possession *found = *at;

    *at = found->next;
    possessions->count--;
    free(found);
}

static struct possession *note(struct possessions *possessions,
                               const struct command *command,
                               const struct execution *execution,
                               bool is_by_writing)
{
    enum lock_step step = lock_step_of(command, execution);
    struct possession **at = find(possessions, command->key);
    struct possession *had = *at;

    if (step == LOCK_GIVEN_BACK && had != NULL)
        possessions_forget(possessions, at);
    if (step != LOCK_TAKEN && step != LOCK_WRITTEN)
        return NULL;
    if (had == NULL && (step == LOCK_TAKEN || is_by_writing))
        had = add(possessions, command->key);
    if (had != NULL)
        had->token = execution->outcome.token;
    return had;
}

void possessions_note(struct possessions *possessions,
                      const struct command *command,
                      const struct execution *execution)
{
    (void)note(possessions, command, execution, true);
}

struct possession *possessions_note_taking(struct possessions *possessions,
                                           const struct command *command,
                                           const struct execution *execution)
{
    return note(possessions, command, execution, false);
}

void possessions_release(struct possessions *possessions)
{
    while (possessions->first != NULL)
        possessions_forget(possessions, &possessions->first);
}
