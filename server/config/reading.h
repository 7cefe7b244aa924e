/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading: where the reader of options stands; the inside of this room.
 */
#ifndef SERVER_CONFIG_READING_H
#define SERVER_CONFIG_READING_H

#include "server/config/options.h"

struct reading {
    struct config *config;
    char *error;
    unsigned depth;
    const char *file; /* being read, or NULL for the command line */
    unsigned line;
    const struct option_row *farm_row; /* given last that asks for a farm */
    bool has_protocol;                 /* -B was given */
    bool has_patterns;                 /* were given, in place of the default */
    uint64_t idle; /* where values go that nothing follows from */
};

/* CONFIG_BAD, with the line in `error`, behind the file's name and line. */
enum config_result reading_bad(const struct reading *reading,
                               const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Puts the value into the field of its row, once its form and limits were
 * checked; NULL where the kind takes none.  Not for OPTION_FILE,
 * OPTION_WORDS and OPTION_PRESET. */
enum config_result value_set(struct reading *reading,
                             const struct option_row *row, const char *text);

/* Whether all that is asked for of TLS can be had together: for clients, and
 * between members. */
enum config_result encryption_check(struct reading *reading);
enum config_result encryption_check_farm(struct reading *reading);

/* Looks at -Y and -S, and at -B and -l where either is given; sets what their
 * clients speak. */
enum config_result identity_check(struct reading *reading);

/* An OPTION_FRACTION as one would write it. */
const char *value_format_fraction(uint64_t thousandths, char to[32]);

#endif
