# SPDX-License-Identifier: BSD-3-Clause
"""
Farming: farms on this machine whose cost is measured.

    with contextlib.ExitStack() as stack:
        farm = farming.start_farm(stack, "--farm-ack", "all")
        before = farming.cpu_seconds(farm[0])

Links are keyed, but where it says that they are in the clear.

Environment: GRAPEVINED (./grapevined), GRAPEVINE (./grapevine).
Fails: counting.Failure, servers.ServerFailed, in one sentence.
"""

import contextlib
import os
import statistics
import tempfile
import time

import keys
import servers
from counting import output_of

SERVERS = 3
MEMORY_MB = 128
READY_SECONDS_MAX = 30
SERVER_CORE = 0
LOAD_CORE = 1


def start(stack, *arguments, program=None):
    """A server with one thread; it ends with `stack`."""
    with contextlib.ExitStack() as once:
        if program is not None:
            before = os.environ.get("GRAPEVINED", "./grapevined")
            os.environ["GRAPEVINED"] = f"{program} {before}"
            once.callback(os.environ.__setitem__, "GRAPEVINED", before)
        return stack.enter_context(
            servers.grapevined("-t", 1, "-m", MEMORY_MB, *arguments))


def start_farm(stack, *arguments, program=None, keyed=True, count=SERVERS):
    """Servers that have all each; the first one may run in `program`."""
    if keyed:
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="grapevine-bench-"))
        os.chmod(folder, 0o711)
        arguments += ("--farm-key-file",
                      keys.write(os.path.join(folder, "key"), keys.new()))
    ports = [servers.free_port() for _ in range(count)]
    join = ",".join(f"127.0.0.1:{port}" for port in ports)
    farm = [start(stack, "--farm-listen", f"127.0.0.1:{port}",
                  "--farm-join", join, *arguments,
                  program=program if port == ports[0] else None)
            for port in ports]
    # The last one is asked: what that costs the first would be counted.
    tool_run("wait", "-s", f"127.0.0.1:{farm[-1].port}", "--ready",
             "--members", str(count), "--timeout", str(READY_SECONDS_MAX))
    return farm


def tool_run(*arguments):
    program = os.environ.get("GRAPEVINE", "./grapevine")
    return output_of([program, *arguments], READY_SECONDS_MAX + 5)


def farm_figures(server):
    """`stats farm`, by name."""
    lines = tool_run("stats", "-s", f"127.0.0.1:{server.port}", "farm")
    return dict(line.split(None, 1) for line in lines.splitlines()
                if " " in line)


def reads_asked(server):
    """Reads that other servers were asked about: not from memory."""
    figures = farm_figures(server)
    return int(figures["farm_lookups"]) + int(figures["farm_stale_reads"])


def cpu_seconds(server):
    """Exact: the kernel's clock of the process, see clock_getcpuclockid(3)."""
    return time.clock_gettime((~server.pid << 3) | 2)


def pin(server, core):
    for task in os.listdir(f"/proc/{server.pid}/task"):
        os.sched_setaffinity(int(task), {core})


def middle(figures, digits=2):
    """Median (least..greatest)."""
    return (f"{statistics.median(figures):.{digits}f} "
            f"({min(figures):.{digits}f}..{max(figures):.{digits}f})")


def verdict(figure, goal):
    return "met" if figure <= goal else "missed"
