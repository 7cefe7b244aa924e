/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options: the one table of what can be asked of grapevined.
 */
#ifndef SERVER_CONFIG_OPTIONS_H
#define SERVER_CONFIG_OPTIONS_H

#include "server/config/config.h"

enum option_kind {
    OPTION_FLAG,       /* bool; no argument */
    OPTION_COUNT,      /* uint64_t; one more each time; no argument */
    OPTION_NUMBER,     /* uint64_t, decimal */
    OPTION_OCTAL,      /* uint64_t, octal */
    OPTION_BYTES,      /* uint64_t; k, m or g behind the number */
    OPTION_TEXT,       /* const char * */
    OPTION_NAME,       /* const char *; letters, digits, - . and _ */
    OPTION_COLON_NAME, /* const char *; those, and : */
    OPTION_CHOICE,     /* uint64_t; the place of one of the argument's words */
    OPTION_ADDRESS,    /* const char *; in a form that address_split() takes */
    OPTION_ADDRESSES,  /* an array of these, with a count beside it */
    OPTION_FILE        /* a file of options, read where it stands */
};

struct option_row {
    char letter; /* 0: none */
    const char *name;
    const char *argument; /* what help calls it; NULL: takes none; of an
                             OPTION_CHOICE its words, parted by bars */
    enum option_kind kind;
    size_t offset;       /* of its field in struct config */
    size_t count_offset; /* of the size_t that counts an OPTION_ADDRESSES */
    uint64_t least;      /* number, bytes of a name, addresses of a list */
    uint64_t most;
    const char *fallback; /* the default, as one would write it; or NULL */
    const char *help;
};

extern const struct option_row option_rows[];
extern const size_t option_rows_count;

#endif
