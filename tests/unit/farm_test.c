/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One server's farm, told by hand what others say: whom it refuses and with
 * what words, what time it takes, when it is fresh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "server/farm/state.h"

#define START_US (UINT64_C(1800000000) * TIME_US_PER_S)
#define HOUR_US (3600 * TIME_US_PER_S)
#define SELF 1000
#define FRAMES_MAX 64
#define FRAME_BYTES_MAX ((size_t)4 << 20)
#define EXECUTED_MAX 64

struct bench {
    struct store *store;
    struct journal *journal;
    struct farm *farm;
    time_us now;
    /* What the last step asked for. */
    size_t frames_count;
    uint8_t bytes[FRAME_BYTES_MAX];
    size_t bytes_used;
    struct {
        farm_link link;
        struct message message;
    } frames[FRAMES_MAX];
    farm_link unlinked;
    char event[1024]; /* all lines of the step */
    bool has_left;
    unsigned found; /* lookups that have ended, so far */
    bool is_certain;
    /* Of commands, so far. */
    unsigned executed;
    unsigned decided;
    uint8_t told[512];  /* the last verdicts and results */
    struct span result; /* of each that is executed */
};

static void keep_frames(struct bench *bench, farm_link link, struct span bytes)
{
    assert_true(bench->bytes_used + bytes.length <= sizeof(bench->bytes));
    uint8_t *copy = bench->bytes + bench->bytes_used;
    span_copy(copy, bytes);
    bench->bytes_used += bytes.length;
    struct span rest = span_of(copy, bytes.length);
    while (rest.length > 0) {
        struct span inner;
        size_t used;
        assert_int_equal(message_frame(rest, FRAME_BYTES_MAX, &inner, &used),
                         FRAME_OK);
        assert_true(bench->frames_count < FRAMES_MAX);
        bench->frames[bench->frames_count].link = link;
        assert_int_equal(
            message_decode(inner,
                           &bench->frames[bench->frames_count++].message),
            DECODE_OK);
        rest = span_of(rest.data + used, rest.length - used);
    }
}

static void feed(struct bench *bench, struct farm_input input)
{
    struct farm_effect effect;
    uint64_t executed[EXECUTED_MAX];
    size_t count = 0;

    input.now = bench->now;
    farm_step(bench->farm, &input);
    while (farm_next_effect(bench->farm, &effect)) {
        if (effect.kind == FARM_SEND)
            keep_frames(bench, effect.link, effect.bytes);
        else if (effect.kind == FARM_UNLINK)
            bench->unlinked = effect.link;
        else if (effect.kind == FARM_LEFT)
            bench->has_left = true;
        else if (effect.kind == FARM_FOUND) {
            bench->found++;
            bench->is_certain = effect.is_certain;
        } else if (effect.kind == FARM_EXECUTE) {
            assert_true(count < EXECUTED_MAX);
            executed[count++] = effect.waiter;
        } else if (effect.kind == FARM_DECIDED) {
            bench->decided++;
            assert_true(effect.bytes.length <= sizeof(bench->told));
            span_copy(bench->told, effect.bytes);
        } else if (effect.kind == FARM_EVENT) {
            size_t used = strlen(bench->event);
            snprintf(bench->event + used, sizeof(bench->event) - used, "%.*s\n",
                     (int)effect.bytes.length, (const char *)effect.bytes.data);
        }
    }
    if (!input.more)
        farm_check(bench->farm);
    for (size_t i = 0; i < count; i++) {
        bench->executed++;
        feed(bench, (struct farm_input){.kind = FARM_EXECUTED,
                                        .waiter = executed[i],
                                        .bytes = bench->result});
    }
}

static void step(struct bench *bench, struct farm_input input)
{
    bench->frames_count = 0;
    bench->bytes_used = 0;
    bench->unlinked = 0;
    bench->event[0] = '\0';
    feed(bench, input);
}

static void tick(struct bench *bench, time_us pause)
{
    bench->now += pause;
    step(bench, (struct farm_input){.kind = FARM_TICK});
}

/* Ticks as the driver owes them. */
static void run(struct bench *bench, time_us duration)
{
    time_us end = bench->now + duration;

    while (bench->now < end) {
        time_us due = farm_deadline(bench->farm);
        tick(bench, due > bench->now ? due - bench->now : 1000);
    }
}

static void take_with(struct bench *bench, farm_link link,
                      const struct message *message, bool more)
{
    static uint8_t bytes[FRAME_BYTES_MAX];
    struct writer writer = writer_of(bytes, sizeof(bytes));

    message_encode(message, &writer);
    assert_true(writer.ok);
    step(bench, (struct farm_input){
                    .kind = FARM_FRAME,
                    .link = link,
                    .bytes = span_of(bytes + MESSAGE_FRAME_BYTES,
                                     writer.used_bytes - MESSAGE_FRAME_BYTES),
                    .more = more});
}

static void take(struct bench *bench, farm_link link,
                 const struct message *message)
{
    take_with(bench, link, message, false);
}

static const struct message *sent(const struct bench *bench,
                                  enum message_kind kind)
{
    for (size_t i = 0; i < bench->frames_count; i++) {
        if (bench->frames[i].message.kind == kind)
            return &bench->frames[i].message;
    }
    return NULL;
}

static int create_any(void **state, bool has_homes)
{
    static struct bench bench;
    struct store_settings store = {.memory_bytes_max = 8 << 20,
                                   .item_bytes_max = 1 << 20,
                                   .replicates = true,
                                   .grave_s = 3600,
                                   .origin_tag = 7};
    struct farm_settings settings = {.id = SELF,
                                     .tag = 7,
                                     .farm_name = "farm",
                                     .name = "web1",
                                     .address = ":11311",
                                     .heartbeat = TIME_US_PER_S / 2,
                                     .ack_timeout = TIME_US_PER_S / 20,
                                     .lookup_timeout = TIME_US_PER_S / 40,
                                     .tick_interval = TIME_US_PER_S / 50,
                                     .memory_bytes = 8 << 20,
                                     .item_bytes_max = 1 << 20,
                                     .has_homes = has_homes,
                                     .shared_settings = has_homes,
                                     .lock_grace = 5 * TIME_US_PER_S,
                                     .seed = 5};

    bench = (struct bench){.now = START_US};
    bench.store = store_create(&store);
    bench.journal = journal_create(65536);
    bench.farm = farm_create(&settings, bench.store, bench.journal, bench.now);
    step(&bench,
         (struct farm_input){.kind = FARM_SEED, .bytes = SPAN("web2:11311")});
    *state = &bench;
    return 0;
}

static int create(void **state)
{
    return create_any(state, false);
}

static int create_with_homes(void **state)
{
    return create_any(state, true);
}

static int destroy(void **state)
{
    struct bench *bench = *state;

    farm_destroy(bench->farm);
    journal_destroy(bench->journal);
    store_destroy(bench->store);
    return 0;
}

static struct message hello_of(const struct bench *bench, uint64_t id)
{
    return (struct message){
        .kind = MESSAGE_HELLO,
        .hello = {.version_low = MESSAGE_VERSION_LOW,
                  .version_high = MESSAGE_VERSION_HIGH,
                  .id = id,
                  .tag = 8,
                  .settings = bench->farm->settings.shared_settings,
                  .state = MEMBER_READY,
                  .clock = bench->now,
                  .ready_since = START_US - HOUR_US,
                  .memory_bytes = 8 << 20,
                  .item_bytes_max = 1 << 20,
                  .farm = SPAN("farm"),
                  .name = SPAN("web2"),
                  .address = SPAN(":11311")}};
}

static void link_up(struct bench *bench, farm_link link, const char *host)
{
    step(bench, (struct farm_input){.kind = FARM_LINKED,
                                    .link = link,
                                    .host = span_of_string(host)});
}

static struct farm_member row_of(struct bench *bench, size_t row)
{
    struct farm_member rows[FARM_MEMBERS_MAX + 1];

    assert_true(farm_read_members(bench->farm, rows) > row);
    return rows[row];
}

static void refuse_with(struct bench *bench, const struct message *hello,
                        const char *words)
{
    link_up(bench, 9, "10.0.0.9");
    take(bench, 9, hello);
    const struct message *refuse = sent(bench, MESSAGE_REFUSE);
    assert_non_null(refuse);
    char text[256];
    snprintf(text, sizeof(text), "%.*s", (int)refuse->refuse.length,
             (const char *)refuse->refuse.data);
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, words);
    assert_int_equal(bench->unlinked, 9);
}

/* A heartbeat that answers one of ours, sent `trip` ago. */
static void beat(struct bench *bench, farm_link link, uint16_t tag,
                 time_us clock, time_us trip, uint64_t head)
{
    struct message message = {.kind = MESSAGE_HEARTBEAT,
                              .heartbeat = {.state = MEMBER_READY,
                                            .tag = tag,
                                            .clock = clock,
                                            .ready_since = START_US - HOUR_US,
                                            .sent = 1,
                                            .echo_sent = bench->now - trip,
                                            .head = head}};

    take(bench, link, &message);
}

/* As one that is synchronised with the member on link 1. */
static void be_ready(struct bench *bench)
{
    struct message hello = hello_of(bench, 2000);
    struct message attach = {.kind = MESSAGE_ATTACH};
    struct message overrun = {.kind = MESSAGE_OVERRUN, .number = 1};
    struct message end = {.kind = MESSAGE_SYNC_END, .sync = {.session = 1}};
    struct message alive = {.kind = MESSAGE_ALIVE, .subject = 2000};

    link_up(bench, 1, "10.0.0.2");
    take(bench, 1, &hello);
    take(bench, 1, &attach);
    take(bench, 1, &overrun);
    beat(bench, 1, 8, bench->now, 200, 0);
    take(bench, 1, &end);
    take(bench, 1, &alive);
    assert_int_equal(row_of(bench, 0).state, MEMBER_READY);
}

/* ---- who is refused ---- */

static void a_refusal_says_what_is_wrong(void **state)
{
    struct bench *bench = *state;
    struct message hello = hello_of(bench, 3000);

    be_ready(bench);
    refuse_with(bench, &hello,
                "its name web2 is the name of the member at "
                "10.0.0.2:11311");
    hello.hello.name = SPAN("web1");
    refuse_with(bench, &hello, "its name web1 is the name of this server");
    hello.hello.name = SPAN("web3");
    hello.hello.farm = SPAN("barn");
    refuse_with(bench, &hello, "it belongs to the farm barn, this is farm");
    hello.hello.farm = SPAN("farm");
    hello.hello.version_low = hello.hello.version_high = 9;
    refuse_with(bench, &hello,
                "version 9 to 9 of grapevine, here it is 1 to 3");
    hello.hello.version_low = 1;
    hello.hello.address = SPAN("");
    refuse_with(bench, &hello, "where it can be dialled");
    hello.hello.address = SPAN(":1");
    hello.hello.clock = bench->now + 11 * 60 * TIME_US_PER_S;
    refuse_with(bench, &hello, "its clock is 11 minutes ahead");
    hello.hello.clock = UINT64_MAX;
    refuse_with(bench, &hello, "its clock cannot be right");
    hello.hello.clock = bench->now;
    hello.hello.name = SPAN("\n");
    refuse_with(bench, &hello, "not text");
}

static void a_newcomer_is_not_refused_for_its_clock(void **state)
{
    struct bench *bench = *state;
    struct message hello = hello_of(bench, 3000);

    be_ready(bench);
    hello.hello.state = MEMBER_JOINING;
    hello.hello.name = SPAN("web3");
    hello.hello.clock = bench->now - HOUR_US;
    link_up(bench, 9, "::1");
    take(bench, 9, &hello);
    assert_int_equal(bench->unlinked, 0);
    assert_string_equal(row_of(bench, 2).address, "[::1]:11311");
    assert_non_null(strstr(bench->event, "web3 ([::1]:11311) joins"));
}

static void who_was_refused_does_not_begin_alone(void **state)
{
    struct bench *bench = *state;
    struct message refuse = {.kind = MESSAGE_REFUSE,
                             .refuse = SPAN("its name \x1b[2J is taken")};

    link_up(bench, 1, "10.0.0.2");
    take(bench, 1, &refuse);
    assert_string_equal(bench->event, "refused by 10.0.0.2, which says: its "
                                      "name ?[2J is taken\n");
    run(bench, 5 * TIME_US_PER_S / 2);
    assert_int_equal(row_of(bench, 0).state, MEMBER_JOINING);
    run(bench, TIME_US_PER_S);
    assert_int_equal(row_of(bench, 0).state, MEMBER_READY);
}

static void who_takes_a_members_id_is_refused_and_the_member_stays(void **state)
{
    struct bench *bench = *state;
    struct message hello = hello_of(bench, 2000);
    struct message request = {.kind = MESSAGE_HEARTBEAT_REQUEST};

    be_ready(bench);
    hello.hello.name = SPAN("web3");
    hello.hello.address = SPAN("10.0.0.9:11311");
    refuse_with(bench, &hello,
                "its id is that of the member web2 at 10.0.0.2:11311");
    assert_int_equal(row_of(bench, 1).id, 2000);
    assert_string_equal(row_of(bench, 1).name, "web2");
    assert_int_equal(row_of(bench, 1).state, MEMBER_READY);
    take(bench, 1, &request);
    assert_non_null(sent(bench, MESSAGE_HEARTBEAT));
    assert_int_equal(bench->frames[0].link, 1);

    /* Nor under the address of the member itself. */
    hello.hello.address = SPAN("10.0.0.2:11311");
    refuse_with(bench, &hello, "its id is that of the member web2");
    take(bench, 1, &request);
    assert_non_null(sent(bench, MESSAGE_HEARTBEAT));
}

static void who_was_rejected_does_not_begin_alone(void **state)
{
    struct bench *bench = *state;

    step(bench, (struct farm_input){.kind = FARM_REJECTED});
    run(bench, 5 * TIME_US_PER_S / 2);
    assert_int_equal(row_of(bench, 0).state, MEMBER_JOINING);
    /* Each attempt begins it anew. */
    step(bench, (struct farm_input){.kind = FARM_REJECTED});
    run(bench, 5 * TIME_US_PER_S / 2);
    assert_int_equal(row_of(bench, 0).state, MEMBER_JOINING);
    run(bench, TIME_US_PER_S);
    assert_int_equal(row_of(bench, 0).state, MEMBER_READY);
}

static void who_is_rejected_waits_no_longer_than_half_a_minute(void **state)
{
    struct bench *bench = *state;

    for (unsigned i = 0; i < 30; i++) {
        assert_int_equal(row_of(bench, 0).state, MEMBER_JOINING);
        step(bench, (struct farm_input){.kind = FARM_REJECTED});
        run(bench, TIME_US_PER_S);
    }
    assert_int_equal(row_of(bench, 0).state, MEMBER_READY);
}

static void who_is_ready_stays_so_when_it_is_rejected(void **state)
{
    struct bench *bench = *state;

    be_ready(bench);
    step(bench, (struct farm_input){.kind = FARM_REJECTED});
    tick(bench, TIME_US_PER_S / 50);
    assert_int_equal(row_of(bench, 0).state, MEMBER_READY);
    assert_int_equal(row_of(bench, 1).state, MEMBER_READY);
}

/* ---- time ---- */

static void a_newcomer_takes_the_time_outright_and_then_slews(void **state)
{
    struct bench *bench = *state;
    struct message hello = hello_of(bench, 2000);

    assert_false(farm_has_time(bench->farm));
    hello.hello.clock = bench->now - HOUR_US;
    link_up(bench, 1, "10.0.0.2");
    take(bench, 1, &hello);
    assert_true(farm_has_time(bench->farm));
    assert_int_equal(farm_time(bench->farm, bench->now), bench->now - HOUR_US);

    /* It is told to go back by a second: it takes 20. */
    bench->now += 1000;
    beat(bench, 1, 8, bench->now - HOUR_US - TIME_US_PER_S, 0, 0);
    time_us last = farm_time(bench->farm, bench->now);
    for (unsigned i = 0; i < 200; i++) {
        tick(bench, TIME_US_PER_S / 100);
        time_us now = farm_time(bench->farm, bench->now);
        assert_int_equal(now - last, TIME_US_PER_S / 100 * 19 / 20);
        last = now;
    }
    assert_int_equal(farm_time(bench->farm, bench->now + HOUR_US),
                     bench->now - TIME_US_PER_S);
}

static void a_lonely_server_has_its_own_time(void **state)
{
    struct bench *bench = *state;

    step(bench, (struct farm_input){.kind = FARM_REFUSED,
                                    .bytes = SPAN("web2:11311")});
    assert_true(farm_has_time(bench->farm));
    assert_int_equal(farm_time(bench->farm, bench->now), bench->now);
    assert_int_equal(row_of(bench, 0).state, MEMBER_READY);
}

static void what_lay_in_a_queue_does_not_shift_the_time(void **state)
{
    struct bench *bench = *state;

    be_ready(bench);
    time_us before = farm_time(bench->farm, bench->now + HOUR_US);
    run(bench, 3 * TIME_US_PER_S / 2);
    beat(bench, 1, 8, bench->now - TIME_US_PER_S, TIME_US_PER_S, 0);
    assert_int_equal(farm_time(bench->farm, bench->now + HOUR_US) - before,
                     bench->now - START_US);
}

/* ---- tags ---- */

static void the_newcomer_draws_another_tag(void **state)
{
    struct bench *bench = *state;
    struct message hello = hello_of(bench, 500);

    hello.hello.tag = 7;
    link_up(bench, 1, "10.0.0.2");
    take(bench, 1, &hello);
    uint64_t version = store_next_version(bench->store, bench->now);
    assert_int_not_equal(version & 0xfff, 7);
    run(bench, TIME_US_PER_S / 2);
    const struct message *heartbeat = sent(bench, MESSAGE_HEARTBEAT);
    while (heartbeat == NULL) {
        tick(bench, TIME_US_PER_S / 100);
        heartbeat = sent(bench, MESSAGE_HEARTBEAT);
    }
    assert_int_equal(heartbeat->heartbeat.tag, version & 0xfff);
}

static void of_two_that_are_ready_the_higher_id_draws_another(void **state)
{
    struct bench *bench = *state;

    be_ready(bench);
    beat(bench, 1, 7, bench->now, 0, 0);
    assert_int_equal(store_next_version(bench->store, bench->now) & 0xfff, 7);
}

/* ---- waking ---- */

static void
who_slept_is_fresh_when_all_have_answered_and_all_is_here(void **state)
{
    struct bench *bench = *state;
    struct record record = {
        .kind = RECORD_DELETE, .version = START_US << 12, .key = SPAN("apple")};

    be_ready(bench);
    assert_true(farm_fresh_until(bench->farm) >= bench->now);
    assert_true(farm_fresh_until(bench->farm) <=
                bench->now + TIME_US_PER_S / 20);
    assert_true(farm_deadline(bench->farm) <= bench->now + TIME_US_PER_S / 50);

    tick(bench, TIME_US_PER_S / 4);
    assert_non_null(sent(bench, MESSAGE_HEARTBEAT));
    assert_non_null(sent(bench, MESSAGE_HEARTBEAT_REQUEST));
    assert_true(farm_is_waking(bench->farm));
    assert_int_equal(farm_fresh_until(bench->farm), 0);

    /* That one lay in a buffer. */
    bench->now += 1000;
    beat(bench, 1, 8, bench->now, TIME_US_PER_S / 5, 0);
    assert_int_equal(farm_fresh_until(bench->farm), 0);
    beat(bench, 1, 8, bench->now, 500, 1);
    assert_int_equal(farm_fresh_until(bench->farm), 0);
    assert_true(farm_is_waking(bench->farm));

    uint8_t bytes[64];
    struct writer writer = writer_of(bytes, sizeof(bytes));
    record_encode(&record, &writer);
    struct message message = {
        .kind = MESSAGE_RECORD,
        .state = {.number = 1, .bytes = span_of(bytes, writer.used_bytes)}};
    take(bench, 1, &message);
    assert_true(farm_fresh_until(bench->farm) > bench->now);
    assert_false(farm_is_waking(bench->farm));
}

/* ---- leaving ---- */

static void leaving_ends_when_the_others_have_the_last_record(void **state)
{
    struct bench *bench = *state;
    struct message ack = {.kind = MESSAGE_ACK, .number = 1};

    be_ready(bench);
    step(bench, (struct farm_input){.kind = FARM_LEAVE});
    assert_non_null(sent(bench, MESSAGE_RECORD_AWAITED));
    assert_false(bench->has_left);
    take(bench, 1, &ack);
    assert_true(bench->has_left);
}

static void leaving_waits_for_who_is_in_sync_and_not_for_ever(void **state)
{
    struct bench *bench = *state;

    be_ready(bench);
    step(bench, (struct farm_input){.kind = FARM_LEAVE});
    time_us begun = bench->now;
    run(bench, TIME_US_PER_S);
    while (!bench->has_left && bench->now < begun + HOUR_US)
        tick(bench, farm_deadline(bench->farm) - bench->now);
    assert_int_equal(bench->now - begun, 2 * TIME_US_PER_S);
}

/* ---- lookups ---- */

/* Asks for what the member on link 1 does not have. */
static void look_up(struct bench *bench, const char *key, bool is_cut_off)
{
    step(bench, (struct farm_input){.kind = FARM_LOOKUP,
                                    .bytes = span_of_string(key)});
    const struct message *request = sent(bench, MESSAGE_REQUEST);
    assert_non_null(request);
    struct message missing = {.kind = MESSAGE_MISSING,
                              .missing = {.id = request->request.id}};
    if (is_cut_off)
        step(bench, (struct farm_input){.kind = FARM_UNLINKED, .link = 2});
    take(bench, 1, &missing);
}

static void a_miss_is_certain_when_all_of_the_view_have_answered(void **state)
{
    struct bench *bench = *state;

    be_ready(bench);
    look_up(bench, "apple", false);
    assert_int_equal(bench->found, 1);
    assert_true(bench->is_certain);

    /* One more, who loses its link before it has answered. */
    struct message hello = hello_of(bench, 3000);
    hello.hello.name = SPAN("web3");
    hello.hello.tag = 9;
    link_up(bench, 2, "10.0.0.3");
    take(bench, 2, &hello);
    look_up(bench, "pear", true);
    assert_int_equal(bench->found, 2);
    assert_false(bench->is_certain);

    /* And now cannot be asked; it is not dead. */
    look_up(bench, "plum", false);
    assert_int_equal(bench->found, 3);
    assert_false(bench->is_certain);
}

/* What is announced, and whose value nobody gives, is word of it alone. */
static void take_announced(struct bench *bench, uint32_t value_bytes)
{
    uint64_t version = bench->now << 12;
    uint8_t bytes[256];
    struct writer writer = writer_of(bytes, sizeof(bytes));
    struct record record = {.kind = RECORD_ANNOUNCE,
                            .version = version,
                            .stamp = version,
                            .token = version,
                            .value_bytes = value_bytes,
                            .key = SPAN("apple")};

    record_encode(&record, &writer);
    struct message message = {
        .kind = MESSAGE_RECORD,
        .state = {.number = 1, .bytes = span_of(bytes, writer.used_bytes)}};
    take(bench, 1, &message);
}

/* Ticks, and heartbeats of the member on link 1. */
static void live(struct bench *bench, time_us duration)
{
    for (time_us end = bench->now + duration; bench->now < end;) {
        tick(bench, TIME_US_PER_S / 50);
        if (sent(bench, MESSAGE_HEARTBEAT) != NULL)
            beat(bench, 1, 8, bench->now, 200, 1);
    }
}

static void a_lookup_ends_though_its_value_never_comes(void **state)
{
    struct bench *bench = *state;
    uint64_t version = bench->now << 12;

    be_ready(bench);
    take_announced(bench, 100000);
    live(bench, 5 * TIME_US_PER_S);
    step(bench,
         (struct farm_input){.kind = FARM_LOOKUP, .bytes = SPAN("apple")});
    const struct message *request = sent(bench, MESSAGE_REQUEST);
    assert_non_null(request);
    struct message have = {.kind = MESSAGE_HAVE,
                           .have = {.id = request->request.id,
                                    .version = version,
                                    .stamp = version,
                                    .value_bytes = 100000}};
    take(bench, 1, &have);
    live(bench, 10 * TIME_US_PER_S);
    assert_int_equal(bench->found, 1);
    assert_false(bench->is_certain);
}

/* ---- what cannot be had ---- */

/* How often it synchronised in a minute, with one who had nothing new. */
static unsigned count_syncs(struct bench *bench)
{
    time_us end = bench->now + 60 * TIME_US_PER_S;
    unsigned count = 0;

    while (bench->now < end) {
        const struct message *begin = sent(bench, MESSAGE_SYNC_BEGIN);
        if (begin != NULL) {
            struct message told = {.kind = MESSAGE_SYNC_END,
                                   .sync = {.session = begin->sync.session}};
            count++;
            take(bench, 1, &told);
        }
        tick(bench, TIME_US_PER_S / 50);
        if (sent(bench, MESSAGE_HEARTBEAT) != NULL)
            beat(bench, 1, 8, bench->now, 200, 1);
    }
    return count;
}

static void what_nobody_can_give_is_asked_for_ever_more_rarely(void **state)
{
    struct bench *bench = *state;

    be_ready(bench);
    assert_int_equal(count_syncs(bench), 0);
    take_announced(bench, 2 << 20);
    assert_in_range(count_syncs(bench), 1, 6);
}

/* ---- other members ---- */

static void link_another(struct bench *bench, uint16_t version, uint8_t state,
                         uint64_t attach_number)
{
    struct message hello = hello_of(bench, 3000);
    struct message attach = {.kind = MESSAGE_ATTACH, .number = attach_number};

    hello.hello.name = SPAN("web3");
    hello.hello.tag = 9;
    hello.hello.version_high = version;
    hello.hello.state = state;
    link_up(bench, 2, "10.0.0.3");
    take(bench, 2, &hello);
    take(bench, 2, &attach);
}

static void unlink_another(struct bench *bench)
{
    step(bench, (struct farm_input){.kind = FARM_UNLINKED, .link = 2});
}

/* ---- splices ---- */

static uint64_t append_change(struct bench *bench)
{
    static uint8_t value[1000];
    struct record whole = {.kind = RECORD_UPDATE,
                           .version = bench->now << 12,
                           .stamp = bench->now << 12,
                           .token = bench->now << 12,
                           .key = SPAN("apple"),
                           .value = span_of(value, sizeof(value))};
    struct splice change = {10, 5, 5};
    struct record splice = record_splice(&whole, 7, &change);

    return journal_append_splice(bench->journal, &splice, &whole);
}

static void splices_are_written_while_all_understand_them(void **state)
{
    struct bench *bench = *state;

    assert_false(journal_takes_splices(bench->journal));
    be_ready(bench);
    assert_true(journal_takes_splices(bench->journal));
    append_change(bench);
    assert_int_equal(journal_splices(bench->journal), 1);

    /* Of version 1. */
    link_another(bench, 1, MEMBER_READY, 0);
    assert_false(journal_takes_splices(bench->journal));
    append_change(bench);
    assert_int_equal(journal_splices(bench->journal), 1);
    unlink_another(bench);
    assert_true(journal_takes_splices(bench->journal));

    /* Of a later one; one that is not READY yet has nothing to change. */
    link_another(bench, 3, MEMBER_SYNCING, 0);
    assert_false(journal_takes_splices(bench->journal));
    beat(bench, 2, 9, bench->now, 200, 0);
    assert_false(journal_takes_splices(bench->journal));
    /* Nor before it has caught up with what it was not sent. */
    struct message ack = {.kind = MESSAGE_ACK, .number = 2};
    take(bench, 2, &ack);
    assert_true(journal_takes_splices(bench->journal));

    /* Nobody is there to read them. */
    unlink_another(bench);
    step(bench, (struct farm_input){.kind = FARM_UNLINKED, .link = 1});
    assert_false(journal_takes_splices(bench->journal));
}

static void who_does_not_know_splices_is_streamed_none(void **state)
{
    struct bench *bench = *state;

    be_ready(bench);
    append_change(bench);
    uint64_t last = append_change(bench);
    assert_int_equal(journal_last_splice(bench->journal), last);
    link_another(bench, 1, MEMBER_READY, 1);
    const struct message *overrun = sent(bench, MESSAGE_OVERRUN);
    assert_non_null(overrun);
    assert_int_equal(overrun->number, last + 1);
    for (size_t i = 0; i < bench->frames_count; i++)
        assert_false(bench->frames[i].link == 2 &&
                     bench->frames[i].message.kind == MESSAGE_RECORD);
    unlink_another(bench);

    /* What is behind them it can have. */
    link_another(bench, 1, MEMBER_READY, last + 1);
    assert_null(sent(bench, MESSAGE_OVERRUN));
    unlink_another(bench);

    link_another(bench, 2, MEMBER_READY, 1);
    assert_null(sent(bench, MESSAGE_OVERRUN));
    assert_non_null(sent(bench, MESSAGE_RECORD));
}

static void take_record_with(struct bench *bench, farm_link link,
                             uint64_t number, const struct record *record,
                             bool more)
{
    uint8_t bytes[2048];
    struct writer writer = writer_of(bytes, sizeof(bytes));

    record_encode(record, &writer);
    assert_true(writer.ok);
    struct message message = {
        .kind = MESSAGE_RECORD,
        .state = {.number = number,
                  .bytes = span_of(bytes, writer.used_bytes)}};
    take_with(bench, link, &message, more);
}

/* Its server waits for it to be acknowledged. */
static void take_record(struct bench *bench, uint64_t number,
                        const struct record *record)
{
    struct message awaited = {.kind = MESSAGE_ACK_AWAITED, .number = number};

    take_record_with(bench, 1, number, record, true);
    take(bench, 1, &awaited);
}

static void expect_apple(struct bench *bench, const char *expected)
{
    struct store_hold hold;

    store_hold(bench->store, SPAN("apple"),
               store_hash(bench->store, SPAN("apple")), bench->now, &hold);
    assert_non_null(hold.item);
    assert_true(span_equal(item_value(hold.item), span_of_string(expected)));
    store_release(&hold);
}

/* What is here stays until it has come; it is not held before. */
/* ---- acknowledgements ---- */

static struct record grave_of_apple(const struct bench *bench)
{
    return (struct record){.kind = RECORD_DELETE,
                           .version = bench->now << 12,
                           .key = SPAN("apple")};
}

static void what_nobody_waits_for_is_acknowledged_later(void **state)
{
    struct bench *bench = *state;
    struct record record = grave_of_apple(bench);

    be_ready(bench);
    take_record_with(bench, 1, 1, &record, false);
    assert_null(sent(bench, MESSAGE_ACK));
    time_us begun = bench->now;
    assert_true(farm_deadline(bench->farm) <= begun + TIME_US_PER_S / 100);
    take_record_with(bench, 1, 2, &record, false);
    assert_null(sent(bench, MESSAGE_ACK));
    while (sent(bench, MESSAGE_ACK) == NULL)
        tick(bench, farm_deadline(bench->farm) - bench->now);
    assert_int_equal(bench->now - begun, TIME_US_PER_S / 100);
    assert_int_equal(sent(bench, MESSAGE_ACK)->number, 2);
    run(bench, TIME_US_PER_S / 50);
    assert_null(sent(bench, MESSAGE_ACK));

    /* The stream is not to stand still for want of it. */
    uint64_t number = 3;
    for (; sent(bench, MESSAGE_ACK) == NULL; number++)
        take_record_with(bench, 1, number, &record, false);
    assert_int_equal(number - 3, 1024);
    assert_int_equal(sent(bench, MESSAGE_ACK)->number, number - 1);
}

static void what_somebody_waits_for_is_acknowledged_at_once(void **state)
{
    struct bench *bench = *state;
    struct record record = grave_of_apple(bench);
    struct message awaited = {.kind = MESSAGE_ACK_AWAITED, .number = 1};

    be_ready(bench);
    take_record_with(bench, 1, 1, &record, false);
    assert_null(sent(bench, MESSAGE_ACK));
    take(bench, 1, &awaited);
    assert_non_null(sent(bench, MESSAGE_ACK));
    assert_int_equal(sent(bench, MESSAGE_ACK)->number, 1);

    /* And what is not here yet, when it has come. */
    awaited.number = 3;
    take(bench, 1, &awaited);
    take_record_with(bench, 1, 2, &record, false);
    assert_int_equal(sent(bench, MESSAGE_ACK)->number, 2);
    take_record_with(bench, 1, 3, &record, false);
    assert_int_equal(sent(bench, MESSAGE_ACK)->number, 3);
    take_record_with(bench, 1, 4, &record, false);
    assert_null(sent(bench, MESSAGE_ACK));
}

static void who_does_not_say_what_it_awaits_is_told_at_once(void **state)
{
    struct bench *bench = *state;
    struct record record = grave_of_apple(bench);
    struct message overrun = {.kind = MESSAGE_OVERRUN, .number = 1};

    be_ready(bench);
    link_another(bench, MESSAGE_VERSION_SPLICES, MEMBER_READY, 0);
    take(bench, 2, &overrun);
    take_record_with(bench, 2, 1, &record, false);
    assert_non_null(sent(bench, MESSAGE_ACK));
    assert_int_equal(sent(bench, MESSAGE_ACK)->number, 1);

    /* Nor does it understand what others await. */
    for (unsigned i = 1; i <= 2; i++) {
        append_change(bench);
        if (i == 2)
            step(bench, (struct farm_input){.kind = FARM_WRITTEN});
        step(bench, (struct farm_input){.kind = FARM_AWAIT, .number = i});
        assert_non_null(
            sent(bench, i == 1 ? MESSAGE_RECORD_AWAITED : MESSAGE_ACK_AWAITED));
        for (size_t j = 0; j < bench->frames_count; j++)
            assert_false(bench->frames[j].link == 2 &&
                         bench->frames[j].message.kind != MESSAGE_RECORD);
    }
}

static void others_are_told_what_is_awaited_once(void **state)
{
    struct bench *bench = *state;

    be_ready(bench);
    append_change(bench);
    step(bench, (struct farm_input){.kind = FARM_WRITTEN});
    assert_non_null(sent(bench, MESSAGE_RECORD));
    assert_null(sent(bench, MESSAGE_ACK_AWAITED));
    step(bench, (struct farm_input){.kind = FARM_AWAIT, .number = 1});
    assert_null(sent(bench, MESSAGE_RECORD));
    assert_int_equal(sent(bench, MESSAGE_ACK_AWAITED)->number, 1);
    step(bench, (struct farm_input){.kind = FARM_AWAIT, .number = 1});
    assert_null(sent(bench, MESSAGE_ACK_AWAITED));

    /* Where it is sent now, the last of it says so. */
    append_change(bench);
    append_change(bench);
    step(bench, (struct farm_input){.kind = FARM_AWAIT, .number = 2});
    assert_null(sent(bench, MESSAGE_ACK_AWAITED));
    assert_int_equal(sent(bench, MESSAGE_RECORD)->state.number, 2);
    assert_int_equal(sent(bench, MESSAGE_RECORD_AWAITED)->state.number, 3);

    /* A new link begins anew. */
    struct message hello = hello_of(bench, 2000);
    struct message attach = {.kind = MESSAGE_ATTACH, .number = 4};
    step(bench, (struct farm_input){.kind = FARM_UNLINKED, .link = 1});
    link_up(bench, 3, "10.0.0.2");
    take(bench, 3, &hello);
    take(bench, 3, &attach);
    assert_null(sent(bench, MESSAGE_RECORD));
    assert_int_equal(sent(bench, MESSAGE_ACK_AWAITED)->number, 2);
}

static void what_is_written_waits_for_its_turn(void **state)
{
    struct bench *bench = *state;
    struct message ack = {.kind = MESSAGE_ACK};

    be_ready(bench);
    append_change(bench);
    take(bench, 1, &ack);
    assert_null(sent(bench, MESSAGE_RECORD));
    step(bench, (struct farm_input){.kind = FARM_TURN});
    assert_null(sent(bench, MESSAGE_RECORD));
    /* But not where others are told of it. */
    struct message request = {.kind = MESSAGE_HEARTBEAT_REQUEST};
    take(bench, 1, &request);
    assert_non_null(sent(bench, MESSAGE_HEARTBEAT));
    assert_int_equal(sent(bench, MESSAGE_HEARTBEAT)->heartbeat.head, 1);
    assert_non_null(sent(bench, MESSAGE_RECORD));

    append_change(bench);
    take(bench, 1, &ack);
    assert_null(sent(bench, MESSAGE_RECORD));
    tick(bench, 1000);
    assert_non_null(sent(bench, MESSAGE_RECORD));
}

static void a_splice_of_something_else_is_fetched(void **state)
{
    struct bench *bench = *state;
    uint64_t version = bench->now << 12;
    struct record whole = {.kind = RECORD_CREATE,
                           .version = version,
                           .stamp = version,
                           .token = version,
                           .key = SPAN("apple"),
                           .value = SPAN("red and round")};
    struct record next = whole;
    struct splice change = {0, 3, 5};

    be_ready(bench);
    take_record(bench, 1, &whole);
    assert_int_equal(sent(bench, MESSAGE_ACK)->number, 1);
    next.version = next.stamp = next.token = version + 100;
    next.value = SPAN("green and round");
    struct record splice = record_splice(&next, version, &change);
    take_record(bench, 2, &splice);
    assert_int_equal(sent(bench, MESSAGE_ACK)->number, 2);
    expect_apple(bench, "green and round");

    next.version = next.stamp = next.token = version + 300;
    next.value = SPAN("brown and round");
    splice = record_splice(&next, version + 200, &change);
    take_record(bench, 3, &splice);
    assert_int_equal(sent(bench, MESSAGE_ACK)->number, 2);
    expect_apple(bench, "green and round");
    const struct message *fetch = sent(bench, MESSAGE_FETCH);
    assert_non_null(fetch);
    assert_int_equal(fetch->fetch.version, version + 300);

    uint8_t bytes[128];
    struct writer writer = writer_of(bytes, sizeof(bytes));
    next.kind = RECORD_UPDATE;
    record_encode(&next, &writer);
    struct message answer = {
        .kind = MESSAGE_STATE,
        .state = {.id = fetch->fetch.id,
                  .bytes = span_of(bytes, writer.used_bytes)}};
    take(bench, 1, &answer);
    expect_apple(bench, "brown and round");
    assert_int_equal(sent(bench, MESSAGE_ACK)->number, 3);
    struct farm_figures figures;
    farm_read_figures(bench->farm, &figures);
    assert_int_equal(figures.splices_wanted, 1);

    /* An older one is dropped, and is held as what it is older than. */
    next.version = next.stamp = next.token = version + 250;
    splice = record_splice(&next, version + 100, &change);
    take_record(bench, 4, &splice);
    assert_int_equal(sent(bench, MESSAGE_ACK)->number, 4);
    assert_null(sent(bench, MESSAGE_FETCH));
    expect_apple(bench, "brown and round");
}

/* A splice of what is not here, and then its server says that it holds what
 * was made of it, but dead. */
static void take_splice_and_its_death(struct bench *bench, uint64_t version)
{
    struct record next = {.kind = RECORD_CREATE,
                          .version = version + 100,
                          .stamp = version + 100,
                          .token = version + 100,
                          .key = SPAN("apple"),
                          .value = SPAN("green and round")};
    struct splice change = {0, 3, 5};
    struct record splice = record_splice(&next, version, &change);

    take_record(bench, 1, &splice);
    const struct message *fetch = sent(bench, MESSAGE_FETCH);
    assert_non_null(fetch);
    struct message missing = {.kind = MESSAGE_MISSING,
                              .missing = {.id = fetch->fetch.id,
                                          .stub_kind = STUB_EXPIRED,
                                          .version = next.version,
                                          .stamp = next.stamp}};
    take(bench, 1, &missing);
}

static void what_its_server_holds_dead_is_not_waited_for(void **state)
{
    struct bench *bench = *state;

    be_ready(bench);
    take_splice_and_its_death(bench, bench->now << 12);
    assert_int_equal(sent(bench, MESSAGE_ACK)->number, 1);
}

/* The flush is told later than what it killed. */
static void what_a_flush_kills_is_not_wanted_any_more(void **state)
{
    struct bench *bench = *state;
    uint64_t version = bench->now << 12;
    struct record flush = {.kind = RECORD_FLUSH, .version = version + 200};
    struct store_hold hold;

    be_ready(bench);
    take_splice_and_its_death(bench, version);
    take_record(bench, 2, &flush);
    assert_null(sent(bench, MESSAGE_FETCH));
    store_hold(bench->store, SPAN("apple"),
               store_hash(bench->store, SPAN("apple")), bench->now, &hold);
    assert_null(hold.item);
    assert_int_equal(hold.stub.kind, STUB_EXPIRED);
    assert_int_equal(hold.stub.version, version + 100);
    store_release(&hold);
}

static void a_splice_that_contradicts_itself_ends_the_link(void **state)
{
    struct bench *bench = *state;
    struct record lie = {.kind = RECORD_SPLICE,
                         .version = bench->now << 12,
                         .stamp = bench->now << 12,
                         .token = bench->now << 12,
                         .value_bytes = 10,
                         .offset = 11,
                         .key = SPAN("apple")};

    be_ready(bench);
    take_record_with(bench, 1, 1, &lie, false);
    assert_int_equal(bench->unlinked, 1);
}

/* ---- homes ---- */

/* As home of some keys, and the member on link 1 of the others. */
static void enter_view(struct bench *bench)
{
    struct message enter = {
        .kind = MESSAGE_ENTER,
        .enter = {.view = bench->farm->view.id, .number = 1}};
    take(bench, 1, &enter);
    assert_true(view_acts(bench->farm));
}

static void be_home(struct bench *bench)
{
    be_ready(bench);
    enter_view(bench);
}

/* Of a key whose home is `home`. */
static uint64_t hash_at(const struct bench *bench, uint64_t home)
{
    uint64_t hash = 1;

    while (view_home(bench->farm, hash) != home)
        hash++;
    return hash;
}

/* So many commands on keys with this hash, as they are sent; borrowed until
 * the next. */
static struct span commands_on(uint64_t hash, size_t count, size_t bytes)
{
    static uint8_t room[FRAME_BYTES_MAX];
    static const uint8_t anything[16384];
    struct writer writer = writer_of(room, sizeof(room));

    for (size_t i = 0; i < count; i++) {
        write_u64(&writer, hash);
        write_u32(&writer, (uint32_t)bytes);
        write_bytes(&writer, span_of(anything, bytes));
    }
    assert_true(writer.ok);
    return span_of(room, writer.used_bytes);
}

static struct message command_of(const struct bench *bench, uint64_t id,
                                 struct span commands, uint16_t count)
{
    return (struct message){.kind = MESSAGE_COMMAND,
                            .command = {.id = id,
                                        .view = bench->farm->view.id,
                                        .within_us = TIME_US_PER_S,
                                        .count = count,
                                        .commands = commands}};
}

static void assert_decision(const struct bench *bench, uint64_t id,
                            uint16_t count)
{
    const struct message *decision = sent(bench, MESSAGE_DECISION);

    assert_non_null(decision);
    assert_int_equal(decision->decision.id, id);
    assert_int_equal(decision->decision.count, count);
    assert_false(decision->decision.is_unknown);
}

static void a_home_executes_what_it_is_sent(void **state)
{
    struct bench *bench = *state;

    be_home(bench);
    uint64_t hash = hash_at(bench, SELF);
    struct message command = command_of(bench, 77, commands_on(hash, 2, 10), 2);
    bench->result = SPAN("result");
    take(bench, 1, &command);
    assert_int_equal(bench->executed, 2);
    assert_decision(bench, 77, 2);
    /* Asked again, it knows. */
    command.command.is_again = true;
    take(bench, 1, &command);
    assert_int_equal(bench->executed, 2);
    assert_decision(bench, 77, 2);
}

/* Links take each other's place: what was on the one that goes comes last. */
static void what_was_asked_first_may_come_last(void **state)
{
    struct bench *bench = *state;

    be_home(bench);
    uint64_t hash = hash_at(bench, SELF);
    struct message command = command_of(bench, 77, commands_on(hash, 2, 10), 2);
    bench->result = SPAN("result");
    command.command.is_again = true;
    take(bench, 1, &command);
    assert_int_equal(bench->executed, 2);
    command.command.is_again = false;
    take(bench, 1, &command);
    assert_int_equal(bench->executed, 2);
    command.command.id = 78;
    take(bench, 1, &command);
    assert_int_equal(bench->executed, 4);
}

static void commands_that_are_not_as_many_as_told_end_the_link(void **state)
{
    struct bench *bench = *state;

    be_home(bench);
    uint64_t hash = hash_at(bench, SELF);
    struct message command = command_of(bench, 77, commands_on(hash, 2, 10), 3);
    take(bench, 1, &command);
    assert_int_equal(bench->unlinked, 1);
    assert_int_equal(bench->executed, 0);
}

static void too_much_is_refused_and_nothing_of_it_done(void **state)
{
    struct bench *bench = *state;
    static uint8_t entries[65535 * MESSAGE_VECTOR_ENTRY_BYTES];

    be_home(bench);
    uint64_t hash = hash_at(bench, SELF);
    struct message many =
        command_of(bench, 77, commands_on(hash, 65535, 0), 65535);
    take(bench, 1, &many);
    assert_decision(bench, 77, 0);
    struct message wide = command_of(bench, 78, commands_on(hash, 1, 10), 1);
    wide.command.vector =
        (struct message_list){65535, span_of(entries, sizeof(entries))};
    take(bench, 1, &wide);
    assert_decision(bench, 78, 0);
    assert_int_equal(bench->executed, 0);
    assert_int_equal(bench->unlinked, 0);
}

static void who_is_not_home_says_so(void **state)
{
    struct bench *bench = *state;

    be_home(bench);
    uint64_t other = hash_at(bench, 2000);
    struct message command =
        command_of(bench, 77, commands_on(other, 1, 10), 1);
    take(bench, 1, &command);
    assert_decision(bench, 77, 0);
    uint64_t own = hash_at(bench, SELF);
    command = command_of(bench, 78, commands_on(own, 1, 10), 1);
    command.command.view++;
    take(bench, 1, &command);
    assert_decision(bench, 78, 0);
    assert_int_equal(bench->executed, 0);
}

static void what_waits_too_long_is_not_done(void **state)
{
    struct bench *bench = *state;

    /* Its view is not complete: nobody has entered it. */
    be_ready(bench);
    uint64_t hash = hash_at(bench, SELF);
    struct message command = command_of(bench, 77, commands_on(hash, 1, 10), 1);
    command.command.within_us = UINT32_MAX;
    take(bench, 1, &command);
    assert_null(sent(bench, MESSAGE_DECISION));
    tick(bench, 10000);
    assert_null(sent(bench, MESSAGE_DECISION));
    tick(bench, TIME_US_PER_S);
    assert_decision(bench, 77, 0);
    assert_int_equal(bench->executed, 0);
    command.command.within_us = 0;
    take(bench, 1, &command);
    assert_decision(bench, 77, 0);
}

/* 100,000 that are never executed: what is kept stays under its limit. */
static void what_waits_for_a_home_is_bounded(void **state)
{
    struct bench *bench = *state;
    size_t refused = 0;

    be_ready(bench);
    uint64_t hash = hash_at(bench, SELF);
    for (uint64_t id = 1; id <= 100000; id++) {
        struct message command =
            command_of(bench, id, commands_on(hash, 1, 8192), 1);
        command.command.view = 0;
        take_with(bench, 1, &command, true);
        refused += sent(bench, MESSAGE_DECISION) != NULL;
    }
    farm_check(bench->farm);
    assert_true(100000 - refused <= ((size_t)64 << 20) / 8192);
    assert_true(refused < 100000);
    assert_int_equal(bench->executed, 0);
}

static void large_results_are_told_as_far_as_they_go(void **state)
{
    struct bench *bench = *state;
    static const uint8_t large[3 << 19];

    be_home(bench);
    uint64_t hash = hash_at(bench, SELF);
    struct message command = command_of(bench, 77, commands_on(hash, 3, 10), 3);
    bench->result = span_of(large, sizeof(large));
    take(bench, 1, &command);
    assert_int_equal(bench->executed, 1);
    assert_decision(bench, 77, 1);
}

static void ask(struct bench *bench, struct span commands)
{
    step(bench, (struct farm_input){
                    .kind = FARM_COMMAND, .waiter = 5, .bytes = commands});
}

static struct message decision_of(uint64_t id, struct span results,
                                  uint16_t count)
{
    return (struct message){
        .kind = MESSAGE_DECISION,
        .decision = {.id = id, .count = count, .results = results}};
}

static void a_decision_is_taken_once_and_of_what_was_asked(void **state)
{
    struct bench *bench = *state;
    struct span one = SPAN("\0\0\0\1y");
    struct span three = SPAN("\0\0\0\1y\0\0\0\1y\0\0\0\1z");

    be_home(bench);
    ask(bench, commands_on(hash_at(bench, 2000), 2, 10));
    const struct message *command = sent(bench, MESSAGE_COMMAND);
    assert_non_null(command);
    uint64_t id = command->command.id;
    struct message never = decision_of(id + 1, one, 1);
    take(bench, 1, &never);
    never = decision_of(UINT64_MAX, one, 1);
    take(bench, 1, &never);
    assert_int_equal(bench->decided, 0);
    /* Of one only: the other is asked again. */
    struct message fewer = decision_of(id, one, 1);
    take(bench, 1, &fewer);
    assert_int_equal(bench->decided, 0);
    command = sent(bench, MESSAGE_COMMAND);
    assert_non_null(command);
    assert_int_equal(command->command.count, 1);
    uint64_t again = command->command.id;
    assert_int_not_equal(again, id);
    take(bench, 1, &fewer);
    assert_int_equal(bench->decided, 0);
    /* Of more than was asked. */
    struct message more = decision_of(again, three, 3);
    take(bench, 1, &more);
    tick(bench, 0);
    assert_int_equal(bench->decided, 1);
    assert_int_equal(bench->told[0], FARM_VERDICT_DECIDED);
    assert_int_equal(bench->told[6], FARM_VERDICT_DECIDED);
    take(bench, 1, &more);
    tick(bench, 0);
    assert_int_equal(bench->decided, 1);
}

static void who_enters_another_view_is_not_in_this_one(void **state)
{
    struct bench *bench = *state;
    static uint8_t entries[65535 * MESSAGE_VECTOR_ENTRY_BYTES];
    struct message enter = {
        .kind = MESSAGE_ENTER,
        .enter = {.view = 1,
                  .number = 2,
                  .vector = {65535, span_of(entries, sizeof(entries))}}};

    be_home(bench);
    uint64_t view = bench->farm->view.id;
    /* Nobody has so many members: it is as if it had not been said. */
    take(bench, 1, &enter);
    assert_int_equal(bench->unlinked, 0);
    assert_true(view_acts(bench->farm));
    enter.enter.vector = (struct message_list){0};
    take(bench, 1, &enter);
    assert_false(view_acts(bench->farm));
    enter.enter.view = view;
    take(bench, 1, &enter);
    assert_true(view_acts(bench->farm));
}

static void who_enters_no_view_is_cut_off(void **state)
{
    struct bench *bench = *state;
    struct message enter = {.kind = MESSAGE_ENTER, .enter = {.number = 2}};

    be_home(bench);
    take(bench, 1, &enter);
    assert_int_equal(bench->unlinked, 1);
    assert_false(view_acts(bench->farm));
}

static void locks_beyond_the_table_are_not_kept(void **state)
{
    struct bench *bench = *state;
    struct farm_figures figures;

    be_ready(bench);
    for (unsigned i = 0; i < 20000; i++) {
        char key[16];
        int length = snprintf(key, sizeof(key), "lock%u", i);
        struct message lock = {.kind = MESSAGE_LOCK,
                               .lock = {.version = 1 + i,
                                        .owner = 3000 + i,
                                        .key = span_of(key, (size_t)length)}};
        take_with(bench, 1, &lock, true);
    }
    farm_read_figures(bench->farm, &figures);
    assert_int_equal(figures.locks, 16384);
    /* None of them is here: as home, it forgets them. */
    enter_view(bench);
    run(bench, TIME_US_PER_S / 10);
    farm_read_figures(bench->farm, &figures);
    assert_int_equal(figures.locks, 0);
}

static void acknowledge(struct bench *bench, farm_link link, uint64_t number)
{
    struct message ack = {.kind = MESSAGE_ACK, .number = number};

    take(bench, link, &ack);
}

/* A command is executed while the member on link 2 is about to be READY; the
 * one on link 1, which is all of the view, holds what it wrote. */
static void execute_beside_a_newcomer(struct bench *bench)
{
    struct message entering = {.kind = MESSAGE_HEARTBEAT_REQUEST,
                               .subject = 3000};

    be_home(bench);
    link_another(bench, MESSAGE_VERSION_HIGH, MEMBER_SYNCING, 1);
    take(bench, 2, &entering);
    assert_non_null(sent(bench, MESSAGE_ALIVE));
    append_change(bench);
    uint64_t hash = hash_at(bench, SELF);
    struct message command = command_of(bench, 77, commands_on(hash, 1, 10), 1);
    take(bench, 1, &command);
    assert_int_equal(bench->executed, 1);
    assert_null(sent(bench, MESSAGE_DECISION));
    acknowledge(bench, 1, 1);
    assert_null(sent(bench, MESSAGE_DECISION));
}

static void a_home_waits_for_who_comes_into_the_view(void **state)
{
    struct bench *bench = *state;

    execute_beside_a_newcomer(bench);
    acknowledge(bench, 2, 1);
    assert_decision(bench, 77, 1);
}

static void who_comes_and_is_silent_is_not_waited_for_long(void **state)
{
    struct bench *bench = *state;

    execute_beside_a_newcomer(bench);
    tick(bench, TIME_US_PER_S / 25);
    assert_null(sent(bench, MESSAGE_DECISION));
    tick(bench, TIME_US_PER_S / 50);
    assert_decision(bench, 77, 1);
    /* Until it holds that it is not waited for at all. */
    append_change(bench);
    uint64_t hash = hash_at(bench, SELF);
    struct message command = command_of(bench, 78, commands_on(hash, 1, 10), 1);
    take(bench, 1, &command);
    acknowledge(bench, 1, 2);
    assert_decision(bench, 78, 1);
}

/* However long others are waited for: the answer is not to be unknown. */
static void nor_until_it_is_too_late_to_answer(void **state)
{
    struct bench *bench = *state;

    bench->farm->settings.ack_timeout = 10 * TIME_US_PER_S;
    execute_beside_a_newcomer(bench);
    for (unsigned i = 0; i < 20; i++) {
        tick(bench, TIME_US_PER_S / 50);
        assert_null(sent(bench, MESSAGE_DECISION));
    }
    tick(bench, TIME_US_PER_S / 20);
    assert_decision(bench, 77, 1);
}

static struct farm_lock lock_known(struct bench *bench)
{
    struct farm_lock lock = {.version = 0};

    if (!farm_find_lock(bench->farm, SPAN("a.lock"), &lock))
        lock.version = 0;
    return lock;
}

static void assert_lock(struct bench *bench, uint64_t version, uint64_t owner,
                        uint64_t taken)
{
    struct farm_lock lock = lock_known(bench);

    assert_int_equal(lock.version, version);
    assert_int_equal(lock.owner, owner);
    assert_int_equal(lock.taken, taken);
}

static void a_lock_is_whose_it_was_taken_by(void **state)
{
    struct bench *bench = *state;
    struct message told = {
        .kind = MESSAGE_LOCK,
        .lock = {
            .version = 10, .owner = 77, .taken = 9, .key = SPAN("a.lock")}};

    be_ready(bench);
    assert_lock(bench, 0, 0, 0);
    take(bench, 1, &told);
    assert_lock(bench, 10, 77, 9);
    struct farm_lock lock =
        farm_lock_after(bench->farm, SPAN("a.lock"), 10, 88, false);
    assert_int_equal(lock.owner, 77);
    assert_true(lock.is_kept);
    lock = farm_lock_after(bench->farm, SPAN("a.lock"), 10, 88, true);
    assert_int_equal(lock.owner, 88);
    assert_false(lock.is_kept);
    /* Of another version nobody knows whose it is. */
    lock = farm_lock_after(bench->farm, SPAN("a.lock"), 9, 88, false);
    assert_int_equal(lock.owner, 0);
    lock = farm_lock_after(bench->farm, SPAN("b.lock"), 10, 88, false);
    assert_int_equal(lock.owner, 0);
}

static void what_records_say_of_a_lock_is_known(void **state)
{
    struct bench *bench = *state;
    struct record record = {.kind = RECORD_CREATE,
                            .version = 10,
                            .owner = 77,
                            .token = 9,
                            .key = SPAN("a.lock")};

    be_ready(bench);
    locks_heard(bench->farm, &record);
    assert_lock(bench, 10, 77, 9);
    /* A contender counted it up: it is whose it was. */
    record = (struct record){.kind = RECORD_UPDATE,
                             .version = 12,
                             .owner = 77,
                             .token = 12,
                             .is_kept = true,
                             .key = SPAN("a.lock")};
    locks_heard(bench->farm, &record);
    assert_lock(bench, 12, 77, 9);
    /* It came late. */
    record.version = 11;
    record.owner = 88;
    record.is_kept = false;
    locks_heard(bench->farm, &record);
    assert_lock(bench, 12, 77, 9);
    record.version = 13;
    record.token = 13;
    locks_heard(bench->farm, &record);
    assert_lock(bench, 13, 88, 13);
    /* Of whom its taking was not heard. */
    record.version = 14;
    record.owner = 99;
    record.is_kept = true;
    locks_heard(bench->farm, &record);
    assert_lock(bench, 14, 99, 0);
    record.kind = RECORD_TOUCH;
    record.version = 15;
    record.owner = 0;
    locks_heard(bench->farm, &record);
    assert_lock(bench, 14, 99, 0);
    record.kind = RECORD_UPDATE;
    locks_heard(bench->farm, &record);
    assert_lock(bench, 0, 0, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, create, destroy)
#define HOME(name)                                                             \
    cmocka_unit_test_setup_teardown(name, create_with_homes, destroy)
    const struct CMUnitTest tests[] = {
        CASE(a_refusal_says_what_is_wrong),
        CASE(a_newcomer_is_not_refused_for_its_clock),
        CASE(who_was_refused_does_not_begin_alone),
        CASE(who_takes_a_members_id_is_refused_and_the_member_stays),
        CASE(who_was_rejected_does_not_begin_alone),
        CASE(who_is_rejected_waits_no_longer_than_half_a_minute),
        CASE(who_is_ready_stays_so_when_it_is_rejected),
        CASE(a_newcomer_takes_the_time_outright_and_then_slews),
        CASE(a_lonely_server_has_its_own_time),
        CASE(what_lay_in_a_queue_does_not_shift_the_time),
        CASE(the_newcomer_draws_another_tag),
        CASE(of_two_that_are_ready_the_higher_id_draws_another),
        CASE(who_slept_is_fresh_when_all_have_answered_and_all_is_here),
        CASE(leaving_ends_when_the_others_have_the_last_record),
        CASE(leaving_waits_for_who_is_in_sync_and_not_for_ever),
        CASE(a_miss_is_certain_when_all_of_the_view_have_answered),
        CASE(a_lookup_ends_though_its_value_never_comes),
        CASE(what_nobody_can_give_is_asked_for_ever_more_rarely),
        CASE(splices_are_written_while_all_understand_them),
        CASE(who_does_not_know_splices_is_streamed_none),
        CASE(what_nobody_waits_for_is_acknowledged_later),
        CASE(what_somebody_waits_for_is_acknowledged_at_once),
        CASE(who_does_not_say_what_it_awaits_is_told_at_once),
        CASE(others_are_told_what_is_awaited_once),
        CASE(what_is_written_waits_for_its_turn),
        CASE(a_splice_of_something_else_is_fetched),
        CASE(what_its_server_holds_dead_is_not_waited_for),
        CASE(what_a_flush_kills_is_not_wanted_any_more),
        CASE(a_splice_that_contradicts_itself_ends_the_link),
        HOME(a_home_executes_what_it_is_sent),
        HOME(what_was_asked_first_may_come_last),
        HOME(commands_that_are_not_as_many_as_told_end_the_link),
        HOME(too_much_is_refused_and_nothing_of_it_done),
        HOME(who_is_not_home_says_so),
        HOME(what_waits_too_long_is_not_done),
        HOME(what_waits_for_a_home_is_bounded),
        HOME(large_results_are_told_as_far_as_they_go),
        HOME(a_decision_is_taken_once_and_of_what_was_asked),
        HOME(who_enters_another_view_is_not_in_this_one),
        HOME(who_enters_no_view_is_cut_off),
        HOME(locks_beyond_the_table_are_not_kept),
        HOME(a_home_waits_for_who_comes_into_the_view),
        HOME(who_comes_and_is_silent_is_not_waited_for_long),
        HOME(nor_until_it_is_too_late_to_answer),
        HOME(a_lock_is_whose_it_was_taken_by),
        HOME(what_records_say_of_a_lock_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
