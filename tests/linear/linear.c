/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/linear/linear.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/linear/frontier.h"
#include "tests/linear/reads.h"
#include "tests/linear/timeline.h"

#define CONFIGURATIONS_MAX ((size_t)1 << 17)
/* A history that would take much longer than seconds is given up. */
#define STEPS_MAX (UINT64_C(1) << 24)
#define WORD_BITS 64

/* Where there are many operations of unknown outcome there are many orders.
 * One will do: it is looked for among the likely ones first, in which few of
 * them took effect.  Only where there is none in all is there none. */
struct effort {
    size_t unknown_max;  /* take effect between two returns */
    size_t frontier_max; /* configurations are kept from each to the next */
};

static const struct effort EFFORTS[] = {
    {1, 50}, {2, 1000}, {16, 50}, {16, 1000}, {SIZE_MAX, SIZE_MAX}};

/* Operations whose outcome is unknown and which do the same. */
struct alike {
    const struct linear_operation *operation;
    uint64_t called_count;
};

struct search {
    struct tokens tokens;
    struct timeline timeline;
    struct frontier frontier; /* all that is possible, up to this event */
    struct frontier next;     /* and behind it */
    struct frontier visited;  /* on the way to it */
    struct configuration *scratch;
    const struct linear_operation **pending; /* by place, or NULL */
    const struct linear_operation **done;
    struct alike *classes;
    uint64_t *looking; /* places of those that only look */
    struct effort effort;
    uint64_t steps;
    size_t peak;
    bool is_given_up;
};

static bool has_bit(const uint64_t *words, size_t bit)
{
    return words[bit / WORD_BITS] >> bit % WORD_BITS & 1;
}

static void put_bit(uint64_t *words, size_t bit, bool is_set)
{
    uint64_t mask = UINT64_C(1) << bit % WORD_BITS;

    if (is_set)
        words[bit / WORD_BITS] |= mask;
    else
        words[bit / WORD_BITS] &= ~mask;
}

static void search_init(struct search *search, size_t configurations_max)
{
    const struct timeline *timeline = &search->timeline;
    size_t places = timeline->places_count / WORD_BITS + 1;
    size_t classes = timeline->classes_count;

    frontier_init(&search->frontier, places, classes, configurations_max);
    frontier_init(&search->next, places, classes, configurations_max);
    frontier_init(&search->visited, places, classes, configurations_max);
    search->scratch = calloc(1, configuration_bytes(&search->frontier));
    search->pending =
        calloc(timeline->places_count + 1, sizeof(*search->pending));
    search->done = calloc(timeline->places_count + 1, sizeof(*search->done));
    search->classes = calloc(classes + 1, sizeof(*search->classes));
    search->looking = calloc(places, sizeof(*search->looking));
    assert(search->scratch != NULL && search->pending != NULL &&
           search->done != NULL && search->classes != NULL &&
           search->looking != NULL);
    /* In the beginning the key is not there. */
    if (!frontier_add(&search->frontier, search->scratch, search->looking))
        assert(false);
}

static void search_release(struct search *search)
{
    frontier_release(&search->frontier);
    frontier_release(&search->next);
    frontier_release(&search->visited);
    timeline_release(&search->timeline);
    tokens_release(&search->tokens);
    free(search->scratch);
    free((void *)search->pending);
    free((void *)search->done);
    free(search->classes);
    free(search->looking);
}

static struct tokens_point point_of(const struct search *search,
                                    const struct configuration *configuration)
{
    struct tokens_point point = {.tokens = &search->tokens,
                                 .done = search->done};

    for (size_t i = 0; i < search->timeline.places_count; i++)
        if (search->pending[i] != NULL && has_bit(configuration->words, i))
            search->done[point.done_count++] = search->pending[i];
    return point;
}

/* Whether an operation could be next behind this configuration and change its
 * state: into `state`. */
static bool changes(struct search *search,
                    const struct linear_operation *operation,
                    const struct configuration *configuration,
                    struct model_state *state)
{
    struct tokens_point point = point_of(search, configuration);

    search->steps++;
    *state = configuration->state;
    if (model_step(operation, &point, state) != MODEL_CHANGES)
        return false;
    /* Who stored it makes a difference only where that is asked. */
    if (!search->timeline.has_releases)
        state->owner = 0;
    return true;
}

/* All that look, and fit as things stand, may as well do so now. */
static void let_look(struct search *search, struct configuration *configuration)
{
    for (size_t i = 0; i < search->timeline.places_count; i++) {
        if (search->pending[i] == NULL || has_bit(configuration->words, i))
            continue;
        if (search->pending[i]->outcome == LINEAR_YES &&
            search->pending[i]->kind != LINEAR_GET)
            continue;
        /* What was told of tokens matters to changes only. */
        struct model_state state = configuration->state;
        struct tokens_point point = {.tokens = &search->tokens};
        if (model_step(search->pending[i], &point, &state) == MODEL_LOOKS)
            put_bit(configuration->words, i, true);
    }
}

static void call(struct search *search, const struct event *event,
                 const struct linear_operation *operation)
{
    if (event->is_unknown) {
        search->classes[event->place].operation = operation;
        search->classes[event->place].called_count++;
        return;
    }
    search->pending[event->place] = operation;
    put_bit(search->looking, event->place, model_only_looks(operation));
    for (size_t i = 0; i < search->frontier.count; i++)
        let_look(search, frontier_at(&search->frontier, i));
}

/* It is possible, with `place` still occupied. */
static void keep(struct search *search, struct configuration *configuration,
                 size_t place)
{
    struct frontier *into = &search->visited;

    if (has_bit(configuration->words, place)) {
        put_bit(configuration->words, place, false);
        configuration->unknown_count = 0;
        into = &search->next;
    }
    if (!frontier_add(into, configuration, search->looking))
        search->is_given_up = true;
}

/* A copy of a visited one, with another state. */
static struct configuration *copy(struct search *search, size_t index,
                                  const struct model_state *state)
{
    memcpy(search->scratch, frontier_at(&search->visited, index),
           configuration_bytes(&search->visited));
    search->scratch->state = *state;
    return search->scratch;
}

/* Goes on from a configuration by each operation that could be next. */
static void branch(struct search *search, size_t index, size_t place)
{
    struct model_state state;

    for (size_t i = 0; i < search->timeline.places_count; i++) {
        const struct configuration *from = frontier_at(&search->visited, index);
        if (search->pending[i] == NULL || has_bit(search->looking, i) ||
            has_bit(from->words, i) ||
            !changes(search, search->pending[i], from, &state))
            continue;
        struct configuration *after = copy(search, index, &state);
        put_bit(after->words, i, true);
        let_look(search, after);
        keep(search, after, place);
    }
}

/* And by each whose outcome is unknown. */
static void branch_to_unknown(struct search *search, size_t index, size_t place)
{
    size_t places = search->visited.places;
    struct model_state state;

    if (frontier_at(&search->visited, index)->unknown_count ==
        search->effort.unknown_max)
        return;
    for (size_t i = 0; i < search->timeline.classes_count; i++) {
        const struct configuration *from = frontier_at(&search->visited, index);
        if (from->words[places + i] == search->classes[i].called_count ||
            !changes(search, search->classes[i].operation, from, &state))
            continue;
        struct configuration *after = copy(search, index, &state);
        after->words[places + i]++;
        after->unknown_count++;
        let_look(search, after);
        keep(search, after, place);
    }
}

/* Whatever was possible, this operation now has its place in it. */
static void settle(struct search *search, size_t place)
{
    frontier_clear(&search->next);
    frontier_clear(&search->visited);
    for (size_t i = 0; i < search->frontier.count; i++)
        keep(search, frontier_at(&search->frontier, i), place);
    for (size_t i = 0; i < search->visited.count && !search->is_given_up; i++) {
        branch(search, i, place);
        branch_to_unknown(search, i, place);
        search->is_given_up |= search->steps > STEPS_MAX;
    }
    if (search->visited.count + search->next.count > search->peak)
        search->peak = search->visited.count + search->next.count;

    frontier_trim(&search->next, search->effort.frontier_max);

    struct frontier before = search->frontier;
    search->frontier = search->next;
    search->next = before;
}

static void leave(struct search *search, size_t place)
{
    tokens_return(&search->tokens, search->pending[place]);
    search->pending[place] = NULL;
    put_bit(search->looking, place, false);
}

static struct linear_judgement order(struct search *search,
                                     const struct linear_operation *operations)
{
    struct linear_judgement judgement = {.verdict = LINEAR_RIGHT, .why = ""};

    for (size_t i = 0; i < search->timeline.count; i++) {
        const struct event *event = &search->timeline.events[i];
        if (!event->is_return) {
            call(search, event, &operations[event->operation]);
            continue;
        }
        settle(search, event->place);
        judgement.operation = event->operation;
        if (search->is_given_up) {
            judgement.verdict = LINEAR_UNDECIDED;
            judgement.why = "not decided within the bound; it has no place in "
                            "the likely orders";
            break;
        }
        if (search->frontier.count == 0) {
            judgement.verdict = LINEAR_WRONG;
            judgement.why = "it has no place in any order";
            break;
        }
        leave(search, event->place);
    }
    judgement.configurations_peak = search->peak;
    return judgement;
}

static struct linear_judgement
judge_with(struct effort effort, const struct linear_operation *operations,
           size_t count, const struct linear_rules *rules)
{
    struct search search = {.effort = effort};
    size_t configurations_max = rules->configurations_max;
    size_t odd =
        tokens_init(&search.tokens, operations, count, rules->tokens_rise);

    if (odd < count) {
        tokens_release(&search.tokens);
        return (struct linear_judgement){
            .verdict = LINEAR_WRONG,
            .operation = odd,
            .why = "its token was told with another value"};
    }
    timeline_init(&search.timeline, operations, count);
    search_init(&search, configurations_max == 0 ? CONFIGURATIONS_MAX
                                                 : configurations_max);
    struct linear_judgement judgement = order(&search, operations);
    search_release(&search);
    return judgement;
}

struct linear_judgement linear_judge(const struct linear_operation *operations,
                                     size_t count,
                                     const struct linear_rules *rules)
{
    struct linear_judgement judgement = {0};
    size_t odd = count;

    for (size_t i = 0; i < sizeof(EFFORTS) / sizeof(*EFFORTS); i++) {
        judgement = judge_with(EFFORTS[i], operations, count, rules);
        if (judgement.verdict == LINEAR_RIGHT)
            break;
        /* Where it is not decided, this is where to look. */
        if (judgement.verdict == LINEAR_WRONG)
            odd = judgement.operation;
        else if (odd < count)
            judgement.operation = odd;
    }
    if (judgement.verdict == LINEAR_RIGHT)
        reads_judge(operations, count, rules, &judgement);
    return judgement;
}
