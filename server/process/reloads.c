/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/process/reloads.h"

#include <assert.h>

void reloads_add(struct reloads *reloads, const char *what, reload_task *task,
                 void *context)
{
    assert(reloads->count < RELOADS_MAX);
    reloads->reloads[reloads->count++] =
        (struct reload){.what = what, .task = task, .context = context};
}

static bool run(const struct reloads *reloads, const struct reload *reload)
{
    char error[RELOAD_ERROR_BYTES] = "";

    if (reload->task(reload->context, error)) {
        log_event(reloads->log, EVENT_SERVER, SEVERITY_NOTICE,
                  "has read %s again", reload->what);
        return true;
    }
    log_event(reloads->log, EVENT_SERVER, SEVERITY_ERROR,
              "goes on with %s as they were: %s", reload->what, error);
    return false;
}

bool reloads_run(struct reloads *reloads)
{
    bool are_all_read = true;

    if (reloads->count == 0)
        log_event(reloads->log, EVENT_SERVER, SEVERITY_NOTICE,
                  "goes on at SIGHUP: there is no file to be read again");
    for (size_t i = 0; i < reloads->count; i++)
        are_all_read &= run(reloads, &reloads->reloads[i]);
    return are_all_read;
}
