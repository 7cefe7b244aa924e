/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Growth: no operation waits for the index to grow.  Inserts items into a
 * store of its own, and prints how long the longest of these operations took,
 * in processor time of the thread.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "server/store/store.h"
#include "value.h"

#define MEMORY_BYTES ((size_t)1024 << 20)
#define KEY_BYTES 20
#define VALUE_BYTES 8
#define NOW_US (UINT64_C(1800000000) * TIME_US_PER_S)
#define BOUNDS 5

static uint64_t cpu_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void insert(struct store *store, uint64_t number)
{
    char key[KEY_BYTES + 1];
    char value[VALUE_BYTES];
    struct store_hold hold;
    struct span span = span_of(key, KEY_BYTES);

    snprintf(key, sizeof(key), "%020llu", (unsigned long long)number);
    value_fill(number, value, sizeof(value));
    struct store_write write = {.parts = {span_of(value, sizeof(value))},
                                .version = store_next_version(store, NOW_US)};
    store_hold(store, span, store_hash(store, span), NOW_US, &hold);
    if (store_put(&hold, &write) != STORE_OK)
        errx(EXIT_FAILURE, "no room for item %llu", (unsigned long long)number);
    store_release(&hold);
}

int main(int argc, char **argv)
{
    static const uint64_t bounds_ns[BOUNDS] = {10000, 50000, 100000, 1000000,
                                               10000000};
    uint64_t items = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
    struct store_settings settings = {.memory_bytes_max = MEMORY_BYTES,
                                      .item_bytes_max = 1 << 20,
                                      .evicts = false,
                                      .seed = 1};
    struct store *store = store_create(&settings);
    uint64_t above[BOUNDS] = {0};
    uint64_t longest_ns = 0;
    uint64_t begun_ns = cpu_now_ns();

    if (store == NULL)
        errx(EXIT_FAILURE, "no memory");
    for (uint64_t number = 0; number < items; number++) {
        uint64_t before_ns = cpu_now_ns();
        insert(store, number);
        uint64_t took_ns = cpu_now_ns() - before_ns;
        if (took_ns > longest_ns)
            longest_ns = took_ns;
        for (unsigned i = 0; i < BOUNDS; i++)
            above[i] += took_ns > bounds_ns[i];
    }
    printf("items=%llu mean_us=%.2f longest_us=%.1f", (unsigned long long)items,
           (double)(cpu_now_ns() - begun_ns) / 1e3 / (double)items,
           (double)longest_ns / 1e3);
    for (unsigned i = 0; i < BOUNDS; i++)
        printf(" above_%lluus=%llu", (unsigned long long)bounds_ns[i] / 1000,
               (unsigned long long)above[i]);
    putchar('\n');
    store_destroy(store);
    return EXIT_SUCCESS;
}
