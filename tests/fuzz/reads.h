/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads: a fuzzer's input as what a client sends and how it arrives.
 *
 * The last byte is a number of control bytes, which stand before it; all
 * before these is what the client sends.  So a seed is a conversation with a
 * little behind it, and mutations of either part leave the other alone.
 */
#ifndef TESTS_FUZZ_READS_H
#define TESTS_FUZZ_READS_H

#include "proto/base/span.h"

struct reads {
    struct span sent;
    struct span controls;
};

static inline struct reads reads_of(const uint8_t *data, size_t size)
{
    if (size == 0)
        return (struct reads){0};

    size_t rest_bytes = size - 1;
    size_t controls_bytes =
        data[rest_bytes] < rest_bytes ? data[rest_bytes] : rest_bytes;
    size_t sent_bytes = rest_bytes - controls_bytes;
    return (struct reads){.sent = span_of(data, sent_bytes),
                          .controls =
                              span_of(data + sent_bytes, controls_bytes)};
}

/* The next control byte; 0 once they are used up. */
static inline uint8_t reads_control(struct reads *reads)
{
    struct span *controls = &reads->controls;

    if (controls->length == 0)
        return 0;
    uint8_t control = controls->data[0];
    *controls = span_of(controls->data + 1, controls->length - 1);
    return control;
}

#endif
