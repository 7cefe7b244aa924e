/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/possessions.h"

#include <stdlib.h>

/* A lock is taken by who makes it, or counts it up from 0 (as pecl/memcache
 * does), or replaces what it knows. */
bool possessions_is_taken(const struct command *command,
                          const struct outcome *outcome)
{
    if (!command->is_of_lock)
        return false;
    if (command->kind == COMMAND_ARITHMETIC)
        return outcome->kind == OUTCOME_NUMBER &&
               command->mode == MODE_INCREMENT && outcome->number == 1;
    return command->kind == COMMAND_STORE && outcome->kind == OUTCOME_STORED &&
           (command->mode == MODE_ADD || command->has_compare);
}

static bool is_given_back(const struct command *command,
                          const struct outcome *outcome)
{
    return outcome->kind == OUTCOME_DELETED ||
           outcome->kind == OUTCOME_NOT_FOUND ||
           (command->kind == COMMAND_STORE && outcome->kind == OUTCOME_STORED);
}

static void forget(struct possessions *possessions, struct span key)
{
    struct possession **at = &possessions->first;

    while (*at != NULL &&
           !span_equal(span_of((*at)->key, (*at)->key_bytes), key))
        at = &(*at)->next;
    struct possession *found = *at;
    if (found == NULL)
        return;
    *at = found->next;
    possessions->count--;
    free(found);
}

bool possessions_add(struct possessions *possessions, struct span key,
                     uint64_t token)
{
    struct possession *added =
        possessions->count < POSSESSIONS_MAX ? malloc(sizeof(*added)) : NULL;

    if (added == NULL)
        return false;
    added->token = token;
    added->key_bytes = (uint8_t)key.length;
    span_copy(added->key, key);
    added->next = possessions->first;
    possessions->first = added;
    possessions->count++;
    return true;
}

void possessions_note(struct possessions *possessions,
                      const struct command *command,
                      const struct outcome *outcome)
{
    bool is_taken = possessions_is_taken(command, outcome);

    if (is_taken || is_given_back(command, outcome))
        forget(possessions, command->key);
    if (is_taken && !possessions_add(possessions, command->key, outcome->token))
        return; /* it lives until its exptime */
}

void possessions_release(struct possessions *possessions)
{
    while (possessions->first != NULL) {
        struct possession *first = possessions->first;
        possessions->first = first->next;
        free(first);
    }
    possessions->count = 0;
}
