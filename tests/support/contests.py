# SPDX-License-Identifier: BSD-3-Clause
"""
Contests: clients that all want the same few keys, on several servers, and
whether what they were told can be true.

    with contests.Mix(members, "--pause-us", "300") as mix:
        ...  # kill, freeze, restart
        mix.release(servers[1])     # its locks may be taken away from now on
    verdict = mix.judge()           # an AssertionError if it is wrong

    with contests.Count(members, b"key", times=1000) as count: ...
    count.told["yes"]

Servers give a command up after a second.  Where this machine was busy for so
long that is no fault of theirs: was_held_up() tells, and what nobody is to
lose is tried again, up to ATTEMPTS_MAX times.

`members` have an address and a port, such as those of farm.py or a Place.
The programs are tests/linear/contend and tests/linear/judge, in the build
folder; TOP_BUILDDIR says where that is.
"""

import collections
import contextlib
import itertools
import os
import signal
import subprocess
import tempfile
import time

from tap import Skip

Place = collections.namedtuple("Place", "address port")

STOP_SECONDS_MAX = 60
JUDGE_SECONDS_MAX = 120
SHOWN_BYTES_MAX = 12000
NEVER_S = 100000
ATTEMPTS_MAX = 3
GIVEN_UP_MS = 850  # of the second an eighth is for the way


def program(name):
    path = os.path.join(os.environ.get("TOP_BUILDDIR", "."), "tests",
                        "linear", name)
    if not os.access(path, os.X_OK):
        raise Skip(f"no {path}: make check builds it")
    return path


class Contest:
    """One run of contend.  `told` is what its last line says."""

    def __init__(self, mode, members, *arguments):
        self.told = None
        self.members = list(members)
        self._words = [program("contend"), mode, "--servers", ",".join(
            f"{member.address}:{member.port}" for member in members)]
        self._words += [str(word) for word in arguments]
        self._process = None

    def __enter__(self):
        self._process = subprocess.Popen(
            self._words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        return self

    def __exit__(self, kind, *_):
        if kind:
            self._process.kill()
        self.stop()

    def is_running(self):
        return self._process.poll() is None

    def stop(self):
        """TERM, if it still runs, and what it told; once."""
        if self.told is None:
            self._process.send_signal(signal.SIGTERM)
            self.wait(STOP_SECONDS_MAX)

    def wait(self, seconds_max):
        """Until it has done all that it was to do."""
        if self.told is not None:
            return
        self.told = {}
        try:
            said, errors = self._process.communicate(timeout=seconds_max)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise AssertionError(
                f"clients are not done after {seconds_max} s") from None
        code = self._process.returncode
        if code == -signal.SIGKILL:
            return
        assert code == 0, f"contend ended with {code}: {errors}"
        words = said.strip().splitlines()[-1].split()
        self.told = dict(zip(words[::2], map(int, words[1::2])))

    def lost_count(self):
        """How often a client was not told what it asked for."""
        return self.told["nothing"] + self.told["unknown"]

    def was_held_up(self):
        """Whether it may have lost what it did as commands were given up."""
        return (self.lost_count() > 0
                and self.told["slowest_ms"] >= GIVEN_UP_MS)

    def __str__(self):
        return ", ".join(f"{name} {value}" for name, value
                         in (self.told or {}).items() if value)


class Mix(Contest):
    """All atomic commands on counters, registers and locks that nobody has
    had before."""

    _numbers = itertools.count(1)

    def __init__(self, members, *arguments, seconds=NEVER_S, locks=2):
        self._directory = tempfile.TemporaryDirectory(
            prefix="grapevine-history-")
        self._path = os.path.join(self._directory.name, "history")
        prefix = f"contended{os.getpid()}.{next(self._numbers)}"
        self._locks = [f"{prefix}.{number}.lock" for number in range(locks)]
        self._released = []
        self._alone = []  # a server's number, from when and to when
        super().__init__("mix", members, "--history", self._path,
                         "--key", prefix,
                         "--seconds", seconds, "--locks", locks, *arguments)

    def release(self, member):
        """It is killed or leaves in a moment: the farm may then take away
        locks that it holds."""
        number = self.members.index(member) + 1
        self._released.append((number, time.monotonic_ns()))

    @contextlib.contextmanager
    def alone(self, member):
        """Meanwhile nobody is there whom it could ask: its reads may be of
        any age."""
        number, start = self.members.index(member) + 1, time.monotonic_ns()
        yield
        self._alone.append((number, start, time.monotonic_ns()))

    def judge(self):
        """What `judge` says of each key; fails where one is not right."""
        assert not self.is_running()
        with open(self._path, encoding="ascii") as history:
            rows = [self._forgiven(line.split()) for line in history]
        rows += [[lock, 0, number, ns, "-", "release", "unknown", 0, 0, "-", 0]
                 for number, ns in self._released for lock in self._locks]
        rows += [[row[0], 0, row[2], row[3], "-", "release", "unknown", 0, 0,
                  "-", 0] for row in rows if self._may_be_given_back(row)]
        with open(self._path, "w", encoding="ascii") as history:
            for row in rows:
                print(*row, file=history)
        done = subprocess.run(
            [program("judge"), "--tokens-rise", self._path], text=True,
            stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=JUDGE_SECONDS_MAX)
        said = (done.stderr + done.stdout)[:SHOWN_BYTES_MAX]
        assert done.returncode in (0, 1), said
        assert done.returncode == 0, f"not what one memcached does\n{said}"
        return done.stdout

    def _may_be_given_back(self, row):
        """A lock that nobody was told to have taken is."""
        key, _, _, _, _, kind, outcome, *_ = row
        return (key in self._locks and kind in ("add", "incr")
                and outcome == "unknown")

    def _forgiven(self, row):
        """Nothing is expected of what was looked at alone: of what was read,
        and of a delete that found nothing and so did nothing."""
        _, _, server, start, end, kind, outcome, *_ = row
        looked = (kind == "read" and outcome in ("yes", "no")
                  or kind == "delete" and outcome == "no")
        if looked and any(int(server) == number and int(end) >= since
                          and int(start) <= until
                          for number, since, until in self._alone):
            row[4:7] = "-", "read", "unknown"
        return row

    def __exit__(self, kind, *rest):
        super().__exit__(kind, *rest)
        if kind:
            self._directory.cleanup()


class Count(Contest):
    """Each of two clients increments the key."""

    def __init__(self, members, key, *arguments, times=10 ** 9, clients=2):
        super().__init__("count", members, "--key", key, "--times", times,
                         "--clients", clients, *arguments)


class Fill(Contest):
    """Keys that nobody has, asked for by all at once."""

    def __init__(self, members, *arguments, keys=50, clients=100):
        super().__init__("fill", members, "--keys", keys, "--clients",
                         clients, *arguments)
