/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Access: how the tool reaches a server, and as whom.
 *
 * Passwords come from a file or from the environment, never from the command
 * line, where every user of the machine could read them.
 */
#ifndef SERVER_TOOL_ACCESS_H
#define SERVER_TOOL_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

#define ACCESS_ERROR_BYTES 256
#define ACCESS_PASSWORD_BYTES_MAX 256
#define ACCESS_USER_BYTES_MAX 256
/* Where a password is, if no file is named. */
#define ACCESS_PASSWORD_VARIABLE "GRAPEVINE_PASSWORD"

struct access {
    const char *where; /* HOST, HOST:PORT, [IPV6]:PORT or a unix socket */
    bool is_unix;      /* a unix socket, slash or not */
    unsigned timeout_s;
    bool is_binary; /* the server is spoken to in binary at once */
    bool is_encrypted;
    const char *tls_authority;   /* PEM; NULL: those of the system */
    const char *tls_certificate; /* ours, PEM, or NULL */
    const char *tls_key;         /* NULL: in that file */
    const char *tls_name;        /* the server's; NULL: as in `where` */
    const char *user;            /* NULL: nobody in particular */
    char password[ACCESS_PASSWORD_BYTES_MAX + 1];
};

/* Finds the password of `access->user`, in the first line of `path` or, where
 * that is NULL, in the environment; false with the reason in `error`. */
bool access_find_password(struct access *access, const char *path,
                          char error[ACCESS_ERROR_BYTES]);

#endif
