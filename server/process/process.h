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
    bool is_daemon;
    int parent; /* pipe to whoever started a daemon, or -1 */
};

/* Raises the limit of open files as far as `connections_max` needs it. */
bool process_raise_files(uint64_t connections_max, uint64_t threads,
                         char error[PROCESS_ERROR_BYTES]);

/* Leaves root for `user`; NULL is right for everybody but root. */
bool process_become(const char *user, char error[PROCESS_ERROR_BYTES]);

/* Goes into the background.  The parent waits for process_tell_ready() and
 * exits 0, or 1 if the child ends before. */
bool process_daemonise(struct process *process,
                       char error[PROCESS_ERROR_BYTES]);

/* Opens the file for the process id while this user still may.  What another
 * server wrote there stays until this one serves clients. */
bool process_open_pid(struct process *process, const char *path,
                      char error[PROCESS_ERROR_BYTES]);

/* True where systemd started this process and waits for word of it: it must
 * not go into the background. */
bool process_has_supervisor(void);

/* Clients are served: writes the process id, tells the parent of a daemon,
 * and systemd. */
void process_tell_ready(struct process *process);

/* Tells systemd of the end and removes a daemon's pid file. */
void process_end(struct process *process);

#endif
