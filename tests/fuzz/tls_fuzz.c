/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A TLS link between a client and the server's side of it, over a socket that
 * takes little: records of any sizes, delivered in any pieces, read into any
 * places, while the server writes, too, and the client may change its keys.
 *
 * Both hear all that the other said, in order.  Once the link says that it
 * waits for its descriptor, and that has nothing, every record that was
 * delivered whole has been read: else a session would wait for ever.  Of a
 * record that was changed on its way nothing is believed, and nothing behind
 * it.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/loop/tls.h"
#include "tests/fuzz/reads.h"

/* Of a client's writes; each may be a record, and so may an order. */
#define RECORDS_MAX 1024
#define WIRE_BYTES_MAX ((size_t)1024 * 1024)
#define ANSWER_BYTES_MAX ((size_t)96 * 1024)
#define SENT_BYTES_MAX ((size_t)64 * 1024)
#define PLACE_BYTES_MAX ((size_t)20000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
const char *__asan_default_options(void);

/* A connection takes and gives back some 50 KB, thousands of times. */
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=32";
}

/* Where a write of the client ends, on the wire and in what it said. */
struct record {
    size_t wire_bytes;
    size_t said_bytes;
};

struct pair {
    struct reads reads;
    int ours;   /* the server's end */
    int theirs; /* the client's */
    struct tls_link *link;
    SSL *client;
    BIO *to_client;
    BIO *from_client;

    size_t wire_bytes; /* that the client encrypted */
    size_t delivered_bytes;
    size_t changed_at; /* of the wire; SIZE_MAX: nothing was */
    struct record records[RECORDS_MAX];
    size_t records_count;
    size_t said_bytes;  /* by the client */
    size_t heard_bytes; /* by the server */

    size_t answer_bytes;  /* the server means to say */
    size_t offered_bytes; /* of these, to a call that took none */
    size_t told_bytes;    /* it has said */
    size_t learnt_bytes;  /* the client has heard */
    bool is_over;

    uint8_t wire[WIRE_BYTES_MAX]; /* what the client encrypted; not cleared */
};

static struct tls *server;
static SSL_CTX *client_context;
static uint8_t answer[ANSWER_BYTES_MAX];

/* ---- a certificate ---- */

static void write_file(const char *path, EVP_PKEY *key, X509 *certificate)
{
    FILE *file = fopen(path, "w");

    assert(file != NULL);
    assert(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
    assert(PEM_write_X509(file, certificate) == 1);
    fclose(file);
}

static void make_certificate(const char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();

    assert(key != NULL && certificate != NULL);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               (const unsigned char *)"server", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
    X509_set_pubkey(certificate, key);
    assert(X509_sign(certificate, key, EVP_sha256()) > 0);
    write_file(path, key, certificate);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    char path[] = "/tmp/grapevine-fuzz-tls.XXXXXX";
    char error[TLS_ERROR_BYTES];
    struct tls_settings settings = {.chain_file = path,
                                    .record_bytes = TLS_RECORD_BYTES_MAX};
    int fd = mkstemp(path);

    (void)argc;
    (void)argv;
    assert(fd >= 0);
    close(fd);
    make_certificate(path);
    server = tls_create(&settings, error);
    assert(server != NULL);
    unlink(path);
    client_context = SSL_CTX_new(TLS_client_method());
    assert(client_context != NULL);
    for (size_t i = 0; i < sizeof(answer); i++)
        answer[i] = (uint8_t)(i * 7 + i / 251);
    return 0;
}

/* ---- what moves bytes ---- */

/* What the client has encrypted goes to the wire. */
static void collect(struct pair *pair)
{
    int got;

    while (pair->wire_bytes < sizeof(pair->wire) &&
           (got = BIO_read(pair->from_client, pair->wire + pair->wire_bytes,
                           (int)(sizeof(pair->wire) - pair->wire_bytes))) > 0)
        pair->wire_bytes += (size_t)got;
}

/* True when something went. */
static bool deliver(struct pair *pair, size_t bytes)
{
    size_t left_bytes = pair->wire_bytes - pair->delivered_bytes;

    if (bytes > left_bytes)
        bytes = left_bytes;
    if (bytes == 0)
        return false;
    ssize_t sent = send(pair->theirs, pair->wire + pair->delivered_bytes, bytes,
                        MSG_NOSIGNAL);
    if (sent > 0)
        pair->delivered_bytes += (size_t)sent;
    return sent > 0;
}

/* The client hears; true when something came. */
static bool pull(struct pair *pair, size_t bytes)
{
    uint8_t received[4096];
    uint8_t heard[4096];
    size_t got;
    ssize_t count =
        recv(pair->theirs, received,
             bytes < sizeof(received) ? bytes : sizeof(received), 0);

    if (count > 0)
        BIO_write(pair->to_client, received, (int)count);
    while (SSL_read_ex(pair->client, heard, sizeof(heard), &got) == 1) {
        /* A record may have gone before the call that took it says so. */
        assert(pair->learnt_bytes + got <= pair->answer_bytes);
        assert(memcmp(heard, answer + pair->learnt_bytes, got) == 0);
        pair->learnt_bytes += got;
    }
    return count > 0;
}

static bool is_readable(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};

    return poll(&one, 1, 0) == 1;
}

/* Of what the client said, what was delivered whole and unchanged. */
static size_t owed_bytes(const struct pair *pair)
{
    size_t owed = 0;

    for (size_t i = 0; i < pair->records_count; i++) {
        const struct record *record = &pair->records[i];
        if (record->wire_bytes <= pair->delivered_bytes &&
            record->wire_bytes <= pair->changed_at)
            owed = record->said_bytes;
    }
    return owed;
}

/* ---- what both do ---- */

static void say(struct pair *pair, size_t bytes)
{
    size_t left_bytes = pair->reads.sent.length - pair->said_bytes;
    size_t taken = 0;

    if (bytes > left_bytes)
        bytes = left_bytes;
    if (bytes == 0 || pair->records_count == RECORDS_MAX ||
        pair->wire_bytes + bytes + 1024 > sizeof(pair->wire))
        return;
    if (SSL_write_ex(pair->client, pair->reads.sent.data + pair->said_bytes,
                     bytes, &taken) != 1) {
        assert(pair->changed_at != SIZE_MAX); /* and it was told so */
        return;
    }
    assert(taken == bytes);
    collect(pair);
    pair->said_bytes += bytes;
    pair->records[pair->records_count++] =
        (struct record){pair->wire_bytes, pair->said_bytes};
}

/* As a session does: into two places. */
static void hear(struct pair *pair, size_t first_bytes, size_t second_bytes)
{
    uint8_t *memory = malloc(first_bytes + second_bytes);
    struct iovec places[2] = {
        {.iov_base = memory, .iov_len = first_bytes},
        {.iov_base = memory + first_bytes, .iov_len = second_bytes}};

    assert(memory != NULL);
    ssize_t got = tls_read(pair->link, places, 2);
    if (got > 0) {
        assert(pair->heard_bytes + (size_t)got <= owed_bytes(pair));
        assert(memcmp(memory, pair->reads.sent.data + pair->heard_bytes,
                      (size_t)got) == 0);
        pair->heard_bytes += (size_t)got;
    } else if (got == 0 || errno != EAGAIN) {
        assert(pair->changed_at != SIZE_MAX);
        assert(pair->heard_bytes == owed_bytes(pair));
        assert(!tls_has_more(pair->link));
        pair->is_over = true;
    }
    if (!pair->is_over && !tls_has_more(pair->link) &&
        !tls_read_waits_to_write(pair->link) && pair->offered_bytes == 0 &&
        !is_readable(pair->ours))
        assert(pair->heard_bytes == owed_bytes(pair));
    free(memory);
}

static void tell(struct pair *pair, size_t bytes)
{
    size_t left_bytes = ANSWER_BYTES_MAX - pair->answer_bytes;

    pair->answer_bytes += bytes < left_bytes ? bytes : left_bytes;
    size_t offered = pair->answer_bytes - pair->told_bytes;
    if (offered == 0)
        return;
    assert(offered >= pair->offered_bytes);
    /* Memory of its own, as an output may have moved. */
    uint8_t *memory = malloc(offered);
    assert(memory != NULL);
    memcpy(memory, answer + pair->told_bytes, offered);
    ssize_t sent = tls_write(pair->link, span_of(memory, offered));
    bool is_later = sent < 0 && errno == EAGAIN;
    free(memory);
    if (sent > 0)
        pair->told_bytes += (size_t)sent;
    else
        assert(is_later || pair->changed_at != SIZE_MAX);
    pair->offered_bytes = is_later ? offered : 0;
}

static void change_keys(struct pair *pair)
{
    if (pair->records_count == RECORDS_MAX ||
        SSL_key_update(pair->client, SSL_KEY_UPDATE_REQUESTED) != 1)
        return;
    SSL_do_handshake(pair->client);
    collect(pair);
}

static void change_wire(struct pair *pair, uint8_t control)
{
    size_t left_bytes = pair->wire_bytes - pair->delivered_bytes;

    if (left_bytes == 0 || pair->changed_at != SIZE_MAX)
        return;
    pair->changed_at = pair->delivered_bytes + control % left_bytes;
    pair->wire[pair->changed_at] ^= 1;
}

/* ---- from the handshake to the end ---- */

static bool shake_hands(struct pair *pair)
{
    bool is_ready = false;

    for (unsigned rounds = 0; rounds < 100; rounds++) {
        bool is_shaken = SSL_do_handshake(pair->client) == 1;
        collect(pair);
        while (deliver(pair, SIZE_MAX))
            continue;
        is_ready = is_ready || tls_shake_hands(pair->link) == TLS_READY;
        if (is_ready && is_shaken)
            return true;
        uint8_t received[4096];
        ssize_t got;
        while ((got = recv(pair->theirs, received, sizeof(received), 0)) > 0)
            BIO_write(pair->to_client, received, (int)got);
    }
    return false;
}

static void obey(struct pair *pair, uint8_t control)
{
    size_t amount = control >> 3;

    switch (control & 7) {
    case 0:
        say(pair, amount + 1);
        break;
    case 1:
        say(pair, amount * amount * 16 + 1);
        break;
    case 2:
        deliver(pair, amount + 1);
        break;
    case 3:
        deliver(pair, amount == 0 ? SIZE_MAX : amount * 1000);
        break;
    case 4:
        hear(pair, amount + 1, amount * amount * 20);
        break;
    case 5:
        tell(pair, amount * amount * 30 + 1);
        break;
    case 6:
        pull(pair, amount * 100 + 1);
        break;
    default:
        if (amount < 24)
            change_keys(pair);
        else
            change_wire(pair, reads_control(&pair->reads));
    }
}

/* All that was begun comes to its end. */
static void finish(struct pair *pair)
{
    bool goes_on = true;

    say(pair, SIZE_MAX);
    while (goes_on && !pair->is_over) {
        size_t heard = pair->heard_bytes;
        size_t told = pair->told_bytes;
        goes_on = deliver(pair, SIZE_MAX);
        hear(pair, PLACE_BYTES_MAX, 100);
        tell(pair, 0);
        goes_on |= pull(pair, SIZE_MAX);
        goes_on |= pair->heard_bytes > heard || pair->told_bytes > told;
    }
    assert(pair->heard_bytes == owed_bytes(pair));
    if (pair->changed_at == SIZE_MAX) {
        assert(pair->heard_bytes == pair->said_bytes);
        assert(pair->told_bytes == pair->answer_bytes);
        assert(pair->learnt_bytes == pair->told_bytes);
    }
}

static void open_pair(struct pair *pair)
{
    int ends[2];
    int bytes = 1;

    assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    pair->ours = ends[0];
    pair->theirs = ends[1];
    setsockopt(pair->ours, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    pair->link = tls_open(server, pair->ours, TLS_VERIFY_NOBODY);
    pair->client = SSL_new(client_context);
    pair->to_client = BIO_new(BIO_s_mem());
    pair->from_client = BIO_new(BIO_s_mem());
    assert(pair->link != NULL && pair->client != NULL);
    BIO_set_mem_eof_return(pair->to_client, -1);
    SSL_set_bio(pair->client, pair->to_client, pair->from_client);
    SSL_set_connect_state(pair->client);
}

static void close_pair(struct pair *pair)
{
    tls_close(pair->link);
    SSL_free(pair->client);
    close(pair->ours);
    close(pair->theirs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pair pair;

    memset(&pair, 0, offsetof(struct pair, wire));
    pair.reads = reads_of(data, size);
    pair.changed_at = SIZE_MAX;
    if (pair.reads.sent.length > SENT_BYTES_MAX)
        pair.reads.sent.length = SENT_BYTES_MAX;
    open_pair(&pair);
    if (reads_control(&pair.reads) % 4 == 1)
        SSL_set_max_proto_version(pair.client, TLS1_2_VERSION);
    assert(shake_hands(&pair));
    while (pair.reads.controls.length > 0 && !pair.is_over)
        obey(&pair, reads_control(&pair.reads));
    if (!pair.is_over)
        finish(&pair);
    close_pair(&pair);
    return 0;
}
