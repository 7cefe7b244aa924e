/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The checker itself: it accepts whatever one memcached could have answered,
 * and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "proto/base/prng.h"
#include "tests/linear/history.h"
#include "tests/linear/linear.h"

#define OPERATIONS_MAX 20000
#define ROUNDS 3000
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* One that is answered yes, which is 0, unless it is said otherwise. */
#define ASK(start_, end_, kind_, ...)                                          \
    {                                                                          \
        .kind = LINEAR_##kind_, .start = (start_), .end = (end_), __VA_ARGS__  \
    }
#define TOLD(number_) .has_told = true, .told = (number_)

static enum linear_verdict
verdict_under(const struct linear_operation *operations, size_t count,
              bool tokens_rise)
{
    struct linear_rules rules = {.tokens_rise = tokens_rise};

    return linear_judge(operations, count, &rules).verdict;
}

#define RIGHT(...)                                                             \
    do {                                                                       \
        const struct linear_operation given[] = {__VA_ARGS__};                 \
        assert_int_equal(verdict_under(given, COUNT(given), true),             \
                         LINEAR_RIGHT);                                        \
    } while (0)
#define WRONG(...)                                                             \
    do {                                                                       \
        const struct linear_operation given[] = {__VA_ARGS__};                 \
        assert_int_equal(verdict_under(given, COUNT(given), true),             \
                         LINEAR_WRONG);                                        \
    } while (0)

static void nothing_asked_is_right(void **state)
{
    (void)state;
    struct linear_rules rules = {0};
    assert_int_equal(linear_judge(NULL, 0, &rules).verdict, LINEAR_RIGHT);
}

static void one_of_two_adds_is_told_yes(void **state)
{
    (void)state;
    RIGHT(ASK(1, 5, ADD, .number = 1),
          ASK(2, 4, ADD, .number = 2, .outcome = LINEAR_NO));
    RIGHT(ASK(1, 5, ADD, .number = 1, .outcome = LINEAR_NO),
          ASK(2, 4, ADD, .number = 2));
    WRONG(ASK(1, 5, ADD, .number = 1), ASK(2, 4, ADD, .number = 2));
    WRONG(ASK(1, 5, ADD, .number = 1, .outcome = LINEAR_NO),
          ASK(2, 4, ADD, .number = 2, .outcome = LINEAR_NO));
    /* The loser was there first, and alone. */
    WRONG(ASK(1, 2, ADD, .number = 1, .outcome = LINEAR_NO),
          ASK(3, 4, ADD, .number = 2));
}

static void what_touches_is_concurrent(void **state)
{
    (void)state;
    RIGHT(ASK(1, 3, ADD, .number = 1, .outcome = LINEAR_NO),
          ASK(3, 4, ADD, .number = 2));
}

static void two_counts_are_two_numbers(void **state)
{
    (void)state;
    RIGHT(ASK(1, 2, ADD, .number = 0), ASK(3, 6, INCR, .number = 1, TOLD(2)),
          ASK(4, 5, INCR, .number = 1, TOLD(1)));
    WRONG(ASK(1, 2, ADD, .number = 0), ASK(3, 6, INCR, .number = 1, TOLD(1)),
          ASK(4, 5, INCR, .number = 1, TOLD(1)));
    /* The higher number was told before the lower one was asked for. */
    WRONG(ASK(1, 2, ADD, .number = 0), ASK(3, 4, INCR, .number = 1, TOLD(2)),
          ASK(5, 6, INCR, .number = 1, TOLD(1)));
    RIGHT(ASK(1, 2, ADD, .number = 1), ASK(3, 4, DECR, .number = 5, TOLD(0)));
    RIGHT(ASK(1, 2, INCR, .number = 1, .outcome = LINEAR_NO));
    WRONG(ASK(1, 2, ADD, .number = 1),
          ASK(3, 4, INCR, .number = 1, .outcome = LINEAR_NO));
    /* Without the value in the answer it counts all the same. */
    RIGHT(ASK(1, 2, ADD, .number = 7), ASK(3, 4, INCR, .number = 1),
          ASK(5, 6, GET, TOLD(8)));
    WRONG(ASK(1, 2, ADD, .number = 7), ASK(3, 4, INCR, .number = 1),
          ASK(5, 6, GET, TOLD(7)));
}

static void an_update_is_not_lost(void **state)
{
    (void)state;
    WRONG(ASK(1, 2, SET, .number = 1), ASK(3, 4, SET, .number = 2),
          ASK(5, 6, GET, TOLD(1)));
    WRONG(ASK(1, 2, ADD, .number = 1, .told_token = 10),
          ASK(3, 4, CAS, .expected = 10, .number = 2, .told_token = 20),
          ASK(5, 6, CAS, .expected = 10, .number = 3, .told_token = 30));
    WRONG(ASK(1, 2, SET, .number = 1), ASK(3, 4, APPEND, .number = 2),
          ASK(5, 6, GET, TOLD(1)));
    RIGHT(ASK(1, 2, SET, .number = 1), ASK(3, 4, APPEND, .number = 23),
          ASK(5, 6, GET, TOLD(123)));
}

static void one_of_two_cas_wins(void **state)
{
    (void)state;
    RIGHT(ASK(1, 2, ADD, .number = 1, .told_token = 10),
          ASK(3, 9, CAS, .expected = 10, .number = 2, .told_token = 20),
          ASK(4, 8, CAS, .expected = 10, .number = 3, .outcome = LINEAR_OTHER));
    WRONG(ASK(1, 2, ADD, .number = 1, .told_token = 10),
          ASK(3, 9, CAS, .expected = 10, .number = 2, .told_token = 20),
          ASK(4, 8, CAS, .expected = 10, .number = 3, .told_token = 30));
    /* Neither: somebody must have been before the other. */
    WRONG(ASK(1, 2, ADD, .number = 1, .told_token = 10),
          ASK(3, 9, CAS, .expected = 10, .number = 2, .outcome = LINEAR_OTHER),
          ASK(4, 8, CAS, .expected = 10, .number = 3, .outcome = LINEAR_OTHER));
    WRONG(ASK(1, 2, ADD, .number = 1, .told_token = 10),
          ASK(3, 4, DELETE_IF, .expected = 10),
          ASK(5, 6, CAS, .expected = 10, .number = 3, .told_token = 30));
    RIGHT(ASK(1, 2, ADD, .number = 1, .told_token = 10),
          ASK(3, 4, DELETE_IF, .expected = 10),
          ASK(5, 6, CAS, .expected = 10, .number = 3, .outcome = LINEAR_NO));
}

static void tokens_need_not_be_told_by_who_stored(void **state)
{
    (void)state;
    /* The reads give it its token. */
    RIGHT(ASK(1, 2, SET, .number = 1), ASK(3, 4, GET, TOLD(1), .told_token = 9),
          ASK(5, 6, CAS, .expected = 9, .number = 2));
    RIGHT(ASK(1, 2, SET, .number = 1),
          ASK(3, 4, READ, TOLD(1), .told_token = 9),
          ASK(5, 6, CAS, .expected = 9, .number = 2));
    WRONG(ASK(1, 2, SET, .number = 1),
          ASK(3, 4, READ, TOLD(1), .told_token = 9),
          ASK(5, 6, CAS, .expected = 9, .number = 2),
          ASK(7, 8, CAS, .expected = 9, .number = 3));
    /* One state has one token. */
    WRONG(ASK(1, 2, SET, .number = 1), ASK(3, 4, GET, TOLD(1), .told_token = 9),
          ASK(5, 6, GET, TOLD(1), .told_token = 10));
    WRONG(ASK(1, 2, SET, .number = 1, .told_token = 9),
          ASK(3, 4, SET, .number = 1, .told_token = 10),
          ASK(5, 6, GET, TOLD(1), .told_token = 9));
    WRONG(ASK(1, 2, SET, .number = 1, .told_token = 9),
          ASK(3, 4, SET, .number = 2, .told_token = 9));
}

static void tokens_rise_where_that_is_said(void **state)
{
    (void)state;
    const struct linear_operation falls[] = {
        ASK(1, 2, SET, .number = 1, .told_token = 9),
        ASK(3, 4, SET, .number = 2, .told_token = 8)};
    assert_int_equal(verdict_under(falls, 2, true), LINEAR_WRONG);
    assert_int_equal(verdict_under(falls, 2, false), LINEAR_RIGHT);
}

static void a_delete_does_not_revive(void **state)
{
    (void)state;
    RIGHT(ASK(1, 2, SET, .number = 1), ASK(3, 4, DELETE, .client = 0),
          ASK(5, 6, GET, .outcome = LINEAR_NO));
    WRONG(ASK(1, 2, SET, .number = 1), ASK(3, 4, DELETE, .client = 0),
          ASK(5, 6, GET, TOLD(1)));
    WRONG(ASK(1, 2, SET, .number = 1), ASK(3, 4, DELETE, .client = 0),
          ASK(5, 6, DELETE, .client = 0));
    WRONG(ASK(1, 2, SET, .number = 1), ASK(3, 8, DELETE, .client = 0),
          ASK(4, 9, DELETE, .client = 0));
    WRONG(ASK(1, 2, SET, .number = 1), ASK(3, 4, DELETE, .outcome = LINEAR_NO));
    RIGHT(ASK(1, 2, SET, .number = 1), ASK(3, 8, DELETE, .client = 0),
          ASK(4, 9, DELETE, .outcome = LINEAR_NO));
}

static void a_read_does_not_go_back(void **state)
{
    (void)state;
    RIGHT(ASK(1, 2, SET, .number = 1), ASK(3, 9, SET, .number = 2),
          ASK(4, 5, GET, TOLD(1)), ASK(6, 7, GET, TOLD(2)));
    WRONG(ASK(1, 2, SET, .number = 1), ASK(3, 9, SET, .number = 2),
          ASK(4, 5, GET, TOLD(2)), ASK(6, 7, GET, TOLD(1)));
}

static void regular_reads_go_back_while_a_write_lasts(void **state)
{
    (void)state;
    RIGHT(ASK(1, 2, SET, .number = 1), ASK(3, 9, SET, .number = 2),
          ASK(4, 5, READ, TOLD(2)), ASK(6, 7, READ, TOLD(1)));
    /* But not those of one client, */
    WRONG(ASK(1, 2, SET, .number = 1, .told_token = 5),
          ASK(3, 9, SET, .number = 2, .told_token = 6),
          ASK(4, 5, READ, TOLD(2), .told_token = 6),
          ASK(6, 7, READ, TOLD(1), .told_token = 5));
    RIGHT(ASK(1, 2, SET, .number = 1, .told_token = 5),
          ASK(3, 9, SET, .number = 2, .told_token = 6),
          ASK(4, 5, READ, TOLD(2), .told_token = 6),
          ASK(6, 7, READ, TOLD(1), .told_token = 5, .client = 2));
    /* nor once it was answered, nor of what never was or not yet. */
    WRONG(ASK(1, 2, SET, .number = 1), ASK(3, 4, SET, .number = 2),
          ASK(6, 7, READ, TOLD(1)));
    WRONG(ASK(1, 2, SET, .number = 1), ASK(6, 7, READ, TOLD(3)));
    WRONG(ASK(1, 2, READ, TOLD(1)), ASK(3, 4, SET, .number = 1));
    WRONG(ASK(1, 2, SET, .number = 1), ASK(3, 4, READ, .outcome = LINEAR_NO));
    RIGHT(ASK(1, 2, SET, .number = 1), ASK(3, 9, DELETE, .client = 0),
          ASK(4, 5, READ, .outcome = LINEAR_NO), ASK(6, 7, READ, TOLD(1)));
    WRONG(ASK(1, 2, SET, .number = 1), ASK(3, 4, DELETE, .client = 0),
          ASK(6, 7, READ, TOLD(1)));
}

static void an_unknown_one_may_take_effect_late_or_never(void **state)
{
    (void)state;
    RIGHT(ASK(1, 0, SET, .number = 1, .outcome = LINEAR_UNKNOWN),
          ASK(2, 3, ADD, .number = 2), ASK(4, 5, GET, TOLD(2)),
          ASK(6, 7, GET, TOLD(1)), ASK(8, 9, READ, TOLD(1)));
    RIGHT(ASK(1, 0, SET, .number = 1, .outcome = LINEAR_UNKNOWN),
          ASK(2, 3, ADD, .number = 2), ASK(6, 7, GET, TOLD(2)));
    /* Once only, and not before it was asked for. */
    WRONG(ASK(1, 0, SET, .number = 1, .outcome = LINEAR_UNKNOWN),
          ASK(2, 3, GET, TOLD(1)), ASK(4, 5, SET, .number = 2),
          ASK(6, 7, GET, TOLD(1)));
    WRONG(ASK(2, 3, GET, TOLD(1)),
          ASK(4, 0, SET, .number = 1, .outcome = LINEAR_UNKNOWN));
    RIGHT(ASK(1, 2, ADD, .number = 0),
          ASK(3, 0, INCR, .number = 1, .outcome = LINEAR_UNKNOWN),
          ASK(4, 0, INCR, .number = 1, .outcome = LINEAR_UNKNOWN),
          ASK(5, 6, INCR, .number = 1, TOLD(3)));
    WRONG(ASK(1, 2, ADD, .number = 0),
          ASK(3, 0, INCR, .number = 1, .outcome = LINEAR_UNKNOWN),
          ASK(4, 0, INCR, .number = 1, .outcome = LINEAR_UNKNOWN),
          ASK(5, 6, INCR, .number = 1, TOLD(4)));
    /* An unknown cas needs what it expects, as any other. */
    WRONG(ASK(1, 2, SET, .number = 1, .told_token = 5),
          ASK(3, 4, SET, .number = 2, .told_token = 6),
          ASK(5, 0, CAS, .expected = 5, .number = 3, .outcome = LINEAR_UNKNOWN),
          ASK(6, 7, GET, TOLD(3)));
    RIGHT(ASK(1, 2, SET, .number = 1, .told_token = 5),
          ASK(5, 0, CAS, .expected = 5, .number = 3, .outcome = LINEAR_UNKNOWN),
          ASK(6, 7, GET, TOLD(3)));
}

static void an_error_that_says_so_did_nothing(void **state)
{
    (void)state;
    WRONG(ASK(1, 2, SET, .number = 1, .outcome = LINEAR_NOTHING),
          ASK(3, 4, GET, TOLD(1)));
    RIGHT(ASK(1, 2, SET, .number = 1, .outcome = LINEAR_NOTHING),
          ASK(3, 4, ADD, .number = 2));
}

static void one_wins(void **state)
{
    (void)state;
    RIGHT(ASK(1, 5, VIVIFY, .client = 0),
          ASK(2, 6, VIVIFY, .outcome = LINEAR_NO),
          ASK(7, 8, GET, TOLD(LINEAR_EMPTY)));
    WRONG(ASK(1, 5, VIVIFY, .client = 0), ASK(2, 6, VIVIFY, .client = 0));
    WRONG(ASK(1, 5, VIVIFY, .outcome = LINEAR_NO),
          ASK(2, 6, VIVIFY, .outcome = LINEAR_NO));
    RIGHT(ASK(1, 2, VIVIFY, .client = 0),
          ASK(3, 4, INCR, .number = 1, .outcome = LINEAR_OTHER),
          ASK(5, 6, ADD, .number = 1, .outcome = LINEAR_NO),
          ASK(7, 8, APPEND, .number = 3),
          ASK(9, 10, INCR, .number = 1, TOLD(4)));
}

static void a_release_takes_what_the_dead_stored(void **state)
{
    (void)state;
    RIGHT(ASK(1, 2, ADD, .number = 1, .through = 2),
          ASK(3, 0, RELEASE, .through = 2, .outcome = LINEAR_UNKNOWN),
          ASK(4, 5, ADD, .number = 2, .through = 1));
    WRONG(ASK(1, 2, ADD, .number = 1, .through = 1),
          ASK(3, 0, RELEASE, .through = 2, .outcome = LINEAR_UNKNOWN),
          ASK(4, 5, ADD, .number = 2, .through = 1));
}

static void plain_sets_of_many_are_decided(void **state)
{
    (void)state;
    static struct linear_operation sets[400];
    for (size_t i = 0; i < COUNT(sets); i++)
        sets[i] = (struct linear_operation)ASK(
            1 + i / 8 * 10 + i % 8, 1 + i / 8 * 10 + 9, SET, .number = i);
    assert_int_equal(verdict_under(sets, COUNT(sets), false), LINEAR_RIGHT);
}

static void a_bound_is_kept_and_said(void **state)
{
    (void)state;
    static struct linear_operation sets[40];
    for (size_t i = 0; i < COUNT(sets); i++)
        sets[i] =
            (struct linear_operation)ASK(1 + i, 1000 + i, SET, .number = i);
    struct linear_rules rules = {.configurations_max = 1000};
    struct linear_judgement judgement = linear_judge(sets, COUNT(sets), &rules);
    assert_int_equal(judgement.verdict, LINEAR_UNDECIDED);
    assert_true(judgement.configurations_peak <= 2 * 1000);
}

static void the_one_without_a_place_is_named(void **state)
{
    (void)state;
    const struct linear_operation given[] = {
        ASK(1, 2, ADD, .number = 1), ASK(3, 4, INCR, .number = 1, TOLD(2)),
        ASK(5, 6, INCR, .number = 1, TOLD(2)),
        ASK(7, 8, INCR, .number = 1, TOLD(3))};
    struct linear_rules rules = {0};
    assert_int_equal(linear_judge(given, COUNT(given), &rules).operation, 2);
}

/* ---- histories of a real register, with random overlaps ---- */

struct real {
    struct prng prng;
    bool is_there;
    uint64_t number;
    uint64_t token;
    uint64_t last_token;
    uint64_t known_token; /* to some client */
    bool is_heard;        /* the answer arrives */
    uint64_t unique;
};

static void store(struct real *real, uint64_t number,
                  struct linear_operation *operation)
{
    real->is_there = true;
    real->number = number;
    real->token = real->last_token += 1 + prng_below(&real->prng, 5);
    operation->outcome = LINEAR_YES;
    if (real->is_heard && prng_below(&real->prng, 4) != 0)
        real->known_token = operation->told_token = real->token;
}

static void count(struct real *real, struct linear_operation *operation)
{
    operation->number = 1 + prng_below(&real->prng, 3);
    if (!real->is_there) {
        operation->outcome = LINEAR_NO;
        return;
    }
    if (real->number == LINEAR_EMPTY) {
        operation->outcome = LINEAR_OTHER;
        return;
    }
    uint64_t number = operation->number;
    if (operation->kind == LINEAR_INCR)
        store(real, real->number + number, operation);
    else
        store(real, real->number < number ? 0 : real->number - number,
              operation);
    operation->has_told = true;
    operation->told = real->number;
}

static void look(struct real *real, struct linear_operation *operation)
{
    operation->outcome = real->is_there ? LINEAR_YES : LINEAR_NO;
    operation->has_told = real->is_there;
    operation->told = real->number;
    if (real->is_heard && real->is_there)
        real->known_token = operation->told_token = real->token;
}

/* What one memcached does, in its order. */
static void act(struct real *real, struct linear_operation *operation)
{
    static const enum linear_kind KINDS[] = {
        LINEAR_SET,    LINEAR_ADD,       LINEAR_ADD,    LINEAR_REPLACE,
        LINEAR_APPEND, LINEAR_CAS,       LINEAR_CAS,    LINEAR_CAS,
        LINEAR_INCR,   LINEAR_INCR,      LINEAR_DECR,   LINEAR_DELETE,
        LINEAR_DELETE, LINEAR_DELETE_IF, LINEAR_VIVIFY, LINEAR_GET,
        LINEAR_GET,    LINEAR_READ};
    bool is_there = real->is_there;

    operation->kind = KINDS[prng_below(&real->prng, COUNT(KINDS))];
    operation->number = real->unique += 1000;
    operation->expected = real->known_token;
    operation->outcome = is_there ? LINEAR_YES : LINEAR_NO;
    switch (operation->kind) {
    case LINEAR_SET:
        store(real, operation->number, operation);
        break;
    case LINEAR_ADD:
        operation->outcome = LINEAR_NO;
        if (!is_there)
            store(real, operation->number, operation);
        break;
    case LINEAR_REPLACE:
        if (is_there)
            store(real, operation->number, operation);
        break;
    case LINEAR_APPEND:
        operation->number = prng_below(&real->prng, 10);
        if (is_there && real->number == LINEAR_EMPTY)
            store(real, operation->number, operation);
        else if (is_there)
            store(real, real->number * 10 + operation->number, operation);
        break;
    case LINEAR_CAS:
    case LINEAR_DELETE_IF:
        if (!is_there)
            break;
        operation->outcome = LINEAR_OTHER;
        if (real->token != real->known_token)
            break;
        if (operation->kind == LINEAR_CAS) {
            store(real, operation->number, operation);
        } else {
            operation->outcome = LINEAR_YES;
            real->is_there = false;
        }
        break;
    case LINEAR_INCR:
    case LINEAR_DECR:
        count(real, operation);
        break;
    case LINEAR_DELETE:
        real->is_there = false;
        break;
    case LINEAR_VIVIFY:
        if (!is_there)
            store(real, LINEAR_EMPTY, operation);
        else
            look(real, operation);
        operation->outcome = is_there ? LINEAR_NO : LINEAR_YES;
        break;
    default:
        look(real, operation);
        break;
    }
}

/* So many clients, each waiting for its answer; some answers do not come. */
static size_t generate(struct linear_operation *operations, size_t wanted,
                       uint64_t seed, unsigned clients_count,
                       unsigned unknown_permille)
{
    struct real real = {.prng = {.state = seed}};
    uint64_t free_at[64] = {0}; /* when a client asks again, at the earliest */
    uint64_t now = 1000;

    for (size_t i = 0; i < wanted; i++) {
        struct linear_operation *operation = &operations[i];
        uint32_t client = (uint32_t)prng_below(&real.prng, clients_count);
        *operation = (struct linear_operation){.client = client};
        /* It takes effect at `now`, between its start and its end. */
        now += 1 + prng_below(&real.prng, 20);
        if (free_at[client] >= now)
            now = free_at[client] + 1;
        uint64_t early = now - free_at[client] - 1;
        uint64_t spread = 20 * clients_count;
        real.is_heard = prng_below(&real.prng, 1000) >= unknown_permille;
        act(&real, operation);
        operation->start =
            now - prng_below(&real.prng, 1 + (early < spread ? early : spread));
        operation->end = now + prng_below(&real.prng, spread);
        free_at[client] = operation->end;
        if (!real.is_heard)
            *operation =
                (struct linear_operation){.kind = operation->kind,
                                          .outcome = LINEAR_UNKNOWN,
                                          .client = client,
                                          .start = operation->start,
                                          .number = operation->number,
                                          .expected = operation->expected};
    }
    return wanted;
}

static void what_one_register_answers_is_right(void **state)
{
    (void)state;
    static struct linear_operation operations[120];
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        size_t asked =
            generate(operations, 20 + seed % 100, seed, 2 + (unsigned)seed % 7,
                     seed % 2 ? 0 : (unsigned)(seed / 2 % 15) * 10);
        struct linear_rules rules = {.tokens_rise = seed % 3 != 0};
        struct linear_judgement judgement =
            linear_judge(operations, asked, &rules);
        if (judgement.verdict != LINEAR_RIGHT) {
            for (size_t i = 0; i < asked; i++)
                history_write(stderr, i == judgement.operation ? ">" : "=",
                              &operations[i]);
            fail_msg("seed %u: %s", (unsigned)seed, judgement.why);
        }
    }
}

/* Lets one answer be another. */
static bool alter(struct linear_operation *operation, struct prng *prng)
{
    if (operation->outcome == LINEAR_UNKNOWN)
        return false;
    if (operation->has_told && prng_below(prng, 2) == 0) {
        operation->told += 1 + prng_below(prng, 2);
        operation->told_token = 0;
        return true;
    }
    bool was_yes = operation->outcome == LINEAR_YES;
    if (operation->kind == LINEAR_SET)
        return false;
    operation->outcome = was_yes ? LINEAR_NO : LINEAR_YES;
    if (was_yes) {
        operation->has_told = false;
        operation->told_token = 0;
    }
    return true;
}

static void an_altered_answer_is_mostly_noticed(void **state)
{
    (void)state;
    static struct linear_operation operations[60];
    size_t altered_count = 0;
    size_t noticed_count = 0;
    for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
        struct prng prng = {.state = ~seed};
        size_t asked = generate(operations, COUNT(operations), seed, 3, 0);
        if (!alter(&operations[prng_below(&prng, asked)], &prng))
            continue;
        altered_count++;
        noticed_count += verdict_under(operations, asked, true) == LINEAR_WRONG;
    }
    print_message("# %zu of %zu noticed\n", noticed_count, altered_count);
    assert_true(noticed_count * 10 > altered_count * 8);
}

static void ten_thousand_operations_are_judged_in_time(void **state)
{
    (void)state;
    static struct linear_operation operations[OPERATIONS_MAX];
    static const struct {
        size_t count;
        unsigned clients_count;
        unsigned unknown_permille;
    } SIZES[] = {{10000, 8, 0}, {10000, 8, 2},  {10000, 8, 5},
                 {2000, 8, 10}, {10000, 16, 0}, {20000, 8, 0}};
    for (size_t i = 0; i < COUNT(SIZES); i++) {
        size_t asked =
            generate(operations, SIZES[i].count, 5 + i, SIZES[i].clients_count,
                     SIZES[i].unknown_permille);
        clock_t start = clock();
        assert_int_equal(verdict_under(operations, asked, true), LINEAR_RIGHT);
        print_message("# %zu of %u clients, %u permille unknown: %.0f ms\n",
                      asked, SIZES[i].clients_count, SIZES[i].unknown_permille,
                      (double)(clock() - start) * 1000 / CLOCKS_PER_SEC);
    }
}

static void a_line_is_read_as_it_was_written(void **state)
{
    (void)state;
    char key[HISTORY_KEY_BYTES_MAX];
    struct linear_operation read;
    assert_true(
        history_read("stock 3 1 1000 1020 cas yes 7 99 - 100\n", key, &read));
    assert_string_equal(key, "stock");
    assert_int_equal(read.kind, LINEAR_CAS);
    assert_int_equal(read.outcome, LINEAR_YES);
    assert_int_equal(read.expected, 99);
    assert_false(read.has_told);
    assert_true(
        history_read("k 0 2 15 - release unknown 0 0 empty 0", key, &read));
    assert_true(read.has_told && read.told == LINEAR_EMPTY);
    assert_false(history_read("", key, &read));
    assert_false(history_read("k 3 1 1 2 cas yes 7 99 -", key, &read));
    assert_false(history_read("k 3 1 1 2 cos yes 7 99 - 1", key, &read));
    assert_false(history_read("k 3 1 1 - cas yes 7 99 - 1", key, &read));
    assert_false(history_read("k 3 1 x 2 cas yes 7 99 - 1", key, &read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_asked_is_right),
        cmocka_unit_test(one_of_two_adds_is_told_yes),
        cmocka_unit_test(what_touches_is_concurrent),
        cmocka_unit_test(two_counts_are_two_numbers),
        cmocka_unit_test(an_update_is_not_lost),
        cmocka_unit_test(one_of_two_cas_wins),
        cmocka_unit_test(tokens_need_not_be_told_by_who_stored),
        cmocka_unit_test(tokens_rise_where_that_is_said),
        cmocka_unit_test(a_delete_does_not_revive),
        cmocka_unit_test(a_read_does_not_go_back),
        cmocka_unit_test(regular_reads_go_back_while_a_write_lasts),
        cmocka_unit_test(an_unknown_one_may_take_effect_late_or_never),
        cmocka_unit_test(an_error_that_says_so_did_nothing),
        cmocka_unit_test(one_wins),
        cmocka_unit_test(a_release_takes_what_the_dead_stored),
        cmocka_unit_test(plain_sets_of_many_are_decided),
        cmocka_unit_test(a_bound_is_kept_and_said),
        cmocka_unit_test(the_one_without_a_place_is_named),
        cmocka_unit_test(what_one_register_answers_is_right),
        cmocka_unit_test(an_altered_answer_is_mostly_noticed),
        cmocka_unit_test(ten_thousand_operations_are_judged_in_time),
        cmocka_unit_test(a_line_is_read_as_it_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
