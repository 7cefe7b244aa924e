# SPDX-License-Identifier: BSD-3-Clause
"""
Binary grammar: requests of the binary protocol, from a seed.
"""

import struct

from request import EPOCH, Frame
from ways import Ways

KEY = EPOCH
TEXT_KEYS = [KEY + b"k%d" % n for n in range(1, 6)]
NUMBER_KEYS = [KEY + b"n%d" % n for n in range(1, 3)]
MISSING = KEY + b"never"
ODD_KEYS = [KEY + b"a b", KEY + b"\x01\xff\r\n", KEY + b"x" * 244]

GET, SET, ADD, REPLACE, DELETE, INCREMENT, DECREMENT, QUIT = range(8)
FLUSH, GETQ, NOOP, VERSION, GETK, GETKQ, APPEND, PREPEND = range(8, 16)
STAT = 0x10
TOUCH, GAT, GATQ = 0x1C, 0x1D, 0x1E
SASL = [0x20, 0x21, 0x22]
GATK, GATKQ = 0x23, 0x24
QUIET = {SET: 0x11, ADD: 0x12, REPLACE: 0x13, DELETE: 0x14, INCREMENT: 0x15,
         DECREMENT: 0x16, QUIT: 0x17, FLUSH: 0x18, APPEND: 0x19,
         PREPEND: 0x1A}
NAMES = {GET: "get", SET: "set", ADD: "add", REPLACE: "replace",
         DELETE: "delete", INCREMENT: "increment", DECREMENT: "decrement",
         QUIT: "quit", FLUSH: "flush", GETQ: "getq", NOOP: "noop",
         VERSION: "version", GETK: "getk", GETKQ: "getkq", APPEND: "append",
         PREPEND: "prepend", STAT: "stat", TOUCH: "touch", GAT: "gat",
         GATQ: "gatq", GATK: "gatk", GATKQ: "gatkq"}
UNKNOWN = [0x1B, 0x1F, 0x25, 0x2F, 0x30, 0x3C, 0x40, 0x7F, 0x80, 0xFF]

FLAGS = [0, 1, 5, 12345, 2**32 - 1]
LASTING = [0, 0, 1000, 2592000, 2**31 - 1, 2**31, 2**32 - 2]
DEAD = [2592001, 1000000000]
NO_CREATION = 2**32 - 1
# Less than 2^63, as in text_grammar.py.
NUMBERS = [b"0", b"1", b"9", b"10", b"99", b"100", b"007", b" 12", b"12 ab"]
NO_NUMBERS = [b"", b"abc", b"-1", b"1a", b"18446744073709551616"]
DELTAS = [1, 1, 0, 5, 10, 100, 2**32]
WIDE_DELTAS = [2**63, 2**64 - 1]
# One more might be the token of a change that this play has not seen.
BEYOND = 1125899906842624
# No server's own token: memcached counts, ours are times before 2100.
FOREIGN_TOKEN = 2**63 + 5
LARGE_BYTES = 66000
TOO_LARGE_BYTES = 1048577


class BinaryGrammar(Ways):
    WAYS = {
        "store": 30, "extend": 12, "retrieve": 25, "number": 8,
        "arithmetic": 12, "delete": 6, "touch": 6, "retrieve_touching": 8,
        "compare": 8, "plain": 2, "unknown": 1, "flush": 0.7, "leave": 1,
        "malformed": 5, "large": 0.5, "sasl": 1, "headers": 2, "stat": 1,
    }

    # -- parts --

    def key(self):
        if self.dice.random() < 0.06:
            return self.choose(ODD_KEYS)
        return self.choose(TEXT_KEYS)

    def any_key(self):
        return self.choose(NUMBER_KEYS) if self.dice.random() < 0.2 \
            else self.key()

    def value(self):
        roll = self.dice.random()
        if roll < 0.08:
            return b""
        letter = self.choose([b"a", b"b", b"\x00", b"\xff", b"!"])
        if roll < 0.7:
            return letter * self.dice.randint(1, 12)
        return letter * self.choose([31, 64, 100, 255, 256, 257, 2048])

    def opaque(self):
        return self.choose([0, 0, 1, 0x80808080, 0xFFFFFFFF, 0x0A0D0A0D])

    def frame(self, opcode, marks=(), quiet=0.25, **fields):
        """The request, or its quiet form."""
        marks = list(marks)
        sent = opcode
        if opcode in QUIET and self.dice.random() < quiet:
            sent = QUIET[opcode]
            marks.append("quiet")
        return Frame(NAMES[opcode] + " (bin)", sent, marks,
                     opaque=self.opaque(), **fields)

    def expiry(self):
        if self.dice.random() < 0.1:
            return self.choose(DEAD), ["dead exptime"]
        return self.choose(LASTING), []

    # -- requests --

    def _store(self, opcode, key, value, cas=0, marks=(), **options):
        exptime, more = self.expiry()
        marks = [*marks, *more]
        if not value:
            marks.append("empty value")
        return self.frame(opcode, marks, key=key, value=value, cas=cas,
                          extras=struct.pack(">II", self.choose(FLAGS),
                                             exptime), **options)

    def store(self):
        opcode = self.choose([SET, SET, ADD, REPLACE])
        return [self._store(opcode, self.key(), self.value())]

    def number(self):
        value = self.choose(NUMBERS if self.dice.random() < 0.8
                            else NO_NUMBERS)
        return [self._store(self.choose([SET, SET, ADD, REPLACE]),
                            self.choose(NUMBER_KEYS), value)]

    def extend(self):
        opcode = self.choose([APPEND, PREPEND])
        value = self.value()
        return [self.frame(opcode, ["empty value"] * (not value),
                           key=self.key(), value=value)]

    def large(self):
        size = self.choose([LARGE_BYTES, 65536, 65537, TOO_LARGE_BYTES])
        opcode = self.choose([SET, ADD, REPLACE])
        marks = ["too large" if size >= TOO_LARGE_BYTES else "large"]
        key = TEXT_KEYS[0]
        return [self._store(opcode, key, b"L" * size, marks=marks),
                self.frame(GET, key=key)]

    def retrieve(self):
        opcode = self.choose([GET, GET, GETQ, GETK, GETKQ])
        return [self.frame(opcode, key=self.any_key())]

    def retrieve_touching(self):
        opcode = self.choose([GAT, GATQ, GATK, GATKQ])
        exptime, marks = self.expiry()
        return [self.frame(opcode, marks, key=self.any_key(),
                           extras=struct.pack(">I", exptime))]

    def touch(self):
        exptime, marks = self.expiry()
        return [self.frame(TOUCH, marks, key=self.any_key(),
                           extras=struct.pack(">I", exptime))]

    def arithmetic(self):
        if self.dice.random() < 0.05:
            key = NUMBER_KEYS[0]
            return [self.frame(SET, key=key, value=b"10", extras=bytes(8)),
                    self.frame(INCREMENT, ["wraps"], quiet=0, key=key,
                               extras=struct.pack(">QQI", 2**64 - 1, 0, 0))]
        opcode = self.choose([INCREMENT, DECREMENT])
        key = self.choose(NUMBER_KEYS) if self.dice.random() < 0.85 \
            else self.choose(TEXT_KEYS)
        marks = []
        exptime = NO_CREATION
        # Only where nothing but numbers is kept.
        if key in NUMBER_KEYS and self.dice.random() < 0.6:
            exptime, more = self.expiry()
            marks = ["creates", *more]
        delta = self.choose(DELTAS + WIDE_DELTAS * (opcode == DECREMENT))
        extras = struct.pack(">QQI", delta, self.choose([0, 1, 10, 2**40]),
                             exptime)
        cas, requests = 0, []
        if self.dice.random() < 0.2:
            cas, more = self.token(key)
            marks += more
            requests = [self.frame(GET, key=key)]
        requests.append(self.frame(opcode, marks, key=key, extras=extras,
                                   cas=cas))
        if self.dice.random() < 0.3:
            requests.append(self.frame(GET, key=key))
        return requests

    def delete(self):
        return [self.frame(DELETE, key=self.any_key())]

    def token(self, key):
        roll = self.dice.random()
        if roll < 0.6:
            return (key, 0), ["token"]
        if roll < 0.8:
            return (key, self.choose([BEYOND, -1])), ["stale token"]
        return FOREIGN_TOKEN, ["foreign token"]

    def compare(self):
        """get, and a change of what it told, or nearly."""
        key = self.key()
        cas, marks = self.token(key)
        opcode = self.choose([SET, ADD, REPLACE, APPEND, PREPEND, DELETE])
        if opcode == DELETE:
            request = self.frame(DELETE, marks, key=key, cas=cas)
        elif opcode in (APPEND, PREPEND):
            request = self.frame(opcode, marks, key=key, cas=cas,
                                 value=self.value())
        else:
            request = self._store(opcode, key, self.value(), cas, marks)
        requests = [self.frame(GET, key=key), request]
        if self.dice.random() < 0.3:
            requests.append(self.frame(GET, key=key))
        return requests if self.dice.random() < 0.85 else requests[1:]

    def plain(self):
        opcode = self.choose([NOOP, VERSION])
        if opcode == VERSION:
            return [Frame("version (bin)", VERSION, ["own version"])]
        return [self.frame(NOOP)]

    def unknown(self):
        return [Frame("(unknown, bin)", self.choose(UNKNOWN),
                      opaque=self.opaque())]

    def sasl(self):
        return [Frame("sasl (bin)", SASL[0], opaque=self.opaque())]

    def stat(self):
        """Of a group that is none; of others much is the server's own."""
        return [self.frame(STAT, ["no group"], key=self.choose(
            [b"nonsense", b"conn", b"SETTINGS", KEY]))]

    def flush(self):
        marks, extras = [], b""
        if self.dice.random() < 0.4:
            marks, extras = ["delay 0"], bytes(4)
        return [self.frame(FLUSH, marks, extras=extras)]

    def leave(self):
        return [self.frame(QUIT, may_close=True)]

    def headers(self):
        """Fields of the header that mean nothing in a request."""
        opcode = self.choose([GET, DELETE, NOOP])
        lies = self.choose([{"datatype": 1}, {"datatype": 255},
                            {"vbucket": 1}, {"vbucket": 65535}])
        key = b"" if opcode == NOOP else self.key()
        return [self.frame(opcode, ["vbucket, datatype"], key=key, lies=lies)]

    def malformed(self):
        """What no client should send; all of it is there."""
        key = self.choose(TEXT_KEYS)
        kind = self.choose([
            "no key", "key of 251", "extras too long", "extras too short",
            "a value", "a key", "more than the body", "magic"])
        if kind == "no key":
            opcode = self.choose([GET, GETK, GETQ, SET, ADD, APPEND, DELETE,
                                  INCREMENT, TOUCH, GAT])
            return [self.frame(opcode, [kind], may_close=True,
                               extras=bytes(EXTRAS_BYTES.get(opcode, 0)))]
        if kind == "key of 251":
            opcode = self.choose([GET, GETK, SET, ADD, APPEND, DELETE,
                                  INCREMENT, TOUCH, GAT])
            return [self.frame(opcode, [kind], key=KEY + b"x" * 245,
                               extras=bytes(EXTRAS_BYTES.get(opcode, 0)),
                               may_close=True)]
        if kind in ("extras too long", "extras too short"):
            opcode = self.choose(
                [SET, ADD, REPLACE, INCREMENT, TOUCH, GAT]
                + [GET, DELETE, APPEND, NOOP, VERSION, QUIT, FLUSH]
                * (kind == "extras too long"))
            size = EXTRAS_BYTES.get(opcode, 0)
            size += self.choose([1, 4]) if kind == "extras too long" else -4
            if opcode == FLUSH:
                size = self.choose([1, 8])
            return [self.frame(opcode, [kind], key=b"" if opcode in KEYLESS
                               else key, extras=bytes(size), may_close=True)]
        if kind == "a value" and self.dice.random() < 0.2:
            # 1.6.18 answers by what it finds, so that it is always the same.
            opcode = self.choose([TOUCH, GAT])
            return [Frame(NAMES[opcode] + " (bin)", opcode, [kind],
                          key=MISSING, extras=bytes(4), value=b"value",
                          may_close=True)]
        if kind == "a value":
            opcode = self.choose([GET, GETK, DELETE, INCREMENT, NOOP, VERSION,
                                  FLUSH, QUIT])
            return [self.frame(opcode, [kind], value=b"value", key=b""
                               if opcode in KEYLESS else key,
                               extras=bytes(EXTRAS_BYTES.get(opcode, 0)),
                               may_close=True)]
        if kind == "a key":
            opcode = self.choose([NOOP, VERSION, FLUSH, QUIT])
            return [self.frame(opcode, [kind], key=key, may_close=True)]
        if kind == "more than the body":
            opcode = self.choose([GET, SET, DELETE, NOOP])
            return [self.frame(opcode, [kind], key=key, lies={
                "bodylen": self.choose([0, 1, len(key) - 1])})]
        # The first byte of a connection would make it one of text.
        return [self.frame(NOOP), self.frame(GET, ["magic"], key=key, lies={
            "magic": self.choose([0x81, 0x00, 0x67])})]


EXTRAS_BYTES = {SET: 8, ADD: 8, REPLACE: 8, INCREMENT: 20, DECREMENT: 20,
                TOUCH: 4, GAT: 4, GATK: 4, FLUSH: 0}
KEYLESS = (NOOP, VERSION, QUIT, FLUSH)
