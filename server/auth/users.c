/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/auth/users.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* A word of the file in room of one size, so that a comparison looks at all
 * of it whatever it holds. */
struct word {
    size_t length;
    uint8_t bytes[USERS_LINE_BYTES_MAX];
};

struct user {
    struct word name;
    struct word password;
};

struct table {
    size_t count;
    struct user users[USERS_MAX];
};

struct users {
    const char *path;
    pthread_mutex_t lock; /* of the table; held for microseconds */
    struct table table;
};

/* The compiler must not find a way out of a comparison before its end. */
static uint8_t read_once(const uint8_t *at)
{
    return *(const volatile uint8_t *)at;
}

static struct word word_of(struct span text)
{
    struct word word = {.length = text.length};
    size_t bytes =
        text.length < sizeof(word.bytes) ? text.length : sizeof(word.bytes);

    span_copy(word.bytes, span_of(text.data, bytes));
    return word;
}

/* 0 where they are the same. */
static size_t difference(const struct word *a, const struct word *b)
{
    size_t found = a->length ^ b->length;

    for (size_t i = 0; i < USERS_LINE_BYTES_MAX; i++)
        found |= (size_t)(read_once(&a->bytes[i]) ^ read_once(&b->bytes[i]));
    return found;
}

/* 1 for 0, else 0, without a branch. */
static size_t is_none(size_t found)
{
    return 1 & ((~found & (found - 1)) >> (8 * sizeof(found) - 1));
}

bool users_check(struct users *users, struct span user, struct span password)
{
    struct word name = word_of(user);
    struct word secret = word_of(password);
    size_t matches = 0;

    pthread_mutex_lock(&users->lock);
    /* All rows, those without a user as well: an empty name is none. */
    for (size_t i = 0; i < USERS_MAX; i++) {
        const struct user *one = &users->table.users[i];
        matches |= is_none(difference(&one->name, &name) |
                           difference(&one->password, &secret));
    }
    pthread_mutex_unlock(&users->lock);
    explicit_bzero(&secret, sizeof(secret));
    return (matches & (user.length > 0)) != 0;
}

/* ---- the file ---- */

static bool bad_line(const char *path, unsigned line, const char *why,
                     char *error)
{
    snprintf(error, USERS_ERROR_BYTES,
             "option -Y (--auth-file): '%.200s' line %u %s", path, line, why);
    return false;
}

/* `text` is a line with its end, if it has one. */
static bool take_line(struct table *table, const char *path, unsigned line,
                      struct span text, char *error)
{
    if (text.length > 0 && text.data[text.length - 1] == '\n')
        text.length--;
    if (text.length > 0 && text.data[text.length - 1] == '\r')
        text.length--;
    if (text.length > USERS_LINE_BYTES_MAX)
        return bad_line(path, line, "is longer than 256 bytes; shorten it",
                        error);
    if (memchr(text.data, '\0', text.length) != NULL)
        return bad_line(path, line, "holds a zero byte; remove it", error);
    const uint8_t *colon = memchr(text.data, ':', text.length);
    if (colon == NULL || colon == text.data ||
        colon + 1 == text.data + text.length)
        return bad_line(path, line, "is malformed; write USER:PASSWORD", error);
    if (memchr(text.data, ' ', (size_t)(colon - text.data)) != NULL)
        return bad_line(path, line,
                        "has a blank in its user, which no client can send; "
                        "remove it",
                        error);
    if (table->count == USERS_MAX)
        return bad_line(path, line, "is the ninth user; keep 8 of them", error);
    struct user *user = &table->users[table->count++];
    size_t name_bytes = (size_t)(colon - text.data);
    user->name = word_of(span_of(text.data, name_bytes));
    user->password = word_of(span_of(colon + 1, text.length - name_bytes - 1));
    return true;
}

static bool read_lines(struct table *table, const char *path, FILE *file,
                       char *error)
{
    /* One byte more than the longest line and its end may be. */
    char text[USERS_LINE_BYTES_MAX + 3];
    unsigned line = 0;
    bool is_sound = true;

    while (is_sound) {
        size_t length = 0;
        int byte = EOF;
        while (length < sizeof(text) && (byte = getc(file)) != EOF) {
            text[length++] = (char)byte;
            if (byte == '\n')
                break;
        }
        if (length == 0)
            break;
        is_sound = take_line(table, path, ++line, span_of(text, length), error);
    }
    explicit_bzero(text, sizeof(text));
    return is_sound;
}

static bool read_file(struct table *table, const char *path, char *error)
{
    FILE *file = fopen(path, "re");

    if (file == NULL) {
        snprintf(error, USERS_ERROR_BYTES,
                 "option -Y (--auth-file): cannot read '%.200s': %s; give a "
                 "file that this user can read",
                 path, strerror(errno));
        return false;
    }
    bool is_read = read_lines(table, path, file, error);
    if (is_read && ferror(file)) {
        snprintf(error, USERS_ERROR_BYTES,
                 "option -Y (--auth-file): cannot read '%.200s'; give a file "
                 "with lines USER:PASSWORD",
                 path);
        is_read = false;
    }
    fclose(file);
    if (is_read && table->count == 0) {
        snprintf(error, USERS_ERROR_BYTES,
                 "option -Y (--auth-file): '%.200s' names nobody; write a line "
                 "USER:PASSWORD",
                 path);
        is_read = false;
    }
    return is_read;
}

bool users_reload(struct users *users, char error[USERS_ERROR_BYTES])
{
    struct table table = {.count = 0};
    bool is_read = read_file(&table, users->path, error);

    if (is_read) {
        pthread_mutex_lock(&users->lock);
        users->table = table;
        pthread_mutex_unlock(&users->lock);
    }
    explicit_bzero(&table, sizeof(table));
    return is_read;
}

struct users *users_create(const char *path, char error[USERS_ERROR_BYTES])
{
    struct users *users = calloc(1, sizeof(*users));

    if (users == NULL) {
        snprintf(error, USERS_ERROR_BYTES,
                 "option -Y (--auth-file): no memory");
        return NULL;
    }
    users->path = path;
    pthread_mutex_init(&users->lock, NULL);
    if (users_reload(users, error))
        return users;
    users_destroy(users);
    return NULL;
}

void users_destroy(struct users *users)
{
    if (users == NULL)
        return;
    pthread_mutex_destroy(&users->lock);
    explicit_bzero(&users->table, sizeof(users->table));
    free(users);
}
