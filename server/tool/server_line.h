/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Server line: a text conversation with one server, line by line.
 *
 * Every call is bounded in time.
 */
#ifndef SERVER_TOOL_SERVER_LINE_H
#define SERVER_TOOL_SERVER_LINE_H

#include <stdbool.h>
#include <stdio.h>

#define SERVER_LINE_ERROR_BYTES 256

struct server_line {
    int fd;
    FILE *stream;
};

/* `where` is HOST, HOST:PORT, [IPV6]:PORT or the path of a unix socket. */
bool server_line_open(struct server_line *line, const char *where,
                      unsigned timeout_s, char error[SERVER_LINE_ERROR_BYTES]);
void server_line_close(struct server_line *line);

/* Sends `request` and a line end. */
bool server_line_send(struct server_line *line, const char *request);

/* The next line without its end; false when there is none in time. */
bool server_line_read(struct server_line *line, char *to, int bytes);

#endif
