# SPDX-License-Identifier: BSD-3-Clause
"""
TAP: one line per test on standard output, for every Python test here.

    tap = Tap()
    tap.check(reply == b"STORED\r\n", "set stores", f"got {reply!r}")
    with tap.test("a lock is given to one of two"):
        assert winners == 1, f"{winners} winners"
    tap.skip("tls answers", "no openssl here")
    sys.exit(tap.finish())

The plan comes last, so that nobody has to count in advance.  A skip under
CI=true is a failure: there everything that a test needs is installed, and
a test that silently stopped running is worse than a red one.

Threads: any may report; lines of one test stay together.
"""

import contextlib
import os
import sys
import threading
import traceback


class Skip(Exception):
    """Raised inside `with tap.test(...)` to skip it, with the reason."""


class Tap:
    def __init__(self, out=None):
        self.count = 0
        self.failed_count = 0
        self._out = out or sys.stdout
        self._lock = threading.Lock()

    def ok(self, name):
        self._report(True, name)

    def not_ok(self, name, diagnostics=""):
        self._report(False, name, diagnostics=diagnostics)

    def check(self, condition, name, diagnostics=""):
        """ok or not ok by `condition`, which is handed back."""
        self._report(bool(condition), name,
                     diagnostics="" if condition else diagnostics)
        return bool(condition)

    def skip(self, name, reason):
        if os.environ.get("CI") == "true":
            self._report(False, name,
                         diagnostics=f"skipped under CI: {reason}")
        else:
            self._report(True, name, directive=f"SKIP {reason}")

    @contextlib.contextmanager
    def test(self, name):
        """One test: ok unless the body raises; Skip skips it."""
        try:
            yield
        except Skip as reason:
            self.skip(name, str(reason))
        except AssertionError as failure:
            self.not_ok(name, str(failure) or _where(failure))
        except Exception:  # a broken test is a failed one, the rest go on
            self.not_ok(name, traceback.format_exc())
        else:
            self.ok(name)

    def note(self, text):
        """A comment line for the reader; no effect on the result."""
        with self._lock:
            self._comment(text)

    def finish(self):
        """Prints the plan; the exit code: 0, or 1 if anything failed."""
        with self._lock:
            print(f"1..{self.count}", file=self._out, flush=True)
        return 1 if self.failed_count or self.count == 0 else 0

    def _report(self, passed, name, directive="", diagnostics=""):
        with self._lock:
            self.count += 1
            self.failed_count += not passed
            line = f"{'ok' if passed else 'not ok'} {self.count}"
            line += f" - {_plain(name)}"
            if directive:
                line += f" # {_plain(directive)}"
            print(line, file=self._out)
            if diagnostics:
                self._comment(diagnostics)
            self._out.flush()

    def _comment(self, text):
        for line in str(text).rstrip("\n").split("\n"):
            print(f"# {line}", file=self._out)


def _plain(text):
    """A `#` or a newline in a name would be read as TAP grammar."""
    return " ".join(str(text).split()).replace("#", "no.")


def _where(failure):
    """For a bare `assert`: the line that did not hold."""
    frame = traceback.extract_tb(failure.__traceback__)[-1]
    return f"{os.path.basename(frame.filename)}:{frame.lineno}: {frame.line}"
