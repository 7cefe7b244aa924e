/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/auth/throttle.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct place {
    uint8_t address[THROTTLE_ADDRESS_BYTES_MAX];
    uint8_t address_bytes; /* 0: nobody's */
    unsigned failures;
    time_us last;
};

struct throttle {
    pthread_mutex_t lock;
    struct place places[THROTTLE_PLACES];
};

struct throttle *throttle_create(void)
{
    struct throttle *throttle = calloc(1, sizeof(*throttle));

    if (throttle != NULL)
        pthread_mutex_init(&throttle->lock, NULL);
    return throttle;
}

void throttle_destroy(struct throttle *throttle)
{
    if (throttle == NULL)
        return;
    pthread_mutex_destroy(&throttle->lock);
    free(throttle);
}

/* Its place, or that of whoever failed longest ago.  Failures are rare, and
 * each pays with its delay: looking at all places is cheap beside that. */
static struct place *find_place(struct throttle *throttle, struct span address)
{
    struct place *oldest = &throttle->places[0];

    for (size_t i = 0; i < THROTTLE_PLACES; i++) {
        struct place *place = &throttle->places[i];
        if (span_equal(span_of(place->address, place->address_bytes), address))
            return place;
        if (place->last < oldest->last)
            oldest = place;
    }
    *oldest = (struct place){.address_bytes = (uint8_t)address.length};
    span_copy(oldest->address, address);
    return oldest;
}

static unsigned count_failure(struct throttle *throttle, struct span address,
                              time_us now)
{
    pthread_mutex_lock(&throttle->lock);
    struct place *place = find_place(throttle, address);
    if (now >= place->last + THROTTLE_MEMORY)
        place->failures = 0;
    if (place->failures < UINT16_MAX)
        place->failures++;
    place->last = now;
    unsigned failures = place->failures;
    pthread_mutex_unlock(&throttle->lock);
    return failures;
}

time_us throttle_fail(struct throttle *throttle, struct span address,
                      unsigned failures, time_us now)
{
    assert(address.length <= THROTTLE_ADDRESS_BYTES_MAX);
    assert(failures > 0);
    if (address.length > 0) {
        unsigned all = count_failure(throttle, address, now);
        if (all > THROTTLE_FREE_FAILURES + failures)
            failures = all - THROTTLE_FREE_FAILURES;
    }
    time_us delay = THROTTLE_DELAY_MIN;
    for (unsigned i = 1; i < failures && delay < THROTTLE_DELAY_MAX; i++)
        delay *= 2;
    return delay;
}
