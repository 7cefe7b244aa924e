/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/roll.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "server/session/session.h"
#include "server/session/state.h"

/* Of one visit: some tens of microseconds of the other thread. */
#define VISIT_SESSIONS_MAX 64
/* An address is a path of a unix socket at most. */
#define ADDRESS_BYTES (sizeof(struct sockaddr_un) + 16)
#define ROWS_BYTES_MAX (2 * ADDRESS_BYTES + 192)

/*
 * One thread at a time has it: the asker's until it travels, then that of
 * the crew it visits until it is back; but for `session`, which is always the
 * asker's, and the list of all.
 */
struct roll {
    struct crew *asker;
    struct session *session; /* NULL: it has gone */
    bool is_out;             /* under way, or at another crew; the asker's */
    size_t crews_visited;
    struct crew *visited; /* where it is, or was last */
    bool is_standing;     /* in the list of `visited`, before `next` */
    struct session *next;
    struct roll *next_standing;
    struct roll **link;
    struct roll *next_of_all;
    struct roll **link_of_all;
    size_t text_bytes;
    uint8_t text[VISIT_SESSIONS_MAX * ROWS_BYTES_MAX];
};

/* ---- rows ---- */

static void print_address(int fd, bool is_peer, char to[ADDRESS_BYTES])
{
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
        struct sockaddr_un path;
    } address = {0};
    socklen_t bytes = sizeof(address);
    char host[INET6_ADDRSTRLEN] = "?";

    /* Who comes by a unix socket has no name: its socket's is told. */
    bool is_known = is_peer && getpeername(fd, &address.any, &bytes) == 0 &&
                    address.any.sa_family != AF_UNIX;
    bytes = sizeof(address);
    if (!is_known && getsockname(fd, &address.any, &bytes) != 0) {
        snprintf(to, ADDRESS_BYTES, "?");
        return;
    }
    size_t path_at = offsetof(struct sockaddr_un, sun_path);
    switch (address.any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &address.four.sin_addr, host, sizeof(host));
        snprintf(to, ADDRESS_BYTES, "tcp:%s:%d", host,
                 (int)ntohs(address.four.sin_port));
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &address.six.sin6_addr, host, sizeof(host));
        snprintf(to, ADDRESS_BYTES, "tcp6:[%s]:%d", host,
                 (int)ntohs(address.six.sin6_port));
        break;
    case AF_UNIX:
        snprintf(to, ADDRESS_BYTES, "unix:%.*s",
                 bytes > path_at ? (int)(bytes - path_at) : 0,
                 address.path.sun_path);
        break;
    default:
        snprintf(to, ADDRESS_BYTES, "?");
        break;
    }
}

/* In memcached's words, as far as there are any. */
static const char *name_of_state(const struct session *session)
{
    if (session->state != SESSION_OPEN)
        return "conn_closing";
    if (session->listing != NULL)
        return "conn_parse_cmd";
    if (session->sending == OUTPUT_BLOCKED)
        return "conn_mwrite";
    if (session->waits || session->sending == OUTPUT_HELD)
        return "conn_waiting";
    if (session->swallow_bytes > 0)
        return "conn_swallow";
    if (session->filling != NULL ||
        session->needed_bytes > session->input_bytes + 1)
        return "conn_nread";
    if (session->watching_link != NULL)
        return "conn_watch";
    return "conn_read";
}

static size_t write_rows(char *to, const struct session *session, time_us now)
{
    int fd = session->transport.fd;
    char address[ADDRESS_BYTES];
    char listen_address[ADDRESS_BYTES];
    time_us silent = now > session->now ? now - session->now : 0;

    print_address(fd, true, address);
    print_address(fd, false, listen_address);
    int length =
        snprintf(to, ROWS_BYTES_MAX,
                 "STAT %d:addr %s\r\n"
                 "STAT %d:listen_addr %s\r\n"
                 "STAT %d:state %s\r\n"
                 "STAT %d:secs_since_last_cmd %llu\r\n",
                 fd, address, fd, listen_address, fd, name_of_state(session),
                 fd, (unsigned long long)(silent / TIME_US_PER_S));
    return (size_t)length;
}

size_t roll_write_door(const struct clients *clients, size_t number,
                       uint8_t *to, size_t room_bytes)
{
    char address[ADDRESS_BYTES];
    int fd = clients->doors[number];
    time_us open = clock_now(clients->settings.clock) - clients->doors_shown_at;

    print_address(fd, false, address);
    int length = snprintf((char *)to, room_bytes,
                          "STAT %d:addr %s\r\n"
                          "STAT %d:state conn_listening\r\n"
                          "STAT %d:secs_since_last_cmd %llu\r\n",
                          fd, address, fd, fd,
                          (unsigned long long)(open / TIME_US_PER_S));
    return (size_t)length;
}

/* ---- its life ---- */

struct roll *roll_create(struct session *session)
{
    struct roll *roll = malloc(sizeof(*roll));
    struct clients *clients = session->crew->clients;

    if (roll == NULL)
        return NULL;
    roll->asker = session->crew;
    roll->session = session;
    roll->is_out = false;
    roll->crews_visited = 0;
    roll->visited = NULL;
    roll->is_standing = false;
    roll->next = NULL;
    roll->text_bytes = 0;
    pthread_mutex_lock(&clients->rolls_lock);
    roll->next_of_all = clients->rolls;
    roll->link_of_all = &clients->rolls;
    if (roll->next_of_all != NULL)
        roll->next_of_all->link_of_all = &roll->next_of_all;
    clients->rolls = roll;
    pthread_mutex_unlock(&clients->rolls_lock);
    return roll;
}

static void destroy(struct roll *roll)
{
    struct clients *clients = roll->asker->clients;

    pthread_mutex_lock(&clients->rolls_lock);
    *roll->link_of_all = roll->next_of_all;
    if (roll->next_of_all != NULL)
        roll->next_of_all->link_of_all = roll->link_of_all;
    pthread_mutex_unlock(&clients->rolls_lock);
    free(roll);
}

void rolls_destroy(struct clients *clients)
{
    while (clients->rolls != NULL)
        destroy(clients->rolls);
}

struct span roll_text(const struct roll *roll)
{
    return span_of(roll->text, roll->text_bytes);
}

void roll_clear(struct roll *roll)
{
    roll->text_bytes = 0;
}

/* ---- at a crew; one that has ended lets it lie ---- */

static void stand(struct roll *roll, struct crew *crew)
{
    roll->is_standing = true;
    roll->next = crew->sessions;
    roll->next_standing = crew->rolls;
    roll->link = &crew->rolls;
    if (roll->next_standing != NULL)
        roll->next_standing->link = &roll->next_standing;
    crew->rolls = roll;
}

static void step_aside(struct roll *roll)
{
    roll->is_standing = false;
    *roll->link = roll->next_standing;
    if (roll->next_standing != NULL)
        roll->next_standing->link = roll->link;
}

void rolls_pass(struct crew *crew, const struct session *session)
{
    for (struct roll *roll = crew->rolls; roll != NULL;
         roll = roll->next_standing) {
        if (roll->next == session)
            roll->next = session->next;
    }
}

/* In the visited crew's thread. */
static void end_visit(void *context)
{
    struct roll *roll = context;

    if (roll->visited->is_ended)
        return;
    step_aside(roll);
    destroy(roll);
}

static void let_go(struct roll *roll)
{
    if (!roll->is_standing)
        destroy(roll);
    else if (!worker_post(roll->visited->worker, end_visit, roll))
        abort(); /* without memory for one letter */
}

/* In the asker's thread. */
static void come_back(void *context)
{
    struct roll *roll = context;

    if (roll->asker->is_ended)
        return;
    roll->is_out = false;
    if (roll->session == NULL)
        let_go(roll);
    else
        session_resume(roll->session);
}

/* In the visited crew's thread. */
static void visit(void *context)
{
    struct roll *roll = context;
    struct crew *crew = roll->visited;

    if (crew->is_ended)
        return;
    time_us now = clock_now(crew->clients->settings.clock);
    if (!roll->is_standing)
        stand(roll, crew);
    for (int i = 0; i < VISIT_SESSIONS_MAX && roll->next != NULL; i++) {
        roll->text_bytes +=
            write_rows((char *)roll->text + roll->text_bytes, roll->next, now);
        roll->next = roll->next->next;
    }
    if (roll->next == NULL)
        step_aside(roll);
    if (!worker_post(roll->asker->worker, come_back, roll))
        abort(); /* a client that waits for ever is worse */
}

bool roll_travel(struct roll *roll)
{
    struct clients *clients = roll->asker->clients;

    if (!roll->is_standing) {
        if (roll->crews_visited == clients->crews_count)
            return false;
        roll->visited = clients->crews[roll->crews_visited++];
    }
    roll->is_out = worker_post(roll->visited->worker, visit, roll);
    return roll->is_out;
}

void roll_drop(struct roll *roll)
{
    if (roll == NULL)
        return;
    roll->session = NULL;
    if (!roll->is_out)
        let_go(roll);
}
