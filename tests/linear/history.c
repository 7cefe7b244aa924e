/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/linear/history.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const KINDS[LINEAR_KINDS_COUNT] = {
    [LINEAR_SET] = "set",
    [LINEAR_ADD] = "add",
    [LINEAR_REPLACE] = "replace",
    [LINEAR_APPEND] = "append",
    [LINEAR_CAS] = "cas",
    [LINEAR_INCR] = "incr",
    [LINEAR_DECR] = "decr",
    [LINEAR_DELETE] = "delete",
    [LINEAR_DELETE_IF] = "delete_if",
    [LINEAR_RELEASE] = "release",
    [LINEAR_VIVIFY] = "vivify",
    [LINEAR_GET] = "get",
    [LINEAR_READ] = "read"};
static const char *const OUTCOMES[] = {[LINEAR_YES] = "yes",
                                       [LINEAR_NO] = "no",
                                       [LINEAR_OTHER] = "other",
                                       [LINEAR_NOTHING] = "nothing",
                                       [LINEAR_UNKNOWN] = "unknown"};

void history_write(FILE *file, const char *key,
                   const struct linear_operation *operation)
{
    fprintf(file, "%s %" PRIu32 " %" PRIu32 " %" PRIu64 " ", key,
            operation->client, operation->through, operation->start);
    if (operation->outcome == LINEAR_UNKNOWN)
        fputs("- ", file);
    else
        fprintf(file, "%" PRIu64 " ", operation->end);
    fprintf(file, "%s %s %" PRIu64 " %" PRIu64 " ", KINDS[operation->kind],
            OUTCOMES[operation->outcome], operation->number,
            operation->expected);
    if (!operation->has_told)
        fputs("- ", file);
    else if (operation->told == LINEAR_EMPTY)
        fputs("empty ", file);
    else
        fprintf(file, "%" PRIu64 " ", operation->told);
    fprintf(file, "%" PRIu64 "\n", operation->told_token);
}

static bool take(const char *word, uint64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoull(word, &end, 10);
    return errno == 0 && end != word && *end == '\0' && *word != '-';
}

static bool take_short(const char *word, uint32_t *number)
{
    uint64_t wide;

    if (!take(word, &wide) || wide > UINT32_MAX)
        return false;
    *number = (uint32_t)wide;
    return true;
}

static bool take_name(const char *word, const char *const *names, size_t count,
                      unsigned *index)
{
    for (*index = 0; *index < count; ++*index)
        if (strcmp(word, names[*index]) == 0)
            return true;
    return false;
}

bool history_read(const char *line, char key[HISTORY_KEY_BYTES_MAX],
                  struct linear_operation *operation)
{
    char words[10][32];
    unsigned kind;
    unsigned outcome;

    *operation = (struct linear_operation){0};
    if (sscanf(line, "%250s %31s %31s %31s %31s %31s %31s %31s %31s %31s %31s",
               key, words[0], words[1], words[2], words[3], words[4], words[5],
               words[6], words[7], words[8], words[9]) != 11 ||
        !take_name(words[4], KINDS, LINEAR_KINDS_COUNT, &kind) ||
        !take_name(words[5], OUTCOMES, sizeof(OUTCOMES) / sizeof(*OUTCOMES),
                   &outcome))
        return false;
    operation->kind = (enum linear_kind)kind;
    operation->outcome = (enum linear_outcome)outcome;
    operation->has_told = strcmp(words[8], "-") != 0;
    operation->told = LINEAR_EMPTY;
    bool has_number = operation->has_told && strcmp(words[8], "empty") != 0;
    return take_short(words[0], &operation->client) &&
           take_short(words[1], &operation->through) &&
           take(words[2], &operation->start) &&
           (outcome == LINEAR_UNKNOWN || take(words[3], &operation->end)) &&
           take(words[6], &operation->number) &&
           take(words[7], &operation->expected) &&
           (!has_number || take(words[8], &operation->told)) &&
           take(words[9], &operation->told_token);
}
