/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/ports.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool write_lines(FILE *file, const struct listener *doors)
{
    for (; doors != NULL; doors = listener_next(doors)) {
        int family;
        unsigned port;
        if (listener_port(doors, &family, &port))
            fprintf(file, "TCP %s: %u\n", family == AF_INET6 ? "INET6" : "INET",
                    port);
    }
    return ferror(file) == 0;
}

/* It is written under another name, as memcached has it. */
static bool write_file(const struct listener *doors, const char *path)
{
    char lock_path[PATH_MAX];
    int length = snprintf(lock_path, sizeof(lock_path), "%s.lck", path);

    if (length < 0 || (size_t)length >= sizeof(lock_path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    FILE *file = fopen(lock_path, "we");
    if (file == NULL)
        return false;
    bool is_written = write_lines(file, doors);
    is_written = fclose(file) == 0 && is_written;
    if (is_written && rename(lock_path, path) == 0)
        return true;
    int reason = errno;
    unlink(lock_path);
    errno = reason;
    return false;
}

bool ports_write(const struct listener *doors, const char *path,
                 char error[PORTS_ERROR_BYTES])
{
    if (write_file(doors, path))
        return true;
    snprintf(error, PORTS_ERROR_BYTES,
             "MEMCACHED_PORT_FILENAME: cannot write '%.200s.lck': %s; name a "
             "file that this user may write",
             path, strerror(errno));
    return false;
}

unsigned ports_first(const struct listener *doors)
{
    int family;
    unsigned port;

    for (; doors != NULL; doors = listener_next(doors)) {
        if (listener_port(doors, &family, &port))
            return port;
    }
    return 0;
}
