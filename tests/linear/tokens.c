/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/linear/tokens.h"

#include <assert.h>
#include <stdlib.h>

static int compare(const void *one, const void *other)
{
    uint64_t a = ((const struct token *)one)->token;
    uint64_t b = ((const struct token *)other)->token;

    return a < b ? -1 : a > b;
}

static struct token *find(const struct tokens *tokens, uint64_t token)
{
    struct token wanted = {.token = token};

    return tokens->count == 0 ? NULL
                              : bsearch(&wanted, tokens->table, tokens->count,
                                        sizeof(wanted), compare);
}

/* The value of the state whose token it was told, where that follows from
 * this operation alone. */
static bool told_value(const struct linear_operation *operation,
                       uint64_t *number)
{
    *number = operation->told;
    if (operation->has_told)
        return true;
    if (operation->outcome != LINEAR_YES)
        return false;
    switch (operation->kind) {
    case LINEAR_SET:
    case LINEAR_ADD:
    case LINEAR_REPLACE:
    case LINEAR_CAS:
        *number = operation->number;
        return true;
    case LINEAR_VIVIFY:
        *number = LINEAR_EMPTY;
        return true;
    default:
        return false;
    }
}

/* False where somebody told otherwise. */
static bool note(struct tokens *tokens,
                 const struct linear_operation *operation)
{
    uint64_t number;

    if (operation->told_token == 0 || !told_value(operation, &number))
        return true;
    struct token *token = find(tokens, operation->told_token);
    assert(token != NULL);
    if (token->has_number)
        return token->number == number;
    token->has_number = true;
    token->number = number;
    return true;
}

static void collect(struct tokens *tokens,
                    const struct linear_operation *operations, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        if (operations[i].told_token != 0)
            tokens->table[tokens->count++].token = operations[i].told_token;
    if (tokens->count > 0)
        qsort(tokens->table, tokens->count, sizeof(*tokens->table), compare);
    for (size_t i = 0; i < tokens->count; i++)
        if (i == 0 || tokens->table[i].token != tokens->table[kept - 1].token)
            tokens->table[kept++] = tokens->table[i];
    tokens->count = kept;
}

size_t tokens_init(struct tokens *tokens,
                   const struct linear_operation *operations, size_t count,
                   bool rise)
{
    *tokens = (struct tokens){.rise = rise};
    tokens->table = calloc(count + 1, sizeof(*tokens->table));
    assert(tokens->table != NULL);
    collect(tokens, operations, count);
    for (size_t i = 0; i < count; i++)
        if (!note(tokens, &operations[i]))
            return i;
    return count;
}

void tokens_release(struct tokens *tokens)
{
    free(tokens->table);
    *tokens = (struct tokens){0};
}

static bool uses_up(const struct linear_operation *operation)
{
    return operation->outcome == LINEAR_YES &&
           (operation->kind == LINEAR_CAS ||
            operation->kind == LINEAR_DELETE_IF);
}

void tokens_return(struct tokens *tokens,
                   const struct linear_operation *operation)
{
    struct token *token;

    if (operation->told_token > tokens->newest)
        tokens->newest = operation->told_token;
    if (operation->told_token != 0 &&
        (token = find(tokens, operation->told_token)) != NULL)
        token->is_spent = true;
    if (uses_up(operation) &&
        (token = find(tokens, operation->expected)) != NULL)
        token->is_spent = true;
}

bool tokens_is_spent(const struct tokens_point *point, uint64_t token)
{
    const struct token *found = find(point->tokens, token);

    if (found != NULL && found->is_spent)
        return true;
    for (size_t i = 0; i < point->done_count; i++) {
        const struct linear_operation *done = point->done[i];
        if (done->told_token == token ||
            (uses_up(done) && done->expected == token))
            return true;
    }
    return false;
}

bool tokens_is_newest(const struct tokens_point *point, uint64_t token)
{
    if (!point->tokens->rise)
        return true;
    if (token <= point->tokens->newest)
        return false;
    for (size_t i = 0; i < point->done_count; i++)
        if (point->done[i]->told_token >= token)
            return false;
    return true;
}

bool tokens_has_value(const struct tokens_point *point, uint64_t token,
                      uint64_t number)
{
    const struct token *found = find(point->tokens, token);

    return found != NULL && found->has_number && found->number == number;
}
