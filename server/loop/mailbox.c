/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/loop/mailbox.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool mailbox_init(struct mailbox *mailbox)
{
    *mailbox = (struct mailbox){.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    pthread_mutex_init(&mailbox->lock, NULL);
    return mailbox->fd >= 0;
}

static struct letter *take_all(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
    struct letter *first = mailbox->first;
    mailbox->first = NULL;
    mailbox->last = NULL;
    pthread_mutex_unlock(&mailbox->lock);
    return first;
}

void mailbox_release(struct mailbox *mailbox)
{
    struct letter *letter = take_all(mailbox);

    while (letter != NULL) {
        struct letter *next = letter->next;
        free(letter);
        letter = next;
    }
    if (mailbox->fd >= 0)
        close(mailbox->fd);
    pthread_mutex_destroy(&mailbox->lock);
}

bool mailbox_post(struct mailbox *mailbox, worker_task *task, void *context)
{
    struct letter *letter = malloc(sizeof(*letter));

    if (letter == NULL)
        return false;
    *letter = (struct letter){.task = task, .context = context};
    pthread_mutex_lock(&mailbox->lock);
    bool was_empty = mailbox->first == NULL;
    if (was_empty)
        mailbox->first = letter;
    else
        mailbox->last->next = letter;
    mailbox->last = letter;
    pthread_mutex_unlock(&mailbox->lock);

    /* One wake-up for all that gathers until the worker looks. */
    uint64_t one = 1;
    ssize_t written = was_empty ? write(mailbox->fd, &one, sizeof(one)) : 0;
    (void)written; /* a full counter is awake already */
    return true;
}

void mailbox_empty(struct mailbox *mailbox)
{
    uint64_t wakes;
    ssize_t got = read(mailbox->fd, &wakes, sizeof(wakes));
    struct letter *letter = take_all(mailbox);

    (void)got; /* nothing there: a wake-up already answered */
    while (letter != NULL) {
        struct letter *next = letter->next;
        letter->task(letter->context);
        free(letter);
        letter = next;
    }
}
