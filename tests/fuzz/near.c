/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/fuzz/near.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/outside.h"

#define MEMORY_BYTES ((size_t)4 << 20)
#define JOURNAL_BYTES ((size_t)64 << 10)
#define KEY_DIGITS 64

struct tls *near_make_keys(char digit)
{
    char path[] = "/tmp/grapevine-fuzz-keys.XXXXXX";
    char error[TLS_ERROR_BYTES];
    char line[KEY_DIGITS + 1];
    int fd = mkstemp(path); /* with mode 0600 */
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;

    assert(file != NULL);
    memset(line, digit, KEY_DIGITS);
    line[KEY_DIGITS] = '\0';
    fprintf(file, "%s\n", line);
    fclose(file);
    struct tls *keys = tls_create_for_farm(
        &(struct tls_farm_settings){.keys_file = path}, error);
    assert(keys != NULL);
    unlink(path);
    return keys;
}

/* ---- what the peers call ---- */

static void answered(void *context, size_t crew, uint64_t number,
                     bool is_degraded)
{
    (void)context;
    (void)crew;
    (void)number;
    (void)is_degraded;
}

static void found(uint64_t waiter, bool is_certain)
{
    struct near *near = (struct near *)(uintptr_t)waiter;

    (void)is_certain;
    assert(near->lookups > 0);
    near->lookups--;
}

static void told(void *context, struct span line)
{
    (void)context;
    assert(line.length > 0);
}

/* Asks about whatever it is given first; then that is the result. */
static void execute(void *context, const struct peers_call *call,
                    struct peers_result *result)
{
    (void)context;
    *result = (struct peers_result){.must_ask = !call->is_asked,
                                    .bytes = call->bytes};
    if (result->must_ask && result->bytes.length > 250)
        result->bytes.length = 250;
}

static void release(void *context, struct span key, uint64_t version,
                    bool gives_way)
{
    (void)context;
    (void)version;
    (void)gives_way;
    assert(key.length > 0);
}

static void decided(uint64_t waiter, struct span verdicts)
{
    (void)verdicts;
    assert(waiter != 0);
}

static void note_nothing(void *context)
{
    (void)context;
}

static void left(void *context)
{
    struct near *near = context;

    assert(!near->has_left);
    near->has_left = true;
}

/* ---- life ---- */

void near_create(struct near *near, struct tls *keys, bool joins)
{
    static const char *const names[] = {NEAR_JOINS};
    struct store_settings store = {.memory_bytes_max = MEMORY_BYTES,
                                   .item_bytes_max = NEAR_ITEM_BYTES_MAX,
                                   .evicts = true,
                                   .replicates = true,
                                   .grave_s = 3600,
                                   .seed = 1,
                                   .origin_tag = 3};
    struct peers_settings settings = {.clock = &near->clock,
                                      .listen = "127.0.0.1:9",
                                      .joins = names,
                                      .joins_count = joins,
                                      .tls = keys,
                                      .handshakes_max = NEAR_HANDSHAKES_MAX,
                                      .handshake_timeout = 5 * TIME_US_PER_S,
                                      .farm_name = NEAR_FARM,
                                      .name = "near",
                                      .id = NEAR_ID,
                                      .tag = 3,
                                      .seed = 1,
                                      .has_homes = true,
                                      .shared_settings = 1,
                                      .lock_grace = TIME_US_PER_S,
                                      .heartbeat = TIME_US_PER_S / 2,
                                      .ack_timeout = TIME_US_PER_S / 20,
                                      .lookup_timeout = TIME_US_PER_S / 40,
                                      .journal_bytes = JOURNAL_BYTES,
                                      .memory_bytes = MEMORY_BYTES,
                                      .item_bytes_max = NEAR_ITEM_BYTES_MAX,
                                      .waits_for_acks = true,
                                      .crews_count = 1};
    struct peers_callbacks callbacks = {.context = near,
                                        .execute = execute,
                                        .release = release,
                                        .decided = decided,
                                        .answered = answered,
                                        .found = found,
                                        .told = told,
                                        .opened = note_nothing,
                                        .ready = note_nothing,
                                        .left = left};
    char error[PEERS_ERROR_BYTES];

    *near = (struct near){.store = store_create(&store)};
    assert(near->store != NULL);
    settings.store = near->store;
    near->peers = peers_create(&settings, error);
    assert(near->peers != NULL);
    bool is_started = peers_start(near->peers, &callbacks);
    assert(is_started);
    peers_watch(near->peers, 1);
    outside_run();
    assert(peers_reading(near->peers, OUTSIDE_START_US) ==
           (joins ? PEERS_ASK_ALWAYS : PEERS_READ_HERE));
}

void near_destroy(struct near *near)
{
    peers_destroy(near->peers);
    store_destroy(near->store);
}

/* ---- its clients ---- */

void near_write(struct near *near, uint8_t key, size_t bytes)
{
    static const uint8_t value[NEAR_ITEM_BYTES_MAX];
    time_us now = clock_now(&near->clock);
    uint64_t version = store_next_version(near->store, now);
    struct record record = {.kind = RECORD_UPDATE,
                            .version = version,
                            .stamp = version,
                            .token = version,
                            .key = span_of(&key, 1),
                            .value = span_of(value, bytes)};
    struct store_write write = {.parts = {record.value}, .version = version};
    struct store_hold hold;

    store_hold(near->store, record.key, store_hash(near->store, record.key),
               now, &hold);
    bool is_put = store_put(&hold, &write) == STORE_OK;
    uint64_t number =
        is_put ? journal_append(peers_journal(near->peers), &record) : 0;
    store_release(&hold);
    if (is_put)
        peers_await(near->peers, 0, number);
}

void near_look_up(struct near *near, uint8_t key)
{
    struct peers_question question = {.key = span_of(&key, 1),
                                      .waiter = (uintptr_t)near};

    near->lookups++;
    peers_look_up(near->peers, &question, 1);
}

void near_prove_again(struct near *near, struct tls *keys)
{
    struct tls *own = near->peers->settings.tls;

    near->peers->settings.tls = keys;
    peers_prove_again(near->peers);
    outside_run();
    near->peers->settings.tls = own;
}

/* ---- what holds ---- */

static void check_link(const struct peers *peers, const struct link *link)
{
    size_t frame_bytes_max =
        link->is_named ? peers->frame_bytes_max : LINK_HELLO_BYTES_MAX;

    /* A frame that is not whole, and what came with it. */
    assert(link->input_bytes <= link->input_capacity_bytes);
    assert(link->input_bytes < frame_bytes_max + MESSAGE_FRAME_BYTES);
    assert(link->input_capacity_bytes <= 4 * frame_bytes_max + (256 << 10));
    assert(link_backlog_bytes(link) <=
           2 * LINK_BACKLOG_BYTES_MAX + NEAR_ITEM_BYTES_MAX);
    /* Nobody is heard who has not proven himself. */
    assert(link->state == LINK_UP || link->state == LINK_SILENT ||
           link->input_bytes == 0);
    assert(link->state != LINK_UP || link->transport.tls != NULL);
}

void near_check(const struct near *near)
{
    const struct peers *peers = near->peers;
    size_t up = 0;
    size_t strangers = 0;

    farm_check(peers->farm);
    for (size_t i = 0; i < DRIVER_LINKS_MAX; i++) {
        const struct link *link = peers->links[i];
        if (link == NULL)
            continue;
        assert(i < peers->links_end);
        assert(link->state < LINK_LOST);
        check_link(peers, link);
        up += link->state == LINK_UP;
        strangers += link->state != LINK_UP && !link_is_dialled(link);
    }
    /* The machine knows of all links that are up, and of no others. */
    assert(up == outside_links(peers->farm));
    assert(strangers <= NEAR_HANDSHAKES_MAX);
}
