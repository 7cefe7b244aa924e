/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/tool/server_frame.h"

#include <string.h>
#include <sys/socket.h>

#include "proto/base/bigendian.h"
#include "proto/base/span.h"
#include "proto/memcached/binary.h"

#define BODY_BYTES_MAX 1024
#define MECHANISM "PLAIN"

struct frame {
    uint8_t opcode;
    unsigned status;
    size_t key_bytes;
    size_t body_bytes;
    char body[BODY_BYTES_MAX + 1];
};

static bool send_frame(struct server_line *line, enum binary_opcode opcode,
                       struct span key, struct span value)
{
    uint8_t bytes[BINARY_HEADER_BYTES + BODY_BYTES_MAX] = {BINARY_MAGIC_REQUEST,
                                                           (uint8_t)opcode};
    size_t body_bytes = key.length + value.length;

    if (body_bytes > BODY_BYTES_MAX)
        return false;
    bigendian_store16(bytes + 2, (uint16_t)key.length);
    bigendian_store32(bytes + 8, (uint32_t)body_bytes);
    span_copy(span_copy(bytes + BINARY_HEADER_BYTES, key), value);
    bool is_sent =
        server_line_send_bytes(line, bytes, BINARY_HEADER_BYTES + body_bytes);
    explicit_bzero(bytes, sizeof(bytes));
    return is_sent;
}

static bool read_frame(struct server_line *line, struct frame *frame)
{
    uint8_t header[BINARY_HEADER_BYTES];

    if (!server_line_read_bytes(line, header, sizeof(header)) ||
        header[0] != BINARY_MAGIC_RESPONSE)
        return false;
    frame->opcode = header[1];
    frame->key_bytes = bigendian_load16(header + 2);
    frame->status = bigendian_load16(header + 6);
    frame->body_bytes = bigendian_load32(header + 8);
    if (header[4] != 0 || frame->body_bytes > BODY_BYTES_MAX ||
        frame->key_bytes > frame->body_bytes)
        return false;
    frame->body[frame->body_bytes] = '\0';
    return server_line_read_bytes(line, frame->body, frame->body_bytes);
}

bool server_frame_log_in(struct server_line *line, const struct access *access)
{
    size_t user_bytes = strlen(access->user);
    size_t password_bytes = strlen(access->password);
    uint8_t value[2 + ACCESS_USER_BYTES_MAX + ACCESS_PASSWORD_BYTES_MAX];
    struct frame frame;
    uint8_t *at = value;

    *at++ = '\0';
    at = span_copy(at, span_of(access->user, user_bytes));
    *at++ = '\0';
    at = span_copy(at, span_of(access->password, password_bytes));
    bool is_sent = send_frame(line, BINARY_SASL_AUTH, SPAN(MECHANISM),
                              span_of(value, (size_t)(at - value)));
    explicit_bzero(value, sizeof(value));
    return is_sent && read_frame(line, &frame) &&
           frame.opcode == BINARY_SASL_AUTH && frame.status == BINARY_SUCCESS;
}

bool server_frame_send(struct server_line *line, const char *request)
{
    if (strcmp(request, "version") == 0)
        return send_frame(line, BINARY_VERSION, SPAN(""), SPAN(""));
    const char *group = request + strlen("stats");
    group += strspn(group, " ");
    return send_frame(line, BINARY_STAT, span_of_string(group), SPAN(""));
}

bool server_frame_read(struct server_line *line, char *to, int bytes)
{
    struct frame frame;

    if (!read_frame(line, &frame))
        return false;
    if (frame.status != BINARY_SUCCESS)
        snprintf(to, (size_t)bytes, "ERROR");
    else if (frame.opcode == BINARY_VERSION)
        snprintf(to, (size_t)bytes, "VERSION %s", frame.body);
    else if (frame.body_bytes == 0)
        snprintf(to, (size_t)bytes, "END");
    else
        snprintf(to, (size_t)bytes, "STAT %.*s %s", (int)frame.key_bytes,
                 frame.body, frame.body + frame.key_bytes);
    return true;
}
