/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/peer/places.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define FARM_PORT "11311"

static struct addrinfo *look_up(const char *name, int flags, int *failure)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = flags | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    struct address address;

    *failure = EAI_NONAME;
    if (!address_split(name, &address))
        return NULL;
    *failure = getaddrinfo(address.host[0] == '\0' ? NULL : address.host,
                           address.port[0] == '\0' ? FARM_PORT : address.port,
                           &hints, &found);
    return *failure == 0 ? found : NULL;
}

static bool write_address(const struct addrinfo *at, char to[PLACE_BYTES])
{
    char host[ADDRESS_HOST_BYTES];
    char port[ADDRESS_PORT_BYTES];

    if (getnameinfo(at->ai_addr, at->ai_addrlen, host, sizeof(host), port,
                    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return false;
    snprintf(to, PLACE_BYTES, at->ai_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
             host, port);
    return true;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in =
            (const struct sockaddr_in *)(const void *)address;
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *in6 =
        (const struct sockaddr_in6 *)(const void *)address;
    return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

/* To join others on this host is to listen there only; to join others
 * elsewhere is to listen on every address of their kind. */
static const char *listen_as(const char *join)
{
    int failure;
    struct addrinfo *found = look_up(join, 0, &failure);
    const char *listen = "0.0.0.0";

    if (found != NULL) {
        bool is_six = found->ai_family == AF_INET6;
        if (is_loopback(found->ai_addr))
            listen = is_six ? "[::1]" : "127.0.0.1";
        else
            listen = is_six ? "[::]" : "0.0.0.0";
        freeaddrinfo(found);
    }
    return listen;
}

static bool is_every(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return ((const struct sockaddr_in *)(const void *)address)
                   ->sin_addr.s_addr == htonl(INADDR_ANY);
    const struct sockaddr_in6 *in6 =
        (const struct sockaddr_in6 *)(const void *)address;
    return IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);
}

/* What others are told; a server that listens everywhere tells its port. */
static void tell(const struct peers_settings *settings,
                 const struct addrinfo *found, struct place *place)
{
    if (settings->advertise != NULL)
        snprintf(place->told, PLACE_BYTES, "%s", settings->advertise);
    else if (is_every(found->ai_addr))
        snprintf(place->told, PLACE_BYTES, ":%s", place->address.port);
    else
        write_address(found, place->told);
}

/* Others dial it as it is: names are not looked up there. */
static bool can_be_dialled(const char *advertise)
{
    struct address address;

    return address_split(advertise, &address) && address.host[0] != '\0' &&
           address.port[0] != '\0' && places_is_numeric(advertise);
}

/* What is said there could be read, and anybody could say it. */
static bool is_exposed(const struct peers_settings *settings)
{
    return settings->tls == NULL && !settings->is_insecure;
}

static bool refuse_exposed(const char *option, const char *name, char *error)
{
    snprintf(error, PEERS_ERROR_BYTES,
             "option %s: '%.200s' is beyond this host, and links are neither "
             "proven nor encrypted; give --farm-key-file (grapevine keygen "
             "makes a key) or --farm-cert, or a loopback address (for tests "
             "there is --farm-insecure)",
             option, name);
    return false;
}

bool places_may_link(const struct peers_settings *settings, const char *address)
{
    int failure;

    if (!is_exposed(settings))
        return true;
    struct addrinfo *found = look_up(address, AI_NUMERICHOST, &failure);
    bool may_link = found != NULL && is_loopback(found->ai_addr);
    if (found != NULL)
        freeaddrinfo(found);
    return may_link;
}

bool places_choose(const struct peers_settings *settings, struct place *place,
                   char error[PEERS_ERROR_BYTES])
{
    if (settings->advertise != NULL && !can_be_dialled(settings->advertise)) {
        snprintf(error, PEERS_ERROR_BYTES,
                 "option --farm-advertise: '%.200s' cannot be dialled; give a "
                 "numeric address and a port",
                 settings->advertise);
        return false;
    }
    const char *listen = settings->listen != NULL
                             ? settings->listen
                             : listen_as(settings->joins[0]);
    int failure;
    struct addrinfo *found = look_up(listen, AI_PASSIVE, &failure);

    if (found == NULL || !address_split(listen, &place->address)) {
        snprintf(error, PEERS_ERROR_BYTES,
                 "option --farm-listen: '%.200s': %s; give an address of this "
                 "host",
                 listen, gai_strerror(failure));
        return false;
    }
    if (place->address.port[0] == '\0')
        snprintf(place->address.port, ADDRESS_PORT_BYTES, FARM_PORT);
    bool is_here = true;
    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next)
        is_here = is_here && is_loopback(at->ai_addr);
    tell(settings, found, place);
    freeaddrinfo(found);
    for (size_t i = 0; i < settings->joins_count; i++) {
        /* Of a name it turns out when it is dialled. */
        if (places_is_numeric(settings->joins[i]) &&
            !places_may_link(settings, settings->joins[i]))
            return refuse_exposed("--farm-join", settings->joins[i], error);
    }
    if (!is_here && is_exposed(settings))
        return refuse_exposed("--farm-listen", listen, error);
    return true;
}

bool places_resolve(const char *name, place_visitor *visit, void *context)
{
    int failure;
    struct addrinfo *found = look_up(name, 0, &failure);
    char address[PLACE_BYTES];

    for (const struct addrinfo *at = found; at != NULL; at = at->ai_next) {
        if (write_address(at, address))
            visit(address, context);
    }
    if (found != NULL)
        freeaddrinfo(found);
    return found != NULL;
}

void places_host_name(char to[ADDRESS_HOST_BYTES])
{
    if (gethostname(to, ADDRESS_HOST_BYTES) != 0)
        snprintf(to, ADDRESS_HOST_BYTES, "server");
    to[ADDRESS_HOST_BYTES - 1] = '\0';
}

bool places_is_numeric(const char *name)
{
    int failure;
    struct addrinfo *found = look_up(name, AI_NUMERICHOST, &failure);

    if (found != NULL)
        freeaddrinfo(found);
    return found != NULL;
}
