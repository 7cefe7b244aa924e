/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Spread: how soon the other servers of a farm show what one was told.
 *
 * Sets go to one server at an even pace, an open loop; every so many of them
 * are watched for at the others.  Prints one line of figures.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "moment.h"
#include "watcher.h"
#include "writer.h"

#define EXIT_USAGE 2
#define NS_PER_SECOND 1000000000
#define KEYS_COUNT 10000
#define FILL_UNANSWERED_MAX 64
#define WATCHERS_MAX 8
#define PLACES (WRITER_CONNECTIONS + WATCHERS_MAX)
/* Nothing to wait for but the servers: so long, then one is broken. */
#define SILENCE_NS_MAX ((uint64_t)10 * NS_PER_SECOND)

static const char usage[] =
    "use: spread --origin PORT --other PORT [--other PORT] [--seconds S]\n"
    "  [--rate SETS-A-SECOND] [--watch-every N-SETS] [--value-bytes N]";

struct spread {
    const char *origin_port;
    const char *other_ports[WATCHERS_MAX];
    unsigned others_count;
    uint64_t seconds;
    uint64_t rate;
    uint64_t watch_every;
    uint64_t value_bytes;

    struct writer writer;
    struct watcher watchers[WATCHERS_MAX];
    struct histogram lateness;
    uint64_t heard_ns;
};

static uint64_t whole(const char *text, uint64_t min, uint64_t max)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || number < min ||
        number > max)
        errx(EXIT_USAGE, "%s is no number from %llu to %llu", text,
             (unsigned long long)min, (unsigned long long)max);
    return number;
}

static void option_apply(struct spread *spread, int letter, const char *text)
{
    switch (letter) {
    case 'o':
        spread->origin_port = text;
        break;
    case 't':
        if (spread->others_count == WATCHERS_MAX)
            errx(EXIT_USAGE, "at most %d others", WATCHERS_MAX);
        spread->other_ports[spread->others_count++] = text;
        break;
    case 's':
        spread->seconds = whole(text, 1, 3600);
        break;
    case 'r':
        spread->rate = whole(text, 1, 1000000);
        break;
    case 'w':
        spread->watch_every = whole(text, 1, KEYS_COUNT);
        break;
    case 'v':
        spread->value_bytes = whole(text, sizeof(uint64_t), 65536);
        break;
    default:
        errx(EXIT_USAGE, "%s", usage);
    }
}

static void options_parse(struct spread *spread, int argc, char **argv)
{
    static const struct option options[] = {
        {"origin", required_argument, NULL, 'o'},
        {"other", required_argument, NULL, 't'},
        {"seconds", required_argument, NULL, 's'},
        {"rate", required_argument, NULL, 'r'},
        {"watch-every", required_argument, NULL, 'w'},
        {"value-bytes", required_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    int letter;

    spread->seconds = 4;
    spread->rate = 5000;
    spread->watch_every = 20;
    spread->value_bytes = 1024;
    while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1)
        option_apply(spread, letter, optarg);
    if (optind < argc || spread->origin_port == NULL ||
        spread->others_count == 0)
        errx(EXIT_USAGE, "%s", usage);
}

/* ---- the loop ---- */

static void sleep_or_handle(struct spread *spread, uint64_t until_ns)
{
    struct pollfd wants[PLACES];
    uint64_t now_ns = moment_now_ns();
    uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / NS_PER_SECOND),
                            .tv_nsec = (long)(wait_ns % NS_PER_SECOND)};
    int ready;

    writer_want(&spread->writer, wants);
    for (unsigned i = 0; i < spread->others_count; i++)
        watcher_want(&spread->watchers[i], &wants[WRITER_CONNECTIONS + i]);
    ready =
        ppoll(wants, WRITER_CONNECTIONS + spread->others_count, &wait, NULL);
    if (ready > 0)
        spread->heard_ns = moment_now_ns();
    else if (moment_now_ns() > spread->heard_ns + SILENCE_NS_MAX)
        errx(EXIT_FAILURE, "the servers have been silent for 10 seconds");
    if (ready <= 0)
        return;
    writer_handle(&spread->writer, wants);
    for (unsigned i = 0; i < spread->others_count; i++)
        watcher_handle(&spread->watchers[i], &wants[WRITER_CONNECTIONS + i]);
}

/* Asks where that is due, then waits for the servers, or until then. */
static void turn(struct spread *spread, uint64_t until_ns)
{
    for (unsigned i = 0; i < spread->others_count; i++) {
        struct watcher *watcher = &spread->watchers[i];

        watcher_ask(watcher, moment_now_ns());
        if (watcher_due_ns(watcher) < until_ns)
            until_ns = watcher_due_ns(watcher);
    }
    sleep_or_handle(spread, until_ns);
}

static void send_one(struct spread *spread, bool is_watched)
{
    uint64_t number = spread->writer.sent;
    uint64_t sent_ns = writer_send(&spread->writer);

    for (unsigned i = 0; is_watched && i < spread->others_count; i++)
        watcher_add(&spread->watchers[i], number, sent_ns);
}

static bool has_all(const struct spread *spread)
{
    for (unsigned i = 0; i < spread->others_count; i++)
        if (spread->watchers[i].sets_count > 0)
            return false;
    return spread->writer.answered == spread->writer.sent;
}

static void settle(struct spread *spread)
{
    while (!has_all(spread))
        turn(spread, moment_now_ns() + SILENCE_NS_MAX);
}

/* Every key once, as fast as it goes; then no get is a miss. */
static void fill(struct spread *spread)
{
    struct writer *writer = &spread->writer;

    while (writer->sent < KEYS_COUNT) {
        if (writer->sent - writer->answered < FILL_UNANSWERED_MAX)
            send_one(spread, writer->sent + 1 == KEYS_COUNT);
        else
            turn(spread, moment_now_ns() + SILENCE_NS_MAX);
    }
    settle(spread);
    memset(&writer->answers, 0, sizeof writer->answers);
    for (unsigned i = 0; i < spread->others_count; i++) {
        memset(&spread->watchers[i].delays, 0, sizeof(struct histogram));
        memset(&spread->watchers[i].doubts, 0, sizeof(struct histogram));
        spread->watchers[i].gets = 0;
    }
}

static void pace(struct spread *spread)
{
    uint64_t start_ns = moment_now_ns();
    uint64_t count = spread->seconds * spread->rate;

    for (uint64_t i = 0; i < count; i++) {
        uint64_t due_ns = start_ns + i * NS_PER_SECOND / spread->rate;

        while (moment_now_ns() < due_ns)
            turn(spread, due_ns);
        histogram_add(&spread->lateness, moment_now_ns() - due_ns);
        send_one(spread, i % spread->watch_every == 0);
    }
    settle(spread);
}

/* ---- figures ---- */

static void histogram_join(struct histogram *to, const struct histogram *from)
{
    to->total += from->total;
    for (unsigned i = 0; i < HISTOGRAM_CELLS; i++)
        to->cells[i] += from->cells[i];
}

static void quantiles_print(const char *name, const struct histogram *of)
{
    printf(" %s_p50_us=%.0f %s_p99_us=%.0f %s_max_us=%.0f", name,
           (double)histogram_quantile_ns(of, 0.5) / 1e3, name,
           (double)histogram_quantile_ns(of, 0.99) / 1e3, name,
           (double)histogram_quantile_ns(of, 1) / 1e3);
}

static void figures_print(const struct spread *spread, uint64_t duration_ns)
{
    static struct histogram delays;
    static struct histogram doubts;
    uint64_t gets = 0;

    for (unsigned i = 0; i < spread->others_count; i++) {
        histogram_join(&delays, &spread->watchers[i].delays);
        histogram_join(&doubts, &spread->watchers[i].doubts);
        gets += spread->watchers[i].gets;
    }
    printf("sets=%llu rate=%.0f watched=%llu gets=%llu",
           (unsigned long long)spread->lateness.total,
           (double)spread->lateness.total * 1e9 / (double)duration_ns,
           (unsigned long long)delays.total, (unsigned long long)gets);
    quantiles_print("seen", &delays);
    quantiles_print("doubt", &doubts);
    quantiles_print("answer", &spread->writer.answers);
    quantiles_print("late", &spread->lateness);
    putchar('\n');
}

int main(int argc, char **argv)
{
    static struct spread spread;
    uint64_t start_ns;

    options_parse(&spread, argc, argv);
    /* Sets and gets are due to the microsecond. */
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    spread.heard_ns = moment_now_ns();
    writer_init(&spread.writer, spread.origin_port, KEYS_COUNT,
                spread.value_bytes);
    for (unsigned i = 0; i < spread.others_count; i++)
        watcher_init(&spread.watchers[i], spread.other_ports[i], KEYS_COUNT,
                     spread.value_bytes);

    fill(&spread);
    start_ns = moment_now_ns();
    pace(&spread);
    figures_print(&spread, moment_now_ns() - start_ns);

    writer_release(&spread.writer);
    for (unsigned i = 0; i < spread.others_count; i++)
        watcher_release(&spread.watchers[i]);
    return EXIT_SUCCESS;
}
