/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Contend: clients that all want the same keys, each at one of some servers.
 *
 *   contend mix --servers HOST:PORT,... --seconds 3 --history FILE
 *       of all atomic commands, on counters, registers and locks; what was
 *       asked and answered is written for `judge`
 *   contend count --servers ... --clients 2 --times 1000 --key KEY
 *       each increments KEY, which is there, so many times
 *   contend fill --servers ... --clients 100 --keys 500
 *       all ask at once for a key that nobody has, by `mg` with N; one is to
 *       win it
 *
 * Client N talks to server N modulo their number and to no other: if that is
 * away it waits for it.  TERM ends `mix` and `count` early.  The last line of
 * output tells what happened.
 */
#include <assert.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/prng.h"
#include "tests/linear/asking.h"
#include "tests/linear/history.h"

#define SERVERS_MAX 16
#define CLIENTS_MAX 200
#define KEYS_MAX 64
#define RETRY_US 5000
#define NAP_US 5000
#define SETS_PERCENT 12
/* A connection is a client of its own in the history. */
#define CLIENTS_PER_CONNECTION 1000
#define OUTCOMES_COUNT (LINEAR_UNKNOWN + 1)

struct plan {
    struct {
        char host[64];
        char port[8];
    } servers[SERVERS_MAX];
    unsigned servers_count;
    unsigned clients_count;
    double seconds;
    unsigned pause_us;
    unsigned answer_ms_max;
    uint64_t seed;
    uint64_t times;
    unsigned kinds_keys[3]; /* counters, registers, locks; keys to fill: [0] */
    const char *history_path;
    const char *prefix;
    enum linear_kind read_kind;
    bool sets; /* plain ones, on any key */
};

struct record {
    unsigned key;
    struct linear_operation operation;
};

struct client {
    const struct plan *plan;
    unsigned number;
    unsigned server;
    unsigned connections_count;
    struct wire wire;
    struct prng prng;
    uint64_t unique;
    uint64_t tokens[KEYS_MAX]; /* last seen of each key */
    struct record *records;
    size_t records_count;
    size_t records_room;
    uint64_t counts[OUTCOMES_COUNT];
    uint64_t slowest_ns;
    pthread_t thread;
};

static char keys[KEYS_MAX][HISTORY_KEY_BYTES_MAX];
static unsigned keys_count;
static volatile sig_atomic_t stops;
static pthread_barrier_t barrier;
static _Atomic unsigned wins[1 << 16];

/* ---- one client ---- */

static bool connect_once(struct client *client)
{
    if (client->wire.fd >= 0)
        return true;
    client->connections_count++;
    return wire_open(&client->wire, client->plan->servers[client->server].host,
                     client->plan->servers[client->server].port,
                     client->plan->answer_ms_max);
}

static bool is_connected(struct client *client)
{
    if (connect_once(client))
        return true;
    usleep(RETRY_US);
    return false;
}

static void request(struct client *client, const char *key, bool is_meta,
                    struct linear_operation *operation)
{
    operation->client =
        client->number + CLIENTS_PER_CONNECTION * client->connections_count;
    operation->through = client->server + 1;
    if (!ask(&client->wire, key, is_meta, client->plan->read_kind, operation))
        wire_close(&client->wire);
    client->counts[operation->outcome]++;
    if (operation->end - operation->start > client->slowest_ns)
        client->slowest_ns = operation->end - operation->start;
}

static void keep(struct client *client, unsigned key,
                 const struct linear_operation *operation)
{
    if (client->records_count == client->records_room) {
        client->records_room =
            client->records_room == 0 ? 1024 : 2 * client->records_room;
        client->records = realloc(
            client->records, client->records_room * sizeof(*client->records));
        assert(client->records != NULL);
    }
    client->records[client->records_count++] =
        (struct record){.key = key, .operation = *operation};
}

static struct client *create(const struct plan *plan, unsigned number)
{
    struct client *client = calloc(1, sizeof(*client));

    assert(client != NULL);
    client->plan = plan;
    client->number = number;
    client->server = number % plan->servers_count;
    client->wire.fd = -1;
    client->prng.state = plan->seed * 1000 + number;
    /* Far from each other, as counting and appending change them. */
    client->unique = (uint64_t)(number + 1) * UINT64_C(1000000000000);
    return client;
}

static void destroy(struct client *client)
{
    wire_close(&client->wire);
    free(client->records);
    free(client);
}

/* ---- mix ---- */

#define CHOICES_MAX 20
static const enum linear_kind CHOICES[3][CHOICES_MAX] = {
    {LINEAR_INCR, LINEAR_INCR, LINEAR_INCR, LINEAR_INCR,   LINEAR_INCR,
     LINEAR_INCR, LINEAR_INCR, LINEAR_INCR, LINEAR_DECR,   LINEAR_DECR,
     LINEAR_READ, LINEAR_READ, LINEAR_READ, LINEAR_CAS,    LINEAR_CAS,
     LINEAR_ADD,  LINEAR_ADD,  LINEAR_ADD,  LINEAR_DELETE, LINEAR_DELETE_IF},
    {LINEAR_CAS,     LINEAR_CAS,    LINEAR_CAS,    LINEAR_CAS,
     LINEAR_CAS,     LINEAR_CAS,    LINEAR_CAS,    LINEAR_READ,
     LINEAR_READ,    LINEAR_READ,   LINEAR_READ,   LINEAR_ADD,
     LINEAR_ADD,     LINEAR_ADD,    LINEAR_VIVIFY, LINEAR_VIVIFY,
     LINEAR_REPLACE, LINEAR_APPEND, LINEAR_DELETE, LINEAR_DELETE_IF},
    {LINEAR_ADD,    LINEAR_ADD,    LINEAR_ADD,       LINEAR_ADD,
     LINEAR_ADD,    LINEAR_ADD,    LINEAR_DELETE,    LINEAR_DELETE,
     LINEAR_DELETE, LINEAR_DELETE, LINEAR_DELETE_IF, LINEAR_INCR,
     LINEAR_INCR,   LINEAR_INCR,   LINEAR_SET,       LINEAR_SET,
     LINEAR_SET,    LINEAR_READ,   LINEAR_READ,      LINEAR_CAS}};

static void name_keys(const struct plan *plan)
{
    static const char *const FORMS[] = {"%s.counter%u", "%s.register%u",
                                        "%s.%u.lock"};

    for (unsigned kind = 0; kind < 3; kind++)
        for (unsigned i = 0; i < plan->kinds_keys[kind]; i++) {
            assert(keys_count < KEYS_MAX);
            snprintf(keys[keys_count++], sizeof(keys[0]), FORMS[kind],
                     plan->prefix, i);
        }
}

static unsigned kind_of(const struct plan *plan, unsigned key)
{
    unsigned kind = 0;

    while (key >= plan->kinds_keys[kind])
        key -= plan->kinds_keys[kind++];
    return kind;
}

static void draw(struct client *client, unsigned key,
                 struct linear_operation *operation)
{
    unsigned kind = kind_of(client->plan, key);

    operation->kind = CHOICES[kind][prng_below(&client->prng, CHOICES_MAX)];
    if (client->plan->sets && prng_below(&client->prng, 100) < SETS_PERCENT)
        operation->kind = LINEAR_SET;
    operation->expected = client->tokens[key];
    if (operation->expected == 0 &&
        (operation->kind == LINEAR_CAS || operation->kind == LINEAR_DELETE_IF))
        operation->kind = LINEAR_READ;
    if (operation->kind == LINEAR_READ)
        operation->kind = client->plan->read_kind;
    switch (operation->kind) {
    case LINEAR_INCR:
    case LINEAR_DECR:
        operation->number = 1;
        break;
    case LINEAR_APPEND:
        operation->number = prng_below(&client->prng, 10);
        break;
    default:
        operation->number = client->unique += 100000;
        break;
    }
}

static void *mix(void *argument)
{
    struct client *client = argument;

    while (!stops) {
        struct linear_operation operation = {0};
        if (!is_connected(client))
            continue;
        unsigned key = (unsigned)prng_below(&client->prng, keys_count);
        draw(client, key, &operation);
        request(client, keys[key], prng_below(&client->prng, 3) != 0,
                &operation);
        keep(client, key, &operation);
        if (operation.told_token != 0)
            client->tokens[key] = operation.told_token;
        if (client->plan->pause_us > 0)
            usleep(client->plan->pause_us);
    }
    return NULL;
}

/* All keys are there from the beginning, made by an atomic command, and all
 * are read on all servers at the end. */
static void pass_over(struct client *client, enum linear_kind kind)
{
    for (unsigned key = 0; key < keys_count; key++) {
        struct linear_operation operation = {.kind = kind};
        if (!connect_once(client))
            return;
        if (kind == LINEAR_ADD && kind_of(client->plan, key) != 0)
            operation.number = client->unique += 100000;
        request(client, keys[key], true, &operation);
        keep(client, key, &operation);
    }
}

static void write_history(FILE *file, const struct client *client)
{
    for (size_t i = 0; i < client->records_count; i++)
        history_write(file, keys[client->records[i].key],
                      &client->records[i].operation);
}

static void run(struct client **clients, unsigned count, void *(*work)(void *))
{
    for (unsigned i = 0; i < count; i++)
        if (pthread_create(&clients[i]->thread, NULL, work, clients[i]) != 0)
            abort();
}

static void join(struct client **clients, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        pthread_join(clients[i]->thread, NULL);
}

/* How it went, in one line. */
static void tell(struct client **clients, unsigned count, uint64_t start_ns)
{
    static const char *const NAMES[] = {"yes", "no", "other", "nothing",
                                        "unknown"};
    uint64_t slowest_ns = 0;
    uint64_t connections = 0;

    for (unsigned outcome = 0; outcome < OUTCOMES_COUNT; outcome++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < count; i++)
            sum += clients[i]->counts[outcome];
        printf("%s %" PRIu64 " ", NAMES[outcome], sum);
    }
    for (unsigned i = 0; i < count; i++) {
        connections += clients[i]->connections_count;
        if (clients[i]->slowest_ns > slowest_ns)
            slowest_ns = clients[i]->slowest_ns;
    }
    printf("connections %" PRIu64 " slowest_ms %" PRIu64 " ms %" PRIu64 "\n",
           connections, slowest_ns / 1000000,
           (ask_now_ns() - start_ns) / 1000000);
}

static int run_mix(const struct plan *plan, struct client **clients)
{
    FILE *file = fopen(plan->history_path, "w");
    unsigned count = plan->clients_count;
    uint64_t start = ask_now_ns();

    if (file == NULL) {
        perror(plan->history_path);
        return 2;
    }
    name_keys(plan);
    struct client *first = create(plan, count);
    first->server = 0;
    pass_over(first, LINEAR_ADD);
    write_history(file, first);
    destroy(first);

    run(clients, count, mix);
    uint64_t end = start + (uint64_t)(plan->seconds * 1e9);
    while (!stops && ask_now_ns() < end)
        usleep(NAP_US);
    stops = true;
    join(clients, count);
    for (unsigned i = 0; i < count; i++)
        write_history(file, clients[i]);

    for (unsigned i = 0; i < plan->servers_count; i++) {
        struct client *last = create(plan, count + 1 + i);
        last->server = i;
        pass_over(last, plan->read_kind);
        write_history(file, last);
        destroy(last);
    }
    if (fclose(file) != 0) {
        perror(plan->history_path);
        return 2;
    }
    tell(clients, count, start);
    return 0;
}

/* ---- count ---- */

static void *count_up(void *argument)
{
    struct client *client = argument;

    for (uint64_t i = 0; i < client->plan->times && !stops;) {
        struct linear_operation operation = {.kind = LINEAR_INCR, .number = 1};
        if (!is_connected(client))
            continue;
        request(client, client->plan->prefix, false, &operation);
        i++;
        if (client->plan->pause_us > 0)
            usleep(client->plan->pause_us);
    }
    return NULL;
}

static int run_count(const struct plan *plan, struct client **clients)
{
    uint64_t start = ask_now_ns();

    run(clients, plan->clients_count, count_up);
    join(clients, plan->clients_count);
    tell(clients, plan->clients_count, start);
    return 0;
}

/* ---- fill ---- */

static void *fill(void *argument)
{
    struct client *client = argument;
    char key[64];

    for (unsigned i = 0; i < client->plan->kinds_keys[0]; i++) {
        struct linear_operation operation = {.kind = LINEAR_VIVIFY};
        while (!is_connected(client))
            ;
        snprintf(key, sizeof(key), "%s.%u", client->plan->prefix, i);
        pthread_barrier_wait(&barrier);
        request(client, key, true, &operation);
        if (operation.kind == LINEAR_VIVIFY && operation.outcome == LINEAR_YES)
            wins[i]++;
    }
    return NULL;
}

static int run_fill(const struct plan *plan, struct client **clients)
{
    uint64_t start = ask_now_ns();
    unsigned never = 0;
    unsigned once = 0;

    pthread_barrier_init(&barrier, NULL, plan->clients_count);
    run(clients, plan->clients_count, fill);
    join(clients, plan->clients_count);
    for (unsigned i = 0; i < plan->kinds_keys[0]; i++) {
        never += wins[i] == 0;
        once += wins[i] == 1;
    }
    printf("once %u never %u twice %u ", once, never,
           plan->kinds_keys[0] - once - never);
    tell(clients, plan->clients_count, start);
    return 0;
}

/* ---- what is asked for ---- */

static void take_servers(struct plan *plan, char *text)
{
    char *rest = text;
    char *word;

    while ((word = strsep(&rest, ",")) != NULL) {
        char *colon = strrchr(word, ':');
        if (colon == NULL || plan->servers_count == SERVERS_MAX) {
            fprintf(stderr, "servers are HOST:PORT, at most %d\n", SERVERS_MAX);
            exit(2);
        }
        *colon = '\0';
        unsigned index = plan->servers_count++;
        snprintf(plan->servers[index].host, sizeof(plan->servers[0].host), "%s",
                 word);
        snprintf(plan->servers[index].port, sizeof(plan->servers[0].port), "%s",
                 colon + 1);
    }
}

static void take_option(struct plan *plan, int option, char *value)
{
    unsigned number = value == NULL ? 0 : (unsigned)strtoul(value, NULL, 10);

    switch (option) {
    case 's':
        take_servers(plan, value);
        break;
    case 'c':
        plan->clients_count = number;
        break;
    case 't':
        plan->seconds = strtod(value, NULL);
        break;
    case 'p':
        plan->pause_us = number;
        break;
    case 'a':
        plan->answer_ms_max = number;
        break;
    case 'S':
        plan->seed = number;
        break;
    case 'n':
        plan->times = strtoull(value, NULL, 10);
        break;
    case 'C':
    case 'R':
    case 'L':
        plan->kinds_keys[option == 'C' ? 0 : option == 'R' ? 1 : 2] = number;
        break;
    case 'h':
        plan->history_path = value;
        break;
    case 'k':
        plan->prefix = value;
        break;
    case 'x':
        plan->sets = true;
        break;
    case 'l':
        plan->read_kind = LINEAR_GET;
        break;
    default:
        exit(2);
    }
}

static void take_options(struct plan *plan, int count, char **words)
{
    static const struct option OPTIONS[] = {
        {"servers", required_argument, NULL, 's'},
        {"clients", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 't'},
        {"pause-us", required_argument, NULL, 'p'},
        {"answer-ms-max", required_argument, NULL, 'a'},
        {"seed", required_argument, NULL, 'S'},
        {"times", required_argument, NULL, 'n'},
        {"counters", required_argument, NULL, 'C'},
        {"keys", required_argument, NULL, 'C'},
        {"registers", required_argument, NULL, 'R'},
        {"locks", required_argument, NULL, 'L'},
        {"history", required_argument, NULL, 'h'},
        {"key", required_argument, NULL, 'k'},
        {"sets", no_argument, NULL, 'x'},
        {"linear-reads", no_argument, NULL, 'l'},
        {0}};
    int option;

    while ((option = getopt_long(count, words, "", OPTIONS, NULL)) != -1)
        take_option(plan, option, optarg);
    if (plan->servers_count == 0 || plan->clients_count == 0 ||
        plan->clients_count > CLIENTS_MAX ||
        plan->kinds_keys[0] > sizeof(wins) / sizeof(*wins)) {
        fputs("which --servers, how many --clients?\n", stderr);
        exit(2);
    }
}

static void stop(int signal)
{
    (void)signal;
    stops = true;
}

int main(int count, char **words)
{
    static const struct {
        const char *name;
        int (*run)(const struct plan *plan, struct client **clients);
    } MODES[] = {{"mix", run_mix}, {"count", run_count}, {"fill", run_fill}};
    struct plan plan = {.clients_count = 9,
                        .seconds = 1,
                        .answer_ms_max = 15000,
                        .seed = 1,
                        .kinds_keys = {2, 2, 2},
                        .history_path = "/dev/null",
                        .prefix = "contended",
                        .read_kind = LINEAR_READ};
    struct client *clients[CLIENTS_MAX];
    int result = 2;

    signal(SIGTERM, stop);
    take_options(&plan, count, words);
    for (unsigned i = 0; i < plan.clients_count; i++)
        clients[i] = create(&plan, i);
    for (size_t i = 0; i < sizeof(MODES) / sizeof(*MODES); i++)
        if (optind < count && strcmp(words[optind], MODES[i].name) == 0)
            result = MODES[i].run(&plan, clients);
    if (result == 2)
        fputs("contend mix|count|fill, see its source\n", stderr);
    for (unsigned i = 0; i < plan.clients_count; i++)
        destroy(clients[i]);
    return result;
}
