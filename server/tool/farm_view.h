/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Farm view: what one server says of its farm, from `stats farm`.
 *
 * Whatever the server sends, texts in here have no control bytes, and their
 * number is bounded.
 */
#ifndef SERVER_TOOL_FARM_VIEW_H
#define SERVER_TOOL_FARM_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "server/tool/server_line.h"

/* A name and six figures; what is longer is cut. */
#define FARM_VIEW_COLUMNS 7
#define FARM_VIEW_CELL_BYTES 128
/* Members beyond are not shown. */
#define FARM_VIEW_MEMBERS_MAX 256

struct farm_view {
    char state[FARM_VIEW_CELL_BYTES];
    unsigned long ready_count;
    size_t members_count; /* of the rows below; the server itself first */
    char members[FARM_VIEW_MEMBERS_MAX][FARM_VIEW_COLUMNS]
                [FARM_VIEW_CELL_BYTES];
};

/* Asks a server; false with the reason in `error`. */
bool farm_view_ask(struct farm_view *view, const struct access *access,
                   char error[SERVER_LINE_ERROR_BYTES]);

/* The members as a table, a heading first. */
void farm_view_print(const struct farm_view *view, FILE *to);

#endif
