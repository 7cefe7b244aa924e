/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/linear/timeline.h"

#include <assert.h>
#include <stdlib.h>

static int compare_events(const void *one, const void *other)
{
    const struct event *a = one;
    const struct event *b = other;

    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    /* Calls first: what touches is concurrent. */
    if (a->is_return != b->is_return)
        return a->is_return ? 1 : -1;
    return a->operation < b->operation ? -1 : a->operation > b->operation;
}

static bool do_the_same(const struct linear_operation *one,
                        const struct linear_operation *other)
{
    return one->kind == other->kind && one->number == other->number &&
           one->expected == other->expected && one->through == other->through;
}

static void collect(struct timeline *timeline,
                    const struct linear_operation *operations, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct linear_operation *operation = &operations[i];
        bool is_unknown = operation->outcome == LINEAR_UNKNOWN;

        if (operation->outcome == LINEAR_NOTHING ||
            operation->kind == LINEAR_READ)
            continue;
        /* A read that was not answered says nothing, and does nothing. */
        if (is_unknown && operation->kind == LINEAR_GET)
            continue;
        timeline->has_releases |= operation->kind == LINEAR_RELEASE;
        timeline->events[timeline->count++] = (struct event){
            .time = operation->start, .is_unknown = is_unknown, .operation = i};
        if (is_unknown)
            continue;
        assert(operation->start <= operation->end);
        timeline->events[timeline->count++] = (struct event){
            .time = operation->end, .is_return = true, .operation = i};
    }
    if (timeline->count > 0)
        qsort(timeline->events, timeline->count, sizeof(*timeline->events),
              compare_events);
}

/* The lowest place that is free. */
static void give_places(struct timeline *timeline, size_t operations_count)
{
    size_t *place_of = calloc(operations_count + 1, sizeof(*place_of));
    size_t *free_places = calloc(operations_count + 1, sizeof(*free_places));
    size_t free_count = 0;

    assert(place_of != NULL && free_places != NULL);
    for (size_t i = 0; i < timeline->count; i++) {
        struct event *event = &timeline->events[i];
        if (event->is_unknown)
            continue;
        if (event->is_return) {
            event->place = place_of[event->operation];
            free_places[free_count++] = event->place;
        } else {
            event->place = free_count > 0 ? free_places[--free_count]
                                          : timeline->places_count++;
            place_of[event->operation] = event->place;
        }
    }
    free(place_of);
    free(free_places);
}

static void give_classes(struct timeline *timeline,
                         const struct linear_operation *operations)
{
    size_t *firsts = calloc(timeline->count + 1, sizeof(*firsts));

    assert(firsts != NULL);
    for (size_t i = 0; i < timeline->count; i++) {
        struct event *event = &timeline->events[i];
        size_t which = 0;
        if (!event->is_unknown)
            continue;
        while (which < timeline->classes_count &&
               !do_the_same(&operations[firsts[which]],
                            &operations[event->operation]))
            which++;
        if (which == timeline->classes_count)
            firsts[timeline->classes_count++] = event->operation;
        event->place = which;
    }
    free(firsts);
}

void timeline_init(struct timeline *timeline,
                   const struct linear_operation *operations, size_t count)
{
    *timeline = (struct timeline){0};
    timeline->events = calloc(2 * count + 1, sizeof(*timeline->events));
    assert(timeline->events != NULL);
    collect(timeline, operations, count);
    give_places(timeline, count);
    give_classes(timeline, operations);
}

void timeline_release(struct timeline *timeline)
{
    free(timeline->events);
    *timeline = (struct timeline){0};
}
