/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Endpoint: where a server listens for clients and what holds for those who
 * come in there, as -l says it.
 *
 * Words stand before the place: notls: btls: mtls:, proto[ascii]:
 * proto[binary]: proto[negotiating]:, tag[NAME]: or tag_NAME_: .
 */
#ifndef PROTO_BASE_ENDPOINT_H
#define PROTO_BASE_ENDPOINT_H

#include "proto/base/address.h"

#define ENDPOINT_TAG_BYTES_MAX 8

enum endpoint_security {
    ENDPOINT_USUAL,     /* as the server does it */
    ENDPOINT_CLEAR,     /* notls: */
    ENDPOINT_ENCRYPTED, /* btls: nobody is asked for a certificate */
    ENDPOINT_PROVEN     /* mtls: everybody is */
};

enum endpoint_protocol {
    ENDPOINT_AS_USUAL, /* as -B says */
    ENDPOINT_ASCII,
    ENDPOINT_BINARY,
    ENDPOINT_NEGOTIATING
};

struct endpoint {
    enum endpoint_security security;
    enum endpoint_protocol protocol;
    char tag[ENDPOINT_TAG_BYTES_MAX + 1]; /* "": none */
    const char *unix_path; /* of unix:PATH, within the text; or NULL */
    struct address address;
};

/* NULL, or what to say behind `text`: what is wrong with it, and the remedy. */
MUST_USE const char *endpoint_parse(const char *text, struct endpoint *to);

#endif
