/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is heard of strangers, in either protocol, alone.
 */
#include "proto/memcached/text.h"
#include "tests/fuzz/parsing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool is_binary = size > 0 && data[0] == 0x80;

    /* A line beyond that is closed, unless its end came with it. */
    parsing_try_stranger(is_binary ? PROTOCOL_BINARY : PROTOCOL_TEXT, data,
                         size, is_binary ? SIZE_MAX : TEXT_LINE_BYTES_MAX);
    return 0;
}
