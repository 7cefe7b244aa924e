/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/loop/worker.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "server/loop/mailbox.h"

struct worker {
    struct event_base *base;
    struct event *mail;
    struct mailbox mailbox;
    pthread_t thread;
};

struct watch {
    struct event *readable;
    struct event *writable;
    struct event *again; /* made when first wanted */
    watch_ready *ready;
    void *context;
    bool wants_read;
    bool wants_write;
    bool is_lazy;   /* it is told once of what has come */
    bool has_more;  /* to read, of which it will not be told again */
    bool is_closed; /* by the other end: behind what it sent is its end */
};

/* Timers and signals: an event and what it calls. */
struct timer {
    struct event *event;
    worker_task *task;
    void *context;
    int exact; /* a descriptor that the system makes ready; -1: the loop's */
};

static void on_mail(evutil_socket_t fd, short events, void *context)
{
    struct worker *worker = context;

    (void)fd;
    (void)events;
    mailbox_empty(&worker->mailbox);
}

/* Each loop is its own thread's: libevent's locks would be for nothing. */
static struct event_base *create_base(void)
{
    struct event_config *config = event_config_new();

    if (config == NULL)
        return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

struct worker *worker_create(void)
{
    struct worker *worker = calloc(1, sizeof(*worker));

    if (worker == NULL)
        return NULL;
    bool has_mailbox = mailbox_init(&worker->mailbox);
    worker->base = create_base();
    if (has_mailbox && worker->base != NULL)
        worker->mail = event_new(worker->base, worker->mailbox.fd,
                                 EV_READ | EV_PERSIST, on_mail, worker);
    if (worker->mail == NULL || event_add(worker->mail, NULL) != 0) {
        worker_destroy(worker);
        return NULL;
    }
    return worker;
}

void worker_destroy(struct worker *worker)
{
    if (worker == NULL)
        return;
    if (worker->mail != NULL)
        event_free(worker->mail);
    if (worker->base != NULL)
        event_base_free(worker->base);
    mailbox_release(&worker->mailbox);
    free(worker);
}

static void *run_thread(void *context)
{
    worker_run(context);
    return NULL;
}

bool worker_start(struct worker *worker, const char *name)
{
    if (pthread_create(&worker->thread, NULL, run_thread, worker) != 0)
        return false;
    pthread_setname_np(worker->thread, name); /* at most 15 bytes, else none */
    return true;
}

void worker_join(struct worker *worker)
{
    pthread_join(worker->thread, NULL);
}

bool worker_join_within(struct worker *worker, time_us limit)
{
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += (time_t)(limit / TIME_US_PER_S);
    return pthread_timedjoin_np(worker->thread, NULL, &end) == 0;
}

void worker_run(struct worker *worker)
{
    event_base_loop(worker->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

static void break_loop(void *context)
{
    struct worker *worker = context;

    event_base_loopbreak(worker->base);
}

void worker_stop(struct worker *worker)
{
    /* Without memory for one letter there is no orderly way out. */
    if (!worker_post(worker, break_loop, worker))
        abort();
}

bool worker_post(struct worker *worker, worker_task *task, void *context)
{
    return mailbox_post(&worker->mailbox, task, context);
}

bool worker_is_busy(const struct worker *worker)
{
    return event_base_get_num_events(worker->base, EVENT_BASE_COUNT_ACTIVE) > 0;
}

void worker_finish(struct worker *worker)
{
    mailbox_empty(&worker->mailbox);
}

/* ---- watches ---- */

static void on_ready(evutil_socket_t fd, short events, void *context)
{
    struct watch *watch = context;

    (void)fd;
    watch->has_more |= (events & (EV_READ | EV_CLOSED)) != 0;
    watch->is_closed |= (events & EV_CLOSED) != 0;
    watch->ready(watch->context);
}

static struct watch *create_watch(struct worker *worker, int fd, short how,
                                  watch_ready *ready, void *context)
{
    struct watch *watch = calloc(1, sizeof(*watch));

    if (watch == NULL)
        return NULL;
    watch->ready = ready;
    watch->context = context;
    watch->is_lazy = (how & EV_ET) != 0;
    watch->readable = event_new(
        worker->base, fd, (short)(EV_READ | EV_PERSIST | how), on_ready, watch);
    watch->writable = event_new(worker->base, fd,
                                (short)(EV_WRITE | EV_PERSIST | (how & EV_ET)),
                                on_ready, watch);
    if (watch->readable == NULL || watch->writable == NULL) {
        watch_destroy(watch);
        return NULL;
    }
    return watch;
}

struct watch *watch_create(struct worker *worker, int fd, watch_ready *ready,
                           void *context)
{
    return create_watch(worker, fd, 0, ready, context);
}

/* What is level-triggered is asked about again each time it was told of. */
struct watch *watch_create_lazy(struct worker *worker, int fd,
                                watch_ready *ready, void *context)
{
    const int needed = EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE;
    bool is_able = (event_base_get_features(worker->base) & needed) == needed;

    return create_watch(worker, fd, is_able ? EV_ET | EV_CLOSED : 0, ready,
                        context);
}

void watch_took_all(struct watch *watch)
{
    watch->has_more = watch->is_closed;
}

void watch_found_nothing(struct watch *watch)
{
    watch->has_more = false;
}

void watch_destroy(struct watch *watch)
{
    if (watch == NULL)
        return;
    if (watch->readable != NULL)
        event_free(watch->readable);
    if (watch->writable != NULL)
        event_free(watch->writable);
    if (watch->again != NULL)
        event_free(watch->again);
    free(watch);
}

void watch_redirect(struct watch *watch, watch_ready *ready)
{
    watch->ready = ready;
}

static void want(struct event *event, bool *is_wanted, bool wanted)
{
    if (*is_wanted == wanted)
        return;
    *is_wanted = wanted;
    if (wanted)
        event_add(event, NULL);
    else
        event_del(event);
}

void watch_want(struct watch *watch, bool read, bool write)
{
    /* That it can be written may be old news; it is asked again. */
    if (write && watch->is_lazy)
        want(watch->writable, &watch->wants_write, false);
    want(watch->readable, &watch->wants_read, read);
    want(watch->writable, &watch->wants_write, write);
    if (read && watch->is_lazy && watch->has_more)
        watch_again(watch);
}

/* An event that is made active in a callback runs before the loop looks at
 * anybody else; a timer that is due at once runs after. */
void watch_again(struct watch *watch)
{
    struct timeval at_once = {0};

    if (watch->again == NULL)
        watch->again =
            evtimer_new(event_get_base(watch->readable), on_ready, watch);
    if (watch->again == NULL || event_add(watch->again, &at_once) != 0)
        event_active(watch->readable, EV_READ, 0);
}

/* ---- timers and signals ---- */

static void on_timer(evutil_socket_t fd, short events, void *context)
{
    struct timer *timer = context;

    (void)fd;
    (void)events;
    if (timer->exact >= 0) {
        uint64_t times;
        /* Nothing there: it was armed anew meanwhile. */
        if (read(timer->exact, &times, sizeof(times)) < 0)
            return;
    }
    timer->task(timer->context);
}

static struct timer *create_timer(struct worker *worker, int fd, short events,
                                  const struct timeval *interval,
                                  worker_task *task, void *context)
{
    struct timer *timer = calloc(1, sizeof(*timer));

    if (timer == NULL)
        return NULL;
    *timer = (struct timer){.task = task, .context = context, .exact = -1};
    timer->event = event_new(worker->base, fd, events, on_timer, timer);
    if (timer->event == NULL || event_add(timer->event, interval) != 0) {
        timer_destroy(timer);
        return NULL;
    }
    return timer;
}

static struct timeval timeval_of(time_us time)
{
    return (struct timeval){.tv_sec = (time_t)(time / TIME_US_PER_S),
                            .tv_usec = (suseconds_t)(time % TIME_US_PER_S)};
}

struct timer *timer_create_every(struct worker *worker, time_us interval,
                                 worker_task *task, void *context)
{
    struct timeval period = timeval_of(interval);

    return create_timer(worker, -1, EV_PERSIST, &period, task, context);
}

struct timer *timer_create_once(struct worker *worker, worker_task *task,
                                void *context)
{
    struct timer *timer = calloc(1, sizeof(*timer));

    if (timer == NULL)
        return NULL;
    *timer = (struct timer){.task = task, .context = context, .exact = -1};
    timer->event = evtimer_new(worker->base, on_timer, timer);
    if (timer->event == NULL) {
        timer_destroy(timer);
        return NULL;
    }
    return timer;
}

struct timer *timer_create_exact(struct worker *worker, worker_task *task,
                                 void *context)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

    if (fd < 0)
        return NULL;
    struct timer *timer =
        create_timer(worker, fd, EV_READ | EV_PERSIST, NULL, task, context);
    if (timer == NULL)
        close(fd);
    else
        timer->exact = fd;
    return timer;
}

static void arm_exactly(const struct timer *timer, time_us delay)
{
    uint64_t ns = delay > 0 ? delay * 1000 : 1; /* nothing would disarm it */
    struct itimerspec when = {.it_value = {.tv_sec = (time_t)(ns / 1000000000),
                                           .tv_nsec = (long)(ns % 1000000000)}};

    timerfd_settime(timer->exact, 0, &when, NULL);
}

void timer_arm(struct timer *timer, time_us delay)
{
    if (timer->exact >= 0) {
        arm_exactly(timer, delay);
        return;
    }
    struct timeval period = timeval_of(delay);

    event_add(timer->event, &period);
}

void timer_hurry(struct timer *timer)
{
    event_active(timer->event, EV_TIMEOUT, 0);
}

struct timer *signal_create(struct worker *worker, int signal,
                            worker_task *task, void *context)
{
    return create_timer(worker, signal, EV_SIGNAL | EV_PERSIST, NULL, task,
                        context);
}

void timer_destroy(struct timer *timer)
{
    if (timer == NULL)
        return;
    if (timer->event != NULL)
        event_free(timer->event);
    if (timer->exact >= 0)
        close(timer->exact);
    free(timer);
}
