/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/maintenance/maintenance.h"

#include <stdlib.h>

#include "server/loop/worker.h"

/* What expires is freed within a second of its time. */
#define ROUND_US (TIME_US_PER_S / 10)
/* A digest of the figures is taken for the log once a second. */
#define ROUNDS_PER_REPORT 10

struct maintenance {
    struct store *store;
    struct log *log;
    const struct clock *clock;
    struct worker *worker;
    struct timer *timer;
    unsigned rounds;
    bool has_evicted;
};

/* The first live item that is lost for lack of memory is news to whoever
 * sized the server. */
static void report_first_eviction(struct maintenance *maintenance)
{
    struct store_figures figures;

    if (maintenance->has_evicted)
        return;
    store_read_figures(maintenance->store, &figures);
    if (figures.evicted == 0)
        return;
    maintenance->has_evicted = true;
    log_event(maintenance->log, EVENT_MEMORY, SEVERITY_WARNING,
              "memory is full: items that have not expired are being evicted "
              "(stats: evictions); raise -m (--memory-limit), now %llu MB",
              (unsigned long long)(figures.memory_bytes_max >> 20));
}

static void run_round(void *context)
{
    struct maintenance *maintenance = context;

    store_maintain(maintenance->store, clock_now(maintenance->clock));
    if (maintenance->rounds++ % ROUNDS_PER_REPORT == 0)
        report_first_eviction(maintenance);
}

struct maintenance *maintenance_create(struct store *store, struct log *log,
                                       const struct clock *clock)
{
    struct maintenance *maintenance = calloc(1, sizeof(*maintenance));

    if (maintenance == NULL)
        return NULL;
    maintenance->store = store;
    maintenance->log = log;
    maintenance->clock = clock;
    maintenance->worker = worker_create();
    if (maintenance->worker != NULL)
        maintenance->timer = timer_create_every(maintenance->worker, ROUND_US,
                                                run_round, maintenance);
    if (maintenance->timer != NULL &&
        worker_start(maintenance->worker, "maintenance"))
        return maintenance;
    timer_destroy(maintenance->timer);
    worker_destroy(maintenance->worker);
    free(maintenance);
    return NULL;
}

void maintenance_destroy(struct maintenance *maintenance)
{
    if (maintenance == NULL)
        return;
    worker_stop(maintenance->worker);
    worker_join(maintenance->worker);
    timer_destroy(maintenance->timer);
    worker_destroy(maintenance->worker);
    free(maintenance);
}
