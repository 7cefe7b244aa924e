/* SPDX-License-Identifier: BSD-3-Clause */
#include "plan.h"

#include <assert.h>
#include <err.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "key.h"
#include "protocol.h"
#include "value.h"

#define EXIT_USAGE 2

/* One row per option; the order is that of --help. */
static const struct row {
    struct option option;
    const char *help;
} rows[] = {
    {{"host", required_argument, NULL, 'H'}, "NAME, by default 127.0.0.1"},
    {{"port", required_argument, NULL, 'p'}, "N"},
    {{"protocol", required_argument, NULL, 'P'},
     "text (default), meta or binary"},
    {{"connections", required_argument, NULL, 'c'}, "N, by default 1"},
    {{"pipeline", required_argument, NULL, 'd'},
     "N requests in a batch, by default 1"},
    {{"multiget", required_argument, NULL, 'm'},
     "N keys in each get, by default 1"},
    {{"keys", required_argument, NULL, 'k'}, "N, by default 1000000"},
    {{"key-bytes", required_argument, NULL, 'K'}, "N, by default 20"},
    {{"zipf", required_argument, NULL, 'z'},
     "THETA of the popularity of keys; by default all are alike"},
    {{"value-bytes", required_argument, NULL, 'v'},
     "N, or MIN-MAX for log-normal sizes; by default 100"},
    {{"ratio", required_argument, NULL, 'r'},
     "GETS:SETS, by default 1:0, nothing but gets"},
    {{"fill", no_argument, NULL, 'f'}, "store every key first"},
    {{"trust", no_argument, NULL, 't'},
     "do not look into values: for a server that makes them up"},
    {{"seconds", required_argument, NULL, 's'}, "S to run, by default 2"},
    {{"requests", required_argument, NULL, 'n'},
     "N to make instead, or at most"},
    {{"rate", required_argument, NULL, 'R'},
     "N requests a second, due at random; by default as answered"},
    {{"seed", required_argument, NULL, 'S'}, "N, by default 1"},
    {{"server-pid", required_argument, NULL, 'i'},
     "PID of the server, to read the processor time it used"},
    {{"help", no_argument, NULL, 'h'}, "this"},
};

#define ROWS_COUNT (sizeof rows / sizeof rows[0])

static void help_print(void)
{
    puts("Loads a memcached server and verifies every value it returns.\n");
    for (size_t i = 0; i < ROWS_COUNT; i++)
        printf("  --%-17s %s\n", rows[i].option.name, rows[i].help);
    puts("\nPrints one line of figures; leaves 1 behind if a value was wrong "
         "or the\nconversation broke, 2 if the options make no sense.");
}

/* All of `text` has to be a number between the bounds. */
static uint64_t whole(const char *what, const char *text, uint64_t min,
                      uint64_t max)
{
    char *end;
    unsigned long long number = strtoull(text, &end, 10);

    if (*text < '0' || *text > '9' || *end != '\0' || number < min ||
        number > max)
        errx(EXIT_USAGE, "%s is a number from %llu to %llu, not %s", what,
             (unsigned long long)min, (unsigned long long)max, text);
    return number;
}

static double fraction(const char *what, const char *text, double max)
{
    char *end;
    double number = strtod(text, &end);

    if (end == text || *end != '\0' || !(number >= 0 && number <= max))
        errx(EXIT_USAGE, "%s is a number from 0 to %g, not %s", what, max,
             text);
    return number;
}

/* Two whole numbers on both sides of `sign`, the second one optional. */
static void pair(const char *what, char *text, char sign, uint64_t max,
                 uint64_t numbers[2])
{
    char *second = strchr(text, sign);

    if (second != NULL)
        *second++ = '\0';
    numbers[0] = whole(what, text, 0, max);
    numbers[1] = second == NULL ? numbers[0] : whole(what, second, 0, max);
}

static void sizes_parse(struct plan *plan, char *text)
{
    uint64_t sizes[2];

    pair("--value-bytes", text, '-', VALUE_BYTES_MAX, sizes);
    if (sizes[0] > sizes[1] || (sizes[0] == 0 && sizes[1] > 0))
        errx(EXIT_USAGE, "--value-bytes MIN-MAX wants 0 < MIN <= MAX");
    plan->value_bytes_min = sizes[0];
    plan->value_bytes_max = sizes[1];
}

static void ratio_parse(struct plan *plan, char *text)
{
    uint64_t shares[2];

    pair("--ratio", text, ':', 1000000, shares);
    if (shares[0] + shares[1] == 0)
        errx(EXIT_USAGE, "--ratio 0:0 leaves nothing to do");
    plan->gets_share = shares[0];
    plan->sets_share = shares[1];
}

static void protocol_parse(struct plan *plan, const char *name)
{
    plan->protocol = protocol_named(name);
    if (plan->protocol == NULL)
        errx(EXIT_USAGE, "--protocol is text, meta or binary, not %s", name);
}

static void option_apply(struct plan *plan, int letter, char *text)
{
    switch (letter) {
    case 'H':
        plan->host = text;
        break;
    case 'p':
        (void)whole("--port", text, 1, 65535);
        plan->port = text;
        break;
    case 'P':
        protocol_parse(plan, text);
        break;
    case 'c':
        plan->connections_count =
            (unsigned)whole("--connections", text, 1, CONNECTIONS_MAX);
        break;
    case 'd':
        plan->pipeline = (unsigned)whole("--pipeline", text, 1, PIPELINE_MAX);
        break;
    case 'm':
        plan->multiget = (unsigned)whole("--multiget", text, 1, MULTIGET_MAX);
        break;
    case 'k':
        plan->keys_count = whole("--keys", text, 1, KEYS_COUNT_MAX);
        break;
    case 'K':
        plan->key_bytes = whole("--key-bytes", text, 1, KEY_BYTES_MAX);
        break;
    case 'z':
        plan->zipf_theta = fraction("--zipf", text, 10);
        break;
    case 'v':
        sizes_parse(plan, text);
        break;
    case 'r':
        ratio_parse(plan, text);
        break;
    case 'f':
        plan->fills = true;
        break;
    case 't':
        plan->trusts = true;
        break;
    case 's':
        plan->seconds = fraction("--seconds", text, 86400);
        break;
    case 'n':
        plan->requests_max = whole("--requests", text, 0, UINT64_MAX);
        break;
    case 'R':
        plan->rate = fraction("--rate", text, 1e8);
        break;
    case 'S':
        plan->seed = whole("--seed", text, 0, UINT64_MAX);
        break;
    case 'i':
        plan->server_pid = (pid_t)whole("--server-pid", text, 1, INT_MAX);
        break;
    case 'h':
        help_print();
        exit(EXIT_SUCCESS);
    default: /* getopt_long() has said what is wrong */
        exit(EXIT_USAGE);
    }
}

/* What no option can check alone. */
static void plan_check(const struct plan *plan)
{
    if (plan->port == NULL)
        errx(EXIT_USAGE, "--port is missing; --help tells the options");
    if (pow(10, (double)plan->key_bytes) < (double)plan->keys_count)
        errx(EXIT_USAGE, "--key-bytes %zu is too narrow for %llu keys",
             plan->key_bytes, (unsigned long long)plan->keys_count);
}

struct plan plan_parse(int words_count, char **words)
{
    struct option options[ROWS_COUNT + 1] = {{NULL, 0, NULL, 0}};
    struct plan plan = {
        .host = "127.0.0.1",
        .protocol = &protocol_text,
        .connections_count = 1,
        .pipeline = 1,
        .multiget = 1,
        .keys_count = 1000000,
        .key_bytes = 20,
        .value_bytes_min = 100,
        .value_bytes_max = 100,
        .gets_share = 1,
        .seconds = -1,
        .requests_max = UINT64_MAX,
        .seed = 1,
    };
    int letter;

    for (size_t i = 0; i < ROWS_COUNT; i++)
        options[i] = rows[i].option;
    while ((letter = getopt_long(words_count, words, "", options, NULL)) != -1)
        option_apply(&plan, letter, optarg);
    if (optind < words_count)
        errx(EXIT_USAGE, "%s is no option", words[optind]);

    if (plan.seconds < 0)
        plan.seconds = plan.requests_max == UINT64_MAX ? 2 : 0;
    plan_check(&plan);
    return plan;
}
