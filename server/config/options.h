/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options: the one table of what can be asked of grapevined.
 */
#ifndef SERVER_CONFIG_OPTIONS_H
#define SERVER_CONFIG_OPTIONS_H

#include "server/config/config.h"

enum option_kind {
    OPTION_FLAG,      /* bool; no argument */
    OPTION_COUNT,     /* uint64_t; one more each time; no argument */
    OPTION_NUMBER,    /* uint64_t, decimal */
    OPTION_OCTAL,     /* uint64_t, octal */
    OPTION_BYTES,     /* uint64_t; k, m or g behind the number */
    OPTION_TEXT,      /* const char * */
    OPTION_ADDRESSES, /* the list of -l */
    OPTION_FILE       /* a file of options, read where it stands */
};

struct option_row {
    char letter; /* 0: none */
    const char *name;
    const char *argument; /* what help calls it; NULL: takes none */
    enum option_kind kind;
    size_t offset; /* of its field in struct config */
    uint64_t least;
    uint64_t most;
    const char *fallback; /* the default, as one would write it; or NULL */
    const char *help;
};

extern const struct option_row option_rows[];
extern const size_t option_rows_count;

#endif
