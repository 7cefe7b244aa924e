/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/farm/answered.h"

#include <stdlib.h>

#include "server/farm/state.h"

#define ANSWERS_MAX (16384 / TABLES_SHARE)
#define ANSWERS_BYTES_MAX (((size_t)32 << 20) / TABLES_SHARE)

/* A ring. */
struct answered {
    size_t first; /* the oldest */
    size_t next;
    size_t bytes;
    time_us forgot; /* an answer that somebody may still ask for; 0: none */
    struct answer answers[ANSWERS_MAX];
};

struct answered *answered_create(void)
{
    return calloc(1, sizeof(struct answered));
}

void answered_destroy(struct answered *answered)
{
    for (size_t i = 0; i < ANSWERS_MAX; i++)
        free(answered->answers[i].results);
    free(answered);
}

/* False where there is none. */
static bool forget_oldest(struct answered *answered, time_us now)
{
    struct answer *oldest = &answered->answers[answered->first];

    if (answered->first == answered->next)
        return false;
    if (now - oldest->at < ANSWERS_KEPT_FOR)
        answered->forgot = now;
    answered->first = (answered->first + 1) % ANSWERS_MAX;
    answered->bytes -= oldest->room_bytes;
    free(oldest->results);
    *oldest = (struct answer){.member = 0};
    return true;
}

void answered_keep(struct answered *answered, const struct answer *answer,
                   time_us now)
{
    while (answered->bytes + answer->room_bytes > ANSWERS_BYTES_MAX ||
           (answered->next + 1) % ANSWERS_MAX == answered->first) {
        if (!forget_oldest(answered, now))
            break;
    }
    answered->answers[answered->next] = *answer;
    answered->answers[answered->next].at = now;
    answered->next = (answered->next + 1) % ANSWERS_MAX;
    answered->bytes += answer->room_bytes;
}

void answered_forget_old(struct answered *answered, time_us now)
{
    while (answered->first != answered->next &&
           now - answered->answers[answered->first].at >= ANSWERS_KEPT_FOR)
        forget_oldest(answered, now);
}

const struct answer *answered_find(const struct answered *answered,
                                   uint64_t member, uint64_t id)
{
    for (size_t i = answered->first; i != answered->next;
         i = (i + 1) % ANSWERS_MAX) {
        const struct answer *answer = &answered->answers[i];
        if (answer->member == member && answer->id == id)
            return answer;
    }
    return NULL;
}

bool answered_has_forgotten(const struct answered *answered, time_us now)
{
    return answered->forgot != 0 && now - answered->forgot < ANSWERS_KEPT_FOR;
}
