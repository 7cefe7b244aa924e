/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Certificates: what files say becomes what OpenSSL needs; the inside of TLS.
 *
 * Fails: with one line that names option and remedy.
 */
#ifndef SERVER_LOOP_CERTIFICATES_H
#define SERVER_LOOP_CERTIFICATES_H

#include <openssl/types.h>

#include "server/loop/tls.h"

/* NULL with the reason in `error`.  The caller frees it. */
SSL_CTX *certificates_load(const struct tls_settings *settings,
                           char error[TLS_ERROR_BYTES]);

/* The first thing that OpenSSL says it fell over, in words. */
const char *certificates_reason(void);

/* Says that in `error`, of a file; false. */
bool certificates_fail(char error[TLS_ERROR_BYTES], const char *option,
                       const char *file, const char *remedy);

/* Nobody is there to be asked for one. */
void certificates_refuse_passphrases(SSL_CTX *context);

#endif
