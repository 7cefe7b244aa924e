/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A farm of two real servers, and clients that write the same few keys at
 * both at once: replies come in their order, nobody sees a key go back in
 * time on one connection, and when all is quiet both servers hold the same.
 * Worth most with servers built with --enable-sanitize=thread.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/server_process.h"

#define SERVERS 2
#define CLIENTS 4
#define ROUNDS 600
#define COMMANDS_PER_ROUND 16
#define KEYS 5
#define VALUE_BYTES_MAX 600
#define REPLY_SECONDS_MAX 20
#define DEADLINE_S 60
#define LINE_BYTES 512

struct member {
    struct server_process process;
    uint16_t farm_port;
};

static struct member members[SERVERS];

static const struct timespec a_moment = {.tv_nsec = 20 * 1000 * 1000};

/* ---- connections ---- */

struct connection {
    int fd;
    FILE *replies;
    uint64_t tokens[KEYS]; /* the newest that were seen */
};

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                .sin_port = htons(port)};
}

static bool open_connection(struct connection *connection, uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    struct timeval patience = {.tv_sec = REPLY_SECONDS_MAX};

    *connection = (struct connection){
        .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (connection->fd < 0)
        return false;
    setsockopt(connection->fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
               sizeof(patience));
    connection->replies = fdopen(connection->fd, "rb");
    return connection->replies != NULL &&
           connect(connection->fd, (struct sockaddr *)&address,
                   sizeof(address)) == 0;
}

static void close_connection(struct connection *connection)
{
    if (connection->replies != NULL)
        fclose(connection->replies);
    else if (connection->fd >= 0)
        close(connection->fd);
}

static bool send_all(const struct connection *connection, const char *bytes,
                     size_t count)
{
    while (count > 0) {
        ssize_t sent = send(connection->fd, bytes, count, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        count -= (size_t)sent;
    }
    return true;
}

static bool read_line(struct connection *connection, char line[LINE_BYTES])
{
    return fgets(line, LINE_BYTES, connection->replies) != NULL;
}

/* ---- clients ---- */

enum ask {
    ASK_SET,
    ASK_ADD,
    ASK_DELETE,
    ASK_TOUCH,
    ASK_INCR,
    ASK_FLUSH,
    ASK_GET,
    ASK_NOTHING
};

static const char *const answers[][3] = {
    [ASK_SET] = {"STORED\r\n"},
    [ASK_ADD] = {"STORED\r\n", "NOT_STORED\r\n"},
    [ASK_DELETE] = {"DELETED\r\n", "NOT_FOUND\r\n"},
    [ASK_TOUCH] = {"TOUCHED\r\n", "NOT_FOUND\r\n"},
    [ASK_INCR] = {"NOT_FOUND\r\n",
                  "CLIENT_ERROR cannot increment or decrement non-numeric "
                  "value\r\n"},
    [ASK_FLUSH] = {"OK\r\n"},
};

struct client {
    pthread_t thread;
    unsigned seed;
    char wrong[2 * LINE_BYTES]; /* the first thing that was */
};

static unsigned draw(struct client *client, unsigned below)
{
    return (unsigned)rand_r(&client->seed) % below;
}

static void complain(struct client *client, const char *what, const char *line)
{
    if (client->wrong[0] == '\0')
        snprintf(client->wrong, sizeof(client->wrong), "%s: %s", what, line);
}

struct request {
    char bytes[COMMANDS_PER_ROUND * (VALUE_BYTES_MAX + 100)];
    size_t used;
    enum ask asks[COMMANDS_PER_ROUND];
};

static void add_line(struct request *request, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    request->used += (size_t)vsnprintf(request->bytes + request->used,
                                       sizeof(request->bytes) - request->used,
                                       format, arguments);
    va_end(arguments);
}

static void add_store(struct client *client, struct request *request,
                      const char *verb, const char *end)
{
    unsigned bytes = draw(client, VALUE_BYTES_MAX);

    add_line(request, "%s key-%u 0 0 %u%s\r\n", verb, draw(client, KEYS), bytes,
             end);
    memset(request->bytes + request->used, '1', bytes);
    request->used += bytes;
    add_line(request, "\r\n");
}

static enum ask add_command(struct client *client, struct request *request)
{
    unsigned key = draw(client, KEYS);
    unsigned choice = draw(client, 400);

    if (choice == 0) {
        add_line(request, "flush_all\r\n");
        return ASK_FLUSH;
    }
    switch (choice % 10) {
    case 0:
    case 1:
        add_store(client, request, "set", "");
        return ASK_SET;
    case 2:
        add_store(client, request, "set", " noreply");
        return ASK_NOTHING;
    case 3:
        add_store(client, request, draw(client, 2) ? "add" : "append", "");
        return ASK_ADD;
    case 4:
        add_line(request, "delete key-%u\r\n", key);
        return ASK_DELETE;
    case 5:
        add_line(request, "touch key-%u 1000\r\n", key);
        return ASK_TOUCH;
    case 6:
        add_line(request, "incr key-%u 1\r\n", key);
        return ASK_INCR;
    case 7:
        add_line(request, "gats 2000 key-%u key-%u\r\n", key,
                 draw(client, KEYS));
        return ASK_GET;
    default:
        add_line(request, "gets key-%u nowhere-%u key-%u\r\n", key,
                 draw(client, 1000), draw(client, KEYS));
        return ASK_GET;
    }
}

/* One connection never goes back in time. */
static bool take_value(struct client *client, struct connection *connection,
                       const char *line)
{
    static _Thread_local char value[512 * 1024];
    unsigned key;
    size_t bytes;
    unsigned long long token;

    if (sscanf(line, "VALUE key-%u 0 %zu %llu", &key, &bytes, &token) != 3 ||
        key >= KEYS || bytes + 2 > sizeof(value) ||
        fread(value, 1, bytes + 2, connection->replies) != bytes + 2) {
        complain(client, "no value of ours", line);
        return false;
    }
    if (token < connection->tokens[key])
        complain(client, "a key went back in time", line);
    connection->tokens[key] = token;
    return true;
}

static bool take_values(struct client *client, struct connection *connection)
{
    char line[LINE_BYTES];

    for (;;) {
        if (!read_line(connection, line)) {
            complain(client, "no reply", "");
            return false;
        }
        if (strcmp(line, "END\r\n") == 0)
            return true;
        if (!take_value(client, connection, line))
            return false;
    }
}

static bool take_reply(struct client *client, struct connection *connection,
                       enum ask ask)
{
    char line[LINE_BYTES];

    if (ask == ASK_NOTHING)
        return true;
    if (ask == ASK_GET)
        return take_values(client, connection);
    if (!read_line(connection, line)) {
        complain(client, "no reply", "");
        return false;
    }
    for (unsigned i = 0; i < 3 && answers[ask][i] != NULL; i++) {
        if (strcmp(line, answers[ask][i]) == 0)
            return true;
    }
    if (ask == ASK_INCR && line[0] >= '0' && line[0] <= '9')
        return true;
    complain(client, "not an answer to what was asked", line);
    return false;
}

static bool play_round(struct client *client, struct connection *connection)
{
    struct request request = {.used = 0};
    bool is_whole = true;

    for (unsigned i = 0; i < COMMANDS_PER_ROUND; i++)
        request.asks[i] = add_command(client, &request);
    if (!send_all(connection, request.bytes, request.used)) {
        complain(client, "the connection is gone", "");
        return false;
    }
    for (unsigned i = 0; i < COMMANDS_PER_ROUND && is_whole; i++)
        is_whole = take_reply(client, connection, request.asks[i]);
    return is_whole;
}

static void *play(void *context)
{
    struct client *client = context;
    struct connection connections[SERVERS];
    bool goes_on = true;

    for (unsigned i = 0; i < SERVERS; i++) {
        if (!open_connection(&connections[i], members[i].process.port)) {
            complain(client, "no connection", "");
            goes_on = false;
        }
    }
    for (unsigned round = 0; round < ROUNDS && goes_on; round++)
        goes_on = play_round(client, &connections[draw(client, SERVERS)]);
    for (unsigned i = 0; i < SERVERS; i++)
        close_connection(&connections[i]);
    return NULL;
}

/* ---- the farm ---- */

/* One row of `stats farm`; "" where that is not to be had. */
static void read_row(const struct member *member, const char *name,
                     char value[LINE_BYTES])
{
    struct connection connection;
    char line[LINE_BYTES] = "";
    char format[64];

    snprintf(format, sizeof(format), "STAT %s %%500s", name);
    value[0] = '\0';
    if (open_connection(&connection, member->process.port) &&
        send_all(&connection, "stats farm\r\n", 12)) {
        while (read_line(&connection, line) && strcmp(line, "END\r\n") != 0)
            sscanf(line, format, value);
    }
    close_connection(&connection);
}

static bool is_complete(const struct member *member)
{
    char state[LINE_BYTES];
    char ready[LINE_BYTES];

    read_row(member, "farm_state", state);
    read_row(member, "farm_members_ready", ready);
    return strcmp(state, "ready") == 0 && atoi(ready) == SERVERS;
}

static bool all_are_complete(void)
{
    for (unsigned i = 0; i < SERVERS; i++) {
        if (!is_complete(&members[i]))
            return false;
    }
    return true;
}

static bool all_hold_the_same(void)
{
    char first[LINE_BYTES];
    char other[LINE_BYTES];

    read_row(&members[0], "farm_digest", first);
    for (unsigned i = 1; i < SERVERS; i++) {
        read_row(&members[i], "farm_digest", other);
        if (first[0] == '\0' || strcmp(first, other) != 0)
            return false;
    }
    return true;
}

static bool wait_for(bool (*is_so)(void))
{
    time_t deadline = time(NULL) + DEADLINE_S;

    while (!is_so()) {
        if (time(NULL) > deadline)
            return false;
        nanosleep(&a_moment, NULL);
    }
    return true;
}

/* A port that was free a moment ago. */
static uint16_t free_port(void)
{
    struct sockaddr_in address = loopback(0);
    socklen_t bytes = sizeof(address);
    int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (bind(probe, (struct sockaddr *)&address, bytes) != 0 ||
        getsockname(probe, (struct sockaddr *)&address, &bytes) != 0)
        address.sin_port = 0;
    close(probe);
    return ntohs(address.sin_port);
}

static bool start_member(unsigned number, const char *program)
{
    char words[4096];

    snprintf(words, sizeof(words),
             "%s -t 4 --farm-listen=127.0.0.1:%u --farm-join=127.0.0.1:%u",
             program, members[number].farm_port,
             members[(number + 1) % SERVERS].farm_port);
    setenv("GRAPEVINED", words, 1);
    return server_process_start_tcp(&members[number].process);
}

static int start_farm(void **state)
{
    const char *given = getenv("GRAPEVINED");
    char program[2048];

    (void)state;
    snprintf(program, sizeof(program), "%s",
             given != NULL ? given : "./grapevined");
    for (unsigned i = 0; i < SERVERS; i++)
        members[i].farm_port = free_port();
    for (unsigned i = 0; i < SERVERS; i++) {
        if (!start_member(i, program)) {
            while (i-- > 0)
                server_process_stop(&members[i].process);
            return -1;
        }
    }
    return 0;
}

static int stop_farm(void **state)
{
    bool is_clean = true;

    (void)state;
    for (unsigned i = 0; i < SERVERS; i++)
        is_clean = server_process_stop(&members[i].process) && is_clean;
    return is_clean ? 0 : -1;
}

static void writers_at_both_servers_leave_them_alike(void **state)
{
    static struct client clients[CLIENTS];

    (void)state;
    assert_true(wait_for(all_are_complete));
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i].seed = i + 1;
        assert_int_equal(
            pthread_create(&clients[i].thread, NULL, play, &clients[i]), 0);
    }
    for (unsigned i = 0; i < CLIENTS; i++)
        pthread_join(clients[i].thread, NULL);
    for (unsigned i = 0; i < CLIENTS; i++)
        assert_string_equal(clients[i].wrong, "");
    assert_true(wait_for(all_hold_the_same));
    assert_true(wait_for(all_are_complete));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writers_at_both_servers_leave_them_alike),
    };

    /* A server that hangs must not hang whoever waits for this program. */
    alarm(SERVER_PROCESS_LIFE_SECONDS_MAX);
    return cmocka_run_group_tests_name("farm clients", tests, start_farm,
                                       stop_farm);
}
