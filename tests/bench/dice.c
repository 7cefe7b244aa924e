/* SPDX-License-Identifier: BSD-3-Clause */
#include "dice.h"

#include <assert.h>
#include <math.h>

struct dice dice_seeded(uint64_t seed)
{
    return (struct dice){.state = seed};
}

/* SplitMix64 (Steele, Lea, Flood, OOPSLA '14). */
uint64_t dice_roll(struct dice *dice)
{
    uint64_t roll = dice->state += 0x9e3779b97f4a7c15;

    roll = (roll ^ (roll >> 30)) * 0xbf58476d1ce4e5b9;
    roll = (roll ^ (roll >> 27)) * 0x94d049bb133111eb;
    return roll ^ (roll >> 31);
}

uint64_t dice_below(struct dice *dice, uint64_t sides)
{
    assert(sides > 0 && sides <= UINT32_MAX);
    return ((dice_roll(dice) >> 32) * sides) >> 32;
}

double dice_unit(struct dice *dice)
{
    return ((double)(dice_roll(dice) >> 11) + 0.5) * 0x1p-53;
}

/* Box and Muller; the second of the pair is not worth keeping state for. */
double dice_normal(struct dice *dice)
{
    double radius = sqrt(-2 * log(dice_unit(dice)));

    return radius * cos(2 * 3.14159265358979323846 * dice_unit(dice));
}
