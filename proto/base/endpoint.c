/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/base/endpoint.h"

#include <string.h>

#define BAD_PLACE                                                              \
    "is no address; give HOST, HOST:PORT, [IPV6]:PORT, * or unix:PATH, with "  \
    "a port from 1 "                                                           \
    "to 65535"
#define BAD_PROTOCOL                                                           \
    "names no protocol; give proto[ascii]:, proto[binary]: or "                \
    "proto[negotiating]:"
#define BAD_TAG "has no tag of 1 to 8 characters; give tag[NAME]: or tag_NAME_:"

/* Steps over `word` where the text begins with it. */
static bool take(const char **text, const char *word)
{
    size_t length = strlen(word);

    if (strncmp(*text, word, length) != 0)
        return false;
    *text += length;
    return true;
}

static bool take_security(const char **text, struct endpoint *to)
{
    if (take(text, "notls:"))
        to->security = ENDPOINT_CLEAR;
    else if (take(text, "btls:"))
        to->security = ENDPOINT_ENCRYPTED;
    else if (take(text, "mtls:"))
        to->security = ENDPOINT_PROVEN;
    else
        return false;
    return true;
}

static bool take_protocol(const char **text, struct endpoint *to)
{
    if (take(text, "ascii]:"))
        to->protocol = ENDPOINT_ASCII;
    else if (take(text, "binary]:"))
        to->protocol = ENDPOINT_BINARY;
    else if (take(text, "negotiating]:"))
        to->protocol = ENDPOINT_NEGOTIATING;
    else
        return false;
    return true;
}

/* What stands before `end`, which a colon follows. */
static bool take_tag(const char **text, char end, struct endpoint *to)
{
    const char *at = strchr(*text, end);
    size_t length = at == NULL ? 0 : (size_t)(at - *text);

    if (length < 1 || length > ENDPOINT_TAG_BYTES_MAX || at[1] != ':')
        return false;
    memcpy(to->tag, *text, length);
    to->tag[length] = '\0';
    *text = at + 2;
    return true;
}

const char *endpoint_parse(const char *text, struct endpoint *to)
{
    *to = (struct endpoint){.unix_path = NULL};
    for (;;) {
        if (take_security(&text, to))
            continue;
        if (take(&text, "proto[")) {
            if (!take_protocol(&text, to))
                return BAD_PROTOCOL;
        } else if (take(&text, "tag[")) {
            if (!take_tag(&text, ']', to))
                return BAD_TAG;
        } else if (take(&text, "tag_")) {
            if (!take_tag(&text, '_', to))
                return BAD_TAG;
        } else {
            break;
        }
    }
    if (take(&text, "unix:")) {
        to->unix_path = text;
        return text[0] == '\0' ? BAD_PLACE : NULL;
    }
    return address_split(text, &to->address) ? NULL : BAD_PLACE;
}
