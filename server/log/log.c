/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/log/log.h"

#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 1024
/* Behind them, for what is told of lines that were not shown. */
#define COUNT_BYTES 64

enum target { TARGET_STDERR, TARGET_JOURNAL, TARGET_SYSLOG };

struct rate {
    time_t window; /* when it began */
    unsigned lines;
    unsigned suppressed;
};

struct log {
    pthread_mutex_t lock;
    enum target target;
    _Atomic unsigned verbosity;
    struct rate rates[EVENT_KINDS];
};

static const struct {
    const char *word;
    int priority; /* syslog's and journald's */
} severities[] = {
    [SEVERITY_ERROR] = {"error", LOG_ERR},
    [SEVERITY_WARNING] = {"warning", LOG_WARNING},
    [SEVERITY_NOTICE] = {"notice", LOG_NOTICE},
    [SEVERITY_INFO] = {"info", LOG_INFO},
    [SEVERITY_DEBUG] = {"debug", LOG_DEBUG},
};

/* journald tells in JOURNAL_STREAM which stream it reads (systemd.exec(5)),
 * as device and inode. */
static bool is_read_by_journald(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device;
    unsigned long long inode;
    struct stat status;

    return stream != NULL &&
           sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
           status.st_ino == inode;
}

struct log *log_create(void)
{
    struct log *log = calloc(1, sizeof(*log));

    if (log == NULL)
        return NULL;
    pthread_mutex_init(&log->lock, NULL);
    log->target = is_read_by_journald() ? TARGET_JOURNAL : TARGET_STDERR;
    return log;
}

void log_destroy(struct log *log)
{
    if (log == NULL)
        return;
    pthread_mutex_destroy(&log->lock);
    free(log);
}

void log_use_syslog(struct log *log)
{
    openlog("grapevined", LOG_PID, LOG_DAEMON);
    log->target = TARGET_SYSLOG;
}

void log_set_verbosity(struct log *log, unsigned verbosity)
{
    atomic_store(&log->verbosity, verbosity);
}

unsigned log_verbosity(const struct log *log)
{
    return atomic_load(&log->verbosity);
}

/* Takes one line's share of the rate; tells how many had none before. */
static bool take_share(struct rate *rate, unsigned *suppressed)
{
    time_t now = time(NULL);

    if (now - rate->window >= LOG_WINDOW_S || now < rate->window)
        *rate = (struct rate){.window = now, .suppressed = rate->suppressed};
    if (rate->lines == LOG_LINES_MAX) {
        rate->suppressed++;
        return false;
    }
    rate->lines++;
    *suppressed = rate->suppressed;
    rate->suppressed = 0;
    return true;
}

static void write_line(const struct log *log, enum log_severity severity,
                       const char *text)
{
    char line[LINE_BYTES + COUNT_BYTES + 64];
    char clock[32];
    struct tm utc;
    time_t now = time(NULL);
    int length;

    if (log->target == TARGET_SYSLOG) {
        syslog(severities[severity].priority, "%s", text);
        return;
    }
    if (log->target == TARGET_JOURNAL) {
        length = snprintf(line, sizeof(line), "<%d>%s\n",
                          severities[severity].priority, text);
    } else {
        gmtime_r(&now, &utc);
        strftime(clock, sizeof(clock), "%Y-%m-%dT%H:%M:%SZ", &utc);
        length = snprintf(line, sizeof(line), "%s %s %s\n", clock,
                          severities[severity].word, text);
    }
    /* One write, so that lines of threads do not mix; where nobody reads,
     * the line is lost rather than the server stopped. */
    struct pollfd reader = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (length > 0 && poll(&reader, 1, 0) == 1 &&
        (reader.revents & POLLOUT) != 0 &&
        write(STDERR_FILENO, line, (size_t)length) < 0)
        return;
}

/* Whatever a client sent stays on its line and harmless to a terminal. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || (unsigned char)*text == 127)
            *text = '?';
    }
}

void log_event(struct log *log, enum log_kind kind, enum log_severity severity,
               const char *format, ...)
{
    char text[LINE_BYTES + COUNT_BYTES];
    unsigned suppressed = 0;
    va_list arguments;

    if (severity > SEVERITY_NOTICE + log_verbosity(log))
        return;
    va_start(arguments, format);
    vsnprintf(text, LINE_BYTES, format, arguments);
    va_end(arguments);
    make_printable(text);

    pthread_mutex_lock(&log->lock);
    if (take_share(&log->rates[kind], &suppressed)) {
        size_t length = strlen(text);
        if (suppressed > 0)
            snprintf(text + length, sizeof(text) - length,
                     " (and %u like it not shown)", suppressed);
        write_line(log, severity, text);
    }
    pthread_mutex_unlock(&log->lock);
}
