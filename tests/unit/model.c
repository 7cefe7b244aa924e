/* SPDX-License-Identifier: BSD-3-Clause */
#include "model.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Says where it went wrong; plain, so that threads may say it. */
#define CHECK(claim)                                                           \
    do {                                                                       \
        if (!(claim)) {                                                        \
            fprintf(stderr, "%s:%d: player %u: not so: %s\n", __FILE__,        \
                    __LINE__, player->number, #claim);                         \
            abort();                                                           \
        }                                                                      \
    } while (false)

#define ATTEMPTS_MAX 100
#define STEP_US_MAX 20000
#define LIFE_MAX_S 40

unsigned model_steps(unsigned otherwise)
{
    const char *steps = getenv("MODEL_STEPS");

    return steps == NULL ? otherwise : (unsigned)strtoul(steps, NULL, 10);
}

void model_init(struct player *player)
{
    player->keys = calloc(player->keys_count, sizeof(*player->keys));
    player->prng = (struct prng){.state = player->number + 1};
    player->now = MODEL_START_US;
    player->onlooker = store_add_onlooker(player->store);
    assert(player->keys != NULL);
}

void model_release(struct player *player)
{
    free(player->keys);
}

static uint64_t chance(struct player *player, uint64_t sides)
{
    return prng_below(&player->prng, sides);
}

/* ---- the reference ---- */

static bool lives(const struct player *player, const struct known *known)
{
    return known->is_known && !known->is_deleted &&
           known->version >= player->floor &&
           (known->exptime == 0 || known->exptime > time_seconds(player->now));
}

/* A grave may be dropped from that second on. */
static bool may_be_forgotten(const struct player *player,
                             const struct known *known)
{
    time_s died = time_seconds(version_time(known->stamp));

    if (!player->replicates || !known->is_known)
        return true;
    if (!known->is_deleted && known->exptime > died)
        died = known->exptime;
    return died + MODEL_GRAVE_S <= time_seconds(player->now);
}

/* Each register takes the greater of two; see merge.c, which does more. */
static void merge_known(struct player *player, struct known *known,
                        enum news_kind kind, const struct known *news)
{
    bool takes_value = news->version > known->version;
    bool takes_life = news->stamp > known->stamp;
    bool brings_value = kind == NEWS_STATE && !known->has_value &&
                        !known->is_deleted && news->version == known->version;
    struct known before = *known;

    if (brings_value && (takes_life || lives(player, known)))
        takes_value = true;
    if (takes_value)
        *known = *news;
    known->stamp = takes_life ? news->stamp : before.stamp;
    known->exptime = takes_life ? news->exptime : before.exptime;
    known->is_known = true;
    if (takes_value) {
        known->is_deleted = kind == NEWS_DELETED;
        known->has_value = kind == NEWS_STATE;
    }
    if (!lives(player, known) && (takes_value || takes_life))
        known->has_value = false;
}

/* ---- comparing ---- */

static struct span key_text(const struct player *player, size_t key,
                            char text[32])
{
    int length = snprintf(text, 32, "%u-%zu", player->number, key);

    return span_of(text, (size_t)length);
}

static void hold_key(struct player *player, size_t key, char text[32],
                     struct store_hold *hold)
{
    struct span span = key_text(player, key, text);

    store_hold(player->store, span, store_hash(player->store, span),
               player->now, hold);
}

static void compare_item(struct player *player, const struct known *known,
                         const struct item *item)
{
    struct span value = item_value(item);

    CHECK(lives(player, known));
    CHECK(item->version == known->version);
    CHECK(value.length == known->length);
    for (size_t i = 0; i < value.length; i++)
        CHECK(value.data[i] == known->filler);
    CHECK(item_exptime(item) == known->exptime);
    CHECK(item_flags(item) == known->flags);
    CHECK(item_marks(item) == known->marks);
    CHECK(item_token(item) == known->token);
    if (player->replicates)
        CHECK(item_stamp(item) == known->stamp);
    player->compared++;
}

static void compare_stub(struct player *player, const struct known *known,
                         const struct store_stub *stub)
{
    CHECK(player->replicates && known->is_known);
    CHECK(stub->version == known->version);
    CHECK(stub->stamp == known->stamp);
    if (stub->kind == STUB_DELETED) {
        CHECK(known->is_deleted);
        return;
    }
    CHECK(!known->is_deleted);
    CHECK(stub->exptime == known->exptime);
    CHECK((stub->kind == STUB_WANTED) == lives(player, known) ||
          known->version < player->floor);
    player->compared++;
}

/* Half of the time beside others, where that can be. */
static void look_at_key(struct player *player, size_t key, char text[32],
                        struct store_hold *hold)
{
    struct span span = key_text(player, key, text);

    if (chance(player, 2) == 0 ||
        !store_look(player->store, player->onlooker, span,
                    store_hash(player->store, span), player->now, hold))
        hold_key(player, key, text, hold);
}

/* The key is as the model has it.  What is lost, as it may be, is forgotten
 * here as well. */
static void compare(struct player *player, size_t key)
{
    struct known *known = &player->keys[key];
    struct store_hold hold;
    char text[32];

    look_at_key(player, key, text, &hold);
    if (hold.item != NULL) {
        CHECK(known->has_value);
        compare_item(player, known, hold.item);
        if (chance(player, 4) == 0)
            store_use(&hold);
    } else if (hold.stub.kind != STUB_NONE) {
        compare_stub(player, known, &hold.stub);
        /* A value that has died may be here still, or not. */
        CHECK(!(lives(player, known) && known->has_value));
    } else {
        bool is_dead = !lives(player, known) && !player->replicates;
        CHECK(is_dead || player->may_lose || may_be_forgotten(player, known));
        *known = (struct known){0};
    }
    store_release(&hold);
}

/* ---- doing ---- */

static struct known draw(struct player *player, uint64_t version)
{
    bool is_large = chance(player, 64) == 0;

    return (struct known){
        .is_known = true,
        .has_value = true,
        .version = version,
        .stamp = version,
        .token =
            chance(player, 8) == 0 ? version + 1 + chance(player, 9) : version,
        .exptime = chance(player, 2) == 0
                       ? 0
                       : time_seconds(player->now) + 1 +
                             (time_s)chance(player, LIFE_MAX_S),
        .flags =
            chance(player, 3) == 0 ? (uint32_t)prng_next(&player->prng) : 0,
        .marks = chance(player, 8) == 0 ? (uint8_t)chance(player, 16) : 0,
        .filler = (uint8_t)prng_next(&player->prng),
        .length = chance(player, is_large ? player->length_max : 900)};
}

static struct store_write write_of(const struct known *known,
                                   const uint8_t *value)
{
    return (struct store_write){.parts = {span_of(value, known->length)},
                                .flags = known->flags,
                                .marks = known->marks,
                                .exptime = known->exptime,
                                .version = known->version,
                                .stamp = known->stamp,
                                .token = known->token};
}

/* Nothing is swept that lives for anybody. */
static time_us sweeping_time(const struct player *player)
{
    time_us earliest = player->now;

    for (unsigned i = 0; i < player->players_count; i++) {
        time_us now = atomic_load(&player->clocks[i]);
        if (now < earliest)
            earliest = now;
    }
    return earliest;
}

static void make_room(struct player *player, size_t length)
{
    CHECK(store_make_room(player->store,
                          store_item_bytes(player->store, 32, length),
                          sweeping_time(player)));
}

static uint8_t *value_of(const struct known *known)
{
    uint8_t *value = malloc(known->length + 1);

    assert(value != NULL);
    memset(value, known->filler, known->length);
    return value;
}

static void put(struct player *player, size_t key)
{
    struct known known =
        draw(player, store_next_version(player->store, player->now));
    uint8_t *value = value_of(&known);
    struct store_write write = write_of(&known, value);
    enum store_result result = STORE_NO_ROOM;
    char text[32];

    for (int i = 0; result != STORE_OK; i++) {
        struct store_hold hold;
        CHECK(i < ATTEMPTS_MAX);
        hold_key(player, key, text, &hold);
        result = store_put(&hold, &write);
        store_release(&hold);
        if (result != STORE_OK)
            make_room(player, known.length);
    }
    free(value);
    player->keys[key] = known;
}

/* In pieces, into memory that was reserved. */
static void put_reserved(struct player *player, size_t key)
{
    struct known known =
        draw(player, store_next_version(player->store, player->now));
    struct store_write write = write_of(&known, NULL);
    struct store_reservation reservation;
    enum store_result result;
    char text[32];
    struct span span = key_text(player, key, text);

    for (int i = 0;; i++) {
        CHECK(i < ATTEMPTS_MAX);
        result = store_reserve(player->store, span, known.length, &reservation);
        if (result == STORE_OK)
            break;
        if (result == STORE_REFUSED)
            return;
        make_room(player, known.length);
    }
    memset(reservation.value, known.filler, known.length);
    if (chance(player, 8) == 0) {
        store_cancel(player->store, &reservation);
        return;
    }
    write.parts[0] = (struct span){0};
    result = STORE_NO_ROOM;
    for (int i = 0; result != STORE_OK; i++) {
        struct store_hold hold;
        CHECK(i < ATTEMPTS_MAX);
        hold_key(player, key, text, &hold);
        result = store_put_reserved(&hold, &write, &reservation);
        store_release(&hold);
        if (result != STORE_OK)
            make_room(player, known.length);
    }
    player->keys[key] = known;
}

static void touch(struct player *player, size_t key, bool marks)
{
    struct known *known = &player->keys[key];
    struct known touched = *known;
    enum store_result result = STORE_NO_ROOM;
    char text[32];

    touched.stamp = store_next_version(player->store, player->now);
    touched.exptime = chance(player, 3) == 0
                          ? 0
                          : time_seconds(player->now) + 1 +
                                (time_s)chance(player, LIFE_MAX_S);
    touched.marks = marks ? (uint8_t)chance(player, 16) : known->marks;
    for (int i = 0; result != STORE_OK; i++) {
        struct store_hold hold;
        CHECK(i < ATTEMPTS_MAX);
        hold_key(player, key, text, &hold);
        bool is_there = hold.item != NULL;
        if (is_there && marks)
            result = store_mark(&hold, touched.marks, touched.exptime,
                                touched.stamp);
        else if (is_there)
            result = store_touch(&hold, touched.exptime, touched.stamp);
        if (is_there && result == STORE_OK) {
            /* A mark is a version a bit above that of the value. */
            CHECK(hold.item->version == known->version ||
                  (marks && player->replicates &&
                   version_time(hold.item->version) ==
                       version_time(known->version) + 1));
            touched.version = hold.item->version;
            *known = touched;
        }
        store_release(&hold);
        if (!is_there)
            return;
        if (result != STORE_OK)
            make_room(player, known->length);
    }
}

static void drop(struct player *player, size_t key)
{
    uint64_t version = store_next_version(player->store, player->now);
    enum store_result result = STORE_NO_ROOM;
    char text[32];

    for (int i = 0; result != STORE_OK; i++) {
        struct store_hold hold;
        CHECK(i < ATTEMPTS_MAX);
        hold_key(player, key, text, &hold);
        result = store_remove(&hold, version);
        store_release(&hold);
        if (result != STORE_OK)
            make_room(player, 0);
    }
    player->keys[key] = (struct known){.is_known = player->replicates,
                                       .is_deleted = true,
                                       .version = version,
                                       .stamp = version};
}

/* News of the key from elsewhere: of about the time of what is here. */
static void hear(struct player *player, size_t key)
{
    struct known *known = &player->keys[key];
    uint64_t around =
        known->is_known ? known->version : version_at(player->now);
    uint64_t version =
        around - version_at(2000000) +
        (chance(player, 3) == 0 ? version_at(2000000)
                                : version_at(chance(player, 4000000)));
    enum news_kind kind = (enum news_kind)chance(player, 3);
    struct known news = draw(player, version);
    struct known old = *known;
    bool was_here = lives(player, &old);
    enum merge_result result = MERGE_NO_ROOM;
    char text[32];

    if (version_time(version) > player->now)
        return;
    if (version == old.version) {
        news = old;
        if (kind == NEWS_DELETED || !old.has_value)
            return;
    }
    if (chance(player, 2) == 0)
        news.stamp += version_at(chance(player, 3000000));
    if (kind == NEWS_DELETED)
        news.stamp = news.version;
    uint8_t *value = value_of(&news);
    struct store_write write = write_of(&news, value);
    for (int i = 0; result == MERGE_NO_ROOM; i++) {
        struct store_hold hold;
        CHECK(i < ATTEMPTS_MAX);
        hold_key(player, key, text, &hold);
        /* It may have been lost just now. */
        if (hold.item == NULL && hold.stub.kind == STUB_NONE)
            *known = (struct known){0};
        result = store_merge(&hold, kind, &write);
        if (result != MERGE_NO_ROOM) {
            merge_known(player, known, kind, &news);
            /* Whether a value that had died is here still, it tells. */
            if (!was_here && !known->is_deleted && lives(player, known))
                known->has_value = hold.item != NULL;
        }
        store_release(&hold);
        /* A touch may have to move the value that is here. */
        if (result == MERGE_NO_ROOM)
            make_room(player,
                      news.length > old.length ? news.length : old.length);
    }
    free(value);
}

static void flush(struct player *player)
{
    uint64_t version = store_flush(
        player->store, chance(player, 2) == 0 ? 0 : player->now - 100000,
        player->now);

    if (version > player->floor)
        player->floor = version;
}

static void step(struct player *player, size_t key)
{
    switch (chance(player, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
        put(player, key);
        break;
    case 4:
        put_reserved(player, key);
        break;
    case 5:
        touch(player, key, false);
        break;
    case 6:
        touch(player, key, true);
        break;
    case 7:
        drop(player, key);
        break;
    case 8:
    case 9:
    case 10:
        if (player->replicates)
            hear(player, key);
        break;
    case 11:
        if (player->may_flush && chance(player, 2000) == 0)
            flush(player);
        else if (chance(player, 16) == 0)
            store_maintain(player->store, sweeping_time(player));
        break;
    default:
        break;
    }
}

void model_play(struct player *player, unsigned steps)
{
    for (unsigned i = 0; i < steps; i++) {
        size_t key = chance(player, player->keys_count);

        player->now += chance(player, STEP_US_MAX);
        if (player->players_count > 0)
            atomic_store(&player->clocks[player->number], player->now);
        compare(player, key);
        step(player, key);
        compare(player, key);
    }
}
