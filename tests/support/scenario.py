# SPDX-License-Identifier: BSD-3-Clause
"""
Scenario: what the scripts in tests/client/scenarios that are written in
Python have in common.

    scenario = Scenario()             # of argv: PROTOCOL HOST:PORT...
    client = scenario.turns(connect)  # connect(host, port) for each server
    scenario.until(lambda: client.get("a") is None, "a expires")

Each script is called with a protocol and the servers, which are one, or
members of one farm; then each call goes to the next of them.  It prints
TAP.  A library that is not here ends it with 77, as automake has it.
"""

import itertools
import os
import random
import sys
import threading
import traceback

import waiting

KEY_BYTES_MAX = 250
# Just under 1 MB, with room for memcached's own header.
LARGE_BYTES = 1048000
TOO_LARGE_BYTES = 1048577
MANY = 1000
WRITERS = 4
ROUNDS = 50
SECONDS_MAX = 15
MISSING = 77


class Scenario:
    def __init__(self):
        if len(sys.argv) < 3:
            sys.exit(f"usage: {sys.argv[0]} PROTOCOL HOST:PORT...")
        self.protocol = sys.argv[1]
        self.servers = []
        for word in sys.argv[2:]:
            host, _, port = word.rpartition(":")
            self.servers.append((host, int(port)))

    def turns(self, connect):
        return Turns([connect(*server) for server in self.servers])

    def until(self, holds, what):
        """Polls until it holds."""
        waiting.until(holds, what, SECONDS_MAX)


class Turns:
    """Several clients as one: each call goes to the next."""

    def __init__(self, clients):
        self._clients = itertools.cycle(clients)

    def pick(self):
        """One of them, for calls that belong together."""
        return next(self._clients)

    def __getattr__(self, name):
        return getattr(self.pick(), name)

    # Python looks these up without __getattr__.

    def __getitem__(self, key):
        return self.pick()[key]

    # pymemcache has these done without an answer (noreply).  The answer to
    # another change by the same client says that others know of them, too.

    def __setitem__(self, key, value):
        client = self.pick()
        client[key] = value
        assert client.set("answered", "1")

    def __delitem__(self, key):
        client = self.pick()
        del client[key]
        assert client.set("answered", "1")

    def __contains__(self, key):
        return key in self.pick()


def large_value():
    """Bytes that nobody can compress."""
    return random.Random(1).randbytes(LARGE_BYTES)


def refuses(work, kind):
    """`work()` raises a `kind`."""
    try:
        answer = work()
    except kind:
        return
    raise AssertionError(f"it was answered {answer!r}")


def compete(work):
    """`work()` by several threads at once; the first failure of theirs is
    raised here."""
    failures = []

    def run():
        try:
            work()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, daemon=True)
               for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(4 * SECONDS_MAX)
        assert not thread.is_alive(), "a writer never ended"
    if failures:
        raise failures[0]


def compete_apart(work):
    """Likewise by several processes, for libraries that threads confuse."""
    sys.stdout.flush()
    writers = [_fork(work) for _ in range(WRITERS)]
    codes = [os.waitpid(writer, 0)[1] for writer in writers]
    assert codes == [0] * WRITERS, f"writers ended with {codes}"


def _fork(work):
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid
