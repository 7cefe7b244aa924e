/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Farm keys: what the members of a farm know and nobody else; read from a
 * file.
 *
 * A key is a line of 64 hexadecimal digits.  The first is used, all are
 * accepted.  Blank lines and what stands behind # are skipped.
 *
 * Fails: with one line that names option and remedy; it never shows a key.
 */
#ifndef SERVER_LOOP_FARM_KEYS_H
#define SERVER_LOOP_FARM_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "server/loop/tls.h"

#define FARM_KEY_BYTES 32
#define FARM_KEYS_MAX 8
/* A name by which two members mean the same key; it does not tell the key. */
#define FARM_KEY_NAME_BYTES 17

struct farm_key {
    uint8_t bytes[FARM_KEY_BYTES];
    char name[FARM_KEY_NAME_BYTES];
};

struct farm_keys {
    size_t count; /* at least 1 */
    struct farm_key list[FARM_KEYS_MAX];
};

/* NULL with the reason in `error`. */
struct farm_keys *farm_keys_read(const char *file, char error[TLS_ERROR_BYTES]);

/* Leaves nothing of them in memory; NULL is fine. */
void farm_keys_destroy(struct farm_keys *keys);

/* NULL where no key has this name. */
const struct farm_key *farm_keys_find(const struct farm_keys *keys,
                                      const uint8_t *name, size_t bytes);

#endif
