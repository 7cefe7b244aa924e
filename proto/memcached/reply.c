/* SPDX-License-Identifier: BSD-3-Clause */
#include "proto/memcached/reply.h"

#include <assert.h>

#include "proto/base/bigendian.h"
#include "proto/base/decimal.h"
#include "proto/memcached/binary.h"
#include "proto/memcached/meta_reply.h"

static uint8_t *put(uint8_t *to, const char *text)
{
    return span_copy(to, span_of_string(text));
}

/* ---- text ---- */

static const char *refusal_line(enum refusal refusal)
{
    switch (refusal) {
    case REFUSAL_UNKNOWN_COMMAND:
        return "ERROR\r\n";
    case REFUSAL_EXPTIME:
        return "CLIENT_ERROR invalid exptime argument\r\n";
    case REFUSAL_DELTA:
        return "CLIENT_ERROR invalid numeric delta argument\r\n";
    case REFUSAL_DELETE:
        return "CLIENT_ERROR bad command line format.  Usage: delete <key> "
               "[noreply]\r\n";
    case REFUSAL_LINE_TOO_LONG:
        return "CLIENT_ERROR line too long\r\n";
    case REFUSAL_FLAG:
        return "CLIENT_ERROR invalid flag\r\n";
    case REFUSAL_FLAG_TWICE:
        return "CLIENT_ERROR duplicate flag\r\n";
    case REFUSAL_FLAGS_MANY:
        return "CLIENT_ERROR options flags are too long\r\n";
    case REFUSAL_FLAG_NUMBER:
        return "CLIENT_ERROR bad token in command line format\r\n";
    case REFUSAL_FLAG_INITIAL:
        return "CLIENT_ERROR invalid numeric initial value\r\n";
    case REFUSAL_FLAG_DELTA:
        return "CLIENT_ERROR invalid numeric delta value\r\n";
    case REFUSAL_FLAG_OPAQUE:
        return "CLIENT_ERROR opaque token too long\r\n";
    case REFUSAL_FLAG_OF_COUNT:
        return "CLIENT_ERROR invalid or duplicate flag\r\n";
    case REFUSAL_KEY_CODE:
        return "CLIENT_ERROR error decoding key\r\n";
    case REFUSAL_STORE_MODE:
        return "CLIENT_ERROR invalid mode for ms M token\r\n";
    case REFUSAL_COUNT_MODE:
        return "CLIENT_ERROR invalid mode for ma M token\r\n";
    case REFUSAL_UNAUTHENTICATED:
        return "CLIENT_ERROR unauthenticated\r\n";
    case REFUSAL_AUTHENTICATION:
        return "CLIENT_ERROR authentication failure\r\n";
    case REFUSAL_TOKEN_FORMAT:
        return "CLIENT_ERROR bad authentication token format\r\n";
    case REFUSAL_TOKEN_END:
        return "CLIENT_ERROR bad command line termination\r\n";
    case REFUSAL_TOKEN_TOO_LONG:
        return "CLIENT_ERROR auth token too long\r\n";
    case REFUSAL_FLUSH:
        return "CLIENT_ERROR flush_all not allowed\r\n";
    case REFUSAL_NONE:
    case REFUSAL_FORMAT:
    case REFUSAL_ARGUMENTS:
        break;
    }
    return "CLIENT_ERROR bad command line format\r\n";
}

static const char *text_line(const struct command *command,
                             enum outcome_kind kind)
{
    switch (kind) {
    case OUTCOME_STORED:
    case OUTCOME_AUTHENTICATED:
        return "STORED\r\n";
    case OUTCOME_NOT_STORED:
        return "NOT_STORED\r\n";
    case OUTCOME_EXISTS:
        return "EXISTS\r\n";
    case OUTCOME_NOT_FOUND:
        return "NOT_FOUND\r\n";
    case OUTCOME_DELETED:
        return "DELETED\r\n";
    case OUTCOME_TOUCHED:
        return "TOUCHED\r\n";
    case OUTCOME_NON_NUMERIC:
        return "CLIENT_ERROR cannot increment or decrement non-numeric "
               "value\r\n";
    case OUTCOME_TOO_LARGE:
        return "SERVER_ERROR object too large for cache\r\n";
    case OUTCOME_UNTERMINATED:
        return "CLIENT_ERROR bad data chunk\r\n";
    case OUTCOME_NO_MEMORY:
        return command->kind == COMMAND_ARITHMETIC
                   ? "SERVER_ERROR out of memory in incr\r\n"
                   : "SERVER_ERROR out of memory storing object\r\n";
    case OUTCOME_NOT_HELD:
        return "SERVER_ERROR stored here, but not held by the whole farm\r\n";
    case OUTCOME_UNDECIDED:
        return "SERVER_ERROR not decided: no home for this key can be had "
               "now\r\n";
    case OUTCOME_UNKNOWN:
        return "SERVER_ERROR outcome unknown: the farm changed while this was "
               "decided\r\n";
    case OUTCOME_OK:
        return "OK\r\n";
    case OUTCOME_VERSION:
        return "VERSION " REPLY_MEMCACHED_VERSION "\r\n";
    case OUTCOME_REFUSED:
        return refusal_line(command->refusal);
    case OUTCOME_HIT:
    case OUTCOME_FOUND:
    case OUTCOME_MISS:
    case OUTCOME_NUMBER:
    case OUTCOME_CHALLENGE:
    case OUTCOME_MECHANISMS:
    case OUTCOME_SILENT:
        break;
    }
    return "";
}

/* VALUE, key, flags and length. */
static inline uint8_t *put_value_line(uint8_t *at, struct span key,
                                      uint32_t flags, size_t value_bytes)
{
    at = span_copy(at, SPAN("VALUE "));
    at = span_copy(at, key);
    *at++ = ' ';
    at = decimal_format(at, flags);
    *at++ = ' ';
    return decimal_format(at, value_bytes);
}

size_t reply_hit(const struct command *command, uint32_t flags,
                 struct span value, uint8_t *to)
{
    uint8_t *at = put_value_line(to, command->key, flags, value.length);

    at = span_copy(at, SPAN("\r\n"));
    at = span_copy(at, value);
    at = span_copy(at, SPAN("\r\n"));
    if (command->last)
        at = span_copy(at, SPAN("END\r\n"));
    return (size_t)(at - to);
}

static size_t text_head(const struct command *command,
                        const struct outcome *outcome, uint8_t *to)
{
    uint8_t *at = to;

    if (command->is_meta) {
        size_t bytes = meta_reply_head(command, outcome, to);
        if (bytes > 0)
            return bytes;
    }
    if (outcome->kind == OUTCOME_HIT) {
        at = put_value_line(at, command->key, outcome->flags,
                            outcome->value.length);
        if (command->with_token) {
            *at++ = ' ';
            at = decimal_format(at, outcome->token);
        }
        at = span_copy(at, SPAN("\r\n"));
    } else if (outcome->kind == OUTCOME_NUMBER) {
        at = decimal_format(at, outcome->number);
        at = span_copy(at, SPAN("\r\n"));
    } else if (outcome->kind == OUTCOME_STORED && command->mints) {
        at = span_copy(at, SPAN("MINTED "));
        at = span_copy(at, command->key);
        at = span_copy(at, SPAN("\r\n"));
    } else {
        at = put(at, text_line(command, outcome->kind));
    }
    return (size_t)(at - to);
}

static size_t text_tail(const struct command *command,
                        const struct outcome *outcome, uint8_t *to)
{
    uint8_t *at = to;

    if (command->kind != COMMAND_RETRIEVE)
        return 0;
    if (outcome->kind == OUTCOME_HIT)
        at = span_copy(at, SPAN("\r\n"));
    if (command->last && !command->is_meta &&
        (outcome->kind == OUTCOME_HIT || outcome->kind == OUTCOME_MISS))
        at = span_copy(at, SPAN("END\r\n"));
    return (size_t)(at - to);
}

/* ---- binary ---- */

/* The fields of a response that differ from one to the next. */
struct frame {
    enum binary_status status;
    size_t key_bytes;
    size_t extras_bytes;
    size_t body_bytes;
    uint64_t token;
};

static uint8_t *put_header(uint8_t *to, const struct command *command,
                           const struct frame *frame)
{
    *to++ = BINARY_MAGIC_RESPONSE;
    *to++ = command->opcode;
    to = bigendian_store16(to, (uint16_t)frame->key_bytes);
    *to++ = (uint8_t)frame->extras_bytes;
    *to++ = 0; /* data type */
    to = bigendian_store16(to, (uint16_t)frame->status);
    to = bigendian_store32(to, (uint32_t)frame->body_bytes);
    to = bigendian_store32(to, command->opaque);
    return bigendian_store64(to, frame->token);
}

static const char *status_text(enum binary_status status)
{
    switch (status) {
    case BINARY_NOT_FOUND:
        return "Not found";
    case BINARY_EXISTS:
        return "Data exists for key.";
    case BINARY_TOO_LARGE:
        return "Too large.";
    case BINARY_INVALID_ARGUMENTS:
        return "Invalid arguments";
    case BINARY_NOT_STORED:
        return "Not stored.";
    case BINARY_NON_NUMERIC:
        return "Non-numeric server-side value for incr or decr";
    case BINARY_AUTH_ERROR:
        return "Auth failure.";
    case BINARY_UNKNOWN_COMMAND:
        return "Unknown command";
    case BINARY_OUT_OF_MEMORY:
        return "Out of memory";
    case BINARY_TEMPORARY_FAILURE:
        return "Not decided: no home for this key can be had now";
    case BINARY_INTERNAL_ERROR:
        return "Outcome unknown: the farm changed while this was decided";
    case BINARY_AUTH_CONTINUES:
    case BINARY_SUCCESS:
        break;
    }
    return "";
}

/* Two failures that pass have one status. */
static const char *failure_text(enum outcome_kind kind,
                                enum binary_status status)
{
    return kind == OUTCOME_NOT_HELD
               ? "Stored here, but not held by the whole farm"
               : status_text(status);
}

static enum binary_status not_stored_status(enum command_mode mode)
{
    if (mode == MODE_ADD)
        return BINARY_EXISTS;
    return mode == MODE_REPLACE ? BINARY_NOT_FOUND : BINARY_NOT_STORED;
}

static enum binary_status refusal_status(enum refusal refusal)
{
    switch (refusal) {
    case REFUSAL_UNKNOWN_COMMAND:
        return BINARY_UNKNOWN_COMMAND;
    case REFUSAL_UNAUTHENTICATED:
    case REFUSAL_AUTHENTICATION:
    case REFUSAL_FLUSH:
        return BINARY_AUTH_ERROR;
    default:
        return BINARY_INVALID_ARGUMENTS;
    }
}

static enum binary_status outcome_status(const struct command *command,
                                         enum outcome_kind kind)
{
    switch (kind) {
    case OUTCOME_MISS:
    case OUTCOME_NOT_FOUND:
        return BINARY_NOT_FOUND;
    case OUTCOME_NOT_STORED:
        return not_stored_status(command->mode);
    case OUTCOME_EXISTS:
        return BINARY_EXISTS;
    case OUTCOME_NON_NUMERIC:
        return BINARY_NON_NUMERIC;
    case OUTCOME_TOO_LARGE:
        return BINARY_TOO_LARGE;
    case OUTCOME_NO_MEMORY:
        return BINARY_OUT_OF_MEMORY;
    case OUTCOME_NOT_HELD:
    case OUTCOME_UNDECIDED:
        return BINARY_TEMPORARY_FAILURE;
    case OUTCOME_UNKNOWN:
        return BINARY_INTERNAL_ERROR;
    case OUTCOME_UNTERMINATED:
        return BINARY_INVALID_ARGUMENTS;
    case OUTCOME_REFUSED:
        return refusal_status(command->refusal);
    case OUTCOME_CHALLENGE:
        return BINARY_AUTH_CONTINUES;
    case OUTCOME_HIT:
    case OUTCOME_FOUND:
    case OUTCOME_STORED:
    case OUTCOME_DELETED:
    case OUTCOME_TOUCHED:
    case OUTCOME_NUMBER:
    case OUTCOME_OK:
    case OUTCOME_VERSION:
    case OUTCOME_AUTHENTICATED:
    case OUTCOME_MECHANISMS:
    case OUTCOME_SILENT:
        break;
    }
    return BINARY_SUCCESS;
}

/* A retrieval that asked for the key gets it with its miss, too. */
static size_t binary_failure(const struct command *command,
                             enum binary_status status, const char *text,
                             uint8_t *to)
{
    bool names_key = command->with_key && status == BINARY_NOT_FOUND;
    struct span body = names_key ? command->key : span_of_string(text);
    struct frame frame = {.status = status,
                          .key_bytes = names_key ? body.length : 0,
                          .body_bytes = body.length};

    return (size_t)(span_copy(put_header(to, command, &frame), body) - to);
}

/* A success with `extras` and `body` bytes of reply that are here. */
static size_t binary_success(const struct command *command, uint64_t token,
                             struct span body, uint8_t *to)
{
    struct frame frame = {.token = token, .body_bytes = body.length};

    return (size_t)(span_copy(put_header(to, command, &frame), body) - to);
}

/* Flags as extras, the key where asked; the value follows the head. */
static size_t binary_hit(const struct command *command,
                         const struct outcome *outcome, uint8_t *to)
{
    struct span key = command->with_key ? command->key : SPAN("");
    struct frame frame = {.key_bytes = key.length,
                          .extras_bytes = 4,
                          .body_bytes = 4 + key.length + outcome->value.length,
                          .token = outcome->token};
    uint8_t *at = put_header(to, command, &frame);

    at = bigendian_store32(at, outcome->flags);
    return (size_t)(span_copy(at, key) - to);
}

/* Of a reply whose body is all `value`, which follows. */
static size_t binary_announcement(const struct command *command,
                                  enum binary_status status, struct span value,
                                  uint8_t *to)
{
    struct frame frame = {.status = status, .body_bytes = value.length};

    return (size_t)(put_header(to, command, &frame) - to);
}

static size_t binary_head(const struct command *command,
                          const struct outcome *outcome, uint8_t *to)
{
    enum binary_status status = outcome_status(command, outcome->kind);
    uint8_t number[8];

    if (status != BINARY_SUCCESS)
        return status == BINARY_AUTH_CONTINUES
                   ? binary_announcement(command, status, outcome->value, to)
                   : binary_failure(command, status,
                                    failure_text(outcome->kind, status), to);
    switch (outcome->kind) {
    case OUTCOME_HIT:
    case OUTCOME_TOUCHED:
        return binary_hit(command, outcome, to);
    case OUTCOME_NUMBER:
        bigendian_store64(number, outcome->number);
        return binary_success(command, outcome->token, span_of(number, 8), to);
    case OUTCOME_VERSION:
        return binary_success(command, 0, SPAN(REPLY_MEMCACHED_VERSION), to);
    case OUTCOME_MECHANISMS:
        return binary_announcement(command, status, outcome->value, to);
    case OUTCOME_AUTHENTICATED:
        return binary_success(command, 0, SPAN("Authenticated"), to);
    default:
        return binary_success(command, outcome->token, SPAN(""), to);
    }
}

/* Quiet opcodes hide what their client expects: a hit is never hidden. */
static bool binary_is_silent(const struct command *command,
                             const struct outcome *outcome)
{
    if (!command->quiet || outcome->kind == OUTCOME_REFUSED)
        return false;
    if (command->kind == COMMAND_RETRIEVE)
        return outcome->kind == OUTCOME_MISS;
    return outcome_status(command, outcome->kind) == BINARY_SUCCESS;
}

/* ---- both ---- */

bool reply_is_silent(const struct command *command,
                     const struct outcome *outcome)
{
    if (outcome->kind == OUTCOME_SILENT)
        return true;
    if (command->protocol == PROTOCOL_BINARY)
        return binary_is_silent(command, outcome);
    return command->is_meta ? meta_reply_is_silent(command, outcome)
                            : command->quiet;
}

size_t reply_head(const struct command *command, const struct outcome *outcome,
                  uint8_t to[REPLY_HEAD_BYTES_MAX])
{
    size_t length = command->protocol == PROTOCOL_BINARY
                        ? binary_head(command, outcome, to)
                        : text_head(command, outcome, to);

    assert(length <= REPLY_HEAD_BYTES_MAX);
    return length;
}

size_t reply_tail(const struct command *command, const struct outcome *outcome,
                  uint8_t to[REPLY_TAIL_BYTES_MAX])
{
    return command->protocol == PROTOCOL_BINARY
               ? 0
               : text_tail(command, outcome, to);
}

size_t reply_stat_head(const struct command *command, struct span name,
                       size_t value_bytes, uint8_t *to)
{
    struct frame frame = {.key_bytes = name.length,
                          .body_bytes = name.length + value_bytes};

    return (size_t)(span_copy(put_header(to, command, &frame), name) - to);
}

size_t reply_stat(const struct command *command, struct span name,
                  struct span value, uint8_t *to)
{
    uint8_t *at = to;

    assert(name.length + value.length + 32 <= REPLY_HEAD_BYTES_MAX);
    if (command->protocol == PROTOCOL_BINARY) {
        at += reply_stat_head(command, name, value.length, to);
        return (size_t)(span_copy(at, value) - to);
    }
    at = span_copy(at, SPAN("STAT "));
    at = span_copy(at, name);
    *at++ = ' ';
    at = span_copy(at, value);
    return (size_t)(span_copy(at, SPAN("\r\n")) - to);
}

static size_t stats_line(const struct command *command, const char *line,
                         uint8_t *to)
{
    if (command->protocol == PROTOCOL_BINARY)
        return binary_success(command, 0, SPAN(""), to);
    return (size_t)(put(to, line) - to);
}

size_t reply_stats_end(const struct command *command, uint8_t *to)
{
    return stats_line(command, "END\r\n", to);
}

size_t reply_stats_reset(const struct command *command, uint8_t *to)
{
    return stats_line(command, "RESET\r\n", to);
}

size_t reply_stats_unknown(const struct command *command, uint8_t *to)
{
    if (command->protocol == PROTOCOL_BINARY)
        return binary_failure(command, BINARY_NOT_FOUND,
                              status_text(BINARY_NOT_FOUND), to);
    return (size_t)(put(to, "ERROR\r\n") - to);
}
