/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Server frame: what a server line asks and hears of a server that speaks
 * the binary protocol alone, as those do that ask for SASL.
 *
 * Every call is bounded in time, and answers in the lines of the text
 * protocol.
 */
#ifndef SERVER_TOOL_SERVER_FRAME_H
#define SERVER_TOOL_SERVER_FRAME_H

#include "server/tool/server_line.h"

/* Says by SASL PLAIN who asks; true when that was accepted. */
bool server_frame_log_in(struct server_line *line, const struct access *access);

/* Sends `version`, `stats` or `stats GROUP`. */
bool server_frame_send(struct server_line *line, const char *request);

/* The next answer as a line; false when there is none in time. */
bool server_frame_read(struct server_line *line, char *to, int bytes);

#endif
