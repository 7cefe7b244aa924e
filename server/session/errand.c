/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/errand.h"

#include <stdlib.h>

#include "proto/base/cursor.h"
#include "server/command/parcel.h"
#include "server/session/session.h"
#include "server/session/state.h"

/* A run ends with the command that comes to more; one goes whatever it has. */
#define RUN_BYTES_MAX ((size_t)64 * 1024)
/* Before each command: its hash, its length. */
#define COMMAND_HEAD_BYTES 12

struct errand {
    struct crew *crew;
    struct session *session; /* NULL: it has gone */
    struct errand *next;
    struct errand **link; /* what leads to this one in the crew's list */
    bool is_sent;
    bool is_answered;
    size_t count;       /* of commands that were not answered yet */
    uint8_t *bytes;     /* the run; then what was decided */
    size_t used_bytes;  /* of the run */
    size_t room_bytes;  /* for the run */
    struct reader rest; /* of what was decided */
};

static struct errand *create(struct crew *crew, struct session *session)
{
    struct errand *errand = calloc(1, sizeof(*errand));

    if (errand == NULL)
        return NULL;
    errand->crew = crew;
    errand->session = session;
    errand->next = crew->errands;
    errand->link = &crew->errands;
    if (errand->next != NULL)
        errand->next->link = &errand->next;
    crew->errands = errand;
    return errand;
}

static void destroy(struct errand *errand)
{
    *errand->link = errand->next;
    if (errand->next != NULL)
        errand->next->link = errand->link;
    free(errand->bytes);
    free(errand);
}

/* ---- on the way ---- */

static bool grow(struct errand *errand, size_t bytes)
{
    if (errand->used_bytes + bytes <= errand->room_bytes)
        return true;
    size_t room_bytes = errand->room_bytes + bytes;
    uint8_t *grown = realloc(errand->bytes, room_bytes);
    if (grown == NULL)
        return false;
    errand->bytes = grown;
    errand->room_bytes = room_bytes;
    return true;
}

static bool add(struct errand *errand, const struct command *command)
{
    size_t bytes = COMMAND_HEAD_BYTES + PARCEL_BYTES_BESIDE_VALUE +
                   command->value.length;

    if (!grow(errand, bytes))
        return false;
    uint8_t *to = errand->bytes + errand->used_bytes;
    size_t length = parcel_encode(command, to + COMMAND_HEAD_BYTES);
    struct writer head = writer_of(to, COMMAND_HEAD_BYTES);
    write_u64(&head, command->hash);
    write_u32(&head, (uint32_t)length);
    errand->used_bytes += COMMAND_HEAD_BYTES + length;
    errand->count++;
    return true;
}

/* A value that comes back is as large as any: it has a message for itself. */
static bool ends_run(const struct errand *errand, const struct command *command)
{
    return errand->count == FARM_COMMANDS_MAX ||
           errand->used_bytes > RUN_BYTES_MAX ||
           command->kind == COMMAND_RETRIEVE;
}

static bool goes_along(const struct session *session,
                       const struct command *command)
{
    struct execution execution;

    session_begin_execution(session, command, &execution);
    return command_goes_home(command, &execution);
}

/* In the thread of the peers. */
static void send_run(void *context)
{
    struct errand *errand = context;

    peers_command(errand->crew->clients->settings.peers,
                  (uint64_t)(uintptr_t)errand,
                  span_of(errand->bytes, errand->used_bytes));
}

void errand_begin(struct session *session, const struct command *commands,
                  size_t count)
{
    struct errand *errand = create(session->crew, session);

    /* What others had is as old as the time that this will take. */
    inquiry_drop(session->inquiry);
    session->inquiry = NULL;
    session->errand = errand;
    if (errand == NULL || !add(errand, &commands[0])) {
        session_break(session, COUNTER_NO_SESSION_MEMORY);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        if (ends_run(errand, &commands[i - 1]) ||
            !goes_along(session, &commands[i]) || !add(errand, &commands[i]))
            break;
    }
    session->waits = true;
    session->has_backlog = true;
    errand->is_sent = peers_post(session_peers(session), send_run, errand);
    if (!errand->is_sent)
        session->state = SESSION_BROKEN;
}

/* ---- back again ---- */

static void resume(void *context)
{
    struct errand *errand = context;

    errand->is_answered = true;
    if (errand->session == NULL)
        destroy(errand);
    else
        session_resume(errand->session);
}

void errand_decided(uint64_t waiter, struct span verdicts)
{
    struct errand *errand = (struct errand *)(uintptr_t)waiter;

    /* Without memory nobody knows what was decided: no verdict says so. */
    free(errand->bytes);
    errand->bytes = malloc(verdicts.length + 1);
    errand->rest = reader_of(span_of(
        errand->bytes, errand->bytes == NULL ? 0 : verdicts.length));
    if (errand->bytes != NULL)
        span_copy(errand->bytes, verdicts);
    if (!worker_post(errand->crew->worker, resume, errand))
        abort(); /* a client that waits for ever is worse */
}

/* What the home said is counted here, by whom the client talks to. */
static void take_verdict(struct errand *errand, const struct command *command,
                         struct execution *execution)
{
    struct reader *rest = &errand->rest;
    unsigned verdict = read_u8(rest);
    struct span result = read_bytes(rest, read_u32(rest));

    command_skip(execution);
    execution->outcome.kind = OUTCOME_UNKNOWN;
    if (rest->ok && verdict == FARM_VERDICT_UNDECIDED)
        execution->outcome.kind = OUTCOME_UNDECIDED;
    else if (rest->ok && verdict == FARM_VERDICT_DECIDED &&
             parcel_decode_result(result, command, execution) &&
             execution->outcome.kind != OUTCOME_UNDECIDED)
        command_count(command, execution);
}

void errand_answer(struct session *session, const struct command *command)
{
    struct errand *errand = session->errand;
    struct execution execution;

    session_begin_execution(session, command, &execution);
    take_verdict(errand, command, &execution);
    session_count_prefix(session, command, &execution);
    session_reply(session, command, &execution);
    if (--errand->count > 0)
        return;
    session->errand = NULL;
    destroy(errand);
}

void errand_drop(struct errand *errand)
{
    if (errand == NULL)
        return;
    errand->session = NULL;
    if (!errand->is_sent || errand->is_answered)
        destroy(errand);
}

void errands_destroy(struct crew *crew)
{
    while (crew->errands != NULL)
        destroy(crew->errands);
}
