/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS: connections, encrypted: of clients to their door, and between members
 * of a farm.
 *
 * A link is read and written like a non-blocking socket; nothing here waits.
 * What differs from a socket: there may be more to read although the
 * descriptor has nothing (tls_has_more), and reading may wait until
 * something can be written, or the reverse (tls_read_waits_to_write,
 * tls_write_waits_to_read).
 *
 * Owns:    a link its memory, not the descriptor.
 * Threads: a link belongs to one; all else is for any.
 * Fails:   with one line for whoever started the server, or asked for other
 *          certificates.
 */
#ifndef SERVER_LOOP_TLS_H
#define SERVER_LOOP_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "proto/base/span.h"

#define TLS_ERROR_BYTES 512

/* Of a record's content; more at once costs a record more. */
#define TLS_RECORD_BYTES_MAX ((size_t)16 * 1024)

/* Whether clients have to prove who they are; memcached's numbers. */
enum tls_verify {
    TLS_VERIFY_NOBODY,
    TLS_VERIFY_WHOEVER_OFFERS,
    TLS_VERIFY_EVERYBODY,
    TLS_VERIFY_ONCE /* everybody; there is no second time in any case */
};

/* Strings are borrowed for the life of the `struct tls`. */
struct tls_settings {
    const char *chain_file;       /* PEM: certificate, then its issuers */
    const char *key_file;         /* NULL: in the chain's file */
    bool is_key_der;              /* rather than PEM */
    const char *authorities_file; /* PEM, who vouch for clients; or NULL */
    const char *ciphers;          /* in OpenSSL's form; NULL: its choice */
    enum tls_verify verify;       /* at doors that say nothing else */
    bool is_only_13;              /* TLS 1.3; else 1.2, too */
    bool caches_sessions;         /* for clients that take no tickets */
    size_t record_bytes; /* put into one record at most; the protocol's own
                            limit holds, too */
};

/* What members of a farm prove themselves by: the farm's keys, or certificates
 * (the other three). */
struct tls_farm_settings {
    const char *keys_file;        /* one per line; or NULL */
    const char *chain_file;       /* PEM: certificate, then its issuers */
    const char *key_file;         /* PEM, of that certificate */
    const char *authorities_file; /* PEM, who vouch for members */
};

/* Of all keys of a farm, with a byte that ends them. */
#define TLS_KEY_NAMES_BYTES 160

struct tls;
struct tls_link;

/* For clients, and for members.  Loads keys and certificates; NULL with the
 * reason in `error`. */
struct tls *tls_create(const struct tls_settings *settings,
                       char error[TLS_ERROR_BYTES]);
struct tls *tls_create_for_farm(const struct tls_farm_settings *settings,
                                char error[TLS_ERROR_BYTES]);
void tls_destroy(struct tls *tls);

/* Loads them again: connections that come from now on get them, others are
 * left alone.  False with the reason in `error`: all stays as it was. */
MUST_USE bool tls_reload(struct tls *tls, char error[TLS_ERROR_BYTES]);

/* The names of a farm's keys, the used one first; "" for certificates. */
void tls_list_keys(struct tls *tls, char to[TLS_KEY_NAMES_BYTES]);

/* Since the certificates were loaded, in seconds. */
uint64_t tls_age_s(const struct tls *tls);

/* What the clients of a door are asked for, unless it says otherwise. */
enum tls_verify tls_usual_verify(const struct tls *tls);

/* A connection that a client has opened; NULL if memory is out. */
struct tls_link *tls_open(struct tls *tls, int fd, enum tls_verify verify);

/* A connection to a member, which this one has dialled or been dialled by; NULL
 * if memory is out. */
struct tls_link *tls_open_member(struct tls *tls, int fd, bool has_dialled);

/* Says goodbye, if there is still somebody; NULL is fine. */
void tls_close(struct tls_link *link);

/* Says goodbye: nothing more is sent. */
void tls_end(struct tls_link *link);

enum tls_progress {
    TLS_READY,
    TLS_WAITS_TO_READ,
    TLS_WAITS_TO_WRITE,
    TLS_FAILED /* or the client sends too much before it comes to the point */
};

/* To be called until TLS_READY, before anything is read or written. */
enum tls_progress tls_shake_hands(struct tls_link *link);

/* Of a member: why the handshake failed, or what came after it was no TLS; in
 * words for people.  NULL: it hung up. */
const char *tls_failure(const struct tls_link *link);

/* Of a member: what it was let in by would let it in now. */
bool tls_is_proven_still(struct tls *tls, const struct tls_link *link);

/* Of a member: its certificate is for `name`; true where keys prove. */
bool tls_proves_name(const struct tls_link *link, const char *name);

/* Ready without much ado: the client has been here before. */
bool tls_is_resumed(const struct tls_link *link);

/* What came after that was no TLS, or not the client's. */
bool tls_broke_protocol(const struct tls_link *link);

/* As readv(): bytes, 0 at the end, or -1 and errno; EAGAIN: nothing yet, or
 * not before what tls_write() did not take was written. */
ssize_t tls_read(struct tls_link *link, const struct iovec *places,
                 int places_count);

/* As send(): how many of the bytes were taken, or -1 and errno.  After
 * EAGAIN the next call has to begin with the same bytes, and as many. */
ssize_t tls_write(struct tls_link *link, struct span bytes);

/* The next read needs no word of the descriptor. */
bool tls_has_more(const struct tls_link *link);

/* Of a record that is sent, at most. */
size_t tls_record_bytes(const struct tls_link *link);

bool tls_read_waits_to_write(const struct tls_link *link);
bool tls_write_waits_to_read(const struct tls_link *link);

#endif
