/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/stats/prefixes.h"

#include <pthread.h>
#include <stdlib.h>

#include "proto/base/decimal.h"
#include "proto/base/digest.h"
#include "proto/base/uri.h"

/* A power of two, and never more than half full. */
#define PLACES (2 * (size_t)PREFIXES_MAX)

struct entry {
    uint32_t name_at; /* in `names` */
    uint32_t name_bytes;
    uint64_t figures[PREFIX_FIGURES];
};

/* What the memory is: most of it is never touched. */
struct table {
    uint32_t places[PLACES]; /* the number of an entry, plus 1; 0: none */
    struct entry entries[PREFIXES_MAX];
    uint8_t names[PREFIXES_BYTES_MAX];
};

struct prefixes {
    uint8_t delimiter;
    uint64_t seed;
    pthread_mutex_t lock; /* of what follows */
    struct table *table;  /* NULL: nothing was ever counted */
    size_t entries_count;
    size_t names_bytes;
};

struct prefixes *prefixes_create(uint8_t delimiter, uint64_t seed)
{
    struct prefixes *prefixes = calloc(1, sizeof(*prefixes));

    if (prefixes == NULL)
        return NULL;
    prefixes->delimiter = delimiter;
    prefixes->seed = seed;
    pthread_mutex_init(&prefixes->lock, NULL);
    return prefixes;
}

void prefixes_destroy(struct prefixes *prefixes)
{
    if (prefixes == NULL)
        return;
    pthread_mutex_destroy(&prefixes->lock);
    free(prefixes->table);
    free(prefixes);
}

bool prefixes_prepare(struct prefixes *prefixes)
{
    pthread_mutex_lock(&prefixes->lock);
    if (prefixes->table == NULL)
        prefixes->table = calloc(1, sizeof(*prefixes->table));
    bool is_ready = prefixes->table != NULL;
    pthread_mutex_unlock(&prefixes->lock);
    return is_ready;
}

/* The entry of that name, made if there is room; NULL: there is none. */
static struct entry *find(struct prefixes *prefixes, struct span name)
{
    struct table *table = prefixes->table;
    size_t place = digest64(name, prefixes->seed) % PLACES;

    for (; table->places[place] != 0; place = (place + 1) % PLACES) {
        struct entry *entry = &table->entries[table->places[place] - 1];
        if (span_equal(name, span_of(table->names + entry->name_at,
                                     entry->name_bytes)))
            return entry;
    }
    if (prefixes->entries_count == PREFIXES_MAX ||
        name.length > PREFIXES_BYTES_MAX - prefixes->names_bytes)
        return NULL;
    struct entry *entry = &table->entries[prefixes->entries_count++];
    *entry = (struct entry){.name_at = (uint32_t)prefixes->names_bytes,
                            .name_bytes = (uint32_t)name.length};
    span_copy(table->names + entry->name_at, name);
    prefixes->names_bytes += name.length;
    table->places[place] = (uint32_t)prefixes->entries_count;
    return entry;
}

void prefixes_count(struct prefixes *prefixes, struct span key,
                    enum prefix_figure figure, bool is_hit)
{
    const uint8_t *end = memchr(key.data, prefixes->delimiter, key.length);

    if (end == NULL)
        return;
    pthread_mutex_lock(&prefixes->lock);
    if (prefixes->table != NULL) {
        struct entry *entry =
            find(prefixes, span_of(key.data, (size_t)(end - key.data)));
        if (entry != NULL) {
            entry->figures[figure]++;
            entry->figures[PREFIX_HITS] += is_hit;
        }
    }
    pthread_mutex_unlock(&prefixes->lock);
}

void prefixes_clear(struct prefixes *prefixes)
{
    pthread_mutex_lock(&prefixes->lock);
    if (prefixes->table != NULL)
        memset(prefixes->table->places, 0, sizeof(prefixes->table->places));
    prefixes->entries_count = 0;
    prefixes->names_bytes = 0;
    pthread_mutex_unlock(&prefixes->lock);
}

bool prefixes_read(struct prefixes *prefixes, size_t number,
                   struct prefix *prefix)
{
    pthread_mutex_lock(&prefixes->lock);
    bool is_there = number < prefixes->entries_count;
    if (is_there) {
        const struct entry *entry = &prefixes->table->entries[number];
        prefix->name_bytes = entry->name_bytes;
        memcpy(prefix->name, prefixes->table->names + entry->name_at,
               entry->name_bytes);
        memcpy(prefix->figures, entry->figures, sizeof(prefix->figures));
    }
    pthread_mutex_unlock(&prefixes->lock);
    return is_there;
}

size_t prefix_format(const struct prefix *prefix,
                     uint8_t to[PREFIX_LINE_BYTES_MAX])
{
    static const char *const words[PREFIX_FIGURES] = {[PREFIX_GETS] = " get ",
                                                      [PREFIX_HITS] = " hit ",
                                                      [PREFIX_SETS] = " set ",
                                                      [PREFIX_DELETES] =
                                                          " del "};
    uint8_t *at = uri_escape_blanks(span_copy(to, SPAN("PREFIX ")),
                                    span_of(prefix->name, prefix->name_bytes));

    for (size_t i = 0; i < PREFIX_FIGURES; i++) {
        at = span_copy(at, span_of_string(words[i]));
        at = decimal_format(at, prefix->figures[i]);
    }
    return (size_t)(span_copy(at, SPAN("\r\n")) - to);
}
