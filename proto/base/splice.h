/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Splice: what turns one value into another: from `offset` on `cut_bytes` of
 * it go, and `put_bytes` of the other, which are there at the same offset,
 * come in their place.
 */
#ifndef PROTO_BASE_SPLICE_H
#define PROTO_BASE_SPLICE_H

#include "proto/base/span.h"

struct splice {
    size_t offset;
    size_t cut_bytes;
    size_t put_bytes;
};

/* What the two have in common at their beginning and at their end stays: each
 * byte is looked at once, and none behind the first that differs. */
struct splice splice_between(struct span before, struct span after);

#endif
