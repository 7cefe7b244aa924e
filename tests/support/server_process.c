/* SPDX-License-Identifier: BSD-3-Clause */
#include "server_process.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    MEMCACHED_PORT = 11211,
    START_SECONDS_MAX = 20,
    START_ATTEMPTS_MAX = 5,
    STOP_SECONDS_MAX = 30,
};

static const struct timespec a_moment = {.tv_nsec = 10 * 1000 * 1000};

/* memcached and grapevined want a user when root starts them. */
static const char *user_name(void)
{
    const char *name = getenv("GRAPEVINE_TEST_USER");

    if (geteuid() != 0)
        return NULL;
    return name != NULL ? name : "nobody";
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons(port),
    };
}

/* A port that was free a moment ago, or 0. */
static uint16_t free_port(void)
{
    struct sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint16_t port = 0;

    if (probe < 0)
        return 0;
    if (bind(probe, (struct sockaddr *)&address, length) == 0 &&
        getsockname(probe, (struct sockaddr *)&address, &length) == 0)
        port = ntohs(address.sin_port);
    close(probe);
    return port != MEMCACHED_PORT ? port : free_port();
}

static bool accepts(const struct server_process *process)
{
    struct sockaddr_in tcp = loopback(process->port);
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    bool is_tcp = process->port != 0;
    int probe =
        socket(is_tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failed;

    if (probe < 0)
        return false;
    memcpy(local.sun_path, process->path, sizeof process->path);
    if (is_tcp)
        failed = connect(probe, (struct sockaddr *)&tcp, sizeof tcp);
    else
        failed = connect(probe, (struct sockaddr *)&local, sizeof local);
    close(probe);
    return failed == 0;
}

/* Becomes the server; the shell splits GRAPEVINED into its words. */
static void become_server(const struct server_process *process)
{
    const char *words[] = {
        "sh", "-c", "exec ${GRAPEVINED:-./grapevined} \"$@\"",
        "sh", NULL, NULL,
        NULL, NULL, NULL,
        NULL, NULL,
    };
    size_t count = 4;
    char port[8];

    snprintf(port, sizeof port, "%d", process->port);
    if (process->port != 0) {
        words[count++] = "-l";
        words[count++] = "127.0.0.1";
        words[count++] = "-p";
        words[count++] = port;
    } else {
        words[count++] = "-s";
        words[count++] = process->path;
    }
    if (user_name() != NULL) {
        words[count++] = "-u";
        words[count++] = user_name();
    }
    /* Survives exec, so that the server ends whatever happens to us. */
    alarm(SERVER_PROCESS_LIFE_SECONDS_MAX);
    execv("/bin/sh", (char **)words);
    _exit(127);
}

/* True once it accepts; false, and reaped, when it ended or took long. */
static bool spawn(struct server_process *process)
{
    time_t deadline = time(NULL) + START_SECONDS_MAX;

    process->pid = fork();
    if (process->pid == 0)
        become_server(process);
    if (process->pid < 0)
        return false;
    while (waitpid(process->pid, NULL, WNOHANG) == 0) {
        if (accepts(process))
            return true;
        if (time(NULL) > deadline)
            kill(process->pid, SIGKILL);
        nanosleep(&a_moment, NULL);
    }
    return false;
}

bool server_process_start_tcp(struct server_process *process)
{
    for (int attempt = 0; attempt < START_ATTEMPTS_MAX; attempt++) {
        *process = (struct server_process){.port = free_port()};
        if (process->port != 0 && spawn(process))
            return true;
    }
    fprintf(stderr, "the server does not start on a port\n");
    return false;
}

/* The server makes its socket after it has become another user. */
static bool give_away(const char *directory)
{
    struct passwd *user;

    if (user_name() == NULL)
        return true;
    user = getpwnam(user_name());
    return user != NULL && chown(directory, user->pw_uid, user->pw_gid) == 0;
}

bool server_process_start_unix(struct server_process *process)
{
    *process =
        (struct server_process){.directory = "/tmp/grapevine-test-XXXXXX"};
    if (mkdtemp(process->directory) == NULL) {
        perror("mkdtemp");
        return false;
    }
    snprintf(process->path, sizeof process->path, "%s/socket",
             process->directory);
    if (give_away(process->directory) && spawn(process))
        return true;
    fprintf(stderr, "the server does not start on %s\n", process->path);
    rmdir(process->directory);
    return false;
}

/* Its exit status; KILL if TERM is not enough. */
static int end(pid_t pid)
{
    time_t deadline = time(NULL) + STOP_SECONDS_MAX;
    int status = 0;

    kill(pid, SIGTERM);
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (time(NULL) > deadline)
            kill(pid, SIGKILL);
        nanosleep(&a_moment, NULL);
    }
    return status;
}

bool server_process_stop(struct server_process *process)
{
    int status;
    bool lived = waitpid(process->pid, &status, WNOHANG) == 0;

    if (lived)
        status = end(process->pid);
    if (process->directory[0] != '\0') {
        unlink(process->path);
        rmdir(process->directory);
    }
    /* SIGTERM: nobody caught it, fair enough. */
    bool is_clean = (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
                    (WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    if (!lived || !is_clean)
        fprintf(stderr, "the server ended %s, with wait status %d\n",
                lived ? "badly" : "by itself", status);
    return lived && is_clean;
}
