/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_SUPPORT_SERVER_PROCESS_H
#define TESTS_SUPPORT_SERVER_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Server process: one server, for tests in C that need a real one.
 *
 * Which:   GRAPEVINED in the environment, or ./grapevined; it may hold
 *          several words.  Root gives it `-u nobody`, or the user named by
 *          GRAPEVINE_TEST_USER.
 * Where:   on a free port of 127.0.0.1, never memcached's own, or on a unix
 *          socket in a directory of its own.
 * Time:    starting and stopping are bounded; a server that nobody stops
 *          ends by itself after SERVER_PROCESS_LIFE_SECONDS_MAX.
 * Fails:   false, with the reason on stderr.
 */
enum { SERVER_PROCESS_LIFE_SECONDS_MAX = 240 };

struct server_process {
    pid_t pid;
    uint16_t port;      /* 0 on a unix socket */
    char directory[64]; /* both empty on a port */
    char path[80];
};

/* Starts it and waits until it accepts connections. */
bool server_process_start_tcp(struct server_process *process);
bool server_process_start_unix(struct server_process *process);

/* Ends it by its pid; true if it had lived until now and ended cleanly. */
bool server_process_stop(struct server_process *process);

#endif
