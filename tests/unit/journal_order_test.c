/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Real threads on a few keys of one store, journalling as sessions do, while
 * a reader follows: the order of the journal never contradicts what a client
 * saw, who replays it gets the same replica, and nobody waits for a reader.
 * Worth most when built with --enable-sanitize=thread.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/base/prng.h"
#include "server/farm/journal.h"
#include "server/session/replication.h"

#define PLAYERS 4
#define STEPS 40000
#define KEYS 5
#define COUNTERS 2 /* the last keys: they hold numbers */
#define RECORDS_MAX ((uint64_t)PLAYERS * STEPS)
#define VALUE_BYTES_MAX 400
#define EXTENSION_BYTES_MAX 60
#define ITEM_BYTES_MAX ((size_t)1024)
#define MEMORY_BYTES ((size_t)64 << 20)
#define WIDE_RING_BYTES ((size_t)64 << 20)
#define TINY_RING_BYTES ((size_t)8192)
#define BUFFER_BYTES ((size_t)64 * 1024)
#define SECONDS_MAX 100 /* then something waits for ever */
#define SWEEPS_MAX 1000
#define START_US (UINT64_C(1800000000) * TIME_US_PER_S)
#define STEP_US UINT64_C(100)
#define END_US (START_US + STEPS * STEP_US + TIME_US_PER_S)

/* What the threads are given for the peers: their journal is all that
 * journalling asks them for. */
struct peers {
    struct journal *journal;
};

struct journal *peers_journal(struct peers *peers)
{
    return peers->journal;
}

/* A client saw what was drawn as `draw` before it wrote record `number`. */
struct sight {
    uint64_t draw;
    uint64_t number;
};

/* What a record stands for: the version or stamp that was drawn for it. */
struct entry {
    uint64_t draw;
    uint64_t number;
};

struct player {
    pthread_t thread;
    struct match *match;
    struct counters counters;
    struct prng prng;
    time_us now;
    uint64_t last_number; /* of the records that it wrote */
    unsigned not_growing; /* numbers that were not above the one before */
    struct sight *sights;
    size_t sights_count;
    size_t sights_numbered; /* those before are followed by a write */
};

struct match {
    struct store *store;
    struct store *copy; /* what the journal makes of nothing */
    struct peers peers;
    struct player players[PLAYERS];
    _Atomic unsigned players_left;
    _Atomic uint64_t written;
    struct entry *entries; /* that the reader met */
    size_t entries_count;
    uint64_t last_draws[KEYS];
    struct journal_cursor cursor;
    uint64_t overruns;
    /* What the reader found wrong. */
    unsigned gaps;
    unsigned malformed;
    unsigned disordered;
    unsigned refused;
    uint64_t splices;
};

static struct span key_of(unsigned number)
{
    static const char *const names[KEYS] = {"plum", "pear", "fig", "one",
                                            "two"};

    return span_of_string(names[number]);
}

static struct store *open_store(uint16_t tag)
{
    struct store_settings settings = {.memory_bytes_max = MEMORY_BYTES,
                                      .item_bytes_max = ITEM_BYTES_MAX,
                                      .evicts = true,
                                      .replicates = true,
                                      .grave_s = 3600,
                                      .seed = 7,
                                      .origin_tag = tag};

    return store_create(&settings);
}

/* ---- players ---- */

static void see(struct player *player, uint64_t draw)
{
    /* Twice what a step sees at most: a version and a stamp. */
    if (draw != 0 && player->sights_count < 2 * (size_t)STEPS)
        player->sights[player->sights_count++] = (struct sight){.draw = draw};
}

/* While the key is held, or with what was known when it was. */
static void look(struct player *player, const struct execution *execution)
{
    const struct store_hold *hold = &execution->hold;

    if (execution->outcome.kind == OUTCOME_HIT) {
        see(player, hold->item->version);
        see(player, item_stamp(hold->item));
    } else if (execution->outcome.kind == OUTCOME_MISS &&
               hold->stub.kind == STUB_DELETED) {
        see(player, hold->stub.version);
    }
}

static void note_write(struct player *player, uint64_t number)
{
    if (number <= player->last_number)
        player->not_growing++;
    player->last_number = number;
    for (; player->sights_numbered < player->sights_count;
         player->sights_numbered++)
        player->sights[player->sights_numbered].number = number;
    atomic_fetch_add(&player->match->written, 1);
}

/* As a session executes and answers. */
static void run(struct player *player, struct command *command)
{
    struct match *match = player->match;
    struct execution execution = {.store = match->store,
                                  .now = player->now,
                                  .counters = &player->counters,
                                  .replicates = true,
                                  .splices = true};

    command->hash = store_hash(match->store, command->key);
    command_execute(command, &execution);
    uint64_t number = 0;
    if (execution.mutation.kind != MUTATION_NONE)
        number =
            replication_journal(&match->peers, command->key, &execution, 0);
    if (command->kind == COMMAND_RETRIEVE && !command->touches)
        look(player, &execution);
    command_finish(&execution);
    if (number > 0)
        note_write(player, number);
}

static void fill(struct player *player, struct command *command,
                 uint8_t value[VALUE_BYTES_MAX])
{
    bool is_extension =
        command->mode == MODE_APPEND || command->mode == MODE_PREPEND;
    size_t bytes = prng_below(&player->prng, is_extension ? EXTENSION_BYTES_MAX
                                                          : VALUE_BYTES_MAX);

    memset(value, (int)('a' + prng_below(&player->prng, 3)), bytes);
    command->kind = COMMAND_STORE;
    command->value = span_of(value, bytes);
    command->flags = (uint32_t)prng_below(&player->prng, 3);
    command->exptime = (int64_t)prng_below(&player->prng, 2) * 5000;
}

static void play_on_text(struct player *player)
{
    uint64_t choice = prng_below(&player->prng, 16);
    uint8_t value[VALUE_BYTES_MAX];
    struct command command = {
        .key = key_of((unsigned)prng_below(&player->prng, KEYS - COUNTERS))};

    if (choice < 6) {
        command.mode = choice < 3   ? MODE_SET
                       : choice < 4 ? MODE_ADD
                       : choice < 5 ? MODE_APPEND
                                    : MODE_PREPEND;
        fill(player, &command, value);
    } else if (choice < 8) {
        command.kind = COMMAND_TOUCH;
        command.exptime = 1000 + (int64_t)prng_below(&player->prng, 1000);
    } else if (choice < 10) {
        command.kind = COMMAND_RETRIEVE;
        command.touches = true;
        command.exptime = 1000 + (int64_t)prng_below(&player->prng, 1000);
    } else if (choice < 12) {
        command.kind = COMMAND_REMOVE;
    } else {
        command.kind = COMMAND_RETRIEVE;
    }
    run(player, &command);
}

static void play_on_number(struct player *player)
{
    unsigned key =
        KEYS - COUNTERS + (unsigned)prng_below(&player->prng, COUNTERS);
    struct command command = {.kind = COMMAND_ARITHMETIC,
                              .mode = MODE_INCREMENT,
                              .delta = 1 + prng_below(&player->prng, 3),
                              .creates = true,
                              .initial = 1,
                              .key = key_of(key)};

    if (prng_below(&player->prng, 4) == 0)
        command.kind = COMMAND_RETRIEVE;
    run(player, &command);
}

static void *play(void *context)
{
    struct player *player = context;

    for (unsigned step = 0; step < STEPS; step++) {
        player->now = START_US + step * STEP_US;
        if (step % 1000 == 999)
            run(player, &(struct command){.kind = COMMAND_FLUSH});
        else if (step % 512 == 511)
            store_maintain(player->match->store, player->now);
        else if (prng_below(&player->prng, 4) == 0)
            play_on_number(player);
        else
            play_on_text(player);
    }
    atomic_fetch_sub(&player->match->players_left, 1);
    return NULL;
}

/* ---- the reader ---- */

static enum news_kind news_kind_of(const struct record *record)
{
    if (record->kind == RECORD_TOUCH)
        return NEWS_LIFE;
    return record->kind == RECORD_DELETE ? NEWS_DELETED : NEWS_STATE;
}

/* What it is made from is what the record of that key before it made. */
static enum merge_result replay_splice(struct match *match,
                                       struct store_hold *hold,
                                       const struct store_write *news,
                                       const struct record *record)
{
    struct store_splice splice = {
        .base = record->base,
        .value_bytes = record->value_bytes,
        .change = {record->offset, record->cut_bytes, record->value.length}};

    match->splices++;
    return store_merge_splice(hold, news, &splice);
}

static void replay(struct match *match, const struct record *record)
{
    struct store_write news = {.parts = {record->value},
                               .flags = record->flags,
                               .marks = record->marks,
                               .exptime = record->exptime,
                               .version = record->version,
                               .stamp = record->stamp,
                               .token = record->token};
    struct store_hold hold;

    if (record->kind == RECORD_FLUSH) {
        store_merge_flush(match->copy, record->version, record->moment, END_US);
        return;
    }
    if (record->kind == RECORD_DELETE)
        news.stamp = record->version;
    store_hold(match->copy, record->key, store_hash(match->copy, record->key),
               END_US, &hold);
    enum merge_result result =
        record->kind == RECORD_SPLICE
            ? replay_splice(match, &hold, &news, record)
            : store_merge(&hold, news_kind_of(record), &news);
    store_release(&hold);
    /* The copy has as much memory as the store, and it has enough; and what
     * a touch speaks of was told of before. */
    match->refused += result == MERGE_NO_ROOM || result == MERGE_WANTED ||
                      result == MERGE_NO_BASE;
}

static void note_order(struct match *match, const struct record *record,
                       uint64_t draw)
{
    for (unsigned i = 0; i < KEYS; i++) {
        if (!span_equal(key_of(i), record->key))
            continue;
        match->disordered += draw <= match->last_draws[i];
        match->last_draws[i] = draw;
    }
}

static void take_record(struct match *match, const struct message *message)
{
    struct record record;
    uint64_t number = message->state.number;

    if (record_decode(message->state.bytes, &record) != DECODE_OK) {
        match->malformed++;
        return;
    }
    uint64_t draw = record.kind == RECORD_TOUCH ? record.stamp : record.version;
    note_order(match, &record, draw);
    if (match->copy != NULL)
        replay(match, &record);
    if (match->entries != NULL && match->entries_count < RECORDS_MAX)
        match->entries[match->entries_count++] = (struct entry){draw, number};
}

static void take_frames(struct match *match, struct span frames,
                        uint64_t number)
{
    while (frames.length > 0) {
        struct message message;
        struct span inner;
        size_t used;
        if (message_frame(frames, BUFFER_BYTES, &inner, &used) != FRAME_OK ||
            message_decode(inner, &message) != DECODE_OK ||
            message.kind != MESSAGE_RECORD) {
            match->malformed++;
            return;
        }
        match->gaps += message.state.number != number++;
        take_record(match, &message);
        frames = span_of(frames.data + used, frames.length - used);
    }
}

/* Takes what there is; false when there is nothing. */
static bool follow(struct match *match)
{
    static uint8_t buffer[BUFFER_BYTES];
    uint64_t number = match->cursor.number;
    bool is_overrun;
    size_t bytes = journal_read(match->peers.journal, &match->cursor, buffer,
                                sizeof(buffer), &is_overrun);

    if (is_overrun) {
        match->overruns++;
        /* As one who has to synchronise: on from what comes next. */
        if (!journal_seek(match->peers.journal, UINT64_MAX, &match->cursor))
            match->gaps++;
        return true;
    }
    take_frames(match, span_of(buffer, bytes), number);
    return bytes > 0;
}

/* ---- matches ---- */

static void begin(struct match *match, size_t ring_bytes)
{
    alarm(SECONDS_MAX);
    memset(match, 0, sizeof(*match));
    match->store = open_store(1);
    match->peers.journal = journal_create(ring_bytes);
    assert_non_null(match->store);
    assert_non_null(match->peers.journal);
    assert_true(journal_seek(match->peers.journal, 1, &match->cursor));
    journal_allow_splices(match->peers.journal, true);
    match->players_left = PLAYERS;
}

static void start(struct match *match)
{
    for (unsigned i = 0; i < PLAYERS; i++) {
        struct player *player = &match->players[i];
        player->match = match;
        player->prng.state = i + 1;
        player->sights = calloc(2 * (size_t)STEPS, sizeof(struct sight));
        assert_non_null(player->sights);
        assert_int_equal(pthread_create(&player->thread, NULL, play, player),
                         0);
    }
}

static void join(struct match *match)
{
    for (unsigned i = 0; i < PLAYERS; i++)
        pthread_join(match->players[i].thread, NULL);
}

static void end(struct match *match)
{
    for (unsigned i = 0; i < PLAYERS; i++)
        free(match->players[i].sights);
    store_check(match->store);
    store_destroy(match->store);
    journal_destroy(match->peers.journal);
    free(match->entries);
    alarm(0);
}

static void assert_sound(const struct match *match)
{
    assert_int_equal(match->gaps, 0);
    assert_int_equal(match->malformed, 0);
    assert_int_equal(match->disordered, 0);
    assert_int_equal(match->refused, 0);
    for (unsigned i = 0; i < PLAYERS; i++)
        assert_int_equal(match->players[i].not_growing, 0);
}

static int compare_draws(const void *left, const void *right)
{
    uint64_t a = ((const struct entry *)left)->draw;
    uint64_t b = ((const struct entry *)right)->draw;

    return a < b ? -1 : a > b;
}

/* Nobody wrote a record below one that tells of what it had seen. */
static void assert_nothing_seen_came_later(struct match *match)
{
    size_t sights_count = 0;

    qsort(match->entries, match->entries_count, sizeof(match->entries[0]),
          compare_draws);
    for (size_t i = 1; i < match->entries_count; i++)
        assert_true(match->entries[i - 1].draw < match->entries[i].draw);
    for (unsigned i = 0; i < PLAYERS; i++) {
        const struct player *player = &match->players[i];
        for (size_t at = 0; at < player->sights_numbered; at++) {
            struct entry sought = {.draw = player->sights[at].draw};
            const struct entry *found =
                bsearch(&sought, match->entries, match->entries_count,
                        sizeof(sought), compare_draws);
            assert_non_null(found);
            assert_true(found->number < player->sights[at].number);
            sights_count++;
        }
    }
    assert_true(sights_count > STEPS);
}

/* What a flush killed is in the digest until it is swept. */
static uint64_t swept_digest(struct store *store)
{
    for (unsigned i = 0; i < SWEEPS_MAX; i++)
        store_maintain(store, END_US + i * TIME_US_PER_S / SWEEPS_MAX);
    return store_digest(store);
}

static void assert_same_item(const struct item *one, const struct item *other)
{
    assert_int_equal(one != NULL, other != NULL);
    if (one == NULL)
        return;
    assert_true(one->version == other->version);
    assert_true(item_stamp(one) == item_stamp(other));
    assert_true(item_token(one) == item_token(other));
    assert_int_equal(item_exptime(one), item_exptime(other));
    assert_int_equal(item_marks(one), item_marks(other));
    assert_int_equal(item_flags(one), item_flags(other));
    assert_true(span_equal(item_value(one), item_value(other)));
}

static void assert_same_replica(struct match *match)
{
    assert_true(swept_digest(match->store) == swept_digest(match->copy));
    for (unsigned i = 0; i < KEYS; i++) {
        struct store_hold one;
        struct store_hold other;
        uint64_t hash = store_hash(match->store, key_of(i));
        /* Two stores: this is the one thread that holds a key of each. */
        store_hold(match->store, key_of(i), hash, END_US, &one);
        store_hold(match->copy, key_of(i), hash, END_US, &other);
        assert_same_item(one.item, other.item);
        if (one.stub.kind == STUB_DELETED)
            assert_true(one.stub.version == other.stub.version);
        store_release(&other);
        store_release(&one);
    }
}

static void the_order_of_the_journal_is_what_clients_saw(void **state)
{
    static struct match match;

    (void)state;
    begin(&match, WIDE_RING_BYTES);
    match.copy = open_store(2);
    match.entries = calloc(RECORDS_MAX, sizeof(match.entries[0]));
    assert_non_null(match.copy);
    assert_non_null(match.entries);
    start(&match);
    while (atomic_load(&match.players_left) > 0) {
        if (!follow(&match))
            sched_yield();
    }
    join(&match);
    while (follow(&match))
        ;
    assert_sound(&match);
    assert_int_equal(match.overruns, 0);
    assert_int_equal(match.entries_count, atomic_load(&match.written));
    assert_int_equal(match.entries_count, journal_head(match.peers.journal));
    assert_true(match.splices > STEPS / 10);
    assert_nothing_seen_came_later(&match);
    assert_same_replica(&match);
    store_check(match.copy);
    store_destroy(match.copy);
    end(&match);
}

static void wait_for_writes(struct match *match, uint64_t number)
{
    while (atomic_load(&match->written) < number &&
           atomic_load(&match->players_left) > 0)
        sched_yield();
}

static void nobody_waits_for_a_reader_that_stalls(void **state)
{
    static struct match match;

    (void)state;
    begin(&match, TINY_RING_BYTES);
    start(&match);
    /* It stalls again and again, for longer than the ring reaches back. */
    for (unsigned stall = 1; atomic_load(&match.players_left) > 0; stall++) {
        wait_for_writes(&match, stall * UINT64_C(2000));
        for (unsigned i = 0; i < 50; i++)
            follow(&match);
    }
    join(&match);
    assert_true(match.overruns > 0);
    /* All that are still there, to the very last. */
    while (follow(&match))
        ;
    assert_sound(&match);
    assert_true(match.cursor.number == atomic_load(&match.written) + 1);
    assert_true(match.cursor.number == journal_head(match.peers.journal) + 1);
    end(&match);
}

static void who_never_reads_is_told_and_goes_on(void **state)
{
    static struct match match;
    struct journal_cursor oldest;

    (void)state;
    begin(&match, TINY_RING_BYTES);
    start(&match);
    join(&match);
    assert_false(journal_seek(match.peers.journal, 1, &oldest));
    assert_true(follow(&match));
    assert_int_equal(match.overruns, 1);
    assert_false(follow(&match));
    run(&match.players[0],
        &(struct command){.kind = COMMAND_STORE, .key = key_of(0)});
    assert_true(follow(&match));
    assert_int_equal(match.overruns, 1);
    assert_sound(&match);
    end(&match);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_of_the_journal_is_what_clients_saw),
        cmocka_unit_test(nobody_waits_for_a_reader_that_stalls),
        cmocka_unit_test(who_never_reads_is_told_and_goes_on),
    };

    return cmocka_run_group_tests_name("journal order", tests, NULL, NULL);
}
