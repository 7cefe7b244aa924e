/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/tool/farm_view.h"

#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 2048
/* Six a member and some dozens: whoever sends more has no end. */
#define LINES_MAX 4096
#define MEMBER "farm_member:"

/* The first is the member's name, which its figures bear. */
static const struct column {
    const char *heading;
    const char *figure;
    const char *unit;
    bool is_number;
} columns[FARM_VIEW_COLUMNS] = {
    {"NAME", "", "", false},
    {"STATE", "state", "", false},
    {"ID", "id", "", false},
    {"ADDRESS", "address", "", false},
    {"LAG", "lag_records", "", true},
    {"HEARTBEAT", "heartbeat_age_ms", "ms", true},
    {"CLOCK", "clock_offset_ms", "ms", true},
};

/* What comes from a stranger goes to a terminal. */
static void copy_plain(char to[FARM_VIEW_CELL_BYTES], const char *from,
                       size_t length)
{
    if (length >= FARM_VIEW_CELL_BYTES)
        length = FARM_VIEW_CELL_BYTES - 1;
    for (size_t i = 0; i < length; i++)
        to[i] = from[i] > ' ' && from[i] <= '~' ? from[i] : '?';
    to[length] = '\0';
}

/* Its row, made where it has none; -1 beyond the most. */
static int find_member(struct farm_view *view, const char *name, size_t length)
{
    char wanted[FARM_VIEW_CELL_BYTES];

    copy_plain(wanted, name, length);
    for (size_t i = 0; i < view->members_count; i++) {
        if (strcmp(view->members[i][0], wanted) == 0)
            return (int)i;
    }
    if (view->members_count == FARM_VIEW_MEMBERS_MAX)
        return -1;
    memcpy(view->members[view->members_count][0], wanted, sizeof(wanted));
    for (size_t i = 1; i < FARM_VIEW_COLUMNS; i++)
        copy_plain(view->members[view->members_count][i], "-", 1);
    return (int)view->members_count++;
}

/* `text` is NAME:FIGURE VALUE; the name may have colons of its own. */
static void take_member(struct farm_view *view, const char *text)
{
    size_t length = strcspn(text, " ");
    const char *value = text + length;
    const char *colon = memrchr(text, ':', length);

    if (colon == NULL || colon == text || value[0] == '\0')
        return;
    int row = find_member(view, text, (size_t)(colon - text));
    const char *figure = colon + 1;
    size_t figure_length = (size_t)(value - figure);
    for (size_t i = 1; i < FARM_VIEW_COLUMNS && row >= 0; i++) {
        if (strlen(columns[i].figure) == figure_length &&
            memcmp(columns[i].figure, figure, figure_length) == 0)
            copy_plain(view->members[row][i], value + 1, strlen(value + 1));
    }
}

static void take_figure(struct farm_view *view, const char *text)
{
    static const char state[] = "farm_state ";
    static const char ready[] = "farm_members_ready ";

    if (strncmp(text, MEMBER, strlen(MEMBER)) == 0)
        take_member(view, text + strlen(MEMBER));
    else if (strncmp(text, state, strlen(state)) == 0)
        copy_plain(view->state, text + strlen(state),
                   strlen(text + strlen(state)));
    else if (strncmp(text, ready, strlen(ready)) == 0)
        view->ready_count = strtoul(text + strlen(ready), NULL, 10);
}

/* NULL, or what is wrong with the answer. */
static const char *read_answer(struct farm_view *view, struct server_line *line)
{
    char text[LINE_BYTES];

    if (!server_line_send(line, "stats farm"))
        return "closed the connection";
    for (unsigned lines = 0; lines < LINES_MAX; lines++) {
        if (!server_line_read(line, text, sizeof(text)))
            return feof(line->stream) != 0
                       ? "closed the connection; does it ask for --user, --tls "
                         "or --tls-cert?"
                       : "did not answer in time";
        if (strncmp(text, "STAT ", 5) == 0)
            take_figure(view, text + 5);
        else if (strcmp(text, "END") == 0 && view->state[0] != '\0')
            return NULL;
        else if (strcmp(text, SERVER_LINE_STRANGER) == 0)
            return "asks who you are; give --user";
        else
            return "knows nothing of farms; is it a grapevined?";
    }
    return "answers without end";
}

bool farm_view_ask(struct farm_view *view, const struct access *access,
                   char error[SERVER_LINE_ERROR_BYTES])
{
    struct server_line line;

    view->state[0] = '\0';
    view->ready_count = 0;
    view->members_count = 0;
    if (!server_line_open(&line, access, error))
        return false;
    const char *wrong = read_answer(view, &line);
    server_line_close(&line);
    if (wrong != NULL) {
        snprintf(error, SERVER_LINE_ERROR_BYTES, "the server at %.128s %s",
                 access->where, wrong);
        return false;
    }
    /* Outside a farm nobody counts. */
    if (view->ready_count == 0 && strcmp(view->state, "alone") == 0)
        view->ready_count = 1;
    return true;
}

static int width_of(const struct farm_view *view, size_t column)
{
    size_t unit = strlen(columns[column].unit);
    size_t width = strlen(columns[column].heading);

    for (size_t i = 0; i < view->members_count; i++) {
        size_t length = strlen(view->members[i][column]) + unit;
        if (length > width)
            width = length;
    }
    return (int)width;
}

static void print_cell(FILE *to, size_t column, int width, const char *text,
                       const char *unit)
{
    char cell[FARM_VIEW_CELL_BYTES + 4];

    snprintf(cell, sizeof(cell), "%s%s", text,
             strcmp(text, "-") == 0 ? "" : unit);
    fprintf(to, "%s%*s", column == 0 ? "" : "  ",
            columns[column].is_number ? width : -width, cell);
}

void farm_view_print(const struct farm_view *view, FILE *to)
{
    int widths[FARM_VIEW_COLUMNS];

    for (size_t i = 0; i < FARM_VIEW_COLUMNS; i++) {
        widths[i] = width_of(view, i);
        print_cell(to, i, widths[i], columns[i].heading, "");
    }
    fputc('\n', to);
    for (size_t member = 0; member < view->members_count; member++) {
        for (size_t i = 0; i < FARM_VIEW_COLUMNS; i++)
            print_cell(to, i, widths[i], view->members[member][i],
                       columns[i].unit);
        fputc('\n', to);
    }
}
