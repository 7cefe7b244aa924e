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
    /* A line this short is written at once, or there is no room for it. */
    return write(fd, line, LINE_BYTES) == LINE_BYTES;
}

static bool write_file(const char *file, const char *line, char *error)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd >= 0 && is_written(fd, line) && close(fd) == 0)
        return true;
    int reason = errno;
    if (fd >= 0) {
        close(fd);
        unlink(file);
    }
    snprintf(error, KEYGEN_ERROR_BYTES,
             reason == EEXIST
                 ? "'%.300s' is there already; to add a key to it: grapevine "
                   "keygen >>FILE"
                 : "cannot write '%.300s': %s",
             file, strerror(reason));
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
