/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What differs between two values is found, is sent, and makes the one from
 * the other; where it cannot, or somebody lies, nothing is changed.
 */
#include "proto/base/prng.h"
#include "proto/grapevine/record.h"
#include "tests/unit/customer.h"

#define BASE ((START_US - TIME_US_PER_S) << 12)
#define VALUE_BYTES_MAX 20000
#define CHAIN 8

/* ---- between two values ---- */

static size_t apply(const struct splice *change, struct span before,
                    struct span put, uint8_t *to)
{
    size_t back = change->offset + change->cut_bytes;
    uint8_t *at = span_copy(to, span_of(before.data, change->offset));

    at = span_copy(at, put);
    at = span_copy(at, span_of(before.data + back, before.length - back));
    return (size_t)(at - to);
}

/* Exact-size copies, so that a byte too far is seen. */
static struct splice check_between(struct span before, struct span after)
{
    uint8_t *one = malloc(before.length + 1);
    uint8_t *other = malloc(after.length + 1);
    uint8_t *made = malloc(after.length + before.length + 1);
    struct span first = span_of(one + 1, before.length);
    struct span second = span_of(other + 1, after.length);

    span_copy(one + 1, before);
    span_copy(other + 1, after);
    struct splice change = splice_between(first, second);
    assert_true(change.offset + change.cut_bytes <= before.length);
    assert_true(change.offset + change.put_bytes <= after.length);
    size_t bytes =
        apply(&change, first,
              span_of(second.data + change.offset, change.put_bytes), made);
    assert_true(span_equal(span_of(made, bytes), second));
    free(one);
    free(other);
    free(made);
    return change;
}

static void what_two_values_have_in_common_stays(void **state)
{
    static const struct {
        const char *before;
        const char *after;
        struct splice change;
    } cases[] = {{"", "", {0, 0, 0}},
                 {"", "abc", {0, 0, 3}},
                 {"abc", "", {0, 3, 0}},
                 {"abc", "abc", {3, 0, 0}},
                 {"abc", "abd", {2, 1, 1}},
                 {"abc", "xbc", {0, 1, 1}},
                 {"abc", "abcd", {3, 0, 1}},
                 {"abc", "zabc", {0, 0, 1}},
                 {"aaaa", "aaa", {3, 1, 0}},
                 {"aaa", "aaaa", {3, 0, 1}},
                 {"abab", "ab", {2, 2, 0}},
                 {"cart=1;user=7", "cart=22;user=7", {5, 1, 2}}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct splice change = check_between(span_of_string(cases[i].before),
                                             span_of_string(cases[i].after));
        assert_memory_equal(&change, &cases[i].change, sizeof(change));
    }
}

static void any_difference_makes_the_one_from_the_other(void **state)
{
    struct prng prng = {.state = 3};

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t before[1200];
        uint8_t after[1300];
        size_t bytes = prng_below(&prng, sizeof(before));
        size_t offset = prng_below(&prng, bytes + 1);
        struct splice made = {.offset = offset,
                              .cut_bytes =
                                  prng_below(&prng, bytes - offset + 1),
                              .put_bytes = prng_below(&prng, 100)};
        uint8_t put[100];
        for (size_t i = 0; i < bytes; i++)
            before[i] = (uint8_t)prng_below(&prng, 2 + round % 7);
        for (size_t i = 0; i < made.put_bytes; i++)
            put[i] = (uint8_t)prng_below(&prng, 2 + round % 7);
        size_t length = apply(&made, span_of(before, bytes),
                              span_of(put, made.put_bytes), after);
        struct splice found =
            check_between(span_of(before, bytes), span_of(after, length));
        assert_true(found.put_bytes <= made.put_bytes);
        assert_true(found.cut_bytes <= made.cut_bytes);
    }
}

/* ---- on the wire ---- */

static enum decode_result decode_lie(uint32_t value_bytes, uint32_t offset,
                                     uint32_t cut_bytes, uint32_t put_bytes,
                                     size_t bytes_there)
{
    uint8_t bytes[128];
    struct record record;
    struct writer writer = writer_of(bytes, sizeof(bytes));

    write_u8(&writer, RECORD_SPLICE);
    write_u8(&writer, 0);
    write_u8(&writer, 0);
    write_u32(&writer, 0);
    write_u32(&writer, 0);
    write_u64(&writer, 10);
    write_short(&writer, SPAN("key"));
    write_u32(&writer, value_bytes);
    write_u64(&writer, 9);
    write_u32(&writer, offset);
    write_u32(&writer, cut_bytes);
    write_u32(&writer, put_bytes);
    for (size_t i = 0; i < bytes_there; i++)
        write_u8(&writer, 'x');
    assert_true(writer.ok);
    uint8_t *copy = malloc(writer.used_bytes);
    memcpy(copy, bytes, writer.used_bytes);
    enum decode_result result =
        record_decode(span_of(copy, writer.used_bytes), &record);
    free(copy);
    return result;
}

static void lengths_that_contradict_each_other_are_malformed(void **state)
{
    (void)state;
    assert_int_equal(decode_lie(10, 5, 2, 5, 5), DECODE_OK);
    assert_int_equal(decode_lie(10, 0, UINT32_MAX - 5, 5, 5), DECODE_OK);
    assert_int_equal(decode_lie(0, 0, 0, 0, 0), DECODE_OK);
    assert_int_equal(decode_lie(UINT32_MAX, 0, 0, 5, 5), DECODE_OK);
    /* More is put than there is in the end. */
    assert_int_equal(decode_lie(4, 0, 0, 5, 5), DECODE_MALFORMED);
    assert_int_equal(decode_lie(0, 0, 0, 5, 5), DECODE_MALFORMED);
    /* Behind the end. */
    assert_int_equal(decode_lie(10, 6, 2, 5, 5), DECODE_MALFORMED);
    assert_int_equal(decode_lie(10, UINT32_MAX, 0, 0, 0), DECODE_MALFORMED);
    /* What it is made from is longer than any value. */
    assert_int_equal(decode_lie(10, 0, UINT32_MAX - 4, 5, 5), DECODE_MALFORMED);
    /* Not there. */
    assert_int_equal(decode_lie(10, 5, 2, 5, 4), DECODE_MALFORMED);
    assert_int_equal(decode_lie(UINT32_MAX, 0, 0, UINT32_MAX, 60),
                     DECODE_MALFORMED);
}

static void a_session_with_a_small_change_is_a_small_record(void **state)
{
    static uint8_t session[50 * 1024];
    struct record whole = {
        .kind = RECORD_UPDATE,
        .version = 2,
        .stamp = 2,
        .token = 2,
        .key = SPAN("memc.sess.key.0123456789abcdef0123456789abcdef"),
        .value = span_of(session, sizeof(session))};
    struct splice change = {.offset = 777, .cut_bytes = 20, .put_bytes = 20};
    struct record splice = record_splice(&whole, 1, &change);

    (void)state;
    assert_true(record_bytes(&splice) < 130);
    assert_int_equal(splice.value_bytes, sizeof(session));
    assert_int_equal(splice.value.length, 20);
    assert_ptr_equal(splice.value.data, session + 777);
}

/* ---- into the store ---- */

static void hold_key(struct store_hold *held)
{
    store_hold(store, SPAN("key"), store_hash(store, SPAN("key")), now, held);
}

static enum merge_result tell_whole(uint64_t version, struct span whole)
{
    struct store_write news = {.parts = {whole}, .version = BASE + version};
    struct store_hold held;

    hold_key(&held);
    enum merge_result result = store_merge(&held, NEWS_STATE, &news);
    store_release(&held);
    return result;
}

static enum merge_result tell_gone(uint64_t version)
{
    struct store_write news = {.version = BASE + version};
    struct store_hold held;

    hold_key(&held);
    enum merge_result result = store_merge(&held, NEWS_DELETED, &news);
    store_release(&held);
    return result;
}

static enum merge_result tell_splice(uint64_t version, uint64_t base,
                                     struct splice change, struct span put,
                                     size_t value_bytes)
{
    struct store_write news = {.parts = {put}, .version = BASE + version};
    struct store_splice splice = {
        .base = BASE + base, .value_bytes = value_bytes, .change = change};
    struct store_hold held;

    hold_key(&held);
    enum merge_result result = store_merge_splice(&held, &news, &splice);
    store_release(&held);
    return result;
}

static void expect(uint64_t version, struct span expected)
{
    struct store_hold held;

    hold_key(&held);
    assert_non_null(held.item);
    assert_int_equal(held.item->version, BASE + version);
    assert_true(span_equal(item_value(held.item), expected));
    store_release(&held);
    store_check(store);
}

static void a_splice_makes_the_value_from_its_base(void **state)
{
    (void)state;
    assert_int_equal(tell_whole(10, SPAN("one two three")), MERGE_TAKEN);
    /* In its place, shorter, longer than the item's room. */
    assert_int_equal(
        tell_splice(20, 10, (struct splice){4, 3, 3}, SPAN("TWO"), 13),
        MERGE_TAKEN);
    expect(20, SPAN("one TWO three"));
    assert_int_equal(tell_splice(30, 20, (struct splice){0, 4, 0}, SPAN(""), 9),
                     MERGE_TAKEN);
    expect(30, SPAN("TWO three"));
    assert_int_equal(
        tell_splice(40, 30, (struct splice){9, 0, 2}, SPAN("!!"), 11),
        MERGE_TAKEN);
    expect(40, SPAN("TWO three!!"));
    assert_int_equal(tell_splice(50, 40, (struct splice){3, 0, 30},
                                 SPAN("012345678901234567890123456789"), 41),
                     MERGE_TAKEN);
    expect(50, SPAN("TWO012345678901234567890123456789 three!!"));
    assert_int_equal(
        tell_splice(60, 50, (struct splice){0, 41, 0}, SPAN(""), 0),
        MERGE_TAKEN);
    expect(60, SPAN(""));
    /* Nothing changed but the version. */
    assert_int_equal(tell_splice(70, 60, (struct splice){0, 0, 0}, SPAN(""), 0),
                     MERGE_TAKEN);
    expect(70, SPAN(""));
}

static void a_splice_of_something_else_changes_nothing(void **state)
{
    struct splice change = {4, 3, 3};

    (void)state;
    assert_int_equal(tell_splice(20, 10, change, SPAN("TWO"), 13),
                     MERGE_NO_BASE);
    assert_int_equal(tell_whole(12, SPAN("one two three")), MERGE_TAKEN);
    assert_int_equal(tell_splice(20, 10, change, SPAN("TWO"), 13),
                     MERGE_NO_BASE);
    assert_int_equal(tell_splice(20, 15, change, SPAN("TWO"), 13),
                     MERGE_NO_BASE);
    expect(12, SPAN("one two three"));
    /* Deleted meanwhile, or only known to exist. */
    assert_int_equal(tell_gone(14), MERGE_TAKEN);
    assert_int_equal(tell_splice(20, 12, change, SPAN("TWO"), 13),
                     MERGE_NO_BASE);
    assert_int_equal(tell_splice(13, 12, change, SPAN("TWO"), 13), MERGE_OLDER);
    struct store_write life = {.version = BASE + 20};
    struct store_hold held;
    hold_key(&held);
    assert_int_equal(store_merge(&held, NEWS_LIFE, &life), MERGE_WANTED);
    store_release(&held);
    assert_int_equal(tell_splice(20, 12, change, SPAN("TWO"), 13),
                     MERGE_NO_BASE);
    assert_int_equal(tell_splice(30, 20, change, SPAN("TWO"), 13),
                     MERGE_NO_BASE);
}

static void a_lie_about_the_base_changes_nothing(void **state)
{
    static uint8_t much[ITEM_BYTES_MAX];

    (void)state;
    assert_int_equal(tell_whole(10, SPAN("one two three")), MERGE_TAKEN);
    static const struct {
        struct splice change;
        size_t value_bytes;
    } lies[] = {{{14, 0, 3}, 16},         {{13, 1, 3}, 15},
                {{4, 3, 3}, 12},          {{4, 3, 3}, 14},
                {{0, 14, 3}, 2},          {{SIZE_MAX, 0, 3}, 16},
                {{0, SIZE_MAX, 3}, 17},   {{UINT32_MAX, 3, 3}, 13},
                {{4, UINT32_MAX, 3}, 13}, {{4, 3, 3}, UINT32_MAX}};
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
        assert_int_equal(tell_splice(20, 10, lies[i].change, SPAN("TWO"),
                                     lies[i].value_bytes),
                         MERGE_NO_BASE);
    /* Larger than this server takes. */
    assert_int_equal(tell_splice(20, 10, (struct splice){13, 0, sizeof(much)},
                                 span_of(much, sizeof(much)),
                                 13 + sizeof(much)),
                     MERGE_NO_BASE);
    expect(10, SPAN("one two three"));
}

static void what_is_older_or_known_is_dropped(void **state)
{
    struct splice change = {4, 3, 3};

    (void)state;
    tell_whole(10, SPAN("one two three"));
    tell_whole(20, SPAN("other"));
    assert_int_equal(tell_splice(15, 10, change, SPAN("TWO"), 13), MERGE_OLDER);
    assert_int_equal(tell_splice(20, 10, change, SPAN("TWO"), 13), MERGE_OLDER);
    expect(20, SPAN("other"));
}

/* What has died by its old life, and lives by that of the splice. */
static void a_base_that_has_died_serves_as_one(void **state)
{
    struct store_write brief = {.parts = {SPAN("one two three")},
                                .version = BASE + 10,
                                .exptime = START_S + 5};
    struct store_write news = {
        .parts = {SPAN("TWO")}, .version = BASE + 20, .exptime = START_S + 99};
    struct store_splice splice = {BASE + 10, 13, {4, 3, 3}};
    struct store_hold held;

    (void)state;
    hold_key(&held);
    assert_int_equal(store_merge(&held, NEWS_STATE, &brief), MERGE_TAKEN);
    store_release(&held);
    pass(7);
    hold_key(&held);
    assert_null(held.item);
    assert_int_equal(store_merge_splice(&held, &news, &splice), MERGE_TAKEN);
    store_release(&held);
    expect(20, SPAN("one TWO three"));
}

/* A newer touch has ended the life that the splice would give. */
static void a_splice_of_what_is_to_be_dead_leaves_a_grave(void **state)
{
    struct store_write touch = {
        .version = BASE + 10, .stamp = BASE + 30, .exptime = START_S - 5};
    struct store_hold held;

    (void)state;
    tell_whole(10, SPAN("one two three"));
    hold_key(&held);
    assert_int_equal(store_merge(&held, NEWS_LIFE, &touch), MERGE_TAKEN);
    store_release(&held);
    assert_int_equal(
        tell_splice(20, 10, (struct splice){4, 3, 3}, SPAN("TWO"), 13),
        MERGE_NO_BASE);
    tell_whole(20, SPAN("one TWO three"));
    hold_key(&held);
    assert_null(held.item);
    assert_int_equal(held.stub.kind, STUB_EXPIRED);
    assert_int_equal(held.stub.version, BASE + 20);
    store_release(&held);
}

static void a_reader_keeps_the_value_that_it_has_pinned(void **state)
{
    static uint8_t large[VALUE_BYTES_MAX];
    static uint8_t expected[VALUE_BYTES_MAX];
    struct store_hold held;

    (void)state;
    memset(large, 'a', sizeof(large));
    memset(expected, 'a', sizeof(expected));
    memset(expected + 100, 'b', 5);
    tell_whole(10, span_of(large, sizeof(large)));
    hold_key(&held);
    struct span read = item_value(held.item);
    struct segment *pinned = store_pin(&held);
    store_release(&held);
    assert_non_null(pinned);
    assert_int_equal(tell_splice(20, 10, (struct splice){100, 5, 5},
                                 SPAN("bbbbb"), sizeof(large)),
                     MERGE_TAKEN);
    assert_memory_equal(read.data, large, sizeof(large));
    store_unpin(store, pinned);
    expect(20, span_of(expected, sizeof(expected)));
    /* Nobody reads now: it is changed where it is. */
    hold_key(&held);
    struct span before = item_value(held.item);
    store_release(&held);
    assert_int_equal(tell_splice(30, 20, (struct splice){100, 5, 5},
                                 SPAN("aaaaa"), sizeof(large)),
                     MERGE_TAKEN);
    hold_key(&held);
    assert_ptr_equal(item_value(held.item).data, before.data);
    store_release(&held);
    expect(30, span_of(large, sizeof(large)));
}

static int set_up_full(void **state)
{
    (void)state;
    open_store(false, true);
    return 0;
}

static void without_memory_nothing_is_changed(void **state)
{
    static uint8_t large[VALUE_BYTES_MAX];
    char name[16];

    (void)state;
    tell_whole(10, SPAN("one two three"));
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "filler%u", i);
        struct span span = span_of_string(name);
        struct store_write write = {.parts = {span_of(large, 5000)},
                                    .version = BASE + 11};
        struct store_hold held;
        store_hold(store, span, store_hash(store, span), now, &held);
        enum store_result result = store_put(&held, &write);
        store_release(&held);
        if (result != STORE_OK)
            break;
    }
    assert_int_equal(tell_splice(20, 10, (struct splice){13, 0, sizeof(large)},
                                 span_of(large, sizeof(large)),
                                 13 + sizeof(large)),
                     MERGE_NO_ROOM);
    expect(10, SPAN("one two three"));
    assert_int_equal(
        tell_splice(20, 10, (struct splice){4, 3, 3}, SPAN("TWO"), 13),
        MERGE_TAKEN);
}

/* ---- by law ---- */

struct link_of_chain {
    uint64_t version;
    uint64_t base; /* 0: whole, or a delete */
    bool is_gone;
    struct splice change;
    uint8_t value[400];
    size_t value_bytes;
};

/* Writers that each know some state of before, not always the last. */
static void make_chain(struct prng *prng, struct link_of_chain chain[CHAIN])
{
    for (unsigned i = 0; i < CHAIN; i++) {
        struct link_of_chain *link = &chain[i];
        const struct link_of_chain *base =
            i == 0 ? NULL : &chain[i - 1 - prng_below(prng, i < 3 ? i : 3)];
        *link = (struct link_of_chain){.version = 10 * (i + 1)};
        if (i > 0 && prng_below(prng, 6) == 0) {
            link->is_gone = true;
            continue;
        }
        if (base == NULL || base->is_gone || prng_below(prng, 4) == 0) {
            link->value_bytes = prng_below(prng, 300);
            memset(link->value, 'a' + (int)i, link->value_bytes);
            continue;
        }
        link->value_bytes = base->value_bytes;
        memcpy(link->value, base->value, base->value_bytes);
        for (unsigned j = 0; j < 5 && link->value_bytes > 0; j++)
            link->value[prng_below(prng, link->value_bytes)] =
                (uint8_t)('A' + i);
        if (prng_below(prng, 2) == 0)
            link->value[link->value_bytes++] = (uint8_t)('0' + i);
        link->base = base->version;
        link->change = splice_between(span_of(base->value, base->value_bytes),
                                      span_of(link->value, link->value_bytes));
    }
}

/* What its base is not here for is pulled, sooner or later. */
static bool tell_link(const struct link_of_chain *link, bool is_pulled)
{
    struct span whole = span_of(link->value, link->value_bytes);
    enum merge_result result;

    if (link->is_gone)
        result = tell_gone(link->version);
    else if (link->base == 0 || is_pulled)
        result = tell_whole(link->version, whole);
    else
        result = tell_splice(
            link->version, link->base, link->change,
            span_of(whole.data + link->change.offset, link->change.put_bytes),
            whole.length);
    assert_int_not_equal(result, MERGE_NO_ROOM);
    return result == MERGE_NO_BASE;
}

static void order_and_repetition_do_not_matter_to_splices(void **state)
{
    struct prng prng = {.state = 17};

    (void)state;
    for (unsigned round = 0; round < 5000; round++) {
        struct link_of_chain chain[CHAIN];
        bool is_wanted[CHAIN] = {false};
        unsigned order[CHAIN];
        make_chain(&prng, chain);
        for (unsigned i = 0; i < CHAIN; i++) {
            unsigned other = (unsigned)prng_below(&prng, i + 1);
            order[i] = order[other];
            order[other] = i;
        }
        for (unsigned i = 0; i < CHAIN; i++) {
            is_wanted[order[i]] = tell_link(&chain[order[i]], false);
            if (prng_below(&prng, 3) == 0)
                tell_link(&chain[order[prng_below(&prng, i + 1)]], false);
        }
        for (unsigned i = 0; i < CHAIN; i++) {
            if (is_wanted[i])
                tell_link(&chain[i], true);
        }
        const struct link_of_chain *last = &chain[CHAIN - 1];
        if (!last->is_gone)
            expect(last->version, span_of(last->value, last->value_bytes));
        tear_down(NULL);
        open_store(true, true);
    }
}

/* ---- from commands ---- */

static struct mutation tell_command(struct command command, bool splices)
{
    struct execution execution = begin();

    execution.replicates = true;
    execution.splices = splices;
    command.hash = store_hash(store, command.key);
    command_execute(&command, &execution);
    struct mutation mutation = execution.mutation;
    if (execution.is_held && execution.hold.item != NULL &&
        mutation.kind == MUTATION_UPDATE && mutation.base != 0)
        assert_true(mutation.change.offset + mutation.change.put_bytes <=
                    item_value(execution.hold.item).length);
    command_finish(&execution);
    return mutation;
}

static uint64_t version_of_a(void)
{
    struct store_hold held;

    store_hold(store, SPAN("a"), store_hash(store, SPAN("a")), now, &held);
    uint64_t version = held.item->version;
    store_release(&held);
    return version;
}

static void expect_change(struct command command, struct splice change)
{
    uint64_t base = version_of_a();
    struct mutation mutation = tell_command(command, true);

    assert_int_equal(mutation.kind, MUTATION_UPDATE);
    assert_int_equal(mutation.base, base);
    assert_memory_equal(&mutation.change, &change, sizeof(change));
}

static void commands_tell_what_they_changed(void **state)
{
    char text[301];

    (void)state;
    memset(text, 'x', 300);
    text[300] = '\0';
    struct mutation mutation =
        tell_command(storing(MODE_SET, "a", text, 0), true);
    assert_int_equal(mutation.kind, MUTATION_CREATE);
    text[120] = 'y';
    text[122] = 'y';
    expect_change(storing(MODE_SET, "a", text, 0), (struct splice){120, 3, 3});
    expect_change(storing(MODE_SET, "a", text, 0), (struct splice){300, 0, 0});
    expect_change(storing(MODE_APPEND, "a", "more", 0),
                  (struct splice){300, 0, 4});
    expect_change(storing(MODE_PREPEND, "a", "before", 0),
                  (struct splice){0, 0, 6});
    expect_change((struct command){.kind = COMMAND_RETRIEVE,
                                   .is_meta = true,
                                   .key = SPAN("a"),
                                   .touches = true,
                                   .exptime = 5,
                                   .tokens = SPAN("T5 R30"),
                                   .recaches = true,
                                   .recache_exptime = 30},
                  (struct splice){0, 0, 0});
    /* Where nobody understands it nobody looks. */
    mutation = tell_command(storing(MODE_APPEND, "a", "more", 0), false);
    assert_int_equal(mutation.kind, MUTATION_UPDATE);
    assert_int_equal(mutation.base, 0);
    /* Nor at what is short. */
    mutation = tell_command(storing(MODE_SET, "a", "short", 0), true);
    assert_int_equal(mutation.base, 0);
    mutation = tell_command(storing(MODE_APPEND, "a", "er", 0), true);
    assert_int_equal(mutation.base, 0);
}

int main(void)
{
#define STORE(name)                                                            \
    cmocka_unit_test_setup_teardown(name, set_up_replicating, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_two_values_have_in_common_stays),
        cmocka_unit_test(any_difference_makes_the_one_from_the_other),
        cmocka_unit_test(lengths_that_contradict_each_other_are_malformed),
        cmocka_unit_test(a_session_with_a_small_change_is_a_small_record),
        STORE(a_splice_makes_the_value_from_its_base),
        STORE(a_splice_of_something_else_changes_nothing),
        STORE(a_lie_about_the_base_changes_nothing),
        STORE(what_is_older_or_known_is_dropped),
        STORE(a_base_that_has_died_serves_as_one),
        STORE(a_splice_of_what_is_to_be_dead_leaves_a_grave),
        STORE(a_reader_keeps_the_value_that_it_has_pinned),
        cmocka_unit_test_setup_teardown(without_memory_nothing_is_changed,
                                        set_up_full, tear_down),
        STORE(order_and_repetition_do_not_matter_to_splices),
        STORE(commands_tell_what_they_changed),
    };

    return cmocka_run_group_tests_name("splice", tests, NULL, NULL);
}
