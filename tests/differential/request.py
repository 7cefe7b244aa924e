# SPDX-License-Identifier: BSD-3-Clause
"""
Request: one request of a play, as a template that each server is sent with
what differs from play to play, and from server to server, filled in.

    @@@@@@          the play's own six letters; keys begin with them, so that
                    no play finds what another has left
    QEBAQEBA        the same in base64
    {CAS KEY}       the cas token last seen of KEY at that server, and
    {CAS KEY+1}     one more, one less
    {NOW+1000}      a time since 1970, the same for both

`command` and `marks` are the row of the table that its reply is counted in,
and `marks` name the known differences that may concern it.
"""

import base64
import re
import struct

EPOCH = b"@@@@@@"
EPOCH_BASE64 = base64.b64encode(EPOCH)
# Less than any token there is, and more than any.
NO_TOKEN, NO_TOKEN_YET = 7, 2**63
SLOT = re.compile(rb"\{(CAS|NOW) ?([^}+-]*)([+-]\d+)?\}")


WORDS_NEEDED = {b"set": 5, b"add": 5, b"replace": 5, b"append": 5,
                b"prepend": 5, b"cas": 6, b"get": 2, b"gets": 2, b"gat": 3,
                b"gats": 3, b"incr": 3, b"decr": 3, b"touch": 3, b"delete": 2,
                b"verbosity": 2, b"mg": 2, b"ms": 3, b"md": 2, b"ma": 2,
                b"me": 2}
SIZE_WORD = {b"set": 4, b"add": 4, b"replace": 4, b"append": 4,
             b"prepend": 4, b"cas": 4, b"ms": 2}


class Slots:
    """What the slots of a play's templates hold, for one server."""

    def __init__(self, epoch, now):
        self.epoch = epoch
        self.epoch_base64 = base64.b64encode(epoch)
        self.now = now
        self.tokens = {}  # template of a key: cas token

    def fill(self, template):
        data = template.replace(EPOCH, self.epoch)
        data = data.replace(EPOCH_BASE64, self.epoch_base64)
        if b"{" in data:
            data = SLOT.sub(self._slot, data)
        return data

    def token(self, key, delta):
        known = self.tokens.get(key, NO_TOKEN if delta <= 0 else NO_TOKEN_YET)
        return (known + delta) % 2**64

    def empty(self, data):
        """The reverse: the play's letters become the template's."""
        data = data.replace(self.epoch, EPOCH)
        return data.replace(self.epoch_base64, EPOCH_BASE64)

    def _slot(self, match):
        kind, key, delta = match.groups()
        delta = int(delta or 0)
        if kind == b"NOW":
            return b"%d" % (self.now + delta)
        return b"%d" % self.token(key.replace(self.epoch, EPOCH), delta)


class Line:
    """Of the text protocol: words, the end of the line, what follows."""

    __slots__ = ("command", "marks", "words", "end", "block", "key",
                 "may_close", "is_alone", "is_first")
    protocol = "text"

    def __init__(self, command, words, marks=(), key=None, block=b"",
                 end=b"\r\n", may_close=False, is_alone=False,
                 is_first=False):
        self.command = command
        self.words = words
        self.marks = tuple(marks)
        self.end = end
        self.block = block
        self.key = key
        self.may_close = may_close or is_alone
        self.is_alone = is_alone  # no other request ends it
        self.is_first = is_first or is_alone  # all before it is answered

    def template(self):
        return b" ".join(self.words) + self.end + self.block

    def fill(self, slots):
        return slots.fill(self.template())

    def needs_token(self):
        return any(word.startswith(b"{CAS") or word.startswith(b"C{CAS")
                   for word in self.words)

    def may_begin(self):
        """Whether it may be the first of a connection."""
        return True

    def is_number(self):
        """Of a number, whose length is not the same at both, and the reply
        does not name it."""
        return (self.words[0] == b"mg" and self.key is not None
                and self.key.startswith(EPOCH + b"n"))

    def is_large(self):
        return len(self.block) > 8192

    def smaller(self):
        """The same request with something left out, in many ways; but with
        the words that it needs, as too few are another matter."""
        needed = WORDS_NEEDED.get(self.words[0], 1)
        for index in range(len(self.words) - 1, needed - 1, -1):
            yield self._with(words=self.words[:index] + self.words[index + 1:])
        if self.words[0] in (b"get", b"gets") and len(self.words) > 2:
            yield self._with(words=self.words[:1] + self.words[2:])
        at = SIZE_WORD.get(self.words[0])
        if at and at < len(self.words) and \
                self.words[at] == b"%d" % (len(self.block) - 2):
            for size in (1, 8):
                if size + 2 < len(self.block):
                    words = list(self.words)
                    words[at] = b"%d" % size
                    yield self._with(words=words,
                                     block=self.block[:size] + b"\r\n")

    def _with(self, words=None, block=None):
        return Line(self.command, self.words if words is None else words,
                    self.marks, self.key,
                    self.block if block is None else block, self.end,
                    self.may_close, self.is_alone, self.is_first)

    def __str__(self):
        text = repr(self.template())[2:-1]
        return text if len(text) <= 300 else text[:200] + "..." + text[-60:]


class Frame:
    """Of the binary protocol: a header and its body."""

    __slots__ = ("command", "marks", "opcode", "key", "extras", "value",
                 "cas", "opaque", "lies", "may_close")
    protocol = "binary"
    is_alone = is_first = False

    def __init__(self, command, opcode, marks=(), key=b"", extras=b"",
                 value=b"", cas=0, opaque=0, lies=None, may_close=False):
        self.command = command
        self.opcode = opcode
        self.marks = tuple(marks)
        self.key = key
        self.extras = extras
        self.value = value
        self.cas = cas  # a number, or (key, difference)
        self.opaque = opaque
        self.lies = lies or {}  # header fields that are not what they are
        self.may_close = may_close or bool(lies)

    def fill(self, slots):
        key = slots.fill(self.key)
        cas = self.cas if isinstance(self.cas, int) else slots.token(*self.cas)
        lies = self.lies
        return struct.pack(
            ">BBHBBHIIQ", lies.get("magic", 0x80), self.opcode,
            lies.get("keylen", len(key)), lies.get("extlen", len(self.extras)),
            lies.get("datatype", 0), lies.get("vbucket", 0),
            lies.get("bodylen", len(key) + len(self.extras) + len(self.value)),
            self.opaque, cas) + self.extras + key + self.value

    def template(self):
        cas = self.cas if isinstance(self.cas, int) else "{CAS %s%+d}" % (
            self.cas[0].decode("latin-1"), self.cas[1])
        value = self.value
        if len(value) > 120:
            value = b"%s...(%d bytes)" % (value[:40], len(value))
        lies = "".join(f" {name}={number}"
                       for name, number in sorted(self.lies.items()))
        return (f"{self.command} opcode=0x{self.opcode:02x} key={self.key!r} "
                f"extras={self.extras.hex()} value={value!r} cas={cas} "
                f"opaque={self.opaque:#x}{lies}").encode("latin-1")

    def needs_token(self):
        return not isinstance(self.cas, int)

    def may_begin(self):
        return "magic" not in self.lies

    def is_number(self):
        return self.key[len(EPOCH):len(EPOCH) + 1] == b"n"

    def is_large(self):
        return len(self.value) > 8192

    def smaller(self):
        if self.cas != 0:
            yield self._with(cas=0)
        if self.opaque:
            yield self._with(opaque=0)
        for size in (0, 1):
            if len(self.value) > size:
                yield self._with(value=self.value[:size])
        if any(self.extras):
            yield self._with(extras=bytes(len(self.extras)))
        for name in self.lies:
            lies = {other: number for other, number in self.lies.items()
                    if other != name}
            yield self._with(lies=lies)

    def _with(self, **changes):
        fields = {name: getattr(self, name) for name in self.__slots__}
        fields.update(changes)
        return Frame(**fields)

    def __str__(self):
        return self.template().decode("latin-1")
