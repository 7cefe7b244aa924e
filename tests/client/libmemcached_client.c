/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program on libmemcached finds in grapevined what it knows of memcached.
 *
 * Every promise a client library rests on, in the text and in the binary
 * protocol, over TCP and over a unix socket.
 */
#include "../support/server_process.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <libmemcached/memcached.h>

enum {
    EXPIRY_SECONDS_MAX = 30,
    ANSWER_MS_MAX = 30000,
    KEYS_COUNT = 1000,
    KEY_BYTES_MAX = 250,
    /* memcached keeps some of its 1 MiB for itself. */
    LARGE_VALUE_BYTES = 1000 * 1000,
    TOO_LARGE_VALUE_BYTES = 1024 * 1024 + 1,
    WRITERS_COUNT = 4,
    WRITER_ROUNDS = 50,
    /* Of one writer; four of them cannot lose so often. */
    WRITER_ATTEMPTS_MAX = 100 * WRITER_ROUNDS,
};

/* How a test reaches a server; its client carries it as user data. */
struct route {
    const struct server_process *server;
    bool is_binary;
};

static struct server_process tcp_server;
static struct server_process unix_server;
static struct route text_tcp = {&tcp_server, false};
static struct route text_unix = {&unix_server, false};
static struct route binary_tcp = {&tcp_server, true};
static struct route binary_unix = {&unix_server, true};

/* Storing */

static memcached_return_t set(memcached_st *client, const char *key,
                              const char *value)
{
    return memcached_set(client, key, strlen(key), value, strlen(value), 0, 0);
}

static void assert_holds(memcached_st *client, const char *key,
                         const char *value)
{
    memcached_return_t result;
    size_t length;
    uint32_t flags;
    char *found =
        memcached_get(client, key, strlen(key), &length, &flags, &result);

    assert_int_equal(result, MEMCACHED_SUCCESS);
    assert_int_equal(length, strlen(value));
    if (length > 0) /* libmemcached gives NULL for an empty value */
        assert_memory_equal(found, value, length);
    free(found);
}

static bool is_there(memcached_st *client, const char *key)
{
    memcached_return_t result;
    size_t length;
    uint32_t flags;

    free(memcached_get(client, key, strlen(key), &length, &flags, &result));
    assert_true(result == MEMCACHED_SUCCESS || result == MEMCACHED_NOTFOUND);
    return result == MEMCACHED_SUCCESS;
}

static void a_value_comes_back_whole_with_its_flags(void **state)
{
    static const char value[] = "lines\r\nend\n and \0 bytes \xff";
    memcached_st *client = *state;
    memcached_return_t result;
    size_t length;
    uint32_t flags;

    assert_int_equal(
        memcached_set(client, "pear", 4, value, sizeof value, 0, UINT32_MAX),
        MEMCACHED_SUCCESS);
    char *found = memcached_get(client, "pear", 4, &length, &flags, &result);
    assert_int_equal(result, MEMCACHED_SUCCESS);
    assert_int_equal(length, sizeof value);
    assert_memory_equal(found, value, sizeof value);
    assert_int_equal(flags, UINT32_MAX);
    free(found);
}

static void an_empty_value_is_a_value(void **state)
{
    memcached_st *client = *state;

    assert_int_equal(set(client, "pear", ""), MEMCACHED_SUCCESS);
    assert_holds(client, "pear", "");
}

static void an_absent_key_is_not_found(void **state)
{
    memcached_st *client = *state;

    assert_false(is_there(client, "pear"));
}

/* libmemcached asks by adding an item that is already dead. */
static void asking_whether_a_key_exists_leaves_nothing_behind(void **state)
{
    memcached_st *client = *state;

    assert_int_equal(memcached_exist(client, "pear", 4), MEMCACHED_NOTFOUND);
    assert_int_equal(memcached_exist(client, "pear", 4), MEMCACHED_NOTFOUND);
    assert_false(is_there(client, "pear"));
    assert_int_equal(set(client, "pear", "green"), MEMCACHED_SUCCESS);
    assert_int_equal(memcached_exist(client, "pear", 4), MEMCACHED_SUCCESS);
    assert_holds(client, "pear", "green");
}

static void a_key_of_the_greatest_length_is_as_good_as_any(void **state)
{
    memcached_st *client = *state;
    char key[KEY_BYTES_MAX + 1] = "";

    memset(key, 'k', KEY_BYTES_MAX);
    assert_int_equal(set(client, key, "long"), MEMCACHED_SUCCESS);
    assert_holds(client, key, "long");
    key[KEY_BYTES_MAX - 1] = 'x';
    assert_false(is_there(client, key));
}

static void add_stores_only_what_is_new(void **state)
{
    memcached_st *client = *state;

    assert_int_equal(memcached_add(client, "pear", 4, "old", 3, 0, 0),
                     MEMCACHED_SUCCESS);
    /* The binary protocol has one status for this and for a wrong cas. */
    memcached_return_t again = memcached_add(client, "pear", 4, "new", 3, 0, 0);
    assert_true(again == MEMCACHED_NOTSTORED || again == MEMCACHED_DATA_EXISTS);
    assert_holds(client, "pear", "old");
}

static void replace_stores_only_over_what_is_there(void **state)
{
    memcached_st *client = *state;
    memcached_return_t result =
        memcached_replace(client, "pear", 4, "new", 3, 0, 0);

    assert_true(result == MEMCACHED_NOTSTORED || result == MEMCACHED_NOTFOUND);
    assert_false(is_there(client, "pear"));
    assert_int_equal(set(client, "pear", "old"), MEMCACHED_SUCCESS);
    assert_int_equal(memcached_replace(client, "pear", 4, "new", 3, 0, 0),
                     MEMCACHED_SUCCESS);
    assert_holds(client, "pear", "new");
}

static void append_and_prepend_extend_what_is_there(void **state)
{
    memcached_st *client = *state;
    memcached_return_t result;
    size_t length;
    uint32_t flags;

    assert_int_equal(memcached_append(client, "pear", 4, "c", 1, 0, 0),
                     MEMCACHED_NOTSTORED);
    assert_int_equal(memcached_prepend(client, "pear", 4, "a", 1, 0, 0),
                     MEMCACHED_NOTSTORED);
    assert_int_equal(memcached_set(client, "pear", 4, "b", 1, 0, 7),
                     MEMCACHED_SUCCESS);
    assert_int_equal(memcached_append(client, "pear", 4, "c", 1, 0, 9),
                     MEMCACHED_SUCCESS);
    assert_int_equal(memcached_prepend(client, "pear", 4, "a", 1, 0, 9),
                     MEMCACHED_SUCCESS);
    assert_holds(client, "pear", "abc");
    free(memcached_get(client, "pear", 4, &length, &flags, &result));
    assert_int_equal(flags, 7); /* those of the set; others are ignored */
}

static void delete_removes_a_key_once(void **state)
{
    memcached_st *client = *state;

    assert_int_equal(set(client, "pear", "green"), MEMCACHED_SUCCESS);
    assert_int_equal(memcached_delete(client, "pear", 4, 0), MEMCACHED_SUCCESS);
    assert_false(is_there(client, "pear"));
    assert_int_equal(memcached_delete(client, "pear", 4, 0),
                     MEMCACHED_NOTFOUND);
}

/* The cas token of one key, by the only call that gives it. */
static uint64_t token(memcached_st *client, const char *key)
{
    const char *keys[] = {key};
    size_t lengths[] = {strlen(key)};
    memcached_return_t result;

    assert_int_equal(memcached_mget(client, keys, lengths, 1),
                     MEMCACHED_SUCCESS);
    memcached_result_st *item = memcached_fetch_result(client, NULL, &result);
    assert_non_null(item);
    uint64_t cas = memcached_result_cas(item);
    memcached_result_free(item);
    assert_null(memcached_fetch_result(client, NULL, &result));
    return cas;
}

static void a_cas_token_is_good_for_one_store(void **state)
{
    memcached_st *client = *state;

    memcached_behavior_set(client, MEMCACHED_BEHAVIOR_SUPPORT_CAS, 1);
    assert_int_equal(set(client, "pear", "green"), MEMCACHED_SUCCESS);
    uint64_t cas = token(client, "pear");
    assert_int_not_equal(cas, 0);
    assert_int_equal(memcached_cas(client, "pear", 4, "red", 3, 0, 0, cas),
                     MEMCACHED_SUCCESS);
    assert_int_equal(memcached_cas(client, "pear", 4, "blue", 4, 0, 0, cas),
                     MEMCACHED_DATA_EXISTS);
    assert_holds(client, "pear", "red");
    assert_int_not_equal(token(client, "pear"), cas);
    assert_int_equal(memcached_cas(client, "plum", 4, "blue", 4, 0, 0, cas),
                     MEMCACHED_NOTFOUND);
}

/* Adds one by cas; false when another writer was faster, or on an error. */
static bool add_one(memcached_st *client)
{
    const char *keys[] = {"sum"};
    size_t lengths[] = {3};
    memcached_return_t result;
    char digits[24] = "";

    if (memcached_mget(client, keys, lengths, 1) != MEMCACHED_SUCCESS)
        return false;
    memcached_result_st *item = memcached_fetch_result(client, NULL, &result);
    if (item == NULL)
        return false;
    uint64_t cas = memcached_result_cas(item);
    memcpy(digits, memcached_result_value(item), memcached_result_length(item));
    memcached_result_free(item);
    memcached_fetch_result(client, NULL, &result);
    int length =
        snprintf(digits, sizeof digits, "%ld", strtol(digits, NULL, 10) + 1);
    return memcached_cas(client, "sum", 3, digits, (size_t)length, 0, 0, cas) ==
           MEMCACHED_SUCCESS;
}

/* A thread with a client of its own. */
static void *write_sums(void *client)
{
    int added = 0;

    for (int i = 0; i < WRITER_ATTEMPTS_MAX && added < WRITER_ROUNDS; i++)
        added += add_one(client);
    return NULL;
}

static void writers_that_use_cas_lose_no_update(void **state)
{
    memcached_st *client = *state;
    memcached_st *clients[WRITERS_COUNT];
    pthread_t threads[WRITERS_COUNT];
    char wanted[24];

    memcached_behavior_set(client, MEMCACHED_BEHAVIOR_SUPPORT_CAS, 1);
    assert_int_equal(set(client, "sum", "0"), MEMCACHED_SUCCESS);
    for (int i = 0; i < WRITERS_COUNT; i++) {
        clients[i] = memcached_clone(NULL, client);
        assert_non_null(clients[i]);
        assert_int_equal(
            pthread_create(&threads[i], NULL, write_sums, clients[i]), 0);
    }
    for (int i = 0; i < WRITERS_COUNT; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        memcached_free(clients[i]);
    }
    snprintf(wanted, sizeof wanted, "%d", WRITERS_COUNT * WRITER_ROUNDS);
    assert_holds(client, "sum", wanted);
}

/* Counting */

static void counters_go_up_and_stop_at_zero_going_down(void **state)
{
    memcached_st *client = *state;
    uint64_t value = 0;

    assert_int_equal(set(client, "count", "9"), MEMCACHED_SUCCESS);
    assert_int_equal(memcached_increment(client, "count", 5, 91, &value),
                     MEMCACHED_SUCCESS);
    assert_int_equal(value, 100);
    assert_int_equal(memcached_decrement(client, "count", 5, 30, &value),
                     MEMCACHED_SUCCESS);
    assert_int_equal(value, 70);
    assert_int_equal(memcached_decrement(client, "count", 5, 71, &value),
                     MEMCACHED_SUCCESS);
    assert_int_equal(value, 0);
}

static void counters_have_64_bits_and_wrap(void **state)
{
    memcached_st *client = *state;
    uint64_t value = 0;

    assert_int_equal(set(client, "count", "18446744073709551614"),
                     MEMCACHED_SUCCESS);
    assert_int_equal(memcached_increment(client, "count", 5, 1, &value),
                     MEMCACHED_SUCCESS);
    assert_true(value == UINT64_MAX);
    assert_int_equal(memcached_increment(client, "count", 5, 1, &value),
                     MEMCACHED_SUCCESS);
    assert_int_equal(value, 0);
}

static void only_numbers_that_are_there_can_be_counted(void **state)
{
    memcached_st *client = *state;
    uint64_t value = 0;

    assert_int_equal(memcached_increment(client, "count", 5, 1, &value),
                     MEMCACHED_NOTFOUND);
    assert_int_equal(set(client, "count", "many"), MEMCACHED_SUCCESS);
    assert_int_not_equal(memcached_increment(client, "count", 5, 1, &value),
                         MEMCACHED_SUCCESS);
    assert_holds(client, "count", "many");
}

/* Only the binary protocol carries an initial value. */
static void a_counter_starts_at_its_initial_value(void **state)
{
    memcached_st *client = *state;
    uint64_t value = 0;

    assert_int_equal(memcached_increment_with_initial(client, "count", 5, 7,
                                                      1000, 0, &value),
                     MEMCACHED_SUCCESS);
    assert_int_equal(value, 1000);
    assert_int_equal(memcached_increment_with_initial(client, "count", 5, 7,
                                                      1000, 0, &value),
                     MEMCACHED_SUCCESS);
    assert_int_equal(value, 1007);
    assert_int_equal(
        memcached_decrement_with_initial(client, "other", 5, 7, 50, 0, &value),
        MEMCACHED_SUCCESS);
    assert_int_equal(value, 50);
    assert_int_equal(
        memcached_increment_with_initial(client, "third", 5, 7, 50,
                                         MEMCACHED_EXPIRATION_NOT_ADD, &value),
        MEMCACHED_NOTFOUND);
}

/* Many keys, large values */

struct key_list {
    char text[KEYS_COUNT][12];
    const char *keys[KEYS_COUNT];
    size_t lengths[KEYS_COUNT];
};

static struct key_list *create_keys(void)
{
    struct key_list *list = calloc(1, sizeof *list);

    assert_non_null(list);
    for (int i = 0; i < KEYS_COUNT; i++) {
        int length = snprintf(list->text[i], sizeof list->text[i], "key%d", i);
        list->keys[i] = list->text[i];
        list->lengths[i] = (size_t)length;
    }
    return list;
}

/* Asks for all keys at once; how many came, each at most once, as stored. */
static int count_found(memcached_st *client, const struct key_list *list)
{
    bool is_seen[KEYS_COUNT] = {false};
    int found_count = 0;
    memcached_return_t result;
    memcached_result_st *item;

    assert_int_equal(
        memcached_mget(client, list->keys, list->lengths, KEYS_COUNT),
        MEMCACHED_SUCCESS);
    while ((item = memcached_fetch_result(client, NULL, &result)) != NULL) {
        char key[12] = "";
        assert_in_range(memcached_result_key_length(item), 4, 6);
        memcpy(key, memcached_result_key_value(item),
               memcached_result_key_length(item));
        int i = atoi(key + 3);
        assert_string_equal(key, list->keys[i]);
        assert_false(is_seen[i]);
        is_seen[i] = true;
        found_count++;
        assert_int_equal(memcached_result_length(item), list->lengths[i]);
        assert_memory_equal(memcached_result_value(item), key,
                            list->lengths[i]);
        memcached_result_free(item);
    }
    return found_count;
}

static void a_thousand_keys_are_got_at_once(void **state)
{
    memcached_st *client = *state;
    struct key_list *list = create_keys();

    for (int i = 0; i < KEYS_COUNT; i += 2)
        assert_int_equal(set(client, list->keys[i], list->keys[i]),
                         MEMCACHED_SUCCESS);
    assert_int_equal(count_found(client, list), KEYS_COUNT / 2);
    for (int i = 1; i < KEYS_COUNT; i += 2)
        assert_int_equal(set(client, list->keys[i], list->keys[i]),
                         MEMCACHED_SUCCESS);
    assert_int_equal(count_found(client, list), KEYS_COUNT);
    free(list);
}

static void buffered_sets_all_arrive(void **state)
{
    memcached_st *client = *state;
    struct key_list *list = create_keys();

    memcached_behavior_set(client, MEMCACHED_BEHAVIOR_BUFFER_REQUESTS, 1);
    for (int i = 0; i < KEYS_COUNT; i++)
        assert_true(
            memcached_success(set(client, list->keys[i], list->keys[i])));
    assert_int_equal(memcached_flush_buffers(client), MEMCACHED_SUCCESS);
    /* Still buffering: to end that is to hang up, with answers unread. */
    assert_int_equal(count_found(client, list), KEYS_COUNT);
    free(list);
}

static void requests_without_reply_are_carried_out_in_order(void **state)
{
    memcached_st *client = *state;
    struct key_list *list = create_keys();
    uint64_t value;

    memcached_behavior_set(client, MEMCACHED_BEHAVIOR_NOREPLY, 1);
    for (int i = 0; i < KEYS_COUNT; i++)
        assert_true(
            memcached_success(set(client, list->keys[i], list->keys[i])));
    set(client, "count", "5");
    memcached_increment(client, "count", 5, 4, &value);
    memcached_append(client, "count", 5, "0", 1, 0, 0);
    memcached_add(client, "count", 5, "1", 1, 0, 0); /* fails, silently */
    memcached_delete(client, list->keys[0], list->lengths[0], 0);
    memcached_behavior_set(client, MEMCACHED_BEHAVIOR_NOREPLY, 0);
    assert_int_equal(count_found(client, list), KEYS_COUNT - 1);
    assert_holds(client, "count", "90");
    free(list);
}

static void a_value_of_almost_1_mib_comes_back_whole(void **state)
{
    memcached_st *client = *state;
    char *value = malloc(LARGE_VALUE_BYTES + 1);

    assert_non_null(value);
    for (int i = 0; i < LARGE_VALUE_BYTES; i++)
        value[i] = (char)('a' + i % 23);
    value[LARGE_VALUE_BYTES] = '\0';
    assert_int_equal(set(client, "large", value), MEMCACHED_SUCCESS);
    assert_holds(client, "large", value);
    free(value);
}

/* One row of the server's figures; 0 where it is not a number. */
static long figure(memcached_st *client, const char *name)
{
    memcached_return_t result;
    memcached_stat_st *stats = memcached_stat(client, NULL, &result);

    assert_int_equal(result, MEMCACHED_SUCCESS);
    char *text = memcached_stat_get_value(client, stats, name, &result);
    assert_int_equal(result, MEMCACHED_SUCCESS);
    long value = atol(text);
    free(text);
    memcached_stat_free(client, stats);
    return value;
}

static void a_value_too_large_is_refused_and_nothing_else(void **state)
{
    memcached_st *client = *state;
    char *value = calloc(1, TOO_LARGE_VALUE_BYTES);

    assert_non_null(value);
    assert_int_equal(set(client, "pear", "green"), MEMCACHED_SUCCESS);
    assert_int_equal(set(client, "large", "small"), MEMCACHED_SUCCESS);
    long connections = figure(client, "total_connections");
    assert_int_equal(
        memcached_set(client, "large", 5, value, TOO_LARGE_VALUE_BYTES, 0, 0),
        MEMCACHED_E2BIG);
    assert_false(is_there(client, "large")); /* nor must the stale value stay */
    assert_holds(client, "pear", "green");
    assert_int_equal(figure(client, "total_connections"), connections);
    free(value);
}

/* Time */

static void wait_until_gone(memcached_st *client, const char *key)
{
    const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
    time_t deadline = time(NULL) + EXPIRY_SECONDS_MAX;

    while (is_there(client, key)) {
        assert_true(time(NULL) < deadline);
        nanosleep(&pause, NULL);
    }
}

static void an_item_dies_when_its_time_has_come(void **state)
{
    memcached_st *client = *state;

    assert_int_equal(memcached_set(client, "fig", 3, "soft", 4, 1, 0),
                     MEMCACHED_SUCCESS);
    assert_int_equal(memcached_set(client, "nut", 3, "hard", 4, 1000, 0),
                     MEMCACHED_SUCCESS);
    wait_until_gone(client, "fig");
    assert_holds(client, "nut", "hard");
}

static void touch_prolongs_and_shortens_lives(void **state)
{
    memcached_st *client = *state;

    assert_int_equal(memcached_touch(client, "kept", 4, 1000),
                     MEMCACHED_NOTFOUND);
    /* `left` goes after `kept` would have gone untouched. */
    memcached_set(client, "short", 5, "s", 1, 1000, 0);
    memcached_set(client, "kept", 4, "k", 1, 4, 0);
    memcached_set(client, "left", 4, "l", 1, 4, 0);
    assert_int_equal(memcached_touch(client, "short", 5, 1), MEMCACHED_SUCCESS);
    assert_int_equal(memcached_touch(client, "kept", 4, 1000),
                     MEMCACHED_SUCCESS);
    wait_until_gone(client, "short");
    wait_until_gone(client, "left");
    assert_holds(client, "kept", "k");
}

/* The server */

static void flush_leaves_nothing_and_what_comes_next_lives(void **state)
{
    memcached_st *client = *state;

    assert_int_equal(set(client, "pear", "green"), MEMCACHED_SUCCESS);
    assert_int_equal(memcached_flush(client, 0), MEMCACHED_SUCCESS);
    assert_false(is_there(client, "pear"));
    assert_int_equal(set(client, "pear", "red"), MEMCACHED_SUCCESS);
    assert_holds(client, "pear", "red");
}

static void the_version_is_three_numbers(void **state)
{
    memcached_st *client = *state;

    assert_int_equal(memcached_version(client), MEMCACHED_SUCCESS);
    const memcached_instance_st *instance =
        memcached_server_instance_by_position(client, 0);
    /* Clients ask for touch, and more, from 1.4.8 on. */
    assert_int_equal(memcached_server_major_version(instance), 1);
    assert_int_not_equal(memcached_server_minor_version(instance), UINT8_MAX);
    assert_true(memcached_server_minor_version(instance) > 4);
    assert_int_not_equal(memcached_server_micro_version(instance), UINT8_MAX);
}

static void stats_tell_the_truth(void **state)
{
    memcached_st *client = *state;
    const struct route *route = memcached_get_user_data(client);
    long hits = figure(client, "get_hits");
    long misses = figure(client, "get_misses");

    assert_int_equal(set(client, "pear", "green"), MEMCACHED_SUCCESS);
    assert_true(is_there(client, "pear"));
    assert_true(is_there(client, "pear"));
    assert_false(is_there(client, "plum"));
    assert_int_equal(figure(client, "pid"), route->server->pid);
    assert_int_equal(figure(client, "get_hits"), hits + 2);
    assert_int_equal(figure(client, "get_misses"), misses + 1);
    assert_int_equal(figure(client, "limit_maxbytes"), 64 << 20);
}

static void a_client_that_quits_may_come_back(void **state)
{
    memcached_st *client = *state;

    assert_int_equal(set(client, "pear", "green"), MEMCACHED_SUCCESS);
    memcached_quit(client);
    assert_holds(client, "pear", "green");
}

/* Fixtures */

static int start_servers(void **state)
{
    (void)state;
    if (!server_process_start_tcp(&tcp_server))
        return -1;
    if (!server_process_start_unix(&unix_server)) {
        server_process_stop(&tcp_server);
        return -1;
    }
    return 0;
}

static int stop_servers(void **state)
{
    (void)state;
    bool is_tcp_clean = server_process_stop(&tcp_server);
    bool is_unix_clean = server_process_stop(&unix_server);
    return is_tcp_clean && is_unix_clean ? 0 : -1;
}

/* Each test has a client of its own, and an empty server. */
static int connect_client(void **state)
{
    struct route *route = *state;
    const struct server_process *server = route->server;
    memcached_st *client = memcached_create(NULL);

    if (server->port != 0)
        memcached_server_add(client, "127.0.0.1", server->port);
    else
        memcached_server_add_unix_socket(client, server->path);
    memcached_set_user_data(client, route);
    memcached_behavior_set(client, MEMCACHED_BEHAVIOR_BINARY_PROTOCOL,
                           route->is_binary);
    memcached_behavior_set(client, MEMCACHED_BEHAVIOR_POLL_TIMEOUT,
                           ANSWER_MS_MAX);
    memcached_behavior_set(client, MEMCACHED_BEHAVIOR_CONNECT_TIMEOUT,
                           ANSWER_MS_MAX);
    *state = client;
    return memcached_flush(client, 0) == MEMCACHED_SUCCESS ? 0 : -1;
}

static int disconnect_client(void **state)
{
    memcached_free(*state);
    return 0;
}

#define OVER(test, protocol, transport)                                        \
    {                                                                          \
        .name = #test " (" #protocol ", " #transport ")", .test_func = test,   \
        .setup_func = connect_client, .teardown_func = disconnect_client,      \
        .initial_state = &protocol##_##transport                               \
    }
#define OVER_TCP(test) OVER(test, text, tcp), OVER(test, binary, tcp)
#define OVER_ALL(test)                                                         \
    OVER_TCP(test), OVER(test, text, unix), OVER(test, binary, unix)

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_ALL(a_value_comes_back_whole_with_its_flags),
        OVER_ALL(an_empty_value_is_a_value),
        OVER_ALL(an_absent_key_is_not_found),
        OVER_ALL(asking_whether_a_key_exists_leaves_nothing_behind),
        OVER_ALL(a_key_of_the_greatest_length_is_as_good_as_any),
        OVER_ALL(add_stores_only_what_is_new),
        OVER_ALL(replace_stores_only_over_what_is_there),
        OVER_ALL(append_and_prepend_extend_what_is_there),
        OVER_ALL(delete_removes_a_key_once),
        OVER_ALL(a_cas_token_is_good_for_one_store),
        OVER_ALL(writers_that_use_cas_lose_no_update),
        OVER_ALL(counters_go_up_and_stop_at_zero_going_down),
        OVER_ALL(counters_have_64_bits_and_wrap),
        OVER_ALL(only_numbers_that_are_there_can_be_counted),
        OVER(a_counter_starts_at_its_initial_value, binary, tcp),
        OVER(a_counter_starts_at_its_initial_value, binary, unix),
        OVER_ALL(a_thousand_keys_are_got_at_once),
        /* Over a unix socket libmemcached 1.1.4 aborts on memcached too. */
        OVER_TCP(buffered_sets_all_arrive),
        OVER_ALL(requests_without_reply_are_carried_out_in_order),
        OVER_ALL(a_value_of_almost_1_mib_comes_back_whole),
        OVER_ALL(a_value_too_large_is_refused_and_nothing_else),
        OVER_TCP(an_item_dies_when_its_time_has_come),
        OVER_TCP(touch_prolongs_and_shortens_lives),
        OVER_ALL(flush_leaves_nothing_and_what_comes_next_lives),
        OVER_ALL(the_version_is_three_numbers),
        OVER_ALL(stats_tell_the_truth),
        OVER_ALL(a_client_that_quits_may_come_back),
    };

    /* A server that hangs must not hang whoever waits for this program. */
    alarm(SERVER_PROCESS_LIFE_SECONDS_MAX);
    return cmocka_run_group_tests_name("libmemcached client", tests,
                                       start_servers, stop_servers);
}
