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
    size_t count;   /* of commands that were not answered yet */
    uint8_t *bytes; /* the run */
    size_t used_bytes;
    size_t room_bytes;
    uint8_t *verdicts;   /* what was decided; NULL: not yet, or unknown */
    struct reader asked; /* what is left of the run, then */
    struct reader rest;  /* and of the verdicts */
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
    free(appeal->verdicts);
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

/* A lock that may have been taken, though nobody is told so: it is given back,
 * if it was. */
static void note_doubtful(struct possessions *doubtful,
                          const struct command *command, struct span result)
{
    struct execution would_be = {.sighting = NULL};

    command_skip(&would_be);
    if (result.length > 0 && parcel_decode_result(result, command, &would_be))
        (void)possessions_note_taking(doubtful, command, &would_be);
}

/* What the home said of the next command, which is `command`. */
static bool take_verdict(struct appeal *appeal, const struct command *command,
                         struct execution *execution,
                         struct possessions *doubtful)
{
    struct reader *rest = &appeal->rest;
    uint64_t hash = read_u64(&appeal->asked);
    unsigned verdict = read_u8(rest);
    struct span result = read_bytes(rest, read_u32(rest));

    (void)hash;
    read_bytes(&appeal->asked, read_u32(&appeal->asked));
    command_skip(execution);
    execution->outcome.kind = rest->ok && verdict == FARM_VERDICT_UNDECIDED
                                  ? OUTCOME_UNDECIDED
                                  : OUTCOME_UNKNOWN;
    if (rest->ok && verdict == FARM_VERDICT_UNKNOWN && command->is_of_lock)
        note_doubtful(doubtful, command, result);
    return rest->ok && verdict == FARM_VERDICT_DECIDED &&
           parcel_decode_result(result, command, execution) &&
           execution->outcome.kind != OUTCOME_UNDECIDED;
}

/* The command that the next verdict is of, as it was sent. */
static bool next_asked(const struct appeal *appeal, struct command *command)
{
    const struct clients *clients = appeal->crew->clients;
    struct reader asked = appeal->asked;

    read_u64(&asked);
    struct span parcel = read_bytes(&asked, read_u32(&asked));
    if (!asked.ok ||
        !parcel_decode(parcel, clients->limits.item_bytes_max, command))
        return false;
    command->is_of_lock =
        lock_keys_match(&clients->settings.lock_keys, command->key);
    return true;
}

/* Nobody hears of these verdicts: a lock that nobody knows to have is given
 * back. */
static void give_back(struct appeal *appeal)
{
    struct possessions taken = {.count = 0};
    struct execution execution = {.sighting = NULL};
    struct command command;

    while (appeal->rest.rest.length > 0 && next_asked(appeal, &command)) {
        if (take_verdict(appeal, &command, &execution, &taken))
            (void)possessions_note_taking(&taken, &command, &execution);
    }
    appeal_release(appeal->crew, &taken);
    possessions_release(&taken);
}

static void end_unheard(struct appeal *appeal)
{
    if (!appeal->crew->is_ended)
        give_back(appeal);
    destroy(appeal);
}

static void resume(void *context)
{
    struct appeal *appeal = context;

    appeal->is_answered = true;
    if (appeal->session == NULL)
        end_unheard(appeal);
    else
        session_resume(appeal->session);
}

void appeal_decided(uint64_t waiter, struct span verdicts)
{
    struct appeal *appeal = (struct appeal *)(uintptr_t)waiter;

    /* Without memory nobody knows what was decided: no verdict says so. */
    appeal->verdicts = malloc(verdicts.length + 1);
    if (appeal->verdicts != NULL)
        span_copy(appeal->verdicts, verdicts);
    appeal->rest = reader_of(span_of(
        appeal->verdicts, appeal->verdicts == NULL ? 0 : verdicts.length));
    appeal->asked = reader_of(span_of(appeal->bytes, appeal->used_bytes));
    if (!worker_post(appeal->crew->worker, resume, appeal))
        abort(); /* a client that waits for ever is worse */
}

/* What the reply that follows tells of a lock; if there is one: who is told
 * nothing does not miss it. */
static void note_told(struct session *session, const struct command *command,
                      const struct execution *execution)
{
    struct possession *taken = NULL;

    if (!reply_is_silent(command, &execution->outcome))
        taken = possessions_note_taking(&session->told, command, execution);
    if (taken != NULL)
        taken->reply_bytes = session->output.used_bytes;
}

/* What the home said is counted here, by whom the client talks to. */
void appeal_answer(struct session *session, const struct command *command)
{
    struct appeal *appeal = session->appeal;
    struct possessions doubtful = {.count = 0};
    struct execution execution;

    session_begin_execution(session, command, &execution);
    if (take_verdict(appeal, command, &execution, &doubtful))
        command_count(command, &execution);
    appeal_release(session->crew, &doubtful);
    possessions_release(&doubtful);
    if (command->is_of_lock &&
        session->crew->clients->settings.locks_end_with_connection)
        possessions_note(&session->possessions, command, &execution);
    session_count_prefix(session, command, &execution);
    if (command->is_of_lock)
        note_told(session, command, &execution);
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
    if (!appeal->is_sent)
        destroy(appeal);
    else if (appeal->is_answered)
        end_unheard(appeal);
}

void appeals_destroy(struct crew *crew)
{
    while (crew->appeals != NULL)
        destroy(crew->appeals);
}

/* ---- locks ---- */

static void send_unheard(struct appeal *appeal)
{
    appeal->is_sent =
        appeal->count > 0 &&
        peers_post(appeal->crew->clients->settings.peers, send_run, appeal);
    if (!appeal->is_sent)
        destroy(appeal);
}

void appeal_release(struct crew *crew, const struct possessions *locks)
{
    const struct store *store = crew->clients->settings.store;
    const struct possession *lock = locks->first;

    while (lock != NULL) {
        struct appeal *appeal = create(crew, NULL);
        if (appeal == NULL)
            return; /* they live until their exptime */
        for (; lock != NULL && appeal->count < FARM_COMMANDS_MAX;
             lock = lock->next) {
            struct command command;
            command_clear(&command, PROTOCOL_TEXT);
            command.kind = COMMAND_REMOVE;
            command.key = span_of(lock->key, lock->key_bytes);
            command.hash = store_hash(store, command.key);
            command.has_compare = true;
            command.ends_taking = true;
            command.compare = lock->token;
            if (!add(appeal, &command))
                break;
        }
        send_unheard(appeal);
    }
}
