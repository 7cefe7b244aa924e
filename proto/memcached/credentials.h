/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Credentials: what clients say before they are let in, in either protocol.
 *
 * Text (memcached's -Y): a `set` of any key whose value is USER, a blank and
 * PASSWORD.  Binary (-S): the SASL opcodes, and `version`.  Everything else
 * is refused, and nothing of it is looked at or executed.
 */
#ifndef PROTO_MEMCACHED_CREDENTIALS_H
#define PROTO_MEMCACHED_CREDENTIALS_H

#include "proto/memcached/command.h"

/* Of a text value, or of the body of a SASL frame. */
#define CREDENTIALS_BYTES_MAX 16384
/* Lines that are shorter, up to their LF, are nobody's who means to come in. */
#define CREDENTIALS_LINE_BYTES_MIN 6
/* Of a SASL mechanism. */
#define CREDENTIALS_MECHANISM_BYTES_MAX 32

/*
 * Takes what comes next from a client that is not let in, as text_parse() and
 * binary_parse() do.  `command` is COMMAND_REFUSED or
 *
 *   COMMAND_AUTHENTICATE  text: `key` is the user, `value` the password;
 *                         binary: `key` is the mechanism, `value` what it
 *                         says, by its opcode at the start or as a step
 *   COMMAND_MECHANISMS    binary: which ones there are
 *   COMMAND_VERSION       binary
 */
struct parsed credentials_parse_text(struct span input,
                                     struct command *command);
struct parsed credentials_parse_binary(struct span input,
                                       struct command *command);

#endif
