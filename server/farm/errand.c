/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Errand: commands of this server's clients, on their way to the homes of their
 * keys and back.
 *
 * Those that have the same home go there in one message, each run in its order.
 * What a home did not execute is asked again, of who is home by then, until the
 * deadline.  A client is told when all that the homes had applied is applied
 * here: whoever gets a lock sees what was written under it before.
 */
#include <assert.h>
#include <stdlib.h>

#include "proto/base/planted.h"
#include "server/farm/state.h"

#define ERRANDS_MAX (16384 / TABLES_SHARE)
/* No client waits longer. */
#define ERRAND_TIME TIME_US_PER_S
/* Who is not home, or not yet, may be soon. */
#define ASK_AGAIN_AFTER (TIME_US_PER_S / 500)
#define ASK_AGAIN_AFTER_MAX (TIME_US_PER_S / 16)
#define VERDICT_BYTES 5

enum step_state {
    STEP_OPEN, /* nobody has it */
    STEP_SENT, /* somebody may execute it */
    STEP_LOST, /* the same, but the link ended on which it was sent */
    STEP_DONE
};

/* One command of an errand. */
struct step {
    enum step_state state;
    enum farm_verdict verdict;
    bool was_lost; /* once since it was sent: an answer may have been */
    uint64_t hash;
    uint64_t call;     /* that it was sent in */
    uint64_t home;     /* and to whom */
    struct span bytes; /* of the errand's commands */
    size_t result;     /* where it begins in the errand's results */
    size_t result_bytes;
};

struct errand {
    struct errand *next;
    struct errand **link;
    uint32_t place;
    uint64_t waiter;
    time_us deadline;
    time_us ask_again;   /* not before; 0: at once */
    time_us pause;       /* between asking and asking again */
    uint64_t view;       /* in which it was asked last: its number */
    bool is_unsure;      /* there is more of the barrier than there is room */
    time_us waits_since; /* for the barrier; 0: it does not */
    size_t count;
    size_t open; /* steps that are not done */
    struct step steps[FARM_COMMANDS_MAX];
    struct vector_entry barrier[FARM_MEMBERS_MAX + 1];
    size_t barrier_count;
    uint8_t *results;
    size_t results_bytes;
    size_t commands_bytes;
    uint8_t commands[];
};

struct errands {
    uint64_t last_serial;
    size_t count;
    struct errand *first;
    struct errand **end;
    uint32_t free_count;
    uint32_t free[ERRANDS_MAX];
    struct errand *list[ERRANDS_MAX];
};

struct errands *errand_create(void)
{
    struct errands *errands = calloc(1, sizeof(*errands));

    if (errands == NULL)
        return NULL;
    errands->end = &errands->first;
    while (errands->free_count < ERRANDS_MAX) {
        errands->free[errands->free_count] =
            ERRANDS_MAX - 1 - errands->free_count;
        errands->free_count++;
    }
    return errands;
}

static void destroy(struct errands *errands, struct errand *errand)
{
    *errand->link = errand->next;
    if (errand->next != NULL)
        errand->next->link = errand->link;
    else
        errands->end = errand->link;
    errands->list[errand->place] = NULL;
    errands->free[errands->free_count++] = errand->place;
    errands->count--;
    free(errand->results);
    free(errand);
}

void errand_destroy(struct farm *farm)
{
    if (farm->errands == NULL)
        return;
    while (farm->errands->first != NULL)
        destroy(farm->errands, farm->errands->first);
    free(farm->errands);
}

/* ---- its end ---- */

static void write_verdict(uint8_t *to, enum farm_verdict verdict, size_t bytes)
{
    *to = (uint8_t)verdict;
    bigendian_store32(to + 1, (uint32_t)bytes);
}

static void tell(struct farm *farm, const struct errand *errand)
{
    size_t bytes = errand->results_bytes + errand->count * VERDICT_BYTES;
    uint8_t *told = malloc(bytes);
    uint8_t *at = told;

    if (told == NULL)
        abort(); /* a client that waits for ever is worse */
    for (size_t i = 0; i < errand->count; i++) {
        const struct step *step = &errand->steps[i];
        /* Of what nobody knows, what it would be. */
        size_t result_bytes = step->result_bytes;
        write_verdict(at, step->verdict, result_bytes);
        at += VERDICT_BYTES;
        /* Where nothing was told there are no results to point into. */
        if (result_bytes > 0)
            at = span_copy(
                at, span_of(errand->results + step->result, result_bytes));
        farm->figures.commands_unknown += step->verdict == FARM_VERDICT_UNKNOWN;
        farm->figures.commands_undecided +=
            step->verdict == FARM_VERDICT_UNDECIDED;
    }
    effect_decided(farm, errand->waiter, span_of(told, (size_t)(at - told)));
    free(told);
}

static void finish(struct farm *farm, struct errand *errand)
{
    if (errand->waits_since != 0) {
        farm->figures.barrier_waits++;
        farm->figures.barrier_us += farm->now - errand->waits_since;
    }
    tell(farm, errand);
    destroy(farm->errands, errand);
}

static void set_verdict(struct errand *errand, struct step *step,
                        enum farm_verdict verdict)
{
    step->state = STEP_DONE;
    step->verdict = verdict;
    errand->open--;
}

/* Not all that the homes had applied is applied here. */
static bool is_held_back(struct farm *farm, struct errand *errand)
{
    size_t *count = &errand->barrier_count;

    if (errand->is_unsure)
        return true;

    if (PLANTED == PLANTED_NO_BARRIER)
        *count = 0;
    while (*count > 0 &&
           view_has_applied(farm, &errand->barrier[*count - 1], 1))
        --*count;
    return *count > 0;
}

/* Nobody waits any longer.  What was decided is not known to be visible here,
 * so that it is not told either. */
static void time_out(struct errand *errand)
{
    for (size_t i = 0; i < errand->count; i++) {
        struct step *step = &errand->steps[i];
        if (step->state == STEP_OPEN)
            set_verdict(errand, step, FARM_VERDICT_UNDECIDED);
        else if (step->state != STEP_DONE)
            set_verdict(errand, step, FARM_VERDICT_UNKNOWN);
        else if ((errand->barrier_count > 0 || errand->is_unsure) &&
                 step->verdict == FARM_VERDICT_DECIDED)
            step->verdict = FARM_VERDICT_UNKNOWN;
    }
}

/* ---- asking ---- */

static uint64_t home_of(const struct farm *farm, uint64_t hash)
{
    return view_has_homes(farm) ? view_home(farm, hash) : farm->settings.id;
}

static uint64_t next_call(struct farm *farm, const struct errand *errand)
{
    return ++farm->errands->last_serial * ERRANDS_MAX + errand->place;
}

static void send_to(struct farm *farm, struct member *home,
                    const struct errand *errand,
                    struct message_command *command)
{
    struct vector_entry vector[FARM_MEMBERS_MAX + 1];
    uint8_t bytes[sizeof(vector)];
    struct message message = {.kind = MESSAGE_COMMAND};
    bool is_in = farm->state == MEMBER_READY && !farm->is_retiring;

    command->within_us = (uint32_t)(errand->deadline - farm->now);
    command->view = is_in ? farm->view.id : 0;
    if (home == NULL) {
        home_take_own(farm, command);
        return;
    }
    size_t count = members_vector(farm, vector);
    command->vector = vector_pack(vector, count, bytes);
    message.command = *command;
    farm->figures.commands_forwarded += command->count;
    effect_send(farm, home->link, &message);
}

/* In one message, all that have the home of this step; or, where an answer may
 * have been lost, all that were in the message with it, again. */
static void send_group(struct farm *farm, struct errand *errand,
                       struct step *first, struct member *home)
{
    uint8_t *commands = malloc(errand->commands_bytes);
    bool is_again = first->state == STEP_LOST;
    struct message_command command = {.id = is_again ? first->call
                                                     : next_call(farm, errand),
                                      .is_again = is_again};
    uint64_t id = home == NULL ? farm->settings.id : home->id;
    uint8_t *at = commands;

    if (commands == NULL)
        return; /* asked again in a moment */
    for (struct step *step = first; step < errand->steps + errand->count;
         step++) {
        size_t bytes = (size_t)(at - commands);
        bool belongs =
            is_again
                ? step->state == STEP_LOST && step->call == command.id
                : step->state == STEP_OPEN && home_of(farm, step->hash) == id;
        if (!belongs)
            continue;
        if (!is_again && bytes > 0 &&
            bytes + step->bytes.length > farm->settings.item_bytes_max)
            break;
        at = span_copy(at, step->bytes);
        step->state = STEP_SENT;
        step->call = command.id;
        step->home = id;
        step->was_lost = is_again;
        command.count++;
    }
    command.commands = span_of(commands, (size_t)(at - commands));
    send_to(farm, home, errand, &command);
    free(commands);
}

static bool can_be_asked(struct farm *farm, const struct member *member)
{
    return member != NULL && member_is_up(member) &&
           link_backlog_bytes(farm, member->link) < BACKLOG_BYTES_MAX;
}

/* Sends what is open, and with it all that goes the same way. */
static void ask_home(struct farm *farm, struct errand *errand,
                     struct step *step)
{
    uint64_t id = home_of(farm, step->hash);
    struct member *home = member_find(farm, id);

    if (id == farm->settings.id)
        send_group(farm, errand, step, NULL);
    else if (!can_be_asked(farm, home))
        return;
    else if (step->bytes.length > 2 * home->item_bytes_max)
        set_verdict(errand, step, FARM_VERDICT_UNDECIDED); /* it never can */
    else
        send_group(farm, errand, step, home);
}

/* Only who was asked can tell what came of it. */
static void ask_again(struct farm *farm, struct errand *errand,
                      struct step *step)
{
    struct member *home = member_find(farm, step->home);

    if (home == NULL || member_is_gone(home))
        set_verdict(errand, step, FARM_VERDICT_UNKNOWN);
    else if (can_be_asked(farm, home))
        send_group(farm, errand, step, home);
}

static void ask(struct farm *farm, struct errand *errand)
{
    if (errand->view != farm->view.number)
        errand->pause = ASK_AGAIN_AFTER;
    errand->view = farm->view.number;
    errand->ask_again = farm->now + errand->pause;
    if (errand->pause < ASK_AGAIN_AFTER_MAX)
        errand->pause *= 2;
    for (size_t i = 0; i < errand->count; i++) {
        struct step *step = &errand->steps[i];
        if (step->state == STEP_LOST)
            ask_again(farm, errand, step);
        if (step->state != STEP_OPEN)
            continue;
        ask_home(farm, errand, step);
        /* This server itself may have said at once that it is not home. */
        if (step->state == STEP_OPEN)
            return;
    }
}

static struct errand *create(struct farm *farm, uint64_t waiter,
                             struct span commands)
{
    struct errands *errands = farm->errands;

    if (errands->free_count == 0)
        return NULL;
    struct errand *errand = calloc(1, sizeof(*errand) + commands.length);
    if (errand == NULL)
        return NULL;
    span_copy(errand->commands, commands);
    errand->commands_bytes = commands.length;
    errand->place = errands->free[--errands->free_count];
    errands->list[errand->place] = errand;
    errands->count++;
    errand->waiter = waiter;
    errand->deadline = farm->now + ERRAND_TIME;
    errand->pause = ASK_AGAIN_AFTER;
    errand->link = errands->end;
    *errands->end = errand;
    errands->end = &errand->next;
    return errand;
}

/* One verdict for all: there is no place for one more errand. */
static void refuse(struct farm *farm, uint64_t waiter, struct span commands)
{
    uint8_t told[FARM_COMMANDS_MAX * VERDICT_BYTES];
    struct reader reader = reader_of(commands);
    uint64_t hash;
    struct span bytes;
    size_t count = 0;

    while (reader.rest.length > 0 && count < FARM_COMMANDS_MAX &&
           message_read_command(&reader, &hash, &bytes)) {
        write_verdict(told + count * VERDICT_BYTES, FARM_VERDICT_UNDECIDED, 0);
        count++;
    }
    farm->figures.commands_undecided += count;
    effect_decided(farm, waiter, span_of(told, count * VERDICT_BYTES));
}

void errand_begin(struct farm *farm, uint64_t waiter, struct span commands)
{
    struct errand *errand = create(farm, waiter, commands);

    if (errand == NULL) {
        refuse(farm, waiter, commands);
        return;
    }
    struct reader reader =
        reader_of(span_of(errand->commands, commands.length));
    while (reader.rest.length > 0) {
        struct step *step = &errand->steps[errand->count++];
        struct span before = reader.rest;
        struct span bytes;
        bool is_one = errand->count <= FARM_COMMANDS_MAX &&
                      message_read_command(&reader, &step->hash, &bytes);
        assert(is_one); /* it comes from this server's own sessions */
        (void)is_one;
        step->bytes = span_of(before.data, before.length - reader.rest.length);
    }
    errand->open = errand->count;
    ask(farm, errand);
}

/* ---- being told ---- */

static struct errand *find(const struct farm *farm, uint64_t call)
{
    return farm->errands->list[call % ERRANDS_MAX];
}

static void add_barrier(struct errand *errand, struct vector_entry entry)
{
    for (size_t i = 0; i < errand->barrier_count; i++) {
        struct vector_entry *known = &errand->barrier[i];
        if (known->id != entry.id)
            continue;
        if (known->number < entry.number)
            known->number = entry.number;
        return;
    }
    if (errand->barrier_count < FARM_MEMBERS_MAX + 1)
        errand->barrier[errand->barrier_count++] = entry;
    else
        errand->is_unsure = true;
}

static void add_result(struct errand *errand, struct step *step,
                       struct span result)
{
    uint8_t *grown =
        realloc(errand->results, errand->results_bytes + result.length + 1);

    if (grown == NULL)
        abort(); /* it was done: the client has to be told */
    errand->results = grown;
    step->result = errand->results_bytes;
    step->result_bytes = result.length;
    span_copy(grown + errand->results_bytes, result);
    errand->results_bytes += result.length;
}

void errand_decided(struct farm *farm, uint64_t home,
                    const struct message_decision *decision)
{
    struct errand *errand = find(farm, decision->id);
    struct reader vector = reader_of(decision->vector.bytes);
    struct reader results = reader_of(decision->results);
    size_t told = 0;
    bool is_retried = false;

    for (size_t i = 0; errand != NULL && i < errand->count; i++) {
        struct step *step = &errand->steps[i];
        if (step->state != STEP_SENT || step->call != decision->id ||
            step->home != home)
            continue;
        if (told++ >= decision->count) {
            step->state = STEP_OPEN;
            is_retried = true;
            farm->figures.commands_retried++;
            continue;
        }
        add_result(errand, step, read_bytes(&results, read_u32(&results)));
        set_verdict(errand, step,
                    decision->is_unknown ? FARM_VERDICT_UNKNOWN
                                         : FARM_VERDICT_DECIDED);
    }
    if (told == 0)
        return;
    for (size_t i = 0; i < decision->vector.count; i++) {
        struct vector_entry entry = {.id = read_u64(&vector)};
        entry.number = read_u64(&vector);
        add_barrier(errand, entry);
    }
    /* What was not executed for want of room goes on at once. */
    if (is_retried && decision->count > 0)
        errand->ask_again = 0;
    farm->wants_tick = true;
}

void errand_forget(struct farm *farm, const struct member *member)
{
    for (struct errand *errand = farm->errands->first; errand != NULL;
         errand = errand->next) {
        for (size_t i = 0; i < errand->count; i++) {
            struct step *step = &errand->steps[i];
            if (step->state != STEP_SENT || step->home != member->id)
                continue;
            step->state = STEP_LOST;
            step->was_lost = true;
            errand->ask_again = 0;
        }
    }
    farm->wants_tick = true;
}

void errand_left(struct farm *farm, const struct member *member)
{
    for (struct errand *errand = farm->errands->first; errand != NULL;
         errand = errand->next) {
        for (size_t i = 0; i < errand->count; i++) {
            struct step *step = &errand->steps[i];
            bool is_out = step->state == STEP_SENT || step->state == STEP_LOST;
            if (!is_out || step->home != member->id)
                continue;
            errand->ask_again = 0;
            if (step->was_lost)
                set_verdict(errand, step, FARM_VERDICT_UNKNOWN);
            else
                step->state = STEP_OPEN;
        }
    }
}

void errand_run(struct farm *farm)
{
    struct errand *errand = farm->errands->first;

    while (errand != NULL) {
        struct errand *next = errand->next;
        if (farm->now >= errand->deadline)
            time_out(errand);
        else if (errand->open > 0 && (farm->now >= errand->ask_again ||
                                      errand->view != farm->view.number))
            ask(farm, errand);
        bool is_done = errand->open == 0;
        if (is_done && farm->now < errand->deadline &&
            is_held_back(farm, errand)) {
            if (errand->waits_since == 0)
                errand->waits_since = farm->now;
        } else if (is_done) {
            finish(farm, errand);
        }
        errand = next;
    }
}

time_us errand_deadline(const struct farm *farm)
{
    time_us deadline = UINT64_MAX;

    for (const struct errand *errand = farm->errands->first; errand != NULL;
         errand = errand->next) {
        time_us next = errand->deadline;
        for (size_t i = 0; i < errand->count; i++) {
            bool waits = errand->steps[i].state == STEP_OPEN ||
                         errand->steps[i].state == STEP_LOST;
            if (waits && errand->ask_again < next)
                next = errand->ask_again;
        }
        if (next < deadline)
            deadline = next;
    }
    return deadline > farm->now ? deadline : farm->now;
}

bool errand_is_empty(const struct farm *farm)
{
    return farm->errands->count == 0;
}

void errand_check(const struct farm *farm)
{
    const struct errands *errands = farm->errands;
    size_t count = 0;

    for (const struct errand *errand = errands->first; errand != NULL;
         errand = errand->next, count++) {
        assert(errands->list[errand->place] == errand);
        assert(errand->open <= errand->count);
        assert(errand->count <= FARM_COMMANDS_MAX);
    }
    assert(count == errands->count);
    assert(count + errands->free_count == ERRANDS_MAX);
}
