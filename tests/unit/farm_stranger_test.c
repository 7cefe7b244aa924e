/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whatever a member sends, in whatever order, a farm machine stays whole: a
 * stranger that knows the messages and answers what it is asked, with lies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/base/prng.h"
#include "server/farm/farm.h"

#define START_US (UINT64_C(1800000000) * TIME_US_PER_S)
#define VALUE_BYTES_MAX ((size_t)200000)
#define FRAME_BYTES_MAX (VALUE_BYTES_MAX + 4096)
#define STEPS 60000
#define ITEM_BYTES_MAX ((size_t)150000)
#define LARGE_BYTES 140000
#define ASKED_MAX 8
#define EXECUTING_MAX 256

struct scene {
    struct prng prng;
    struct store *store;
    struct journal *journal;
    struct farm *farm;
    time_us now;
    farm_link link;
    bool is_linked;
    uint64_t asked[ASKED_MAX]; /* ids of requests and fetches, the last ones */
    unsigned asked_count;
    struct message_fetch fetch; /* the last one; its key is in `key` */
    uint8_t key[1];
    uint32_t session;     /* of the synchronisation that it asked for */
    uint64_t next_number; /* of the stranger's journal */
    uint64_t waiting;
    uint64_t executing[EXECUTING_MAX]; /* what is to be told next */
    size_t executing_count;
    uint64_t executed;
    uint64_t view; /* that the farm entered last */
    uint64_t unlinked;
};

static uint8_t frame[FRAME_BYTES_MAX];
static uint8_t value[VALUE_BYTES_MAX];

/* ---- what is drawn ---- */

static uint64_t below(struct scene *scene, uint64_t bound)
{
    return prng_below(&scene->prng, bound);
}

static struct span draw_key(struct scene *scene)
{
    static const char keys[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    return span_of(keys + below(scene, sizeof(keys) - 1), 1);
}

static uint64_t draw_version(struct scene *scene)
{
    /* The highest leaves nothing to be told of its key. */
    switch (below(scene, 3000)) {
    case 0:
        return below(scene, 3);
    case 1:
        return UINT64_MAX - below(scene, 2);
    default:
        return ((scene->now - below(scene, 50)) << 12) + below(scene, 3);
    }
}

static uint32_t draw_exptime(struct scene *scene)
{
    switch (below(scene, 4)) {
    case 0:
        return 0;
    case 1:
        return UINT32_MAX;
    default:
        return time_seconds(scene->now) + (uint32_t)below(scene, 4) - 1;
    }
}

static uint32_t draw_size(struct scene *scene)
{
    switch (below(scene, 6)) {
    case 0:
        return (uint32_t)below(scene, VALUE_BYTES_MAX);
    case 1:
        return (uint32_t)(below(scene, 3) * 65536);
    case 2:
        return UINT32_MAX;
    default:
        return (uint32_t)below(scene, 100);
    }
}

static uint64_t draw_number(struct scene *scene)
{
    return below(scene, 8) == 0 ? UINT64_MAX - below(scene, 2)
                                : below(scene, 2000);
}

static uint64_t draw_asked(struct scene *scene)
{
    return below(scene, 10) == 0 ? prng_next(&scene->prng)
                                 : scene->asked[below(scene, ASKED_MAX)];
}

static uint64_t draw_id(struct scene *scene)
{
    return below(scene, 4) == 0 ? prng_next(&scene->prng) : below(scene, 4);
}

static struct record draw_record(struct scene *scene)
{
    struct record record = {.kind = (enum record_kind)(1 + below(scene, 8)),
                            .marks = (uint8_t)below(scene, 256),
                            .flags = (uint32_t)below(scene, 3),
                            .exptime = draw_exptime(scene),
                            .version = draw_version(scene),
                            .stamp = draw_version(scene),
                            .token = draw_version(scene),
                            .moment = scene->now + below(scene, 3),
                            .hash = below(scene, 4),
                            .stub_kind = (uint8_t)below(scene, 5),
                            .value_bytes = draw_size(scene),
                            .key = draw_key(scene)};
    uint32_t bytes = draw_size(scene);

    if (record.kind == RECORD_LEAVE && below(scene, 100) != 0)
        record.kind = RECORD_ANNOUNCE;
    if (record.kind == RECORD_STUB)
        record.key = SPAN("0123456789abcdef");
    record.value = span_of(value, bytes < VALUE_BYTES_MAX ? bytes : 10);
    return record;
}

static struct span encode_record(const struct record *record, uint8_t *to,
                                 size_t bytes)
{
    struct writer writer = writer_of(to, bytes);

    record_encode(record, &writer);
    assert_true(writer.ok);
    return span_of(to, writer.used_bytes);
}

static struct message_list draw_vector(struct scene *scene, uint8_t to[64])
{
    struct writer writer = writer_of(to, 64);
    size_t count = below(scene, 4);

    for (size_t i = 0; i < count; i++) {
        write_u64(&writer, draw_id(scene));
        write_u64(&writer, draw_number(scene));
    }
    return (struct message_list){count, span_of(to, writer.used_bytes)};
}

static struct message_list draw_entries(struct scene *scene, uint8_t to[128])
{
    struct writer writer = writer_of(to, 128);
    size_t count = below(scene, 5);

    for (size_t i = 0; i < count; i++) {
        struct message_entry entry = {below(scene, 4), draw_version(scene),
                                      draw_version(scene),
                                      (uint8_t)below(scene, 4)};
        message_write_entry(&writer, &entry);
    }
    return (struct message_list){count, span_of(to, writer.used_bytes)};
}

/* What was asked for, piece by piece, but for a lie now and then. */
static void draw_piece(struct scene *scene, struct record *head,
                       struct message *message)
{
    static uint8_t bytes[RECORD_HEAD_BYTES_MAX];
    uint32_t offset = scene->fetch.offset;
    uint32_t left = offset < LARGE_BYTES ? LARGE_BYTES - offset : 1;

    head->kind = below(scene, 300) == 0 ? head->kind : RECORD_ANNOUNCE;
    head->version = scene->fetch.version + (below(scene, 30) == 0);
    head->key = span_of(scene->key, 1);
    head->value_bytes = below(scene, 20) == 0 ? draw_size(scene) : LARGE_BYTES;
    head->value = SPAN("");
    message->piece.id =
        below(scene, 20) == 0 ? draw_asked(scene) : scene->fetch.id;
    message->piece.offset = below(scene, 20) == 0 ? draw_size(scene) : offset;
    message->piece.bytes = span_of(value, left < 65536 ? left : 65536);
    message->piece.head = encode_record(head, bytes, sizeof(bytes));
    scene->fetch.offset += (uint32_t)message->piece.bytes.length;
}

/* On one key each, of the farm or of the stranger. */
static struct span draw_commands(struct scene *scene, uint16_t *count)
{
    static uint8_t bytes[2048];
    struct writer writer = writer_of(bytes, sizeof(bytes));

    *count = (uint16_t)(below(scene, 30) == 0 ? 1 + below(scene, 40)
                                              : 1 + below(scene, 3));
    for (uint16_t i = 0; i < *count; i++) {
        uint32_t length = (uint32_t)below(scene, 20);
        write_u64(&writer, below(scene, 4));
        write_u32(&writer, length);
        write_bytes(&writer, span_of(value, length));
    }
    assert_true(writer.ok);
    return span_of(bytes, writer.used_bytes);
}

static struct span draw_results(struct scene *scene, uint16_t *count)
{
    static uint8_t bytes[256];
    struct writer writer = writer_of(bytes, sizeof(bytes));

    *count = (uint16_t)below(scene, 5);
    for (uint16_t i = 0; i < *count; i++) {
        uint32_t length = (uint32_t)below(scene, 20);
        write_u32(&writer, length);
        write_bytes(&writer, span_of(value, length));
    }
    assert_true(writer.ok);
    return span_of(bytes, writer.used_bytes);
}

static uint64_t draw_view(struct scene *scene)
{
    return below(scene, 8) == 0 ? 1 + below(scene, 3) : scene->view;
}

/* Of those about homes; false: it is none. */
static bool draw_of_homes(struct scene *scene, struct message *message,
                          uint8_t list[64])
{
    switch (message->kind) {
    case MESSAGE_ENTER:
        message->enter = (struct message_enter){.view = draw_view(scene),
                                                .previous = draw_view(scene),
                                                .number = below(scene, 3),
                                                .version = draw_version(scene)};
        if (below(scene, 8) == 0)
            message->enter.vector = draw_vector(scene, list);
        return true;
    case MESSAGE_COMMAND:
        message->command =
            (struct message_command){.id = below(scene, 100),
                                     .view = draw_view(scene),
                                     .is_again = below(scene, 3) == 0,
                                     .within_us = draw_size(scene)};
        if (below(scene, 8) == 0)
            message->command.vector = draw_vector(scene, list);
        message->command.commands =
            draw_commands(scene, &message->command.count);
        return true;
    case MESSAGE_DECISION:
        message->decision = (struct message_decision){
            .id = draw_asked(scene), .is_unknown = below(scene, 8) == 0};
        if (below(scene, 8) == 0)
            message->decision.vector = draw_vector(scene, list);
        message->decision.results =
            draw_results(scene, &message->decision.count);
        return true;
    case MESSAGE_LOCK:
        message->lock = (struct message_lock){.version = draw_version(scene),
                                              .owner = draw_id(scene),
                                              .taken = draw_version(scene),
                                              .key = draw_key(scene)};
        return true;
    default:
        return false;
    }
}

static void draw_message(struct scene *scene, struct message *message)
{
    static uint8_t record_bytes_here[FRAME_BYTES_MAX];
    static uint8_t list[128];
    struct record record = draw_record(scene);
    uint32_t session =
        below(scene, 2) == 0 ? scene->session : (uint32_t)below(scene, 6);

    *message = (struct message){
        .kind = (enum message_kind)(
            MESSAGE_HEARTBEAT +
            below(scene, MESSAGE_RECORD_AWAITED + 2 - MESSAGE_HEARTBEAT))};
    if (draw_of_homes(scene, message, list))
        return;
    switch (message->kind) {
    case MESSAGE_HEARTBEAT:
        message->heartbeat = (struct message_heartbeat){
            .state = (uint8_t)below(scene, 8),
            .clock = scene->now,
            .sent = scene->now,
            .echo_sent = scene->now - below(scene, 1000),
            .head = draw_number(scene),
            .vector = draw_vector(scene, list)};
        break;
    case MESSAGE_RECORD:
    case MESSAGE_RECORD_AWAITED:
        message->state.number =
            below(scene, 50) == 0 ? draw_number(scene) : scene->next_number++;
        break;
    case MESSAGE_REQUEST:
        message->request = (struct message_request){
            prng_next(&scene->prng), draw_vector(scene, list), record.key};
        if (record.kind == RECORD_STUB)
            message->request.key = SPAN("a");
        break;
    case MESSAGE_STATE:
        message->state.id = draw_asked(scene);
        break;
    case MESSAGE_HAVE:
        message->have =
            (struct message_have){draw_asked(scene), draw_version(scene),
                                  draw_version(scene), draw_size(scene)};
        break;
    case MESSAGE_MISSING:
        message->missing = (struct message_missing){
            draw_asked(scene),   (uint8_t)below(scene, 5),
            draw_version(scene), draw_version(scene),
            draw_exptime(scene), below(scene, 2) == 0};
        break;
    case MESSAGE_FETCH:
        message->fetch =
            (struct message_fetch){.id = prng_next(&scene->prng),
                                   .version = draw_version(scene),
                                   .offset = draw_size(scene),
                                   .bytes = draw_size(scene),
                                   .key = draw_key(scene),
                                   .lacking = {2, span_of(value, 16)}};
        break;
    case MESSAGE_PIECE:
        draw_piece(scene, &record, message);
        return;
    case MESSAGE_SYNC_LIST:
        message->sync = (struct message_sync){
            session, (UINT64_C(1) << (8 + below(scene, 8))) - below(scene, 2),
            0, draw_entries(scene, list)};
        break;
    case MESSAGE_SYNC_PULL:
        message->sync = (struct message_sync){.session = session,
                                              .list = {2, span_of(value, 16)}};
        break;
    case MESSAGE_SYNC_BEGIN:
    case MESSAGE_SYNC_END:
        message->sync = (struct message_sync){.session = session,
                                              .list = draw_vector(scene, list)};
        break;
    case MESSAGE_FORWARD:
        message->forward.inner = SPAN("anything");
        break;
    default:
        message->number = draw_number(scene);
        break;
    }
    if (message->kind == MESSAGE_RECORD || message->kind == MESSAGE_STATE ||
        message->kind == MESSAGE_SYNC_STATE) {
        message->state.session = session;
        message->state.bytes =
            encode_record(&record, record_bytes_here, FRAME_BYTES_MAX);
    }
}

/* ---- the machine ---- */

/* What it asks is remembered, to be answered. */
static void read_frames(struct scene *scene, struct span bytes)
{
    while (bytes.length > 0) {
        struct message message;
        struct span inner;
        size_t used;
        assert_int_equal(message_frame(bytes, UINT32_MAX, &inner, &used),
                         FRAME_OK);
        assert_int_equal(message_decode(inner, &message), DECODE_OK);
        bytes = span_of(bytes.data + used, bytes.length - used);
        if (message.kind == MESSAGE_REQUEST)
            scene->asked[scene->asked_count++ % ASKED_MAX] = message.request.id;
        if (message.kind == MESSAGE_COMMAND)
            scene->asked[scene->asked_count++ % ASKED_MAX] = message.command.id;
        if (message.kind == MESSAGE_ENTER)
            scene->view = message.enter.view;
        if (message.kind == MESSAGE_SYNC_BEGIN)
            scene->session = message.sync.session;
        if (message.kind == MESSAGE_FETCH) {
            scene->asked[scene->asked_count++ % ASKED_MAX] = message.fetch.id;
            if (message.fetch.id == scene->fetch.id)
                continue; /* another piece of the same */
            scene->fetch = message.fetch;
            scene->key[0] = message.fetch.key.data[0];
        }
    }
}

static void note_execution(struct scene *scene, uint64_t waiter)
{
    assert_true(scene->executing_count < EXECUTING_MAX);
    scene->executing[scene->executing_count++] = waiter;
    scene->executed++;
}

static void feed(struct scene *scene, struct farm_input input)
{
    struct farm_effect effect;

    input.now = scene->now;
    farm_step(scene->farm, &input);
    farm_check(scene->farm);
    while (farm_next_effect(scene->farm, &effect)) {
        if (effect.kind == FARM_SEND)
            read_frames(scene, effect.bytes);
        if (effect.kind == FARM_UNLINK) {
            scene->is_linked = false;
            scene->unlinked++;
        }
        if (effect.kind == FARM_FOUND || effect.kind == FARM_DECIDED)
            scene->waiting--;
        if (effect.kind == FARM_EXECUTE)
            note_execution(scene, effect.waiter);
    }
}

static struct farm_input draw_execution(struct scene *scene, uint64_t waiter)
{
    struct farm_input input = {.kind = FARM_EXECUTED, .waiter = waiter};

    if (below(scene, 10) == 0) {
        input.must_ask = true;
        input.bytes = draw_key(scene);
    } else if (below(scene, 10) == 0) {
        input.is_refused = true;
    } else {
        input.bytes = span_of(value, below(scene, 100));
        input.lock = below(scene, 2) == 0 ? draw_key(scene) : SPAN("");
        input.held = (struct farm_lock){.version = draw_version(scene),
                                        .owner = draw_id(scene),
                                        .taken = draw_version(scene),
                                        .is_kept = below(scene, 2) == 0};
    }
    return input;
}

static void step(struct scene *scene, struct farm_input input)
{
    feed(scene, input);
    while (scene->executing_count > 0) {
        uint64_t waiter = scene->executing[0];
        scene->executing_count--;
        memmove(scene->executing, scene->executing + 1,
                scene->executing_count * sizeof(scene->executing[0]));
        feed(scene, draw_execution(scene, waiter));
    }
}

static void ask_homes(struct scene *scene)
{
    uint16_t count;
    struct span commands = draw_commands(scene, &count);

    if (count > FARM_COMMANDS_MAX)
        return;
    scene->waiting++;
    step(scene, (struct farm_input){
                    .kind = FARM_COMMAND, .waiter = 2, .bytes = commands});
}

static void send(struct scene *scene, const struct message *message)
{
    struct writer writer = writer_of(frame, sizeof(frame));

    message_encode(message, &writer);
    assert_true(writer.ok);
    step(scene, (struct farm_input){
                    .kind = FARM_FRAME,
                    .link = scene->link,
                    .bytes = span_of(frame + MESSAGE_FRAME_BYTES,
                                     writer.used_bytes - MESSAGE_FRAME_BYTES)});
}

static void link_up(struct scene *scene)
{
    struct message hello = {.kind = MESSAGE_HELLO,
                            .hello = {.version_low = 1,
                                      .version_high = 1,
                                      .id = 2 + below(scene, 2),
                                      .state = MEMBER_READY,
                                      .clock = scene->now,
                                      .settings = below(scene, 20) != 0,
                                      .farm = SPAN("farm"),
                                      .name = SPAN("stranger"),
                                      .address = SPAN("there:1")}};

    struct message overrun = {.kind = MESSAGE_OVERRUN,
                              .number = ++scene->next_number};

    scene->link++;
    scene->is_linked = true;
    step(scene, (struct farm_input){.kind = FARM_LINKED, .link = scene->link});
    send(scene, &hello);
    if (scene->is_linked)
        send(scene, &overrun);
}

static void act(struct scene *scene)
{
    struct message message;

    scene->now += below(scene, 20) == 0 ? 30000 : below(scene, 100);
    if (!scene->is_linked)
        link_up(scene);
    switch (below(scene, 13)) {
    case 2:
        ask_homes(scene);
        break;
    case 0:
        scene->waiting++;
        step(scene, (struct farm_input){.kind = FARM_LOOKUP,
                                        .waiter = 1,
                                        .bytes = draw_key(scene)});
        break;
    case 1:
        store_maintain(scene->store, scene->now);
        step(scene, (struct farm_input){.kind = FARM_TICK});
        break;
    default:
        draw_message(scene, &message);
        /* Its journal begins anew by its word alone. */
        if (message.kind == MESSAGE_OVERRUN)
            scene->next_number = message.number;
        send(scene, &message);
        break;
    }
}

static void a_farm_stays_whole_whatever_a_member_sends(void **state)
{
    struct store_settings store = {.memory_bytes_max = 4 << 20,
                                   .item_bytes_max = ITEM_BYTES_MAX,
                                   .evicts = true,
                                   .replicates = true,
                                   .grave_s = 60,
                                   .seed = 1};
    struct farm_settings settings = {.id = 1,
                                     .farm_name = "farm",
                                     .name = "here",
                                     .address = "here:1",
                                     .has_homes = true,
                                     .shared_settings = 1,
                                     .lock_grace = TIME_US_PER_S,
                                     .heartbeat = TIME_US_PER_S / 2,
                                     .ack_timeout = TIME_US_PER_S / 20,
                                     .lookup_timeout = TIME_US_PER_S / 40,
                                     .memory_bytes = 4 << 20,
                                     .item_bytes_max = ITEM_BYTES_MAX};

    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct scene scene = {.prng = {.state = seed}, .now = START_US};
        scene.store = store_create(&store);
        scene.journal = journal_create(256 << 10);
        scene.farm =
            farm_create(&settings, scene.store, scene.journal, scene.now);
        assert_non_null(scene.farm);
        /* READY, alone, before it hears of anybody. */
        step(&scene, (struct farm_input){.kind = FARM_TICK});
        for (unsigned i = 0; i < STEPS; i++)
            act(&scene);
        store_check(scene.store);
        assert_true(scene.asked_count > 100);
        assert_true(scene.executed > 100);
        /* Nobody waits for ever. */
        for (unsigned i = 0; i < 100; i++) {
            scene.now += TIME_US_PER_S / 10;
            step(&scene, (struct farm_input){.kind = FARM_TICK});
        }
        assert_int_equal(scene.waiting, 0);
        farm_destroy(scene.farm);
        journal_destroy(scene.journal);
        store_destroy(scene.store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_farm_stays_whole_whatever_a_member_sends),
    };

    return cmocka_run_group_tests_name("farm_stranger", tests, NULL, NULL);
}
