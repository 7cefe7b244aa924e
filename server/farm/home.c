/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Home: what others, and this server's own clients, have it decide.
 *
 * A *call* is a run of commands, executed one after the other while this server
 * acts as the home of their keys.  Its answer waits until all of the view hold
 * what had been written here by then, so that whoever is home next knows it;
 * where the view changes before, in a way that leaves this in doubt, the answer
 * is that nobody knows.
 */
#include <assert.h>
#include <stdlib.h>

#include "proto/base/planted.h"
#include "server/farm/answered.h"
#include "server/farm/state.h"

#define CALLS_MAX (65536 / TABLES_SHARE)
#define CALLS_BYTES_MAX (((size_t)64 << 20) / TABLES_SHARE)
#define LENGTH_BYTES 4
/* Who asked is told that nothing was done before it gives up: so much of the
 * time is for the way there. */
#define WAY_SHARE 8
/* Nobody may have it wait longer. */
#define COMMAND_TIME_MAX TIME_US_PER_S

enum call_state {
    CALL_WAITING,   /* to be executed */
    CALL_EXECUTING, /* one of its commands is */
    CALL_LOOKING,   /* for what the others have of a key */
    CALL_DECIDING   /* executed; not all of the view hold it yet */
};

struct call {
    struct call *next;
    enum call_state state;
    uint64_t number; /* by which it is known here */
    uint64_t id;     /* by which it is known to who asked */
    uint64_t member; /* who asked; 0: this server */
    farm_link link;
    uint64_t view; /* as it told; 0: it has none */
    time_us deadline;
    struct vector_entry *vector; /* to be applied first */
    size_t vector_count;
    uint16_t count;
    uint16_t executed; /* of these */
    bool is_again;     /* what was asked first may come later */
    bool is_asked;     /* the others, about the key of the next */
    bool is_certain;
    bool is_unknown;
    uint64_t epoch; /* when the first was executed */
    uint64_t head;  /* of the journal, after the last */
    time_us since;  /* when that was */
    uint8_t *results;
    size_t results_bytes;
    size_t results_capacity;
    struct span rest; /* commands that are not executed yet */
    size_t bytes;
    uint8_t commands[];
};

/* A list that grows at its end. */
struct calls {
    struct call *first;
    struct call **end;
};

struct home {
    struct calls calls; /* not executed yet, or in part */
    struct calls decisions;
    size_t count;
    size_t bytes;
    uint64_t last_number;
    unsigned executing;
    struct answered *answered;
};

static void append(struct calls *calls, struct call *call)
{
    call->next = NULL;
    *calls->end = call;
    calls->end = &call->next;
}

static struct call *take_out(struct calls *calls, struct call **at)
{
    struct call *call = *at;

    *at = call->next;
    if (calls->end == &call->next)
        calls->end = at;
    return call;
}

struct home *home_create(void)
{
    struct home *home = calloc(1, sizeof(*home));

    if (home == NULL)
        return NULL;
    home->answered = answered_create();
    if (home->answered == NULL) {
        free(home);
        return NULL;
    }
    home->calls.end = &home->calls.first;
    home->decisions.end = &home->decisions.first;
    return home;
}

static void destroy(struct home *home, struct call *call)
{
    home->count--;
    home->bytes -= call->bytes;
    free(call->vector);
    free(call->results);
    free(call);
}

void home_destroy(struct farm *farm)
{
    struct home *home = farm->home;

    if (home == NULL)
        return;
    while (home->calls.first != NULL)
        destroy(home, take_out(&home->calls, &home->calls.first));
    while (home->decisions.first != NULL)
        destroy(home, take_out(&home->decisions, &home->decisions.first));
    answered_destroy(home->answered);
    free(home);
}

/* ---- answering ---- */

/* What was done, and whose results cannot be told: they are not kept any more,
 * or more than who asked would take. */
static void tell_nothing(struct farm *farm, const struct member *member,
                         const struct call *call)
{
    static const uint8_t nothing[FARM_COMMANDS_MAX * LENGTH_BYTES];
    struct message message = {
        .kind = MESSAGE_DECISION,
        .decision = {.id = call->id,
                     .is_unknown = true,
                     .count = call->executed,
                     .results =
                         span_of(nothing, call->executed * LENGTH_BYTES)}};

    effect_send(farm, member->link, &message);
}

/* To who is there still; what its link was when it asked, it is now. */
static void answer(struct farm *farm, const struct call *call)
{
    struct vector_entry vector[FARM_MEMBERS_MAX + 1];
    uint8_t bytes[sizeof(vector)];
    struct message message = {
        .kind = MESSAGE_DECISION,
        .decision = {.id = call->id,
                     .is_unknown = call->is_unknown,
                     .count = call->executed,
                     .results = span_of(call->results, call->results_bytes)}};
    size_t count = 0;

    if (call->executed > 0 && call->member != 0)
        count = members_vector(farm, vector);
    message.decision.vector = vector_pack(vector, count, bytes);
    if (call->member == 0) {
        errand_decided(farm, farm->settings.id, &message.decision);
        return;
    }
    const struct member *member = member_find(farm, call->member);
    if (member == NULL || member->link != call->link)
        return;
    if (call->results_bytes > 2 * member->item_bytes_max) {
        tell_nothing(farm, member, call);
        return;
    }
    effect_send(farm, member->link, &message);
}

/* Takes over the results of a call that is told for good. */
static void keep_in_mind(struct farm *farm, struct call *call)
{
    struct home *home = farm->home;
    struct answer answer = {.member = call->member,
                            .id = call->id,
                            .is_unknown = call->is_unknown,
                            .executed = call->executed,
                            .results = call->results,
                            .results_bytes = call->results_bytes,
                            .room_bytes = call->results_capacity};

    answered_keep(home->answered, &answer, farm->now);
    home->bytes -= call->results_capacity;
    call->bytes -= call->results_capacity;
    call->results = NULL;
    call->results_capacity = 0;
}

static void end(struct farm *farm, struct call *call)
{
    answer(farm, call);
    /* Nor is what was refused to be done when it comes once more. */
    if (call->member != 0 && (call->executed > 0 || call->is_again))
        keep_in_mind(farm, call);
    destroy(farm->home, call);
}

/* ---- executing ---- */

static bool is_home_of(const struct farm *farm, const struct call *call)
{
    struct reader reader = reader_of(call->rest);
    uint64_t hash;
    struct span bytes;

    while (reader.rest.length > 0) {
        if (!message_read_command(&reader, &hash, &bytes) ||
            view_home(farm, hash) != farm->settings.id)
            return false;
    }
    return true;
}

/* Where each decides for itself nobody is asked, and nobody waited for. */
static bool decides_alone(const struct farm *farm, const struct call *call)
{
    return call->member == 0 && !view_has_homes(farm);
}

static void execute(struct farm *farm, struct call *call)
{
    struct reader reader = reader_of(call->rest);
    uint64_t hash;
    struct span bytes;

    if (!message_read_command(&reader, &hash, &bytes))
        assert(false); /* it was looked at when it came */
    call->state = CALL_EXECUTING;
    farm->home->executing++;
    effect_execute(farm, call->number,
                   call->member == 0 ? farm->settings.id : call->member,
                   call->is_asked, call->is_certain, bytes);
}

static void decide(struct farm *farm, struct call **at)
{
    struct call *call = take_out(&farm->home->calls, at);

    call->state = CALL_DECIDING;
    append(&farm->home->decisions, call);
}

enum readiness { READY_NOW, READY_LATER, READY_NEVER };

static enum readiness look_at(struct farm *farm, struct call *call, bool acts)
{
    if (decides_alone(farm, call))
        return READY_NOW;
    if (farm->now >= call->deadline || farm->state != MEMBER_READY ||
        farm->is_retiring || !view_has_homes(farm) ||
        (call->view != 0 && call->view != farm->view.id) ||
        (call->executed > 0 && call->epoch != farm->view.epoch) ||
        !is_home_of(farm, call))
        return READY_NEVER;
    if (!acts || (call->executed == 0 && farm->home->bytes >= CALLS_BYTES_MAX))
        return READY_LATER;
    size_t *count = &call->vector_count;
    while (*count > 0 && view_has_applied(farm, &call->vector[*count - 1], 1))
        --*count;
    return *count == 0 ? READY_NOW : READY_LATER;
}

/* What is not executed never will be, here. */
static void end_early(struct farm *farm, struct call **at)
{
    if ((*at)->executed > 0)
        decide(farm, at);
    else
        end(farm, take_out(&farm->home->calls, at));
}

/* Goes on with a call that waits; what `at` leads to afterwards is another, if
 * this was its end. */
static bool go_on(struct farm *farm, struct call **at, bool acts)
{
    struct call *call = *at;

    switch (look_at(farm, call, acts)) {
    case READY_NOW:
        execute(farm, call);
        return false;
    case READY_LATER:
        return false;
    case READY_NEVER:
        break;
    }
    end_early(farm, at);
    return true;
}

static void count_bytes(struct home *home, struct call *call, size_t bytes)
{
    home->bytes += bytes;
    call->bytes += bytes;
}

static struct call *create(struct farm *farm,
                           const struct message_command *command)
{
    struct home *home = farm->home;
    struct reader reader = reader_of(command->vector.bytes);
    size_t bytes = command->commands.length;
    size_t vector_bytes = command->vector.count * sizeof(struct vector_entry);

    if (home->count == CALLS_MAX || home->bytes + bytes > CALLS_BYTES_MAX)
        return NULL;
    struct call *call = calloc(1, sizeof(*call) + bytes);
    if (call == NULL)
        return NULL;
    if (command->vector.count > 0) {
        call->vector = calloc(command->vector.count, sizeof(*call->vector));
        if (call->vector == NULL) {
            free(call);
            return NULL;
        }
    }
    call->vector_count = command->vector.count;
    for (size_t i = 0; i < call->vector_count; i++) {
        call->vector[i].id = read_u64(&reader);
        call->vector[i].number = read_u64(&reader);
    }
    call->number = ++home->last_number | WAITER_IS_CALL;
    call->id = command->id;
    call->view = command->view;
    call->count = command->count;
    span_copy(call->commands, command->commands);
    call->rest = span_of(call->commands, bytes);
    home->count++;
    count_bytes(home, call, sizeof(*call) + bytes + vector_bytes);
    return call;
}

static void refuse(struct farm *farm, const struct member *member, uint64_t id)
{
    struct call call = {.id = id,
                        .member = member == NULL ? 0 : member->id,
                        .link = member == NULL ? 0 : member->link};

    answer(farm, &call);
}

static void take(struct farm *farm, const struct member *member,
                 const struct message_command *command)
{
    struct home *home = farm->home;
    struct call *call = command->vector.count <= FARM_MEMBERS_MAX + 1 &&
                                command->count <= FARM_COMMANDS_MAX
                            ? create(farm, command)
                            : NULL;

    if (call == NULL) {
        refuse(farm, member, command->id);
        return;
    }
    time_us within = command->within_us < COMMAND_TIME_MAX ? command->within_us
                                                           : COMMAND_TIME_MAX;
    call->deadline = farm->now + within - within / WAY_SHARE;
    if (member != NULL) {
        call->member = member->id;
        call->link = member->link;
        call->is_again = command->is_again;
    }
    struct call **at = home->calls.end;
    append(&home->calls, call);
    go_on(farm, at, view_acts(farm));
}

static bool is_under_way(struct calls *calls, const struct member *member,
                         uint64_t id)
{
    for (struct call *call = calls->first; call != NULL; call = call->next) {
        if (call->member != member->id || call->id != id)
            continue;
        call->link = member->link;
        return true;
    }
    return false;
}

/* Answers what was answered before; or, where that is not known any more, that
 * nobody knows. */
static bool was_answered(struct farm *farm, const struct member *member,
                         const struct message_command *command)
{
    const struct answer *known =
        answered_find(farm->home->answered, member->id, command->id);
    struct call call = {
        .id = command->id, .member = member->id, .link = member->link};

    if (known != NULL) {
        call.executed = known->executed;
        call.is_unknown = known->is_unknown;
        call.results = known->results;
        call.results_bytes = known->results_bytes;
        answer(farm, &call);
        return true;
    }
    if (!command->is_again ||
        !answered_has_forgotten(farm->home->answered, farm->now))
        return false;
    call.executed =
        command->count < FARM_COMMANDS_MAX ? command->count : FARM_COMMANDS_MAX;
    tell_nothing(farm, member, &call);
    return true;
}

void home_take(struct farm *farm, struct member *member,
               const struct message_command *command)
{
    struct home *home = farm->home;

    /* Where links take each other's place, what is asked again may come before
     * what was asked first. */
    if (command->is_again)
        member->asked_again = farm->now;
    bool may_be_known = member->asked_again != 0 &&
                        farm->now - member->asked_again < ANSWERS_KEPT_FOR;
    if (may_be_known && (is_under_way(&home->calls, member, command->id) ||
                         is_under_way(&home->decisions, member, command->id) ||
                         was_answered(farm, member, command)))
        return;
    /* It may have come while this server slept, so that its time is over:
     * whoever still waits asks again. */
    if (farm->now - farm->woke < COMMAND_TIME_MAX &&
        member->echoed < farm->woke && PLANTED != PLANTED_NO_LEASE) {
        refuse(farm, member, command->id);
        return;
    }
    take(farm, member, command);
}

void home_take_own(struct farm *farm, const struct message_command *command)
{
    take(farm, NULL, command);
}

static struct call **find(struct home *home, uint64_t number)
{
    struct call **at = &home->calls.first;

    while (*at != NULL && (*at)->number != number)
        at = &(*at)->next;
    return *at == NULL ? NULL : at;
}

static void add_result(struct home *home, struct call *call, struct span result)
{
    size_t bytes = call->results_bytes + LENGTH_BYTES + result.length;

    if (bytes > call->results_capacity) {
        size_t capacity = bytes + bytes / 2;
        uint8_t *grown = realloc(call->results, capacity);
        if (grown == NULL)
            abort(); /* it was done: somebody has to be told */
        count_bytes(home, call, capacity - call->results_capacity);
        call->results = grown;
        call->results_capacity = capacity;
    }
    bigendian_store32(call->results + call->results_bytes,
                      (uint32_t)result.length);
    span_copy(call->results + call->results_bytes + LENGTH_BYTES, result);
    call->results_bytes = bytes;
}

void home_executed(struct farm *farm, const struct farm_input *input)
{
    struct home *home = farm->home;
    struct call **at = find(home, input->waiter);

    assert(at != NULL && (*at)->state == CALL_EXECUTING);
    struct call *call = *at;
    home->executing--;
    call->state = CALL_WAITING;
    if (input->is_refused) {
        end_early(farm, at);
        return;
    }
    if (input->must_ask) {
        call->state = CALL_LOOKING;
        lookup_begin(farm, call->number, input->bytes);
        return;
    }
    if (input->lock.length > 0)
        locks_note(farm, input->lock, &input->held);
    struct reader reader = reader_of(call->rest);
    uint64_t hash;
    struct span bytes;
    message_read_command(&reader, &hash, &bytes);
    call->rest = reader.rest;
    if (call->executed++ == 0)
        call->epoch = farm->view.epoch;
    call->head = journal_head(farm->journal);
    call->since = farm->now;
    broadcast_need(farm, call->head);
    call->is_asked = false;
    add_result(home, call, input->bytes);
    farm->figures.commands_executed++;
    bool is_full = call->results_bytes >= farm->settings.item_bytes_max;
    if (call->executed == call->count || is_full)
        decide(farm, at);
    else
        go_on(farm, at, view_acts(farm));
}

void home_found(struct farm *farm, uint64_t waiter, bool is_certain)
{
    struct call **at = find(farm->home, waiter);

    if (at == NULL || (*at)->state != CALL_LOOKING)
        return;
    (*at)->state = CALL_WAITING;
    (*at)->is_asked = true;
    (*at)->is_certain = is_certain;
    farm->wants_tick = true;
}

/* ---- deciding ---- */

enum judgement { HOLDS, HOLDS_NOT_YET, IS_UNKNOWN };

/* Whoever comes into the view reads by itself before it is in everybody's: it
 * is waited for as by a plain set, for as long. */
static time_us newcomers_deadline(const struct farm *farm,
                                  const struct call *call)
{
    time_us wait = farm->settings.ack_timeout;
    time_us left =
        call->deadline > call->since ? call->deadline - call->since : 0;

    return call->since + (wait < left / 2 ? wait : left / 2);
}

static void leave_newcomers(struct farm *farm)
{
    uint64_t left = 0;

    for (const struct call *call = farm->home->decisions.first; call != NULL;
         call = call->next) {
        if (farm->now >= newcomers_deadline(farm, call) && call->head > left)
            left = call->head;
    }
    if (left > 0)
        broadcast_leave_newcomers(farm, left);
}

/* What all hold whose acknowledgements an answer waits for. */
static uint64_t held_by_all(struct farm *farm)
{
    uint64_t held = view_held(farm);
    uint64_t newcomers = broadcast_held_by_newcomers(farm);

    if (newcomers >= held || PLANTED == PLANTED_NEWCOMER_FORGOTTEN)
        return held;
    leave_newcomers(farm);
    newcomers = broadcast_held_by_newcomers(farm);
    return newcomers < held ? newcomers : held;
}

static enum judgement judge(const struct farm *farm, struct call *call,
                            uint64_t held)
{
    const struct view *view = &farm->view;

    if (decides_alone(farm, call))
        return HOLDS;
    if (farm->now >= call->deadline)
        return IS_UNKNOWN;
    if (call->epoch != view->epoch) {
        if (call->epoch + 1 != view->epoch)
            return IS_UNKNOWN;
        if (!view->is_complete)
            return HOLDS_NOT_YET;
        if (!view->continues)
            return IS_UNKNOWN;
        call->epoch = view->epoch;
    }
    return call->head <= held ? HOLDS : HOLDS_NOT_YET;
}

static void decide_all(struct farm *farm)
{
    struct home *home = farm->home;
    struct call **at = &home->decisions.first;
    uint64_t held = *at == NULL ? 0 : held_by_all(farm);

    while (*at != NULL) {
        enum judgement judgement = judge(farm, *at, held);
        if (judgement == HOLDS_NOT_YET) {
            at = &(*at)->next;
            continue;
        }
        (*at)->is_unknown = judgement == IS_UNKNOWN;
        end(farm, take_out(&home->decisions, at));
    }
}

void home_run(struct farm *farm)
{
    struct call **at = &farm->home->calls.first;
    bool acts = *at != NULL && view_acts(farm);

    while (*at != NULL) {
        if ((*at)->state != CALL_WAITING || !go_on(farm, at, acts))
            at = &(*at)->next;
    }
    decide_all(farm);
    answered_forget_old(farm->home->answered, farm->now);
}

void home_give_up(struct farm *farm)
{
    struct home *home = farm->home;

    while (home->calls.first != NULL) {
        home->calls.first->is_unknown = true;
        end(farm, take_out(&home->calls, &home->calls.first));
    }
    while (home->decisions.first != NULL) {
        home->decisions.first->is_unknown = true;
        end(farm, take_out(&home->decisions, &home->decisions.first));
    }
}

time_us home_deadline(const struct farm *farm)
{
    const struct home *home = farm->home;
    time_us deadline = UINT64_MAX;

    for (const struct call *call = home->calls.first; call != NULL;
         call = call->next) {
        if (call->state == CALL_WAITING && call->deadline < deadline)
            deadline = call->deadline;
    }
    for (const struct call *call = home->decisions.first; call != NULL;
         call = call->next) {
        time_us newcomers = newcomers_deadline(farm, call);
        if (newcomers > farm->now && newcomers < deadline)
            deadline = newcomers;
        if (call->deadline < deadline)
            deadline = call->deadline;
    }
    return deadline > farm->now ? deadline : farm->now;
}

bool home_is_still(const struct farm *farm)
{
    return farm->home->executing == 0;
}

bool home_is_empty(const struct farm *farm)
{
    return farm->home->count == 0;
}

void home_check(const struct farm *farm)
{
    const struct home *home = farm->home;
    size_t count = 0;
    size_t bytes = 0;

    for (const struct call *call = home->calls.first; call != NULL;
         call = call->next, count++)
        bytes += call->bytes;
    for (const struct call *call = home->decisions.first; call != NULL;
         call = call->next, count++) {
        bytes += call->bytes;
        assert(call->state == CALL_DECIDING && call->executed > 0);
    }
    assert(count == home->count && bytes == home->bytes);
    assert(count <= CALLS_MAX && bytes <= CALLS_BYTES_MAX);
}
