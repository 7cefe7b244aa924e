# SPDX-License-Identifier: BSD-3-Clause
"""
Memory: what a server has and had, by the system, and what it may have.

    bound = memory.Bound(server, items=64 << 20)
    ...
    bound.require(50 * SOME_BYTES, tap, "50 clients that do not read")

Sanitizers keep what was freed, and a shadow of it all: under them a bound
is a tenth of a gigabyte and ten times as large, which still finds what
grows without end.
"""

# The process itself, with four threads: doc/operating.md, "Sizing".
SELF_BYTES = 8 << 20
SANITIZED_BYTES = 100 << 20
SANITIZED_FACTOR = 10
CHUNK_BYTES = 1 << 20


class Bound:
    def __init__(self, server, items):
        self._server = server
        self._items = items
        self._is_sanitized = is_sanitized(server.process.args)

    def require(self, more, tap, what):
        """It never had more than itself, its items, and `more`."""
        most = self._items + SELF_BYTES + more
        if self._is_sanitized:
            most = SANITIZED_BYTES + SANITIZED_FACTOR * most
        peak = peak_bytes(self._server.pid)
        tap.note(f"{what}: {peak >> 10} KiB of {most >> 10} KiB allowed")
        assert peak <= most, f"{peak >> 10} KiB, {most >> 10} KiB allowed"


def resident_bytes(pid):
    return _bytes(pid, "VmRSS:")


def peak_bytes(pid):
    """The most that it ever had."""
    return _bytes(pid, "VmHWM:")


def _bytes(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    raise AssertionError(f"the system does not tell {name} of {pid}")


def is_sanitized(words):
    """Whether one of the words is a program with a sanitizer in it."""
    for word in words[:3]:
        try:
            with open(word, "rb") as program:
                last = b""
                while data := program.read(CHUNK_BYTES):
                    if b"__sanitizer_" in last + data:
                        return True
                    last = data[-16:]
        except OSError:
            continue
    return False
