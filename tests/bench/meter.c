/* SPDX-License-Identifier: BSD-3-Clause */
#include "meter.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>

/*
 * /proc/PID/stat counts in ticks of 10 ms, and the schedstat of a thread is
 * as old as its last tick; the kernel's clock of the process is the same sum,
 * exact at the moment of asking, and any user may read it.
 */
struct meter meter_of(pid_t pid)
{
    struct meter meter;

    errno = clock_getcpuclockid(pid, &meter.clock);
    if (errno != 0)
        err(EXIT_FAILURE, "cannot meter process %ld", (long)pid);
    return meter;
}

uint64_t meter_read_ns(const struct meter *meter)
{
    struct timespec used;

    if (clock_gettime(meter->clock, &used) != 0)
        err(EXIT_FAILURE, "the metered process is gone");
    return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}
