/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Options: the tables of what can be asked of grapevined.
 */
#ifndef SERVER_CONFIG_OPTIONS_H
#define SERVER_CONFIG_OPTIONS_H

#include "server/config/config.h"

enum option_kind {
    OPTION_FLAG,       /* bool, set; no argument */
    OPTION_OFF,        /* bool, cleared; no argument */
    OPTION_COUNT,      /* uint64_t; one more each time; no argument */
    OPTION_NUMBER,     /* uint64_t, decimal */
    OPTION_PORT,       /* uint64_t, decimal; -1 is CONFIG_PORT_ANY */
    OPTION_OCTAL,      /* uint64_t, octal */
    OPTION_BYTES,      /* uint64_t; k, m or g behind the number */
    OPTION_FRACTION,   /* uint64_t, thousandths; written with a point */
    OPTION_TEXT,       /* const char * */
    OPTION_CHARACTER,  /* const char *, of one byte */
    OPTION_NAME,       /* const char *; letters, digits, - . and _ */
    OPTION_COLON_NAME, /* const char *; those, and : */
    OPTION_CHOICE,     /* uint64_t; the place of one of the argument's words */
    OPTION_SIZES,      /* numbers that rise, with - between; kept nowhere */
    OPTION_ADDRESS,    /* const char *; in a form that address_split() takes */
    OPTION_ADDRESSES,  /* an array of these, with a count beside it */
    OPTION_ENDPOINTS,  /* likewise, in a form that endpoint_parse() takes */
    OPTION_PATTERNS, /* an array of texts with at most one * each, with a count
                        beside it; nothing stands for none */
    OPTION_WORDS,    /* a list with commas, of the words of -o */
    OPTION_PRESET,   /* stands for such a list, which is its fallback; no
                        argument */
    OPTION_FILE      /* a file of options, read where it stands */
};

enum option_standing {
    OPTION_WORKS,
    /* Its form is checked, and nothing follows from it: it steers what
     * memcached's storage has and this one has not. */
    OPTION_IDLE,
    /* Likewise; and -h keeps silent, as clients' test suites take its name
     * there for a promise. */
    OPTION_SILENT
};

struct option_row {
    char letter;          /* 0: none */
    const char *name;     /* a last * stands for whatever follows */
    const char *argument; /* what help calls it; NULL: takes none; in brackets:
                             may be left out, and the fallback stands; of an
                             OPTION_CHOICE its words, parted by bars */
    enum option_kind kind;
    size_t offset; /* of its field in struct config; 0 of an idle one: none */
    size_t count_offset; /* of the size_t that counts the array */
    uint64_t least;      /* number, bytes of a name, addresses of a list */
    uint64_t most;
    const char *fallback; /* the default, as one would write it; or NULL */
    const char *help;
    enum option_standing standing;
    const char *refusal; /* why this one is refused, and the remedy; or NULL */
};

extern const struct option_row option_rows[];
extern const size_t option_rows_count;

/* The words of -o. */
extern const struct option_row word_rows[];
extern const size_t word_rows_count;

bool option_is_word(const struct option_row *row);

/* How people write it: "-m (--memory-limit)", "-o idle_timeout". */
const char *option_written(const struct option_row *row, char to[64]);

#endif
