/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/loop/certificates.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#define CIPHERS_BYTES_MAX 1024
/* Sessions that are kept for clients without tickets; some 10 MB at most,
 * or with certificates of clients some 30. */
#define SESSIONS_MAX 10240
#define SESSION_S 3600

/* The first thing that OpenSSL says it fell over, in words. */
const char *certificates_reason(void)
{
    unsigned long code = ERR_peek_error();
    const char *words = ERR_reason_error_string(code);

    if (ERR_SYSTEM_ERROR(code))
        return strerror(ERR_GET_REASON(code));
    return words == NULL ? "OpenSSL gives no reason" : words;
}

bool certificates_fail(char error[TLS_ERROR_BYTES], const char *option,
                       const char *file, const char *remedy)
{
    snprintf(error, TLS_ERROR_BYTES,
             "option %s: cannot use '%.200s': %.100s; %s", option, file,
             certificates_reason(), remedy);
    return false;
}

/* Nobody is there to be asked for it. */
static int refuse_passphrase(char *to, int bytes, int is_writing, void *context)
{
    (void)to;
    (void)bytes;
    (void)is_writing;
    (void)context;
    return -1;
}

void certificates_refuse_passphrases(SSL_CTX *context)
{
    SSL_CTX_set_default_passwd_cb(context, refuse_passphrase);
}

static bool load_own(SSL_CTX *context, const struct tls_settings *settings,
                     char *error)
{
    const char *key_file =
        settings->key_file != NULL ? settings->key_file : settings->chain_file;
    int form = settings->is_key_der ? SSL_FILETYPE_ASN1 : SSL_FILETYPE_PEM;

    if (SSL_CTX_use_certificate_chain_file(context, settings->chain_file) != 1)
        return certificates_fail(
            error, "-o ssl_chain_cert", settings->chain_file,
            "give a PEM file of certificates that this user can "
            "read");
    if (SSL_CTX_use_PrivateKey_file(context, key_file, form) == 1 &&
        SSL_CTX_check_private_key(context) == 1)
        return true;
    return certificates_fail(
        error, "-o ssl_key", key_file,
        "give the certificate's own key, without a passphrase, "
        "that this user can read");
}

static bool load_authorities(SSL_CTX *context,
                             const struct tls_settings *settings, char *error)
{
    const char *file = settings->authorities_file;

    if (file == NULL)
        return true;
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(file);
    if (names == NULL || SSL_CTX_load_verify_file(context, file) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return certificates_fail(
            error, "-o ssl_ca_cert", file,
            "give a PEM file of certificates that this user can "
            "read");
    }
    SSL_CTX_set_client_CA_list(context, names); /* takes them */
    return true;
}

/* Those of TLS 1.3 have names of their own, and a list of their own. */
static bool set_ciphers(SSL_CTX *context, const char *ciphers, char *error)
{
    char old[CIPHERS_BYTES_MAX] = "";
    char new[CIPHERS_BYTES_MAX] = "";
    char all[CIPHERS_BYTES_MAX];
    char *rest;

    if (ciphers == NULL)
        return true;
    bool is_set =
        (size_t)snprintf(all, sizeof(all), "%s", ciphers) < sizeof(all);
    for (char *name = strtok_r(all, ":, ", &rest); is_set && name != NULL;
         name = strtok_r(NULL, ":, ", &rest)) {
        char *list = strncmp(name, "TLS_", 4) == 0 ? new : old;
        if (list[0] != '\0')
            strcat(list, ":");
        strcat(list, name);
    }
    if (is_set &&
        (old[0] == '\0' || SSL_CTX_set_cipher_list(context, old) == 1) &&
        (new[0] == '\0' || SSL_CTX_set_ciphersuites(context, new) == 1))
        return true;
    snprintf(error, TLS_ERROR_BYTES,
             "option -o ssl_ciphers: '%.200s' names no ciphers that OpenSSL "
             "knows; see 'openssl ciphers'",
             ciphers);
    return false;
}

static void set_behaviour(SSL_CTX *context, const struct tls_settings *settings)
{
    /* No renegotiation: a client would have us compute at its will.  An end
     * without goodbye is an end: requests say themselves how long they
     * are. */
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_min_proto_version(
        context, settings->is_only_13 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS |
                                  SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_timeout(context, SESSION_S);
    SSL_CTX_sess_set_cache_size(context, SESSIONS_MAX);
    SSL_CTX_set_session_cache_mode(context, settings->caches_sessions
                                                ? SSL_SESS_CACHE_SERVER
                                                : SSL_SESS_CACHE_OFF);
}

SSL_CTX *certificates_load(const struct tls_settings *settings,
                           char error[TLS_ERROR_BYTES])
{
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    if (context == NULL) {
        snprintf(error, TLS_ERROR_BYTES, "option -Z: OpenSSL fails: %s",
                 certificates_reason());
        return NULL;
    }
    certificates_refuse_passphrases(context);
    set_behaviour(context, settings);
    if (load_own(context, settings, error) &&
        load_authorities(context, settings, error) &&
        set_ciphers(context, settings->ciphers, error))
        return context;
    SSL_CTX_free(context);
    ERR_clear_error();
    return NULL;
}
