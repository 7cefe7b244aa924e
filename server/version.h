/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Version: what this program calls itself.
 */
#ifndef SERVER_VERSION_H
#define SERVER_VERSION_H

#include "build.h"

#define GRAPEVINE_VERSION PACKAGE_VERSION

#endif
