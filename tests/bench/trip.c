/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Trip: how long one client waits for a reply that it needs before it asks
 * on.  Prints one line of figures.
 */
#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "moment.h"
#include "talk.h"

#define EXIT_USAGE 2
#define REQUESTS_MAX 10000000
#define FORMS_MAX 64
#define REQUEST_BYTES_MAX 512

static const char usage[] =
    "use: trip --port PORT --ask TEXT [--ask TEXT ...] [--end WORD]\n"
    "  [--requests N]\n"
    "Requests take turns; # in them is the number of the request.  WORD\n"
    "begins the last line of each reply, which is else a single line.";

struct trip {
    const char *port;
    const char *forms[FORMS_MAX];
    unsigned forms_count;
    const char *end;
    uint64_t requests;
};

static uint64_t whole(const char *text)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || number == 0 ||
        number > REQUESTS_MAX)
        errx(EXIT_USAGE, "%s is no number from 1 to %d", text, REQUESTS_MAX);
    return number;
}

static void option_apply(struct trip *trip, int letter, const char *text)
{
    switch (letter) {
    case 'p':
        trip->port = text;
        break;
    case 'a':
        if (trip->forms_count == FORMS_MAX ||
            strlen(text) > REQUEST_BYTES_MAX / 2)
            errx(EXIT_USAGE, "at most %d requests of at most %d bytes",
                 FORMS_MAX, REQUEST_BYTES_MAX / 2);
        trip->forms[trip->forms_count++] = text;
        break;
    case 'e':
        trip->end = text;
        break;
    case 'n':
        trip->requests = whole(text);
        break;
    default:
        errx(EXIT_USAGE, "%s", usage);
    }
}

static struct trip options_parse(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"ask", required_argument, NULL, 'a'},
        {"end", required_argument, NULL, 'e'},
        {"requests", required_argument, NULL, 'n'},
        {NULL, 0, NULL, 0},
    };
    struct trip trip = {.end = "", .requests = 1000};
    int letter;

    while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1)
        option_apply(&trip, letter, optarg);
    if (optind < argc || trip.port == NULL || trip.forms_count == 0)
        errx(EXIT_USAGE, "%s", usage);
    return trip;
}

static void add_request(struct talk *talk, const char *form, uint64_t number)
{
    char request[REQUEST_BYTES_MAX];
    const char *sign = strchr(form, '#');

    if (sign == NULL)
        snprintf(request, sizeof request, "%s\r\n", form);
    else
        snprintf(request, sizeof request, "%.*s%" PRIu64 "%s\r\n",
                 (int)(sign - form), form, number, sign + 1);
    talk_add(talk, request);
}

static bool begins(const char *line, const char *word)
{
    return strncmp(line, word, strlen(word)) == 0;
}

static void read_reply(struct talk *talk, const char *end)
{
    const char *line;

    do {
        line = talk_read_line(talk);
        if (begins(line, "ERROR") || begins(line, "CLIENT_ERROR") ||
            begins(line, "SERVER_ERROR"))
            errx(EXIT_FAILURE, "a request was answered: %s", line);
    } while (!begins(line, end));
}

static void make(const struct trip *trip, struct talk *talk,
                 uint64_t *durations_ns)
{
    for (uint64_t i = 0; i < trip->requests; i++) {
        add_request(talk, trip->forms[i % trip->forms_count], i);
        uint64_t start_ns = moment_now_ns();
        talk_send(talk);
        read_reply(talk, trip->end);
        durations_ns[i] = moment_now_ns() - start_ns;
    }
}

static int compare(const void *a, const void *b)
{
    const uint64_t *one = a;
    const uint64_t *other = b;

    return (*one > *other) - (*one < *other);
}

/* Exact: differences are taken of them. */
static void figures_print(const struct trip *trip, uint64_t *durations_ns)
{
    static const unsigned percents[] = {50, 90, 99};

    qsort(durations_ns, trip->requests, sizeof *durations_ns, compare);
    printf("requests=%" PRIu64, trip->requests);
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++)
        printf(" p%u_us=%.1f", percents[i],
               (double)durations_ns[trip->requests * percents[i] / 100] / 1e3);
    putchar('\n');
}

int main(int argc, char **argv)
{
    struct trip trip = options_parse(argc, argv);
    struct talk talk;
    uint64_t *durations_ns = calloc(trip.requests, sizeof *durations_ns);

    if (durations_ns == NULL)
        err(EXIT_FAILURE, "no memory for so many requests");
    talk_init(&talk, trip.port);
    make(&trip, &talk, durations_ns);
    talk_release(&talk);
    figures_print(&trip, durations_ns);
    free(durations_ns);
    return EXIT_SUCCESS;
}
