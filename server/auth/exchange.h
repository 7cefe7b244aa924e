/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Exchange: one client that proves by SASL who it is, and the library that
 * judges it (Cyrus SASL), under the name `memcached` so that the settings of
 * a memcached apply: SASL_CONF_PATH, else /etc/sasl2/memcached.conf.
 *
 * No mechanism is offered that lets in whoever comes (ANONYMOUS), or that
 * would encrypt what follows, which the protocol has no way to say.
 *
 * Threads: all exchanges are one thread's.  A step may take as long as who is
 *          asked behind the library: saslauthd, LDAP, a database.
 * Built without the library exchanges_create() fails, and says so.
 */
#ifndef SERVER_AUTH_EXCHANGE_H
#define SERVER_AUTH_EXCHANGE_H

#include "proto/base/span.h"

#define EXCHANGE_ERROR_BYTES 512
/* Names of mechanisms are not longer. */
#define EXCHANGE_MECHANISM_BYTES_MAX 32
/* What the server asks back; mechanisms that ask more are refused. */
#define EXCHANGE_CHALLENGE_BYTES_MAX 4096

/* A line of the library for the log; is_failure: it cannot do its work. */
typedef void exchange_told(void *context, bool is_failure, const char *line);

struct exchanges;
struct exchange;

/* Once in a process, before any exchange; NULL with the reason in `error`. */
MUST_USE struct exchanges *exchanges_create(exchange_told *told, void *context,
                                            char error[EXCHANGE_ERROR_BYTES]);
void exchanges_destroy(struct exchanges *exchanges);

/* The mechanisms a client may choose from, with blanks between them. */
const char *exchanges_mechanisms(const struct exchanges *exchanges);

enum exchange_result {
    EXCHANGE_PROVEN,
    EXCHANGE_CONTINUES, /* with the client's answer to the challenge */
    EXCHANGE_REFUSED
};

struct exchange_challenge {
    size_t bytes;
    uint8_t text[EXCHANGE_CHALLENGE_BYTES_MAX];
};

/* NULL when memory is out. */
struct exchange *exchange_create(void);
void exchange_destroy(struct exchange *exchange);

/* Begins with `mechanism`; `initial` is what the client says with it. */
enum exchange_result exchange_start(struct exchange *exchange,
                                    const char *mechanism, struct span initial,
                                    struct exchange_challenge *challenge);

/* Goes on after EXCHANGE_CONTINUES. */
enum exchange_result exchange_step(struct exchange *exchange,
                                   struct span answer,
                                   struct exchange_challenge *challenge);

#endif
