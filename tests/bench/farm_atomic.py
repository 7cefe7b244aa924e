# SPDX-License-Identifier: BSD-3-Clause
"""
Atomic: what a command costs that the home of its key decides.

One client asks one of three servers, and waits for each reply.  A round trip
between servers is taken from what a peer lookup, the get of a key that nobody
has, takes longer than the get of one that is there: it is one question to
each of the others, one answer of each.  An incr is so many of these.

On this machine a round trip is the waking of threads.  Over links that take
LINK_MS each way it is what it would be between hosts: there they are counted,
as whole ones, what servers and the relay compute being short of half a trip.
"""

import contextlib
import itertools
import os
import statistics
import time

import farm
import farming
from clients import TextClient
from counting import Failure, figures_of
from relay import Relay

GOAL = 2
LINK_MS = 10
KEYS_OF_EACH = 4
KEYS_TRIED_MAX = 500
TOLD_SECONDS_MAX = 2
RUN_SECONDS_MAX = 60
PLAIN = "plain"
HERE, ELSEWHERE = "at the server asked", "elsewhere"
PATIENT = ("--farm-lookup", "always", "--farm-ack", "all",
           "--farm-lookup-timeout", 1000, "--farm-ack-timeout", 1000)

_missing = itertools.count()


# ---- whose key it is ----

class Homes:
    """Keys by the server that is their home, told from its figures."""

    def __init__(self, members):
        with contextlib.ExitStack() as stack:
            self._clients = [stack.enter_context(TextClient(one.connect()))
                             for one in members]
            self._executed = self._figures()
            self.keys = [[] for _ in members]
            for number in range(KEYS_TRIED_MAX):
                self._try(f"count{number}")
                if min(map(len, self.keys)) >= KEYS_OF_EACH:
                    return
        raise Failure("not every server is the home of a key")

    def _figures(self):
        return [int(dict(row.split()[1:] for row in
                         client.rows(b"stats farm"))
                    [b"farm_commands_executed"])
                for client in self._clients]

    def _try(self, key):
        answer = self._clients[0].add(key.encode(), b"1")
        if answer != b"STORED":
            raise Failure(f"an add was answered {answer.decode()}")
        deadline = time.monotonic() + TOLD_SECONDS_MAX
        while (executed := self._figures()) == self._executed:
            if time.monotonic() > deadline:
                raise Failure("no server tells that it executed an add")
        home = [now - before for now, before
                in zip(executed, self._executed)].index(1)
        self._executed = executed
        if len(self.keys[home]) < KEYS_OF_EACH:
            self.keys[home].append(key)


# ---- one round ----

class Asked:
    """Microseconds: how long each took, and of which server's time."""

    def __init__(self, figures, cpu):
        self.p50 = float(figures["p50_us"])
        self.cpu = cpu


def ask(members, count, words, end=None):
    command = [os.environ.get("TRIP", "tests/bench/trip"),
               "--port", members[0].port, "--requests", count]
    for text in words:
        command += ["--ask", text]
    command += ["--end", end] if end else []
    before = [farming.cpu_seconds(one.server) for one in members]
    figures = figures_of(command, RUN_SECONDS_MAX)
    time.sleep(0.02)  # what is on its way is made there, too
    after = [farming.cpu_seconds(one.server) for one in members]
    return Asked(figures, [(end - start) * 1e6 / count
                           for start, end in zip(before, after)])


def ask_all(members, homes, count):
    """By what was asked.  That of each server: asked, home, third."""
    counting = [[f"incr {key} 1" for key in keys] for keys in homes.keys]
    asked = {
        "get": ask(members, count, [f"get {PLAIN}"], "END"),
        "lookup": ask(members, count,
                      [f"get missing{next(_missing)}.#"], "END"),
        "set": ask(members, count, [f"set {PLAIN} 0 0 1\r\n1"]),
        HERE: ask(members, count, counting[0]),
    }
    second = ask(members, count, counting[1])
    third = ask(members, count, counting[2])
    second.p50 = statistics.mean([second.p50, third.p50])
    second.cpu = [statistics.mean([second.cpu[of_second], third.cpu[of_third]])
                  for of_second, of_third in ((0, 0), (1, 2), (2, 1))]
    return {**asked, ELSEWHERE: second}


# ---- figures ----

def round_trips(rounds, name):
    return [(asked[name].p50 - asked["get"].p50)
            / (asked["lookup"].p50 - asked["get"].p50) for asked in rounds]


def wait_ms(rounds, name):
    return farming.middle([asked[name].p50 / 1000 for asked in rounds], 3)


def wait_print(title, rounds, is_counted):
    trips = statistics.median(round_trips(rounds, ELSEWHERE))
    verdict = farming.verdict(round(trips) if is_counted else trips, GOAL)
    goal_of = f"; goal <= {GOAL}{' whole ones' if is_counted else ''}"
    print(f"{title}: ms until the reply: get {wait_ms(rounds, 'get')}, peer "
          f"lookup {wait_ms(rounds, 'lookup')}, set {wait_ms(rounds, 'set')}, "
          f"incr with its home {HERE} {wait_ms(rounds, HERE)}, {ELSEWHERE} "
          f"{wait_ms(rounds, ELSEWHERE)}")
    for name in ("set", HERE, ELSEWHERE):
        what = name if name == "set" else f"incr with its home {name}"
        goal = f"{goal_of}: {verdict}" if name == ELSEWHERE else ""
        print(f"{title}: round trips between servers, by the peer lookup: "
              f"{what} {farming.middle(round_trips(rounds, name))}{goal}",
              flush=True)


def cpu_print(title, rounds):
    roles = {"get": ("asked", "another", "another"),
             "set": ("asked", "another", "another"),
             HERE: ("asked, home", "another", "another"),
             ELSEWHERE: ("asked", "home", "third")}
    for name, servers in roles.items():
        what = name if name in ("get", "set") \
            else f"incr with its home {name}"
        costs = ", ".join(
            role + " " + farming.middle([asked[name].cpu[i]
                                         for asked in rounds], 1)
            for i, role in enumerate(servers))
        print(f"{title}: processor time in us per {what}: {costs}",
              flush=True)


# ---- farms ----

@contextlib.contextmanager
def farm_of_three(relay=None):
    with farm.running(3, "-t", 1, "-m", farming.MEMORY_MB, *PATIENT,
                      relay=relay) as members:
        with members[0].client() as client:
            if client.set(PLAIN.encode(), b"1") != b"STORED":
                raise Failure("a set was not stored")
        yield members


def measure(options):
    title = "atomic  one client, no pipeline, farm of 3, ack all"
    with farm_of_three() as members:
        homes = Homes(members)
        rounds = [ask_all(members, homes, options.atomic_requests)
                  for _ in range(1 + options.rounds)][1:]  # one warms up
        wait_print(title, rounds, False)
        cpu_print(title, rounds)
    title += f", links of {LINK_MS} ms each way"
    with Relay() as relay, farm_of_three(relay) as members:
        homes = Homes(members)
        relay.delay(LINK_MS / 1000)
        count = max(options.atomic_requests // 100, KEYS_OF_EACH)
        wait_print(title, [ask_all(members, homes, count)
                           for _ in range(options.rounds)], True)
