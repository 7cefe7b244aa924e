/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Server TLS: the encryption of a server line, and whether the server is who
 * it should be.
 *
 * The descriptor blocks, for as long as its timeouts say.
 */
#ifndef SERVER_TOOL_SERVER_TLS_H
#define SERVER_TOOL_SERVER_TLS_H

#include <stdbool.h>
#include <stdio.h>

#include "server/tool/access.h"

struct server_tls;

/* Shakes hands; NULL with the reason in `error`.  Does not take `fd`. */
struct server_tls *server_tls_open(int fd, const struct access *access,
                                   char error[ACCESS_ERROR_BYTES]);
void server_tls_close(struct server_tls *tls);

/* What it hears; closing the stream leaves `tls` and the descriptor alone. */
FILE *server_tls_stream(struct server_tls *tls);

/* All of these bytes, or false. */
bool server_tls_send(struct server_tls *tls, const void *bytes, size_t count);

#endif
