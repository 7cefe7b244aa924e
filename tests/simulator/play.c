/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/simulator/play.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/grapevine/message.h"
#include "tests/simulator/stage.h"

#define WORDS_MAX 40
#define COMPLAINT_BYTES 512
#define WITHIN_STEP 500
#define RESTART_PAUSE (TIME_US_PER_S / 10)
#define COUNT_PAUSE (TIME_US_PER_S / 100)
#define RESTART_MAX (30 * TIME_US_PER_S)
#define FILL_VALUE_BYTES_MAX (4 << 20)

struct play {
    const char *path;
    unsigned line;
    char complaint[COMPLAINT_BYTES];
    bool is_open;    /* `farm` was read */
    unsigned server; /* whose line it is */
    struct stage stage;
};

/* The rest of a line. */
struct words {
    unsigned count;
    char *list[WORDS_MAX];
};

static struct play play;

/* Always false, so that it can be returned. */
static bool complain(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

static bool complain(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(play.complaint, sizeof(play.complaint), format, arguments);
    va_end(arguments);
    return false;
}

static struct server *server_of(unsigned number)
{
    return &play.stage.world.servers[number];
}

static const char *name_of(unsigned number)
{
    return play.stage.servers[number].name;
}

/* ---- words ---- */

static bool parse_server(const char *word, unsigned *server)
{
    int found = stage_find_server(&play.stage, word);

    if (found < 0)
        return complain("there is no server %s", word);
    *server = (unsigned)found;
    return true;
}

static bool parse_duration(const char *word, time_us *duration)
{
    char *unit;
    double number = strtod(word, &unit);
    double scale = strcmp(unit, "s") == 0    ? 1e6
                   : strcmp(unit, "ms") == 0 ? 1e3
                   : strcmp(unit, "us") == 0 ? 1
                                             : 0;

    if (unit == word || scale == 0 || !(number >= 0 && number <= 1e6))
        return complain("%s is no time: say 10s, 50ms or 200us", word);
    *duration = (time_us)(number * scale + 0.5);
    return true;
}

static bool parse_number(const char *word, unsigned long most,
                         unsigned long *number)
{
    char *end;

    *number = strtoul(word, &end, 10);
    if (end == word || *end != '\0' || word[0] == '-' || *number > most)
        return complain("%s is no number up to %lu", word, most);
    return true;
}

static bool parse_ack(const char *word, enum farm_ack *ack)
{
    static const char *const names[] = {[FARM_ACK_ALL] = "all",
                                        [FARM_ACK_MAJORITY] = "majority",
                                        [FARM_ACK_ONE] = "one"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(word, names[i]) == 0) {
            *ack = (enum farm_ack)i;
            return true;
        }
    }
    return complain("%s is no ack: say all, majority or one", word);
}

/* Seconds from now, with or without `s`. */
static bool parse_exptime(const char *word, time_s *exptime)
{
    char *end;
    unsigned long seconds = strtoul(word, &end, 10);

    if (end == word || (strcmp(end, "") != 0 && strcmp(end, "s") != 0) ||
        seconds > 1000000)
        return complain("%s is no exptime: say 5s", word);
    *exptime = time_seconds(play.stage.world.now) + (time_s)seconds;
    return true;
}

static bool is_awake(unsigned server)
{
    if (!server_of(server)->is_running)
        return complain("%s is not running", name_of(server));
    if (!world_is_awake(&play.stage.world, server))
        return complain("%s is frozen", name_of(server));
    return true;
}

/* ---- what happens to servers ---- */

static bool do_farm(const struct words *words)
{
    unsigned long seed = 1;
    unsigned long memory = 0;
    unsigned long quorum = 0;
    bool has_homes = false;
    enum farm_ack ack = FARM_ACK_ALL;

    if (play.is_open)
        return complain("there is a farm already");
    for (unsigned i = 0; i < words->count; i++) {
        const char *word = words->list[i];
        if (strcmp(word, "seed") == 0 && i + 2 == words->count) {
            if (!parse_number(words->list[++i], 1000000000, &seed))
                return false;
            continue;
        }
        if (strcmp(word, "memory") == 0 && i + 1 < words->count) {
            if (!parse_number(words->list[++i], 1024, &memory))
                return false;
            continue;
        }
        if (strcmp(word, "homes") == 0) {
            has_homes = true;
            continue;
        }
        if (strcmp(word, "quorum") == 0 && i + 1 < words->count) {
            if (!parse_number(words->list[++i], STAGE_SERVERS_MAX, &quorum))
                return false;
            has_homes = true;
            continue;
        }
        if (strcmp(word, "ack") == 0 && i + 1 < words->count) {
            if (!parse_ack(words->list[++i], &ack))
                return false;
            continue;
        }
        if (play.stage.servers_count == STAGE_SERVERS_MAX ||
            strlen(word) > STAGE_NAME_BYTES_MAX)
            return complain("%s: at most %d servers, with names of at most "
                            "%d letters",
                            word, STAGE_SERVERS_MAX, STAGE_NAME_BYTES_MAX);
        if (stage_find_server(&play.stage, word) >= 0)
            return complain("there are two servers %s", word);
        strcpy(play.stage.servers[play.stage.servers_count++].name, word);
    }
    stage_open(&play.stage, seed);
    play.stage.world.ack = ack;
    play.stage.world.has_homes = has_homes;
    play.stage.world.quorum = (unsigned)quorum;
    if (memory > 0) {
        /* As real servers have it. */
        play.stage.world.memory_bytes = (size_t)memory << 20;
        play.stage.world.journal_bytes = (size_t)memory << 18;
    }
    play.is_open = true;
    return true;
}

static bool do_start(const struct words *words)
{
    for (unsigned i = 0; i < words->count; i++) {
        unsigned server = 0;
        if (!parse_server(words->list[i], &server))
            return false;
        if (server_of(server)->is_running)
            return complain("%s is running already", words->list[i]);
        play.stage.servers[server].is_leaving = false;
        world_start(&play.stage.world, server);
    }
    return true;
}

static bool do_crash(const struct words *words)
{
    for (unsigned i = 0; i < words->count; i++) {
        unsigned server = 0;
        if (!parse_server(words->list[i], &server))
            return false;
        if (!server_of(server)->is_running)
            return complain("%s is not running", words->list[i]);
        world_crash(&play.stage.world, server);
    }
    return true;
}

static bool do_leave(const struct words *words)
{
    for (unsigned i = 0; i < words->count; i++) {
        unsigned server = 0;
        if (!parse_server(words->list[i], &server) || !is_awake(server))
            return false;
        play.stage.servers[server].is_leaving = true;
        world_leave(&play.stage.world, server);
    }
    return true;
}

static bool are_ready(void)
{
    for (unsigned i = 0; i < play.stage.servers_count; i++) {
        if (server_of(i)->is_running && !world_is_ready(&play.stage.world, i))
            return false;
    }
    return true;
}

/* It has written something, crashes, and is back when all are READY. */
static bool restart(unsigned server, unsigned round)
{
    struct world *world = &play.stage.world;
    char value[16];

    snprintf(value, sizeof(value), "%u", round);
    struct client_write write = {.kind = CLIENT_SET,
                                 .key = span_of_string(name_of(server)),
                                 .value = span_of_string(value)};
    if (!stage_write(&play.stage, server, &write))
        return complain("%s changed nothing", name_of(server));
    world_run(world, world->now + RESTART_PAUSE);
    world_crash(world, server);
    world_run(world, world->now + RESTART_PAUSE);
    world_start(world, server);
    time_us end = world->now + RESTART_MAX;
    while (!are_ready() && world->now < end)
        world_run(world, world->now + RESTART_PAUSE);
    return are_ready() || complain("%s was restarted, round %u: not all are "
                                   "READY after 30s",
                                   name_of(server), round);
}

/* restart NAMES, 50 times: one after the other */
static bool do_restart(const struct words *words)
{
    unsigned names_count = words->count;
    unsigned long times = 1;

    if (words->count > 2 &&
        strcmp(words->list[words->count - 1], "times") == 0) {
        names_count -= 2;
        if (!parse_number(words->list[names_count], 1000, &times))
            return false;
    }
    for (unsigned round = 1; round <= times; round++) {
        for (unsigned i = 0; i < names_count; i++) {
            unsigned server = 0;
            if (!parse_server(words->list[i], &server) || !is_awake(server) ||
                !restart(server, round))
                return false;
        }
    }
    return true;
}

static bool do_freeze(const struct words *words)
{
    struct world *world = &play.stage.world;
    time_us duration;
    unsigned server = 0;

    if (!parse_server(words->list[0], &server) || !is_awake(server) ||
        !parse_duration(words->list[1], &duration))
        return false;
    world_freeze(world, server, world->now + duration);
    return true;
}

static bool do_cut(const struct words *words)
{
    for (unsigned i = 0; i < words->count; i += 3) {
        unsigned from = 0;
        unsigned to = 0;
        if (i + 3 > words->count)
            return complain("say: cut a <-> b, or: cut a -> b");
        const char *arrow = words->list[i + 1];
        bool is_whole = strcmp(arrow, "<->") == 0;
        if (!is_whole && strcmp(arrow, "->") != 0)
            return complain("%s is neither <-> nor ->", arrow);
        if (!parse_server(words->list[i], &from) ||
            !parse_server(words->list[i + 2], &to))
            return false;
        world_cut(&play.stage.world, from, to, true);
        if (is_whole)
            world_cut(&play.stage.world, to, from, true);
    }
    return true;
}

static bool do_reset(const struct words *words)
{
    unsigned one = 0;
    unsigned other = 0;

    if (strcmp(words->list[1], "<->") != 0)
        return complain("say: reset a <-> b");
    if (!parse_server(words->list[0], &one) ||
        !parse_server(words->list[2], &other))
        return false;
    world_reset(&play.stage.world, one, other);
    return true;
}

/* slow a -> b, 500: kilobytes a second */
static bool do_slow(const struct words *words)
{
    unsigned from = 0;
    unsigned to = 0;
    unsigned long rate = 0;

    if (strcmp(words->list[1], "->") != 0)
        return complain("say: slow a -> b, 500");
    if (!parse_server(words->list[0], &from) ||
        !parse_server(words->list[2], &to) ||
        !parse_number(words->list[3], 1000000, &rate))
        return false;
    world_slow(&play.stage.world, from, to, rate * 1000);
    return true;
}

static bool do_mend(const struct words *words)
{
    struct world *world = &play.stage.world;

    (void)words;
    for (unsigned i = 0; i < world->servers_count; i++) {
        for (unsigned j = 0; j < world->servers_count; j++)
            world_cut(world, i, j, false);
    }
    return true;
}

static bool do_run(const struct words *words)
{
    time_us duration;

    if (!parse_duration(words->list[0], &duration))
        return false;
    world_run(&play.stage.world, play.stage.world.now + duration);
    return true;
}

static bool do_trace(const struct words *words)
{
    for (unsigned i = 0; i < words->count; i++) {
        unsigned server = 0;
        if (!parse_server(words->list[i], &server))
            return false;
        stage_trace(&play.stage, server);
    }
    return true;
}

/* ---- what clients do ---- */

static bool write_word(enum client_kind kind, const char *key,
                       const char *value, time_s exptime)
{
    struct client_write write = {.kind = kind,
                                 .key = span_of_string(key),
                                 .value = span_of_string(value),
                                 .exptime = exptime};

    if (!is_awake(play.server))
        return false;
    if (!stage_write(&play.stage, play.server, &write))
        return complain("%s changed nothing of %s", name_of(play.server), key);
    return true;
}

static bool do_set(const struct words *words)
{
    time_s exptime = 0;

    if (words->count > 2 &&
        (words->count != 4 || strcmp(words->list[2], "exptime") != 0))
        return complain("say: set KEY VALUE exptime 5s");
    if (words->count == 4 && !parse_exptime(words->list[3], &exptime))
        return false;
    return write_word(CLIENT_SET, words->list[0], words->list[1], exptime);
}

/* edit KEY OFFSET WORD: what is there, but for the word over it */
static bool do_edit(const struct words *words)
{
    static char value[FILL_VALUE_BYTES_MAX + 1];
    struct store *store = server_of(play.server)->store;
    struct span key = span_of_string(words->list[0]);
    struct span word = span_of_string(words->list[2]);
    struct store_hold hold;
    unsigned long offset;
    size_t bytes = 0;

    if (!parse_number(words->list[1], FILL_VALUE_BYTES_MAX, &offset))
        return false;
    store_hold(store, key, store_hash(store, key),
               world_time(&play.stage.world, play.server), &hold);
    if (hold.item != NULL && item_value(hold.item).length < sizeof(value)) {
        bytes = item_value(hold.item).length;
        span_copy((uint8_t *)value, item_value(hold.item));
    }
    store_release(&hold);
    if (offset + word.length > bytes)
        return complain("%s: only %zu bytes are there", words->list[0], bytes);
    span_copy((uint8_t *)value + offset, word);
    value[bytes] = '\0';
    return write_word(CLIENT_SET, words->list[0], value, 0);
}

static bool ask_homes(unsigned server, const char *key, struct order order)
{
    if (!play.stage.world.has_homes)
        return complain("there are no homes: say: farm NAMES homes");
    if (!is_awake(server))
        return false;
    order.key = span_of_string(key);
    return stage_order(&play.stage, server, &order) ||
           complain("too much is asked of homes");
}

static struct order order_to_count(void)
{
    return (struct order){.kind = LINEAR_INCR, .number = 1, .creates = true};
}

static bool do_count(const struct words *words)
{
    return ask_homes(play.server, words->list[0], order_to_count());
}

static bool do_add(const struct words *words)
{
    return ask_homes(play.server, words->list[0],
                     (struct order){.kind = LINEAR_ADD, .number = 1});
}

static bool do_lock(const struct words *words)
{
    return ask_homes(
        play.server, words->list[0],
        (struct order){.kind = LINEAR_ADD, .number = 1, .is_lock = true});
}

/* count KEY over 3s: a client each of those who are there, in turn, every so
 * often */
static bool do_count_over(const struct words *words)
{
    struct world *world = &play.stage.world;
    time_us duration;

    if (strcmp(words->list[1], "over") != 0)
        return complain("say: count KEY over 3s");
    if (!parse_duration(words->list[2], &duration))
        return false;
    time_us end = world->now + duration;
    for (unsigned i = 0; world->now < end; i++) {
        unsigned server = i % play.stage.servers_count;
        if (world_is_awake(world, server) && world_is_ready(world, server) &&
            !play.stage.servers[server].is_leaving &&
            !ask_homes(server, words->list[0], order_to_count()))
            return false;
        world_run(world, world->now + COUNT_PAUSE);
    }
    return true;
}

/* key KEY at SERVER */
static bool do_key(const struct words *words)
{
    unsigned server = 0;

    if (strcmp(words->list[1], "at") != 0)
        return complain("say: key KEY at SERVER");
    if (!parse_server(words->list[2], &server) || !is_awake(server))
        return false;
    if (stage_find_server(&play.stage, words->list[0]) >= 0)
        return complain("%s is a server", words->list[0]);
    return stage_choose(&play.stage, words->list[0], server) ||
           complain("%s is home of no key", name_of(server));
}

static bool do_delete(const struct words *words)
{
    if (play.stage.world.has_homes)
        return ask_homes(play.server, words->list[0],
                         (struct order){.kind = LINEAR_DELETE});
    return write_word(CLIENT_DELETE, words->list[0], "", 0);
}

static bool do_touch(const struct words *words)
{
    time_s exptime;

    return parse_exptime(words->list[1], &exptime) &&
           write_word(CLIENT_TOUCH, words->list[0], "", exptime);
}

/* fill PREFIX COUNT [bytes N] [over TIME] */
static bool do_fill(const struct words *words)
{
    static char value[FILL_VALUE_BYTES_MAX + 1];
    unsigned long count;
    unsigned long bytes = 10;
    time_us duration = 0;

    if (!parse_number(words->list[1], STAGE_KEYS_MAX, &count))
        return false;
    for (unsigned i = 2; i < words->count; i += 2) {
        bool is_last = i + 1 == words->count;
        if (!is_last && strcmp(words->list[i], "bytes") == 0) {
            if (!parse_number(words->list[i + 1], FILL_VALUE_BYTES_MAX, &bytes))
                return false;
        } else if (!is_last && strcmp(words->list[i], "over") == 0) {
            if (!parse_duration(words->list[i + 1], &duration))
                return false;
        } else {
            return complain("say: fill PREFIX COUNT bytes N over TIME");
        }
    }
    memset(value, 'v', bytes);
    value[bytes] = '\0';
    for (unsigned long i = 0; i < count; i++) {
        char key[STAGE_KEY_BYTES_MAX + 1];
        snprintf(key, sizeof(key), "%.40s%lu", words->list[0], i);
        if (!write_word(CLIENT_SET, key, value, 0))
            return false;
        if (duration > 0)
            world_run(&play.stage.world,
                      play.stage.world.now + duration / count);
    }
    return true;
}

/* ---- checks ---- */

static bool expect(const char *what, const char *expected, const char *seen)
{
    if (strcmp(expected, seen) == 0)
        return true;
    return complain("%s: expected %s, saw %s", what, expected, seen);
}

/* What ends with `...` only begins so. */
static bool expect_value(const char *key, const char *expected)
{
    struct client_view view =
        client_look(&play.stage.world, play.server, span_of_string(key));
    size_t length = strlen(expected);

    if (view.is_item && length > 3 &&
        strcmp(expected + length - 3, "...") == 0 &&
        strncmp(expected, view.value, length - 3) == 0)
        return true;
    return expect(key, expected, view.is_item ? view.value : "miss");
}

/* A session's read: from the replica if it may be, else the farm is asked. */
static bool check_get(const struct words *words)
{
    const char *key = words->list[0];

    if (strcmp(words->list[1], "->") != 0)
        return complain("say: get KEY -> VALUE, or: get KEY -> miss");
    if (!is_awake(play.server))
        return false;
    struct client_view view =
        client_look(&play.stage.world, play.server, span_of_string(key));
    if ((!view.is_item || !client_is_fresh(&play.stage.world, play.server)) &&
        !stage_look_up(&play.stage, play.server, key))
        return complain("%s: the lookup found no end", key);
    return expect_value(key, words->list[2]);
}

/* The replica alone. */
static bool check_holds(const struct words *words)
{
    if (strcmp(words->list[1], "->") != 0)
        return complain("say: holds KEY -> VALUE, or: holds KEY -> miss");
    return expect_value(words->list[0], words->list[2]);
}

static bool check_items(const struct words *words)
{
    struct store *store = server_of(play.server)->store;
    struct store_figures figures;
    char seen[24];

    store_maintain(store, play.stage.world.now);
    store_read_figures(store, &figures);
    snprintf(seen, sizeof(seen), "%llu", (unsigned long long)figures.items);
    return expect("items", words->list[0], seen);
}

static bool expect_number(const char *what, const char *expected,
                          uint64_t number)
{
    char seen[24];

    snprintf(seen, sizeof(seen), "%llu", (unsigned long long)number);
    return expect(what, expected, seen);
}

/* Records of its journal that carry only what changed. */
static bool check_spliced(const struct words *words)
{
    return expect_number("splices", words->list[0],
                         journal_splices(server_of(play.server)->journal));
}

/* Those of others that did not fit what is here. */
static bool check_pulled(const struct words *words)
{
    struct farm_figures figures;

    farm_read_figures(server_of(play.server)->farm, &figures);
    return expect_number("splices of another base", words->list[0],
                         figures.splices_wanted);
}

static bool check_fresh(const struct words *words)
{
    (void)words;
    return expect("reads", "fresh",
                  client_is_fresh(&play.stage.world, play.server) ? "fresh"
                                                                  : "stale");
}

static bool check_stale(const struct words *words)
{
    (void)words;
    return expect("reads", "stale",
                  client_is_fresh(&play.stage.world, play.server) ? "fresh"
                                                                  : "stale");
}

static const char *state_of(unsigned server)
{
    struct farm_figures figures;

    if (!server_of(server)->is_running)
        return "crashed";
    farm_read_figures(server_of(server)->farm, &figures);
    return stage_state_name(figures.state);
}

static bool check_state(const struct words *words)
{
    return expect("state", words->list[0], state_of(play.server));
}

/* Of those with the name, one that lives goes before its predecessors. */
static bool check_sees(const struct words *words)
{
    struct farm_member rows[FARM_MEMBERS_MAX + 1];
    size_t count = farm_read_members(server_of(play.server)->farm, rows);
    uint8_t state = 0;
    unsigned other;

    if (!parse_server(words->list[0], &other))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].name, words->list[0]) != 0)
            continue;
        if (state == 0 || state >= MEMBER_DEAD)
            state = rows[i].state;
    }
    return expect(words->list[0], words->list[1], stage_state_name(state));
}

static bool check_outcome(const char *expected)
{
    static const char *const names[] = {"waiting", "answered", "degraded"};
    int last = play.stage.servers[play.server].last_write;

    if (last < 0)
        return complain("nothing was written there");
    return expect("the last write", expected,
                  names[play.stage.writes[last].outcome]);
}

static bool check_answered(const struct words *words)
{
    (void)words;
    return check_outcome("answered");
}

static bool check_degraded(const struct words *words)
{
    (void)words;
    return check_outcome("degraded");
}

static bool check_waiting(const struct words *words)
{
    (void)words;
    return check_outcome("waiting");
}

static bool check_told(const struct words *words)
{
    int last = play.stage.servers[play.server].last_order;
    char told[STAGE_TOLD_BYTES];

    if (last < 0)
        return complain("nothing was asked there of homes");
    stage_told(&play.stage.orders[last], told);
    return expect("the last order", words->list[0], told);
}

static bool check_home(const struct words *words)
{
    int home = stage_home(&play.stage, play.server, words->list[0]);

    return expect("home", words->list[1],
                  home < 0 ? "nobody" : name_of((unsigned)home));
}

/* So many orders, as home of their keys. */
static bool check_executed(const struct words *words)
{
    struct farm_figures figures;

    farm_read_figures(server_of(play.server)->farm, &figures);
    return expect_number("executed", words->list[0], figures.commands_executed);
}

/* No two clients were told the same number. */
static bool is_told_once(unsigned number)
{
    const struct stage_order *order = &play.stage.orders[number];

    for (unsigned i = 0; i < number; i++) {
        const struct stage_order *other = &play.stage.orders[i];
        if (other->key == order->key && other->kind == order->kind &&
            other->is_told && other->verdict == FARM_VERDICT_DECIDED &&
            other->result.number == order->result.number)
            return complain("%llu was told twice",
                            (unsigned long long)order->result.number);
    }
    return true;
}

/* counted KEY, or: counted KEY without errors */
static bool check_counted(const struct words *words)
{
    bool may_fail = words->count == 1;
    int key = stage_key(&play.stage, words->list[0]);
    unsigned count = 0;
    char told[STAGE_TOLD_BYTES];

    if (!may_fail &&
        (words->count != 3 || strcmp(words->list[1], "without") != 0 ||
         strcmp(words->list[2], "errors") != 0))
        return complain("say: counted KEY, or: counted KEY without errors");
    for (unsigned i = 0; i < play.stage.orders_count; i++) {
        const struct stage_order *order = &play.stage.orders[i];
        if ((int)order->key != key || order->kind != LINEAR_INCR)
            continue;
        bool is_decided =
            order->is_told && order->verdict == FARM_VERDICT_DECIDED;
        stage_told(order, told);
        if (!is_decided && !may_fail)
            return complain("count %u was told %s", i + 1, told);
        if (is_decided && !is_told_once(i))
            return false;
        count += is_decided;
    }
    return count > 0 || complain("nobody counted %s", words->list[0]);
}

/* READY, and the same: by digest, and each key that the play knows. */
static bool is_equal(unsigned first, unsigned server)
{
    struct world *world = &play.stage.world;

    if (!world_is_ready(world, server))
        return complain("%s: expected ready, saw %s", name_of(server),
                        state_of(server));
    for (unsigned i = 0; i < play.stage.keys_count; i++) {
        const char *key = play.stage.keys[i].name;
        struct client_view one = client_look(world, first, span_of_string(key));
        struct client_view other =
            client_look(world, server, span_of_string(key));
        if (one.is_want || other.is_want)
            return complain("%s: expected its state, saw a want at %s", key,
                            name_of(one.is_want ? first : server));
        if (one.version != other.version || one.stamp != other.stamp ||
            one.is_item != other.is_item)
            return complain(
                "%s: expected the same on all, saw %s at %s and "
                "%s at %s",
                key, one.is_item ? one.value : "a miss", name_of(first),
                other.is_item ? other.value : "a miss", name_of(server));
    }
    store_maintain(server_of(server)->store, world->now);
    store_check(server_of(server)->store);
    if (store_digest(server_of(server)->store) !=
        store_digest(server_of(first)->store))
        return complain("expected equal digests, saw others at %s and %s",
                        name_of(first), name_of(server));
    return true;
}

static bool check_all_equal(void)
{
    int first = -1;

    for (unsigned i = 0; i < play.stage.servers_count; i++) {
        if (!server_of(i)->is_running)
            continue;
        if (first < 0)
            first = (int)i;
        if (!is_equal((unsigned)first, i))
            return false;
    }
    return first >= 0 || complain("nobody is running");
}

static bool check_all(const struct words *words)
{
    if (strcmp(words->list[0], "equal") == 0)
        return check_all_equal();
    if (strcmp(words->list[0], "ready") != 0)
        return complain("say: all ready, or: all equal");
    for (unsigned i = 0; i < play.stage.servers_count; i++) {
        if (server_of(i)->is_running &&
            !expect(name_of(i), "ready", state_of(i)))
            return false;
    }
    return true;
}

/* What was answered, not degraded, is older nowhere. */
static bool check_nothing(const struct words *words)
{
    if (strcmp(words->list[0], "lost") != 0)
        return complain("say: nothing lost");
    for (unsigned i = 0; i < play.stage.servers_count; i++) {
        if (!world_is_ready(&play.stage.world, i))
            continue;
        for (unsigned j = 0; j < play.stage.keys_count; j++) {
            const struct stage_key *key = &play.stage.keys[j];
            struct client_view view =
                client_look(&play.stage.world, i, span_of_string(key->name));
            if (view.version < key->version || view.stamp < key->stamp)
                return complain("%s: expected what was answered, saw %s, "
                                "older, at %s",
                                key->name, view.is_item ? view.value : "a miss",
                                name_of(i));
        }
    }
    return true;
}

/* ---- lines ---- */

struct verb {
    const char *name;
    unsigned words_min;
    unsigned words_max;
    bool is_check;
    bool (*act)(const struct words *words);
};

static const struct verb farm_verbs[] = {
    {"farm", 1, WORDS_MAX, false, do_farm},
    {"start", 1, WORDS_MAX, false, do_start},
    {"crash", 1, WORDS_MAX, false, do_crash},
    {"leave", 1, WORDS_MAX, false, do_leave},
    {"restart", 1, WORDS_MAX, false, do_restart},
    {"freeze", 2, 2, false, do_freeze},
    {"cut", 3, WORDS_MAX, false, do_cut},
    {"reset", 3, 3, false, do_reset},
    {"slow", 4, 4, false, do_slow},
    {"mend", 0, 0, false, do_mend},
    {"run", 1, 1, false, do_run},
    {"trace", 1, WORDS_MAX, false, do_trace},
    {"key", 3, 3, false, do_key},
    {"count", 3, 3, false, do_count_over},
    {"counted", 1, 3, true, check_counted},
    {"all", 1, 1, true, check_all},
    {"nothing", 1, 1, true, check_nothing},
    {NULL, 0, 0, false, NULL}};

static const struct verb server_verbs[] = {
    {"set", 2, 4, false, do_set},
    {"edit", 3, 3, false, do_edit},
    {"delete", 1, 1, false, do_delete},
    {"touch", 2, 2, false, do_touch},
    {"fill", 2, 6, false, do_fill},
    {"count", 1, 1, false, do_count},
    {"add", 1, 1, false, do_add},
    {"lock", 1, 1, false, do_lock},
    {"told", 1, 1, true, check_told},
    {"home", 2, 2, true, check_home},
    {"executed", 1, 1, true, check_executed},
    {"get", 3, 3, true, check_get},
    {"holds", 3, 3, true, check_holds},
    {"items", 1, 1, true, check_items},
    {"spliced", 1, 1, true, check_spliced},
    {"pulled", 1, 1, true, check_pulled},
    {"fresh", 0, 0, true, check_fresh},
    {"stale", 0, 0, true, check_stale},
    {"state", 1, 1, true, check_state},
    {"sees", 2, 2, true, check_sees},
    {"answered", 0, 0, true, check_answered},
    {"degraded", 0, 0, true, check_degraded},
    {"waiting", 0, 0, true, check_waiting},
    {NULL, 0, 0, false, NULL}};

static const struct verb *find_verb(const struct verb *table, const char *name)
{
    for (; table->name != NULL; table++) {
        if (strcmp(table->name, name) == 0)
            return table;
    }
    return NULL;
}

static void drop_words(struct words *words, unsigned count)
{
    words->count -= count;
    memmove(words->list, words->list + count,
            words->count * sizeof(words->list[0]));
}

/* The line's verb, which is taken from the words. */
static const struct verb *take_verb(struct words *words)
{
    const struct verb *verb = find_verb(farm_verbs, words->list[0]);

    if (!play.is_open && (verb == NULL || verb->act != do_farm)) {
        complain("a play begins with: farm NAMES seed NUMBER");
        return NULL;
    }
    if (verb == NULL) {
        if (!parse_server(words->list[0], &play.server)) {
            complain("%s is neither a server nor a verb", words->list[0]);
            return NULL;
        }
        drop_words(words, 1);
        verb =
            words->count == 0 ? NULL : find_verb(server_verbs, words->list[0]);
        if (verb == NULL) {
            complain("%s does what? `%s` is no verb", name_of(play.server),
                     words->count == 0 ? "" : words->list[0]);
            return NULL;
        }
        if (!server_of(play.server)->is_running) {
            complain("%s is not running", name_of(play.server));
            return NULL;
        }
    }
    drop_words(words, 1);
    for (unsigned i = 0; i < words->count && verb->act != do_key; i++)
        words->list[i] = stage_key_called(&play.stage, words->list[i]);
    if (words->count < verb->words_min || words->count > verb->words_max) {
        complain("`%s` has %u words behind it, not %u", verb->name,
                 verb->words_min, words->count);
        return NULL;
    }
    return verb;
}

static bool act_within(const struct verb *verb, const struct words *words,
                       time_us duration)
{
    struct world *world = &play.stage.world;
    time_us end = world->now + duration;

    while (!verb->act(words)) {
        if (world->now >= end)
            return false;
        time_us next = world->now + WITHIN_STEP;
        world_run(world, next < end ? next : end);
    }
    return true;
}

static bool act_words(struct words *words)
{
    time_us duration = 0;
    bool waits = strcmp(words->list[0], "within") == 0;

    if (waits) {
        if (words->count < 3)
            return complain("say: within TIME CHECK");
        if (!parse_duration(words->list[1], &duration))
            return false;
        drop_words(words, 2);
    }
    const struct verb *verb = take_verb(words);
    if (verb == NULL)
        return false;
    if (waits && !verb->is_check)
        return complain("`within` stands before a check, and `%s` is none",
                        verb->name);
    return waits ? act_within(verb, words, duration) : verb->act(words);
}

/* Commas are spaces; `#` begins a comment. */
static bool split(char *line, struct words *words)
{
    words->count = 0;
    for (char *word = strtok(line, " \t\r,"); word != NULL;
         word = strtok(NULL, " \t\r,")) {
        if (word[0] == '#')
            break;
        if (words->count == WORDS_MAX)
            return complain("more than %d words", WORDS_MAX);
        words->list[words->count++] = word;
    }
    return true;
}

/* ---- files ---- */

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    size_t bytes = 0;

    if (file == NULL)
        return NULL;
    for (size_t got = 1; got > 0; bytes += got) {
        text = realloc(text, bytes + 4096 + 1);
        assert(text != NULL);
        got = fread(text + bytes, 1, 4096, file);
    }
    fclose(file);
    text[bytes] = '\0';
    return text;
}

/* Where the transcript begins, behind its `----`; NULL if there is none. */
static char *find_transcript(char *text)
{
    for (char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += line != text;
        if (strncmp(line, "----", 4) == 0 &&
            (line[4] == '\n' || line[4] == '\0'))
            return line + 4 + (line[4] == '\n');
    }
    return NULL;
}

static bool act_script(char *script)
{
    char *next;

    for (char *line = script; line != NULL; line = next) {
        struct words words;
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        play.line++;
        if (!split(line, &words) || (words.count > 0 && !act_words(&words)))
            return false;
    }
    if (!play.is_open)
        return complain("there is no farm in it");
    return play.stage.world.bounds.excesses == 0 ||
           complain("a server asked for or kept more than it may");
}

static bool rewrite(const char *script, const char *transcript)
{
    FILE *file = fopen(play.path, "wb");

    if (file == NULL)
        return complain("it cannot be written");
    fprintf(file, "%s", script);
    if (transcript[0] != '\0')
        fprintf(file, "----\n%s", transcript);
    return fclose(file) == 0 || complain("it cannot be written");
}

/* The first line that differs, for people. */
static bool compare_transcripts(const char *expected, const char *seen)
{
    while (*expected != '\0' || *seen != '\0') {
        size_t expected_bytes = strcspn(expected, "\n");
        size_t seen_bytes = strcspn(seen, "\n");
        play.line++;
        if (expected_bytes != seen_bytes ||
            memcmp(expected, seen, seen_bytes) != 0)
            return complain("the transcript: expected `%.*s`, saw `%.*s` "
                            "(REWRITE=1 puts it right)",
                            (int)expected_bytes, expected, (int)seen_bytes,
                            seen);
        expected += expected_bytes + (expected[expected_bytes] != '\0');
        seen += seen_bytes + (seen[seen_bytes] != '\0');
    }
    return true;
}

static bool act_text(char *text, bool rewrites)
{
    char *expected = find_transcript(text);
    size_t script_bytes =
        expected == NULL ? strlen(text) : (size_t)(expected - text);

    /* Not the line of dashes itself. */
    while (expected != NULL && text[script_bytes - 1] != '-')
        script_bytes--;
    if (expected != NULL)
        script_bytes -= 4;
    char *script = strndup(text, script_bytes);
    char *acted = strndup(text, script_bytes);
    assert(script != NULL && acted != NULL);
    bool holds = act_script(acted);
    if (holds) {
        const char *seen =
            play.stage.transcript != NULL ? play.stage.transcript : "";
        holds = rewrites ? rewrite(script, seen)
                         : compare_transcripts(expected == NULL ? "" : expected,
                                               seen);
    }
    free(script);
    free(acted);
    return holds;
}

static bool play_file(const char *path, bool rewrites)
{
    char *text;

    memset(&play, 0, sizeof(play));
    play.path = path;
    text = read_file(path);
    bool holds =
        text == NULL ? complain("it cannot be read") : act_text(text, rewrites);
    if (play.is_open)
        stage_close(&play.stage);
    free(text);
    return holds;
}

/* The file's name, without folder, ending and underscores. */
static void print_title(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    size_t bytes = strcspn(name, ".");

    for (size_t i = 0; i < bytes; i++)
        putchar(name[i] == '_' ? ' ' : name[i]);
    putchar('\n');
}

int play_files(char **paths, int count, bool rewrites)
{
    int failed = 0;

    printf("1..%d\n", count);
    for (int i = 0; i < count; i++) {
        bool holds = play_file(paths[i], rewrites);
        failed += !holds;
        printf("%sok %d - ", holds ? "" : "not ", i + 1);
        print_title(paths[i]);
        if (!holds)
            printf("# %s:%u: %s\n", paths[i], play.line, play.complaint);
    }
    return failed > 0;
}
