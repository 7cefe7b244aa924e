/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Handover: how soon a lock that one client gives back is got by another,
 * on another server, that keeps asking for it.
 *
 * Two clients get it by turns.  Who has it asks for a plain value, too, and
 * keeps the lock until the other has been refused a few times.  Prints one
 * line of figures.
 */
#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dice.h"
#include "histogram.h"
#include "moment.h"
#include "talk.h"

#define EXIT_USAGE 2
#define TIMES_MAX 10000000
#define PAUSE_US_MAX 1000000
#define REQUEST_BYTES_MAX 300
#define PLAIN_KEY "plain"
#define KEY_BYTES_MAX 200
#define CLIENTS 2
/* Refused so often, and then up to so often again, while the other has it. */
#define REFUSALS_MIN 2
#define REFUSALS_MORE 8
#define NAP_US 50
#define PATIENCE_NS UINT64_C(10000000000)

static const char usage[] =
    "use: handover --port PORT --port PORT --key KEY [--times N]\n"
    "  [--pause-us US]";

struct client {
    const char *port;
    struct client *other;
    struct handover *handover;
    struct talk talk;
    struct dice dice;
    struct histogram gets;
    _Atomic uint64_t refusals;
    pthread_t thread;
};

struct handover {
    struct client clients[CLIENTS];
    unsigned ports_count;
    const char *key;
    uint64_t times;
    unsigned pause_us;

    /* Told by who gives it back, before it does; 0: nobody has yet. */
    _Atomic uint64_t released_ns;
    _Atomic uint64_t count;
    /* Written by who has the lock. */
    struct histogram waits;
};

static uint64_t whole(const char *text, uint64_t max)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || number > max)
        errx(EXIT_USAGE, "%s is no number up to %" PRIu64, text, max);
    return number;
}

static void option_apply(struct handover *handover, int letter,
                         const char *text)
{
    switch (letter) {
    case 'p':
        if (handover->ports_count == CLIENTS)
            errx(EXIT_USAGE, "%s", usage);
        handover->clients[handover->ports_count++].port = text;
        break;
    case 'k':
        if (strlen(text) > KEY_BYTES_MAX)
            errx(EXIT_USAGE, "a key has at most %d bytes", KEY_BYTES_MAX);
        handover->key = text;
        break;
    case 't':
        handover->times = whole(text, TIMES_MAX);
        break;
    case 'u':
        handover->pause_us = (unsigned)whole(text, PAUSE_US_MAX);
        break;
    default:
        errx(EXIT_USAGE, "%s", usage);
    }
}

static void options_parse(struct handover *handover, int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"key", required_argument, NULL, 'k'},
        {"times", required_argument, NULL, 't'},
        {"pause-us", required_argument, NULL, 'u'},
        {NULL, 0, NULL, 0},
    };
    int letter;

    handover->times = 500;
    while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1)
        option_apply(handover, letter, optarg);
    if (optind < argc || handover->ports_count < CLIENTS ||
        handover->key == NULL)
        errx(EXIT_USAGE, "%s", usage);
}

/* ---- a client ---- */

static const char *ask(struct client *client, const char *verb, const char *key,
                       const char *rest)
{
    char request[REQUEST_BYTES_MAX];

    snprintf(request, sizeof request, "%s %s%s\r\n", verb, key, rest);
    talk_add(&client->talk, request);
    talk_send(&client->talk);
    return talk_read_line(&client->talk);
}

static void expect(const char *line, const char *wanted)
{
    if (strcmp(line, wanted) != 0)
        errx(EXIT_FAILURE, "answered: %s, not %s", line, wanted);
}

static bool is_over(struct handover *handover)
{
    return atomic_load(&handover->count) >= handover->times;
}

static void check_patience(uint64_t since_ns)
{
    if (moment_now_ns() - since_ns > PATIENCE_NS)
        errx(EXIT_FAILURE, "the lock did not change hands in 10 seconds");
}

/* False where that is not wanted any more. */
static bool win(struct client *client)
{
    struct handover *handover = client->handover;
    uint64_t start_ns = moment_now_ns();

    while (!is_over(handover)) {
        const char *line = ask(client, "add", handover->key, " 0 60 1\r\n1");
        uint64_t now_ns = moment_now_ns();
        if (strcmp(line, "STORED") == 0) {
            uint64_t released_ns = atomic_load(&handover->released_ns);
            if (released_ns > 0) {
                histogram_add(&handover->waits, now_ns - released_ns);
                atomic_fetch_add(&handover->count, 1);
            }
            return true;
        }
        expect(line, "NOT_STORED");
        atomic_fetch_add(&client->refusals, 1);
        check_patience(start_ns);
        if (handover->pause_us > 0)
            usleep(handover->pause_us);
    }
    return false;
}

static void get_plainly(struct client *client)
{
    uint64_t start_ns = moment_now_ns();
    const char *line = ask(client, "get", PLAIN_KEY, "");

    if (strncmp(line, "VALUE ", 6) != 0)
        errx(EXIT_FAILURE, "a plain get was answered: %s", line);
    (void)talk_read_line(&client->talk);
    expect(talk_read_line(&client->talk), "END");
    histogram_add(&client->gets, moment_now_ns() - start_ns);
}

static void await_refusals(struct client *client)
{
    struct client *other = client->other;
    uint64_t start_ns = moment_now_ns();
    uint64_t until = atomic_load(&other->refusals) + REFUSALS_MIN +
                     dice_below(&client->dice, REFUSALS_MORE);

    while (!is_over(client->handover) &&
           atomic_load(&other->refusals) < until) {
        check_patience(start_ns);
        usleep(NAP_US);
    }
}

static void release(struct client *client)
{
    struct handover *handover = client->handover;
    uint64_t count = atomic_load(&handover->count);
    uint64_t start_ns = moment_now_ns();

    atomic_store(&handover->released_ns, start_ns);
    expect(ask(client, "delete", handover->key, ""), "DELETED");
    while (!is_over(handover) && atomic_load(&handover->count) == count) {
        check_patience(start_ns);
        usleep(NAP_US);
    }
}

static void *client_run(void *argument)
{
    struct client *client = argument;

    while (win(client)) {
        get_plainly(client);
        await_refusals(client);
        release(client);
    }
    return NULL;
}

/* ---- both ---- */

static void clients_start(struct handover *handover)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *client = &handover->clients[i];
        client->handover = handover;
        client->other = &handover->clients[1 - i];
        client->dice = dice_seeded(i + 1);
        talk_init(&client->talk, client->port);
        expect(ask(client, "set", PLAIN_KEY, " 0 0 1\r\n1"), "STORED");
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        if (pthread_create(&handover->clients[i].thread, NULL, client_run,
                           &handover->clients[i]) != 0)
            errx(EXIT_FAILURE, "no thread for a client");
}

static void clients_end(struct handover *handover)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        pthread_join(handover->clients[i].thread, NULL);
    for (unsigned i = 0; i < CLIENTS; i++)
        talk_release(&handover->clients[i].talk);
}

static void quantiles_print(const char *name, const struct histogram *of)
{
    printf(" %s_p50_us=%.1f %s_p99_us=%.1f %s_max_us=%.1f", name,
           (double)histogram_quantile_ns(of, 0.5) / 1e3, name,
           (double)histogram_quantile_ns(of, 0.99) / 1e3, name,
           (double)histogram_quantile_ns(of, 1) / 1e3);
}

int main(int argc, char **argv)
{
    static struct handover handover;

    options_parse(&handover, argc, argv);
    clients_start(&handover);
    clients_end(&handover);

    struct client *clients = handover.clients;
    printf("handovers=%" PRIu64 " refusals=%" PRIu64, handover.waits.total,
           clients[0].refusals + clients[1].refusals);
    quantiles_print("wait", &handover.waits);
    for (unsigned i = 0; i < HISTOGRAM_CELLS; i++)
        clients[0].gets.cells[i] += clients[1].gets.cells[i];
    clients[0].gets.total += clients[1].gets.total;
    quantiles_print("get", &clients[0].gets);
    putchar('\n');
    return EXIT_SUCCESS;
}
