/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/appeal.h"

#include <stdlib.h>

#include "proto/base/cursor.h"
#include "server/command/parcel.h"
#include "server/session/session.h"
#include "server/session/state.h"

/* A run ends with the command that comes to more; one goes whatever it has. */
#define RUN_BYTES_MAX ((size_t)64 * 1024)
/* Before each command: its hash, its length. */
#define COMMAND_HEAD_BYTES 12

struct appeal {
    struct crew *crew;
    struct session *session; /* NULL: it has gone */
    struct appeal *next;
    struct appeal **link; /* what leads to this one in the crew's list */
    bool is_sent;
    bool is_answered;
    size_t count;       /* of commands that were not answered yet */
    uint8_t *bytes;     /* the run; then what was decided */
    size_t used_bytes;  /* of the run */
    size_t room_bytes;  /* for the run */
    struct reader rest; /* of what was decided */
};

static struct appeal *create(struct crew *crew, struct session *session)
{
    struct appeal *appeal = calloc(1, sizeof(*appeal));

    if (appeal == NULL)
        return NULL;
    appeal->crew = crew;
    appeal->session = session;
    appeal->next = crew->appeals;
    appeal->link = &crew->appeals;
    if (appeal->next != NULL)
        appeal->next->link = &appeal->next;
    crew->appeals = appeal;
    return appeal;
}

static void destroy(struct appeal *appeal)
{
    *appeal->link = appeal->next;
    if (appeal->next != NULL)
        appeal->next->link = appeal->link;
    free(appeal->bytes);
    free(appeal);
}

/* ---- on the way ---- */

static bool grow(struct appeal *appeal, size_t bytes)
{
    if (appeal->used_bytes + bytes <= appeal->room_bytes)
        return true;
    size_t room_bytes = appeal->room_bytes + bytes;
    uint8_t *grown = realloc(appeal->bytes, room_bytes);
    if (grown == NULL)
        return false;
    appeal->bytes = grown;
    appeal->room_bytes = room_bytes;
    return true;
}

static bool add(struct appeal *appeal, const struct command *command)
{
    size_t bytes =
        COMMAND_HEAD_BYTES + PARCEL_BYTES_BESIDE_VALUE + command->value.length;

    if (!grow(appeal, bytes))
        return false;
    uint8_t *to = appeal->bytes + appeal->used_bytes;
    size_t length = parcel_encode(command, to + COMMAND_HEAD_BYTES);
    struct writer head = writer_of(to, COMMAND_HEAD_BYTES);
    write_u64(&head, command->hash);
    write_u32(&head, (uint32_t)length);
    appeal->used_bytes += COMMAND_HEAD_BYTES + length;
    appeal->count++;
    return true;
}

/* A value that comes back is as large as any: it has a message for itself. */
static bool ends_run(const struct appeal *appeal, const struct command *command)
{
    return appeal->count == FARM_COMMANDS_MAX ||
           appeal->used_bytes > RUN_BYTES_MAX ||
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
    struct appeal *appeal = context;

    peers_command(appeal->crew->clients->settings.peers,
                  (uint64_t)(uintptr_t)appeal,
                  span_of(appeal->bytes, appeal->used_bytes));
}

void appeal_begin(struct session *session, const struct command *commands,
                  size_t count)
{
    struct appeal *appeal = create(session->crew, session);

    /* What others had is as old as the time that this will take. */
    inquiry_drop(session->inquiry);
    session->inquiry = NULL;
    session->appeal = appeal;
    if (appeal == NULL || !add(appeal, &commands[0])) {
        session_break(session, COUNTER_NO_SESSION_MEMORY);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        if (ends_run(appeal, &commands[i - 1]) ||
            !goes_along(session, &commands[i]) || !add(appeal, &commands[i]))
            break;
    }
    session->waits = true;
    session->has_backlog = true;
    appeal->is_sent = peers_post(session_peers(session), send_run, appeal);
    if (!appeal->is_sent)
        session->state = SESSION_BROKEN;
}

/* ---- back again ---- */

static void resume(void *context)
{
    struct appeal *appeal = context;

    appeal->is_answered = true;
    if (appeal->session == NULL)
        destroy(appeal);
    else
        session_resume(appeal->session);
}

void appeal_decided(uint64_t waiter, struct span verdicts)
{
    struct appeal *appeal = (struct appeal *)(uintptr_t)waiter;

    /* Without memory nobody knows what was decided: no verdict says so. */
    free(appeal->bytes);
    appeal->bytes = malloc(verdicts.length + 1);
    appeal->rest = reader_of(
        span_of(appeal->bytes, appeal->bytes == NULL ? 0 : verdicts.length));
    if (appeal->bytes != NULL)
        span_copy(appeal->bytes, verdicts);
    if (!worker_post(appeal->crew->worker, resume, appeal))
        abort(); /* a client that waits for ever is worse */
}

/* What the home said is counted here, by whom the client talks to. */
static void take_verdict(struct appeal *appeal, const struct command *command,
                         struct execution *execution)
{
    struct reader *rest = &appeal->rest;
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

void appeal_answer(struct session *session, const struct command *command)
{
    struct appeal *appeal = session->appeal;
    struct execution execution;

    session_begin_execution(session, command, &execution);
    take_verdict(appeal, command, &execution);
    session_count_prefix(session, command, &execution);
    session_reply(session, command, &execution);
    if (--appeal->count > 0)
        return;
    session->appeal = NULL;
    destroy(appeal);
}

void appeal_drop(struct appeal *appeal)
{
    if (appeal == NULL)
        return;
    appeal->session = NULL;
    if (!appeal->is_sent || appeal->is_answered)
        destroy(appeal);
}

void appeals_destroy(struct crew *crew)
{
    while (crew->appeals != NULL)
        destroy(crew->appeals);
}
