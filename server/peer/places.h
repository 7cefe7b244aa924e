/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Places: where this server listens for others, and where others may be, as
 * numeric addresses.
 */
#ifndef SERVER_PEER_PLACES_H
#define SERVER_PEER_PLACES_H

#include "proto/base/address.h"
#include "server/peer/peers.h"

/* HOST:PORT or [IPV6]:PORT, numeric. */
#define PLACE_BYTES (ADDRESS_HOST_BYTES + ADDRESS_PORT_BYTES + 4)

/* Where to listen. */
struct place {
    struct address address;
    char told[PLACE_BYTES]; /* to others: where to dial */
};

/* Works it out from the settings; false with the reason in `error`. */
MUST_USE bool places_choose(const struct peers_settings *settings,
                            struct place *place, char error[PEERS_ERROR_BYTES]);

/* Shows all addresses of `name`, HOST or HOST:PORT.  A name that is not
 * numeric may take seconds; false: it has none at present. */
typedef void place_visitor(const char *address, void *context);
bool places_resolve(const char *name, place_visitor *visit, void *context);

/* Whether a link with a numeric address may be had: in the clear only on this
 * host. */
bool places_may_link(const struct peers_settings *settings,
                     const char *address);

bool places_is_numeric(const char *name);

/* What this host calls itself. */
void places_host_name(char to[ADDRESS_HOST_BYTES]);

#endif
