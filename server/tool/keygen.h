/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keygen: a new key for the links of a farm (--farm-key-file).
 */
#ifndef SERVER_TOOL_KEYGEN_H
#define SERVER_TOOL_KEYGEN_H

#include <stdbool.h>

#define KEYGEN_ERROR_BYTES 512

/* Prints it, or makes `file` for it, which nobody but its owner can read and
 * which was not there before; false with the reason in `error`. */
bool keygen(const char *file, char error[KEYGEN_ERROR_BYTES]);

#endif
