/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Prefixes: what is asked of keys that begin alike, for `stats detail`.
 *
 * A prefix is a key up to the first delimiter; keys without one are nobody's.
 * There are at most PREFIXES_MAX of them, of PREFIXES_BYTES_MAX together: what
 * is asked of further ones is not counted.  Memory for them is taken when they
 * are counted for the first time.
 *
 * Threads: any.
 */
#ifndef SERVER_STATS_PREFIXES_H
#define SERVER_STATS_PREFIXES_H

#include "proto/memcached/command.h"

#define PREFIXES_MAX 65536
#define PREFIXES_BYTES_MAX ((size_t)2 * 1024 * 1024)

enum prefix_figure {
    PREFIX_GETS,
    PREFIX_HITS,
    PREFIX_SETS,
    PREFIX_DELETES,
    PREFIX_FIGURES
};

struct prefixes;

/* Counts nothing yet; NULL if memory is out. */
struct prefixes *prefixes_create(uint8_t delimiter, uint64_t seed);
void prefixes_destroy(struct prefixes *prefixes);

/* Takes the memory to count in; false if it is out. */
MUST_USE bool prefixes_prepare(struct prefixes *prefixes);

/* Counts for the prefix of `key`; nothing before prefixes_prepare(). */
void prefixes_count(struct prefixes *prefixes, struct span key,
                    enum prefix_figure figure, bool is_hit);

/* From zero again, all of them. */
void prefixes_clear(struct prefixes *prefixes);

struct prefix {
    uint8_t name[COMMAND_KEY_BYTES_MAX];
    size_t name_bytes;
    uint64_t figures[PREFIX_FIGURES];
};

/* A copy of prefix `number`, in the order of their first appearance; false
 * where there are not so many. */
MUST_USE bool prefixes_read(struct prefixes *prefixes, size_t number,
                            struct prefix *prefix);

/* Writes the line that clients are told of it; returns its length.  What
 * could end a word or a line is written as %XX. */
#define PREFIX_LINE_BYTES_MAX (3 * COMMAND_KEY_BYTES_MAX + 128)
size_t prefix_format(const struct prefix *prefix,
                     uint8_t to[PREFIX_LINE_BYTES_MAX]);

#endif
