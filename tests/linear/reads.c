/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/linear/reads.h"

#include <assert.h>
#include <stdlib.h>

/* All that was surely done by the time `end`. */
struct mark {
    uint64_t end;
    uint64_t start;  /* the latest of them */
    uint64_t token;  /* the highest that one of them was told */
    uint64_t stored; /* the latest that left the key there; 0: none */
};

struct past {
    struct mark *marks; /* by end */
    size_t count;
};

/* What may have made a state. */
struct maker {
    bool has_number; /* otherwise it may be any */
    uint64_t number;
    uint64_t token;
    uint64_t start;
    uint64_t end; /* UINT64_MAX where it may be any time later */
};

struct makers {
    struct maker *table; /* those of any value first, then by value */
    size_t count;
    size_t any_count;
};

struct reader {
    const struct linear_operation *operation;
    size_t index;
};

static bool removes(const struct linear_operation *operation)
{
    return operation->kind == LINEAR_DELETE ||
           operation->kind == LINEAR_DELETE_IF ||
           operation->kind == LINEAR_RELEASE;
}

static bool reads(const struct linear_operation *operation)
{
    return operation->kind == LINEAR_READ || operation->kind == LINEAR_GET;
}

static bool is_change(const struct linear_operation *operation)
{
    return !reads(operation) && (operation->outcome == LINEAR_YES ||
                                 operation->outcome == LINEAR_UNKNOWN);
}

static uint64_t later(uint64_t one, uint64_t other)
{
    return one > other ? one : other;
}

static int by_end(const void *one, const void *other)
{
    uint64_t a = ((const struct mark *)one)->end;
    uint64_t b = ((const struct mark *)other)->end;

    return a < b ? -1 : a > b;
}

static void past_init(struct past *past,
                      const struct linear_operation *operations, size_t count)
{
    struct mark *marks = calloc(count + 1, sizeof(*marks));

    *past = (struct past){.marks = marks};
    assert(marks != NULL);
    for (size_t i = 0; i < count; i++) {
        const struct linear_operation *change = &operations[i];
        if (!is_change(change) || change->outcome != LINEAR_YES)
            continue;
        marks[past->count++] =
            (struct mark){.end = change->end,
                          .start = change->start,
                          .token = change->told_token,
                          .stored = removes(change) ? 0 : change->start};
    }
    if (past->count > 0)
        qsort(marks, past->count, sizeof(*marks), by_end);
    for (size_t i = 1; i < past->count; i++) {
        marks[i].start = later(marks[i].start, marks[i - 1].start);
        marks[i].token = later(marks[i].token, marks[i - 1].token);
        marks[i].stored = later(marks[i].stored, marks[i - 1].stored);
    }
}

/* What had surely been done before this time. */
static struct mark past_before(const struct past *past, uint64_t time)
{
    size_t low = 0;
    size_t high = past->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (past->marks[middle].end < time)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? (struct mark){0} : past->marks[low - 1];
}

static struct maker maker_of(const struct linear_operation *change)
{
    bool is_known = change->outcome == LINEAR_YES;
    struct maker maker = {.has_number = true,
                          .number = change->number,
                          .token = is_known ? change->told_token : 0,
                          .start = change->start,
                          .end = is_known ? change->end : UINT64_MAX};

    switch (change->kind) {
    case LINEAR_VIVIFY:
        maker.number = LINEAR_EMPTY;
        break;
    case LINEAR_INCR:
    case LINEAR_DECR:
    case LINEAR_APPEND:
        maker.has_number = is_known && change->has_told;
        maker.number = change->told;
        break;
    default:
        break;
    }
    return maker;
}

static int by_number(const void *one, const void *other)
{
    const struct maker *a = one;
    const struct maker *b = other;

    if (a->has_number != b->has_number)
        return a->has_number ? 1 : -1;
    return a->number < b->number ? -1 : a->number > b->number;
}

static void makers_init(struct makers *makers,
                        const struct linear_operation *operations, size_t count)
{
    *makers = (struct makers){.table = calloc(count + 1, sizeof(struct maker))};
    assert(makers->table != NULL);
    for (size_t i = 0; i < count; i++) {
        if (!is_change(&operations[i]) || removes(&operations[i]))
            continue;
        struct maker maker = maker_of(&operations[i]);
        makers->any_count += !maker.has_number;
        makers->table[makers->count++] = maker;
    }
    if (makers->count > 0)
        qsort(makers->table, makers->count, sizeof(struct maker), by_number);
}

/* The first maker of this value, or a higher one. */
static size_t makers_find(const struct makers *makers, uint64_t number)
{
    size_t low = makers->any_count;
    size_t high = makers->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (makers->table[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* That of this maker may be what the read was told. */
static bool may_be_read(const struct maker *maker,
                        const struct linear_operation *read,
                        const struct mark *before)
{
    if (maker->token != 0 && read->told_token != 0 &&
        maker->token != read->told_token)
        return false;
    return maker->start <= read->end && before->start <= maker->end;
}

static bool is_made(const struct makers *makers,
                    const struct linear_operation *read,
                    const struct mark *before)
{
    for (size_t i = 0; i < makers->any_count; i++)
        if (may_be_read(&makers->table[i], read, before))
            return true;
    if (!read->has_told) {
        for (size_t i = makers->any_count; i < makers->count; i++)
            if (may_be_read(&makers->table[i], read, before))
                return true;
        return false;
    }
    for (size_t i = makers_find(makers, read->told);
         i < makers->count && makers->table[i].number == read->told; i++)
        if (may_be_read(&makers->table[i], read, before))
            return true;
    return false;
}

/* There may have been nothing. */
static bool is_removed(const struct linear_operation *operations, size_t count,
                       const struct linear_operation *read,
                       const struct mark *before)
{
    if (before->stored == 0)
        return true;
    for (size_t i = count; i-- > 0;) {
        const struct linear_operation *change = &operations[i];
        if (!is_change(change) || !removes(change) || change->start > read->end)
            continue;
        if (change->outcome == LINEAR_UNKNOWN || before->stored <= change->end)
            return true;
    }
    return false;
}

static int by_client(const void *one, const void *other)
{
    const struct linear_operation *a = ((const struct reader *)one)->operation;
    const struct linear_operation *b =
        ((const struct reader *)other)->operation;

    if (a->client != b->client)
        return a->client < b->client ? -1 : 1;
    return a->start < b->start ? -1 : a->start > b->start;
}

static void complain(struct linear_judgement *judgement, size_t operation,
                     const char *why)
{
    judgement->verdict = LINEAR_WRONG;
    judgement->operation = operation;
    judgement->why = why;
}

/* One connection never goes back. */
static void judge_clients(const struct linear_operation *operations,
                          size_t count, struct linear_judgement *judgement)
{
    struct reader *readers = calloc(count + 1, sizeof(*readers));
    size_t readers_count = 0;

    assert(readers != NULL);
    for (size_t i = 0; i < count; i++)
        if (operations[i].kind == LINEAR_READ && operations[i].told_token != 0)
            readers[readers_count++] =
                (struct reader){.operation = &operations[i], .index = i};
    if (readers_count > 0)
        qsort(readers, readers_count, sizeof(*readers), by_client);
    for (size_t i = 1; i < readers_count; i++)
        if (readers[i].operation->client == readers[i - 1].operation->client &&
            readers[i].operation->told_token <
                readers[i - 1].operation->told_token)
            complain(judgement, readers[i].index,
                     "its client was told of a newer state before");
    free(readers);
}

static void judge_read(const struct past *past, const struct makers *makers,
                       const struct linear_operation *operations, size_t count,
                       size_t index, const struct linear_rules *rules,
                       struct linear_judgement *judgement)
{
    const struct linear_operation *read = &operations[index];
    struct mark before = past_before(past, read->start);

    if (read->outcome == LINEAR_NO) {
        if (!is_removed(operations, count, read, &before))
            complain(judgement, index, "something was stored before it");
    } else if (!is_made(makers, read, &before)) {
        complain(judgement, index,
                 "what it was told of was never so, or is "
                 "older than what was answered before it");
    } else if (rules->tokens_rise && read->told_token != 0 &&
               read->told_token < before.token) {
        complain(judgement, index,
                 "its token is older than one that was answered before it");
    }
}

void reads_judge(const struct linear_operation *operations, size_t count,
                 const struct linear_rules *rules,
                 struct linear_judgement *judgement)
{
    struct past past;
    struct makers makers;

    past_init(&past, operations, count);
    makers_init(&makers, operations, count);
    for (size_t i = 0; i < count && judgement->verdict == LINEAR_RIGHT; i++)
        if (operations[i].kind == LINEAR_READ &&
            (operations[i].outcome == LINEAR_YES ||
             operations[i].outcome == LINEAR_NO))
            judge_read(&past, &makers, operations, count, i, rules, judgement);
    if (rules->tokens_rise && judgement->verdict == LINEAR_RIGHT)
        judge_clients(operations, count, judgement);
    free(past.marks);
    free(makers.table);
}
