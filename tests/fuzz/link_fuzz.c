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

#include "tests/fuzz/far.h"
#include "tests/fuzz/near.h"
#include "tests/fuzz/outside.h"

#define STEPS_MAX 64
#define LINKS_BEGUN_MAX 8 /* each costs a handshake */
#define BODY_BYTES_MAX 2048
#define PADDING_BYTES ((size_t)40000)
#define FRAME_BYTES (MESSAGE_FRAME_BYTES + 1 + BODY_BYTES_MAX + PADDING_BYTES)
#define GATHERED_BYTES_MAX (4 * FRAME_BYTES)
#define SAY_BYTES 512
/* Values that are announced, and given in pieces. */
#define LARGE_BYTES ((uint32_t)100000)
#define PIECE_BYTES ((uint32_t)65536)
#define FETCHES_MAX 4
#define FAR_ID UINT64_C(100)
/* Of synchronisations that the others ask for, of all ranges. */
#define OWN_SESSION 1
#define RANGES_COUNT (STORE_RANGE_MASK_MIN + 1)
#define NEWCOMER_ID UINT64_C(900)
#define SLEEP_US (TIME_US_PER_S / 10)
#define FAR_COUNT 2

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
    STEP_UNKNOWN = 0, /* a message of a later version */
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

struct fetch {
    struct message_fetch message;
    uint8_t key[RECORD_KEY_BYTES_MAX];
};

struct who {
    struct far far;
    uint64_t id;
    const char *name;
    const char *address;
    bool has_lied;  /* what follows may be no frame */
    bool is_itself; /* it said the HELLO that is its own */
    bool is_greeted;
    /* What was heard last. */
    uint64_t asked;
    uint64_t record;
    uint64_t version;
    uint64_t heartbeat;
    uint64_t hash;
    uint32_t session;
    unsigned heartbeats;
    struct fetch fetches[FETCHES_MAX]; /* not answered yet, oldest first */
    size_t fetches_count;
    /* What it says next. */
    uint64_t next_number;
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
    who->is_greeted = false;
    who->gathered_bytes = 0;
    who->fetches_count = 0;
}

static void note_fetch(struct who *who, const struct message_fetch *message)
{
    if (who->fetches_count == FETCHES_MAX)
        return;
    struct fetch *fetch = &who->fetches[who->fetches_count++];
    fetch->message = *message;
    span_copy(fetch->key, message->key);
}

static void note_record(struct who *who, const struct message *message)
{
    struct record record;
    enum decode_result decoded = record_decode(message->state.bytes, &record);

    assert(decoded == DECODE_OK);
    assert(record.kind != RECORD_UNKNOWN);
    who->version = record.version;
}

static void note_list(struct who *who, const struct message_list *list)
{
    struct reader reader = reader_of(list->bytes);

    for (size_t i = 0; i < list->count; i++)
        who->hash = message_read_entry(&reader).hash;
    assert(reader.ok && reader.rest.length == 0);
}

static void note(struct who *who, const struct message *message)
{
    /* It says who it is, or that it will not have this one. */
    assert(who->is_greeted || message->kind == MESSAGE_HELLO ||
           message->kind == MESSAGE_REFUSE);
    switch (message->kind) {
    case MESSAGE_HELLO:
        assert(message->hello.id == NEAR_ID);
        who->is_greeted = true;
        break;
    case MESSAGE_HEARTBEAT:
        who->heartbeat = message->heartbeat.sent;
        who->heartbeats++;
        break;
    case MESSAGE_RECORD:
        who->record = message->state.number;
        note_record(who, message);
        break;
    case MESSAGE_STATE:
    case MESSAGE_SYNC_STATE:
        note_record(who, message);
        break;
    case MESSAGE_REQUEST:
        who->asked = message->request.id;
        break;
    case MESSAGE_FETCH:
        note_fetch(who, &message->fetch);
        break;
    case MESSAGE_SYNC_BEGIN:
        who->session = message->sync.session;
        break;
    case MESSAGE_SYNC_LIST:
        note_list(who, &message->sync.list);
        break;
    default:
        break;
    }
}

static void hear(struct who *who)
{
    struct message message;

    if (who->far.tls == NULL || !who->far.is_ready)
        return;
    bool is_there = far_hear(&who->far);
    while (far_next(&who->far, &message)) {
        note(who, &message);
        far_take(&who->far);
    }
    if (!is_there)
        end_link(who);
}

static void settle(struct scene *scene)
{
    outside_run();
    for (size_t i = 0; i < FAR_COUNT; i++)
        hear(&scene->who[i]);
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

/* ---- numbers that the server waits for ---- */

static void put_u64(uint8_t *body, size_t length, size_t at, uint64_t number)
{
    if (at + 8 <= length)
        bigendian_store64(body + at, number);
}

static void put_u32(uint8_t *body, size_t length, size_t at, uint32_t number)
{
    if (at + 4 <= length)
        bigendian_store32(body + at, number);
}

/* Versions of now, and what is announced of a size that can be given. */
static void adapt_record(const struct scene *scene, uint8_t *record,
                         size_t length)
{
    uint64_t version = farm_now(scene) << 12;
    struct record decoded;

    if (length == 0)
        return;
    switch (record[0]) {
    case RECORD_CREATE:
    case RECORD_UPDATE:
    case RECORD_ANNOUNCE:
        put_u64(record, length, 11, version);
        break;
    case RECORD_STUB:
        put_u64(record, length, 10, version);
        break;
    default:
        put_u64(record, length, 1, version);
        break;
    }
    if (record[0] == RECORD_ANNOUNCE &&
        record_decode(span_of(record, length), &decoded) == DECODE_OK)
        put_u32((uint8_t *)decoded.key.data, SIZE_MAX, decoded.key.length,
                LARGE_BYTES);
}

/* Of the range of some key, with its hash. */
static void adapt_list(const struct scene *scene, const struct who *who,
                       uint8_t *body, size_t length)
{
    uint64_t hash = store_hash(scene->near.store, SPAN("a"));

    put_u32(body, length, 0, who->session);
    put_u64(body, length, 4, STORE_RANGE_MASK_MIN);
    put_u64(body, length, 12, hash & STORE_RANGE_MASK_MIN);
    put_u64(body, length, 22, hash);
}

static void adapt(const struct scene *scene, struct who *who, uint8_t kind,
                  uint8_t *body, size_t length)
{
    switch (kind) {
    case MESSAGE_HELLO:
        put_u64(body, length, 4, who->id);
        put_u64(body, length, 15, farm_now(scene));
        break;
    case MESSAGE_HEARTBEAT:
        put_u64(body, length, 3, farm_now(scene));
        put_u64(body, length, 27, who->heartbeat);
        break;
    case MESSAGE_HEARTBEAT_REQUEST:
    case MESSAGE_ALIVE:
        put_u64(body, length, 0, who->id);
        break;
    case MESSAGE_OVERRUN:
        put_u64(body, length, 0, who->next_number);
        break;
    case MESSAGE_ATTACH:
    case MESSAGE_ACK:
        put_u64(body, length, 0, who->record);
        break;
    case MESSAGE_RECORD:
        put_u64(body, length, 0, who->next_number++);
        if (length > 8)
            adapt_record(scene, body + 8, length - 8);
        break;
    case MESSAGE_STATE:
        put_u64(body, length, 0, who->asked);
        if (length > 8)
            adapt_record(scene, body + 8, length - 8);
        break;
    case MESSAGE_HAVE:
        put_u64(body, length, 0, who->asked);
        put_u64(body, length, 8, farm_now(scene) << 12);
        break;
    case MESSAGE_MISSING:
        put_u64(body, length, 0,
                who->fetches_count > 0 ? who->fetches[0].message.id
                                       : who->asked);
        break;
    case MESSAGE_FETCH:
        put_u64(body, length, 8, who->version);
        break;
    case MESSAGE_FORWARD:
        put_u64(body, length, 0, NEAR_ID);
        break;
    case MESSAGE_SYNC_STATE:
        if (length > 4)
            adapt_record(scene, body + 4, length - 4);
        put_u32(body, length, 0, who->session);
        break;
    case MESSAGE_SYNC_LIST:
        adapt_list(scene, who, body, length);
        break;
    case MESSAGE_SYNC_END:
        put_u32(body, length, 0, who->session);
        break;
    case MESSAGE_SYNC_BEGIN:
        put_u32(body, length, 0, OWN_SESSION);
        break;
    case MESSAGE_SYNC_PULL:
        put_u32(body, length, 0, OWN_SESSION);
        put_u64(body, length, 6, who->hash);
        break;
    default:
        break;
    }
}

/* What was asked for last, in the place of the body. */
static void say_piece(struct scene *scene, struct who *who)
{
    static uint8_t bytes[FRAME_BYTES + PIECE_BYTES];
    static const uint8_t value[PIECE_BYTES];
    uint8_t head_bytes[RECORD_HEAD_BYTES_MAX];
    struct writer head = writer_of(head_bytes, sizeof(head_bytes));
    struct writer writer = writer_of(bytes, sizeof(bytes));
    struct fetch *oldest = &who->fetches[0];
    struct message_fetch *fetch = &oldest->message;
    struct record record = {.kind = RECORD_ANNOUNCE,
                            .version = fetch->version,
                            .stamp = fetch->version,
                            .token = fetch->version,
                            .value_bytes = LARGE_BYTES,
                            .key = span_of(oldest->key, fetch->key.length)};
    uint32_t left =
        fetch->offset < LARGE_BYTES ? LARGE_BYTES - fetch->offset : 1;

    record_encode(&record, &head);
    struct message message = {
        .kind = MESSAGE_PIECE,
        .piece = {.id = fetch->id,
                  .offset = fetch->offset,
                  .head = span_of(head_bytes, head.used_bytes),
                  .bytes =
                      span_of(value, left < PIECE_BYTES ? left : PIECE_BYTES)}};
    message_encode(&message, &writer);
    assert(writer.ok);
    who->fetches_count--;
    memmove(oldest, oldest + 1, who->fetches_count * sizeof(*oldest));
    say(scene, who, span_of(bytes, writer.used_bytes));
}

/* ---- steps ---- */

/* Nothing of it. */
static void pull_the_rest(struct scene *scene, struct who *who)
{
    static uint8_t frames[RANGES_COUNT * 16];
    struct writer writer = writer_of(frames, sizeof(frames));
    struct message message = {.kind = MESSAGE_SYNC_PULL,
                              .sync = {.session = OWN_SESSION}};

    for (size_t i = 0; i < RANGES_COUNT; i++)
        message_encode(&message, &writer);
    assert(writer.ok);
    say(scene, who, span_of(frames, writer.used_bytes));
}

/* Mended, so that it can be read to its end, and padded. */
static void say_step(struct scene *scene, struct who *who, uint8_t what,
                     struct span body)
{
    static uint8_t frame[FRAME_BYTES];
    uint8_t kind = what & STEP_KIND;
    size_t length = body.length;
    uint8_t *inner = frame + MESSAGE_FRAME_BYTES;

    span_copy(inner + 1, body);
    if (kind == STEP_LIE) {
        who->has_lied = true;
        send_or_gather(scene, who, span_of(inner + 1, length));
        return;
    }
    if ((what & STEP_APT) != 0)
        adapt(scene, who, kind, inner + 1, length);
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

static void take_message(struct scene *scene, struct who *who, uint8_t what,
                         struct span body)
{
    bool is_first =
        (what & STEP_KIND) == MESSAGE_HELLO && (what & STEP_MORE) != 0;

    if (is_first)
        end_link(who);
    if (!need_link(scene, who, !is_first))
        return;
    if ((what & STEP_KIND) == MESSAGE_PIECE && (what & STEP_APT) != 0 &&
        who->fetches_count > 0)
        say_piece(scene, who);
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
    unsigned before = who->heartbeats;

    say_message(scene, who, &request);
    return who->far.tls == NULL || who->heartbeats > before;
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
        who->next_number = 1;
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
