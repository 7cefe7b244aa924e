/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Mailbox: tasks that other threads hand to a worker, oldest first.
 *
 * Threads: any posts, one takes.  The descriptor is readable while there is
 *          something to take.
 */
#ifndef SERVER_LOOP_MAILBOX_H
#define SERVER_LOOP_MAILBOX_H

#include <pthread.h>

#include "server/loop/worker.h"

struct letter {
    struct letter *next;
    worker_task *task;
    void *context;
};

struct mailbox {
    pthread_mutex_t lock;
    struct letter *first;
    struct letter *last;
    int fd;
};

MUST_USE bool mailbox_init(struct mailbox *mailbox);
void mailbox_release(struct mailbox *mailbox);

MUST_USE bool mailbox_post(struct mailbox *mailbox, worker_task *task,
                           void *context);

/* Runs all that is there. */
void mailbox_empty(struct mailbox *mailbox);

#endif
