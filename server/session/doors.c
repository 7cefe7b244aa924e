/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/doors.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/address.h"

static struct listener *open_one(const char *address, unsigned port,
                                 const struct listener_settings *listeners,
                                 char *error)
{
    struct address place;

    bool is_split = address_split(address, &place);
    assert(is_split);
    if (place.port[0] == '\0' && port == 0) {
        snprintf(error, LISTENER_ERROR_BYTES,
                 "option -l (--listen): '%.200s' names no port and -p is 0; "
                 "write HOST:PORT or give -p",
                 address);
        return NULL;
    }
    if (place.port[0] == '\0')
        snprintf(place.port, ADDRESS_PORT_BYTES, "%hu",
                 (unsigned short)(port == DOORS_PORT_ANY ? 0 : port));
    return listener_open_tcp(listeners,
                             place.host[0] == '\0' ? NULL : place.host,
                             place.port, error);
}

/* ::1 in the list of defaults asks nothing of a machine without IPv6. */
static bool is_optional(const char *address)
{
    return strcmp(address, "::1") == 0;
}

struct listener *doors_open(const struct doors_settings *doors,
                            const struct listener_settings *listeners,
                            char error[LISTENER_ERROR_BYTES])
{
    struct listener *all = NULL;
    unsigned port = doors->port;
    int family;

    if (doors->unix_socket != NULL)
        return listener_open_unix(listeners, doors->unix_socket,
                                  doors->unix_mode, error);
    for (size_t i = 0; i < doors->addresses_count; i++) {
        const char *address = doors->addresses[i];
        struct listener *one = open_one(address, port, listeners, error);
        if (one == NULL &&
            !(is_optional(address) && all != NULL && !listener_has_ipv6())) {
            listener_close(all);
            return NULL;
        }
        if (one != NULL && port == DOORS_PORT_ANY)
            listener_port(one, &family, &port);
        all = listener_append(all, one);
    }
    return all;
}
