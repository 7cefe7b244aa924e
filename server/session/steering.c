/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Steering: words about slabs and LRU lists, which are not here.
 *
 * They are understood and answered as memcached does, and shown by `stats
 * settings`; nothing else follows.
 */
#include <pthread.h>

#include "server/session/state.h"

#define OK "OK\r\n"
#define ERROR "ERROR\r\n"
#define BAD_FORMAT "CLIENT_ERROR bad command line format\r\n"
#define CLASSES_MAX 64
#define CRAWLER_SLEEP_US_MAX 1000000
#define HOT_AND_WARM_PERCENT_MAX 80
#define SHARE_MAX UINT32_MAX

/* In the unit of tunings, as far as it can be shown there. */
static uint64_t share_of(double number)
{
    if (number <= 0)
        return 0;
    return number > SHARE_MAX ? (uint64_t)SHARE_MAX * TUNING_UNIT
                              : (uint64_t)(number * TUNING_UNIT + 0.5);
}

static const char *reassign(struct session *session, const struct words *words)
{
    uint64_t from;
    uint64_t to;
    int64_t number;

    if (words->count != 3)
        return ERROR;
    if (session->crew->clients->settings.tuning.pages_stay)
        return "CLIENT_ERROR slab reassignment disabled\r\n";
    if (!words_integer(words, 1, &number) || !words_integer(words, 2, &number))
        return BAD_FORMAT;
    if (span_equal(words->at[1], words->at[2]))
        return "SAME src and dst class are identical\r\n";
    if (!words_number(words, 1, &from) || !words_number(words, 2, &to) ||
        from >= CLASSES_MAX || to >= CLASSES_MAX)
        return "BADCLASS invalid src or dst class id\r\n";
    return "NOSPARE source class has no spare pages\r\n";
}

static const char *automove(const struct words *words, struct tuning *tuning)
{
    uint64_t number;
    double share;

    if (words->count < 2)
        return ERROR;
    if (words_is(words, 1, "ratio") || words_is(words, 1, "freeratio")) {
        if (!words_real(words, 2, &share))
            return ERROR;
        if (words_is(words, 1, "ratio"))
            tuning->automove_ratio = share_of(share);
        return OK;
    }
    if (words_is(words, 1, "window")) {
        if (!words_number(words, 2, &number) || number == 0)
            return ERROR;
        tuning->automove_window = number;
        return OK;
    }
    if (!words_number(words, 1, &number))
        return BAD_FORMAT;
    if (number > 2)
        return ERROR;
    tuning->automove = number;
    return OK;
}

static const char *tune(const struct words *words, struct tuning *tuning)
{
    uint64_t hot_percent;
    uint64_t warm_percent;
    double hot_factor;
    double warm_factor;

    if (words->count < 5 || !words_number(words, 1, &hot_percent) ||
        !words_number(words, 2, &warm_percent) ||
        !words_real(words, 3, &hot_factor) ||
        !words_real(words, 4, &warm_factor))
        return ERROR;
    if (hot_percent > HOT_AND_WARM_PERCENT_MAX ||
        warm_percent > HOT_AND_WARM_PERCENT_MAX - hot_percent)
        return "ERROR hot and warm pcts must not exceed 80\r\n";
    if (hot_factor <= 0 || warm_factor <= 0)
        return "ERROR hot/warm age factors must be greater than 0\r\n";
    tuning->hot_percent = hot_percent;
    tuning->warm_percent = warm_percent;
    tuning->hot_factor = share_of(hot_factor);
    tuning->warm_factor = share_of(warm_factor);
    return OK;
}

static const char *set_mode(const struct words *words, struct tuning *tuning)
{
    bool is_flat = words_is(words, 1, "flat");

    if (tuning->has_no_maintainer ||
        (!is_flat && !words_is(words, 1, "segmented")))
        return ERROR;
    tuning->is_flat = is_flat;
    return OK;
}

/* A time below 0 ends it, and is not kept. */
static const char *set_temporary(const struct words *words,
                                 struct tuning *tuning)
{
    int64_t seconds;

    if (tuning->has_no_maintainer || !words_integer(words, 1, &seconds))
        return ERROR;
    tuning->has_temporary = seconds >= 0;
    if (seconds >= 0)
        tuning->temporary_s = (uint64_t)seconds;
    return OK;
}

static const char *steer_lru(const struct words *words, struct tuning *tuning)
{
    if (words_is(words, 0, "tune"))
        return tune(words, tuning);
    if (words_is(words, 0, "mode"))
        return set_mode(words, tuning);
    return words_is(words, 0, "temp_ttl") ? set_temporary(words, tuning)
                                          : ERROR;
}

static const char *set_pace(const struct words *words, struct tuning *tuning)
{
    bool is_sleep = words_is(words, 0, "sleep");
    uint64_t number;

    if (!words_number(words, 1, &number))
        return BAD_FORMAT;
    if (is_sleep && number > CRAWLER_SLEEP_US_MAX)
        return "CLIENT_ERROR sleep must be one second or less\r\n";
    if (is_sleep)
        tuning->crawler_sleep_us = number;
    else
        tuning->crawler_items = number;
    return OK;
}

/* Whoever changes tunings, and whoever shows them, may be any thread. */
static const char *change(struct session *session, const struct words *words,
                          const char *(*by)(const struct words *words,
                                            struct tuning *tuning))
{
    struct clients *clients = session->crew->clients;

    pthread_mutex_lock(&clients->tuning_lock);
    const char *line = by(words, &clients->tuning);
    pthread_mutex_unlock(&clients->tuning_lock);
    return line;
}

const char *steering_slabs(struct session *session, const struct words *words)
{
    if (words_is(words, 0, "reassign"))
        return reassign(session, words);
    return words_is(words, 0, "automove") ? change(session, words, automove)
                                          : ERROR;
}

const char *steering_lru(struct session *session, const struct words *words)
{
    return change(session, words, steer_lru);
}

const char *steering_crawler(struct session *session, const struct words *words)
{
    return change(session, words, set_pace);
}

/* As a memcached that was started without storage on disk. */
const char *steering_disk(struct session *session, const struct words *words)
{
    (void)session;
    (void)words;
    return ERROR;
}
