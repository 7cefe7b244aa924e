/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/inquiry.h"

#include <stdlib.h>

#include "server/session/session.h"
#include "server/session/state.h"

struct question {
    struct inquiry *inquiry;
    uint64_t hash;
    bool is_certain;
    uint8_t key_bytes;
    uint8_t key[COMMAND_KEY_BYTES_MAX];
};

struct inquiry {
    struct crew *crew;
    struct session *session; /* NULL: it has gone */
    struct inquiry *next;
    struct inquiry **link; /* what leads to this one in the crew's list */
    bool is_sent;
    bool is_answered;
    _Atomic size_t open_count; /* questions without an answer */
    size_t count;
    struct question questions[CREW_BATCH_MAX];
};

static struct inquiry *create(struct crew *crew, struct session *session)
{
    struct inquiry *inquiry = malloc(sizeof(*inquiry));

    if (inquiry == NULL)
        return NULL;
    inquiry->crew = crew;
    inquiry->session = session;
    inquiry->is_sent = false;
    inquiry->is_answered = false;
    inquiry->count = 0;
    inquiry->next = crew->inquiries;
    inquiry->link = &crew->inquiries;
    if (inquiry->next != NULL)
        inquiry->next->link = &inquiry->next;
    crew->inquiries = inquiry;
    return inquiry;
}

static void destroy(struct inquiry *inquiry)
{
    *inquiry->link = inquiry->next;
    if (inquiry->next != NULL)
        inquiry->next->link = inquiry->link;
    free(inquiry);
}

bool inquiry_knows(const struct inquiry *inquiry, uint64_t hash,
                   bool *is_certain)
{
    for (size_t i = 0; i < inquiry->count; i++) {
        if (inquiry->questions[i].hash == hash) {
            *is_certain = inquiry->questions[i].is_certain;
            return true;
        }
    }
    return false;
}

/* What was added before, or is too much, is not added. */
static void add(struct inquiry *inquiry, const struct command *command)
{
    bool is_certain;

    if (inquiry->count == CREW_BATCH_MAX ||
        inquiry_knows(inquiry, command->hash, &is_certain))
        return;
    struct question *question = &inquiry->questions[inquiry->count++];
    question->inquiry = inquiry;
    question->hash = command->hash;
    question->is_certain = false;
    question->key_bytes = (uint8_t)command->key.length;
    span_copy(question->key, command->key);
}

/* In the thread of the peers. */
static void ask(void *context)
{
    struct inquiry *inquiry = context;
    struct peers *peers = inquiry->crew->clients->settings.peers;
    struct peers_question questions[CREW_BATCH_MAX];
    size_t count = inquiry->count;

    /* With the last answer the inquiry may be gone. */
    for (size_t i = 0; i < count; i++) {
        const struct question *question = &inquiry->questions[i];
        questions[i] = (struct peers_question){
            .key = span_of(question->key, question->key_bytes),
            .waiter = (uint64_t)(uintptr_t)question};
    }
    peers_look_up(peers, questions, count);
}

static bool send_questions(struct inquiry *inquiry)
{
    atomic_init(&inquiry->open_count, inquiry->count);
    inquiry->is_sent =
        peers_post(inquiry->crew->clients->settings.peers, ask, inquiry);
    return inquiry->is_sent;
}

void inquiry_begin(struct session *session, const struct command *commands,
                   size_t count)
{
    struct inquiry *inquiry = create(session->crew, session);

    inquiry_drop(session->inquiry);
    session->inquiry = inquiry;
    if (inquiry == NULL) {
        session_break(session, COUNTER_NO_SESSION_MEMORY);
        return;
    }
    add(inquiry, &commands[0]);
    for (size_t i = 1; i < count; i++) {
        struct execution execution;
        session_begin_execution(session, &commands[i], &execution);
        if (command_must_ask(&commands[i], &execution))
            add(inquiry, &commands[i]);
    }
    session->waits = true;
    session->has_backlog = true;
    if (!send_questions(inquiry))
        session->state = SESSION_BROKEN;
}

static void answer(void *context)
{
    struct inquiry *inquiry = context;

    inquiry->is_answered = true;
    if (inquiry->session == NULL)
        destroy(inquiry);
    else
        session_resume(inquiry->session);
}

void inquiry_found(uint64_t waiter, bool is_certain)
{
    struct question *question = (struct question *)(uintptr_t)waiter;
    struct inquiry *inquiry = question->inquiry;

    question->is_certain = is_certain;
    if (atomic_fetch_sub(&inquiry->open_count, 1) > 1)
        return;
    if (!worker_post(inquiry->crew->worker, answer, inquiry))
        abort(); /* a client that waits for ever is worse */
}

void inquiry_drop(struct inquiry *inquiry)
{
    if (inquiry == NULL)
        return;
    inquiry->session = NULL;
    if (!inquiry->is_sent || inquiry->is_answered)
        destroy(inquiry);
}

void inquiry_forget(struct session *session)
{
    if (session->inquiry == NULL || session->waits)
        return;
    inquiry_drop(session->inquiry);
    session->inquiry = NULL;
}

void inquiries_destroy(struct crew *crew)
{
    while (crew->inquiries != NULL)
        destroy(crew->inquiries);
}
