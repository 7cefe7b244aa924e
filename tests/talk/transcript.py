# SPDX-License-Identifier: BSD-3-Clause
"""
Transcript: a .talk file, parsed.  README.md is its grammar.

Everything that can be wrong with a transcript is found here, before any
server is started: TranscriptError names file and line.
"""

import dataclasses
import re
import typing

import frames

CUTS = ("plain", "joined", "bytes", "split")


class TranscriptError(Exception):
    """The file does not follow the grammar."""


@dataclasses.dataclass(frozen=True)
class Number:
    """A decimal the server chose; `name` None means any, not kept."""
    name: typing.Optional[str]
    above: typing.Optional[str] = None
    offset: int = 0


@dataclasses.dataclass(frozen=True)
class CasBytes:
    """A number as eight bytes, in a binary request."""
    number: Number


@dataclasses.dataclass(frozen=True)
class Line:
    """Exact bytes, with numbers in between."""
    line: int
    parts: tuple


@dataclasses.dataclass(frozen=True)
class Shape:
    """One text line, given as a regular expression."""
    line: int
    pattern: bytes


@dataclasses.dataclass(frozen=True)
class Frame:
    """One binary answer; `cas` apart as it may be a Number."""
    line: int
    frame: bytes
    cas: typing.Union[int, Number]


@dataclasses.dataclass(frozen=True)
class Closed:
    """The server closes, with no further byte."""
    line: int


@dataclasses.dataclass(frozen=True)
class Alternative:
    """What memcached (of `version`, or any) does instead, and why."""
    version: typing.Optional[str]
    reason: str
    expects: tuple


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of stats that must (or, `absent`, must not) be there."""
    line: int
    pattern: bytes
    absent: bool = False
    alternatives: tuple = ()


@dataclasses.dataclass(frozen=True)
class Rows:
    """Rows in any order, up to the text line or empty frame `last`."""
    line: int
    last: typing.Optional[bytes]  # None: binary
    rows: tuple
    every: tuple


@dataclasses.dataclass(frozen=True)
class Send:
    line: int
    parts: tuple


@dataclasses.dataclass(frozen=True)
class Group:
    """Expectations in a row, and what is put in their place."""
    expects: tuple
    alternatives: tuple = ()


@dataclasses.dataclass(frozen=True)
class Wait:
    seconds: float


@dataclasses.dataclass(frozen=True)
class Sync:
    """All is read before more is written, even when joined."""


@dataclasses.dataclass(frozen=True)
class On:
    """Further steps are on this connection."""
    name: str


@dataclasses.dataclass
class Conversation:
    name: str
    line: int
    steps: list = dataclasses.field(default_factory=list)
    exclusions: list = dataclasses.field(default_factory=list)
    cuts: tuple = CUTS

    def waits(self):
        return any(isinstance(step, Wait) for step in self.steps)

    def excluded(self, version):
        """Why memcached `version` does not play this; None if it does."""
        return _applying(self.exclusions, version)


@dataclasses.dataclass
class Talk:
    path: str
    arguments: list
    memcached_arguments: list
    exclusions: list
    conversations: list


def chosen(group, version):
    """The expectations for memcached `version`; None is grapevined."""
    if version is None:
        return group.expects
    for alternative in group.alternatives:
        if alternative.version in (None, version):
            return alternative.expects
    return group.expects


def _applying(labelled, version):
    """The reason of the first (label, reason) that means `version`."""
    if version is not None:
        for label, reason in labelled:
            if label in (None, version):
                return reason
    return None


# -- words and bytes ----------------------------------------------------

ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\", "{": b"{",
           "}": b"}", "\"": b"\"", "s": b" "}
REPEAT = re.compile(r"\{((?:[^{}\\]|\\.)*)\*(\d+)\}")
NUMBER = re.compile(r"\{(?:(\*)|([A-Z]\w*)(?:>([A-Z]\w*)|([+-]\d+))?)\}")


def parse_bytes(text):
    """Text with escapes, repeats and numbers, as a tuple of parts."""
    parts, position = [b""], 0
    while position < len(text):
        piece, position = _next_piece(text, position)
        if isinstance(piece, bytes) and isinstance(parts[-1], bytes):
            parts[-1] += piece
        else:
            parts.append(piece)
    return tuple(part for part in parts if part != b"")


def _next_piece(text, position):
    """One escape, repeat, number or character; and what follows it."""
    if text[position] == "\\":
        return _escape(text, position + 1)
    if text[position] == "{":
        repeat = REPEAT.match(text, position)
        if repeat:
            unit = parse_constant(repeat[1])
            return unit * int(repeat[2]), repeat.end()
        number = NUMBER.match(text, position)
        if number:
            return _number(number), number.end()
        raise TranscriptError(f"what is {text[position:position + 20]!r}?")
    return text[position].encode("ascii"), position + 1


def _escape(text, position):
    letter = text[position:position + 1]
    if letter == "x":
        return (bytes([int(text[position + 1:position + 3], 16)]),
                position + 3)
    if letter not in ESCAPES:
        raise TranscriptError(f"unknown escape \\{letter}")
    return ESCAPES[letter], position + 1


def _number(match):
    if match[1]:
        return Number(None)
    return Number(match[2], match[3], int(match[4] or 0))


def parse_constant(text):
    """Bytes that hold no number."""
    parts = parse_bytes(text)
    if any(not isinstance(part, bytes) for part in parts):
        raise TranscriptError(f"{text!r} cannot hold a number here")
    return b"".join(parts)


def parse_line(text):
    """A line of text protocol: CRLF is implied, a last \\ takes it away."""
    if _continues(text):
        return parse_bytes(text[:-1])
    return parse_bytes(text + r"\r\n")


def _continues(text):
    """True after an odd number of backslashes: the last stands alone."""
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


# -- binary -------------------------------------------------------------

FIELD = re.compile(r'([a-z]+)=("(?:[^"\\]|\\.)*"|\S*)\s*')


def parse_request(text):
    """The parts of a binary request."""
    word, _, rest = text.strip().partition(" ")
    fields = _fields(rest)
    cas = fields.get("cas", 0)
    if not isinstance(cas, Number):
        return (frames.request(_opcode(word), fields),)
    del fields["cas"]
    frame = frames.request(_opcode(word), fields)
    return (frame[:16], CasBytes(cas), frame[frames.HEADER_BYTES:])


def parse_answer(text, line):
    """A binary answer: opcode, status, fields."""
    word, _, rest = text.strip().partition(" ")
    status, _, rest = rest.strip().partition(" ")
    if status not in frames.STATUSES:
        raise TranscriptError(f"unknown status {status!r}")
    fields = _fields(rest)
    cas = fields.pop("cas", 0)
    return Frame(line, frames.answer(_opcode(word), status, fields), cas)


def _opcode(word):
    if word not in frames.OPCODES and not re.fullmatch("0x[0-9a-f]+", word):
        raise TranscriptError(f"unknown opcode {word!r}")
    return word


def _fields(text):
    fields, position = {}, 0
    text = text.strip()
    while position < len(text):
        match = FIELD.match(text, position)
        if not match or match[1] not in frames.FIELDS:
            raise TranscriptError(f"what is {text[position:][:30]!r}?")
        fields[match[1]] = _field(match[1], match[2])
        position = match.end()
    return fields


def _field(name, text):
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if name == "extras":
        return bytes.fromhex(text)
    if name in frames.TEXT_FIELDS:
        return parse_constant(text)
    number = NUMBER.fullmatch(text)
    if number and name == "cas":
        return _number(number)
    return int(text, 0)


# -- the file -----------------------------------------------------------

LABEL = re.compile(r"(not )?memcached(?: (\d+\.\d+\.\d+))?:(.*)")
LOOP = re.compile(r"for ([a-z]) in (\d+)\.\.(\d+)")


def read(path):
    """The transcript in `path`."""
    with open(path, encoding="ascii") as file:
        lines = file.read().split("\n")
    return _Parser(path, lines).parse()


class _Parser:
    """Goes through the lines once; a method per kind of line."""

    def __init__(self, path, lines):
        self.talk = Talk(path, [], [], [], [])
        self.lines = list(_unrolled(path, list(enumerate(lines, 1))))
        self.index = 0
        self.number = 0
        self.send_open = False

    def parse(self):
        try:
            while self._more():
                self._statement(self._take())
            self._finish()
        except (TranscriptError, ValueError, OverflowError, re.error) as e:
            raise TranscriptError(
                f"{self.talk.path}:{self.number}: {e}") from None
        return self.talk

    def _more(self):
        return self.index < len(self.lines)

    def _take(self):
        self.number, text = self.lines[self.index]
        self.index += 1
        return text

    def _statement(self, text):
        if not text.strip() or text.startswith("#"):
            return
        if text.startswith("== "):
            self._conversation(text[3:].strip())
        elif not self.talk.conversations:
            self._header(text)
        elif text.startswith(">"):
            self._send(text)
        else:
            self.send_open = False
            self._reaction(text)

    def _header(self, text):
        label = LABEL.fullmatch(text)
        if label and label[1]:
            self.talk.exclusions.append((label[2], _reason(label)))
        elif text.startswith("arguments for memcached "):
            self.talk.memcached_arguments += text.split()[3:]
        elif text.startswith("arguments "):
            self.talk.arguments += text.split()[1:]
        else:
            raise TranscriptError(f"no conversation yet for {text!r}")

    def _conversation(self, name):
        self._finish()
        if any(name == other.name for other in self.talk.conversations):
            raise TranscriptError(f"a second conversation named {name!r}")
        conversation = Conversation(name, self.number)
        conversation.exclusions += self.talk.exclusions
        self.talk.conversations.append(conversation)
        self.send_open = False

    def _finish(self):
        """A conversation without a step is a mistake."""
        if self.talk.conversations and not self._here().steps:
            raise TranscriptError(f"{self._here().name!r} says nothing")

    def _here(self):
        return self.talk.conversations[-1]

    def _send(self, text):
        if text.startswith(">> "):
            self.send_open = False
            self._add(Send(self.number, parse_request(text[3:])))
            return
        text = _after_mark(text, ">")
        parts = parse_line(text)
        if self.send_open:
            before = self._here().steps.pop()
            self._add(Send(before.line, before.parts + parts))
        else:
            self._add(Send(self.number, parts))
        self.send_open = _continues(text)

    def _reaction(self, text):
        label = LABEL.fullmatch(text)
        if label:
            self._label(label)
        elif text.startswith("cuts "):
            self._cuts(text[5:])
        elif text.startswith("wait "):
            self._add(Wait(float(text[5:])))
        elif text == "sync":
            self._add(Sync())
        elif text.startswith("on "):
            self._add(On(text[3:].strip()))
        else:
            self._add_expect(self._expect(text))

    def _add(self, step):
        self._here().steps.append(step)

    def _add_expect(self, expect):
        """Joins the group in progress, which an alternative closes."""
        steps = self._here().steps
        if steps and isinstance(steps[-1], Group) \
                and not steps[-1].alternatives:
            steps[-1] = Group(steps[-1].expects + (expect,))
        else:
            steps.append(Group((expect,)))

    def _expect(self, text):
        if text == "close":
            return Closed(self.number)
        if text.startswith("<rows "):
            last = parse_constant(text[6:] + r"\r\n")
            return self._rows(last)
        if text == "<<rows stat":
            return self._rows(None)
        if text.startswith("<< "):
            return parse_answer(text[3:], self.number)
        if text.startswith("<~ "):
            return Shape(self.number, text[3:].encode("ascii"))
        if text.startswith("<"):
            return Line(self.number, parse_line(_after_mark(text, "<")))
        raise TranscriptError(f"cannot read {text!r}")

    def _cuts(self, text):
        names, _, reason = text.partition(":")
        cuts = tuple(name.strip() for name in names.split(","))
        if not reason.strip():
            raise TranscriptError("fewer cuts need a reason")
        if not set(cuts) <= set(CUTS):
            raise TranscriptError(f"cuts are {', '.join(CUTS)}")
        self._here().cuts = cuts

    def _label(self, label):
        """`not memcached: why` or `memcached: why` and its lines."""
        reason = _reason(label)
        if label[1]:
            self._here().exclusions.append((label[2], reason))
            return
        steps = self._here().steps
        if not steps or not isinstance(steps[-1], Group):
            raise TranscriptError("nothing before this differs")
        alternative = Alternative(label[2], reason, self._alternative())
        if _bare(alternative.expects) == _bare(steps[-1].expects):
            raise TranscriptError("the two sides are equal")
        steps[-1] = Group(steps[-1].expects,
                          steps[-1].alternatives + (alternative,))

    def _alternative(self):
        """The indented lines; `nothing` when memcached says nothing."""
        expects, silent = [], False
        while self._more() and self.lines[self.index][1].startswith("    "):
            text = self._take()[4:]
            if text == "nothing":
                silent = True
            else:
                expects.append(self._expect(text))
        if silent == bool(expects):
            raise TranscriptError("say what memcached answers, or `nothing`")
        return tuple(expects)

    def _rows(self, last):
        line, rows, every = self.number, [], []
        while self._more():
            text = self._take().strip()
            if text == "end":
                return Rows(line, last, tuple(rows), tuple(every))
            if text.startswith("~ "):
                rows.append(Row(self.number, text[2:].encode("ascii")))
            elif text.startswith("!~ "):
                rows.append(Row(self.number, text[3:].encode("ascii"), True))
            elif text.startswith("every "):
                every.append(text[6:].encode("ascii"))
            elif LABEL.fullmatch(text):
                rows.append(self._row_label(rows.pop(),
                                            LABEL.fullmatch(text)))
            elif text and not text.startswith("#"):
                raise TranscriptError(f"no row: {text!r}")
        raise TranscriptError("rows without end")

    def _row_label(self, row, label):
        """`memcached: why` after a row: it has no such row."""
        if label[1] or row.absent:
            raise TranscriptError("only a row that is there can be missing")
        missing = (label[2], _reason(label))
        return dataclasses.replace(
            row, alternatives=row.alternatives + (missing,))


def row_excused(row, version):
    """Why memcached `version` lacks this row; None if it must have it."""
    return _applying(row.alternatives, version)


def _reason(label):
    reason = label[3].strip()
    if not reason:
        raise TranscriptError("a difference needs its reason")
    return reason


def _after_mark(text, mark):
    """What follows `>` or `<`: one blank belongs to the mark."""
    rest = text[len(mark):]
    if rest and not rest.startswith(" "):
        raise TranscriptError(f"a blank is wanted after {mark!r}")
    return rest[1:]


def _bare(expects):
    """For comparing two sides: line numbers do not count."""
    return [dataclasses.replace(expect, line=0) for expect in expects]


def _unrolled(path, lines):
    """`for n in A..B` … `end` (at the margin) written out; no nesting."""
    index = 0
    while index < len(lines):
        number, text = lines[index]
        loop = LOOP.fullmatch(text)
        if not loop:
            yield lines[index]
            index += 1
            continue
        body = []
        index += 1
        while index < len(lines) and lines[index][1] != "end":
            body.append(lines[index])
            index += 1
        if index == len(lines):
            raise TranscriptError(f"{path}:{number}: for without end")
        index += 1
        for value in range(int(loop[2]), int(loop[3]) + 1):
            for inner_number, inner in body:
                yield (inner_number,
                       inner.replace("{%s}" % loop[1], str(value)))
