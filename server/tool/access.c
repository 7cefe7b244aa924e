/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/tool/access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes the first line of `text`. */
static bool keep(struct access *access, const char *text, const char *source,
                 char *error)
{
    size_t length = strcspn(text, "\r\n");

    if (length > 0 && length <= ACCESS_PASSWORD_BYTES_MAX) {
        memcpy(access->password, text, length);
        access->password[length] = '\0';
        return true;
    }
    snprintf(error, ACCESS_ERROR_BYTES,
             "no password of 1 to %d bytes in the first line of %.128s",
             ACCESS_PASSWORD_BYTES_MAX, source);
    return false;
}

static bool read_file(struct access *access, const char *path, char *error)
{
    char text[ACCESS_PASSWORD_BYTES_MAX + 3] = "";
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        snprintf(error, ACCESS_ERROR_BYTES, "cannot read '%.128s': %s", path,
                 strerror(errno));
        return false;
    }
    bool is_kept = fgets(text, sizeof(text), file) != NULL;
    fclose(file);
    is_kept = keep(access, is_kept ? text : "", path, error);
    explicit_bzero(text, sizeof(text));
    return is_kept;
}

bool access_find_password(struct access *access, const char *path,
                          char error[ACCESS_ERROR_BYTES])
{
    if (strlen(access->user) > ACCESS_USER_BYTES_MAX ||
        access->user[0] == '\0' || strpbrk(access->user, " \r\n") != NULL) {
        snprintf(error, ACCESS_ERROR_BYTES,
                 "--user wants a name of 1 to %d bytes without blanks",
                 ACCESS_USER_BYTES_MAX);
        return false;
    }
    if (path != NULL)
        return read_file(access, path, error);
    const char *text = getenv(ACCESS_PASSWORD_VARIABLE);
    if (text != NULL)
        return keep(access, text, ACCESS_PASSWORD_VARIABLE, error);
    snprintf(error, ACCESS_ERROR_BYTES,
             "--user needs a password: give --password-file, or set "
             "%s in the environment",
             ACCESS_PASSWORD_VARIABLE);
    return false;
}
