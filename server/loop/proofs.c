/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/loop/proofs.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/loop/certificates.h"
#include "server/loop/farm_keys.h"

/* Both hash with SHA-256, so that a key goes with either. */
#define SUITES "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"
/* RFC 8446, B.4: the first of these, as it stands in a message. */
static const uint8_t suite[] = {0x13, 0x01};
#define GROUPS "X25519:P-256"
#define READ_BUFFER_BYTES ((size_t)64 * 1024)
static const uint8_t session_context[] = "grapevine farm";

/* Where a context has its keys, and a link the key that it was proven by. */
static int keys_index = -1;
static int key_index = -1;
static pthread_once_t indexes_once = PTHREAD_ONCE_INIT;

/* ---- keys ---- */

static void free_keys(void *parent, void *keys, CRYPTO_EX_DATA *data, int index,
                      long number, void *pointer)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)number;
    (void)pointer;
    farm_keys_destroy(keys);
}

static void make_indexes(void)
{
    keys_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_keys);
    key_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* They live as long as the context, and so as long as all its links. */
static const struct farm_keys *keys_of(const SSL_CTX *context)
{
    return SSL_CTX_get_ex_data(context, keys_index);
}

static const struct farm_keys *keys_of_link(const SSL *ssl)
{
    return keys_of(SSL_get_SSL_CTX(ssl));
}

/* OpenSSL's form of a key.  It takes what comes of this. */
static SSL_SESSION *session_of(SSL *ssl, const struct farm_key *key)
{
    SSL_SESSION *session = SSL_SESSION_new();
    const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, suite);

    if (session != NULL && cipher != NULL &&
        SSL_SESSION_set1_master_key(session, key->bytes, FARM_KEY_BYTES) == 1 &&
        SSL_SESSION_set_cipher(session, cipher) == 1 &&
        SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1 &&
        SSL_SESSION_set1_id_context(session, session_context,
                                    sizeof(session_context)) == 1 &&
        SSL_set_ex_data(ssl, key_index, (void *)(uintptr_t)key) == 1)
        return session;
    SSL_SESSION_free(session);
    return NULL;
}

/* Who dials offers the first key. */
static int offer_key(SSL *ssl, const EVP_MD *digest, const unsigned char **name,
                     size_t *name_bytes, SSL_SESSION **session)
{
    const struct farm_key *key = &keys_of_link(ssl)->list[0];

    *session = NULL;
    /* Asked a second time, for another digest: there is no such suite. */
    if (digest != NULL && EVP_MD_get_type(digest) != NID_sha256)
        return 1;
    *session = session_of(ssl, key);
    *name = (const unsigned char *)key->name;
    *name_bytes = strlen(key->name);
    return *session != NULL;
}

/* Who is dialled knows it, or goes on without, which leads nowhere: there is
 * no certificate. */
static int find_key(SSL *ssl, const unsigned char *name, size_t name_bytes,
                    SSL_SESSION **session)
{
    const struct farm_key *key =
        farm_keys_find(keys_of_link(ssl), name, name_bytes);

    *session = NULL;
    if (key == NULL)
        return 1;
    *session = session_of(ssl, key);
    return *session != NULL;
}

static bool load_keys(SSL_CTX *context, const char *file, char *error)
{
    struct farm_keys *keys = farm_keys_read(file, error);

    if (keys == NULL)
        return false;
    if (SSL_CTX_set_ex_data(context, keys_index, keys) != 1) {
        farm_keys_destroy(keys);
        snprintf(error, TLS_ERROR_BYTES, "memory is out");
        return false;
    }
    SSL_CTX_set_psk_use_session_callback(context, offer_key);
    SSL_CTX_set_psk_find_session_callback(context, find_key);
    return true;
}

void proofs_list_keys(SSL_CTX *context, char to[TLS_KEY_NAMES_BYTES])
{
    const struct farm_keys *keys = keys_of(context);
    size_t used = 0;

    to[0] = '\0';
    for (size_t i = 0; keys != NULL && i < keys->count; i++)
        used += (size_t)snprintf(to + used, TLS_KEY_NAMES_BYTES - used, "%s%s",
                                 i > 0 ? "," : "", keys->list[i].name);
}

/* ---- certificates ---- */

static bool is_closed_to_others(const char *file, char *error)
{
    struct stat status;

    if (stat(file, &status) != 0 || (status.st_mode & (S_IRWXG | S_IRWXO)) == 0)
        return true; /* what is not there is told of by who reads it */
    snprintf(error, TLS_ERROR_BYTES,
             "option --farm-cert-key: others than its owner have access to "
             "'%.200s'; chmod 600 it",
             file);
    return false;
}

static bool load_certificates(SSL_CTX *context,
                              const struct tls_farm_settings *settings,
                              char *error)
{
    const char *option = "--farm-cert";
    const char *file = settings->chain_file;
    const char *remedy = "give a PEM file of this member's certificate, then "
                         "its issuers, that this user can read";

    if (SSL_CTX_use_certificate_chain_file(context, file) != 1)
        return certificates_fail(error, option, file, remedy);
    option = "--farm-cert-key";
    file = settings->key_file;
    remedy = "give the certificate's own key, PEM, without a passphrase, that "
             "this user can read";
    if (!is_closed_to_others(file, error))
        return false;
    if (SSL_CTX_use_PrivateKey_file(context, file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return certificates_fail(error, option, file, remedy);
    option = "--farm-ca";
    file = settings->authorities_file;
    remedy = "give a PEM file of who signs members' certificates, that this "
             "user can read";
    return SSL_CTX_load_verify_file(context, file) == 1 ||
           certificates_fail(error, option, file, remedy);
}

bool proofs_name(const SSL *ssl, const char *name)
{
    X509 *certificate = SSL_get0_peer_certificate(ssl);

    if (keys_of_link(ssl) != NULL)
        return true;
    /* A dot in front would stand for every name that ends so. */
    return certificate != NULL && name[0] != '.' &&
           X509_check_host(certificate, name, strlen(name),
                           X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                           NULL) == 1;
}

/* Whether who vouches now still vouches for the far end's certificate. */
static bool is_vouched_for(SSL_CTX *context, const SSL *ssl)
{
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    X509_STORE_CTX *check = X509_STORE_CTX_new();
    bool is_good =
        certificate != NULL && check != NULL &&
        X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(context), certificate,
                            SSL_get_peer_cert_chain(ssl)) == 1 &&
        X509_STORE_CTX_set_default(
            check, SSL_is_server(ssl) ? "ssl_client" : "ssl_server") == 1 &&
        X509_verify_cert(check) == 1;

    X509_STORE_CTX_free(check);
    ERR_clear_error();
    return is_good;
}

/* ---- either ---- */

static bool set_behaviour(SSL_CTX *context)
{
    /* No renegotiation, which TLS 1.3 does not have in any case.  Frames say
     * themselves how long they are: an end without goodbye is an end. */
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* Links are few and busy: they keep their buffers, and read much. */
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, READ_BUFFER_BYTES);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context,
                       SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_ciphersuites(context, SUITES) == 1 &&
           SSL_CTX_set1_groups_list(context, GROUPS) == 1 &&
           SSL_CTX_set_num_tickets(context, 0) == 1 &&
           SSL_CTX_set_max_early_data(context, 0) == 1 &&
           SSL_CTX_set_recv_max_early_data(context, 0) == 1 &&
           SSL_CTX_set_session_id_context(context, session_context,
                                          sizeof(session_context)) == 1;
}

SSL_CTX *proofs_load(const struct tls_farm_settings *settings,
                     char error[TLS_ERROR_BYTES])
{
    pthread_once(&indexes_once, make_indexes);
    ERR_clear_error();
    SSL_CTX *context = SSL_CTX_new(TLS_method());

    if (context == NULL || keys_index < 0 || key_index < 0 ||
        !set_behaviour(context)) {
        snprintf(error, TLS_ERROR_BYTES, "links of the farm: OpenSSL fails: %s",
                 certificates_reason());
        SSL_CTX_free(context);
        return NULL;
    }
    certificates_refuse_passphrases(context);
    if (settings->keys_file != NULL
            ? load_keys(context, settings->keys_file, error)
            : load_certificates(context, settings, error))
        return context;
    SSL_CTX_free(context);
    ERR_clear_error();
    return NULL;
}

bool proofs_are_given(const SSL *ssl)
{
    if (keys_of_link(ssl) != NULL)
        return SSL_session_reused(ssl) == 1 &&
               SSL_get_ex_data(ssl, key_index) != NULL;
    return SSL_get0_peer_certificate(ssl) != NULL &&
           SSL_get_verify_result(ssl) == X509_V_OK;
}

bool proofs_still_hold(SSL_CTX *context, const SSL *ssl)
{
    const struct farm_keys *keys = keys_of(context);
    const struct farm_key *key = SSL_get_ex_data(ssl, key_index);

    if (keys == NULL)
        return is_vouched_for(context, ssl);
    if (key == NULL)
        return false;
    const struct farm_key *found =
        farm_keys_find(keys, (const uint8_t *)key->name, strlen(key->name));
    return found != NULL &&
           CRYPTO_memcmp(found->bytes, key->bytes, FARM_KEY_BYTES) == 0;
}

/* What the other end has to say comes as an alert, which tells little. */
const char *proofs_reason(const SSL *ssl)
{
    bool is_keyed = keys_of_link(ssl) != NULL;
    unsigned long code = ERR_peek_error();

    if (ERR_GET_LIB(code) != ERR_LIB_SSL)
        return code == 0 ? NULL : certificates_reason();
    switch (ERR_GET_REASON(code)) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_RECORD_LENGTH_MISMATCH:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_ENCRYPTED_LENGTH_TOO_LONG:
    case SSL_R_BAD_RECORD_TYPE:
    case SSL_R_UNEXPECTED_RECORD:
        return "it does not speak TLS";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return "it does not speak TLS 1.3";
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
        return is_keyed ? "it has no key of --farm-key-file"
                        : "it offers nothing that is known here";
    case SSL_R_BINDER_DOES_NOT_VERIFY:
    case SSL_R_BAD_PSK:
        return "its key is not the one that it names";
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_TLSV13_ALERT_MISSING_EXTENSION:
        return is_keyed ? "it does not accept the key of this server; give it "
                          "that of --farm-key-file"
                        : "it takes no certificates; give it --farm-cert";
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return "it has no certificate; give it --farm-cert";
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
        return is_keyed
                   ? "it has a certificate instead of the farm key"
                   : X509_verify_cert_error_string(SSL_get_verify_result(ssl));
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
        return "it does not accept the certificate of this server; see its log";
    default:
        return certificates_reason();
    }
}
