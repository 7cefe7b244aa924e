# SPDX-License-Identifier: BSD-3-Clause
"""
Peers: what having others costs the server that the clients talk to.

Nine gets to a set, 50 connections, without pipeline and with 16 in a batch,
at a server alone, with one peer and with two; requests come as fast as they
are answered, as in `rounds`.  The server has a core for itself; the load and
the peers share the other, so that what they do does not take its caches away.

At a rate that leaves it time (--peers-rate) it wakes up more often for the
same number of requests, alone and in a farm.
"""

import contextlib
import os
import statistics

import farming
from counting import Failure, figures_of

KEYS = 100000
VALUE_BYTES = 100
CONNECTIONS = 50
PEERS = (1, 2)
GOALS = {"local": (1.05, 1.08), "all": (1.12, 1.18)}  # by peers
PIPELINES = (1, 16)


def load(options, port, *more):
    words = ["taskset", "-c", farming.LOAD_CORE,
             os.environ.get("LOAD", "tests/bench/load"),
             "--port", port, "--keys", KEYS, "--value-bytes", VALUE_BYTES,
             "--connections", CONNECTIONS, *more]
    figures = figures_of(words, options.peers_seconds + 60)
    if figures["errors"] != "0" or figures["misses"] != "0":
        raise Failure(f"{figures['errors']} errors, {figures['misses']} "
                      "misses: nothing to compare")
    return figures


def fill(options, group):
    load(options, group[0].port, "--fill", "--requests", 0)


def measure_once(options, group, pipeline):
    """Its microseconds per request, and requests per second."""
    rate = ["--rate", options.peers_rate] if options.peers_rate else []
    figures = load(options, group[0].port, "--ratio", "9:1",
                   "--pipeline", pipeline, "--seconds", options.peers_seconds,
                   "--server-pid", group[0].pid, *rate)
    return float(figures["cpu_us_per_request"]), float(figures["rate"])


def groups_start(stack, options, ack):
    """By the number of peers; the first of each is asked."""
    groups = {0: [farming.start(stack)]}
    for count in PEERS:
        groups[count] = farming.start_farm(stack, "--farm-ack", ack,
                                           count=1 + count)
    for group in groups.values():
        farming.pin(group[0], farming.SERVER_CORE)
        for peer in group[1:]:
            farming.pin(peer, farming.LOAD_CORE)
        fill(options, group)
    return groups


def rounds_run(options, groups, pipeline):
    """(cost, rate) by number of peers, one per round."""
    found = {count: [] for count in groups}
    for _ in range(1 + options.peers_rounds):  # the first one warms up
        for count, group in groups.items():
            found[count].append(measure_once(options, group, pipeline))
    return {count: all_of[1:] for count, all_of in found.items()}


def rounds_print(options, ack, pipeline, found):
    def middle(count, which):
        return statistics.median(one[which] for one in found[count])

    pace = f"{options.peers_rate} a second" if options.peers_rate \
        else "as fast as answered"
    title = (f"peers   9:1 get:set, {CONNECTIONS} connections, pipeline "
             f"{pipeline}, {pace}, ack {ack}")
    print(f"{title}: processor time in us per request of the server asked: "
          + ", ".join(f"{count} peers {middle(count, 0):.3f} "
                      f"(at {middle(count, 1):.0f} a second)"
                      for count in found))
    for count, goal in zip(PEERS, GOALS[ack]):
        ratios = [one[0] / alone[0]
                  for one, alone in zip(found[count], found[0])]
        verdict = farming.verdict(statistics.median(ratios), goal)
        print(f"{title}: {count} peers to none "
              f"{farming.middle(ratios, 3)}; goal <= {goal}: {verdict}",
              flush=True)


def asked_print(ack, groups):
    """None, on a machine that runs its servers when they want to."""
    asked = sum(farming.reads_asked(groups[count][0]) for count in PEERS)
    print(f"peers   ack {ack}: reads that were not from memory, as a server "
          f"was not run for long: {asked}", flush=True)


def measure(options):
    for ack in GOALS:
        with contextlib.ExitStack() as stack:
            groups = groups_start(stack, options, ack)
            for pipeline in PIPELINES:
                rounds_print(options, ack, pipeline,
                             rounds_run(options, groups, pipeline))
            asked_print(ack, groups)
