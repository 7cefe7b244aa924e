/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What members say behind a link that is proven: two of them, over TLS, by
 * the farm's key, to the whole room of the peers with its machine and store.
 *
 * Input: a byte about the scene (see `scene_bit`), then steps.  A step is a
 * byte, which says what (see `step_bit`) and by whom, and two of a number.
 * Up to 23 that is a message of this kind with so many bytes of body, which
 * follow; beyond it is something that happens.  Who was cut off links again.
 *
 * What the server says makes sense, its machine and its links agree, and in
 * the end it still talks to a member.
 */
#include <assert.h>
#include <stdlib.h>

#include "proto/base/prng.h"
#include "tests/fuzz/far.h"
#include "tests/fuzz/heard.h"
#include "tests/fuzz/outside.h"

#define STEPS_MAX 64
#define LINKS_BEGUN_MAX 8 /* each costs a handshake */
#define BODY_BYTES_MAX 2048
#define PADDING_BYTES ((size_t)40000)
#define FRAME_BYTES (MESSAGE_FRAME_BYTES + 1 + BODY_BYTES_MAX + PADDING_BYTES)
#define GATHERED_BYTES_MAX (4 * FRAME_BYTES)
#define SAY_BYTES 512
#define FAR_ID UINT64_C(100)
#define RANGES_COUNT (STORE_RANGE_MASK_MIN + 1)
#define NEWCOMER_ID UINT64_C(900)
#define SLEEP_US (TIME_US_PER_S / 10)
#define FAR_COUNT 2
#define LATER_KINDS (MESSAGE_RECORD_AWAITED - MESSAGE_ENTER + 1)

enum scene_bit {
    SCENE_CUT = 1,    /* frames arrive in pieces, or several in one record */
    SCENE_JOINS = 2,  /* the server dials, and is not READY before */
    SCENE_READY = 4,  /* the others say that they are READY */
    SCENE_NARROW = 8, /* few bytes are under way to them */
};

enum step_bit {
    STEP_KIND = 31,  /* enum message_kind, or enum step_kind */
    STEP_APT = 32,   /* numbers are those that the server waits for */
    STEP_OTHER = 64, /* of the two members the second */
    STEP_MORE = 128  /* HELLO: the first of a new link; SYNC_PULL: of all
                        ranges; else: it is long */
};

enum step_kind {
    STEP_UNKNOWN = 0, /* a message of a later version; with STEP_APT one that
                         came with version 3 or is about homes, as its first
                         byte says */
    STEP_LIE = 23,    /* bytes that need be no frame */
    STEP_PASS,        /* of time */
    STEP_WRITE,       /* a client of the server */
    STEP_LOOK_UP,     /* likewise */
    STEP_HANG_UP,
    STEP_DEAFEN,  /* or hear again */
    STEP_ANSWER,  /* who is dialled from now on, or not */
    STEP_LEAVE,   /* the server */
    STEP_MAINTAIN /* or, of odd numbers: its keys are others for a moment */
};

struct who {
    struct far far;
    uint64_t id;
    const char *name;
    const char *address;
    bool has_lied;  /* what follows may be no frame */
    bool is_itself; /* it said the HELLO that is its own */
    struct heard heard;
    uint8_t gathered[GATHERED_BYTES_MAX];
    size_t gathered_bytes;
};

struct scene {
    struct near near;
    struct reader input;
    uint8_t bits;
    bool answers_dials;
    unsigned links_begun;
    struct who who[FAR_COUNT];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed);
const char *__asan_default_options(void);

static struct tls *near_keys;
static struct tls *far_keys;
static struct tls *other_keys;

/* Machines come and go, thousands of times. */
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=16";
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    outside_pool_openssl();
    near_keys = near_make_keys('5');
    far_keys = near_make_keys('5');
    other_keys = near_make_keys('6');
    return 0;
}

static time_us farm_now(const struct scene *scene)
{
    return clock_own(&scene->near.clock);
}

/* ---- what the server says ---- */

static void end_link(struct who *who)
{
    far_end(&who->far);
    who->has_lied = false;
    who->is_itself = false;
    who->gathered_bytes = 0;
    heard_end(&who->heard);
}

/* True when something came, though it may be no whole message. */
static bool hear(struct who *who)
{
    struct message message;

    if (who->far.tls == NULL || !who->far.is_ready || !far_has_news(&who->far))
        return false;
    bool is_there = far_hear(&who->far);
    for (; far_next(&who->far, &message); far_take(&who->far))
        heard_note(&who->heard, &message);
    if (!is_there)
        end_link(who);
    return true;
}

/* Until nobody says anything more: little may be under way at a time. */
static void settle(struct scene *scene)
{
    bool has_news = true;

    while (has_news) {
        outside_run();
        has_news = false;
        for (size_t i = 0; i < FAR_COUNT; i++)
            has_news |= hear(&scene->who[i]);
    }
    outside_run();
    near_check(&scene->near);
}

/* ---- what the others say ---- */

static void say(struct scene *scene, struct who *who, struct span bytes)
{
    if (who->far.tls != NULL && !far_say(&who->far, bytes) && !who->far.is_deaf)
        end_link(who);
    settle(scene);
}

static void say_message(struct scene *scene, struct who *who,
                        const struct message *message)
{
    uint8_t bytes[SAY_BYTES];
    struct writer writer = writer_of(bytes, sizeof(bytes));

    message_encode(message, &writer);
    assert(writer.ok);
    say(scene, who, span_of(bytes, writer.used_bytes));
}

static void say_hello(struct scene *scene, struct who *who)
{
    struct message message = {
        .kind = MESSAGE_HELLO,
        .hello = {.version_low = MESSAGE_VERSION_LOW,
                  .version_high = MESSAGE_VERSION_HIGH,
                  .id = who->id,
                  .tag = (uint16_t)who->id,
                  .state =
                      scene->bits & SCENE_READY ? MEMBER_READY : MEMBER_JOINING,
                  .clock = farm_now(scene),
                  .settings = 1,
                  .memory_bytes = 4 << 20,
                  .item_bytes_max = (uint32_t)NEAR_ITEM_BYTES_MAX,
                  .farm = SPAN(NEAR_FARM),
                  .name = span_of_string(who->name),
                  .address = span_of_string(who->address)}};

    who->is_itself = true;
    say_message(scene, who, &message);
}

/* Whoever is the first to want a link has what the server dialled. */
static void begin_link(struct scene *scene, struct who *who, bool greets)
{
    int bytes = scene->bits & SCENE_NARROW ? 1 : 0;
    int ends[2];
    int fd = outside_take_dialled();
    bool has_dialled = fd < 0;

    scene->links_begun++;
    if (has_dialled) {
        outside_connect(ends, bytes);
        links_accept(ends[0], scene->near.peers);
        fd = ends[1];
    }
    far_begin(&who->far, fd, far_keys, has_dialled);
    bool is_linked = far_shake_hands(&who->far);
    /* Who dialled may have lost patience. */
    assert(is_linked || !has_dialled);
    if (!is_linked)
        end_link(who);
    else if (greets)
        say_hello(scene, who);
}

/* True when it is linked, perhaps anew. */
static bool need_link(struct scene *scene, struct who *who, bool greets)
{
    if (who->far.tls == NULL && scene->links_begun < LINKS_BEGUN_MAX)
        begin_link(scene, who, greets);
    return who->far.tls != NULL;
}

/* A tenth each of what was gathered is a record, or all. */
static void flush(struct scene *scene, struct who *who, uint8_t piece_bytes)
{
    size_t at = 0;

    if (!need_link(scene, who, true))
        return;
    for (unsigned i = 0; i < 16 && piece_bytes > 0; i++) {
        if (at + piece_bytes >= who->gathered_bytes)
            break;
        say(scene, who, span_of(who->gathered + at, piece_bytes));
        at += piece_bytes;
        if (who->far.tls == NULL)
            return;
    }
    size_t left = who->gathered_bytes - at;
    who->gathered_bytes = 0;
    if (left > 0)
        say(scene, who, span_of(who->gathered + at, left));
}

static void send_or_gather(struct scene *scene, struct who *who,
                           struct span bytes)
{
    if ((scene->bits & SCENE_CUT) == 0) {
        say(scene, who, bytes);
        return;
    }
    if (who->gathered_bytes + bytes.length > GATHERED_BYTES_MAX)
        flush(scene, who, 0);
    span_copy(who->gathered + who->gathered_bytes, bytes);
    who->gathered_bytes += bytes.length;
    uint8_t piece_bytes = read_u8(&scene->input);
    if (piece_bytes > 0)
        flush(scene, who, piece_bytes);
}

/* ---- steps ---- */

/* Nothing of it. */
static void pull_the_rest(struct scene *scene, struct who *who)
{
    static uint8_t frames[RANGES_COUNT * 16];
    struct writer writer = writer_of(frames, sizeof(frames));
    struct message message = {.kind = MESSAGE_SYNC_PULL,
                              .sync = {.session = HEARD_OWN_SESSION}};

    for (size_t i = 0; i < RANGES_COUNT; i++)
        message_encode(&message, &writer);
    assert(writer.ok);
    say(scene, who, span_of(frames, writer.used_bytes));
}

/* Mended, so that it can be read to its end, and padded. */
static void say_kind(struct scene *scene, struct who *who, uint8_t kind,
                     uint8_t what, struct span body)
{
    static uint8_t frame[FRAME_BYTES];
    size_t length = body.length;
    uint8_t *inner = frame + MESSAGE_FRAME_BYTES;

    span_copy(inner + 1, body);
    if ((what & STEP_KIND) == STEP_LIE) {
        who->has_lied = true;
        send_or_gather(scene, who, span_of(inner + 1, length));
        return;
    }
    if ((what & STEP_APT) != 0)
        heard_mend(&who->heard, &scene->near, who->id, kind, inner + 1, length);
    if ((what & STEP_MORE) != 0 && kind != MESSAGE_HELLO &&
        kind != MESSAGE_SYNC_PULL) {
        memset(inner + 1 + length, 'v', PADDING_BYTES);
        length += PADDING_BYTES;
    }
    inner[0] = kind == STEP_UNKNOWN ? UINT8_MAX : kind;
    bigendian_store32(frame, (uint32_t)(1 + length));
    struct span whole = span_of(frame, MESSAGE_FRAME_BYTES + 1 + length);
    send_or_gather(scene, who, whole);
    if (kind == MESSAGE_SYNC_PULL && (what & STEP_MORE) != 0)
        pull_the_rest(scene, who);
}

static void say_step(struct scene *scene, struct who *who, uint8_t what,
                     struct span body)
{
    uint8_t kind = what & STEP_KIND;
    if (kind == STEP_UNKNOWN && (what & STEP_APT) != 0 && body.length > 0) {
        kind = (uint8_t)(MESSAGE_ENTER + body.data[0] % LATER_KINDS);
        body = span_of(body.data + 1, body.length - 1);
    }
    say_kind(scene, who, kind, what, body);
}

static void take_message(struct scene *scene, struct who *who, uint8_t what,
                         struct span body)
{
    static uint8_t bytes[2 * HEARD_PIECE_BYTES];
    struct writer piece = writer_of(bytes, sizeof(bytes));
    bool is_first =
        (what & STEP_KIND) == MESSAGE_HELLO && (what & STEP_MORE) != 0;

    if (is_first)
        end_link(who);
    if (!need_link(scene, who, !is_first))
        return;
    if ((what & STEP_KIND) == MESSAGE_PIECE && (what & STEP_APT) != 0 &&
        heard_give(&who->heard, &piece))
        say(scene, who, span_of(bytes, piece.used_bytes));
    else
        say_step(scene, who, what, body);
}

static void happen(struct scene *scene, struct who *who, uint8_t what,
                   uint16_t number)
{
    struct near *near = &scene->near;

    switch (what & STEP_KIND) {
    case STEP_PASS:
        outside_pass((time_us)number * 100, SLEEP_US);
        break;
    case STEP_WRITE:
        near_write(near, (uint8_t)number, (size_t)(number >> 8) * 1000);
        break;
    case STEP_LOOK_UP:
        near_look_up(near, (uint8_t)number);
        break;
    case STEP_HANG_UP:
        end_link(who);
        break;
    case STEP_DEAFEN:
        who->far.is_deaf = !who->far.is_deaf;
        break;
    case STEP_ANSWER:
        scene->answers_dials = !scene->answers_dials;
        outside_answer_dials(scene->answers_dials);
        break;
    case STEP_LEAVE:
        peers_leave(near->peers);
        break;
    default:
        if (number % 2 == 0)
            store_maintain(near->store, farm_now(scene));
        else
            near_prove_again(near, other_keys);
        break;
    }
}

static void take_step(struct scene *scene)
{
    uint8_t what = read_u8(&scene->input);
    uint16_t number = read_u16(&scene->input);
    struct who *who = &scene->who[(what & STEP_OTHER) != 0];

    if ((what & STEP_KIND) <= STEP_LIE) {
        size_t length = number % BODY_BYTES_MAX;
        if (length > scene->input.rest.length)
            length = scene->input.rest.length;
        take_message(scene, who, what, read_bytes(&scene->input, length));
        return;
    }
    if (who->gathered_bytes > 0)
        flush(scene, who, 0);
    happen(scene, who, what, number);
    settle(scene);
}

/* ---- the end ---- */

/* True when it answers, or will not have this one. */
static bool is_answered(struct scene *scene, struct who *who)
{
    struct message request = {.kind = MESSAGE_HEARTBEAT_REQUEST};
    unsigned before = who->heard.heartbeats;

    say_message(scene, who, &request);
    return who->far.tls == NULL || who->heard.heartbeats > before;
}

static void finish(struct scene *scene)
{
    bool is_heard = false;

    for (size_t i = 0; i < FAR_COUNT; i++) {
        struct who *who = &scene->who[i];
        if (who->gathered_bytes > 0)
            flush(scene, who, 0);
        who->far.is_deaf = false;
        settle(scene);
        if (who->far.tls == NULL || who->has_lied || !who->is_itself)
            continue;
        assert(is_answered(scene, who));
        is_heard |= who->far.tls != NULL;
    }
    if (!is_heard) {
        struct who *who = &scene->who[0];
        end_link(who);
        who->id = NEWCOMER_ID;
        who->name = "newcomer";
        who->address = "127.0.0.1:900";
        begin_link(scene, who, true);
        assert(who->far.tls == NULL || is_answered(scene, who));
    }
    for (unsigned i = 0; i < 100 && scene->near.lookups > 0; i++)
        outside_pass(SLEEP_US, SLEEP_US);
    assert(scene->near.lookups == 0);
    for (size_t i = 0; i < FAR_COUNT; i++)
        end_link(&scene->who[i]);
    settle(scene);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scene scene;

    scene.input = reader_of(span_of(data, size));
    scene.bits = read_u8(&scene.input);
    scene.answers_dials = true;
    scene.links_begun = 0;
    for (size_t i = 0; i < FAR_COUNT; i++) {
        struct who *who = &scene.who[i];
        memset(who, 0, offsetof(struct who, gathered));
        who->gathered_bytes = 0;
        who->heard.next_number = 1;
        who->id = FAR_ID + i;
        who->name = i == 0 ? "one" : "two";
        who->address = i == 0 ? NEAR_JOINS : "127.0.0.1:8";
    }
    outside_begin();
    near_create(&scene.near, near_keys, (scene.bits & SCENE_JOINS) != 0);
    for (unsigned i = 0; i < STEPS_MAX && scene.input.rest.length > 0; i++)
        take_step(&scene);
    finish(&scene);
    if (size % 4 == 0) /* it takes as long as all the rest */
        store_check(scene.near.store);
    near_destroy(&scene.near);
    outside_end();
    return 0;
}

/* ---- changes that chance seldom makes ---- */

/* Where the length of some message's body stands, or 0. */
static size_t pick_length(const uint8_t *data, size_t size, struct prng *prng)
{
    size_t picked = 0;
    size_t count = 0;

    for (size_t at = 1; at + 3 <= size;) {
        bool is_message = (data[at] & STEP_KIND) <= STEP_LIE;
        size_t length = is_message ? bigendian_load16(data + at + 1) : 0;
        if (length >= BODY_BYTES_MAX || at + 3 + length > size)
            break;
        if (length > 0 && prng_below(prng, ++count) == 0)
            picked = at + 1;
        at += 3 + length + (is_message && (data[0] & SCENE_CUT) != 0);
    }
    return picked;
}

/* A body gets a byte more or less, and its length goes with it. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed)
{
    struct prng prng = {.state = seed};
    size_t at = pick_length(data, size, &prng);

    if (at == 0 || size == max_size || prng_below(&prng, 8) != 0)
        return LLVMFuzzerMutate(data, size, max_size);
    size_t length = bigendian_load16(data + at);
    uint8_t *end = data + at + 2 + length;
    size_t rest = size - (size_t)(end - data);
    if (prng_below(&prng, 2) == 0) {
        memmove(end - 1, end, rest);
        bigendian_store16(data + at, (uint16_t)(length - 1));
        return size - 1;
    }
    memmove(end + 1, end, rest);
    *end = 0;
    bigendian_store16(data + at, (uint16_t)(length + 1));
    return size + 1;
}
