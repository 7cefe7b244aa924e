/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/simulator/crowd.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void begin_job(unsigned job, unsigned jobs, uint64_t first, uint64_t end,
                      crowd_work *work, void *result, pid_t *pid)
{
    fflush(stdout);
    *pid = fork();
    if (*pid != 0)
        return;
    work(first + job, jobs, end, result);
    fflush(stdout);
    _exit(0);
}

bool crowd_run(unsigned jobs, uint64_t first, uint64_t end, crowd_work *work,
               crowd_sum *sum, void *result, size_t result_bytes)
{
    unsigned char *results =
        mmap(NULL, jobs * result_bytes, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[CROWD_JOBS_MAX];
    bool holds = true;

    if (results == MAP_FAILED)
        return false;
    for (unsigned i = 0; i < jobs; i++)
        begin_job(i, jobs, first, end, work, results + i * result_bytes,
                  &pids[i]);
    for (unsigned i = 0; i < jobs; i++) {
        int status = -1;
        if (pids[i] < 0 || waitpid(pids[i], &status, 0) != pids[i] ||
            status != 0) {
            printf("one of the processes died\n");
            holds = false;
        }
        sum(result, results + i * result_bytes);
    }
    munmap(results, jobs * result_bytes);
    return holds;
}
