/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports: what a test suite is told of the ports that clients may use, in the
 * file that MEMCACHED_PORT_FILENAME names.
 */
#ifndef SERVER_SESSION_PORTS_H
#define SERVER_SESSION_PORTS_H

#include "server/loop/listener.h"

#define PORTS_ERROR_BYTES 512

/* Writes `TCP INET: PORT` or `TCP INET6: PORT` for each of the list; whoever
 * sees the file sees all of it.  False with the reason in `error`. */
bool ports_write(const struct listener *doors, const char *path,
                 char error[PORTS_ERROR_BYTES]);

/* Of the first of the list that has one; or 0. */
unsigned ports_first(const struct listener *doors);

#endif
