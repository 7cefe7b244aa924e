/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Login: one session's SASL exchange, while the session waits.
 *
 * Who judges may be slow (saslauthd, a directory), so all exchanges go
 * through one thread that does nothing else: a slow one keeps those waiting
 * who log in after it, and nobody who is in.
 *
 * Threads: its crew's; the thread of the logins carries it out.
 */
#ifndef SERVER_SESSION_LOGIN_H
#define SERVER_SESSION_LOGIN_H

#include "server/auth/exchange.h"
#include "server/session/crew.h"

struct login;

/* Takes a COMMAND_AUTHENTICATE.  Until login_answered() is called for it the
 * session waits; false: there is nothing to judge, it has failed. */
MUST_USE bool login_begin(struct session *session,
                          const struct command *command);

/* What came of it; `challenge` is borrowed from the login. */
enum exchange_result login_result(const struct login *login,
                                  struct span *challenge);

/* The session has no use for it any more.  NULL is fine. */
void login_drop(struct login *login);

/* ---- the thread of the logins ---- */

struct logins;

/* NULL where threads or memory are out. */
struct logins *logins_create(void);

/* Nothing more is judged; called when the crews' threads have ended.  False
 * where the thread is still held up by who judges: then it has all that it
 * uses left to it, and the process ends around it. */
MUST_USE bool logins_stop(struct logins *logins);

/* ... and then, when nobody can post any more. */
void logins_destroy(struct logins *logins);

#endif
