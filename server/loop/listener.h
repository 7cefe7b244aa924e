/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listener: sockets that accept clients.
 *
 * Threads: its worker's.
 * Fails:   with one sentence for whoever started the server.
 */
#ifndef SERVER_LOOP_LISTENER_H
#define SERVER_LOOP_LISTENER_H

#include "server/loop/worker.h"

#define LISTENER_ERROR_BYTES 512

struct listener;

/* Takes `fd`, non-blocking. */
typedef void listener_accepted(int fd, void *context);

struct listener_settings {
    struct worker *worker;
    int backlog;
    listener_accepted *accepted;
    void *context;
    const char *address_option; /* to be named where an address will not do */
    const char *port_option;
};

/*
 * Listens on `host` (NULL: all addresses) and `port`, on every address that
 * the name has.  NULL with the reason in `error` if none could be had.
 */
struct listener *listener_open_tcp(const struct listener_settings *settings,
                                   const char *host, const char *port,
                                   char error[LISTENER_ERROR_BYTES]);

/* Listens on a unix socket with file mode `mode`; a dead server's socket at
 * `path` is replaced, a live one's is not. */
struct listener *listener_open_unix(const struct listener_settings *settings,
                                    const char *path, unsigned mode,
                                    char error[LISTENER_ERROR_BYTES]);

/* False on a machine without IPv6, or with it switched off. */
bool listener_has_ipv6(void);

/* Puts `next` and all behind it at the end of `first`; returns the list. */
struct listener *listener_append(struct listener *first, struct listener *next);

/* The sockets of the list, at most `max` of them; returns how many. */
size_t listener_fds(const struct listener *first, int *fds, size_t max);

/* Whether connections are accepted, or wait in the system's queue. */
void listener_accept(struct listener *first, bool accepts);

/* The one behind it in the list, or NULL. */
const struct listener *listener_next(const struct listener *listener);

/* The address family and port of a TCP listener; false of others. */
bool listener_port(const struct listener *listener, int *family,
                   unsigned *port);

/* Closes all of the list; a unix socket's file is removed. */
void listener_close(struct listener *first);

/* The same after who waits in the system's queue was accepted, unless all are
 * to wait. */
void listener_end(struct listener *first);

#endif
