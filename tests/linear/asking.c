/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/linear/asking.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define REQUEST_BYTES_MAX 512
#define VIVID_S 300 /* longer than any test */

uint64_t ask_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int format_stored(char *to, const char *key, bool is_meta,
                         const struct linear_operation *operation)
{
    static const struct {
        const char *word;
        const char *mode;
    } WORDS[] = {[LINEAR_SET] = {"set", ""},
                 [LINEAR_ADD] = {"add", " ME"},
                 [LINEAR_REPLACE] = {"replace", " MR"},
                 [LINEAR_APPEND] = {"append", " MA"},
                 [LINEAR_CAS] = {"cas", ""}};
    char value[24];
    char token[32] = "";
    int length = snprintf(value, sizeof(value), "%" PRIu64, operation->number);

    if (operation->kind == LINEAR_CAS)
        snprintf(token, sizeof(token), is_meta ? " C%" PRIu64 : " %" PRIu64,
                 operation->expected);
    if (is_meta)
        return snprintf(to, REQUEST_BYTES_MAX, "ms %s %d c%s%s\r\n%s\r\n", key,
                        length, WORDS[operation->kind].mode, token, value);
    return snprintf(to, REQUEST_BYTES_MAX, "%s %s 0 0 %d%s\r\n%s\r\n",
                    WORDS[operation->kind].word, key, length, token, value);
}

static int format(char *to, const char *key, bool is_meta,
                  const struct linear_operation *operation)
{
    bool is_incr = operation->kind == LINEAR_INCR;

    switch (operation->kind) {
    case LINEAR_INCR:
    case LINEAR_DECR:
        if (is_meta)
            return snprintf(to, REQUEST_BYTES_MAX,
                            "ma %s c v D%" PRIu64 "%s\r\n", key,
                            operation->number, is_incr ? "" : " MD");
        return snprintf(to, REQUEST_BYTES_MAX, "%s %s %" PRIu64 "\r\n",
                        is_incr ? "incr" : "decr", key, operation->number);
    case LINEAR_DELETE:
        return snprintf(to, REQUEST_BYTES_MAX, "%s %s\r\n",
                        is_meta ? "md" : "delete", key);
    case LINEAR_DELETE_IF:
        return snprintf(to, REQUEST_BYTES_MAX, "md %s C%" PRIu64 "\r\n", key,
                        operation->expected);
    case LINEAR_VIVIFY:
        return snprintf(to, REQUEST_BYTES_MAX, "mg %s c v N%d\r\n", key,
                        VIVID_S);
    case LINEAR_GET:
    case LINEAR_READ:
        return snprintf(to, REQUEST_BYTES_MAX,
                        is_meta ? "mg %s c v\r\n" : "gets %s\r\n", key);
    default:
        return format_stored(to, key, is_meta, operation);
    }
}

/* The digits; more of them than 64 bits hold lose what is above, as in the
 * model.  memcached leaves blanks behind a number that became shorter. */
static void take_value(const char *text, struct linear_operation *operation)
{
    operation->has_told = true;
    operation->told = *text == '\0' ? LINEAR_EMPTY : 0;
    for (; *text >= '0' && *text <= '9'; text++)
        operation->told = operation->told * 10 + (uint64_t)(*text - '0');
}

/* The flags behind HD or VA; true: it won. */
static bool take_flags(const char *text, struct linear_operation *operation)
{
    const char *token = strstr(text, " c");

    if (token != NULL)
        operation->told_token = strtoull(token + 2, NULL, 10);
    return strstr(text, " W") != NULL;
}

static bool begins(const char *line, const char *word)
{
    size_t length = strlen(word);

    return strncmp(line, word, length) == 0 &&
           (line[length] == ' ' || line[length] == '\0');
}

static bool is_one_of(const char *line, const char *const *words)
{
    for (; *words != NULL; words++)
        if (begins(line, *words))
            return true;
    return false;
}

/* A value follows; false where it does not. */
static bool take_item(struct wire *wire, const char *head,
                      enum linear_kind read_kind,
                      struct linear_operation *operation)
{
    bool is_classic = begins(head, "VALUE");
    bool is_win = false;

    operation->outcome = LINEAR_YES;
    if (is_classic) /* VALUE key flags bytes token */
        operation->told_token = strtoull(strrchr(head, ' ') + 1, NULL, 10);
    else
        is_win = take_flags(head, operation);
    const char *value = wire_line(wire);
    if (value == NULL)
        return false;
    take_value(value, operation);
    if (operation->kind == LINEAR_VIVIFY && !is_win)
        operation->kind = read_kind;
    return !is_classic || wire_line(wire) != NULL; /* END */
}

static bool take_answer(struct wire *wire, enum linear_kind read_kind,
                        struct linear_operation *operation)
{
    static const char *const YES[] = {"STORED", "HD", "DELETED", NULL};
    static const char *const NO[] = {"NOT_STORED", "NS",  "NOT_FOUND", "NF",
                                     "EN",         "END", NULL};
    static const char *const OTHER[] = {"EXISTS", "EX", "CLIENT_ERROR", NULL};
    static const char *const ITEM[] = {"VA", "VALUE", NULL};
    const char *line = wire_line(wire);

    if (line == NULL)
        return false;
    if (is_one_of(line, ITEM))
        return take_item(wire, line, read_kind, operation);
    if (*line >= '0' && *line <= '9') {
        operation->outcome = LINEAR_YES;
        take_value(line, operation);
    } else if (is_one_of(line, YES)) {
        operation->outcome = LINEAR_YES;
        take_flags(line, operation);
    } else if (is_one_of(line, NO)) {
        operation->outcome = LINEAR_NO;
    } else if (is_one_of(line, OTHER)) {
        operation->outcome = LINEAR_OTHER;
    } else if (begins(line, "SERVER_ERROR")) {
        operation->outcome = strstr(line, "outcome unknown") != NULL
                                 ? LINEAR_UNKNOWN
                                 : LINEAR_NOTHING;
    } else {
        fprintf(stderr, "an answer that nobody knows: %s\n", line);
        exit(3);
    }
    return true;
}

bool ask(struct wire *wire, const char *key, bool is_meta,
         enum linear_kind read_kind, struct linear_operation *operation)
{
    char request[REQUEST_BYTES_MAX];
    int length = format(request, key, is_meta, operation);

    assert(length > 0 && (size_t)length < sizeof(request));
    operation->has_told = false;
    operation->told_token = 0;
    operation->outcome = LINEAR_UNKNOWN;
    operation->start = ask_now_ns();
    bool is_good = wire_send(wire, request, (size_t)length) &&
                   take_answer(wire, read_kind, operation);
    operation->end = ask_now_ns();
    if (!is_good) {
        operation->outcome = LINEAR_UNKNOWN;
        operation->has_told = false;
        operation->told_token = 0;
    }
    return is_good;
}
