/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/doors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST_BYTES 256
#define PORT_BYTES 8

struct place {
    char host[HOST_BYTES]; /* "" for every address */
    char port[PORT_BYTES]; /* "" where the address names none */
};

static bool copy(char *to, size_t bytes, const char *from, size_t length)
{
    if (length >= bytes)
        return false;
    memcpy(to, from, length);
    to[length] = '\0';
    return true;
}

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    unsigned long number = strtoul(text, NULL, 10);

    return digits > 0 && digits < PORT_BYTES && text[digits] == '\0' &&
           number >= 1 && number <= 65535;
}

/* HOST, HOST:PORT, [IPV6], [IPV6]:PORT, a bare IPV6 (two colons), or *. */
static bool split(const char *address, struct place *place)
{
    const char *host = address;
    const char *colon = strrchr(address, ':');
    size_t length = strlen(address);

    if (address[0] == '[') {
        const char *bracket = strchr(address, ']');
        if (bracket == NULL || (bracket[1] != '\0' && bracket[1] != ':'))
            return false;
        host = address + 1;
        length = (size_t)(bracket - host);
        colon = bracket[1] == ':' ? bracket + 1 : NULL;
    } else if (colon != NULL && strchr(address, ':') == colon) {
        length = (size_t)(colon - address);
    } else {
        colon = NULL;
    }
    if (length == 1 && host[0] == '*')
        length = 0;
    if (colon != NULL && !is_port(colon + 1))
        return false;
    if (colon != NULL)
        copy(place->port, PORT_BYTES, colon + 1, strlen(colon + 1));
    return copy(place->host, HOST_BYTES, host, length);
}

static struct listener *open_one(const char *address, unsigned port,
                                 const struct listener_settings *listeners,
                                 char *error)
{
    struct place place = {.port = ""};

    if (!split(address, &place)) {
        snprintf(error, LISTENER_ERROR_BYTES,
                 "option -l (--listen): '%.200s' is no address; give HOST, "
                 "HOST:PORT, [IPV6]:PORT or *, with a port from 1 to 65535",
                 address);
        return NULL;
    }
    if (place.port[0] == '\0' && port == 0) {
        snprintf(error, LISTENER_ERROR_BYTES,
                 "option -l (--listen): '%.200s' names no port and -p is 0; "
                 "write HOST:PORT or give -p",
                 address);
        return NULL;
    }
    if (place.port[0] == '\0')
        snprintf(place.port, PORT_BYTES, "%hu", (unsigned short)port);
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

    if (doors->unix_socket != NULL)
        return listener_open_unix(listeners, doors->unix_socket,
                                  doors->unix_mode, error);
    for (size_t i = 0; i < doors->addresses_count; i++) {
        const char *address = doors->addresses[i];
        struct listener *one = open_one(address, doors->port, listeners, error);
        if (one == NULL &&
            !(is_optional(address) && all != NULL && !listener_has_ipv6())) {
            listener_close(all);
            return NULL;
        }
        all = listener_append(all, one);
    }
    return all;
}
