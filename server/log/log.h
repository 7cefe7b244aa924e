/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Log: one line per event, to stderr (in journald's form where that is what
 * reads it) or to syslog.
 *
 * Each kind of event has a bounded rate; what exceeds it is counted, and the
 * count told with the next line of that kind that is let through.
 *
 * Threads: any.
 */
#ifndef SERVER_LOG_LOG_H
#define SERVER_LOG_LOG_H

#include <stdbool.h>

enum log_severity {
    SEVERITY_ERROR,
    SEVERITY_WARNING,
    SEVERITY_NOTICE,
    SEVERITY_INFO, /* with -v */
    SEVERITY_DEBUG /* with -vv */
};

enum log_kind {
    EVENT_SERVER,     /* start, stop, settings */
    EVENT_CONNECTION, /* clients come and go */
    EVENT_REFUSAL,    /* clients turned away */
    EVENT_MEMORY,     /* evictions, memory that cannot be had */
    EVENT_FARM,       /* other servers come and go */
    EVENT_STRANGER,   /* who comes to the farm's door and is none of it */
    EVENT_KINDS
};

/* Lines of one kind let through in LOG_WINDOW_S seconds. */
#define LOG_LINES_MAX 20
#define LOG_WINDOW_S 10

struct log;

/* Starts with stderr.  NULL if memory is out. */
struct log *log_create(void);
void log_destroy(struct log *log);

/* Sends what follows to syslog: stderr is about to be closed. */
void log_use_syslog(struct log *log);

/* 0: up to notice; 1: info; 2 and more: debug. */
void log_set_verbosity(struct log *log, unsigned verbosity);
unsigned log_verbosity(const struct log *log);

void log_event(struct log *log, enum log_kind kind, enum log_severity severity,
               const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
