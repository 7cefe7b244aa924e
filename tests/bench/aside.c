/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Aside: what a client beside a cache does: asks for what it needs, and
 * stores what was not there.  One connection, in batches; prints one line of
 * figures.  Every value is verified: a wrong one ends the program with 1.
 *
 * store     stores keys --start .. --start + --keys
 * keep      stores keys --start .. --start + --keys, then counts what is there
 * zipf      asks for keys as Zipf has them; --warm requests are not counted
 * lives     the same at an even --rate, each key with a lifetime of its own
 * sessions  each of --keys sessions is read and written again --rewrites times
 * churn     for --seconds all of it at once, in sizes that shift
 */
#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dice.h"
#include "moment.h"
#include "talk.h"
#include "value.h"
#include "zipf.h"

#define EXIT_USAGE 2
#define BATCH 64
#define NS_PER_SECOND 1000000000
#define LIFE_MIN_S 2
#define LIFE_MAX_S 20
/* Coprime to any number of keys below it: neighbours in rank are none in
 * number. */
#define SCATTER_PRIME 2147483647

static const char usage[] =
    "use: aside --port PORT --work store|keep|zipf|lives|sessions|churn "
    "[--keys N]\n"
    "  [--start N] [--bytes MIN[:MAX[:MIDDLE]]] [--theta T] [--requests N] "
    "[--warm N]\n"
    "  [--rate N] [--seconds N] [--rewrites N] [--seed N]";

struct aside {
    const char *port;
    const char *work;
    uint64_t keys_count;
    uint64_t start;
    uint64_t bytes_min;
    uint64_t bytes_max;
    uint64_t bytes_middle; /* 0: the geometric middle */
    double theta;
    uint64_t requests;
    uint64_t warm;
    uint64_t rate;
    uint64_t seconds;
    uint64_t rewrites;
    uint64_t seed;
    struct talk talk;
    struct dice dice;
    uint64_t numbers[BATCH];
    bool is_there[BATCH];
};

struct figures {
    uint64_t stored;
    uint64_t refused;
    uint64_t hits;
    uint64_t misses;
};

static void check_value(const struct talk_value *value, uint64_t stamp)
{
    if (!value_is(stamp, value->data, value->bytes))
        errx(EXIT_FAILURE, "wrong value of %zu bytes for key %" PRIu64,
             value->bytes, value->number);
}

/* Log-normal over the range, four standard deviations wide, always the same
 * for the same `stamp`. */
static size_t bytes_of(const struct aside *aside, uint64_t stamp)
{
    struct dice dice = dice_seeded(stamp);
    double min = (double)aside->bytes_min;
    double max = (double)aside->bytes_max;
    double middle =
        aside->bytes_middle > 0 ? (double)aside->bytes_middle : sqrt(min * max);
    double bytes;

    if (aside->bytes_min == aside->bytes_max)
        return aside->bytes_min;
    do
        bytes = round(middle * pow(max / min, dice_normal(&dice) / 4));
    while (bytes < min || bytes > max);
    return (size_t)bytes;
}

static void read_stored(struct aside *aside, unsigned count,
                        struct figures *figures)
{
    for (unsigned i = 0; i < count; i++) {
        const char *line = talk_read_line(&aside->talk);
        if (strcmp(line, "STORED") == 0)
            figures->stored++;
        else if (strncmp(line, "SERVER_ERROR out of memory", 26) == 0)
            figures->refused++;
        else
            errx(EXIT_FAILURE, "a set was answered with %s", line);
    }
}

/* Asks for the first `count` of the numbers; each is there or not.  Keys may
 * be twice in a batch: replies come in the order of the keys. */
static void ask(struct aside *aside, unsigned count)
{
    struct talk_value value;
    unsigned i = 0;

    talk_get(&aside->talk, aside->numbers, count);
    talk_send(&aside->talk);
    memset(aside->is_there, 0, sizeof(aside->is_there));
    while (talk_read_value(&aside->talk, &value)) {
        while (i < count && aside->numbers[i] != value.number)
            i++;
        if (i == count)
            errx(EXIT_FAILURE, "key %" PRIu64 " was not asked for",
                 value.number);
        check_value(&value, value.number);
        aside->is_there[i++] = true;
    }
}

/* ---- keep ---- */

static void store_range(struct aside *aside, struct figures *figures)
{
    uint64_t end = aside->start + aside->keys_count;

    for (uint64_t number = aside->start; number < end;) {
        unsigned count = 0;
        for (; count < BATCH && number < end; count++, number++)
            talk_set(&aside->talk, number, number, bytes_of(aside, number), 0);
        talk_send(&aside->talk);
        read_stored(aside, count, figures);
    }
}

static void count_range(struct aside *aside, struct figures *figures)
{
    uint64_t end = aside->start + aside->keys_count;

    for (uint64_t number = aside->start; number < end;) {
        unsigned count = 0;
        for (; count < BATCH && number < end; count++)
            aside->numbers[count] = number++;
        ask(aside, count);
        for (unsigned i = 0; i < count; i++)
            figures->hits += aside->is_there[i];
    }
}

static void keep(struct aside *aside, struct figures *figures)
{
    store_range(aside, figures);
    count_range(aside, figures);
}

/* ---- zipf, lives ---- */

static uint64_t life_of(const struct aside *aside, uint64_t number)
{
    struct dice dice = dice_seeded(number);

    if (strcmp(aside->work, "zipf") == 0)
        return 0;
    return LIFE_MIN_S + dice_below(&dice, LIFE_MAX_S - LIFE_MIN_S + 1);
}

static void sleep_until(uint64_t moment_ns)
{
    struct timespec moment = {.tv_sec = (time_t)(moment_ns / NS_PER_SECOND),
                              .tv_nsec = (long)(moment_ns % NS_PER_SECOND)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, NULL) != 0)
        ;
}

static void ask_and_store(struct aside *aside, const struct zipf *zipf,
                          bool is_counted, struct figures *figures)
{
    unsigned missing_count = 0;

    for (unsigned i = 0; i < BATCH; i++)
        aside->numbers[i] =
            zipf_draw(zipf, &aside->dice) * SCATTER_PRIME % aside->keys_count;
    ask(aside, BATCH);
    for (unsigned i = 0; i < BATCH; i++) {
        uint64_t number = aside->numbers[i];
        if (is_counted && aside->is_there[i])
            figures->hits++;
        else if (is_counted)
            figures->misses++;
        if (aside->is_there[i])
            continue;
        talk_set(&aside->talk, number, number, bytes_of(aside, number),
                 life_of(aside, number));
        missing_count++;
    }
    talk_send(&aside->talk);
    read_stored(aside, missing_count, figures);
}

static void zipf(struct aside *aside, struct figures *figures)
{
    uint64_t total = aside->warm + aside->requests;
    uint64_t begun_ns = moment_now_ns();
    struct zipf zipf;

    zipf_init(&zipf, aside->keys_count, aside->theta);
    for (uint64_t done = 0; done < total; done += BATCH) {
        if (aside->rate > 0)
            sleep_until(begun_ns + done * NS_PER_SECOND / aside->rate);
        ask_and_store(aside, &zipf, done >= aside->warm, figures);
    }
}

/* ---- sessions ---- */

#define REWRITES_MAX 63

/* What the session holds after so many of its requests. */
static uint64_t session_stamp(uint64_t number, unsigned written)
{
    return number * (REWRITES_MAX + 1) + written;
}

/* What the sessions of this batch hold is verified. */
static void read_sessions(struct aside *aside, unsigned count, unsigned written,
                          struct figures *figures)
{
    struct talk_value value;
    unsigned found = 0;

    talk_get(&aside->talk, aside->numbers, count);
    talk_send(&aside->talk);
    while (talk_read_value(&aside->talk, &value)) {
        uint64_t stamp = session_stamp(value.number, written);
        if (value.bytes != bytes_of(aside, stamp))
            errx(EXIT_FAILURE, "an older value of %" PRIu64, value.number);
        check_value(&value, stamp);
        found++;
    }
    figures->hits += found;
    figures->misses += count - found;
}

static void write_sessions(struct aside *aside, unsigned count,
                           unsigned written, struct figures *figures)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t stamp = session_stamp(aside->numbers[i], written);
        talk_set(&aside->talk, aside->numbers[i], stamp, bytes_of(aside, stamp),
                 aside->seconds);
    }
    talk_send(&aside->talk);
    read_stored(aside, count, figures);
}

/* All sessions have their turn, each time in another order: what a session
 * holds is read, verified, and written anew, its lifetime renewed. */
static void sessions(struct aside *aside, struct figures *figures)
{
    static const uint64_t strides[] = {SCATTER_PRIME, 1000000007, 998244353,
                                       1000000009};

    for (unsigned round = 0; round <= aside->rewrites; round++) {
        uint64_t stride = strides[round % 4];
        for (uint64_t i = 0; i < aside->keys_count;) {
            unsigned count = 0;
            for (; count < BATCH && i < aside->keys_count; count++, i++)
                aside->numbers[count] = i * stride % aside->keys_count;
            if (round > 0)
                read_sessions(aside, count, round - 1, figures);
            write_sessions(aside, count, round, figures);
        }
    }
}

/* ---- churn ---- */

#define PHASE_NS ((uint64_t)15 * NS_PER_SECOND)
#define PHASES 6

/* The sizes of a phase, least and most. */
static const uint64_t phases[PHASES][2] = {{20, 200},    {1000, 1000},
                                           {200, 8000},  {8000, 60000},
                                           {30, 100000}, {100000, 900000}};

static void churn_other(struct aside *aside)
{
    uint64_t number = dice_below(&aside->dice, aside->keys_count);
    const char *line;

    if (dice_below(&aside->dice, 2) == 0)
        talk_delete(&aside->talk, number);
    else
        talk_touch(&aside->talk, number, dice_below(&aside->dice, 30) + 1);
    talk_send(&aside->talk);
    line = talk_read_line(&aside->talk);
    if (strcmp(line, "DELETED") != 0 && strcmp(line, "TOUCHED") != 0 &&
        strcmp(line, "NOT_FOUND") != 0)
        errx(EXIT_FAILURE, "unexpected: %s", line);
}

static void churn_batch(struct aside *aside, struct figures *figures)
{
    unsigned count = aside->bytes_max > 10000 ? 4 : BATCH;
    unsigned missing_count = 0;

    for (unsigned i = 0; i < count; i++)
        aside->numbers[i] = dice_below(&aside->dice, aside->keys_count);
    ask(aside, count);
    for (unsigned i = 0; i < count; i++) {
        bool is_there = aside->is_there[i];
        figures->hits += is_there;
        figures->misses += !is_there;
        if (is_there && dice_below(&aside->dice, 8) != 0)
            continue;
        uint64_t stamp = dice_roll(&aside->dice);
        uint64_t lives_s = dice_below(&aside->dice, 4) == 0
                               ? 0
                               : dice_below(&aside->dice, 60) + 1;
        talk_set(&aside->talk, aside->numbers[i], aside->numbers[i],
                 bytes_of(aside, stamp), lives_s);
        missing_count++;
    }
    talk_send(&aside->talk);
    read_stored(aside, missing_count, figures);
    churn_other(aside);
}

static void churn(struct aside *aside, struct figures *figures)
{
    uint64_t begun_ns = moment_now_ns();
    uint64_t now_ns = begun_ns;

    while (now_ns - begun_ns < aside->seconds * NS_PER_SECOND) {
        uint64_t phase = (now_ns - begun_ns) / PHASE_NS % PHASES;
        aside->bytes_min = phases[phase][0];
        aside->bytes_max = phases[phase][1];
        churn_batch(aside, figures);
        now_ns = moment_now_ns();
    }
}

/* ---- the command line ---- */

static uint64_t number_of(const char *text)
{
    char *end;
    uint64_t number = strtoull(text, &end, 10);

    if (*text == '\0' || *end != '\0')
        errx(EXIT_USAGE, "%s is no number\n%s", text, usage);
    return number;
}

/* MIN, MIN:MAX or MIN:MAX:MIDDLE. */
static void bytes_parse(struct aside *aside, char *text)
{
    char *max = strtok(text, ":") == NULL ? NULL : strtok(NULL, ":");
    char *middle = max == NULL ? NULL : strtok(NULL, ":");

    aside->bytes_min = number_of(text);
    aside->bytes_max = max == NULL ? aside->bytes_min : number_of(max);
    aside->bytes_middle = middle == NULL ? 0 : number_of(middle);
}

static struct aside aside_parse(int words_count, char **words)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"work", required_argument, NULL, 'w'},
        {"keys", required_argument, NULL, 'k'},
        {"start", required_argument, NULL, 's'},
        {"bytes", required_argument, NULL, 'b'},
        {"theta", required_argument, NULL, 't'},
        {"requests", required_argument, NULL, 'n'},
        {"warm", required_argument, NULL, 'm'},
        {"rate", required_argument, NULL, 'r'},
        {"seconds", required_argument, NULL, 'd'},
        {"rewrites", required_argument, NULL, 'i'},
        {"seed", required_argument, NULL, 'e'},
        {0}};
    struct aside aside = {.work = "keep",
                          .keys_count = 100000,
                          .bytes_min = 100,
                          .bytes_max = 100,
                          .theta = 0.9,
                          .requests = 1000000,
                          .seconds = 60,
                          .rewrites = 30,
                          .seed = 1};
    int option;

    while ((option = getopt_long(words_count, words, "", options, NULL)) !=
           -1) {
        switch (option) {
        case 'p':
            aside.port = optarg;
            break;
        case 'w':
            aside.work = optarg;
            break;
        case 'k':
            aside.keys_count = number_of(optarg);
            break;
        case 's':
            aside.start = number_of(optarg);
            break;
        case 'b':
            bytes_parse(&aside, optarg);
            break;
        case 't':
            aside.theta = strtod(optarg, NULL);
            break;
        case 'n':
            aside.requests = number_of(optarg);
            break;
        case 'm':
            aside.warm = number_of(optarg);
            break;
        case 'r':
            aside.rate = number_of(optarg);
            break;
        case 'd':
            aside.seconds = number_of(optarg);
            break;
        case 'i':
            aside.rewrites = number_of(optarg);
            break;
        case 'e':
            aside.seed = number_of(optarg);
            break;
        default:
            errx(EXIT_USAGE, "%s", usage);
        }
    }
    if (aside.port == NULL || optind != words_count || aside.keys_count == 0 ||
        aside.rewrites > REWRITES_MAX || !(aside.theta > 0))
        errx(EXIT_USAGE, "%s", usage);
    return aside;
}

static void run(struct aside *aside, struct figures *figures)
{
    if (strcmp(aside->work, "store") == 0)
        store_range(aside, figures);
    else if (strcmp(aside->work, "keep") == 0)
        keep(aside, figures);
    else if (strcmp(aside->work, "zipf") == 0 ||
             strcmp(aside->work, "lives") == 0)
        zipf(aside, figures);
    else if (strcmp(aside->work, "sessions") == 0)
        sessions(aside, figures);
    else if (strcmp(aside->work, "churn") == 0)
        churn(aside, figures);
    else
        errx(EXIT_USAGE, "%s", usage);
}

int main(int argc, char **argv)
{
    struct aside aside = aside_parse(argc, argv);
    struct figures figures = {0};

    aside.dice = dice_seeded(aside.seed);
    talk_init(&aside.talk, aside.port);
    run(&aside, &figures);
    talk_release(&aside.talk);
    printf("stored=%" PRIu64 " refused=%" PRIu64 " hits=%" PRIu64
           " misses=%" PRIu64 "\n",
           figures.stored, figures.refused, figures.hits, figures.misses);
    return EXIT_SUCCESS;
}
