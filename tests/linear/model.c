/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/linear/model.h"

#include <assert.h>

static uint64_t appended(uint64_t number, uint64_t digits)
{
    if (number == LINEAR_EMPTY)
        return digits;
    /* Beyond 64 bits it is what is left of it: a reader does the same. */
    for (uint64_t left = digits; left >= 10; left /= 10)
        number *= 10;
    return number * 10 + digits;
}

/* A state gets a token that an answer told of. */
static bool is_fresh(const struct tokens_point *point, uint64_t token)
{
    return token == 0 ||
           (!tokens_is_spent(point, token) && tokens_is_newest(point, token));
}

/* Whose it is then: what merely counts on, or adds to it, leaves it to who had
 * it.  Who counts it up from 0 takes it. */
static uint32_t owner_after(const struct linear_operation *operation,
                            uint64_t number, const struct model_state *state)
{
    bool is_taking = true;

    if (operation->kind == LINEAR_INCR)
        is_taking = number == operation->number;
    else if (operation->kind == LINEAR_DECR || operation->kind == LINEAR_APPEND)
        is_taking = false;
    return is_taking ? operation->through : state->owner;
}

static enum model_result store(const struct linear_operation *operation,
                               const struct tokens_point *point,
                               uint64_t number, struct model_state *state)
{
    bool is_known = operation->outcome == LINEAR_YES;
    uint64_t token = is_known ? operation->told_token : 0;

    if (is_known && operation->has_told && operation->told != number)
        return MODEL_CONTRADICTS;
    if (!is_fresh(point, token))
        return MODEL_CONTRADICTS;
    *state =
        (struct model_state){.is_there = true,
                             .owner = owner_after(operation, number, state),
                             .number = number,
                             .token = token};
    return MODEL_CHANGES;
}

static enum model_result removed(struct model_state *state)
{
    *state = (struct model_state){.is_there = false};
    return MODEL_CHANGES;
}

static bool may_be_expected(const struct linear_operation *operation,
                            const struct tokens_point *point,
                            const struct model_state *state)
{
    if (state->token != 0)
        return state->token == operation->expected;
    /* Who expects it was told of it, if by a read that is not in this
     * order. */
    return !tokens_is_spent(point, operation->expected) &&
           tokens_has_value(point, operation->expected, state->number);
}

static enum model_result look(const struct linear_operation *operation,
                              const struct tokens_point *point,
                              struct model_state *state)
{
    if (operation->has_told && operation->told != state->number)
        return MODEL_CONTRADICTS;
    if (operation->told_token == state->token || operation->told_token == 0)
        return MODEL_LOOKS;
    if (state->token != 0 || !is_fresh(point, operation->told_token))
        return MODEL_CONTRADICTS;
    state->token = operation->told_token;
    return MODEL_CHANGES;
}

/* It did nothing, for the reason that its outcome gives. */
static enum model_result decline(const struct linear_operation *operation,
                                 const struct tokens_point *point,
                                 struct model_state *state)
{
    bool fits;

    switch (operation->kind) {
    case LINEAR_ADD:
        fits = state->is_there;
        break;
    case LINEAR_VIVIFY:
        return state->is_there ? look(operation, point, state)
                               : MODEL_CONTRADICTS;
    case LINEAR_CAS:
    case LINEAR_DELETE_IF:
        fits = operation->outcome == LINEAR_NO
                   ? !state->is_there
                   : state->is_there && (state->token == 0 ||
                                         state->token != operation->expected);
        break;
    case LINEAR_INCR:
    case LINEAR_DECR:
        fits = operation->outcome == LINEAR_NO
                   ? !state->is_there
                   : state->is_there && state->number == LINEAR_EMPTY;
        break;
    default:
        fits = !state->is_there;
        break;
    }
    return fits ? MODEL_LOOKS : MODEL_CONTRADICTS;
}

static enum model_result count(const struct linear_operation *operation,
                               const struct tokens_point *point,
                               struct model_state *state)
{
    uint64_t number = state->number;

    if (!state->is_there || number == LINEAR_EMPTY)
        return MODEL_CONTRADICTS;
    if (operation->kind == LINEAR_INCR)
        number += operation->number;
    else
        number -= number < operation->number ? number : operation->number;
    return store(operation, point, number, state);
}

enum model_result model_step(const struct linear_operation *operation,
                             const struct tokens_point *point,
                             struct model_state *state)
{
    bool fits = true;
    uint64_t number = operation->number;

    assert(operation->outcome != LINEAR_NOTHING);
    if (operation->outcome == LINEAR_NO || operation->outcome == LINEAR_OTHER)
        return decline(operation, point, state);

    switch (operation->kind) {
    case LINEAR_SET:
        break;
    case LINEAR_ADD:
        fits = !state->is_there;
        break;
    case LINEAR_VIVIFY:
        fits = !state->is_there;
        number = LINEAR_EMPTY;
        break;
    case LINEAR_REPLACE:
        fits = state->is_there;
        break;
    case LINEAR_APPEND:
        fits = state->is_there;
        number = appended(state->number, number);
        break;
    case LINEAR_CAS:
        fits = state->is_there && may_be_expected(operation, point, state);
        break;
    case LINEAR_INCR:
    case LINEAR_DECR:
        return count(operation, point, state);
    case LINEAR_DELETE:
        return state->is_there ? removed(state) : MODEL_CONTRADICTS;
    case LINEAR_DELETE_IF:
        fits = state->is_there && may_be_expected(operation, point, state);
        return fits ? removed(state) : MODEL_CONTRADICTS;
    case LINEAR_RELEASE:
        fits = state->is_there && state->owner == operation->through;
        return fits ? removed(state) : MODEL_CONTRADICTS;
    case LINEAR_GET:
        return state->is_there ? look(operation, point, state)
                               : MODEL_CONTRADICTS;
    default:
        assert(false);
    }
    return fits ? store(operation, point, number, state) : MODEL_CONTRADICTS;
}

bool model_only_looks(const struct linear_operation *operation)
{
    if (operation->told_token != 0 || operation->outcome == LINEAR_UNKNOWN)
        return false;
    return operation->kind == LINEAR_GET || operation->outcome != LINEAR_YES;
}
