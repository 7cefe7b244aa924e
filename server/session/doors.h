/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Doors: where clients may come in, as -l, -p and -s say.
 */
#ifndef SERVER_SESSION_DOORS_H
#define SERVER_SESSION_DOORS_H

#include "server/loop/listener.h"

/* As a port: one of the system's choice, the same at all addresses. */
#define DOORS_PORT_ANY 65536

struct doors_settings {
    const char *const *addresses; /* such as address_split() takes */
    size_t addresses_count;
    unsigned port;           /* for addresses without one; 0: none */
    const char *unix_socket; /* instead of all addresses, or NULL */
    unsigned unix_mode;
};

/* Opens all of them, or none with the reason in `error`. */
struct listener *doors_open(const struct doors_settings *doors,
                            const struct listener_settings *listeners,
                            char error[LISTENER_ERROR_BYTES]);

#endif
