/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/memcached/credentials.h"

#include "proto/base/bigendian.h"
#include "proto/base/decimal.h"
#include "proto/memcached/binary.h"
#include "proto/memcached/text.h"

static struct parsed taken(size_t used)
{
    return (struct parsed){.result = PARSE_COMMAND, .used = used};
}

static struct parsed more(size_t need)
{
    return (struct parsed){.result = PARSE_MORE, .need = need};
}

static struct parsed refuse(struct command *command, enum refusal refusal,
                            size_t used)
{
    command->kind = COMMAND_REFUSED;
    command->refusal = refusal;
    return taken(used);
}

/* ---- text ---- */

/* The fifth word of `set KEY FLAGS EXPTIME BYTES`; others do not matter. */
static bool parse_announcement(struct span line, uint64_t *bytes)
{
    struct span word = {0};
    const uint8_t *at = line.data;
    const uint8_t *end = line.data + line.length;

    if (line.length < 4 || memcmp(line.data, "set ", 4) != 0)
        return false;
    for (unsigned i = 0; i < 5; i++) {
        while (at < end && *at == ' ')
            at++;
        const uint8_t *start = at;
        while (at < end && *at != ' ')
            at++;
        word = span_of(start, (size_t)(at - start));
    }
    return decimal_parse_whole(word, bytes) && *bytes <= INT32_MAX - 2;
}

static struct parsed parse_token(struct span block, size_t used,
                                 struct command *command)
{
    size_t bytes = block.length - 2;

    if (memcmp(block.data + bytes, "\r\n", 2) != 0)
        return refuse(command, REFUSAL_TOKEN_END, used);
    const uint8_t *blank = memchr(block.data, ' ', bytes);
    if (blank == NULL)
        return refuse(command, REFUSAL_TOKEN_FORMAT, used);
    size_t user_bytes = (size_t)(blank - block.data);
    command->kind = COMMAND_AUTHENTICATE;
    command->key = span_of(block.data, user_bytes);
    command->value = span_of(blank + 1, bytes - user_bytes - 1);
    command->value_bytes = command->value.length;
    return taken(used);
}

struct parsed credentials_parse_text(struct span input, struct command *command)
{
    const uint8_t *end =
        input.length == 0 ? NULL : memchr(input.data, '\n', input.length);
    uint64_t bytes;

    *command = (struct command){.protocol = PROTOCOL_TEXT, .last = true};
    if (end == NULL && input.length > TEXT_LINE_BYTES_MAX)
        return (struct parsed){.result = PARSE_CLOSE};
    if (end == NULL)
        return more(input.length + 1);
    size_t line_bytes = (size_t)(end - input.data);
    if (line_bytes < CREDENTIALS_LINE_BYTES_MIN)
        return (struct parsed){.result = PARSE_CLOSE};
    size_t used = line_bytes + 1;
    if (input.data[line_bytes - 1] == '\r')
        line_bytes--;
    if (!parse_announcement(span_of(input.data, line_bytes), &bytes))
        return refuse(command, REFUSAL_UNAUTHENTICATED, used);
    if (bytes > CREDENTIALS_BYTES_MAX) {
        command->swallow_bytes = bytes + 2;
        return refuse(command, REFUSAL_TOKEN_TOO_LONG, used);
    }
    size_t block_bytes = bytes + 2;
    if (input.length - used < block_bytes)
        return more(used + block_bytes);
    return parse_token(span_of(input.data + used, block_bytes),
                       used + block_bytes, command);
}

/* ---- binary ---- */

struct frame {
    size_t key_bytes;
    size_t extras_bytes;
    size_t body_bytes;
};

static struct parsed refuse_frame(struct command *command, enum refusal refusal)
{
    command->closes = true;
    return refuse(command, refusal, BINARY_HEADER_BYTES);
}

/* A question that is all header. */
static struct parsed parse_question(struct command *command,
                                    const struct frame *frame,
                                    enum command_kind kind)
{
    if (frame->body_bytes != 0)
        return refuse_frame(command, REFUSAL_ARGUMENTS);
    command->kind = kind;
    return taken(BINARY_HEADER_BYTES);
}

static struct parsed parse_sasl(struct span input, struct command *command,
                                const struct frame *frame)
{
    size_t used = BINARY_HEADER_BYTES + frame->body_bytes;

    if (frame->extras_bytes != 0 || frame->key_bytes == 0 ||
        frame->key_bytes > COMMAND_KEY_BYTES_MAX ||
        frame->key_bytes > frame->body_bytes ||
        frame->body_bytes > CREDENTIALS_BYTES_MAX)
        return refuse_frame(command, REFUSAL_ARGUMENTS);
    if (frame->key_bytes > CREDENTIALS_MECHANISM_BYTES_MAX) {
        command->swallow_bytes = frame->body_bytes;
        return refuse(command, REFUSAL_ARGUMENTS, BINARY_HEADER_BYTES);
    }
    if (input.length < used)
        return more(used);
    command->kind = COMMAND_AUTHENTICATE;
    command->key = span_of(input.data + BINARY_HEADER_BYTES, frame->key_bytes);
    command->value = span_of(command->key.data + frame->key_bytes,
                             frame->body_bytes - frame->key_bytes);
    command->value_bytes = command->value.length;
    return taken(used);
}

struct parsed credentials_parse_binary(struct span input,
                                       struct command *command)
{
    *command = (struct command){
        .protocol = PROTOCOL_BINARY, .last = true, .with_token = true};
    if (input.length > 0 && input.data[0] != BINARY_MAGIC_REQUEST)
        return (struct parsed){.result = PARSE_CLOSE};
    if (input.length < BINARY_HEADER_BYTES)
        return more(BINARY_HEADER_BYTES);
    struct frame frame = {.key_bytes = bigendian_load16(input.data + 2),
                          .extras_bytes = input.data[4],
                          .body_bytes = bigendian_load32(input.data + 8)};

    command->opcode = input.data[1];
    command->opaque = bigendian_load32(input.data + 12);
    switch (command->opcode) {
    case BINARY_VERSION:
        return parse_question(command, &frame, COMMAND_VERSION);
    case BINARY_SASL_LIST:
        return parse_question(command, &frame, COMMAND_MECHANISMS);
    case BINARY_SASL_AUTH:
    case BINARY_SASL_STEP:
        return parse_sasl(input, command, &frame);
    default:
        return refuse_frame(command, REFUSAL_UNAUTHENTICATED);
    }
}
