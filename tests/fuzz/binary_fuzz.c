/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The binary parser, alone.
 */
#include "tests/fuzz/frames.h"
#include "tests/fuzz/parsing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed)
{
    return frames_mutate(data, size, max_size, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    parsing_try(PROTOCOL_BINARY, data, size, SIZE_MAX);
    return 0;
}
