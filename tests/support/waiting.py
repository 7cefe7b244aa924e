# SPDX-License-Identifier: BSD-3-Clause
"""Waiting until something holds, with an end."""
import time

SECONDS_MAX = 60
POLL_SECONDS = 0.01


def until(holds, what, seconds_max=SECONDS_MAX):
    """Polls until it holds; how long that took, in seconds.  `what` may be
    a function that tells how things stand."""
    start = time.monotonic()
    while not holds():
        if time.monotonic() - start > seconds_max:
            told = what() if callable(what) else what
            raise AssertionError(f"not within {seconds_max} s: {told}")
        time.sleep(POLL_SECONDS)
    return time.monotonic() - start
