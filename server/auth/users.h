/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Users: who may come in, from a file of lines USER:PASSWORD.
 *
 * memcached's rules for -Y: at most USERS_MAX lines of at most
 * USERS_LINE_BYTES_MAX bytes, the last line end is optional.  What is behind
 * the first colon is the password, colons and blanks included.
 *
 * Threads: any; a file is read while others are checked by the one before.
 * Fails:   with one line that names the file and the remedy, and never shows
 *          what is in it.
 */
#ifndef SERVER_AUTH_USERS_H
#define SERVER_AUTH_USERS_H

#include "proto/base/span.h"

#define USERS_MAX 8
#define USERS_LINE_BYTES_MAX 256
#define USERS_ERROR_BYTES 512

struct users;

/* Reads the file; keeps `path`, borrowed.  NULL: see `error`. */
MUST_USE struct users *users_create(const char *path,
                                    char error[USERS_ERROR_BYTES]);
void users_destroy(struct users *users);

/* Reads the file again.  False, with the reason in `error`, leaves those that
 * there were. */
MUST_USE bool users_reload(struct users *users, char error[USERS_ERROR_BYTES]);

/* True where there is such a user with that password.  How long it takes
 * depends on the lengths that were asked about, and on nothing in the file. */
MUST_USE bool users_check(struct users *users, struct span user,
                          struct span password);

#endif
