/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "build.h"

#ifdef HAVE_LIBSYSTEMD
#include <systemd/sd-daemon.h>
#endif

/* Descriptors besides the clients': listeners, logs, links to other servers,
 * and of each thread a few, and those of clients that have hung up
 * (server/session/delivery.c). */
#define FILES_BASE (64 + 512)
#define FILES_PER_THREAD (4 + 16)

/* Memory besides the items': programs, buffers; stack and heap of a thread,
 * of which little is used, but all is counted as locked. */
#define LOCKED_BASE (UINT64_C(256) * 1024 * 1024)
#define LOCKED_PER_THREAD (UINT64_C(80) * 1024 * 1024)

static bool raise_files(const struct process_settings *settings, char *error)
{
    rlim_t wanted = settings->connections_max + FILES_BASE +
                    FILES_PER_THREAD * settings->threads;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return true;
    limit.rlim_cur = wanted;
    if (limit.rlim_max < wanted)
        limit.rlim_max = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return true;
    getrlimit(RLIMIT_NOFILE, &limit);
    snprintf(error, PROCESS_ERROR_BYTES,
             "option -c (--conn-limit): %llu clients need %llu open files, "
             "the limit here is %llu; lower -c or raise the limit (ulimit -n, "
             "LimitNOFILE=)",
             (unsigned long long)settings->connections_max,
             (unsigned long long)wanted, (unsigned long long)limit.rlim_max);
    return false;
}

static bool become(const char *user, char *error)
{
    if (geteuid() != 0)
        return true;
    if (user == NULL) {
        snprintf(error, PROCESS_ERROR_BYTES,
                 "started by root: name the user to run as with -u (--user), "
                 "for example -u nobody");
        return false;
    }
    errno = 0;
    struct passwd *entry = getpwnam(user);
    if (entry == NULL) {
        snprintf(error, PROCESS_ERROR_BYTES,
                 "option -u (--user): there is no user '%.64s'; create it or "
                 "name another",
                 user);
        return false;
    }
    if (entry->pw_uid == 0)
        return true;
    if (initgroups(user, entry->pw_gid) != 0 || setgid(entry->pw_gid) != 0 ||
        setuid(entry->pw_uid) != 0) {
        snprintf(error, PROCESS_ERROR_BYTES,
                 "option -u (--user): cannot become '%.64s': %s", user,
                 strerror(errno));
        return false;
    }
    return true;
}

/* The parent's part: its exit status tells whether the child serves. */
static void wait_for_child(int from_child)
{
    char ready = 0;

    while (read(from_child, &ready, 1) < 0 && errno == EINTR)
        ;
    _exit(ready == 'r' ? 0 : 1);
}

static bool daemonise(struct process *process, char *error)
{
    int pipe_ends[2];
    pid_t child = -1;

    if (pipe2(pipe_ends, O_CLOEXEC) == 0)
        child = fork();
    if (child < 0) {
        snprintf(error, PROCESS_ERROR_BYTES,
                 "option -d (--daemon): cannot go into the background: %s",
                 strerror(errno));
        return false;
    }
    if (child > 0) {
        close(pipe_ends[1]);
        wait_for_child(pipe_ends[0]);
    }
    close(pipe_ends[0]);
    setsid();
    process->is_daemon = true;
    process->parent = pipe_ends[1];
    return true;
}

/* A daemon moves to / later: names must lead to the same place from there. */
static char *absolute(const char *path)
{
    char directory[PATH_MAX];
    char *joined = NULL;

    if (path[0] == '/')
        return strdup(path);
    if (getcwd(directory, sizeof(directory)) == NULL ||
        asprintf(&joined, "%s/%s", directory, path) < 0)
        return NULL;
    return joined;
}

/* The id stands there before anything else is cut off: whoever reads the file
 * meanwhile finds a whole number in its first line. */
static void write_pid(struct process *process)
{
    char line[32];
    int length = snprintf(line, sizeof(line), "%ld\n", (long)getpid());
    bool is_written =
        pwrite(process->pid_file, line, (size_t)length, 0) == length &&
        ftruncate(process->pid_file, length) == 0;

    (void)is_written; /* the server serves all the same */
    process->has_pid = true;
}

/* Makes the file with the id in it; false where there is one, or where that
 * cannot be done in one step. */
static bool make_pid(struct process *process)
{
    char *draft = NULL;

    if (asprintf(&draft, "%s.%ld", process->pid_path, (long)getpid()) < 0)
        return false;
    process->pid_file =
        open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (process->pid_file >= 0) {
        write_pid(process);
        process->has_pid = link(draft, process->pid_path) == 0;
        unlink(draft);
        if (!process->has_pid) {
            close(process->pid_file);
            process->pid_file = -1;
        }
    }
    free(draft);
    return process->has_pid;
}

static bool open_pid(struct process *process, const char *path, char *error)
{
    if (path == NULL)
        return true;
    process->pid_path = absolute(path);
    if (process->pid_path != NULL && !make_pid(process))
        process->pid_file =
            open(process->pid_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (process->pid_file < 0)
        snprintf(error, PROCESS_ERROR_BYTES,
                 "option -P (--pidfile): cannot write '%.200s': %s; give a "
                 "file that this user may write",
                 path, strerror(errno));
    return process->pid_file >= 0;
}

/* True where systemd waits for word of this process: it must not go into the
 * background. */
static bool has_supervisor(void)
{
    return getenv("NOTIFY_SOCKET") != NULL;
}

/* As far as the limit may be raised; a core of no size is none. */
static bool allow_core_dumps(char *error)
{
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY,
                           .rlim_max = RLIM_INFINITY};

    if (setrlimit(RLIMIT_CORE, &limit) != 0 &&
        getrlimit(RLIMIT_CORE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_CORE, &limit);
    }
    /* Who was root and is another user now is left without core files. */
    if (getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur > 0 &&
        prctl(PR_SET_DUMPABLE, 1) == 0)
        return true;
    snprintf(error, PROCESS_ERROR_BYTES,
             "option -r (--enable-coredumps): the limit of core files here is "
             "0; raise it (ulimit -c, LimitCORE=) or remove -r");
    return false;
}

/* Root may raise the limit, and who it becomes keeps that. */
static void raise_locked_memory(void)
{
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY,
                           .rlim_max = RLIM_INFINITY};

    if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 &&
        getrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_MEMLOCK, &limit);
    }
}

/* What is taken later is locked when it is first used, so that a large -m
 * does not have to be filled at the start. */
static bool lock_memory(const struct process_settings *settings, char *error)
{
    uint64_t wanted = settings->memory_bytes + LOCKED_BASE +
                      LOCKED_PER_THREAD * settings->threads;
    struct rlimit limit;
    const char *reason = "more is needed than the limit allows";

    /* Nobody limits what root locks. */
    if (geteuid() == 0 ||
        (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur >= wanted)) {
        if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0)
            return true;
        reason = strerror(errno);
    }
    snprintf(error, PROCESS_ERROR_BYTES,
             "option -k (--lock-memory): %llu MB cannot be locked: %s; raise "
             "the limit (ulimit -l, LimitMEMLOCK=) or remove -k",
             (unsigned long long)(wanted >> 20), reason);
    return false;
}

bool process_start(struct process *process,
                   const struct process_settings *settings,
                   char error[PROCESS_ERROR_BYTES])
{
    process->pid_file = -1;
    if (settings->locks_memory)
        raise_locked_memory();
    if (!raise_files(settings, error))
        return false;
    if (settings->is_daemon && !has_supervisor() && !daemonise(process, error))
        return false;
    return open_pid(process, settings->pid_file, error) &&
           become(settings->user, error) &&
           (!settings->core_dumps || allow_core_dumps(error)) &&
           (!settings->locks_memory || lock_memory(settings, error));
}

static void tell_systemd(const char *state)
{
#ifdef HAVE_LIBSYSTEMD
    sd_notify(0, state);
#else
    (void)state;
#endif
}

static void leave_terminal(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (chdir("/") != 0 || null < 0)
        return;
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    close(null);
}

void process_tell_ready(struct process *process)
{
    process->is_ready = true;
    if (process->pid_file >= 0) {
        write_pid(process);
        close(process->pid_file);
        process->pid_file = -1;
    }
    tell_systemd("READY=1");
    if (!process->is_daemon)
        return;
    leave_terminal();
    ssize_t written = write(process->parent, "r", 1);
    (void)written; /* whoever started us may be gone already */
    close(process->parent);
    process->parent = -1;
}

void process_end(struct process *process)
{
    tell_systemd("STOPPING=1");
    /* Of a start that failed the file is another server's, or was made for
     * nothing. */
    if (process->has_pid && (process->is_daemon || !process->is_ready))
        unlink(process->pid_path);
    free(process->pid_path);
    process->pid_path = NULL;
}
