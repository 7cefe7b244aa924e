/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reloads: the files that are read again while the server runs, on SIGHUP.
 *
 * Threads: the main one's.
 */
#ifndef SERVER_PROCESS_RELOADS_H
#define SERVER_PROCESS_RELOADS_H

#include <stdbool.h>
#include <stddef.h>

#include "server/log/log.h"

#define RELOADS_MAX 4
#define RELOAD_ERROR_BYTES 512

/* Reads again; false, with the reason in `error`, where all stays as it was. */
typedef bool reload_task(void *context, char error[RELOAD_ERROR_BYTES]);

struct reload {
    const char *what; /* for the log: "the users of FILE" */
    reload_task *task;
    void *context;
};

struct reloads {
    struct log *log;
    struct reload reloads[RELOADS_MAX];
    size_t count;
};

/* Remembers `what`, which is borrowed, as the context is. */
void reloads_add(struct reloads *reloads, const char *what, reload_task *task,
                 void *context);

/* Reads all again, and logs what came of each; false if any failed. */
bool reloads_run(struct reloads *reloads);

#endif
