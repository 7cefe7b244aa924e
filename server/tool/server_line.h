/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Server line: a conversation with one server, line by line, whichever
 * protocol it speaks.
 *
 * Every call is bounded in time.
 */
#ifndef SERVER_TOOL_SERVER_LINE_H
#define SERVER_TOOL_SERVER_LINE_H

#include <stdbool.h>
#include <stdio.h>

#include "server/tool/access.h"

#define SERVER_LINE_ERROR_BYTES ACCESS_ERROR_BYTES
/* What a server says to whom it does not know. */
#define SERVER_LINE_STRANGER "CLIENT_ERROR unauthenticated"

struct server_line {
    int fd;
    FILE *stream;
    struct server_tls *tls; /* NULL: in the clear */
    bool is_binary;
};

/* Connects, and says who asks where the server wants to know. */
bool server_line_open(struct server_line *line, const struct access *access,
                      char error[SERVER_LINE_ERROR_BYTES]);
void server_line_close(struct server_line *line);

/* Sends `request` and a line end. */
bool server_line_send(struct server_line *line, const char *request);

/* The next line without its end; false when there is none in time. */
bool server_line_read(struct server_line *line, char *to, int bytes);

/* What it means that there was none. */
const char *server_line_silence(const struct server_line *line);

/* All of these bytes, or false. */
bool server_line_send_bytes(struct server_line *line, const void *bytes,
                            size_t count);
bool server_line_read_bytes(struct server_line *line, void *to, size_t count);

#endif
