/* SPDX-License-Identifier: BSD-3-Clause */
#include "key.h"

#include <assert.h>
#include <string.h>

void key_format(uint64_t number, size_t bytes, char *at)
{
    size_t rest = bytes;

    assert(bytes <= KEY_BYTES_MAX);
    for (; number > 0; number /= 10) {
        assert(rest > 0);
        at[--rest] = (char)('0' + number % 10);
    }
    memset(at, '0', rest);
}

bool key_is(uint64_t number, const char *key, size_t bytes)
{
    while (bytes > 0 && key[bytes - 1] == (char)('0' + number % 10)) {
        number /= 10;
        bytes--;
    }
    return bytes == 0 && number == 0;
}
