/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/doors.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/endpoint.h"
#include "server/session/clients.h"

struct doors {
    struct doors_settings settings;
    struct listener *listeners;
    size_t count;
    struct door all[];
};

static enum protocol protocol_of(const struct doors_settings *settings,
                                 enum endpoint_protocol protocol)
{
    switch (protocol) {
    case ENDPOINT_ASCII:
        return PROTOCOL_TEXT;
    case ENDPOINT_BINARY:
        return PROTOCOL_BINARY;
    case ENDPOINT_NEGOTIATING:
        return PROTOCOL_UNKNOWN;
    case ENDPOINT_AS_USUAL:
        break;
    }
    return settings->protocol;
}

static struct door *add_door(struct doors *doors, const char *name,
                             const struct endpoint *endpoint)
{
    const struct doors_settings *settings = &doors->settings;
    struct door *door = &doors->all[doors->count++];

    *door = (struct door){.clients = settings->clients,
                          .protocol = protocol_of(settings, endpoint->protocol),
                          .is_local = endpoint->unix_path != NULL,
                          .name = name};
    if (settings->tls == NULL || door->is_local ||
        endpoint->security == ENDPOINT_CLEAR)
        return door;
    door->tls = settings->tls;
    door->verify = endpoint->security == ENDPOINT_ENCRYPTED ? TLS_VERIFY_NOBODY
                   : endpoint->security == ENDPOINT_PROVEN
                       ? TLS_VERIFY_EVERYBODY
                       : tls_usual_verify(settings->tls);
    return door;
}

static struct listener *listen_tcp(const struct doors *doors,
                                   const struct listener_settings *listeners,
                                   struct endpoint *endpoint, const char *name,
                                   char *error)
{
    struct address *place = &endpoint->address;
    unsigned port = doors->settings.port;

    if (place->port[0] == '\0' && port == 0) {
        snprintf(error, LISTENER_ERROR_BYTES,
                 "option -l (--listen): '%.200s' names no port and -p is 0; "
                 "write HOST:PORT or give -p",
                 name);
        return NULL;
    }
    if (place->port[0] == '\0')
        snprintf(place->port, ADDRESS_PORT_BYTES, "%hu",
                 (unsigned short)(port == DOORS_PORT_ANY ? 0 : port));
    return listener_open_tcp(listeners,
                             place->host[0] == '\0' ? NULL : place->host,
                             place->port, error);
}

static struct listener *open_one(struct doors *doors, const char *name,
                                 char *error)
{
    struct listener_settings listeners = {.worker = doors->settings.worker,
                                          .backlog = doors->settings.backlog,
                                          .accepted = clients_accept,
                                          .address_option = "-l",
                                          .port_option = "-p"};
    struct endpoint endpoint;

    const char *wrong = endpoint_parse(name, &endpoint);
    assert(wrong == NULL);
    listeners.context = add_door(doors, name, &endpoint);
    if (endpoint.unix_path != NULL)
        return listener_open_unix(&listeners, endpoint.unix_path,
                                  doors->settings.unix_mode, error);
    return listen_tcp(doors, &listeners, &endpoint, name, error);
}

/* ::1 in the list of defaults asks nothing of a machine without IPv6. */
static bool is_optional(const char *name)
{
    return strcmp(name, "::1") == 0;
}

static bool open_local(struct doors *doors, char *error)
{
    const char *path = doors->settings.unix_socket;
    struct endpoint endpoint = {.unix_path = path};
    struct listener_settings listeners = {.worker = doors->settings.worker,
                                          .backlog = doors->settings.backlog,
                                          .accepted = clients_accept,
                                          .context =
                                              add_door(doors, path, &endpoint),
                                          .address_option = "-s"};

    doors->listeners =
        listener_open_unix(&listeners, path, doors->settings.unix_mode, error);
    return doors->listeners != NULL;
}

static bool open_all(struct doors *doors, char *error)
{
    int family;

    for (size_t i = 0; i < doors->settings.endpoints_count; i++) {
        const char *name = doors->settings.endpoints[i];
        struct listener *one = open_one(doors, name, error);
        if (one == NULL && !(is_optional(name) && doors->listeners != NULL &&
                             !listener_has_ipv6()))
            return false;
        if (one != NULL && doors->settings.port == DOORS_PORT_ANY)
            listener_port(one, &family, &doors->settings.port);
        doors->listeners = listener_append(doors->listeners, one);
    }
    return true;
}

struct doors *doors_open(const struct doors_settings *settings,
                         char error[LISTENER_ERROR_BYTES])
{
    /* One more: that of -s. */
    struct doors *doors =
        calloc(1, sizeof(*doors) +
                      (settings->endpoints_count + 1) * sizeof(struct door));

    if (doors == NULL) {
        snprintf(error, LISTENER_ERROR_BYTES, "no memory");
        return NULL;
    }
    doors->settings = *settings;
    if (settings->unix_socket != NULL ? open_local(doors, error)
                                      : open_all(doors, error))
        return doors;
    doors_close(doors);
    doors_destroy(doors);
    return NULL;
}

void doors_accept(struct doors *doors, bool accepts)
{
    listener_accept(doors->listeners, accepts);
}

const struct listener *doors_listeners(const struct doors *doors)
{
    return doors->listeners;
}

void doors_close(struct doors *doors)
{
    if (doors == NULL)
        return;
    listener_end(doors->listeners);
    doors->listeners = NULL;
}

void doors_destroy(struct doors *doors)
{
    free(doors);
}
