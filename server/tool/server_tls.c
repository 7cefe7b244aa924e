/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/tool/server_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/address.h"

struct server_tls {
    SSL_CTX *context;
    SSL *ssl;
};

/* The first thing that OpenSSL says it fell over, in words. */
static const char *reason(void)
{
    unsigned long code = ERR_peek_error();
    const char *words = ERR_reason_error_string(code);

    if (ERR_SYSTEM_ERROR(code))
        return strerror(ERR_GET_REASON(code));
    return words == NULL ? "no reason is known" : words;
}

static bool fail_file(char *error, const char *option, const char *file)
{
    snprintf(error, ACCESS_ERROR_BYTES, "%s: cannot use '%.96s': %.64s", option,
             file, reason());
    return false;
}

/* Nobody is asked for it. */
static int refuse_passphrase(char *to, int bytes, int is_writing, void *context)
{
    (void)to;
    (void)bytes;
    (void)is_writing;
    (void)context;
    return -1;
}

static bool load(SSL_CTX *context, const struct access *access, char *error)
{
    const char *key =
        access->tls_key != NULL ? access->tls_key : access->tls_certificate;

    SSL_CTX_set_default_passwd_cb(context, refuse_passphrase);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    /* Answers say themselves where they end. */
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (access->tls_authority == NULL)
        SSL_CTX_set_default_verify_paths(context);
    else if (SSL_CTX_load_verify_file(context, access->tls_authority) != 1)
        return fail_file(error, "--tls-ca", access->tls_authority);
    if (key == NULL)
        return true;
    if (access->tls_certificate == NULL) {
        snprintf(error, ACCESS_ERROR_BYTES,
                 "--tls-key is of no use without --tls-cert");
        return false;
    }
    if (SSL_CTX_use_certificate_chain_file(context, access->tls_certificate) !=
        1)
        return fail_file(error, "--tls-cert", access->tls_certificate);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        return fail_file(error, "--tls-key", key);
    return true;
}

/* Whom the certificate has to name: a numeric address, or a host. */
static bool expect(SSL *ssl, const char *name)
{
    uint8_t address[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, name, address) == 1 ||
        inet_pton(AF_INET6, name, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
    return SSL_set1_host(ssl, name) == 1 &&
           SSL_set_tlsext_host_name(ssl, name) == 1;
}

static void say_why(const SSL *ssl, const struct access *access, char *error)
{
    long trust = SSL_get_verify_result(ssl);

    if (trust != X509_V_OK)
        snprintf(error, ACCESS_ERROR_BYTES,
                 "the server at %.96s is not trusted: %.64s; look at --tls-ca "
                 "and --tls-name",
                 access->where, X509_verify_cert_error_string(trust));
    else
        snprintf(error, ACCESS_ERROR_BYTES,
                 "the server at %.96s does not shake hands: %.64s; does it "
                 "speak TLS, and ask for --tls-cert?",
                 access->where, reason());
}

static bool shake_hands(struct server_tls *tls, int fd,
                        const struct access *access, char *error)
{
    struct address place = {.host = ""};
    const char *name = access->tls_name;

    if (name == NULL && address_split(access->where, &place))
        name = place.host;
    tls->ssl = SSL_new(tls->context);
    if (tls->ssl == NULL || name == NULL || !expect(tls->ssl, name) ||
        SSL_set_fd(tls->ssl, fd) != 1) {
        snprintf(error, ACCESS_ERROR_BYTES,
                 "the server at %.96s has no name to be checked; give "
                 "--tls-name",
                 access->where);
        return false;
    }
    if (SSL_connect(tls->ssl) == 1)
        return true;
    say_why(tls->ssl, access, error);
    return false;
}

struct server_tls *server_tls_open(int fd, const struct access *access,
                                   char error[ACCESS_ERROR_BYTES])
{
    struct server_tls *tls = calloc(1, sizeof(*tls));

    if (tls != NULL)
        tls->context = SSL_CTX_new(TLS_client_method());
    if (tls == NULL || tls->context == NULL)
        snprintf(error, ACCESS_ERROR_BYTES, "memory is out");
    else if (load(tls->context, access, error) &&
             shake_hands(tls, fd, access, error))
        return tls;
    server_tls_close(tls);
    return NULL;
}

void server_tls_close(struct server_tls *tls)
{
    if (tls == NULL)
        return;
    if (tls->ssl != NULL && SSL_is_init_finished(tls->ssl))
        SSL_shutdown(tls->ssl);
    SSL_free(tls->ssl);
    SSL_CTX_free(tls->context);
    free(tls);
}

/* A goodbye is the end, and so is a refusal, which by TLS 1.3 comes as late
 * as this; else time is up. */
static ssize_t read_some(void *cookie, char *to, size_t bytes)
{
    struct server_tls *tls = cookie;
    size_t got;

    ERR_clear_error();
    if (SSL_read_ex(tls->ssl, to, bytes, &got) == 1)
        return (ssize_t)got;
    switch (SSL_get_error(tls->ssl, 0)) {
    case SSL_ERROR_ZERO_RETURN:
    case SSL_ERROR_SSL:
        return 0;
    default:
        break;
    }
    errno = EIO;
    return -1;
}

FILE *server_tls_stream(struct server_tls *tls)
{
    return fopencookie(tls, "r", (cookie_io_functions_t){.read = read_some});
}

bool server_tls_send(struct server_tls *tls, const void *bytes, size_t count)
{
    size_t sent;

    ERR_clear_error();
    return SSL_write_ex(tls->ssl, bytes, count, &sent) == 1 && sent == count;
}
