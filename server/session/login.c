/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/login.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "proto/memcached/binary.h"
#include "server/session/state.h"

/* How long the end of the server waits for a judge. */
#define STOP_PATIENCE (2 * TIME_US_PER_S)

struct logins {
    struct worker *worker;
    _Atomic bool is_stopped;
};

struct login {
    struct crew *crew;
    struct session *session; /* NULL: it has gone */
    bool is_under_way;       /* in the other thread, which has what follows */
    bool is_step;
    struct exchange *exchange; /* NULL: not begun */
    enum exchange_result result;
    struct exchange_challenge challenge;
    char mechanism[EXCHANGE_MECHANISM_BYTES_MAX + 1];
    size_t said_bytes;
    uint8_t *said; /* by the client, this time */
};

static struct logins *logins_of(const struct login *login)
{
    return login->crew->clients->logins;
}

static void forget_said(struct login *login)
{
    if (login->said != NULL)
        explicit_bzero(login->said, login->said_bytes);
    free(login->said);
    login->said = NULL;
    login->said_bytes = 0;
}

/* ---- in the thread of the logins ---- */

static void dispose(void *context)
{
    struct login *login = context;

    exchange_destroy(login->exchange);
    forget_said(login);
    free(login);
}

static void judge(struct login *login)
{
    struct span said = span_of(login->said, login->said_bytes);

    if (login->is_step) {
        login->result = exchange_step(login->exchange, said, &login->challenge);
        return;
    }
    login->exchange = exchange_create();
    if (login->exchange != NULL)
        login->result = exchange_start(login->exchange, login->mechanism, said,
                                       &login->challenge);
}

static void take_answer(void *context);

static void carry_out(void *context)
{
    struct login *login = context;

    login->result = EXCHANGE_REFUSED;
    if (!atomic_load(&logins_of(login)->is_stopped))
        judge(login);
    forget_said(login);
    if (!worker_post(login->crew->worker, take_answer, login))
        abort(); /* a client that waits for ever is worse */
}

/* ---- in the crew's ---- */

static void send_to_end(struct login *login)
{
    if (!worker_post(logins_of(login)->worker, dispose, login))
        abort(); /* nobody else may end an exchange */
}

static void take_answer(void *context)
{
    struct login *login = context;

    login->is_under_way = false;
    if (login->session == NULL)
        send_to_end(login);
    else
        authentication_judged(login->session);
}

static struct login *create(struct session *session,
                            const struct command *command)
{
    struct login *login = calloc(1, sizeof(*login));

    if (login == NULL)
        return NULL;
    login->crew = session->crew;
    login->session = session;
    span_copy((uint8_t *)login->mechanism, command->key);
    return login;
}

/* What may go on is continued; what is begun begins anew. */
static struct login *find(struct session *session,
                          const struct command *command)
{
    if (command->opcode == BINARY_SASL_STEP)
        return session->login;
    login_drop(session->login);
    session->login = create(session, command);
    return session->login;
}

bool login_begin(struct session *session, const struct command *command)
{
    struct login *login = find(session, command);

    if (login == NULL)
        return false;
    /* One byte more: mechanisms like their input to end in a zero. */
    login->said = calloc(1, command->value.length + 1);
    if (login->said == NULL)
        return false;
    login->said_bytes = command->value.length;
    span_copy(login->said, command->value);
    login->is_step = command->opcode == BINARY_SASL_STEP;
    login->is_under_way = true;
    if (worker_post(logins_of(login)->worker, carry_out, login))
        return true;
    login->is_under_way = false;
    return false;
}

enum exchange_result login_result(const struct login *login,
                                  struct span *challenge)
{
    *challenge = span_of(login->challenge.text, login->challenge.bytes);
    return login->result;
}

void login_drop(struct login *login)
{
    if (login == NULL)
        return;
    login->session = NULL;
    if (!login->is_under_way)
        send_to_end(login);
}

/* ---- the thread ---- */

struct logins *logins_create(void)
{
    struct logins *logins = calloc(1, sizeof(*logins));

    if (logins == NULL)
        return NULL;
    logins->worker = worker_create();
    if (logins->worker != NULL && worker_start(logins->worker, "logins"))
        return logins;
    worker_destroy(logins->worker);
    free(logins);
    return NULL;
}

bool logins_stop(struct logins *logins)
{
    atomic_store(&logins->is_stopped, true);
    worker_stop(logins->worker);
    return worker_join_within(logins->worker, STOP_PATIENCE);
}

void logins_destroy(struct logins *logins)
{
    worker_finish(logins->worker);
    worker_destroy(logins->worker);
    free(logins);
}
