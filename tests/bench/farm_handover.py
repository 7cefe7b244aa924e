# SPDX-License-Identifier: BSD-3-Clause
"""
Handover: how soon the next one has a lock.

Of a lock that is given back: two clients, on two of three servers, get it by
turns; the other asks for it again as soon as it is refused.  From the sending
of the delete to the reply STORED, beside a plain get of the same clients.

Of a server that is killed: it holds locks of which every server is the home
of one; clients of the others ask for them every millisecond.
"""

import contextlib
import itertools
import os
import statistics
import threading
import time

import farm
import farming
from counting import Failure, figures_of

GOAL_MS = 200
KILLED_LOCKS = 6
POLL_SECONDS = 0.001
GIVE_UP_SECONDS = 15
RUN_SECONDS_MAX = 120

_locks = itertools.count()


def lock_new():
    return f"{next(_locks)}.lock"


# ---- given back ----

def hand_over(options, members):
    command = [os.environ.get("HANDOVER", "tests/bench/handover"),
               "--port", members[0].port, "--port", members[1].port,
               "--times", options.handovers, "--key", lock_new()]
    return figures_of(command, RUN_SECONDS_MAX)


def hand_over_print(options, rounds):
    def ms(name):
        return [float(figures[f"{name}_us"]) / 1000 for figures in rounds]

    title = (f"handover of a lock, farm of 3, {options.handovers} times "
             f"for each of {len(rounds)} locks")
    ratios = [wait / get for wait, get in zip(ms("wait_p50"), ms("get_p50"))]
    print(f"{title}: ms from the release on one server to the next winner "
          f"on another: p50 {farming.middle(ms('wait_p50'), 3)}, "
          f"p99 {farming.middle(ms('wait_p99'), 3)}")
    print(f"{title}: a plain get takes ms: "
          f"p50 {farming.middle(ms('get_p50'), 3)}, "
          f"p99 {farming.middle(ms('get_p99'), 3)}; "
          f"a handover is so many of them: {farming.middle(ratios, 1)}",
          flush=True)


# ---- of the dead ----

class Contender(threading.Thread):
    """Asks for a lock until it has it; `won_at` is when."""

    def __init__(self, member, lock):
        super().__init__(daemon=True)
        self.won_at = None
        self._client = member.client()
        self._lock = lock

    def run(self):
        deadline = time.monotonic() + GIVE_UP_SECONDS
        with self._client as client:
            while time.monotonic() < deadline:
                if client.add(self._lock, b"2") == b"STORED":
                    self.won_at = time.monotonic()
                    return
                time.sleep(POLL_SECONDS)


def kill(members, holder):
    """Kills it; ms until each of its locks is another's."""
    locks = [lock_new().encode() for _ in range(KILLED_LOCKS)]
    with holder.client() as client:
        for lock in locks:
            if client.add(lock, b"1") != b"STORED":
                raise Failure("a lock that nobody has was refused")
    others = itertools.cycle(members.others(holder))
    contenders = [Contender(member, lock)
                  for lock, member in zip(locks, others)]
    for contender in contenders:
        contender.start()
    time.sleep(0.1)  # all of them are refused meanwhile
    if any(contender.won_at for contender in contenders):
        raise Failure("a lock was won that another holds")
    killed_at = time.monotonic()
    holder.kill()
    for contender in contenders:
        contender.join()
        if contender.won_at is None:
            raise Failure("a lock of the dead was not to be had")
    return [(contender.won_at - killed_at) * 1000
            for contender in contenders]


def kill_print(options, waits_ms):
    worst = max(waits_ms)
    print(f"handover of a lock whose holder is killed (kill -9), farm of 3, "
          f"{options.kills} times {KILLED_LOCKS} locks: ms to the next "
          f"winner: p50 {statistics.median(waits_ms):.1f}, max {worst:.1f}; "
          f"goal <= {GOAL_MS}: {farming.verdict(worst, GOAL_MS)}", flush=True)


# ---- all ----

@contextlib.contextmanager
def farm_of_three():
    with farm.running(3, "-t", 1, "-m", farming.MEMORY_MB) as members:
        yield members


def measure(options):
    with farm_of_three() as members:
        hand_over_print(options, [hand_over(options, members) for _ in
                                  range(options.handover_locks)])
        waits_ms = []
        for number in range(options.kills):
            holder = members[number % len(members)]
            waits_ms += kill(members, holder)
            holder.start()
            members.wait_ready()
        kill_print(options, waits_ms)
