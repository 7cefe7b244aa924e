/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/loop/tls.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "server/loop/certificates.h"
#include "server/loop/proofs.h"

/* Certificates are the most that the far end has to send. */
#define HANDSHAKE_BYTES_MAX ((size_t)256 * 1024)
/* Of one read: records may be as small as a byte, or hold nothing. */
#define RECORDS_PER_READ_MAX 64
/* Of a member's link, before its key for sending is renewed: far below what
 * AES-GCM allows (RFC 8446, 5.5: 2^24.5 records). */
#ifndef RECORDS_PER_KEY_MAX
#define RECORDS_PER_KEY_MAX (UINT32_C(1) << 22)
#endif

struct tls {
    struct tls_settings settings; /* for clients, or: */
    struct tls_farm_settings farm;
    bool is_for_members;
    BIO_METHOD *method;
    pthread_mutex_t lock; /* over `context` */
    SSL_CTX *context;
    _Atomic uint64_t loaded_s; /* on the monotonic clock */
};

struct tls_link {
    struct tls *tls;
    SSL *ssl;
    int fd;
    bool is_ready;  /* hands were shaken */
    bool is_ended;  /* the far end sends no more */
    bool is_broken; /* nothing can be sent or received any more */
    bool broke_protocol;
    bool has_more;
    bool read_waits_to_write;
    bool write_waits_to_read;
    bool must_write; /* again, what could not be written before */
    bool is_dry;     /* the descriptor had nothing when last asked */
    bool is_eof;
    size_t handshake_bytes;
    uint32_t records_sent; /* since the key for sending was renewed */
    const char *failure;   /* of the handshake */
};

/* ---- the descriptor, as OpenSSL sees it ---- */

/*
 * Its own sockets would do, but for telling whether a read came to nothing
 * because the descriptor is dry, or because a record held nothing for us: a
 * session that waits for a descriptor in the second case waits too long.
 */
static int receive(BIO *bio, char *to, int bytes)
{
    struct tls_link *link = BIO_get_data(bio);
    ssize_t got;

    BIO_clear_retry_flags(bio);
    if (link->handshake_bytes > HANDSHAKE_BYTES_MAX)
        return -1;
    do
        got = recv(link->fd, to, (size_t)bytes, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        link->is_dry = true;
        BIO_set_retry_read(bio);
    }
    if (got == 0)
        link->is_eof = true;
    if (got > 0 && !link->is_ready)
        link->handshake_bytes += (size_t)got;
    return (int)got;
}

static int transmit(BIO *bio, const char *from, int bytes)
{
    struct tls_link *link = BIO_get_data(bio);
    ssize_t sent;

    BIO_clear_retry_flags(bio);
    do
        sent = send(link->fd, from, (size_t)bytes, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        BIO_set_retry_write(bio);
    return (int)sent;
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    const struct tls_link *link = BIO_get_data(bio);

    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF)
        return link->is_eof;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *make_method(void)
{
    int index = BIO_get_new_index();
    BIO_METHOD *method =
        index < 0 ? NULL
                  : BIO_meth_new(index | BIO_TYPE_SOURCE_SINK, "descriptor");

    if (method == NULL)
        return NULL;
    BIO_meth_set_read(method, receive);
    BIO_meth_set_write(method, transmit);
    BIO_meth_set_ctrl(method, control);
    return method;
}

/* ---- what all links share ---- */

static uint64_t monotonic_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec;
}

bool tls_reload(struct tls *tls, char error[TLS_ERROR_BYTES])
{
    SSL_CTX *fresh = tls->is_for_members
                         ? proofs_load(&tls->farm, error)
                         : certificates_load(&tls->settings, error);

    if (fresh == NULL)
        return false;
    pthread_mutex_lock(&tls->lock);
    SSL_CTX *stale = tls->context;
    tls->context = fresh;
    pthread_mutex_unlock(&tls->lock);
    SSL_CTX_free(stale); /* when the last of its links is gone */
    atomic_store(&tls->loaded_s, monotonic_s());
    return true;
}

/* A daemon moves to / later, and still has to find its files.  (Links are
 * not followed yet: renewed certificates come by changing them.) */
static bool keep_path(const char **path)
{
    char directory[PATH_MAX];
    char *joined;

    if (*path == NULL)
        return true;
    if ((*path)[0] == '/' || getcwd(directory, sizeof(directory)) == NULL)
        joined = strdup(*path);
    else if (asprintf(&joined, "%s/%s", directory, *path) < 0)
        joined = NULL;
    *path = joined;
    return joined != NULL;
}

static bool keep_paths(struct tls *tls)
{
    const char **paths[] = {
        &tls->settings.chain_file,       &tls->settings.key_file,
        &tls->settings.authorities_file, &tls->farm.keys_file,
        &tls->farm.chain_file,           &tls->farm.key_file,
        &tls->farm.authorities_file};
    bool is_kept = true;

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        is_kept &= keep_path(paths[i]);
    return is_kept;
}

/* Takes `tls`, whose settings are those that were given. */
static struct tls *load(struct tls *tls, char error[TLS_ERROR_BYTES])
{
    if (tls != NULL && pthread_mutex_init(&tls->lock, NULL) != 0) {
        free(tls);
        tls = NULL;
    }
    snprintf(error, TLS_ERROR_BYTES, "memory is out");
    if (tls == NULL)
        return NULL;
    bool has_paths = keep_paths(tls);
    tls->method = make_method();
    if (has_paths && tls->method != NULL && tls_reload(tls, error))
        return tls;
    tls_destroy(tls);
    return NULL;
}

struct tls *tls_create(const struct tls_settings *settings,
                       char error[TLS_ERROR_BYTES])
{
    struct tls *tls = calloc(1, sizeof(*tls));

    if (tls != NULL) {
        tls->settings = *settings;
        if (tls->settings.record_bytes > TLS_RECORD_BYTES_MAX)
            tls->settings.record_bytes = TLS_RECORD_BYTES_MAX;
    }
    return load(tls, error);
}

struct tls *tls_create_for_farm(const struct tls_farm_settings *settings,
                                char error[TLS_ERROR_BYTES])
{
    struct tls *tls = calloc(1, sizeof(*tls));

    if (tls != NULL) {
        tls->is_for_members = true;
        tls->farm = *settings;
        tls->settings.record_bytes = TLS_RECORD_BYTES_MAX;
    }
    return load(tls, error);
}

void tls_destroy(struct tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->context);
    BIO_meth_free(tls->method);
    free((char *)tls->settings.chain_file);
    free((char *)tls->settings.key_file);
    free((char *)tls->settings.authorities_file);
    free((char *)tls->farm.keys_file);
    free((char *)tls->farm.chain_file);
    free((char *)tls->farm.key_file);
    free((char *)tls->farm.authorities_file);
    pthread_mutex_destroy(&tls->lock);
    free(tls);
}

uint64_t tls_age_s(const struct tls *tls)
{
    return monotonic_s() - atomic_load(&tls->loaded_s);
}

enum tls_verify tls_usual_verify(const struct tls *tls)
{
    return tls->settings.verify;
}

/* ---- one link ---- */

static int openssl_mode(enum tls_verify verify)
{
    switch (verify) {
    case TLS_VERIFY_NOBODY:
        return SSL_VERIFY_NONE;
    case TLS_VERIFY_WHOEVER_OFFERS:
        return SSL_VERIFY_PEER;
    case TLS_VERIFY_EVERYBODY:
    case TLS_VERIFY_ONCE:
        break;
    }
    return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT |
           (verify == TLS_VERIFY_ONCE ? SSL_VERIFY_CLIENT_ONCE : 0);
}

static SSL_CTX *borrow_context(struct tls *tls)
{
    pthread_mutex_lock(&tls->lock);
    SSL_CTX *context = tls->context;
    SSL_CTX_up_ref(context);
    pthread_mutex_unlock(&tls->lock);
    return context;
}

void tls_list_keys(struct tls *tls, char to[TLS_KEY_NAMES_BYTES])
{
    SSL_CTX *context = borrow_context(tls);

    proofs_list_keys(context, to);
    SSL_CTX_free(context);
}

static struct tls_link *open_link(struct tls *tls, int fd)
{
    struct tls_link *link = calloc(1, sizeof(*link));

    if (link == NULL)
        return NULL;
    SSL_CTX *context = borrow_context(tls);
    link->ssl = SSL_new(context);
    SSL_CTX_free(context);
    BIO *bio = BIO_new(tls->method);
    if (link->ssl == NULL || bio == NULL) {
        BIO_free(bio);
        SSL_free(link->ssl);
        free(link);
        ERR_clear_error();
        return NULL;
    }
    link->tls = tls;
    link->fd = fd;
    BIO_set_data(bio, link);
    BIO_set_init(bio, 1);
    SSL_set_bio(link->ssl, bio, bio); /* takes it */
    return link;
}

struct tls_link *tls_open(struct tls *tls, int fd, enum tls_verify verify)
{
    struct tls_link *link = open_link(tls, fd);
    /* Who got a session at a door that asks for less is asked here. */
    uint8_t session_context[] = {'c', 'l', 'i', 'e', 'n', 't', (uint8_t)verify};

    if (link == NULL)
        return NULL;
    if (SSL_set_session_id_context(link->ssl, session_context,
                                   sizeof(session_context)) != 1) {
        tls_close(link);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_verify(link->ssl, openssl_mode(verify), NULL);
    SSL_set_accept_state(link->ssl);
    return link;
}

struct tls_link *tls_open_member(struct tls *tls, int fd, bool has_dialled)
{
    struct tls_link *link = open_link(tls, fd);

    if (link == NULL)
        return NULL;
    if (has_dialled)
        SSL_set_connect_state(link->ssl);
    else
        SSL_set_accept_state(link->ssl);
    return link;
}

void tls_end(struct tls_link *link)
{
    if (!link->is_ready || link->is_broken ||
        (SSL_get_shutdown(link->ssl) & SSL_SENT_SHUTDOWN) != 0)
        return;
    ERR_clear_error();
    if (SSL_shutdown(link->ssl) < 0)
        ERR_clear_error(); /* a courtesy */
}

void tls_close(struct tls_link *link)
{
    if (link == NULL)
        return;
    tls_end(link);
    SSL_free(link->ssl);
    free(link);
}

static enum tls_progress fail_handshake(struct tls_link *link,
                                        const char *reason)
{
    link->failure = reason;
    link->is_broken = true;
    ERR_clear_error();
    return TLS_FAILED;
}

static const char *handshake_failure(const struct tls_link *link)
{
    if (link->handshake_bytes > HANDSHAKE_BYTES_MAX)
        return "it sends too much before it comes to the point";
    return link->tls->is_for_members ? proofs_reason(link->ssl) : NULL;
}

enum tls_progress tls_shake_hands(struct tls_link *link)
{
    assert(!link->is_ready);
    ERR_clear_error();
    int result = SSL_do_handshake(link->ssl);
    if (result == 1) {
        if (link->tls->is_for_members && !proofs_are_given(link->ssl))
            return fail_handshake(link, "it proves nothing");
        link->is_ready = true;
        /* From now on a read looks at one record at a time, whatever it
         * holds, so that nobody is read for longer than the others. */
        SSL_clear_mode(link->ssl, SSL_MODE_AUTO_RETRY);
        return TLS_READY;
    }
    switch (SSL_get_error(link->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TLS_WAITS_TO_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WAITS_TO_WRITE;
    default:
        return fail_handshake(link, handshake_failure(link));
    }
}

const char *tls_failure(const struct tls_link *link)
{
    return link->failure;
}

bool tls_is_proven_still(struct tls *tls, const struct tls_link *link)
{
    SSL_CTX *context = borrow_context(tls);
    bool is_proven = proofs_still_hold(context, link->ssl);

    SSL_CTX_free(context);
    return is_proven;
}

bool tls_proves_name(const struct tls_link *link, const char *name)
{
    return proofs_name(link->ssl, name);
}

bool tls_is_resumed(const struct tls_link *link)
{
    return SSL_session_reused(link->ssl) == 1;
}

bool tls_broke_protocol(const struct tls_link *link)
{
    return link->broke_protocol;
}

/* ---- reading ---- */

/* Nothing more will come: what the last call to OpenSSL said is why. */
static void fail_reading(struct tls_link *link, int error)
{
    if (error == SSL_ERROR_ZERO_RETURN) {
        link->is_ended = true;
        return;
    }
    link->broke_protocol = error == SSL_ERROR_SSL;
    if (link->broke_protocol && link->tls->is_for_members)
        link->failure = proofs_reason(link->ssl);
    link->is_broken = true;
    ERR_clear_error();
}

/* At most one record; false where there is no use in asking again now. */
static bool read_record(struct tls_link *link, uint8_t *to, size_t bytes,
                        size_t *got)
{
    ERR_clear_error();
    link->is_dry = false;
    link->read_waits_to_write = false;
    if (SSL_read_ex(link->ssl, to, bytes, got) == 1)
        return SSL_has_pending(link->ssl) == 1;
    *got = 0;
    int error = SSL_get_error(link->ssl, 0);
    switch (error) {
    case SSL_ERROR_WANT_READ:
        return !link->is_dry;
    case SSL_ERROR_WANT_WRITE:
        link->read_waits_to_write = true;
        return false;
    default:
        fail_reading(link, error);
        return false;
    }
}

/* Reads into the places in their order. */
static size_t read_records(struct tls_link *link, const struct iovec *places,
                           int places_count)
{
    size_t total_bytes = 0;
    size_t used_bytes = 0; /* of the first place */

    link->has_more = true;
    for (unsigned records = 0; records < RECORDS_PER_READ_MAX; records++) {
        while (places_count > 0 && used_bytes == places[0].iov_len) {
            places++;
            places_count--;
            used_bytes = 0;
        }
        if (places_count == 0)
            return total_bytes;
        size_t got;
        bool goes_on =
            read_record(link, (uint8_t *)places[0].iov_base + used_bytes,
                        places[0].iov_len - used_bytes, &got);
        used_bytes += got;
        total_bytes += got;
        if (!goes_on) {
            /* An end is told by the next read. */
            link->has_more =
                total_bytes > 0 && (link->is_ended || link->is_broken);
            return total_bytes;
        }
    }
    return total_bytes;
}

ssize_t tls_read(struct tls_link *link, const struct iovec *places,
                 int places_count)
{
    size_t bytes = 0;

    assert(link->is_ready);
    /* To a client that asks for new keys OpenSSL would answer between two
     * halves of a record, and fail.  A member does not ask; and two members
     * that each waited for the other to read would wait for ever. */
    if (link->must_write && !link->is_broken && !link->tls->is_for_members) {
        errno = EAGAIN;
        return -1;
    }
    if (!link->is_ended && !link->is_broken)
        bytes = read_records(link, places, places_count);
    if (bytes > 0)
        return (ssize_t)bytes;
    if (link->is_ended || link->is_broken)
        link->has_more = false; /* that was told now */
    if (link->is_ended)
        return 0;
    errno = link->is_broken ? ECONNRESET : EAGAIN;
    return -1;
}

bool tls_has_more(const struct tls_link *link)
{
    return link->has_more;
}

bool tls_read_waits_to_write(const struct tls_link *link)
{
    return link->read_waits_to_write;
}

/* ---- writing ---- */

size_t tls_record_bytes(const struct tls_link *link)
{
    return link->tls->settings.record_bytes;
}

/* The next call would tell the far end of the new key, and what is not told
 * keeps the link from reading: two ends that do not read would wait for each
 * other.  So it is told at once, when there is room for it. */
static void renew_key(struct tls_link *link)
{
    struct pollfd descriptor = {.fd = link->fd, .events = POLLOUT};

    if (poll(&descriptor, 1, 0) != 1)
        return; /* after another record, then */
    link->records_sent = 0;
    /* Without asking the far end for its own. */
    if (SSL_key_update(link->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1)
        SSL_do_handshake(link->ssl);
    ERR_clear_error();
}

/* Clients come and go; a member's link may stay for a year. */
static void count_record(struct tls_link *link)
{
    if (link->tls->is_for_members &&
        ++link->records_sent >= RECORDS_PER_KEY_MAX)
        renew_key(link);
}

ssize_t tls_write(struct tls_link *link, struct span bytes)
{
    size_t sent;

    assert(link->is_ready && bytes.length > 0);
    link->write_waits_to_read = false;
    link->must_write = false;
    if (link->is_broken) {
        errno = EPIPE;
        return -1;
    }
    ERR_clear_error();
    if (SSL_write_ex(link->ssl, bytes.data, bytes.length, &sent) == 1) {
        count_record(link);
        return (ssize_t)sent;
    }
    switch (SSL_get_error(link->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        link->write_waits_to_read = true;
        break;
    case SSL_ERROR_WANT_WRITE:
        break;
    default:
        link->is_broken = true;
        ERR_clear_error();
        errno = EPIPE;
        return -1;
    }
    link->must_write = true;
    errno = EAGAIN;
    return -1;
}

bool tls_write_waits_to_read(const struct tls_link *link)
{
    return link->write_waits_to_read;
}
