/* SPDX-License-Identifier: BSD-3-Clause */
#include "traffic.h"

#include <assert.h>
#include <math.h>

#define NS_PER_SECOND 1e9

/* Coprime to every count of keys allowed, as it is a greater prime. */
#define SCATTER_PRIME 2654435761U

struct traffic traffic_filling(const struct plan *plan)
{
    return (struct traffic){
        .plan = plan,
        .dice = dice_seeded(plan->seed),
        .is_fill = true,
        .batch_max = FILL_PIPELINE,
        .requests_left = plan->keys_count,
    };
}

struct traffic traffic_planned(const struct plan *plan, uint64_t now_ns)
{
    struct traffic traffic = {
        .plan = plan,
        .dice = dice_seeded(plan->seed),
        .batch_max = plan->pipeline,
        .requests_left = plan->requests_max,
        .rate = plan->rate,
    };

    if (plan->zipf_theta > 0)
        zipf_init(&traffic.zipf, plan->keys_count, plan->zipf_theta);
    if (plan->seconds > 0)
        traffic.ends_ns = now_ns + (uint64_t)(plan->seconds * NS_PER_SECOND);
    return traffic;
}

/*
 * Popular keys are scattered over the key space: they would lie side by side
 * in a server that keeps items in the order in which they were filled in.
 */
static uint64_t key_draw(struct traffic *traffic)
{
    uint64_t keys_count = traffic->plan->keys_count;

    if (traffic->plan->zipf_theta > 0)
        return zipf_draw(&traffic->zipf, &traffic->dice) * SCATTER_PRIME %
               keys_count;
    return dice_below(&traffic->dice, keys_count);
}

/*
 * Log-normal around the geometric middle; the range is four standard
 * deviations wide and the 5 % outside it are drawn again.
 */
static size_t value_bytes_draw(struct traffic *traffic)
{
    double min = (double)traffic->plan->value_bytes_min;
    double max = (double)traffic->plan->value_bytes_max;
    double bytes;

    if (traffic->plan->value_bytes_min == traffic->plan->value_bytes_max)
        return traffic->plan->value_bytes_min;
    do
        bytes = round(sqrt(min * max) *
                      pow(max / min, dice_normal(&traffic->dice) / 4));
    while (bytes < min || bytes > max);
    return (size_t)bytes;
}

static void set_draw(struct traffic *traffic, struct request *request)
{
    request->kind = REQUEST_SET;
    request->keys_count = 1;
    request->keys[0] = traffic->is_fill
                           ? traffic->plan->keys_count - traffic->requests_left
                           : key_draw(traffic);
    request->value_bytes = value_bytes_draw(traffic);
}

static void request_draw(struct traffic *traffic, struct request *request)
{
    const struct plan *plan = traffic->plan;

    request->keys_asked = 0;
    request->keys_hit = 0;
    if (traffic->is_fill ||
        dice_below(&traffic->dice, plan->gets_share + plan->sets_share) >=
            plan->gets_share) {
        set_draw(traffic, request);
        return;
    }
    request->kind = REQUEST_GET;
    request->keys_count = plan->multiget;
    for (unsigned i = 0; i < plan->multiget; i++)
        request->keys[i] = key_draw(traffic);
}

unsigned traffic_draw(struct traffic *traffic, uint64_t now_ns,
                      struct request *requests)
{
    unsigned drawn = 0;

    if (traffic->ends_ns != 0 && now_ns >= traffic->ends_ns)
        traffic->requests_left = 0;
    while (drawn < traffic->batch_max && traffic->requests_left > 0) {
        request_draw(traffic, &requests[drawn++]);
        traffic->requests_left--;
    }
    return drawn;
}

/* Exponential gaps: clients that know nothing of each other. */
uint64_t traffic_gap_ns(struct traffic *traffic)
{
    assert(traffic->rate > 0);
    return (uint64_t)(-log(dice_unit(&traffic->dice)) * traffic->batch_max /
                      traffic->rate * NS_PER_SECOND);
}
