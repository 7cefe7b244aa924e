/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Doors: where clients may come in, as -l, -p and -s say, and what holds for
 * those who come in there.
 *
 * Threads: the main thread's; a session reads its own door in any.
 */
#ifndef SERVER_SESSION_DOORS_H
#define SERVER_SESSION_DOORS_H

#include "proto/memcached/command.h"
#include "server/loop/listener.h"
#include "server/loop/tls.h"

/* As a port: one of the system's choice, the same at all addresses. */
#define DOORS_PORT_ANY 65536

struct clients;

struct door {
    struct clients *clients;
    enum protocol protocol; /* PROTOCOL_UNKNOWN: the first byte tells */
    struct tls *tls;        /* NULL: in the clear */
    enum tls_verify verify;
    bool is_local;    /* a unix socket */
    const char *name; /* as it was given */
};

struct doors_settings {
    struct worker *worker;
    struct clients *clients;
    int backlog;
    const char *const *endpoints; /* such as endpoint_parse() takes */
    size_t endpoints_count;
    unsigned port;           /* for addresses without one; 0: none */
    const char *unix_socket; /* instead of all others, or NULL */
    unsigned unix_mode;
    enum protocol protocol; /* where a door says nothing else */
    struct tls *tls;        /* for all TCP doors but notls: ; or NULL */
};

struct doors;

/* Opens all of them, or none with the reason in `error`. */
struct doors *doors_open(const struct doors_settings *settings,
                         char error[LISTENER_ERROR_BYTES]);

/* Whether clients are let in, or wait outside. */
void doors_accept(struct doors *doors, bool accepts);

/* What they are for the system; changes when they are closed. */
const struct listener *doors_listeners(const struct doors *doors);

/* Nobody comes in any more but who waits outside already; where these are not
 * let in, they are hung up on.  Those inside still look at their doors. */
void doors_close(struct doors *doors);

/* Once nobody is inside. */
void doors_destroy(struct doors *doors);

#endif
