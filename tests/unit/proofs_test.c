/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How members prove themselves to each other: by a key that both know, by
 * certificates; who does not get in, and why; what a link never has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "server/loop/farm_keys.h"

/* The unit is compiled so that a key for sending is renewed after 16 records
 * (Makefile.am). */
#define ROUNDS_MAX 16
#define PATH_BYTES 96

static char folder[64];
static char error[TLS_ERROR_BYTES];

/* ---- files ---- */

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/grapevine-proofs-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    char command[80];

    (void)state;
    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    return system(command);
}

static const char *path_of(char path[PATH_BYTES], const char *name)
{
    snprintf(path, PATH_BYTES, "%s/%s", folder, name);
    return path;
}

static FILE *create_file(const char *name)
{
    char path[PATH_BYTES];
    FILE *file = fopen(path_of(path, name), "w");

    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    return file;
}

/* A key of one digit, for each digit. */
static void write_keys(const char *name, const char *digits)
{
    FILE *file = create_file(name);

    for (; *digits != '\0'; digits++) {
        for (unsigned i = 0; i < 2 * FARM_KEY_BYTES; i++)
            fputc(*digits, file);
        fputc('\n', file);
    }
    fclose(file);
}

static struct tls *open_keys(const char *name, const char *digits)
{
    char path[PATH_BYTES];
    struct tls_farm_settings settings = {.keys_file = path_of(path, name)};

    write_keys(name, digits);
    struct tls *tls = tls_create_for_farm(&settings, error);
    if (tls == NULL)
        fail_msg("%s", error);
    return tls;
}

/* ---- certificates ---- */

struct authority {
    EVP_PKEY *key;
    X509 *certificate;
};

static X509 *sign(EVP_PKEY *key, const char *common_name, const char *names,
                  const struct authority *by)
{
    X509 *certificate = X509_new();
    X509V3_CTX context;

    assert_non_null(certificate);
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), rand());
    X509_NAME *subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               (const unsigned char *)common_name, -1, -1, 0);
    X509_set_issuer_name(certificate,
                         by != NULL ? X509_get_subject_name(by->certificate)
                                    : subject);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509V3_set_ctx(&context, by != NULL ? by->certificate : certificate,
                   certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(
        NULL, &context,
        by != NULL ? NID_subject_alt_name : NID_basic_constraints,
        by != NULL ? names : "critical,CA:TRUE");
    assert_non_null(extension);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    assert_true(
        X509_sign(certificate, by != NULL ? by->key : key, EVP_sha256()) > 0);
    return certificate;
}

/* NAME.pem is who vouches. */
static struct authority make_authority(const char *name)
{
    struct authority authority = {.key = EVP_EC_gen("P-256")};
    char file_name[32];

    authority.certificate = sign(authority.key, name, NULL, NULL);
    snprintf(file_name, sizeof(file_name), "%s.pem", name);
    FILE *file = create_file(file_name);
    PEM_write_X509(file, authority.certificate);
    fclose(file);
    return authority;
}

static void free_authority(struct authority *authority)
{
    X509_free(authority->certificate);
    EVP_PKEY_free(authority->key);
}

/* NAME.pem and NAME.key. */
static void make_certificate(const char *name, const char *names,
                             const struct authority *by)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = sign(key, name, names, by);
    char file_name[32];

    snprintf(file_name, sizeof(file_name), "%s.pem", name);
    FILE *file = create_file(file_name);
    PEM_write_X509(file, certificate);
    fclose(file);
    snprintf(file_name, sizeof(file_name), "%s.key", name);
    file = create_file(file_name);
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static struct tls *open_certificate(const char *name, const char *authority)
{
    char chain[PATH_BYTES];
    char key[PATH_BYTES];
    char authorities[PATH_BYTES];
    char file_name[32];
    struct tls_farm_settings settings = {
        .chain_file = chain, .key_file = key, .authorities_file = authorities};

    snprintf(file_name, sizeof(file_name), "%s.pem", name);
    path_of(chain, file_name);
    snprintf(file_name, sizeof(file_name), "%s.key", name);
    path_of(key, file_name);
    snprintf(file_name, sizeof(file_name), "%s.pem", authority);
    path_of(authorities, file_name);
    return tls_create_for_farm(&settings, error);
}

/* ---- two members ---- */

struct pair {
    int ends[2];
    struct tls_link *links[2]; /* who dialled, who was dialled */
    enum tls_progress progress[2];
};

static void connect_ends(int ends[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends),
                     0);
}

static void shake(struct pair *pair, struct tls *dials, struct tls *accepts)
{
    struct tls *sides[2] = {dials, accepts};

    connect_ends(pair->ends);
    for (size_t i = 0; i < 2; i++) {
        pair->links[i] = tls_open_member(sides[i], pair->ends[i], i == 0);
        assert_non_null(pair->links[i]);
        pair->progress[i] = TLS_WAITS_TO_READ;
    }
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        for (size_t i = 0; i < 2; i++) {
            if (pair->progress[i] == TLS_WAITS_TO_READ)
                pair->progress[i] = tls_shake_hands(pair->links[i]);
        }
    }
}

static void hang_up(struct pair *pair)
{
    for (size_t i = 0; i < 2; i++) {
        tls_close(pair->links[i]);
        close(pair->ends[i]);
    }
}

static void assert_passes(struct tls_link *from, struct tls_link *to)
{
    char heard[16];
    struct iovec place = {.iov_base = heard, .iov_len = sizeof(heard)};

    assert_int_equal(tls_write(from, SPAN("grapes")), 6);
    assert_int_equal(tls_read(to, &place, 1), 6);
    assert_memory_equal(heard, "grapes", 6);
}

static void assert_linked(struct pair *pair)
{
    for (size_t i = 0; i < 2; i++) {
        if (pair->progress[i] != TLS_READY)
            fail_msg("end %zu is not linked: %s", i,
                     tls_failure(pair->links[i]));
    }
    assert_passes(pair->links[0], pair->links[1]);
    assert_passes(pair->links[1], pair->links[0]);
}

/* Neither end believes that there is a link; `words` is what one says. */
static void assert_not_linked(struct pair *pair, size_t end, const char *words)
{
    assert_int_equal(pair->progress[1], TLS_FAILED);
    assert_int_not_equal(pair->progress[0], TLS_WAITS_TO_WRITE);
    assert_int_equal(pair->progress[end], TLS_FAILED);
    const char *reason = tls_failure(pair->links[end]);
    assert_non_null(reason);
    if (strstr(reason, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", reason, words);
}

static void shake_and_hang_up(struct tls *dials, struct tls *accepts)
{
    struct pair pair;

    shake(&pair, dials, accepts);
    assert_linked(&pair);
    hang_up(&pair);
}

/* ---- keys ---- */

static void members_with_one_key_are_linked(void **state)
{
    struct tls *one = open_keys("one", "a");
    struct tls *two = open_keys("two", "a");
    struct pair pair;

    (void)state;
    shake(&pair, one, two);
    assert_linked(&pair);
    assert_true(tls_is_proven_still(one, pair.links[0]));
    assert_true(tls_is_proven_still(two, pair.links[1]));
    /* There is no certificate to hold a name against. */
    assert_true(tls_proves_name(pair.links[0], "whoever"));
    hang_up(&pair);
    tls_destroy(one);
    tls_destroy(two);
}

static void one_key_of_several_is_enough(void **state)
{
    struct tls *old = open_keys("old", "a");
    struct tls *both = open_keys("both", "ab");
    struct tls *turned = open_keys("turned", "ba");
    struct tls *new = open_keys("new", "b");

    (void)state;
    /* Each step of a rotation, either of them dialling. */
    shake_and_hang_up(old, both);
    shake_and_hang_up(both, old);
    shake_and_hang_up(both, turned);
    shake_and_hang_up(turned, both);
    shake_and_hang_up(turned, new);
    shake_and_hang_up(new, turned);
    tls_destroy(old);
    tls_destroy(both);
    tls_destroy(turned);
    tls_destroy(new);
}

static void members_with_different_keys_are_not_linked(void **state)
{
    struct tls *one = open_keys("one", "a");
    struct tls *two = open_keys("two", "b");
    struct tls *both = open_keys("both", "ba");
    struct pair pair;

    (void)state;
    shake(&pair, one, two);
    assert_not_linked(&pair, 1, "it has no key of --farm-key-file");
    assert_not_linked(&pair, 0, "it does not accept the key of this server");
    hang_up(&pair);
    /* Who dials offers its first alone. */
    shake(&pair, both, one);
    assert_not_linked(&pair, 1, "it has no key of --farm-key-file");
    hang_up(&pair);
    tls_destroy(one);
    tls_destroy(two);
    tls_destroy(both);
}

static void a_key_that_is_removed_holds_no_longer(void **state)
{
    struct tls *one = open_keys("one", "ab");
    struct tls *two = open_keys("two", "ab");
    struct pair pair;

    (void)state;
    shake(&pair, one, two);
    assert_linked(&pair);
    write_keys("two", "bca");
    assert_true(tls_reload(two, error));
    assert_true(tls_is_proven_still(two, pair.links[1]));
    write_keys("two", "bc");
    assert_true(tls_reload(two, error));
    assert_false(tls_is_proven_still(two, pair.links[1]));
    /* The other end has not heard of it, and the link goes on. */
    assert_true(tls_is_proven_still(one, pair.links[0]));
    assert_passes(pair.links[0], pair.links[1]);
    hang_up(&pair);
    shake(&pair, one, two);
    assert_not_linked(&pair, 1, "it has no key of --farm-key-file");
    hang_up(&pair);
    tls_destroy(one);
    tls_destroy(two);
}

static void a_file_that_will_not_do_leaves_the_keys_alone(void **state)
{
    struct tls *one = open_keys("one", "a");
    struct tls *two = open_keys("two", "a");
    char before[TLS_KEY_NAMES_BYTES];
    char after[TLS_KEY_NAMES_BYTES];

    (void)state;
    tls_list_keys(two, before);
    assert_int_equal(strlen(before), FARM_KEY_NAME_BYTES - 1);
    write_keys("two", "g");
    assert_false(tls_reload(two, error));
    assert_non_null(strstr(error, "line 1 of "));
    tls_list_keys(two, after);
    assert_string_equal(before, after);
    shake_and_hang_up(one, two);
    tls_destroy(one);
    tls_destroy(two);
}

static void eight_keys_are_listed_the_used_one_first(void **state)
{
    struct tls *all = open_keys("all", "01234567");
    struct tls *first = open_keys("first", "0");
    char names[TLS_KEY_NAMES_BYTES];
    char name[TLS_KEY_NAMES_BYTES];

    (void)state;
    tls_list_keys(all, names);
    tls_list_keys(first, name);
    assert_int_equal(strlen(names), 8 * FARM_KEY_NAME_BYTES - 1);
    assert_memory_equal(names, name, FARM_KEY_NAME_BYTES - 1);
    assert_int_equal(names[FARM_KEY_NAME_BYTES - 1], ',');
    tls_destroy(all);
    tls_destroy(first);
}

/* ---- certificates ---- */

static void members_with_certificates_are_linked_by_their_names(void **state)
{
    struct authority authority = make_authority("farm");
    struct pair pair;

    (void)state;
    make_certificate("web1", "DNS:web1,DNS:web1.shop.example", &authority);
    make_certificate("web2", "DNS:*.shop.example", &authority);
    struct tls *one = open_certificate("web1", "farm");
    struct tls *two = open_certificate("web2", "farm");
    shake(&pair, one, two);
    assert_linked(&pair);
    assert_true(tls_proves_name(pair.links[1], "web1"));
    assert_true(tls_proves_name(pair.links[1], "WEB1.shop.example"));
    assert_false(tls_proves_name(pair.links[1], "web2"));
    assert_false(tls_proves_name(pair.links[1], "web1.shop.example.org"));
    assert_false(tls_proves_name(pair.links[1], "web11"));
    assert_true(tls_proves_name(pair.links[0], "web2.shop.example"));
    assert_false(tls_proves_name(pair.links[0], "web2"));
    assert_false(tls_proves_name(pair.links[0], "shop.example"));
    assert_false(tls_proves_name(pair.links[0], "a.web2.shop.example"));
    assert_true(tls_is_proven_still(one, pair.links[0]));
    assert_true(tls_is_proven_still(two, pair.links[1]));
    hang_up(&pair);
    tls_list_keys(one, error);
    assert_string_equal(error, "");
    tls_destroy(one);
    tls_destroy(two);
    free_authority(&authority);
}

static void whom_nobody_vouches_for_is_not_linked(void **state)
{
    struct authority farm = make_authority("farm");
    struct authority other = make_authority("other");
    struct pair pair;

    (void)state;
    make_certificate("web1", "DNS:web1", &farm);
    make_certificate("thief", "DNS:web2", &other);
    struct tls *one = open_certificate("web1", "farm");
    struct tls *thief = open_certificate("thief", "farm");
    shake(&pair, thief, one);
    assert_not_linked(&pair, 1, "unable to get local issuer certificate");
    hang_up(&pair);
    shake(&pair, one, thief);
    assert_int_equal(pair.progress[0], TLS_FAILED);
    assert_int_not_equal(pair.progress[1], TLS_READY);
    hang_up(&pair);
    tls_destroy(one);
    tls_destroy(thief);
    free_authority(&farm);
    free_authority(&other);
}

static void who_is_vouched_for_no_longer_is_not_proven(void **state)
{
    struct authority farm = make_authority("farm");
    struct pair pair;

    (void)state;
    make_certificate("web1", "DNS:web1", &farm);
    make_certificate("web2", "DNS:web2", &farm);
    struct tls *one = open_certificate("web1", "farm");
    struct tls *two = open_certificate("web2", "farm");
    shake(&pair, one, two);
    assert_linked(&pair);
    free_authority(&farm);
    farm = make_authority("farm");
    assert_true(tls_reload(two, error));
    assert_false(tls_is_proven_still(two, pair.links[1]));
    assert_true(tls_is_proven_still(one, pair.links[0]));
    hang_up(&pair);
    tls_destroy(one);
    tls_destroy(two);
    free_authority(&farm);
}

static void keys_and_certificates_do_not_mix(void **state)
{
    struct authority authority = make_authority("farm");
    struct pair pair;

    (void)state;
    make_certificate("web1", "DNS:web1", &authority);
    struct tls *certified = open_certificate("web1", "farm");
    struct tls *keyed = open_keys("keys", "a");
    shake(&pair, keyed, certified);
    assert_int_not_equal(pair.progress[0], TLS_READY);
    assert_int_not_equal(pair.progress[1], TLS_READY);
    hang_up(&pair);
    shake(&pair, certified, keyed);
    assert_not_linked(&pair, 1, "it has no key of --farm-key-file");
    hang_up(&pair);
    tls_destroy(certified);
    tls_destroy(keyed);
    free_authority(&authority);
}

static void a_certificates_key_is_closed_to_others(void **state)
{
    struct authority authority = make_authority("farm");
    char path[PATH_BYTES];

    (void)state;
    make_certificate("web1", "DNS:web1", &authority);
    assert_int_equal(chmod(path_of(path, "web1.key"), 0640), 0);
    assert_null(open_certificate("web1", "farm"));
    assert_non_null(strstr(error, "--farm-cert-key"));
    assert_non_null(strstr(error, "chmod 600"));
    assert_int_equal(chmod(path, 0600), 0);
    make_certificate("web2", "DNS:web2", &authority);
    char other[PATH_BYTES];
    assert_int_equal(rename(path_of(other, "web2.key"), path), 0);
    assert_null(open_certificate("web1", "farm"));
    assert_non_null(strstr(error, "--farm-cert-key"));
    assert_null(open_certificate("web2", "nobody"));
    free_authority(&authority);
}

/* ---- a stranger that is made by hand, and knows the key ---- */

struct stranger {
    SSL_CTX *context;
    SSL *ssl;
    int ends[2];
    struct tls_link *link; /* of the server */
    enum tls_progress progress;
    bool is_shaken;
    uint16_t suite; /* that its key goes with */
    uint32_t early_bytes_max;
    unsigned tickets;
    unsigned key_updates;
};

static struct farm_key stranger_key;

static int offer_key(SSL *ssl, const EVP_MD *digest, const unsigned char **name,
                     size_t *name_bytes, SSL_SESSION **session)
{
    struct stranger *stranger = SSL_get_app_data(ssl);
    uint8_t suite[2] = {(uint8_t)(stranger->suite >> 8),
                        (uint8_t)stranger->suite};

    (void)digest;
    *session = SSL_SESSION_new();
    assert_non_null(*session);
    SSL_SESSION_set1_master_key(*session, stranger_key.bytes, FARM_KEY_BYTES);
    SSL_SESSION_set_cipher(*session, SSL_CIPHER_find(ssl, suite));
    SSL_SESSION_set_protocol_version(*session, TLS1_3_VERSION);
    SSL_SESSION_set_max_early_data(*session, stranger->early_bytes_max);
    *name = (const unsigned char *)stranger_key.name;
    *name_bytes = strlen(stranger_key.name);
    return 1;
}

static void count_messages(int is_sent, int version, int type,
                           const void *bytes, size_t length, SSL *ssl,
                           void *context)
{
    struct stranger *stranger = context;
    const uint8_t *message = bytes;

    (void)version;
    (void)ssl;
    if (is_sent || type != SSL3_RT_HANDSHAKE || length == 0)
        return;
    stranger->tickets += message[0] == SSL3_MT_NEWSESSION_TICKET;
    stranger->key_updates += message[0] == SSL3_MT_KEY_UPDATE;
}

static void learn_key(void)
{
    char path[PATH_BYTES];
    struct farm_keys *keys = farm_keys_read(path_of(path, "keys"), error);

    assert_non_null(keys);
    stranger_key = keys->list[0];
    farm_keys_destroy(keys);
}

/* With the key, for these suites; or without any, NULL. */
static void meet(struct stranger *stranger, struct tls *server,
                 const char *suites)
{
    if (suites != NULL)
        learn_key();
    *stranger = (struct stranger){.context = SSL_CTX_new(TLS_client_method()),
                                  .suite = 0x1301};
    connect_ends(stranger->ends);
    stranger->link = tls_open_member(server, stranger->ends[1], false);
    stranger->ssl = SSL_new(stranger->context);
    assert_non_null(stranger->ssl);
    SSL_set_app_data(stranger->ssl, stranger);
    if (suites != NULL) {
        SSL_set_psk_use_session_callback(stranger->ssl, offer_key);
        SSL_set_ciphersuites(stranger->ssl, suites);
    }
    SSL_set_msg_callback(stranger->ssl, count_messages);
    SSL_set_msg_callback_arg(stranger->ssl, stranger);
    SSL_set_fd(stranger->ssl, stranger->ends[0]);
    SSL_set_connect_state(stranger->ssl);
    stranger->progress = TLS_WAITS_TO_READ;
}

static void try(struct stranger *stranger)
{
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        if (!stranger->is_shaken)
            stranger->is_shaken = SSL_do_handshake(stranger->ssl) == 1;
        if (stranger->progress == TLS_WAITS_TO_READ)
            stranger->progress = tls_shake_hands(stranger->link);
    }
    ERR_clear_error();
}

static void part(struct stranger *stranger)
{
    tls_close(stranger->link);
    SSL_free(stranger->ssl);
    SSL_CTX_free(stranger->context);
    close(stranger->ends[0]);
    close(stranger->ends[1]);
}

static void assert_fails(struct stranger *stranger, const char *words)
{
    try(stranger);
    assert_int_equal(stranger->progress, TLS_FAILED);
    const char *reason = tls_failure(stranger->link);
    assert_non_null(reason);
    if (strstr(reason, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", reason, words);
    part(stranger);
}

static void only_tls_1_3_with_two_suites_is_spoken(void **state)
{
    struct tls *server = open_keys("keys", "a");
    struct stranger stranger;
    const char *both = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";

    (void)state;
    meet(&stranger, server, both);
    SSL_set_max_proto_version(stranger.ssl, TLS1_2_VERSION);
    assert_fails(&stranger, "it does not speak TLS 1.3");
    meet(&stranger, server, "TLS_AES_256_GCM_SHA384");
    stranger.suite = 0x1302;
    assert_fails(&stranger, "it has no key of --farm-key-file");
    meet(&stranger, server, "TLS_AES_128_CCM_SHA256");
    stranger.suite = 0x1304;
    assert_fails(&stranger, "it has no key of --farm-key-file");
    meet(&stranger, server, "TLS_CHACHA20_POLY1305_SHA256");
    stranger.suite = 0x1303;
    try(&stranger);
    assert_int_equal(stranger.progress, TLS_READY);
    part(&stranger);
    tls_destroy(server);
}

static void a_key_that_is_known_by_name_alone_proves_nothing(void **state)
{
    struct tls *server = open_keys("keys", "a");
    struct stranger stranger;

    (void)state;
    meet(&stranger, server, "TLS_AES_128_GCM_SHA256");
    stranger_key.bytes[FARM_KEY_BYTES - 1] ^= 1;
    assert_fails(&stranger, "its key is not the one that it names");
    tls_destroy(server);
}

static void who_offers_nothing_proves_nothing(void **state)
{
    struct tls *keyed = open_keys("keys", "a");
    struct authority authority = make_authority("farm");
    struct stranger stranger;

    (void)state;
    make_certificate("web1", "DNS:web1", &authority);
    struct tls *certified = open_certificate("web1", "farm");
    meet(&stranger, keyed, NULL);
    assert_fails(&stranger, "it has no key of --farm-key-file");
    meet(&stranger, certified, NULL);
    assert_fails(&stranger, "it has no certificate; give it --farm-cert");
    tls_destroy(keyed);
    tls_destroy(certified);
    free_authority(&authority);
}

static void each_link_has_a_secret_of_its_own_and_is_never_resumed(void **state)
{
    struct tls *server = open_keys("keys", "a");
    struct stranger stranger;
    struct iovec place = {.iov_base = error, .iov_len = sizeof(error)};
    char heard[16];

    (void)state;
    meet(&stranger, server, "TLS_AES_128_GCM_SHA256");
    /* It would do without a fresh secret: the server would not. */
    SSL_set_options(stranger.ssl, SSL_OP_ALLOW_NO_DHE_KEX);
    try(&stranger);
    assert_true(stranger.is_shaken);
    assert_int_equal(stranger.progress, TLS_READY);
    assert_int_equal(SSL_get_negotiated_group(stranger.ssl), NID_X25519);
    assert_string_equal(SSL_get_version(stranger.ssl), "TLSv1.3");
    assert_int_equal(tls_write(stranger.link, SPAN("grapes")), 6);
    assert_int_equal(SSL_read(stranger.ssl, heard, sizeof(heard)), 6);
    assert_int_equal(SSL_write(stranger.ssl, "vine", 4), 4);
    assert_int_equal(tls_read(stranger.link, &place, 1), 4);
    assert_int_equal(stranger.tickets, 0);
    assert_int_equal(SSL_get_max_early_data(stranger.ssl), 0);
    assert_int_equal(SSL_get_early_data_status(stranger.ssl),
                     SSL_EARLY_DATA_NOT_SENT);
    part(&stranger);
    tls_destroy(server);
}

static void who_speaks_before_hands_are_shaken_is_cut_off(void **state)
{
    struct tls *server = open_keys("keys", "a");
    struct stranger stranger;
    size_t written;

    (void)state;
    meet(&stranger, server, "TLS_AES_128_GCM_SHA256");
    stranger.early_bytes_max = 1000;
    assert_int_equal(SSL_write_early_data(stranger.ssl, "early", 5, &written),
                     1);
    assert_fails(&stranger, "too much early data");
    tls_destroy(server);
}

static void a_key_for_sending_is_renewed_after_so_many_records(void **state)
{
    struct tls *server = open_keys("keys", "a");
    struct stranger stranger;
    char heard[16];

    (void)state;
    meet(&stranger, server, "TLS_AES_128_GCM_SHA256");
    try(&stranger);
    for (unsigned i = 1; i <= 100; i++) {
        assert_int_equal(tls_write(stranger.link, SPAN("grapes")), 6);
        assert_int_equal(SSL_read(stranger.ssl, heard, sizeof(heard)), 6);
        assert_memory_equal(heard, "grapes", 6);
        assert_int_equal(stranger.key_updates, (i - 1) / 16);
    }
    part(&stranger);
    tls_destroy(server);
}

static void who_cannot_send_hears_all_the_same(void **state)
{
    struct tls *one = open_keys("one", "a");
    struct tls *two = open_keys("two", "a");
    struct iovec place = {.iov_base = error, .iov_len = sizeof(error)};
    int bytes = 1;

    (void)state;
    /* A new key falls due before any of these records. */
    for (unsigned before = 0; before <= 16; before++) {
        struct pair pair;
        shake(&pair, one, two);
        assert_int_equal(pair.progress[1], TLS_READY);
        setsockopt(pair.ends[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
        for (unsigned i = 0; i < before; i++)
            assert_passes(pair.links[0], pair.links[1]);
        while (tls_write(pair.links[0], SPAN("grapes")) == 6)
            continue;
        assert_passes(pair.links[1], pair.links[0]);
        assert_true(tls_read(pair.links[1], &place, 1) > 0);
        hang_up(&pair);
    }
    tls_destroy(one);
    tls_destroy(two);
}

static void who_asks_for_new_keys_gets_them(void **state)
{
    struct tls *server = open_keys("keys", "a");
    struct stranger stranger;
    struct iovec place = {.iov_base = error, .iov_len = sizeof(error)};
    char heard[16];

    (void)state;
    meet(&stranger, server, "TLS_AES_128_GCM_SHA256");
    try(&stranger);
    assert_int_equal(SSL_key_update(stranger.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    assert_int_equal(SSL_write(stranger.ssl, "vine", 4), 4);
    assert_int_equal(tls_read(stranger.link, &place, 1), 4);
    assert_int_equal(tls_write(stranger.link, SPAN("grapes")), 6);
    assert_int_equal(SSL_read(stranger.ssl, heard, sizeof(heard)), 6);
    assert_int_equal(stranger.key_updates, 1);
    part(&stranger);
    tls_destroy(server);
}

/* ---- who is none of it ---- */

static void noise_is_no_handshake(void **state)
{
    static const char *const noise[] = {"GET / HTTP/1.0\r\n\r\n",
                                        "set a 0 0 1\r\na\r\n"};
    struct tls *server = open_keys("keys", "a");
    int ends[2];

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        connect_ends(ends);
        struct tls_link *link = tls_open_member(server, ends[1], false);
        size_t length = strlen(noise[i]);
        assert_int_equal(write(ends[0], noise[i], length), length);
        assert_int_equal(tls_shake_hands(link), TLS_FAILED);
        assert_string_equal(tls_failure(link), "it does not speak TLS");
        tls_close(link);
        close(ends[0]);
        close(ends[1]);
    }
    tls_destroy(server);
}

static void who_hangs_up_gives_no_reason(void **state)
{
    struct tls *server = open_keys("keys", "a");
    int ends[2];

    (void)state;
    connect_ends(ends);
    struct tls_link *link = tls_open_member(server, ends[1], false);
    assert_int_equal(tls_shake_hands(link), TLS_WAITS_TO_READ);
    close(ends[0]);
    assert_int_equal(tls_shake_hands(link), TLS_FAILED);
    assert_null(tls_failure(link));
    tls_close(link);
    close(ends[1]);
    tls_destroy(server);
}

int main(void)
{
#define CASE(name)                                                             \
    cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        CASE(members_with_one_key_are_linked),
        CASE(one_key_of_several_is_enough),
        CASE(members_with_different_keys_are_not_linked),
        CASE(a_key_that_is_removed_holds_no_longer),
        CASE(a_file_that_will_not_do_leaves_the_keys_alone),
        CASE(eight_keys_are_listed_the_used_one_first),
        CASE(members_with_certificates_are_linked_by_their_names),
        CASE(whom_nobody_vouches_for_is_not_linked),
        CASE(who_is_vouched_for_no_longer_is_not_proven),
        CASE(keys_and_certificates_do_not_mix),
        CASE(a_certificates_key_is_closed_to_others),
        CASE(only_tls_1_3_with_two_suites_is_spoken),
        CASE(a_key_that_is_known_by_name_alone_proves_nothing),
        CASE(who_offers_nothing_proves_nothing),
        CASE(each_link_has_a_secret_of_its_own_and_is_never_resumed),
        CASE(who_speaks_before_hands_are_shaken_is_cut_off),
        CASE(a_key_for_sending_is_renewed_after_so_many_records),
        CASE(who_cannot_send_hears_all_the_same),
        CASE(who_asks_for_new_keys_gets_them),
        CASE(noise_is_no_handshake),
        CASE(who_hangs_up_gives_no_reason),
    };

    return cmocka_run_group_tests_name("proofs", tests, NULL, NULL);
}
