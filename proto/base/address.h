/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Address: a host and perhaps a port, as people write them.
 */
#ifndef PROTO_BASE_ADDRESS_H
#define PROTO_BASE_ADDRESS_H

#include "proto/base/span.h"

/* With the byte that ends each. */
#define ADDRESS_HOST_BYTES 256
#define ADDRESS_PORT_BYTES 6

struct address {
    char host[ADDRESS_HOST_BYTES]; /* "" for every address */
    char port[ADDRESS_PORT_BYTES]; /* "" where none is named, else 1 to 65535 */
};

/*
 * Splits HOST, HOST:PORT, [IPV6], [IPV6]:PORT, a bare IPV6 (two colons), * or
 * *:PORT.  Hosts are not looked up; false where `text` has none of these
 * forms.
 */
MUST_USE bool address_split(const char *text, struct address *to);

#endif
