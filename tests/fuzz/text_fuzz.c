/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text parser, alone.
 */
#include "proto/memcached/text.h"
#include "tests/fuzz/parsing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A line beyond that is closed, unless its end came with it. */
    parsing_try(PROTOCOL_TEXT, data, size, TEXT_LINE_BYTES_MAX);
    return 0;
}
