#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Makes configure; needs autoconf, automake and pkg-config.
set -e
cd "$(dirname "$0")"
mkdir -p build-aux
exec autoreconf --install --force
