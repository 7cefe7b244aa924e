/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * grapevine: what an operator asks of a running server.
 */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/tool/farm_view.h"
#include "server/tool/keygen.h"
#include "server/tool/server_line.h"
#include "server/version.h"

#define LINE_BYTES 2048
#define GROUP_BYTES 64
#define TIMEOUT_S_DEFAULT 10
#define TIMEOUT_S_MAX 86400
#define MEMBERS_MAX FARM_VIEW_MEMBERS_MAX
/* Between two tries of `grapevine wait`. */
#define PAUSE_NS 20000000

enum exit_status { EXIT_HOLDS = 0, EXIT_FAILED = 1, EXIT_USAGE = 64 };

struct request {
    const char *verb;
    struct access access;
    const char *password_file; /* NULL: in the environment */
    char group[GROUP_BYTES];   /* of stats, with the words behind it */
    const char *file;          /* of keygen; NULL: its output */
    bool is_ready_wanted;
    unsigned members_wanted; /* 0: as many as there are */
};

static const char usage[] =
    "grapevine " GRAPEVINE_VERSION "\n"
    "\n"
    "grapevine stats [-s WHERE] [GROUP...]     prints the server's figures\n"
    "grapevine members [-s WHERE]              prints the members of its "
    "farm\n"
    "grapevine wait [-s WHERE] [--timeout S] [--ready] [--members N]\n"
    "                                          waits until the server "
    "answers\n"
    "grapevine keygen [FILE]                   makes a key for the links of "
    "a farm,\n"
    "                                          into a new file of its "
    "owner's\n"
    "grapevine version                         prints this version\n"
    "\n"
    "-s, --server=WHERE   HOST:PORT or unix socket [default: "
    "127.0.0.1:11211]\n"
    "    --ready          wait until it has all that its farm has, or is "
    "alone\n"
    "    --members=N      wait until so many of its farm have, itself among "
    "them\n"
    "                     (1 to 256)\n"
    "    --timeout=S      seconds to wait (1 to 86400) [default: 10]\n"
    "    --unix-socket=FILE\n"
    "                     the same as -s, whatever the file's name\n"
    "    --tls            encrypted; the server has to prove who it is\n"
    "    --tls-ca=FILE    who vouches for it, PEM [default: the system's]\n"
    "    --tls-name=NAME  who it is, if not the host of -s\n"
    "    --tls-cert=FILE  our own certificate, PEM, where it asks for one\n"
    "    --tls-key=FILE   its key, if not in the same file\n"
    "    --user=NAME      who asks, where the server wants to know (-Y, -S)\n"
    "    --password-file=FILE\n"
    "                     the password is its first line; without it, in\n"
    "                     " ACCESS_PASSWORD_VARIABLE " in the environment\n"
    "\n"
    "Groups: settings, items, slabs, sizes, conns, farm, reset,\n"
    "        detail on|off|dump, cachedump CLASS LIMIT.\n"
    "Exit: 0 when it holds, 1 when not.\n";

static int fail(const char *reason)
{
    fprintf(stderr, "grapevine: %s\n", reason);
    return EXIT_FAILED;
}

static bool begins(const char *text, const char *word)
{
    return strncmp(text, word, strlen(word)) == 0;
}

/* The last line of an answer: the exit status that it comes to. */
static int end_stats(const char *text)
{
    if (strcmp(text, "END") == 0 || strcmp(text, "OK") == 0 ||
        strcmp(text, "RESET") == 0)
        return EXIT_HOLDS;
    if (strcmp(text, SERVER_LINE_STRANGER) == 0)
        return fail("the server asks who you are; give --user");
    if (begins(text, "CLIENT_ERROR "))
        return fail(text + strlen("CLIENT_ERROR "));
    return fail("the server knows no such group of stats");
}

static int run_stats(const struct request *request)
{
    struct server_line line;
    char text[LINE_BYTES];
    char error[SERVER_LINE_ERROR_BYTES];

    if (!server_line_open(&line, &request->access, error))
        return fail(error);
    snprintf(text, sizeof(text), "stats %s", request->group);
    int status = server_line_send(&line, text)
                     ? EXIT_HOLDS
                     : fail("the server closed the connection");
    while (status == EXIT_HOLDS) {
        if (!server_line_read(&line, text, sizeof(text))) {
            status = fail(server_line_silence(&line));
        } else if (begins(text, "STAT ")) {
            puts(text + strlen("STAT "));
        } else if (begins(text, "ITEM ") || begins(text, "PREFIX ")) {
            puts(text);
        } else {
            status = end_stats(text);
            break;
        }
    }
    server_line_close(&line);
    return status;
}

/* Whom it does not know it answers, too, but may do so in binary alone. */
static bool answers(const struct request *request, char *error)
{
    struct access access = request->access;
    struct server_line line;
    char text[LINE_BYTES];
    bool is_answered = false;

    for (int protocol = 0; protocol < 2 && !is_answered; protocol++) {
        access.is_binary = protocol == 1;
        if (!server_line_open(&line, &access, error))
            return false;
        is_answered = server_line_send(&line, "version") &&
                      server_line_read(&line, text, sizeof(text)) &&
                      (strncmp(text, "VERSION ", 8) == 0 ||
                       strcmp(text, SERVER_LINE_STRANGER) == 0);
        bool is_closed = feof(line.stream) != 0;
        server_line_close(&line);
        if (!is_closed)
            break;
    }
    if (!is_answered)
        snprintf(error, SERVER_LINE_ERROR_BYTES,
                 "what listens at %.128s gives no answer",
                 request->access.where);
    return is_answered;
}

static int run_members(const struct request *request)
{
    char error[SERVER_LINE_ERROR_BYTES];
    struct farm_view view;

    if (!farm_view_ask(&view, &request->access, error))
        return fail(error);
    if (view.members_count > 0)
        farm_view_print(&view, stdout);
    else
        printf("The server at %s is %s: it names no members of a farm.\n",
               request->access.where, view.state);
    return EXIT_HOLDS;
}

static bool farm_holds(const struct request *request, char *error)
{
    struct farm_view view;

    if (!farm_view_ask(&view, &request->access, error))
        return false;
    if (request->is_ready_wanted && strcmp(view.state, "ready") != 0 &&
        strcmp(view.state, "alone") != 0) {
        snprintf(error, SERVER_LINE_ERROR_BYTES,
                 "the server at %.128s is %.32s, not ready",
                 request->access.where, view.state);
        return false;
    }
    if (view.ready_count >= request->members_wanted)
        return true;
    snprintf(error, SERVER_LINE_ERROR_BYTES,
             "the farm has %lu of %u members ready", view.ready_count,
             request->members_wanted);
    return false;
}

static int run_wait(const struct request *request)
{
    char error[SERVER_LINE_ERROR_BYTES] = "";
    bool is_farm_asked =
        request->is_ready_wanted || request->members_wanted > 0;
    struct timespec pause = {.tv_nsec = PAUSE_NS};
    struct request attempt = *request;
    uint64_t limit_ms = (uint64_t)request->access.timeout_s * 1000;
    uint64_t passed_ms = 0;
    struct timespec start;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        if (is_farm_asked ? farm_holds(&attempt, error)
                          : answers(&attempt, error))
            return EXIT_HOLDS;
        nanosleep(&pause, NULL);
        clock_gettime(CLOCK_MONOTONIC, &now);
        passed_ms = (uint64_t)(now.tv_sec - start.tv_sec) * 1000 +
                    (uint64_t)now.tv_nsec / 1000000 -
                    (uint64_t)start.tv_nsec / 1000000;
        attempt.access.timeout_s =
            (unsigned)((passed_ms < limit_ms ? limit_ms - passed_ms : 0) /
                       1000) +
            1;
    } while (passed_ms < limit_ms);
    return fail(error);
}

static int run_keygen(const struct request *request)
{
    char error[KEYGEN_ERROR_BYTES];

    return keygen(request->file, error) ? EXIT_HOLDS : fail(error);
}

/* The value of `--name=value` or of `--name value`, else NULL. */
static const char *value_of(const char *name, char **argv, int argc, int *at)
{
    size_t length = strlen(name);
    const char *word = argv[*at];

    if (strncmp(word, name, length) != 0)
        return NULL;
    if (word[length] == '=')
        return word + length + 1;
    if (word[length] == '\0' && *at + 1 < argc)
        return argv[++*at];
    return NULL;
}

static bool read_number(const char *text, unsigned most, unsigned *number)
{
    size_t digits = strspn(text, "0123456789");
    unsigned long value = strtoul(text, NULL, 10);

    *number = (unsigned)value;
    return digits > 0 && text[digits] == '\0' && value >= 1 && value <= most;
}

/* Each of these asks for TLS. */
static bool read_tls(struct access *access, char **argv, int argc, int *at)
{
    const char *value;

    if ((value = value_of("--tls-ca", argv, argc, at)) != NULL)
        access->tls_authority = value;
    else if ((value = value_of("--tls-name", argv, argc, at)) != NULL)
        access->tls_name = value;
    else if ((value = value_of("--tls-cert", argv, argc, at)) != NULL)
        access->tls_certificate = value;
    else if ((value = value_of("--tls-key", argv, argc, at)) != NULL)
        access->tls_key = value;
    else
        return strcmp(argv[*at], "--tls") == 0;
    return true;
}

/* False where there is no room for it. */
static bool add_word(char group[GROUP_BYTES], const char *word)
{
    size_t used = strlen(group);
    int length = snprintf(group + used, GROUP_BYTES - used, "%s%s",
                          used > 0 ? " " : "", word);

    return length > 0 && (size_t)length < GROUP_BYTES - used;
}

static bool read_arguments(struct request *request, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value;
        if ((value = value_of("-s", argv, argc, &i)) != NULL ||
            (value = value_of("--server", argv, argc, &i)) != NULL) {
            request->access.where = value;
        } else if ((value = value_of("--timeout", argv, argc, &i)) != NULL) {
            if (!read_number(value, TIMEOUT_S_MAX, &request->access.timeout_s))
                return false;
        } else if ((value = value_of("--members", argv, argc, &i)) != NULL) {
            if (!read_number(value, MEMBERS_MAX, &request->members_wanted))
                return false;
        } else if ((value = value_of("--user", argv, argc, &i)) != NULL) {
            request->access.user = value;
        } else if ((value = value_of("--password-file", argv, argc, &i)) !=
                   NULL) {
            request->password_file = value;
        } else if ((value = value_of("--unix-socket", argv, argc, &i)) !=
                   NULL) {
            request->access.where = value;
            request->access.is_unix = true;
        } else if (read_tls(&request->access, argv, argc, &i)) {
            request->access.is_encrypted = true;
        } else if (strcmp(argv[i], "--ready") == 0) {
            request->is_ready_wanted = true;
        } else if (argv[i][0] == '-') {
            return false;
        } else if (request->verb == NULL) {
            request->verb = argv[i];
        } else if (strcmp(request->verb, "keygen") == 0 &&
                   request->file == NULL) {
            request->file = argv[i];
        } else if (strcmp(request->verb, "stats") != 0 ||
                   !add_word(request->group, argv[i])) {
            return false;
        }
    }
    bool is_farm_asked =
        request->is_ready_wanted || request->members_wanted > 0;
    return request->verb != NULL &&
           (request->password_file == NULL || request->access.user != NULL) &&
           (!is_farm_asked || strcmp(request->verb, "wait") == 0);
}

int main(int argc, char **argv)
{
    struct request request = {
        .access = {.where = "127.0.0.1:11211", .timeout_s = TIMEOUT_S_DEFAULT},
        .group = ""};

    signal(SIGPIPE, SIG_IGN);
    if (argc == 2 &&
        (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0)) {
        fputs(usage, stdout);
        return EXIT_HOLDS;
    }
    if (read_arguments(&request, argc, argv)) {
        char error[ACCESS_ERROR_BYTES];
        if (request.access.user != NULL &&
            !access_find_password(&request.access, request.password_file,
                                  error))
            return fail(error);
        if (strcmp(request.verb, "stats") == 0)
            return run_stats(&request);
        if (strcmp(request.verb, "members") == 0)
            return run_members(&request);
        if (strcmp(request.verb, "wait") == 0)
            return run_wait(&request);
        if (strcmp(request.verb, "keygen") == 0)
            return run_keygen(&request);
        if (strcmp(request.verb, "version") == 0) {
            puts("grapevine " GRAPEVINE_VERSION);
            return EXIT_HOLDS;
        }
    }
    fputs(usage, stderr);
    return EXIT_USAGE;
}
