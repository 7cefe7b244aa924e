/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocol.h"

#include <string.h>

const struct protocol *protocol_named(const char *name)
{
    static const struct protocol *const all[] = {
        &protocol_text,
        &protocol_meta,
        &protocol_binary,
    };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    }
    return NULL;
}
