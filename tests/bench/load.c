/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Load: makes requests of one memcached server, verifies what it answers,
 * and prints in one line what that cost the server and the clients.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include "crowd.h"
#include "meter.h"
#include "moment.h"
#include "plan.h"
#include "protocol.h"
#include "tally.h"
#include "traffic.h"

struct outcome {
    struct tally tally;
    uint64_t duration_ns;
    uint64_t server_cpu_ns;
};

static void fill(struct crowd *crowd, const struct plan *plan)
{
    struct traffic traffic = traffic_filling(plan);
    struct tally tally = {.requests = 0};

    crowd_run(crowd, &traffic, &tally);
    if (tally.errors > 0)
        errx(EXIT_FAILURE, "%llu of %llu keys could not be stored",
             (unsigned long long)tally.errors,
             (unsigned long long)tally.requests);
}

/* The server's time is read around the run, all replies included. */
static void measure(struct crowd *crowd, const struct plan *plan,
                    struct outcome *outcome)
{
    bool is_metered = plan->server_pid > 0;
    struct meter meter = {.clock = 0};
    uint64_t cpu_start_ns = 0;
    uint64_t start_ns;
    struct traffic traffic;

    if (is_metered) {
        meter = meter_of(plan->server_pid);
        cpu_start_ns = meter_read_ns(&meter);
    }
    start_ns = moment_now_ns();
    traffic = traffic_planned(plan, start_ns);
    crowd_run(crowd, &traffic, &outcome->tally);
    outcome->duration_ns = moment_now_ns() - start_ns;
    if (is_metered)
        outcome->server_cpu_ns = meter_read_ns(&meter) - cpu_start_ns;
}

static double per(double amount, uint64_t count)
{
    return count > 0 ? amount / (double)count : 0;
}

static void quantile_print(const struct tally *tally, const char *name,
                           double share)
{
    printf(" %s_us=%.1f", name,
           (double)histogram_quantile_ns(&tally->latency, share) / 1e3);
}

static void outcome_print(const struct plan *plan,
                          const struct outcome *outcome)
{
    const struct tally *tally = &outcome->tally;
    double cpu_us = (double)outcome->server_cpu_ns / 1e3;

    printf("protocol=%s connections=%u pipeline=%u multiget=%u",
           plan->protocol->name, plan->connections_count, plan->pipeline,
           plan->multiget);
    printf(" requests=%llu errors=%llu hits=%llu misses=%llu stored=%llu",
           (unsigned long long)tally->requests,
           (unsigned long long)tally->errors, (unsigned long long)tally->hits,
           (unsigned long long)tally->misses,
           (unsigned long long)tally->stored);
    printf(" seconds=%.3f rate=%.0f", (double)outcome->duration_ns / 1e9,
           per((double)tally->requests * 1e9, outcome->duration_ns));
    if (plan->server_pid > 0)
        printf(" cpu_us=%.0f cpu_us_per_request=%.4f cpu_us_per_key=%.4f",
               cpu_us, per(cpu_us, tally->requests),
               per(cpu_us, tally->hits + tally->misses + tally->stored));
    quantile_print(tally, "p50", 0.5);
    quantile_print(tally, "p99", 0.99);
    quantile_print(tally, "p999", 0.999);
    putchar('\n');
}

int main(int argc, char **argv)
{
    struct plan plan = plan_parse(argc, argv);
    struct crowd *crowd = crowd_create(&plan);
    struct outcome outcome = {.duration_ns = 0};

    if (plan.fills)
        fill(crowd, &plan);
    measure(crowd, &plan, &outcome);
    outcome_print(&plan, &outcome);
    crowd_destroy(crowd);
    return EXIT_SUCCESS;
}
