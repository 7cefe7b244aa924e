/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Proofs: how two members of a farm prove to each other that they are, by a
 * key that both know or by certificates; the inside of TLS.
 *
 * One context serves both ends.  It speaks TLS 1.3 alone, with AEAD ciphers
 * and a fresh key for each link (RFC 8446: psk_dhe_ke), without tickets, early
 * data or sessions to be resumed.
 *
 * Fails: with one line that names option and remedy.
 */
#ifndef SERVER_LOOP_PROOFS_H
#define SERVER_LOOP_PROOFS_H

#include <openssl/types.h>

#include "server/loop/tls.h"

/* NULL with the reason in `error`.  The caller frees it. */
SSL_CTX *proofs_load(const struct tls_farm_settings *settings,
                     char error[TLS_ERROR_BYTES]);

/* Once hands are shaken: the far end has proven itself.  (It has, or OpenSSL
 * would have failed; this asks again.) */
bool proofs_are_given(const SSL *ssl);

/* What was good enough for the link would be so for `context`, too. */
bool proofs_still_hold(SSL_CTX *context, const SSL *ssl);

/* The far end's certificate is one of `name`; true where keys prove. */
bool proofs_name(const SSL *ssl, const char *name);

/* The names of the keys, the used one first, with commas; "" for none. */
void proofs_list_keys(SSL_CTX *context, char to[TLS_KEY_NAMES_BYTES]);

/* Why hands were not shaken, as far as OpenSSL knows; for people. */
const char *proofs_reason(const SSL *ssl);

#endif
