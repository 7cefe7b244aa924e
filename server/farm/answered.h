/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Answered: what other members were answered as a home, kept for who asks
 * again on another link, as long as anybody may.
 *
 * Threads: the farm's.
 */
#ifndef SERVER_FARM_ANSWERED_H
#define SERVER_FARM_ANSWERED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/time.h"

/* As long as anybody may ask again, or what he asked first come late. */
#define ANSWERS_KEPT_FOR (2 * TIME_US_PER_S)

struct answer {
    uint64_t member; /* who asked */
    uint64_t id;     /* by which it asked */
    time_us at;
    bool is_unknown;
    uint16_t executed;
    uint8_t *results;
    size_t results_bytes;
    size_t room_bytes; /* that they take */
};

struct answered *answered_create(void);
void answered_destroy(struct answered *answered);

/* Takes over the results of `answer`, which is given now; the oldest make way
 * for it. */
void answered_keep(struct answered *answered, const struct answer *answer,
                   time_us now);

/* Nobody asks for some any more. */
void answered_forget_old(struct answered *answered, time_us now);

/* NULL: it was not given, or is not kept any more. */
const struct answer *answered_find(const struct answered *answered,
                                   uint64_t member, uint64_t id);

/* One made way that somebody may still ask for. */
bool answered_has_forgotten(const struct answered *answered, time_us now);

#endif
