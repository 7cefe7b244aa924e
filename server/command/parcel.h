/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Parcel: a command as bytes on its way to its home, and what came of it as
 * bytes on their way back.
 *
 * It has what executing the command takes; what its reply takes besides stays
 * with whoever asked.  What another server sends is not believed: each length
 * and each choice is checked.
 *
 * Borrows: spans of what was decoded point into the bytes.
 */
#ifndef SERVER_COMMAND_PARCEL_H
#define SERVER_COMMAND_PARCEL_H

#include "server/command/execute.h"

/* What a command has at most besides its value, and so has a result. */
#define PARCEL_BYTES_BESIDE_VALUE ((size_t)512)

/* Writes a command on a key, its value included, into so much room; returns
 * the bytes that it took. */
size_t parcel_encode(const struct command *command, uint8_t *to);

/* False where the bytes are no command that a home decides; key and value
 * together have at most `item_bytes_max`.  The hash is for the caller to
 * set. */
MUST_USE bool parcel_decode(struct span bytes, size_t item_bytes_max,
                            struct command *command);

/* Writes what came of an executed command, and what counting it takes. */
size_t parcel_encode_result(const struct execution *execution, uint8_t *to);

/*
 * Sets outcome, absence and is_created of `execution`, and its sighting where
 * it wants one.  False where the bytes can be no result of this command, and
 * nothing is set.
 */
MUST_USE bool parcel_decode_result(struct span bytes,
                                   const struct command *command,
                                   struct execution *execution);

#endif
