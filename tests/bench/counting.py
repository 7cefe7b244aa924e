# SPDX-License-Identifier: BSD-3-Clause
"""
Counting: how many instructions a request costs the thread that serves it.

    folder = counting.folder(stack)
    program = counting.words(folder)      # in front of the server's own
    counting.per_request(port, folder, ["--pipeline", 16])

By callgrind; the difference of a long and a short run at the same server, so
that start, filling and connecting do not count.  Instructions hardly depend
on what else the machine does.

Environment: LOAD (tests/bench/load).
Fails: Failure, in one sentence.
"""

import glob
import os
import re
import subprocess
import tempfile
import time

REQUESTS_FEW = 1600
REQUESTS_MANY = 17600
KEYS = 100
RUN_SECONDS_MAX = 60
DUMP_SECONDS_MAX = 20


class Failure(Exception):
    """What ends the counting, in one sentence."""


def folder(stack):
    """Where callgrind writes; it goes with `stack`."""
    path = stack.enter_context(
        tempfile.TemporaryDirectory(prefix="grapevine-bench-"))
    os.chmod(path, 0o777)  # the server writes there as somebody else
    return path


def words(folder):
    """It dumps what was executed at each end of a connection: so a client
    that comes and goes has a part of its own."""
    return ("valgrind -q --tool=callgrind --separate-threads=yes "
            "--dump-before=session_destroy "
            f"--callgrind-out-file={folder}/out")


def output_of(command, seconds_max):
    try:
        done = subprocess.run([str(word) for word in command],
                              stdout=subprocess.PIPE, timeout=seconds_max,
                              check=False, text=True)
    except subprocess.TimeoutExpired:
        raise Failure(f"{command[0]} did not end in {seconds_max} s") from None
    except OSError as error:
        raise Failure(f"{command[0]}: {error.strerror}") from None
    if done.returncode != 0:
        raise Failure(f"{command[0]} failed with {done.returncode}")
    return done.stdout


def figures_of(command, seconds_max):
    """What our clients print: NAME=FIGURE, parted by blanks."""
    words = output_of(command, seconds_max).split()
    return dict(word.split("=", 1) for word in words)


def dumped(folder, part):
    """Instructions in that part, by the number of the thread."""
    totals = {}
    for path in glob.glob(f"{folder}/out.{part}-*"):
        with open(path, encoding="utf-8") as file:
            found = re.search(r"^totals: (\d+)", file.read(), re.MULTILINE)
        if found:
            totals[path.rsplit("-", 1)[1]] = int(found[1])
    return totals


def await_part(folder, after):
    """The number of the next part, when it has been written."""
    deadline = time.monotonic() + DUMP_SECONDS_MAX
    while time.monotonic() < deadline:
        parts = {int(path.rsplit(".", 1)[1].split("-")[0])
                 for path in glob.glob(f"{folder}/out.*-*")}
        # All of it: a dump takes no longer than the pause.
        if parts and max(parts) > after:
            time.sleep(0.5)
            return max(parts)
        time.sleep(0.05)
    raise Failure("callgrind dumped nothing when a client went")


def client_run(port, *more):
    command = [os.environ.get("LOAD", "tests/bench/load"),
               "--port", port, "--keys", KEYS, *more]
    return figures_of(command, RUN_SECONDS_MAX)


def requests_run(port, folder, more, count, after):
    """The part in which the server answered so many requests."""
    figures = client_run(port, *more, "--requests", count)
    if figures["errors"] != "0" or figures["misses"] != "0":
        raise Failure(f"{figures['errors']} errors, {figures['misses']} misses")
    return await_part(folder, after)


def per_request(port, folder, more):
    """Instructions per request, asked for with these words of `load`, of the
    thread that serves the client: the one that more of them cost most."""
    before = await_part(folder, 0)  # of whoever saw that it serves
    client_run(port, "--fill", "--pipeline", 16, "--requests", 0)
    filled = await_part(folder, before)
    few_part = requests_run(port, folder, more, REQUESTS_FEW, filled)
    many_part = requests_run(port, folder, more, REQUESTS_MANY, few_part)
    few = dumped(folder, few_part)
    many = dumped(folder, many_part)
    if not many:
        raise Failure("callgrind counted nothing")
    more_of = max(many[thread] - few.get(thread, 0) for thread in many)
    return more_of / (REQUESTS_MANY - REQUESTS_FEW)
