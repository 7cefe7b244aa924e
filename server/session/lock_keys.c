/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/lock_keys.h"

#include <assert.h>

void lock_keys_add(struct lock_keys *locks, struct span pattern)
{
    struct lock_pattern *added = &locks->patterns[locks->count];

    assert(locks->count < LOCK_KEYS_MAX);
    *added = (struct lock_pattern){.text = pattern};
    if (pattern.length > 0 && pattern.data[pattern.length - 1] == '*') {
        added->is_open_behind = true;
        added->text.length--;
    } else if (pattern.length > 0 && pattern.data[0] == '*') {
        added->is_open_before = true;
        added->text = span_of(pattern.data + 1, pattern.length - 1);
    }
    locks->count++;
}

static bool matches(const struct lock_pattern *pattern, struct span key)
{
    size_t length = pattern->text.length;
    const uint8_t *at = key.data;

    if (key.length < length)
        return false;
    if (pattern->is_open_before)
        at += key.length - length;
    else if (!pattern->is_open_behind && key.length != length)
        return false;
    return memcmp(at, pattern->text.data, length) == 0;
}

bool lock_keys_match(const struct lock_keys *locks, struct span key)
{
    for (size_t i = 0; i < locks->count; i++) {
        if (matches(&locks->patterns[i], key))
            return true;
    }
    return false;
}
