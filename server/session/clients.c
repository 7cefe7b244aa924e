/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/clients.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/session/appeal.h"
#include "server/session/crew.h"
#include "server/session/delivery.h"
#include "server/session/doors.h"
#include "server/session/idle.h"
#include "server/session/inquiry.h"
#include "server/session/login.h"
#include "server/session/roll.h"
#include "server/session/session.h"
#include "server/session/state.h"
#include "server/session/surplus.h"

/* A connection on its way from the thread that accepted it. */
struct arrival {
    struct crew *crew;
    const struct door *door;
    int fd;
};

static struct crew *create_crew(struct clients *clients)
{
    struct crew *crew = calloc(1, sizeof(*crew));

    if (crew == NULL)
        return NULL;
    crew->clients = clients;
    crew->worker = worker_create();
    if (crew->worker == NULL || !idle_begin(crew) || !turns_begin(crew)) {
        timer_destroy(crew->idle_timer);
        worker_destroy(crew->worker);
        free(crew);
        return NULL;
    }
    return crew;
}

static void destroy_crew(struct crew *crew)
{
    /* What the peers said meanwhile; there is no session to hear it. */
    worker_finish(crew->worker);
    inquiries_destroy(crew);
    appeals_destroy(crew);
    deliveries_destroy(crew);
    timer_destroy(crew->greeting_timer);
    timer_destroy(crew->idle_timer);
    timer_destroy(crew->turns);
    worker_destroy(crew->worker);
    output_release(&crew->output, crew->clients->settings.store);
    bulletin_release(&crew->bulletin);
    free(crew);
}

static bool start_crew(struct clients *clients, size_t number)
{
    char name[32];
    struct crew *crew = create_crew(clients);

    if (crew == NULL)
        return false;
    crew->number = number;
    crew->onlooker = store_add_onlooker(clients->settings.store);
    snprintf(name, sizeof(name), "client-%zu", number);
    if (!worker_start(crew->worker, name)) {
        destroy_crew(crew);
        return false;
    }
    clients->crews[clients->crews_count++] = crew;
    return true;
}

struct clients *clients_create(const struct clients_settings *settings)
{
    struct clients *clients = calloc(1, sizeof(*clients));

    if (clients == NULL)
        return NULL;
    clients->settings = *settings;
    clients->prefixes = stats_prefixes(settings->stats);
    pthread_mutex_init(&clients->rolls_lock, NULL);
    pthread_mutex_init(&clients->tuning_lock, NULL);
    clients->tuning = settings->tuning;
    atomic_init(&clients->has_crawler, !settings->tuning.has_no_crawler);
    pthread_mutex_init(&clients->watchers_lock, NULL);
    pthread_mutex_init(&clients->outside_lock, NULL);
    clients->limits = (struct parse_limits){
        .item_bytes_max = store_item_bytes_max(settings->store),
        .with_sasl = settings->exchanges != NULL};
    clients->restricts = settings->disable_flush_all || settings->disable_cas;
    if (settings->exchanges != NULL) {
        clients->logins = logins_create();
        if (clients->logins == NULL)
            goto fail;
    }
    clients->crews = calloc(settings->threads_count, sizeof(struct crew *));
    if (clients->crews == NULL)
        goto fail;
    for (size_t i = 0; i < settings->threads_count; i++) {
        if (!start_crew(clients, i))
            goto fail;
    }
    if (settings->counts_prefixes && !clients_count_prefixes(clients, true))
        goto fail;
    return clients;

fail:
    /* Nobody was let in yet, so that no thread is held up. */
    if (!clients_destroy(clients))
        abort();
    return NULL;
}

size_t clients_count(const struct clients *clients)
{
    return atomic_load(&clients->connections);
}

static void end_crew(void *context)
{
    struct crew *crew = context;

    crew->is_ended = true;
    while (crew->sessions != NULL)
        session_destroy(crew->sessions);
    worker_stop(crew->worker);
}

void clients_stop(struct clients *clients)
{
    if (clients == NULL || clients->is_stopped)
        return;
    clients->is_stopped = true;
    for (size_t i = 0; i < clients->crews_count; i++) {
        struct crew *crew = clients->crews[i];
        if (!worker_post(crew->worker, end_crew, crew))
            worker_stop(crew->worker);
    }
    /* One that still answers `stats` looks at the counters of all. */
    for (size_t i = 0; i < clients->crews_count; i++)
        worker_join(clients->crews[i]->worker);
    if (clients->logins != NULL)
        clients->is_left = !logins_stop(clients->logins);
}

bool clients_destroy(struct clients *clients)
{
    if (clients == NULL)
        return true;
    clients_stop(clients);
    if (clients->is_left) {
        log_event(clients->settings.log, EVENT_SERVER, SEVERITY_WARNING,
                  "SASL does not answer; it is not waited for");
        return false;
    }
    /* Crews post each other letters: all are read before the first goes. */
    for (size_t i = 0; i < clients->crews_count; i++)
        worker_finish(clients->crews[i]->worker);
    rolls_destroy(clients);
    for (size_t i = 0; i < clients->crews_count; i++)
        destroy_crew(clients->crews[i]);
    if (clients->logins != NULL)
        logins_destroy(clients->logins);
    bulletin_release(&clients->outside);
    service_release(&clients->service);
    pthread_mutex_destroy(&clients->watchers_lock);
    pthread_mutex_destroy(&clients->outside_lock);
    pthread_mutex_destroy(&clients->rolls_lock);
    pthread_mutex_destroy(&clients->tuning_lock);
    free(clients->crews);
    free(clients);
    return true;
}

void clients_show_doors(struct clients *clients, const struct listener *doors)
{
    int fds[CLIENTS_DOORS_MAX];
    size_t count = listener_fds(doors, fds, CLIENTS_DOORS_MAX);

    clients->doors_shown_at = clock_now(clients->settings.clock);
    for (size_t i = 0; i < count; i++)
        clients->doors[i] = fds[i];
    atomic_store(&clients->doors_count, count);
}

bool clients_count_prefixes(struct clients *clients, bool counts)
{
    if (counts && !prefixes_prepare(clients->prefixes))
        return false;
    for (size_t i = 0; i < clients->crews_count; i++)
        atomic_store(&clients->crews[i]->counts_prefixes, counts);
    return true;
}

static void turn_away(struct clients *clients, const struct door *door, int fd)
{
    static const char words[] = "ERROR Too many open connections\r\n";

    atomic_fetch_add(&clients->connections_rejected, 1);
    log_event(clients->settings.log, EVENT_REFUSAL, SEVERITY_WARNING,
              "a client was turned away: %zu are connected; raise -c "
              "(--conn-limit)",
              clients->settings.connections_max);
    /* A courtesy; to who expects a handshake it would be noise. */
    ssize_t sent = door->tls != NULL
                       ? 0
                       : send(fd, words, sizeof(words) - 1, MSG_NOSIGNAL);
    (void)sent;
    close(fd);
}

static void arrive(void *context)
{
    struct arrival *arrival = context;

    if (!session_create(arrival->crew, arrival->door, arrival->fd)) {
        close(arrival->fd);
        clients_lose(arrival->crew->clients);
    }
    free(arrival);
}

void clients_lose(struct clients *clients)
{
    atomic_fetch_sub(&clients->connections, 1);
    surplus_went(clients);
}

void clients_accept(int fd, void *context)
{
    const struct door *door = context;
    struct clients *clients = door->clients;
    struct arrival *arrival = NULL;

    /* A farm may open the doors while the server is on its way out. */
    if (clients->is_stopped) {
        close(fd);
        return;
    }
    if (atomic_load(&clients->connections) >=
        clients->settings.connections_max) {
        turn_away(clients, door, fd);
        return;
    }
    arrival = malloc(sizeof(*arrival));
    if (arrival != NULL) {
        struct crew *crew = clients->crews[clients->next_crew];
        clients->next_crew = (clients->next_crew + 1) % clients->crews_count;
        *arrival = (struct arrival){.crew = crew, .door = door, .fd = fd};
        atomic_fetch_add(&clients->connections, 1);
        atomic_fetch_add(&clients->connections_total, 1);
        surplus_came(clients);
        if (worker_post(crew->worker, arrive, arrival))
            return;
        clients_lose(clients);
    }
    free(arrival);
    close(fd);
}

/* ---- what the peers say ---- */

struct answer {
    struct crew *crew;
    uint64_t number;
    bool is_degraded;
};

static void take_answer(void *context)
{
    struct answer *answer = context;

    session_answer_all(answer->crew, answer->number, answer->is_degraded);
    free(answer);
}

void clients_answered(void *context, size_t crew, uint64_t number,
                      bool is_degraded)
{
    struct clients *clients = context;
    struct answer *answer = malloc(sizeof(*answer));

    if (answer == NULL)
        abort(); /* clients that wait for ever are worse */
    *answer = (struct answer){clients->crews[crew], number, is_degraded};
    if (!worker_post(answer->crew->worker, take_answer, answer))
        abort();
}

static void add_crew(const struct crew *crew, struct stats_live *live)
{
    uint64_t own = atomic_load(&crew->inputs.count);

    for (size_t counter = 0; counter < COUNTERS; counter++)
        live->counters[counter] +=
            counted(&crew->counters, (enum counter)counter);
    /* A thread's buffer is lent to whoever has its turn. */
    live->input_buffers += 1 + own;
    live->input_buffers_bytes +=
        CREW_INPUT_BYTES + atomic_load(&crew->inputs.bytes);
    live->input_buffers_free_bytes += CREW_INPUT_BYTES;
    live->output_buffers += atomic_load(&crew->outputs.count);
    live->output_buffers_bytes += atomic_load(&crew->outputs.bytes);
}

void clients_read_live(struct clients *clients, struct stats_live *live)
{
    const struct tls *tls = clients->settings.tls;

    *live = (struct stats_live){
        .now = clock_now(clients->settings.clock),
        .connections = atomic_load(&clients->connections),
        .connections_total = atomic_load(&clients->connections_total),
        .connections_rejected = atomic_load(&clients->connections_rejected),
        .kicks_idle = clients->settings.idle_timeout > 0,
        .backlog = clients->settings.backlog,
        .turn_commands_max = clients->settings.turn_commands_max,
        .verbosity = log_verbosity(clients->settings.log),
        .watchers = atomic_load(&clients->watchers),
        .counts_prefixes = atomic_load(&clients->crews[0]->counts_prefixes),
        .crawls = atomic_load(&clients->crawls),
        .has_crawler = atomic_load(&clients->has_crawler),
        .has_tls = tls != NULL,
        .certificate_age_s = tls == NULL ? 0 : tls_age_s(tls),
        .has_tls_sessions = tls != NULL && clients->settings.has_tls_sessions};
    pthread_mutex_lock(&clients->tuning_lock);
    live->tuning = clients->tuning;
    pthread_mutex_unlock(&clients->tuning_lock);
    surplus_read(clients, live->now, live);
    for (size_t i = 0; i < clients->crews_count; i++)
        add_crew(clients->crews[i], live);
}
