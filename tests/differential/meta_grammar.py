# SPDX-License-Identifier: BSD-3-Clause
"""
Meta grammar: requests of the meta commands, from a seed.

Each flag that a request has is one of its marks, so that the table counts by
flags.
"""

import base64

from request import EPOCH, Line
from ways import Ways

KEY = EPOCH
TEXT_KEYS = [KEY + b"k%d" % n for n in range(1, 5)]
NUMBER_KEYS = [KEY + b"n%d" % n for n in range(1, 3)]
# Keys that came as base64 are marked so, which 1.6.18 forgets when it appends:
# these are not appended to.
BINARY_KEYS = [KEY + b"\x00\xff b", KEY + b"b1", KEY + b"\r\n"]
BINARY = KEY + b"b2"
BINARY_NAME = base64.b64encode(BINARY)
NUMBER = KEY + b"n9"
MISSING = KEY + b"never"
FEW = KEY + b"few"
# 250 letters in base64 are 186 bytes and a half.
LONGEST_BINARY_KEY = KEY + b"x" * 180
TOO_LONG_BINARY_KEY = KEY + b"x" * 183

LASTING = [b"0", b"1000", b"86400", b"2592000", b"{NOW+1000}", b"-1"]
FLAGS = [b"0", b"1", b"5", b"12345", b"4294967295"]
# Less than 2^63, as in text_grammar.py.
NUMBERS = [b"0", b"1", b"9", b"10", b"99", b"100", b"007", b"99999999999"]
NO_NUMBERS = [b"", b"abc", b"-1", b"1a", b"18446744073709551616"]
DELTAS = [b"1", b"0", b"5", b"10", b"100", b"4294967296"]
BAD_NUMBERS = [b"x", b"1x", b"", b"99999999999999999999999", b"1.5"]
INVALID = [b"z", b"Z", b"g", b"1", b"w", b"A"]
# One more might be the token of a change that this play has not seen.
BEYOND = b"+1125899906842624"
OPAQUES = [b"O1", b"Oabc", b"O" + b"o" * 30, b"O123456789"]
TOO_LARGE_BYTES = 1048577


def encoded(key):
    return base64.b64encode(key)


class MetaGrammar(Ways):
    WAYS = {
        "get": 30, "store": 25, "delete": 10, "arithmetic": 14, "noop": 3,
        "wrap": 1, "debug": 3, "recache": 8, "invalidate": 5,
        "stale_store": 4, "number": 8, "error": 6, "store_error": 4,
        "classic": 3, "large": 0.4, "oddity": 4,
    }

    # -- parts --

    def key(self):
        return self.choose(TEXT_KEYS)

    def any_key(self):
        return self.choose(NUMBER_KEYS) if self.dice.random() < 0.15 \
            else self.key()

    def some(self, flags, share=0.25):
        """Some of the flags, in any order."""
        taken = [flag for flag in flags if self.dice.random() < share]
        self.dice.shuffle(taken)
        return taken

    def opaque(self):
        return [self.choose(OPAQUES)] if self.dice.random() < 0.2 else []

    def value(self):
        roll = self.dice.random()
        if roll < 0.1:
            return b""
        letter = self.choose([b"a", b"b", b"_", b"!"])
        if roll < 0.85:
            return letter * self.dice.randint(1, 12)
        if roll < 0.95:
            return letter * self.choose([64, 256, 2048])
        return self.choose([b"a\r\nb", b"EN", b"\x00\xff", b"HD\r\nHD"])

    def line(self, command, key, flags, marks=(), words=(), block=b"",
             shuffles=True):
        flags = list(flags)
        if shuffles:
            self.dice.shuffle(flags)
        name = key
        # Items that a miss makes are another matter, see `oddity`.
        if command != "ms" and self.dice.random() < 0.06 and not any(
                flag[:1] == b"N" for flag in flags):
            name = encoded(key)
            flags.append(b"b")
        marks = [*(flag[:1].decode("latin-1") for flag in flags), *marks]
        end = b"\n" if self.dice.random() < 0.02 else b"\r\n"
        return Line(command, [command.encode(), name, *words, *flags],
                    marks, key, block, end)

    # -- requests --

    def get(self):
        key = self.any_key()
        if self.dice.random() < 0.04:
            key = self.choose(BINARY_KEYS + [LONGEST_BINARY_KEY])
            flags = self.some([b"v", b"k", b"c", b"q", b"t"], 0.5)
            return [Line("mg", [b"mg", encoded(key), *flags, b"b"],
                         [*(flag.decode() for flag in flags), "b"], key)]
        flags = [b"v"] if self.dice.random() < 0.6 else []
        flags += self.some([b"c", b"f", b"k", b"l", b"t", b"q", b"u"])
        # A number that was counted may be of another item in 1.6.18.
        if key not in NUMBER_KEYS:
            flags += self.some([b"s", b"h"])
        flags += self.opaque()
        if self.dice.random() < 0.15:
            # What is left of a life that is over, 1.6.18 tells as 2^32.
            flags.append(b"T" + self.choose(LASTING[:-1] if b"t" in flags
                                            else LASTING))
        return [self.line("mg", key, flags)]

    def recache(self):
        """Items that several clients want to make anew."""
        key = self.choose(TEXT_KEYS)
        roll = self.dice.random()
        flags = self.some([b"v", b"c", b"t", b"s", b"k", b"f", b"h", b"q"],
                          0.4)
        if roll < 0.5:
            flags.append(b"N" + self.choose([b"1000", b"86400", b"0"]))
        if roll > 0.35:
            # Never near to what is left of a life: that would be a race.
            flags.append(b"R" + self.choose([b"10", b"100000", b"900"]))
        requests = [self.line("mg", key, flags)
                    for _ in range(self.dice.randint(1, 3))]
        if self.dice.random() < 0.3:
            requests.insert(0, self.line("md", key, [b"q"]))
        if self.dice.random() < 0.3:
            requests.append(Line("get", [b"get", key], ["one key"], key))
        return requests

    def store(self):
        key = self.key()
        value = self.value()
        flags = self.some([b"c", b"k", b"q"]) + self.opaque()
        if self.dice.random() < 0.3:
            flags.append(b"F" + self.choose(FLAGS))
        if self.dice.random() < 0.4:
            flags.append(b"T" + self.choose(LASTING))
        marks = []
        requests = []
        if self.dice.random() < 0.4:
            mode = self.choose([b"E", b"A", b"P", b"R", b"S"])
            flags.append(b"M" + mode)
            marks.append("M" + mode.decode())
        if self.dice.random() < 0.25:
            token, more = self.token(key)
            flags.append(token)
            marks += more
            requests.append(self.line("mg", key, [b"c"]))
        if self.dice.random() < 0.05:
            key = self.choose(BINARY_KEYS + [LONGEST_BINARY_KEY])
            flags = self.some([b"c", b"k"], 0.5)
            return [Line("ms", [b"ms", encoded(key), b"%d" % len(value),
                                *flags, b"b"],
                         [*(flag.decode() for flag in flags), "b"], key,
                         value + b"\r\n")]
        return requests + [self.line("ms", key, flags, marks,
                                     [b"%d" % len(value)], value + b"\r\n")]

    def large(self):
        size = self.choose([66000, TOO_LARGE_BYTES])
        key = TEXT_KEYS[0]
        flags = self.some([b"q", b"k", b"MA", b"c"], 0.2)
        return [self.line("ms", key, flags, ["large" if size == 66000
                                             else "too large"],
                          [b"%d" % size], b"L" * size + b"\r\n"),
                self.line("mg", key, [b"s", b"v"])]

    def token(self, key):
        roll = self.dice.random()
        if roll < 0.6:
            return b"C{CAS " + key + b"}", ["token"]
        if roll < 0.8:
            shift = self.choose([b"-1", BEYOND])
            return b"C{CAS " + key + shift + b"}", ["stale token"]
        return b"C" + self.choose([b"0", b"18446744073709551615"]), \
            ["foreign token"]

    def number(self):
        value = self.choose(NUMBERS if self.dice.random() < 0.85
                            else NO_NUMBERS)
        flags = self.some([b"c", b"q"]) + [b"T" + self.choose(LASTING[:4])]
        return [self.line("ms", self.choose(NUMBER_KEYS), flags, (),
                          [b"%d" % len(value)], value + b"\r\n")]

    def delete(self):
        key = self.any_key()
        flags = self.some([b"q", b"k"]) + self.opaque()
        requests, marks = [], []
        if self.dice.random() < 0.3:
            token, marks = self.token(key)
            flags.append(token)
            requests.append(self.line("mg", key, [b"c"]))
        return requests + [self.line("md", key, flags, marks)]

    def invalidate(self):
        """Stale marks, and what readers then see."""
        key = self.key()
        flags = [b"I"] + self.some([b"q", b"k"]) + self.opaque()
        if self.dice.random() < 0.5:
            flags.append(b"T" + self.choose([b"1000", b"30", b"86400"]))
        requests = [self.line("md", key, flags)]
        for _ in range(self.dice.randint(0, 3)):
            requests.append(self.line("mg", key, self.some(
                [b"c", b"v", b"t", b"k", b"s", b"h"], 0.4)))
        return requests

    def stale_store(self):
        """A store with a token that is too old, and I."""
        key = self.key()
        value = self.value()
        shift = self.choose([b"-1", BEYOND, b""])
        flags = [b"I", b"C{CAS " + key + shift + b"}"] \
            + self.some([b"c", b"q", b"T1000"])
        requests = [self.line("mg", key, [b"c"]),
                    self.line("ms", key, flags,
                              ["token" if not shift else "stale token"],
                              [b"%d" % len(value)], value + b"\r\n")]
        for _ in range(self.dice.randint(1, 2)):
            requests.append(self.line("mg", key, self.some(
                [b"c", b"v", b"t"], 0.4)))
        return requests

    def arithmetic(self):
        key = self.choose(NUMBER_KEYS) if self.dice.random() < 0.85 \
            else self.key()
        flags = self.some([b"c", b"k", b"q", b"t", b"v"], 0.3) + self.opaque()
        if self.dice.random() < 0.5:
            flags.append(b"D" + self.choose(DELTAS))
        marks = []
        if self.dice.random() < 0.5:
            mode = self.choose([b"I", b"+", b"D", b"-", b"i", b"d"])
            flags.append(b"M" + mode)
            marks.append("M" + mode.decode())
        # Only where nothing but numbers is kept.
        if key in NUMBER_KEYS and self.dice.random() < 0.4:
            flags.append(b"N" + self.choose([b"0", b"1000"]))
            if self.dice.random() < 0.6:
                flags.append(b"J" + self.choose(NUMBERS[:6]))
        requests = []
        if self.dice.random() < 0.1:
            # Of the same length, as 1.6.18 touches what it then replaces.
            key = NUMBER_KEYS[0]
            flags += [b"T" + self.choose(LASTING[:4])]
            requests.append(Line("ms", [b"ms", key, b"2", b"T86400"], ["T"],
                                 key, b"50\r\n"))
            flags = [flag for flag in flags if flag[:1] != b"D"]
        elif self.dice.random() < 0.2:
            token, marks = self.token(key)
            flags.append(token)
            requests.append(self.line("mg", key, [b"c"]))
        return requests + [self.line("ma", key, flags, marks)]

    def wrap(self):
        key = NUMBER
        return [Line("ms", [b"ms", key, b"2"], (), key, b"10\r\n"),
                Line("ma", [b"ma", key, b"D18446744073709551615", b"v",
                            self.choose([b"MI", b"MD"])], ["wraps"], key)]

    def noop(self):
        words = self.choose([[], [], [b"x"], [b"x", b"y"]])
        return [Line("mn", [b"mn", *words], ["arguments"] * bool(words))]

    def debug(self):
        key = self.choose(TEXT_KEYS + [MISSING])
        return [Line("me", [b"me", key], (), key)]

    def classic(self):
        """What the classic commands find, and leave behind."""
        key = self.key()
        return self.choose([
            [Line("gets", [b"gets", key], ["one key"], key)],
            [Line("set", [b"set", key, b"5", b"0", b"3"], (), key,
                  b"abc\r\n")],
            [Line("append", [b"append", key, b"5", b"0", b"3"], (), key,
                  b"abc\r\n")],
            [Line("touch", [b"touch", key, b"1000"], (), key)],
            [Line("delete", [b"delete", key], (), key)],
            [Line("get", [b"get", key], ["one key"], key)],
        ])

    # -- errors --

    def error(self):
        """Of mg, md and ma, which have no block."""
        command = self.choose([b"mg", b"md", b"ma"])
        name = command.decode()
        key = MISSING
        kind = self.choose([
            "duplicate flag", "invalid flag", "bad number", "long opaque",
            "long key", "bad base64", "no key", "too many flags", "q"])
        flags = self.some([b"q", b"k", b"O1"])
        if kind == "duplicate flag":
            twice = self.choose([b"q", b"k", b"O1"])
            flags = [flag for flag in flags if flag[:1] != twice[:1]]
            flags += [twice, twice]
        elif kind == "invalid flag":
            flags.append(self.choose(INVALID))
        elif kind == "bad number":
            letter = self.choose({b"mg": [b"T", b"N", b"R"],
                                  b"md": [b"C"],
                                  b"ma": [b"D", b"N", b"J", b"T"]}[command])
            flags.append(letter + self.choose(BAD_NUMBERS))
        elif kind == "long opaque":
            flags = [b"O" + b"o" * self.choose([31, 32, 33, 100])]
        elif kind == "long key":
            key = KEY + b"x" * self.choose([245, 300])
        elif kind == "bad base64":
            key, flags = self.choose([b"!!!!", b"a", b"QEB", b"QEBAQEBA=a"]), \
                [b"b"]
        elif kind == "no key":
            return [Line(name, [command], [kind])]
        elif kind == "too many flags":
            flags = [b"k", b"q", b"t", b"c", b"v", b"s"] * 4
        elif kind == "q":
            flags, kind = [b"q"], "q miss"
        return [Line(name, [command, key, *flags], [kind])]

    def store_error(self):
        kind = self.choose([
            "bad block", "bad block", "bad mode", "duplicate flag",
            "invalid flag", "bad number", "long key", "no size", "bad size",
            "old syntax", "bad base64", "too many flags"])
        key, flags, size = FEW, self.some([b"q", b"k", b"c"]), b"8"
        block = b"nonsense\r\n"
        if kind == "bad block":
            key = self.key()
            block = b"nonsensexxyy\r\n"
        elif kind == "bad mode":
            flags.append(b"M" + self.choose([b"X", b"s", b"1", b"e"]))
        elif kind == "duplicate flag":
            flags += [b"F1", b"F1"]
        elif kind == "invalid flag":
            flags.append(self.choose([b"z", b"Z", b"g", b"w"]))
        elif kind == "bad number":
            flags.append(self.choose([b"T", b"F", b"C"])
                         + self.choose(BAD_NUMBERS))
        elif kind == "long key":
            key = KEY + b"x" * 245
        elif kind == "no size":
            return [Line("ms", [b"ms", key], [kind])]
        elif kind == "bad size":
            size = self.choose([b"x", b"-1", b"1x", b"99999999999999999999"])
        elif kind == "old syntax":
            size = b"S8"
        elif kind == "bad base64":
            key, flags = b"!!!!", [b"b"]
        elif kind == "too many flags":
            flags = [b"k", b"q", b"c", b"T0", b"F0"] * 4
        return [Line("ms", [b"ms", key, size, *flags], [kind],
                     key if kind == "bad block" else None, block)]

    # -- where 1.6.18 is known to differ --

    def oddity(self):
        gone = Line("md", [b"md", FEW, b"q"], ["q"], FEW)
        there = Line("ms", [b"ms", FEW, b"8"], (), FEW, b"nonsense\r\n")

        def store(*flags, mark):
            return Line("ms", [b"ms", FEW, b"8", *flags], [mark], FEW,
                        b"nonsense\r\n")

        def other(command, *flags, mark):
            return Line(command, [command.encode(), FEW, *flags], [mark], FEW)

        return self.choose([
            [gone, other("ma", b"MINCR", mark="mode word")],
            [gone, other("ma", b"Mdecr", mark="mode word")],
            [gone, store(b"Mset", mark="mode word")],
            [gone, store(b"MSet", mark="mode word")],
            [gone, Line("mg", [b"mg", encoded(FEW), b"N1000", b"b"],
                        ["N", "b"], FEW),
             other("mg", b"k", mark="made by base64")],
            [gone, Line("ms", [b"ms", encoded(FEW), b"8", b"b"], ["b"], FEW,
                        b"nonsense\r\n"),
             Line("append", [b"append", FEW, b"0", b"0", b"1"], (), FEW,
                  b"x\r\n"),
             other("mg", b"k", b"s", mark="made by base64")],
            [Line("mg", [b"mg", MISSING, self.choose(
                [b"!", b"@", b"{", b"~", b":", b"/", b"-", b"_"])],
                ["no letter"])],
            [Line("ms", [b"ms", NUMBER, b"1"], (), NUMBER, b"9\r\n"),
             Line("ma", [b"ma", NUMBER, b"T1000", b"t"], ["T"], NUMBER),
             Line("mg", [b"mg", NUMBER, b"t"], ["T of ma"], NUMBER)],
            [Line("ms", [b"ms", BINARY_NAME, b"1", b"b"], ["b"], BINARY,
                  b"x\r\n"),
             Line("mg", [b"mg", BINARY, b"k", b"v"], ["b"], BINARY),
             Line("me", [b"me", BINARY], ["b"], BINARY),
             Line("get", [b"get", BINARY], ["b"], BINARY)],
            [gone, store(b"E1234567", b"c", mark="E")],
            [gone, other("mg", b"N1000", b"E1234567", b"c", mark="E")],
            [gone, other("ma", b"N0", b"E1234567", b"c", mark="E")],
            [there, other("md", b"I", b"E1234567", mark="E")],
            [there, other("md", b"x", mark="x"),
             other("mg", b"v", b"f", b"s", mark="x")],
            [gone, store(b"MA", b"N1000", mark="N of ms")],
            [gone, store(b"MP", b"N1000", mark="N of ms")],
            [gone, store(b"s", mark="s of ms")],
            [there, other("mg", b"c", mark="C of mg"),
             other("mg", b"v", b"C{CAS " + FEW + b"}", mark="C of mg")],
            [there, other("mg", b"c", mark="C of mg"),
             other("mg", b"v", b"C{CAS " + FEW + b"-1}", mark="C of mg")],
        ])
