/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which fault of proto/base/planted.h this program has: that whose number is
 * in the environment as PLANTED, or none.
 */
#include <stdlib.h>

#include "proto/base/planted.h"

int planted_fault;

__attribute__((constructor)) static void choose(void)
{
    const char *number = getenv("PLANTED");

    if (number != NULL)
        planted_fault = atoi(number);
}
