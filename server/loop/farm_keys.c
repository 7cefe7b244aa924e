/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/loop/farm_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX ((size_t)16 * 1024)
/* What else than a key goes into the digest that a name is cut from. */
#define NAME_PURPOSE "grapevine farm key name"

static bool fail(char *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool fail(char *error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, TLS_ERROR_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- the file ---- */

static bool is_closed_to_others(int fd, const char *file, char *error)
{
    struct stat status;

    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return fail(error,
                    "option --farm-key-file: '%.200s' is no file; give one "
                    "that 'grapevine keygen FILE' made",
                    file);
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return fail(error,
                    "option --farm-key-file: others than its owner have access "
                    "to '%.200s'; chmod 600 it, and have a new key made if "
                    "anybody may have read it",
                    file);
    return true;
}

/* The whole file; its length, or -1. */
static ssize_t read_whole(int fd, char *to, size_t bytes_max)
{
    size_t used_bytes = 0;

    while (used_bytes < bytes_max) {
        ssize_t got = read(fd, to + used_bytes, bytes_max - used_bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -1 : (ssize_t)used_bytes;
        used_bytes += (size_t)got;
    }
    errno = EFBIG;
    return -1;
}

static ssize_t load(const char *file, char *to, size_t bytes_max, char *error)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t bytes = -1;

    if (fd >= 0 && !is_closed_to_others(fd, file, error)) {
        close(fd);
        return -1;
    }
    if (fd >= 0)
        bytes = read_whole(fd, to, bytes_max);
    if (bytes < 0)
        fail(error,
             "option --farm-key-file: cannot read '%.200s': %s; give a file "
             "that this user can read, as 'grapevine keygen FILE' makes it",
             file, strerror(errno));
    if (fd >= 0)
        close(fd);
    return bytes;
}

/* ---- what is in it ---- */

static int digit_of(char letter)
{
    if (letter >= '0' && letter <= '9')
        return letter - '0';
    letter = (char)(letter | 0x20);
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

static bool read_key(const char *text, size_t length,
                     uint8_t key[FARM_KEY_BYTES])
{
    if (length != 2 * FARM_KEY_BYTES)
        return false;
    for (size_t i = 0; i < FARM_KEY_BYTES; i++) {
        int high = digit_of(text[2 * i]);
        int low = digit_of(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        key[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool name_key(struct farm_key *key)
{
    uint8_t input[sizeof(NAME_PURPOSE) + FARM_KEY_BYTES] = NAME_PURPOSE;
    uint8_t digest[EVP_MAX_MD_SIZE];

    memcpy(input + sizeof(NAME_PURPOSE), key->bytes, FARM_KEY_BYTES);
    int is_done =
        EVP_Digest(input, sizeof(input), digest, NULL, EVP_sha256(), NULL);
    OPENSSL_cleanse(input, sizeof(input));
    if (is_done != 1)
        return false;
    for (size_t i = 0; i < FARM_KEY_NAME_BYTES / 2; i++)
        snprintf(key->name + 2 * i, 3, "%02x", digest[i]);
    return true;
}

static bool is_known(const struct farm_keys *keys, const struct farm_key *key)
{
    return farm_keys_find(keys, (const uint8_t *)key->name,
                          strlen(key->name)) != NULL;
}

static bool add_line(struct farm_keys *keys, const char *line, size_t length,
                     unsigned number, const char *file, char *error)
{
    struct farm_key key = {.name = ""};
    const char *comment = memchr(line, '#', length);

    if (comment != NULL)
        length = (size_t)(comment - line);
    while (length > 0 && strchr(" \t\r", line[length - 1]) != NULL)
        length--;
    while (length > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        length--;
    }
    if (length == 0)
        return true;
    if (!read_key(line, length, key.bytes) || !name_key(&key)) {
        OPENSSL_cleanse(&key, sizeof(key));
        return fail(error,
                    "option --farm-key-file: line %u of '%.200s' is no key; "
                    "give %d hexadecimal digits, as 'grapevine keygen' prints "
                    "them",
                    number, file, 2 * FARM_KEY_BYTES);
    }
    bool is_new = !is_known(keys, &key);
    bool has_room = !is_new || keys->count < FARM_KEYS_MAX;
    if (is_new && has_room)
        keys->list[keys->count++] = key;
    OPENSSL_cleanse(&key, sizeof(key));
    return has_room || fail(error,
                            "option --farm-key-file: '%.200s' has more than %d "
                            "keys; remove the old ones",
                            file, FARM_KEYS_MAX);
}

static bool take_lines(struct farm_keys *keys, const char *text, size_t bytes,
                       const char *file, char *error)
{
    const char *end = text + bytes;

    for (unsigned number = 1; text < end; number++) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        if (line_end == NULL)
            line_end = end;
        if (!add_line(keys, text, (size_t)(line_end - text), number, file,
                      error))
            return false;
        text = line_end + 1;
    }
    return keys->count > 0 ||
           fail(error,
                "option --farm-key-file: there is no key in '%.200s'; have one "
                "made by 'grapevine keygen FILE'",
                file);
}

struct farm_keys *farm_keys_read(const char *file, char error[TLS_ERROR_BYTES])
{
    struct farm_keys *keys = calloc(1, sizeof(*keys));
    char *text = malloc(FILE_BYTES_MAX);
    bool is_read = false;

    if (keys == NULL || text == NULL) {
        fail(error, "memory is out");
    } else {
        ssize_t bytes = load(file, text, FILE_BYTES_MAX, error);
        is_read =
            bytes >= 0 && take_lines(keys, text, (size_t)bytes, file, error);
        OPENSSL_cleanse(text, FILE_BYTES_MAX);
    }
    free(text);
    if (is_read)
        return keys;
    farm_keys_destroy(keys);
    return NULL;
}

void farm_keys_destroy(struct farm_keys *keys)
{
    if (keys == NULL)
        return;
    OPENSSL_cleanse(keys, sizeof(*keys));
    free(keys);
}

const struct farm_key *farm_keys_find(const struct farm_keys *keys,
                                      const uint8_t *name, size_t bytes)
{
    for (size_t i = 0; i < keys->count; i++) {
        const struct farm_key *key = &keys->list[i];
        if (strlen(key->name) == bytes && memcmp(key->name, name, bytes) == 0)
            return key;
    }
    return NULL;
}
