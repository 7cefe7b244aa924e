/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/simulator/agenda.h"

#include <assert.h>
#include <stdlib.h>

static bool comes_before(const struct agenda_entry *one,
                         const struct agenda_entry *other)
{
    return one->at != other->at ? one->at < other->at : one->rank < other->rank;
}

static void put(struct agenda *agenda, struct agenda_entry *entry, size_t place)
{
    agenda->heap[place - 1] = entry;
    entry->place = place;
}

static void rise(struct agenda *agenda, struct agenda_entry *entry)
{
    size_t place = entry->place;

    for (; place > 1; place /= 2) {
        struct agenda_entry *parent = agenda->heap[place / 2 - 1];
        if (!comes_before(entry, parent))
            break;
        put(agenda, parent, place);
    }
    put(agenda, entry, place);
}

static void sink(struct agenda *agenda, struct agenda_entry *entry)
{
    size_t place = entry->place;

    while (2 * place <= agenda->count) {
        size_t child = 2 * place;
        if (child < agenda->count &&
            comes_before(agenda->heap[child], agenda->heap[child - 1]))
            child++;
        if (!comes_before(agenda->heap[child - 1], entry))
            break;
        put(agenda, agenda->heap[child - 1], place);
        place = child;
    }
    put(agenda, entry, place);
}

static void add(struct agenda *agenda, struct agenda_entry *entry)
{
    if (agenda->count == agenda->capacity) {
        agenda->capacity = agenda->capacity == 0 ? 64 : 2 * agenda->capacity;
        agenda->heap =
            realloc(agenda->heap, agenda->capacity * sizeof(agenda->heap[0]));
        assert(agenda->heap != NULL);
    }
    put(agenda, entry, ++agenda->count);
}

static void take_out(struct agenda *agenda, struct agenda_entry *entry)
{
    struct agenda_entry *last = agenda->heap[--agenda->count];

    if (last != entry) {
        put(agenda, last, entry->place);
        rise(agenda, last);
        sink(agenda, last);
    }
    entry->place = 0;
}

void agenda_set(struct agenda *agenda, struct agenda_entry *entry, time_us at)
{
    if (at == AGENDA_NEVER) {
        if (entry->place != 0)
            take_out(agenda, entry);
        return;
    }
    if (entry->place == 0)
        add(agenda, entry);
    else if (entry->at == at)
        return;
    entry->at = at;
    rise(agenda, entry);
    sink(agenda, entry);
}

struct agenda_entry *agenda_first(const struct agenda *agenda)
{
    return agenda->count > 0 ? agenda->heap[0] : NULL;
}

void agenda_release(struct agenda *agenda)
{
    free(agenda->heap);
    *agenda = (struct agenda){0};
}
