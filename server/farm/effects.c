/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Effects: what a step asks of its driver, kept until the next step.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/farm/state.h"

/* A line for people. */
#define EVENT_BYTES_MAX 1024
/* More than any message but one that carries a value. */
#define MESSAGE_ROOM_BYTES ((size_t)128 * 1024)

uint8_t *effect_room(struct farm *farm, size_t bytes)
{
    struct effects *effects = &farm->effects;

    if (effects->bytes_used + bytes > effects->bytes_capacity) {
        size_t capacity = effects->bytes_capacity + bytes;
        capacity += capacity / 2;
        uint8_t *grown = realloc(effects->bytes, capacity);
        if (grown == NULL)
            abort(); /* a member that forgets to send is worse than none */
        effects->bytes = grown;
        effects->bytes_capacity = capacity;
    }
    return effects->bytes + effects->bytes_used;
}

static struct pending_effect *add(struct farm *farm, enum farm_effect_kind kind,
                                  farm_link link)
{
    struct effects *effects = &farm->effects;

    if (effects->count == effects->capacity) {
        size_t capacity = effects->capacity == 0 ? 64 : 2 * effects->capacity;
        struct pending_effect *grown =
            realloc(effects->list, capacity * sizeof(*grown));
        if (grown == NULL)
            abort();
        effects->list = grown;
        effects->capacity = capacity;
    }
    struct pending_effect *effect = &effects->list[effects->count++];
    *effect = (struct pending_effect){
        .kind = kind, .link = link, .offset = effects->bytes_used};
    return effect;
}

/* Each frame grows by what tells the neighbour where it is to go. */
static void add_forwarded(struct farm *farm, farm_link link, size_t bytes)
{
    uint8_t *copy = malloc(bytes);

    if (copy == NULL)
        abort();
    memcpy(copy, farm->effects.bytes + farm->effects.bytes_used, bytes);
    forward_send(farm, link, span_of(copy, bytes));
    free(copy);
}

/* Frames for one link that follow each other are sent as one. */
static void add_bytes(struct farm *farm, enum farm_effect_kind kind,
                      farm_link link, size_t bytes)
{
    struct effects *effects = &farm->effects;

    if (kind == FARM_SEND && link_is_virtual(link)) {
        add_forwarded(farm, link, bytes);
        return;
    }
    struct pending_effect *last =
        effects->count > 0 ? &effects->list[effects->count - 1] : NULL;

    if (kind != FARM_SEND || last == NULL || last->kind != FARM_SEND ||
        last->link != link)
        last = add(farm, kind, link);
    last->length += bytes;
    effects->bytes_used += bytes;
    if (kind == FARM_SEND)
        farm->figures.bytes_sent += bytes;
}

void effect_send_raw(struct farm *farm, farm_link link, struct span frames)
{
    uint8_t *to = effect_room(farm, frames.length);

    if (to != frames.data)
        span_copy(to, frames);
    add_bytes(farm, FARM_SEND, link, frames.length);
}

void effect_send(struct farm *farm, farm_link link,
                 const struct message *message)
{
    size_t room_bytes = MESSAGE_ROOM_BYTES;

    if (link == 0)
        return;
    for (;;) {
        struct writer writer =
            writer_of(effect_room(farm, room_bytes), room_bytes);
        message_encode(message, &writer);
        if (writer.ok) {
            add_bytes(farm, FARM_SEND, link, writer.used_bytes);
            return;
        }
        room_bytes *= 4;
    }
}

void effect_send_state(struct farm *farm, farm_link link, uint64_t id,
                       struct span head, struct span value)
{
    size_t bytes = MESSAGE_FRAME_BYTES + 1 + 8 + head.length + value.length;
    struct writer writer = writer_of(effect_room(farm, bytes), bytes);

    write_u32(&writer, (uint32_t)(bytes - MESSAGE_FRAME_BYTES));
    write_u8(&writer, MESSAGE_STATE);
    write_u64(&writer, id);
    write_bytes(&writer, head);
    write_bytes(&writer, value);
    add_bytes(farm, FARM_SEND, link, bytes);
}

static void add_text(struct farm *farm, enum farm_effect_kind kind,
                     farm_link link, const char *text)
{
    struct span span = span_of_string(text);

    span_copy(effect_room(farm, span.length), span);
    add_bytes(farm, kind, link, span.length);
}

void effect_dial(struct farm *farm, const char *address)
{
    add_text(farm, FARM_DIAL, 0, address);
}

void effect_unlink(struct farm *farm, farm_link link, const char *reason)
{
    add_text(farm, FARM_UNLINK, link, reason);
}

void effect_answer(struct farm *farm, const struct wait *wait, bool is_degraded)
{
    struct pending_effect *effect = add(farm, FARM_ANSWER, 0);

    effect->waiter = wait->waiter;
    effect->number = wait->number;
    effect->is_degraded = is_degraded;
}

void effect_found(struct farm *farm, uint64_t waiter, bool is_certain)
{
    if ((waiter & WAITER_IS_CALL) != 0) {
        home_found(farm, waiter, is_certain);
        return;
    }
    struct pending_effect *effect = add(farm, FARM_FOUND, 0);

    effect->waiter = waiter;
    effect->is_certain = is_certain;
}

void effect_execute(struct farm *farm, uint64_t number, uint64_t asker,
                    bool is_asked, bool is_certain, struct span command)
{
    span_copy(effect_room(farm, command.length), command);
    add_bytes(farm, FARM_EXECUTE, 0, command.length);
    struct pending_effect *effect =
        &farm->effects.list[farm->effects.count - 1];
    effect->waiter = number;
    effect->number = asker;
    effect->is_asked = is_asked;
    effect->is_certain = is_certain;
    effect->gives_way = farm->view.is_remnant;
}

void effect_release(struct farm *farm, struct span key, uint64_t version)
{
    span_copy(effect_room(farm, key.length), key);
    add_bytes(farm, FARM_RELEASE, 0, key.length);
    farm->effects.list[farm->effects.count - 1].number = version;
    farm->effects.list[farm->effects.count - 1].gives_way =
        farm->view.is_remnant;
}

void effect_decided(struct farm *farm, uint64_t waiter, struct span results)
{
    span_copy(effect_room(farm, results.length), results);
    add_bytes(farm, FARM_DECIDED, 0, results.length);
    farm->effects.list[farm->effects.count - 1].waiter = waiter;
}

void effect_event(struct farm *farm, enum farm_event event, const char *format,
                  ...)
{
    char text[EVENT_BYTES_MAX];
    va_list arguments;

    if (event != FARM_MEMBERS && !farm->is_watched)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    add_text(farm, FARM_EVENT, 0, text);
    farm->effects.list[farm->effects.count - 1].event = event;
}

void effect_left(struct farm *farm)
{
    add(farm, FARM_LEFT, 0);
}

void effects_reset(struct farm *farm)
{
    farm->effects.count = 0;
    farm->effects.taken = 0;
    farm->effects.bytes_used = 0;
}

bool farm_next_effect(struct farm *farm, struct farm_effect *effect)
{
    struct effects *effects = &farm->effects;

    if (effects->taken == effects->count)
        return false;
    const struct pending_effect *next = &effects->list[effects->taken++];
    *effect = (struct farm_effect){
        .kind = next->kind,
        .event = next->event,
        .link = next->link,
        .waiter = next->waiter,
        .number = next->number,
        .is_degraded = next->is_degraded,
        .is_asked = next->is_asked,
        .is_certain = next->is_certain,
        .gives_way = next->gives_way,
        .bytes = span_of(effects->bytes + next->offset, next->length)};
    return true;
}
