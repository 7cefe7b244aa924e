/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Judge: whether histories of keys are linearizable.
 *
 *   judge [--tokens-rise] FILE...       lines as in history.h
 *
 * Prints a line for each key, and for the first that is wrong the operation
 * that has no place, with what went before it.  Ends with 0 if all are right,
 * with 1 if one is wrong or not decided, with 2 for what cannot be read.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/linear/history.h"

#define SHOWN_MAX 25

struct line {
    char *key;
    struct linear_operation operation;
};

struct lines {
    struct line *table;
    size_t count;
    size_t room;
};

static void append(struct lines *lines, const char *key,
                   const struct linear_operation *operation)
{
    if (lines->count == lines->room) {
        lines->room = lines->room == 0 ? 1024 : 2 * lines->room;
        lines->table =
            realloc(lines->table, lines->room * sizeof(*lines->table));
        if (lines->table == NULL)
            abort();
    }
    char *copy = strdup(key);
    if (copy == NULL)
        abort();
    lines->table[lines->count++] =
        (struct line){.key = copy, .operation = *operation};
}

static bool load(struct lines *lines, const char *path)
{
    FILE *file = fopen(path, "r");
    char text[1024];
    char key[HISTORY_KEY_BYTES_MAX];
    struct linear_operation operation;
    bool is_good = file != NULL;

    while (is_good && fgets(text, sizeof(text), file) != NULL) {
        is_good = history_read(text, key, &operation);
        if (is_good)
            append(lines, key, &operation);
        else
            fprintf(stderr, "not an operation: %s", text);
    }
    if (file == NULL)
        perror(path);
    else
        fclose(file);
    return is_good;
}

static int compare(const void *one, const void *other)
{
    const struct line *a = one;
    const struct line *b = other;
    int order = strcmp(a->key, b->key);

    if (order != 0)
        return order;
    return a->operation.start < b->operation.start
               ? -1
               : a->operation.start > b->operation.start;
}

/* What was asked before the end of the one at fault. */
static void show(const char *key, const struct linear_operation *operations,
                 size_t count, const struct linear_judgement *judgement)
{
    const struct linear_operation *fault = &operations[judgement->operation];
    size_t last = judgement->operation;

    while (last + 1 < count && operations[last + 1].start <= fault->end)
        last++;
    size_t first = last < SHOWN_MAX ? 0 : last - SHOWN_MAX;
    for (size_t i = first; i <= last; i++) {
        fputs(i == judgement->operation ? "  > " : "    ", stdout);
        history_write(stdout, key, &operations[i]);
    }
}

static bool judge(const struct line *lines, size_t count,
                  const struct linear_rules *rules, bool shows)
{
    static const char *const VERDICTS[] = {[LINEAR_RIGHT] = "right",
                                           [LINEAR_WRONG] = "WRONG",
                                           [LINEAR_UNDECIDED] = "UNDECIDED"};
    struct linear_operation *operations = calloc(count, sizeof(*operations));
    size_t unknown_count = 0;

    if (operations == NULL)
        abort();
    for (size_t i = 0; i < count; i++) {
        operations[i] = lines[i].operation;
        unknown_count += operations[i].outcome == LINEAR_UNKNOWN;
    }
    clock_t start = clock();
    struct linear_judgement judgement = linear_judge(operations, count, rules);
    printf("%s: %s, %zu operations, %zu of unknown outcome, %zu "
           "configurations, %.0f ms%s%s\n",
           lines[0].key, VERDICTS[judgement.verdict], count, unknown_count,
           judgement.configurations_peak,
           (double)(clock() - start) * 1000 / CLOCKS_PER_SEC,
           judgement.verdict == LINEAR_RIGHT ? "" : ": ", judgement.why);
    if (judgement.verdict != LINEAR_RIGHT && shows)
        show(lines[0].key, operations, count, &judgement);
    free(operations);
    return judgement.verdict == LINEAR_RIGHT;
}

int main(int count, char **words)
{
    struct linear_rules rules = {0};
    struct lines lines = {0};
    bool is_right = true;

    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "--tokens-rise") == 0)
            rules.tokens_rise = true;
        else if (!load(&lines, words[i]))
            return 2;
    }
    if (lines.count == 0) {
        fputs("no operations\n", stderr);
        return 2;
    }
    qsort(lines.table, lines.count, sizeof(*lines.table), compare);
    for (size_t i = 0; i < lines.count;) {
        size_t first = i;
        while (i < lines.count &&
               strcmp(lines.table[i].key, lines.table[first].key) == 0)
            i++;
        is_right &= judge(&lines.table[first], i - first, &rules, is_right);
    }
    for (size_t i = 0; i < lines.count; i++)
        free(lines.table[i].key);
    free(lines.table);
    return is_right ? 0 : 1;
}
