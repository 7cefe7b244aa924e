/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Stands in for server/loop's worker, listener and clock, for the log, and
 * for connect().
 */
#include "tests/fuzz/outside.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/grapevine/message.h"
#include "server/farm/state.h"
#include "server/log/log.h"
#include "server/loop/clock.h"
#include "server/loop/listener.h"
#include "tests/support/guarded.h"

#define WATCHES_MAX 600
#define LETTERS_MAX 64
#define DIALLED_MAX 8
/* Somebody who is ready again and again must come to an end. */
#define ROUNDS_MAX 100000
#define LINE_BYTES 1024

struct watch {
    int fd;
    watch_ready *ready;
    void *context;
    bool wants_read;
    bool wants_write;
    bool again;
};

/* Of the peers: for the machine, and for who waits. */
#define TIMERS_MAX 2

struct timer {
    worker_task *task;
    void *context;
    time_us due; /* 0: not armed */
};

struct letter {
    worker_task *task;
    void *context;
};

static struct {
    time_us now;
    struct watch *watches[WATCHES_MAX];
    size_t watches_end;
    struct timer *timers[TIMERS_MAX];
    struct letter letters[LETTERS_MAX];
    size_t letters_count;
    int dialled[DIALLED_MAX];
    size_t dialled_count;
    bool refuses_dials;
    bool has_frame; /* in guarded memory */
} outside;

/* ---- what a fuzzer does ---- */

static void give_frame_back(void)
{
    if (outside.has_frame)
        guarded_return();
    outside.has_frame = false;
}

void outside_begin(void)
{
    for (size_t i = 0; i < TIMERS_MAX; i++)
        assert(outside.timers[i] == NULL);
    give_frame_back();
    for (size_t i = 0; i < outside.watches_end; i++)
        assert(outside.watches[i] == NULL);
    outside.now = OUTSIDE_START_US;
    outside.watches_end = 0;
    outside.letters_count = 0;
    outside.refuses_dials = false;
    assert(outside.dialled_count == 0);
}

void outside_end(void)
{
    while (outside.dialled_count > 0)
        close(outside.dialled[--outside.dialled_count]);
    give_frame_back();
}

static bool empty_mailbox(void)
{
    bool has_run = outside.letters_count > 0;

    for (size_t i = 0; i < outside.letters_count; i++)
        outside.letters[i].task(outside.letters[i].context);
    outside.letters_count = 0;
    return has_run;
}

/* Each that is there has its turn; it may end others. */
static bool call_ready(void)
{
    struct pollfd polled[WATCHES_MAX];
    struct watch *asked[WATCHES_MAX];
    size_t end = outside.watches_end;
    bool has_run = false;

    for (size_t i = 0; i < end; i++) {
        const struct watch *watch = outside.watches[i];
        bool reads = watch != NULL && watch->wants_read;
        bool writes = watch != NULL && watch->wants_write;
        asked[i] = outside.watches[i];
        polled[i] = (struct pollfd){
            .fd = reads || writes ? watch->fd : -1,
            .events = (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0))};
    }
    poll(polled, end, 0);
    for (size_t i = 0; i < end; i++) {
        struct watch *watch = outside.watches[i];
        if (watch == NULL || watch != asked[i] ||
            (polled[i].revents == 0 && !watch->again))
            continue;
        watch->again = false;
        has_run = true;
        watch->ready(watch->context);
    }
    return has_run;
}

/* The one that is due first; NULL: none is. */
static struct timer *first_timer(void)
{
    struct timer *first = NULL;

    for (size_t i = 0; i < TIMERS_MAX; i++) {
        struct timer *timer = outside.timers[i];
        if (timer != NULL && timer->due != 0 &&
            (first == NULL || timer->due < first->due))
            first = timer;
    }
    return first;
}

static bool call_timer(void)
{
    struct timer *timer = first_timer();

    if (timer == NULL || timer->due > outside.now)
        return false;
    timer->due = 0;
    timer->task(timer->context);
    /* Where something is due at once, time goes on all the same. */
    outside.now += timer->due <= outside.now;
    return true;
}

void outside_run(void)
{
    unsigned rounds = 0;
    bool has_run = true;

    while (has_run) {
        has_run = empty_mailbox();
        has_run |= call_ready();
        has_run |= call_timer();
        assert(rounds++ < ROUNDS_MAX);
    }
}

void outside_pass(time_us duration, time_us sleep)
{
    time_us end = outside.now + duration;

    if (duration > sleep)
        outside.now = end;
    outside_run();
    for (struct timer *timer = first_timer();
         timer != NULL && timer->due <= end; timer = first_timer()) {
        if (timer->due > outside.now)
            outside.now = timer->due;
        outside_run();
    }
    if (outside.now < end)
        outside.now = end;
}

void outside_connect(int ends[2], int bytes)
{
    int result = socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                            0, ends);

    assert(result == 0);
    if (bytes > 0)
        setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

int outside_take_dialled(void)
{
    if (outside.dialled_count == 0)
        return -1;
    int fd = outside.dialled[0];
    outside.dialled_count--;
    for (size_t i = 0; i < outside.dialled_count; i++)
        outside.dialled[i] = outside.dialled[i + 1];
    return fd;
}

void outside_answer_dials(bool answers)
{
    outside.refuses_dials = !answers;
}

/* ---- OpenSSL's memory ---- */

/* Blocks of powers of two, each behind the number of its pool. */
#define POOLS_COUNT 17
#define POOL_BYTES_MIN ((size_t)32)
#define BLOCK_HEAD_BYTES 16

struct block {
    struct block *next; /* while it is free; begins with the number, else */
};

static struct block *pools[POOLS_COUNT];

static void *take_block(size_t bytes, const char *file, int line)
{
    size_t pool = 0;

    (void)file;
    (void)line;
    while (pool < POOLS_COUNT && POOL_BYTES_MIN << pool < bytes)
        pool++;
    assert(pool < POOLS_COUNT);
    struct block *block = pools[pool];
    if (block != NULL)
        pools[pool] = block->next;
    else
        block = malloc(BLOCK_HEAD_BYTES + (POOL_BYTES_MIN << pool));
    assert(block != NULL);
    *(size_t *)(void *)block = pool;
    return (uint8_t *)block + BLOCK_HEAD_BYTES;
}

static void give_block(void *at, const char *file, int line)
{
    (void)file;
    (void)line;
    if (at == NULL)
        return;
    struct block *block =
        (struct block *)(void *)((uint8_t *)at - BLOCK_HEAD_BYTES);
    size_t pool = *(size_t *)(void *)block;
    block->next = pools[pool];
    pools[pool] = block;
}

static void *grow_block(void *at, size_t bytes, const char *file, int line)
{
    void *grown = bytes > 0 ? take_block(bytes, file, line) : NULL;

    if (grown != NULL && at != NULL) {
        const uint8_t *head = (uint8_t *)at - BLOCK_HEAD_BYTES;
        size_t had = POOL_BYTES_MIN << *(const size_t *)(const void *)head;
        memcpy(grown, at, had < bytes ? had : bytes);
    }
    give_block(at, file, line);
    return grown;
}

void outside_pool_openssl(void)
{
    int result = CRYPTO_set_mem_functions(take_block, grow_block, give_block);

    assert(result == 1);
}

/* ---- network ---- */

/* The libc's own is not called: whatever addresses a fuzzer thinks of, all of
 * them are here. */
int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t bytes)
{
    int ends[2];

    (void)address;
    (void)bytes;
    if (outside.refuses_dials || outside.dialled_count == DIALLED_MAX) {
        errno = ECONNREFUSED;
        return -1;
    }
    outside_connect(ends, 0);
    int result = dup3(ends[0], fd, O_CLOEXEC);
    assert(result == fd);
    close(ends[0]);
    outside.dialled[outside.dialled_count++] = ends[1];
    return 0;
}

struct listener *listener_open_tcp(const struct listener_settings *settings,
                                   const char *host, const char *port,
                                   char error[LISTENER_ERROR_BYTES])
{
    static char nobody[1];

    (void)settings;
    (void)host;
    (void)port;
    (void)error;
    return (struct listener *)(void *)nobody;
}

void listener_close(struct listener *first)
{
    (void)first;
}

/* ---- frames ---- */

static struct span keep_frame(struct span bytes)
{
    give_frame_back();
    outside.has_frame = true;
    return guarded_copy(bytes);
}

/* farm_step() and message_decode() of the peers. */
void outside_step(struct farm *farm, const struct farm_input *input);
enum decode_result outside_decode(struct span inner, struct message *message);

void outside_step(struct farm *farm, const struct farm_input *input)
{
    struct farm_input copy = *input;

    if (input->kind == FARM_FRAME)
        copy.bytes = keep_frame(input->bytes);
    farm_step(farm, &copy);
}

enum decode_result outside_decode(struct span inner, struct message *message)
{
    return message_decode(keep_frame(inner), message);
}

size_t outside_links(const struct farm *farm)
{
    size_t count = 0;

    for (size_t i = 0; i < LINKS_MAX; i++) {
        farm_link link = farm->connections[i].link;
        count += link != 0 && !link_is_virtual(link);
    }
    return count;
}

/* ---- log ---- */

void log_event(struct log *log, enum log_kind kind, enum log_severity severity,
               const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;

    (void)log;
    (void)kind;
    (void)severity;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    assert(length > 0);
}

/* ---- clock ---- */

time_us clock_own(const struct clock *clock)
{
    (void)clock;
    return outside.now;
}

time_us clock_now(const struct clock *clock)
{
    return outside.now + (time_us)atomic_load(&clock->offset_us);
}

/* ---- worker ---- */

struct worker *worker_create(void)
{
    static char nobody[1];

    return (struct worker *)(void *)nobody;
}

void worker_destroy(struct worker *worker)
{
    (void)worker;
}

bool worker_start(struct worker *worker, const char *name)
{
    (void)worker;
    (void)name;
    return true;
}

void worker_stop(struct worker *worker)
{
    (void)worker;
}

void worker_join(struct worker *worker)
{
    (void)worker;
}

bool worker_post(struct worker *worker, worker_task *task, void *context)
{
    (void)worker;
    assert(outside.letters_count < LETTERS_MAX);
    outside.letters[outside.letters_count++] = (struct letter){task, context};
    return true;
}

struct watch *watch_create(struct worker *worker, int fd, watch_ready *ready,
                           void *context)
{
    struct watch *watch = calloc(1, sizeof(*watch));
    size_t place = 0;

    (void)worker;
    assert(watch != NULL);
    *watch = (struct watch){.fd = fd, .ready = ready, .context = context};
    while (place < outside.watches_end && outside.watches[place] != NULL)
        place++;
    assert(place < WATCHES_MAX);
    outside.watches[place] = watch;
    if (place == outside.watches_end)
        outside.watches_end++;
    return watch;
}

void watch_destroy(struct watch *watch)
{
    for (size_t i = 0; watch != NULL && i < outside.watches_end; i++) {
        if (outside.watches[i] == watch)
            outside.watches[i] = NULL;
    }
    free(watch);
}

void watch_want(struct watch *watch, bool read, bool write)
{
    watch->wants_read = read;
    watch->wants_write = write;
}

void watch_again(struct watch *watch)
{
    watch->again = true;
}

struct timer *timer_create_once(struct worker *worker, worker_task *task,
                                void *context)
{
    struct timer *timer = calloc(1, sizeof(*timer));

    (void)worker;
    assert(timer != NULL);
    *timer = (struct timer){.task = task, .context = context};
    size_t place = outside.timers[0] == NULL ? 0 : 1;
    assert(outside.timers[place] == NULL);
    outside.timers[place] = timer;
    return timer;
}

struct timer *timer_create_exact(struct worker *worker, worker_task *task,
                                 void *context)
{
    return timer_create_once(worker, task, context);
}

/* Of the resolver, which has nothing to do: addresses are numeric. */
struct timer *timer_create_every(struct worker *worker, time_us interval,
                                 worker_task *task, void *context)
{
    (void)worker;
    (void)interval;
    (void)task;
    (void)context;
    return NULL;
}

void timer_arm(struct timer *timer, time_us delay)
{
    timer->due = outside.now + delay;
}

void timer_destroy(struct timer *timer)
{
    if (timer == NULL)
        return;
    size_t place = timer == outside.timers[0] ? 0 : 1;
    assert(timer == outside.timers[place]);
    outside.timers[place] = NULL;
    free(timer);
}
