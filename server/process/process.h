/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Process: what this program asks of the operating system about itself.
 *
 * Threads: before any other thread starts, but for process_tell_ready() and
 *          process_end().
 * Fails:   false, with one line in `error` that names option and remedy.
 */
#ifndef SERVER_PROCESS_PROCESS_H
#define SERVER_PROCESS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROCESS_ERROR_BYTES 512

struct process {
    char *pid_path; /* absolute, or NULL */
    int pid_file;   /* open, to be written when clients are served; or -1 */
    bool has_pid;   /* the file has this process's id */
    bool is_ready;  /* clients are served, or were */
    bool is_daemon;
    int parent; /* pipe to whoever started a daemon, or -1 */
};

/* What was asked for; strings are borrowed for the start. */
struct process_settings {
    uint64_t connections_max;
    uint64_t threads;
    uint64_t memory_bytes; /* that the server is about to take */
    bool is_daemon;        /* unless a supervisor started it */
    bool core_dumps;
    bool locks_memory;
    const char *pid_file; /* or NULL */
    const char *user;     /* whom root becomes; NULL is right for others */
};

/*
 * Becomes what was asked for: limits of files, of core files and of locked
 * memory, a daemon, another user; and opens the file for the process id while
 * it still may.
 *
 * A daemon's parent waits for process_tell_ready() and exits 0, or 1 if the
 * child ends before.  What another server wrote into the pid file stays until
 * this one serves clients; a file that was not there has the process id at
 * once, as whoever waits for it may read it as soon as it is there.
 */
bool process_start(struct process *process,
                   const struct process_settings *settings,
                   char error[PROCESS_ERROR_BYTES]);

/* Clients are served: writes the process id, tells the parent of a daemon,
 * and systemd. */
void process_tell_ready(struct process *process);

/* Tells systemd of the end, and removes the pid file of a daemon, or one that
 * a start that failed has made. */
void process_end(struct process *process);

#endif
