/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Encryption: what -Z, the ssl_ words of -o and those of -l ask for, and what
 * the links of a farm are proven by, looked at together.
 */
#include <string.h>

#include "proto/base/endpoint.h"
#include "server/config/reading.h"

/* TLS 1.2: what is older was broken long ago. */
#define VERSION_LEAST 2
/* The protocol's. */
#define RECORD_KILOBYTES_MAX 16

/* Numbers and words are memcached's; the words are what its help names. */
static bool read_key_format(const char *text, bool *is_der)
{
    *is_der =
        text != NULL && (strcmp(text, "DER") == 0 || strcmp(text, "2") == 0);
    return text == NULL || *is_der || strcmp(text, "PEM") == 0 ||
           strcmp(text, "1") == 0;
}

static enum config_result check_files(struct reading *reading)
{
    struct config *config = reading->config;

    if (config->tls_chain == NULL)
        return reading_bad(reading,
                           "option -Z (--enable-ssl): there is no certificate; "
                           "give -o ssl_chain_cert=FILE and, where its key is "
                           "in another file, ssl_key=FILE");
    if (!read_key_format(config->tls_key_format, &config->tls_key_is_der))
        return reading_bad(reading,
                           "option -o ssl_keyformat: '%.64s' will not do; give "
                           "PEM or DER",
                           config->tls_key_format);
    if (config->tls_key_is_der && config->tls_key == NULL)
        return reading_bad(reading,
                           "option -o ssl_keyformat: a key in the form DER has "
                           "a file of its own; give -o ssl_key=FILE");
    if (config->tls_verify > 0 && config->tls_authority == NULL)
        return reading_bad(reading,
                           "option -o ssl_verify_mode: nobody vouches for "
                           "clients; give -o ssl_ca_cert=FILE");
    return CONFIG_OK;
}

static enum config_result check_endpoint(struct reading *reading,
                                         const char *text)
{
    const struct config *config = reading->config;
    struct endpoint endpoint;
    const char *wrong = endpoint_parse(text, &endpoint);

    if (wrong == NULL && endpoint.security != ENDPOINT_USUAL && !config->tls)
        wrong = "speaks of TLS, which there is not without -Z (--enable-ssl); "
                "remove notls:, "
                "btls: or mtls:, or give -Z";
    else if (wrong == NULL && endpoint.unix_path != NULL &&
             endpoint.security > ENDPOINT_CLEAR)
        wrong =
            "is a unix socket, which is not encrypted; remove btls: or mtls:";
    else if (wrong == NULL && endpoint.security == ENDPOINT_PROVEN &&
             config->tls_authority == NULL)
        wrong = "has nobody who vouches for clients; give -o ssl_ca_cert=FILE";
    return wrong == NULL
               ? CONFIG_OK
               : reading_bad(reading, "option -l (--listen): '%.64s' %s", text,
                             wrong);
}

enum config_result encryption_check(struct reading *reading)
{
    struct config *config = reading->config;

    if (config->tls && check_files(reading) != CONFIG_OK)
        return CONFIG_BAD;
    /* What comes of it, for whoever asks later. */
    if (config->tls_version_min < VERSION_LEAST)
        config->tls_version_min = VERSION_LEAST;
    if (config->tls_buffer_kilobytes > RECORD_KILOBYTES_MAX)
        config->tls_buffer_kilobytes = RECORD_KILOBYTES_MAX;
    for (size_t i = 0; i < config->listen_count; i++) {
        if (check_endpoint(reading, config->listen[i]) != CONFIG_OK)
            return CONFIG_BAD;
    }
    return CONFIG_OK;
}

enum config_result encryption_check_farm(struct reading *reading)
{
    const struct config *config = reading->config;
    bool has_some = config->farm_chain != NULL ||
                    config->farm_chain_key != NULL ||
                    config->farm_authority != NULL;
    bool has_all = config->farm_chain != NULL &&
                   config->farm_chain_key != NULL &&
                   config->farm_authority != NULL;

    if (has_some && !has_all)
        return reading_bad(reading,
                           "option --%s: certificates need all three; give "
                           "--farm-cert, --farm-cert-key and --farm-ca",
                           config->farm_chain != NULL       ? "farm-cert"
                           : config->farm_chain_key != NULL ? "farm-cert-key"
                                                            : "farm-ca");
    if (has_some && config->farm_keys != NULL)
        return reading_bad(reading,
                           "option --farm-key-file: members prove themselves "
                           "by a key or by certificates; remove it, or "
                           "--farm-cert, --farm-cert-key and --farm-ca");
    if (config->farm_insecure && (has_some || config->farm_keys != NULL))
        return reading_bad(reading,
                           "option --farm-insecure: links are encrypted "
                           "already; remove it");
    return CONFIG_OK;
}
