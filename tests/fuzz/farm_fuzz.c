/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The farm machine, told by two members whatever the fuzzer thinks of.
 *
 * Input: steps, each a byte that says what happens and what that needs: a
 * frame of either member (its length in two bytes), time that passes, clients
 * that write, wait and ask, homes too.  Both members have said HELLO.
 */
#include <assert.h>
#include <stdlib.h>

#include "server/farm/farm.h"
#include "tests/support/guarded.h"

#define STORE_BYTES ((size_t)4 << 20)
#define ITEM_BYTES_MAX ((size_t)64 << 10)
#define JOURNAL_BYTES ((size_t)256 << 10)
#define STEPS_MAX 256
#define EXECUTED_MAX 64
#define START_US (UINT64_C(1800000000) * TIME_US_PER_S)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct scene {
    struct store *store;
    struct journal *journal;
    struct farm *farm;
    time_us now;
    uint64_t waiters;
    farm_link links[2];
    farm_link next_link;
};

static void hello(struct scene *scene, unsigned who);

static void step(struct scene *scene, struct farm_input input);

/* Every fourth must be asked about first; what is of a lock tells so. */
static void execute(struct scene *scene, uint64_t waiter, bool is_asked)
{
    struct farm_input input = {.kind = FARM_EXECUTED, .waiter = waiter};

    if (waiter % 4 == 1 && !is_asked) {
        input.must_ask = true;
        input.bytes = SPAN("k");
    } else {
        input.bytes = SPAN("result");
        input.lock = waiter % 4 == 2 ? SPAN("l") : SPAN("");
        input.held = (struct farm_lock){
            .version = store_next_version(scene->store, scene->now),
            .owner = waiter % 8,
            .is_kept = waiter % 3 == 0};
    }
    step(scene, input);
}

static void step(struct scene *scene, struct farm_input input)
{
    struct farm_effect effect;
    bool has_lost[2] = {false, false};
    uint64_t executed[EXECUTED_MAX];
    bool is_asked[EXECUTED_MAX];
    size_t count = 0;

    input.now = scene->now;
    farm_step(scene->farm, &input);
    while (farm_next_effect(scene->farm, &effect)) {
        for (unsigned i = 0; i < 2; i++)
            has_lost[i] |=
                effect.kind == FARM_UNLINK && effect.link == scene->links[i];
        if (effect.kind == FARM_EXECUTE) {
            assert(count < EXECUTED_MAX);
            is_asked[count] = effect.is_asked;
            executed[count++] = effect.waiter;
        }
    }
    farm_check(scene->farm);
    for (unsigned i = 0; i < 2; i++) {
        if (has_lost[i])
            scene->links[i] = 0;
    }
    for (size_t i = 0; i < count; i++)
        execute(scene, executed[i], is_asked[i]);
}

static void ask_homes(struct scene *scene, uint8_t key)
{
    uint8_t bytes[32];
    struct writer writer = writer_of(bytes, sizeof(bytes));

    write_u64(&writer, key);
    write_u32(&writer, 1);
    write_u8(&writer, key);
    step(scene, (struct farm_input){.kind = FARM_COMMAND,
                                    .bytes = span_of(bytes, writer.used_bytes),
                                    .waiter = ++scene->waiters});
}

static void say(struct scene *scene, unsigned who, struct span inner)
{
    /* One byte read beyond the end is found out. */
    struct span exact = guarded_copy(inner);

    if (scene->links[who] == 0)
        hello(scene, who);
    if (scene->links[who] != 0)
        step(scene, (struct farm_input){.kind = FARM_FRAME,
                                        .link = scene->links[who],
                                        .bytes = exact});
    guarded_return();
}

static void hello(struct scene *scene, unsigned who)
{
    static const char *const names[] = {"one", "two"};
    static const char *const addresses[] = {"127.0.0.1:1", "127.0.0.1:2"};
    uint8_t frame[512];
    struct writer writer = writer_of(frame, sizeof(frame));
    struct message message = {
        .kind = MESSAGE_HELLO,
        .hello = {.version_low = MESSAGE_VERSION_LOW,
                  .version_high = MESSAGE_VERSION_HIGH,
                  .id = 100 + who,
                  .tag = (uint16_t)(1 + who),
                  .state = MEMBER_READY,
                  .clock = scene->now,
                  .settings = 1,
                  .farm = SPAN("farm"),
                  .name = span_of_string(names[who]),
                  .address = span_of_string(addresses[who])}};

    scene->links[who] = ++scene->next_link;
    step(scene, (struct farm_input){.kind = FARM_LINKED,
                                    .link = scene->links[who],
                                    .host = SPAN("127.0.0.1")});
    message_encode(&message, &writer);
    assert(writer.ok);
    if (scene->links[who] != 0)
        step(scene,
             (struct farm_input){
                 .kind = FARM_FRAME,
                 .link = scene->links[who],
                 .bytes = span_of(frame + MESSAGE_FRAME_BYTES,
                                  writer.used_bytes - MESSAGE_FRAME_BYTES)});
}

static void write_something(struct scene *scene, uint8_t key)
{
    struct record record = {.kind = RECORD_UPDATE,
                            .version =
                                store_next_version(scene->store, scene->now),
                            .key = span_of(&key, 1),
                            .value = SPAN("value")};
    struct store_write write = {.parts = {record.value},
                                .version = record.version};
    struct store_hold hold;

    record.stamp = record.version;
    record.token = record.version;
    store_hold(scene->store, record.key, store_hash(scene->store, record.key),
               scene->now, &hold);
    bool is_put = store_put(&hold, &write) == STORE_OK;
    uint64_t number = is_put ? journal_append(scene->journal, &record) : 0;
    store_release(&hold);
    if (is_put)
        step(scene, (struct farm_input){.kind = FARM_AWAIT,
                                        .number = number,
                                        .waiter = ++scene->waiters});
}

static void act(struct scene *scene, struct reader *input)
{
    uint8_t what = read_u8(input);
    unsigned who = what & 1;

    switch (what >> 1) {
    case 0:
        scene->now += (time_us)read_u16(input) * 100;
        step(scene, (struct farm_input){.kind = FARM_TICK});
        break;
    case 1:
        write_something(scene, read_u8(input));
        break;
    case 2: {
        uint8_t key = read_u8(input);
        step(scene, (struct farm_input){.kind = FARM_LOOKUP,
                                        .bytes = span_of(&key, 1),
                                        .waiter = ++scene->waiters});
        break;
    }
    case 127:
        ask_homes(scene, read_u8(input));
        break;
    case 3:
        if (scene->links[who] != 0)
            step(scene, (struct farm_input){.kind = FARM_UNLINKED,
                                            .link = scene->links[who]});
        scene->links[who] = 0;
        break;
    default:
        say(scene, who, read_bytes(input, read_u16(input) % 2048));
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store_settings store = {.memory_bytes_max = STORE_BYTES,
                                   .item_bytes_max = ITEM_BYTES_MAX,
                                   .evicts = true,
                                   .replicates = true,
                                   .grave_s = 3600,
                                   .seed = 1,
                                   .origin_tag = 9};
    struct farm_settings settings = {.id = 7,
                                     .tag = 9,
                                     .farm_name = "farm",
                                     .name = "self",
                                     .address = "127.0.0.1:9",
                                     .has_homes = true,
                                     .shared_settings = 1,
                                     .lock_grace = TIME_US_PER_S,
                                     .heartbeat = TIME_US_PER_S / 2,
                                     .ack_timeout = TIME_US_PER_S / 20,
                                     .lookup_timeout = TIME_US_PER_S / 40,
                                     .seed = 5,
                                     .memory_bytes = STORE_BYTES,
                                     .item_bytes_max = ITEM_BYTES_MAX};
    struct scene scene = {.now = START_US};
    struct reader input = reader_of(span_of(data, size));

    scene.store = store_create(&store);
    scene.journal = journal_create(JOURNAL_BYTES);
    assert(scene.store != NULL && scene.journal != NULL);
    scene.farm = farm_create(&settings, scene.store, scene.journal, scene.now);
    assert(scene.farm != NULL);
    hello(&scene, 0);
    hello(&scene, 1);
    for (unsigned i = 0; i < STEPS_MAX && input.ok && input.rest.length > 0;
         i++)
        act(&scene, &input);
    store_check(scene.store);
    farm_destroy(scene.farm);
    journal_destroy(scene.journal);
    store_destroy(scene.store);
    return 0;
}
