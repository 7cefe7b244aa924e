/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/base/address.h"

#include <stdlib.h>
#include <string.h>

#define PORT_MAX 65535

static bool copy_port(struct address *to, const char *text)
{
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits >= ADDRESS_PORT_BYTES || text[digits] != '\0')
        return false;
    unsigned long number = strtoul(text, NULL, 10);
    if (number < 1 || number > PORT_MAX)
        return false;
    memcpy(to->port, text, digits + 1);
    return true;
}

static bool copy_host(struct address *to, const char *text, size_t length)
{
    if (length == 1 && text[0] == '*')
        return true;
    if (length == 0 || length >= ADDRESS_HOST_BYTES)
        return false;
    memcpy(to->host, text, length);
    to->host[length] = '\0';
    return true;
}

bool address_split(const char *text, struct address *to)
{
    const char *host = text;
    const char *colon = strrchr(text, ':');
    size_t length = strlen(text);

    *to = (struct address){.host = ""};
    if (text[0] == '[') {
        const char *bracket = strchr(text, ']');
        if (bracket == NULL || (bracket[1] != '\0' && bracket[1] != ':'))
            return false;
        host = text + 1;
        length = (size_t)(bracket - host);
        colon = bracket[1] == ':' ? bracket + 1 : NULL;
    } else if (colon != NULL && strchr(text, ':') == colon) {
        length = (size_t)(colon - text);
    } else {
        colon = NULL;
    }
    return copy_host(to, host, length) &&
           (colon == NULL || copy_port(to, colon + 1));
}
