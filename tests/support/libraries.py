# SPDX-License-Identifier: BSD-3-Clause
"""
Libraries: the scenarios of tests/client/scenarios, one for each client
library and protocol, run against servers.

    with Workshop() as shop:
        for scenario in SCENARIOS:
            shop.run(scenario, ["127.0.0.1:7001"]).report(tap, "on it")

A scenario is a program in the library's own language, called with a
protocol and the addresses of servers.  With several, which are members of
one farm, each of its calls goes to the next.  It prints TAP, and ends with
77 where the library is not on this machine, with 78 where this version of
it does not speak the protocol.

Time:  a scenario that takes longer than `SECONDS_MAX` is killed.
Needs: for gomemcache Go, which compiles it into the workshop's folder.
"""

import collections
import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..",
                      "client", "scenarios")
SECONDS_MAX = 100
BUILD_SECONDS_MAX = 120
MISSING, NOT_SPOKEN = 77, 78
SHOWN_BYTES_MAX = 4000
LINE = re.compile(r"(not )?ok \d+ - (.*)")
GO_FOLDER = "/usr/share/gocode"

Scenario = collections.namedtuple("Scenario", "library protocol words")


def _scenarios():
    for library, protocols, *words in (
            # Those that take longest come first.
            ("gomemcache", "text", "gomemcache.go"),
            ("pymemcache", "text", "/usr/bin/python3", "pymemcache"),
            ("php-memcached", "text binary", "php", "php_memcached.php"),
            ("Cache::Memcached::Fast", "text", "perl",
             "cache_memcached_fast.pl"),
            ("pylibmc", "text binary", "/usr/bin/python3", "pylibmc"),
            ("dalli", "binary meta", "ruby", "dalli.rb"),
            ("php-memcache", "text binary", "php", "php_memcache.php"),
            ("python-memcache", "text", "/usr/bin/python3",
             "python_memcache"),
            ("Cache::Memcached", "text", "perl", "cache_memcached.pl")):
        for protocol in protocols.split():
            yield Scenario(library, protocol, words)


SCENARIOS = list(_scenarios())


class Outcome:
    """What a scenario printed, and how it ended."""

    def __init__(self, scenario, code, output, errors):
        self.scenario = scenario
        self.code = code
        self.errors = errors
        self.verdicts = []  # [passed, name, diagnostics]
        self.plan = None
        for line in output.splitlines():
            if match := LINE.match(line):
                self.verdicts.append([not match[1], match[2], ""])
            elif line.startswith("1.."):
                self.plan = int(line[3:])
            elif self.verdicts:
                self.verdicts[-1][2] += line.removeprefix("# ") + "\n"

    def report(self, tap, where):
        """Each test of the scenario as one of ours, and its end as one."""
        name = f"{self.scenario.library} ({self.scenario.protocol}) {where}"
        if self.code == MISSING:
            tap.skip(name, self.errors.strip())
            return
        if self.code == NOT_SPOKEN:
            tap.note(f"{name}: {self.errors.strip()}")
            return
        for passed, what, diagnostics in self.verdicts:
            tap.check(passed, f"{name}: {what}", diagnostics)
        tap.check(self.plan == len(self.verdicts) and self.plan,
                  f"{name}: it went to its end",
                  f"code {self.code}, plan {self.plan}\n{self.errors}")


class Workshop:
    """Where scenarios are run; any thread may."""

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        self._folder = self._stack.enter_context(
            tempfile.TemporaryDirectory(prefix="grapevine-libraries-"))
        self._lock = threading.Lock()
        self._built = {}
        return self

    def __exit__(self, *_):
        self._stack.close()

    def run(self, scenario, addresses):
        """The Outcome of one with servers at these `host:port`s."""
        words, why_not = self._words(scenario)
        if words is None:
            return Outcome(scenario, MISSING, "", why_not)
        words = words + [scenario.protocol] + addresses
        with tempfile.TemporaryFile(dir=self._folder) as output, \
                tempfile.TemporaryFile(dir=self._folder) as errors:
            code = _end_of(words, output, errors, SECONDS_MAX)
            return Outcome(scenario, code, _text(output, 1 << 20),
                           _text(errors, SHOWN_BYTES_MAX))

    def _words(self, scenario):
        """The command, or None and why there is none."""
        program, *rest = scenario.words
        if program.endswith(".go"):
            return self._build(program)
        if shutil.which(program) is None:
            return None, f"no {program} here"
        return [program, os.path.join(FOLDER, rest[0])], ""

    def _build(self, source):
        with self._lock:
            if source not in self._built:
                self._built[source] = self._compile(source)
            return self._built[source]

    def _compile(self, source):
        if shutil.which("go") is None:
            return None, "no go here"
        if not os.path.isdir(os.path.join(
                GO_FOLDER, "src/github.com/bradfitz/gomemcache")):
            return None, "no gomemcache here"
        program = os.path.join(self._folder, source.removesuffix(".go"))
        environment = {
            **os.environ, "GO111MODULE": "off", "GOPATH": GO_FOLDER,
            "GOFLAGS": "", "CGO_ENABLED": "0", "HOME": self._folder,
            "GOCACHE": os.path.join(self._folder, "cache")}
        with tempfile.TemporaryFile(dir=self._folder) as errors:
            code = _end_of(["go", "build", "-o", program,
                            os.path.join(FOLDER, source)], errors, errors,
                           BUILD_SECONDS_MAX, environment)
            if code != 0:
                raise AssertionError(f"{source} does not build\n"
                                     f"{_text(errors, SHOWN_BYTES_MAX)}")
        return [program], ""


def _end_of(words, output, errors, seconds_max, environment=None):
    """The code with which a command ended; it and its children are killed
    if they take too long."""
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL,
                               stdout=output, stderr=errors,
                               env=environment, start_new_session=True)
    try:
        return process.wait(seconds_max)
    except subprocess.TimeoutExpired:
        return f"none after {seconds_max} s"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _text(file, bytes_max):
    """The last part of what is in a file."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - bytes_max))
    return file.read().decode("utf-8", "replace")
