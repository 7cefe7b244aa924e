/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/tool/keygen.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KEY_BYTES 32
/* In hexadecimal, with the line's end. */
#define LINE_BYTES (2 * KEY_BYTES + 1)

static bool make_line(char line[LINE_BYTES + 1])
{
    uint8_t key[KEY_BYTES];
    bool is_made = RAND_priv_bytes(key, sizeof(key)) == 1;

    for (size_t i = 0; i < sizeof(key); i++)
        snprintf(line + 2 * i, 3, "%02x", key[i]);
    memcpy(line + LINE_BYTES - 1, "\n", 2);
    OPENSSL_cleanse(key, sizeof(key));
    return is_made;
}

static bool is_written(int fd, const char *line)
{
    ssize_t bytes = write(fd, line, LINE_BYTES);

    /* A line this short is written at once, or there is no room for it. */
    if (bytes >= 0 && bytes != LINE_BYTES)
        errno = ENOSPC;
    return bytes == LINE_BYTES;
}

/* False with the reason in errno; then there is no such file. */
static bool is_made(const char *file, const char *line)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return false;
    bool is_kept = is_written(fd, line) && fsync(fd) == 0;
    int reason = errno;
    close(fd);
    if (!is_kept)
        unlink(file);
    errno = reason;
    return is_kept;
}

static bool write_file(const char *file, const char *line, char *error)
{
    if (is_made(file, line))
        return true;
    if (errno == EEXIST)
        snprintf(error, KEYGEN_ERROR_BYTES,
                 "'%.300s' is there already; to add a key to it: grapevine "
                 "keygen >>FILE",
                 file);
    else
        snprintf(error, KEYGEN_ERROR_BYTES, "cannot write '%.300s': %s", file,
                 strerror(errno));
    return false;
}

bool keygen(const char *file, char error[KEYGEN_ERROR_BYTES])
{
    char line[LINE_BYTES + 1];
    bool is_done = make_line(line);

    if (!is_done) {
        snprintf(error, KEYGEN_ERROR_BYTES,
                 "the system has no random numbers at present");
    } else if (file != NULL) {
        is_done = write_file(file, line, error);
    } else if (!is_written(STDOUT_FILENO, line)) {
        is_done = false;
        snprintf(error, KEYGEN_ERROR_BYTES, "cannot write it: %s",
                 strerror(errno));
    }
    OPENSSL_cleanse(line, sizeof(line));
    return is_done;
}
