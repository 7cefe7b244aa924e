/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Worker: an event loop, with a thread of its own or run by the caller's.
 *
 * Watches tell when a descriptor is ready, timers when time has passed.
 * Threads: what belongs to a worker is used by its thread only, and before
 *          it is started by its maker; worker_post() and worker_stop() are
 *          for any thread.
 */
#ifndef SERVER_LOOP_WORKER_H
#define SERVER_LOOP_WORKER_H

#include <stdbool.h>

#include "proto/base/span.h"
#include "proto/base/time.h"

struct worker;
struct watch;
struct timer;

typedef void worker_task(void *context);
typedef void watch_ready(void *context);

/* NULL where the system has no more of what a loop needs. */
struct worker *worker_create(void);
void worker_destroy(struct worker *worker);

/* Runs the loop in a new thread, named for ps; joined by worker_join(). */
MUST_USE bool worker_start(struct worker *worker, const char *name);
void worker_join(struct worker *worker);

/* False where the thread has not ended in time; it is not joined then. */
MUST_USE bool worker_join_within(struct worker *worker, time_us limit);

/* Runs the loop in this thread until worker_stop(). */
void worker_run(struct worker *worker);
void worker_stop(struct worker *worker);

/* Has `task` run in the worker's thread, soon; false if memory is out. */
MUST_USE bool worker_post(struct worker *worker, worker_task *task,
                          void *context);

/* True where more is ready, behind what is called now. */
bool worker_is_busy(const struct worker *worker);

/* Runs in this thread what was posted and did not run any more: the worker's
 * own has ended.  Tasks own what they are given. */
void worker_finish(struct worker *worker);

/* Watches `fd`, which stays the caller's; nothing is wanted of it yet. */
struct watch *watch_create(struct worker *worker, int fd, watch_ready *ready,
                           void *context);
void watch_destroy(struct watch *watch);

/*
 * The same for who reads all there is: `ready` is called once for what has
 * come, and again only when there is more, or when watch_want() finds that
 * watch_took_all() was not said since.
 */
struct watch *watch_create_lazy(struct worker *worker, int fd,
                                watch_ready *ready, void *context);
void watch_took_all(struct watch *watch);

/* The same after a read that found nothing, not even an end. */
void watch_found_nothing(struct watch *watch);

/* From now on `ready` is called instead. */
void watch_redirect(struct watch *watch, watch_ready *ready);

/* `ready` is called whenever the descriptor can be read, or written. */
void watch_want(struct watch *watch, bool read, bool write);

/* Calls `ready` once more, after others had their turn. */
void watch_again(struct watch *watch);

/* Calls `task` every `interval` from now on. */
struct timer *timer_create_every(struct worker *worker, time_us interval,
                                 worker_task *task, void *context);
/* Calls `task` once for each time it is armed, by timer_arm(). */
struct timer *timer_create_once(struct worker *worker, worker_task *task,
                                void *context);

/* The same, but to the microsecond; others are late by up to a tick of the
 * system's coarse clock, which may be 4 ms.  Costs two system calls each time.
 */
struct timer *timer_create_exact(struct worker *worker, worker_task *task,
                                 void *context);

/* ... after `delay` from now, whatever was said before. */
void timer_arm(struct timer *timer, time_us delay);
/* ... after all that is ready now. */
void timer_hurry(struct timer *timer);
void timer_destroy(struct timer *timer);

/* Calls `task` in the worker's loop when the process gets `signal`. */
struct timer *signal_create(struct worker *worker, int signal,
                            worker_task *task, void *context);

#endif
