/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rejection-inversion: Hörmann and Derflinger, "Rejection-inversion to
 * generate variates from monotone discrete distributions", TOMACS 6(3), 1996.
 * Ranks count from 1 in here, as they do in the paper.
 */
#include "zipf.h"

#include <assert.h>
#include <math.h>

/* expm1(x) / x and log1p(x) / x, which have a limit at 0 but no value. */
static double expm1_ratio(double x)
{
    return fabs(x) > 1e-8 ? expm1(x) / x : 1 + x / 2;
}

static double log1p_ratio(double x)
{
    return fabs(x) > 1e-8 ? log1p(x) / x : 1 - x / 2;
}

static double weight(const struct zipf *zipf, double rank)
{
    return exp(-zipf->theta * log(rank));
}

/* The integral of weight() from 1 to `rank`, and its inverse. */
static double area(const struct zipf *zipf, double rank)
{
    return expm1_ratio((1 - zipf->theta) * log(rank)) * log(rank);
}

static double area_inverse(const struct zipf *zipf, double area_below)
{
    double x = fmax(area_below * (1 - zipf->theta), -1);

    return exp(log1p_ratio(x) * area_below);
}

void zipf_init(struct zipf *zipf, uint64_t ranks_count, double theta)
{
    assert(ranks_count > 0);
    assert(theta > 0);
    zipf->theta = theta;
    zipf->ranks_count = (double)ranks_count;
    zipf->area_first = area(zipf, 1.5) - 1;
    zipf->area_last = area(zipf, zipf->ranks_count + 0.5);
    zipf->sure_width =
        2 - area_inverse(zipf, area(zipf, 2.5) - weight(zipf, 2));
}

uint64_t zipf_draw(const struct zipf *zipf, struct dice *dice)
{
    for (;;) {
        double under = zipf->area_last +
                       dice_unit(dice) * (zipf->area_first - zipf->area_last);
        double x = area_inverse(zipf, under);
        double rank = fmin(fmax(floor(x + 0.5), 1), zipf->ranks_count);

        if (rank - x <= zipf->sure_width ||
            under >= area(zipf, rank + 0.5) - weight(zipf, rank))
            return (uint64_t)rank - 1;
    }
}
