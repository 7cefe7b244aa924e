# SPDX-License-Identifier: BSD-3-Clause
"""
Reply: what a server answered to one request, taken apart.

An atom is a tuple of fields, each a name and what it holds: bytes that both
servers have to send alike, or a Token or Seconds, which they choose.
"""

import re
import struct

STATUS = {0: "ok", 1: "not found", 2: "exists", 3: "too large",
          4: "invalid", 5: "not stored", 6: "non-numeric",
          0x20: "auth error", 0x21: "auth continue", 0x81: "unknown",
          0x82: "no memory"}
HEADER_BYTES = 24
META_HEAD = re.compile(rb"(HD|VA|EN|NF|NS|EX)( |$)")


class Token(int):
    """A cas token: equal where the other server's is, and in its order."""


class Seconds(int):
    """A time that may have ticked between two servers."""


class Reply:
    """All that came until the next request was answered."""

    __slots__ = ("data", "ended")

    def __init__(self, data, ended=""):
        self.data = data
        self.ended = ended  # "", "closed" or "waits"

    def __str__(self):
        data = self.data
        text = repr(data)[2:-1]
        if len(text) > 400:
            text = text[:200] + "..." + text[-100:]
        return text + (f" ({self.ended})" if self.ended else "")


def text_atoms(data):
    """[(head, {field: ...}, block or None)] of lines and their blocks."""
    atoms, at = [], 0
    while at < len(data):
        end = data.find(b"\n", at)
        if end < 0:
            atoms.append((data[at:], (), None))
            break
        line = data[at:end + 1]
        at = end + 1
        if line.startswith(b"VALUE "):
            words = line[6:].rstrip(b"\r\n").split(b" ")
            if len(words) in (3, 4) and words[2].isdigit():
                size = int(words[2]) + 2
                fields = tuple(Token(word) for word in words[3:])
                atoms.append((b"VALUE %s %s" % (words[0], words[1]), fields,
                              data[at:at + size]))
                at += size
                continue
        elif META_HEAD.match(line):
            words = line.rstrip(b"\r\n").split(b" ")
            block = None
            start = 1
            if words[0] == b"VA" and len(words) > 1 and words[1].isdigit():
                size = int(words[1]) + 2
                block = data[at:at + size]
                at += size
                start = 2
            atoms.append((words[0] + line[len(line.rstrip(b"\r\n")):],
                          tuple(_meta_field(word) for word in words[start:]),
                          block))
            continue
        elif line.startswith(b"ME "):
            words = line.rstrip(b"\r\n").split(b" ")
            atoms.append((b"ME", tuple(_me_field(word) for word in words[1:]),
                          None))
            continue
        atoms.append((line, (), None))
    return atoms


def _meta_field(word):
    rest = word[1:]
    if rest.isdigit():
        if word[:1] == b"c":
            return Token(rest)
        if word[:1] in b"tl":
            return Seconds(rest)
    return word


def _me_field(word):
    name, _, number = word.partition(b"=")
    if name == b"cas" and number.isdigit():
        return Token(number)
    if name in (b"cls", b"size") and number.isdigit():
        return name  # of a storage that is not the same
    if name in (b"exp", b"la") and number.lstrip(b"-").isdigit():
        return Seconds(number)
    return word


def binary_atoms(data):
    atoms, at = [], 0
    while at < len(data):
        if len(data) - at < HEADER_BYTES:
            atoms.append((data[at:], (), None))
            break
        size = struct.unpack_from(">I", data, at + 8)[0]
        head = data[at:at + 16]
        token = struct.unpack_from(">Q", data, at + 16)[0]
        at += HEADER_BYTES
        atoms.append((head, (Token(token),), data[at:at + size]))
        at += size
    return atoms


def text_kind(reply):
    """The kind of a reply, a column of the table."""
    data = reply.data
    if not data:
        return reply.ended or "silent"
    line = data[:data.find(b"\n") + 1].rstrip(b"\r\n")
    if line.startswith(b"VALUE "):
        return "VALUE"
    if META_HEAD.match(line):
        kind = line[:2].decode()
        words = line.split(b" ")[1:]
        for mark in (b"W", b"Z", b"X"):
            if mark in words:
                kind += "+" + mark.decode()
        return kind
    if line.startswith(b"ME "):
        return "ME"
    if line.startswith(b"VERSION "):
        return "VERSION"
    if line.isdigit():
        return "number"
    kind = line.decode("latin-1")
    if len(kind) > 60:
        kind = kind[:60]
    return kind + (" closed" if reply.ended else "")


def binary_kind(reply):
    data = reply.data
    if not data:
        return reply.ended or "silent"
    status = struct.unpack_from(">H", data, 6)[0] if len(data) >= 8 else -1
    return STATUS.get(status, f"status {status:#x}") + (
        " closed" if reply.ended else "")


ATOMS = {"text": text_atoms, "binary": binary_atoms}
KIND = {"text": text_kind, "binary": binary_kind}
