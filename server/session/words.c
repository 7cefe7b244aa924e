/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/session/words.h"

#include <stdlib.h>

#include "proto/base/decimal.h"

struct span words_split(struct span line, struct words *words)
{
    struct span first = span_take_word(&line);

    *words = (struct words){.count = 0};
    for (;;) {
        struct span word = span_take_word(&line);
        if (word.length == 0)
            return first;
        if (words->count < WORDS_KEPT_MAX)
            words->at[words->count] = word;
        words->count++;
    }
}

bool words_drop_noreply(struct words *words)
{
    if (words->count == 0 || words->count > WORDS_KEPT_MAX ||
        !span_equal(words->at[words->count - 1], SPAN("noreply")))
        return false;
    words->count--;
    words->at[words->count] = (struct span){0};
    return true;
}

bool words_is(const struct words *words, size_t index, const char *word)
{
    return span_equal(words->at[index], span_of_string(word));
}

bool words_number(const struct words *words, size_t index, uint64_t *number)
{
    return decimal_parse_whole(words->at[index], number);
}

bool words_real(const struct words *words, size_t index, double *number)
{
    char text[32] = {0};
    char *end;

    if (words->at[index].length == 0 || words->at[index].length >= sizeof(text))
        return false;
    span_copy((uint8_t *)text, words->at[index]);
    *number = strtod(text, &end);
    return *end == '\0' && *number == *number;
}

bool words_integer(const struct words *words, size_t index, int64_t *number)
{
    struct span text = words->at[index];
    bool is_below = text.length > 1 && text.data[0] == '-';
    uint64_t size;

    if (is_below)
        text = span_of(text.data + 1, text.length - 1);
    if (!decimal_parse_whole(text, &size) || size > INT32_MAX)
        return false;
    *number = is_below ? -(int64_t)size : (int64_t)size;
    return true;
}
