# SPDX-License-Identifier: BSD-3-Clause
"""
Player: one conversation with one server, in one cut.

A turn is what the client writes before it reads, and what it then expects.
The cuts differ in nothing but how a turn's bytes are handed to the server:

    plain   a write for each line or frame
    joined  turns of a connection become one, so all goes in one write
    bytes   each byte by itself
    split   in two; `place` says where

The last two need a unix socket, where a write can wait until the one
before was read; over TCP the kernel would join them again.  Over TLS each
part is a record, and all records of a turn come in one piece, so that the
server has what the socket does not tell of.
"""

import dataclasses
import re
import time

import frames
from transcript import (CasBytes, Closed, Frame, Group, Line, Number, On,
                        Rows, Send, Shape, Sync, Wait, chosen, row_excused)
from wire import Mismatch, Wire

BYTES_CUT_BYTES_MAX = 4000


@dataclasses.dataclass
class Turn:
    connection: str
    sends: list = dataclasses.field(default_factory=list)
    groups: list = dataclasses.field(default_factory=list)
    seconds: float = 0  # waits this long, before all else
    stands_alone: bool = False  # never joined to the one before


class Failure(Exception):
    """What differed, and the line of the transcript."""


# Where `split` divides a turn's bytes.  The ends of the first line and the
# last, the middles, and the parts of a binary frame.
PLACES = (
    lambda data: 1,
    lambda data: len(data) - 1,
    lambda data: len(data) // 2,
    lambda data: data.find(b"\r\n") + 1,
    lambda data: data.find(b"\r\n") + 2,
    lambda data: data.rfind(b"\r\n", 0, -2) + 1,
    lambda data: frames.HEADER_BYTES - 1,
    lambda data: frames.HEADER_BYTES + 5,
)


def split(data, place):
    """Two parts, neither empty where that can be."""
    at = min(max(1, PLACES[place](data)), len(data))
    return [part for part in (data[:at], data[at:]) if part]


def is_small(conversation):
    """Whether the byte by byte cut is worth its time."""
    return sum(_weight(part) for step in conversation.steps
               if isinstance(step, Send)
               for part in step.parts) <= BYTES_CUT_BYTES_MAX


def _weight(part):
    return len(part) if isinstance(part, bytes) else 8


def play(conversation, server, cut, place=0, version=None, patience_s=10,
         pause=None):
    """Raises Failure at the first difference; `pause` waits seconds."""
    player = _Player(server, cut, place, version, patience_s)
    try:
        for turn in turns(conversation, cut == "joined"):
            if turn.seconds:
                pause(turn.seconds)
            player.take_turn(turn)
        player.probe()
    finally:
        player.close()


# -- turns --------------------------------------------------------------

def turns(conversation, joined):
    """The conversation as turns; joined, as few as it allows."""
    divided = []
    for turn in _divide(conversation.steps):
        if joined and divided and _may_join(divided[-1], turn):
            divided[-1].sends += turn.sends
            divided[-1].groups += turn.groups
        else:
            divided.append(turn)
    return divided


def _divide(steps):
    turn = Turn("first")
    for step in steps:
        if isinstance(step, Send):
            if turn.groups:
                yield turn
                turn = Turn(turn.connection)
            turn.sends.append(step)
        elif isinstance(step, Group):
            turn.groups.append(step)
        else:
            yield turn
            turn = _after_barrier(step, turn.connection)
    yield turn


def _after_barrier(step, connection):
    if isinstance(step, Wait):
        return Turn(connection, seconds=step.seconds, stands_alone=True)
    if isinstance(step, On):
        return Turn(step.name, stands_alone=True)
    assert isinstance(step, Sync)
    return Turn(connection, stands_alone=True)


def _may_join(before, turn):
    """Not when it sends a number that the one before has yet to learn."""
    if turn.stands_alone or before.connection != turn.connection:
        return False
    used = {name for send in turn.sends for part in send.parts
            for name in [_name_used(part)] if name}
    return not used & set(_names_learned(before))


def _name_used(part):
    number = part.number if isinstance(part, CasBytes) else part
    return number.name if isinstance(number, Number) else None


def _names_learned(turn):
    for group in turn.groups:
        for expect in group.expects:
            if isinstance(expect, Line):
                yield from (_name_used(part) for part in expect.parts)
            elif isinstance(expect, Frame):
                yield _name_used(expect.cas)


# -- playing ------------------------------------------------------------

class _Player:
    def __init__(self, server, cut, place, version, patience_s):
        self.server = server
        self.cut = cut
        self.place = place
        self.version = version
        self.patience_s = patience_s
        self.numbers = {"NOW": int(time.time())}
        self.wires = {}
        self.ended = set()

    def close(self):
        for wire in self.wires.values():
            wire.close()

    def take_turn(self, turn):
        wire = self._wire(turn.connection)
        self._write(wire, [self._render(send) for send in turn.sends])
        for group in turn.groups:
            for expect in chosen(group, self.version):
                self._meet(wire, turn.connection, expect)

    def probe(self):
        """Shows that nothing more was sent than was expected."""
        for name, wire in self.wires.items():
            if name in self.ended or wire.first_byte is None:
                continue
            try:
                _probe(wire)
            except Mismatch as mismatch:
                raise Failure(f"after the last line, connection {name}:\n"
                              f"{mismatch}") from None

    def _wire(self, name):
        if name not in self.wires:
            if self.server.tls:
                connection = self.server.connect_records(self.patience_s)
            else:
                connection = self.server.connect(self.patience_s)
            self.wires[name] = Wire(connection, self.patience_s)
        return self.wires[name]

    def _write(self, wire, pieces):
        if self.cut == "plain":
            for piece in pieces:
                wire.write(piece)
            return
        parts = self._chop(b"".join(pieces))
        if self.server.tls:
            wire.write_records([part for part in parts if part])
            return
        for part in parts:
            wire.write(part)
            if self.cut != "joined":
                wire.settle()

    def _chop(self, data):
        if self.cut == "bytes":
            return [data[i:i + 1] for i in range(len(data))]
        if self.cut == "split":
            return split(data, self.place)
        return [data]

    def _render(self, send):
        return b"".join(self._render_part(part) for part in send.parts)

    def _render_part(self, part):
        if isinstance(part, bytes):
            return part
        if isinstance(part, CasBytes):
            return self._value(part.number).to_bytes(8, "big")
        return b"%d" % self._value(part)

    def _value(self, number):
        return self.numbers[number.name] + number.offset

    def _meet(self, wire, name, expect):
        try:
            if isinstance(expect, Closed):
                wire.take_close()
                self.ended.add(name)
            elif isinstance(expect, Line):
                self._meet_line(wire, expect)
            elif isinstance(expect, Shape):
                self._meet_shape(wire, expect)
            elif isinstance(expect, Frame):
                self._meet_frame(wire, expect)
            elif isinstance(expect, Rows):
                self._meet_rows(wire, expect)
        except Mismatch as mismatch:
            raise Failure(f"line {expect.line}:\n{mismatch}") from None

    def _meet_line(self, wire, expect):
        for part in expect.parts:
            if isinstance(part, bytes):
                wire.take(part)
            else:
                self._meet_number(part, wire.take_digits())

    def _meet_number(self, number, got):
        """Learns a number, or holds it against what is known."""
        if number.name is None:
            return
        known = self.numbers.setdefault(number.name, got)
        if known + number.offset != got:
            raise Mismatch(f"expected {number.name} = "
                           f"{known + number.offset}\n     got {got}")
        if number.above and got <= self.numbers[number.above]:
            raise Mismatch(f"expected above {number.above} = "
                           f"{self.numbers[number.above]}\n     got {got}")

    def _meet_shape(self, wire, expect):
        got = wire.take_line()
        if not re.fullmatch(expect.pattern + rb"\r\n", got):
            raise Mismatch(f"expected the shape {expect.pattern!r}\n"
                           f"     got {got!r}")

    def _meet_frame(self, wire, expect):
        got = wire.take_frame()
        cas = frames.cas_of(got)
        wanted = frames.with_cas(
            expect.frame,
            cas if isinstance(expect.cas, Number) else expect.cas)
        if got != wanted:
            raise Mismatch(f"expected {frames.describe(wanted)}\n"
                           f"     got {frames.describe(got)}")
        if isinstance(expect.cas, Number):
            if cas == 0:
                raise Mismatch("expected a cas\n     got cas=0")
            self._meet_number(expect.cas, cas)

    def _meet_rows(self, wire, expect):
        rows = list(_read_rows(wire, expect.last))
        wrong = list(self._wrong_rows(rows, expect))
        if wrong:
            shown = b"\n".join(rows).decode("latin-1")
            raise Mismatch("\n".join(wrong) + f"\n     got\n{shown}")

    def _wrong_rows(self, rows, expect):
        for row in expect.rows:
            pattern = row.pattern.decode("ascii")
            found = [r for r in rows if re.fullmatch(row.pattern, r)]
            if row.absent:
                if found:
                    yield f"expected no row {pattern} (line {row.line})"
            elif row_excused(row, self.version) is not None:
                if found:
                    yield f"has the row {pattern}: no difference to list"
            elif len(found) != 1:
                yield (f"expected one row {pattern}, not {len(found)} "
                       f"(line {row.line})")
        for pattern in expect.every:
            for row in rows:
                if not re.fullmatch(pattern, row):
                    yield f"expected every row {pattern!r}: {row!r}"


def _read_rows(wire, last):
    """Rows as `name value`, of either protocol, without the last."""
    while last is not None:
        line = wire.take_line()
        if line == last:
            return
        if not line.endswith(b"\r\n") or line.startswith(
                (b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR")):
            raise Mismatch(f"expected a row\n     got {line!r}")
        yield line[:-2]
    while True:
        frame = wire.take_frame()
        name, value = frames.stat_row(frame)
        if frame != _stat_frame(name, value):
            raise Mismatch("expected a row\n"
                           f"     got {frames.describe(frame)}")
        if not name:
            return
        yield name + b" " + value


def _stat_frame(name, value):
    return frames.answer("stat", "ok", {"key": name, "value": value})


def _probe(wire):
    """A harmless request: its answer has to be the very next bytes."""
    if wire.first_byte == frames.REQUEST:
        wire.write(frames.probe())
        wire.take(frames.probe_answer())
        return
    wire.write(b"version\r\n")
    wire.take(b"VERSION ")
    if not re.fullmatch(rb"\S+\r\n", wire.take_line()):
        raise Mismatch("expected a version")
