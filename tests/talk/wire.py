# SPDX-License-Identifier: BSD-3-Clause
"""
Wire: one connection of a player, with every wait bounded.

Reads go into a buffer, from which `take_*` hands out what was promised, or
raises Mismatch at the first byte that is different.  Writing reads too, so
that a long pipeline cannot lock both sides up.
"""

import contextlib
import fcntl
import os
import select
import socket
import struct
import termios
import time

import frames

READ_BYTES_MAX = 1 << 18
LINE_BYTES_MAX = 1 << 21
SPINS_MAX = 100
CLOSE_MS_MAX = 500


class Mismatch(Exception):
    """The server did something else."""


class Wire:
    def __init__(self, connection, patience_s):
        self.first_byte = None
        self._connection = connection
        self._patience_s = patience_s
        self._received = bytearray()
        self._is_closed = False
        connection.setblocking(False)
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)

    def close(self):
        """When the server has, too, if it does so soon: who counts
        connections next is not to find this one."""
        if isinstance(self._connection, socket.socket):
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_WR)
                while (self._poll.poll(CLOSE_MS_MAX)
                       and self._connection.recv(READ_BYTES_MAX)):
                    pass
        self._connection.close()

    # -- writing ----------------------------------------------------------

    def write(self, data):
        """Hands all to the kernel; an end on the other side ends it."""
        if self.first_byte is None and data:
            self.first_byte = data[0]
        view, deadline = memoryview(data), self._deadline()
        while view and not self._is_closed:
            try:
                view = view[self._connection.send(view):]
            except BlockingIOError:
                self._turn(select.POLLIN | select.POLLOUT, deadline,
                           "the server stopped reading")
            except (BrokenPipeError, ConnectionResetError):
                # The server may close before it has read all; what it
                # sent before that is still to be read.
                return

    def write_records(self, parts):
        """Over TLS: a record for each part, and all of them at once."""
        if self.first_byte is None and parts:
            self.first_byte = parts[0][0]
        if parts and not self._is_closed:
            try:
                self._connection.send_records(parts)
            except (BrokenPipeError, ConnectionResetError):
                return

    def settle(self):
        """Waits until the server has read all that was written.

        Only a unix socket tells: its TIOCOUTQ falls to zero when the
        other side has taken the bytes out, so that what is written next
        is in another read for certain.
        """
        deadline, spins = self._deadline(), 0
        while self._unread() and time.monotonic() < deadline:
            spins += 1
            if spins < SPINS_MAX:
                os.sched_yield()
            elif self._poll.poll(1):
                self._receive()
                if self._is_closed:
                    return

    def _unread(self):
        answer = fcntl.ioctl(self._connection, termios.TIOCOUTQ, b"\0" * 4)
        return struct.unpack("i", answer)[0] > 0

    # -- reading ----------------------------------------------------------

    def take(self, expected):
        """Exactly these bytes; told apart at the first that differs."""
        compared = 0
        deadline = self._deadline()
        while True:
            ready = min(len(self._received), len(expected))
            if self._received[compared:ready] != expected[compared:ready]:
                raise Mismatch(_difference(expected, self._received))
            compared = ready
            if ready == len(expected):
                self._drop(ready)
                return
            if not self._more(deadline):
                raise Mismatch(
                    f"expected {frames.shorten(expected)}\n"
                    f"     got {frames.shorten(self._received)}"
                    f"{self._silence()}")

    def take_digits(self):
        """A decimal number, up to the first other byte."""
        deadline, count = self._deadline(), 0
        while True:
            while count < len(self._received) \
                    and 0x30 <= self._received[count] <= 0x39:
                count += 1
            if count < len(self._received) or not self._more(deadline):
                break
        if count == 0:
            raise Mismatch("expected a number\n     got "
                           f"{frames.shorten(self._received)}"
                           f"{self._silence()}")
        return int(self._drop(count))

    def take_line(self):
        """A line, its \\n included."""
        deadline, searched = self._deadline(), 0
        while True:
            end = self._received.find(b"\n", searched)
            if end >= 0:
                return bytes(self._drop(end + 1))
            searched = len(self._received)
            if searched > LINE_BYTES_MAX or not self._more(deadline):
                raise Mismatch("expected a line\n     got "
                               f"{frames.shorten(self._received)}"
                               f"{self._silence()}")

    def take_frame(self):
        """A binary answer, whole; text in its place is told at once."""
        self._need(1)
        if self._received[0] != frames.ANSWER:
            self._need(min(64, len(self._received)))
            raise Mismatch("expected a binary answer\n     got "
                           f"{frames.shorten(self._received)}")
        self._need(frames.HEADER_BYTES)
        header = bytes(self._received[:frames.HEADER_BYTES])
        length = frames.HEADER_BYTES + frames.body_length(header)
        self._need(length)
        return bytes(self._drop(length))

    def take_close(self):
        """The end, with nothing before it."""
        deadline = self._deadline()
        while not self._received and self._more(deadline):
            pass
        if self._received:
            raise Mismatch("expected the server to close\n     got "
                           f"{frames.shorten(self._received)}")
        if not self._is_closed:
            raise Mismatch("expected the server to close\n"
                           "     got nothing")

    def _need(self, count):
        deadline = self._deadline()
        while len(self._received) < count:
            if not self._more(deadline):
                raise Mismatch(f"expected {count} bytes of a binary answer"
                               f"\n     got "
                               f"{frames.shorten(self._received)}"
                               f"{self._silence()}")

    def _drop(self, count):
        taken = self._received[:count]
        del self._received[:count]
        return taken

    def _more(self, deadline):
        """Receives something; false at the end or out of patience."""
        if self._is_closed:
            return False
        try:
            self._turn(select.POLLIN, deadline, "silence")
        except Mismatch:
            return False
        return not self._is_closed

    def _turn(self, events, deadline, what):
        # What TLS has taken from the socket no poll tells of.
        if getattr(self._connection, "has_data", bool)():
            self._receive()
            return
        self._poll.modify(self._connection, events)
        left_ms = (deadline - time.monotonic()) * 1000
        ready = self._poll.poll(max(0, left_ms))
        self._poll.modify(self._connection, select.POLLIN)
        if not ready:
            raise Mismatch(what)
        if ready[0][1] & ~select.POLLOUT:
            self._receive()

    def _receive(self):
        try:
            data = self._connection.recv(READ_BYTES_MAX)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        self._received += data
        self._is_closed = not data

    def _silence(self):
        return ", then the end" if self._is_closed else ", then silence"

    def _deadline(self):
        return time.monotonic() + self._patience_s


def _difference(expected, received):
    """Both sides, from a little before the first byte that differs."""
    pairs = zip(expected, received)
    first = next(i for i, (a, b) in enumerate(pairs) if a != b)
    start = 0 if first < 160 else first - 20
    where = f" (from byte {start})" if start else ""
    return (f"expected {frames.shorten(expected[start:])}\n"
            f"     got {frames.shorten(received[start:])}{where}")
