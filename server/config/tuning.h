/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tuning: what steers slabs, LRU lists and hash table in memcached.
 *
 * Nothing follows from it here.  It is kept so that `stats settings` shows
 * what was asked for, by options and later by operators, as scripts that set
 * it look whether it was taken.
 */
#ifndef SERVER_CONFIG_TUNING_H
#define SERVER_CONFIG_TUNING_H

#include <stdbool.h>
#include <stdint.h>

/* What shares and factors are counted in. */
#define TUNING_UNIT 1000

struct tuning {
    uint64_t growth; /* of slab chunks, in thousandths */
    uint64_t chunk_bytes_min;
    uint64_t chunk_max;     /* as given: in kilobytes; 0: half a page */
    bool chunks_are_whole;  /* as large as -I */
    uint64_t hash_power;    /* 0: memcached's choice */
    uint64_t hash_function; /* the place of its name among the option's */
    bool pages_stay;
    uint64_t automove;
    uint64_t automove_ratio; /* in thousandths */
    uint64_t automove_window;
    uint64_t tail_repair_s;
    bool has_no_crawler; /* at the start */
    uint64_t crawler_sleep_us;
    uint64_t crawler_items;
    bool has_no_maintainer;
    bool is_flat; /* one LRU list rather than segments of it */
    uint64_t hot_percent;
    uint64_t warm_percent;
    uint64_t hot_factor; /* in thousandths */
    uint64_t warm_factor;
    bool has_temporary;
    uint64_t temporary_s;
    uint64_t read_megabytes; /* for reading; 0: any */
};

#endif
