# SPDX-License-Identifier: BSD-3-Clause
"""
Text grammar: requests of the classic text protocol, from a seed.
"""

import operator_words
from request import EPOCH, Line
from ways import Ways

KEY = EPOCH
TEXT_KEYS = [KEY + b"k%d" % n for n in range(1, 6)]
NUMBER_KEYS = [KEY + b"n%d" % n for n in range(1, 3)]
ODD_KEYS = [KEY + b"\x01\xff\x80", KEY + b"a\tb", KEY + b"[]:/%",
            KEY + b"x" * 244]
MISSING = KEY + b"never"
LONG_KEYS = [KEY + b"x" * 245, KEY + b"y" * 300, KEY + b"z" * 1500]

FLAGS = [b"0", b"1", b"5", b"12345", b"4294967295"]
WIDE_FLAGS = [b"4294967296", b"4294967297", b"9223372036854775807",
              b"9223372036854775808", b"18446744073709551615"]
NO_FLAGS = [b"-1", b"x", b"1x", b"1.5", b"0x10", b"--1",
            b"18446744073709551616", b"99999999999999999999999"]
LASTING = [b"0", b"0", b"1000", b"2592000", b"{NOW+1000}", b"2147483647",
           b"86400", b"00"]
DEAD = [b"-1", b"-2147483648", b"2592001", b"-1000", b"1000000000"]
NO_EXPTIME = [b"x", b"1x", b"1.5", b"--1", b"99999999999999999999"]
# Less than 2^63: above, 1.6.18 looks for a minus sign as far as the next NUL
# is, so that the answer depends on what else lies there.
NUMBERS = [b"0", b"1", b"9", b"10", b"99", b"100", b"12345", b"007",
           b"999999999", b"4294967295", b" 12", b"12 ab", b"5 "]
# Not of blanks alone: 1.6.18 looks for a number behind the end of those.
NO_NUMBERS = [b"", b"abc", b"-1", b"1a", b"18446744073709551616", b"1.5",
              b"+-3"]
DELTAS = [b"1", b"1", b"0", b"5", b"10", b"100", b"4294967296", b"007"]
WIDE_DELTAS = [b"9223372036854775808", b"18446744073709551615"]
NO_DELTAS = [b"x", b"-1", b"1x", b"1.5", b"18446744073709551616",
             b"99999999999999999999999"]
NO_BYTES = [b"-1", b"x", b"1x", b"2147483648", b"99999999999999999999"]
WORDS = [b"nonsense", b"GET", b"Set", b"SET", b"getx", b"ge", b"xget",
         b"\x81\x80", b"get\t" + MISSING, b"stat", b"flush", b"versio",
         b"decrement", b"verbosityx", b"cass", b"touche"]
LARGE_BYTES = 66000
TOO_LARGE_BYTES = 1048577
# One more might be the token of a change that this play has not seen.
BEYOND = b"+1125899906842624"
COUNTING = (b"incr", b"decr", b"touch")
STORES = [b"set", b"add", b"replace", b"append", b"prepend", b"cas"]


class TextGrammar(Ways):
    WAYS = {
        "store": 30, "retrieve": 22, "arithmetic": 8, "delete": 5, "touch": 5,
        "retrieve_touching": 6, "number": 8, "compare": 4, "bad_block": 4,
        "bad_number": 4, "long_key": 3, "flush": 1, "word": 1, "unknown": 1,
        "closing": 1, "large": 0.9, "oddity": 4, "verbosity": 1, "operate": 2,
    }

    # -- parts --

    def key(self):
        if self.dice.random() < 0.06:
            return self.choose(ODD_KEYS)
        return self.choose(TEXT_KEYS)

    def any_key(self):
        return self.choose(NUMBER_KEYS) if self.dice.random() < 0.2 \
            else self.key()

    def quiet(self, share=0.15):
        return ([b"noreply"], ["noreply"]) if self.dice.random() < share \
            else ([], [])

    def quiet_or_loud(self):
        """noreply, or what is none."""
        if self.dice.random() < 0.03:
            return [b"NOREPLY"], ["NOREPLY"]
        return self.quiet()

    def end(self):
        return b"\n" if self.dice.random() < 0.03 else b"\r\n"

    def value(self):
        roll = self.dice.random()
        if roll < 0.08:
            return b""
        if roll < 0.6:
            return self.letters(self.dice.randint(1, 12))
        if roll < 0.7:
            return self.choose([b"END", b"a\r\nb", b"\r\n.", b"\x00\xff\x80",
                                b"VALUE a 0 1", b"ERROR\r\nERROR", b"get a"])
        if roll < 0.97:
            return self.letters(self.choose([31, 64, 100, 255, 256, 257]))
        return self.letters(self.choose([1000, 2047, 2048, 2049, 8000]))

    def letters(self, size):
        letter = self.choose([b"a", b"b", b"x", b"Z", b"_", b"!"])
        return letter * size

    # -- requests --

    def _store(self, command, key, flags, exptime, value, extra=(), marks=(),
               **rest):
        words = [command, key, flags, exptime, b"%d" % len(value), *extra]
        return Line(command.decode(), words, marks, key, value + b"\r\n",
                    self.end(), **rest)

    def store(self):
        command = self.choose(STORES[:5])
        quiet, marks = self.quiet_or_loud()
        exptime = self.choose(LASTING)
        if self.dice.random() < 0.1:
            exptime = self.choose(DEAD)
            marks = marks + ["dead exptime"]
        flags = self.choose(FLAGS)
        if self.dice.random() < 0.05:
            flags = self.choose(WIDE_FLAGS)
            marks = marks + ["wide flags"]
        value = self.value()
        if not value:
            marks = marks + ["empty value"]
        return [self._store(command, self.key(), flags, exptime, value, quiet,
                            marks)]

    def number(self):
        quiet, marks = self.quiet()
        key = self.choose(NUMBER_KEYS)
        if self.dice.random() < 0.8:
            value = self.choose(NUMBERS)
        else:
            value = self.choose(NO_NUMBERS)
        command = self.choose([b"set", b"set", b"set", b"add", b"replace"])
        return [self._store(command, key, self.choose(FLAGS),
                            self.choose(LASTING), value, quiet, marks)]

    def large(self):
        size = self.choose([LARGE_BYTES, 65536, 65537, TOO_LARGE_BYTES,
                            TOO_LARGE_BYTES])
        command = self.choose(STORES)
        marks = ["too large" if size >= TOO_LARGE_BYTES else "large"]
        quiet, more = self.quiet(0.35)
        token = [b"{CAS " + TEXT_KEYS[0] + b"}"] if command == b"cas" else []
        key = TEXT_KEYS[0]
        requests = [
            self._store(command, key, b"7", b"0", b"L" * size,
                        token + quiet, marks + more),
            self.line("get", [key])]
        if self.dice.random() < 0.3:
            requests.insert(0, self._store(b"set", key, b"3", b"0", b"old"))
        return requests

    def compare(self):
        """gets, and a cas with what it told, or nearly."""
        key = self.any_key()
        shift = self.choose([b"", b"", b"", BEYOND, b"-1"])
        quiet, marks = self.quiet_or_loud()
        if self.dice.random() < 0.15:
            token = self.choose([b"0", b"18446744073709551615", b"00"])
            marks.append("foreign token")
        else:
            token = b"{CAS " + key + shift + b"}"
            marks.append("stale token" if shift else "token")
        if key in NUMBER_KEYS:
            value = self.choose(NUMBERS)
        else:
            value = self.value()
        words = [b"cas", key, self.choose(FLAGS), self.choose(LASTING),
                 b"%d" % len(value), token, *quiet]
        requests = [Line("cas", words, marks, key, value + b"\r\n",
                         self.end())]
        if self.dice.random() < 0.8:
            requests.insert(0, self.line("gets", [key]))
        if self.dice.random() < 0.3:
            requests.append(self.line("gets", [key]))
        return requests

    def line(self, command, words, marks=(), key=None, **rest):
        words = [command.encode(), *words]
        if self.dice.random() < 0.03 and len(words) > 1:
            words[-1] += b" " * self.dice.randint(1, 3)
            if self.dice.random() < 0.5:
                words[0] += b" "
            marks = [*marks, "blanks"]
        end = self.end()
        if end == b"\n":
            marks = [*marks, "LF"]
        return Line(command, words, marks, key, end=end, **rest)

    def retrieve(self):
        command = self.choose(["get", "gets"])
        count = self.choose([1, 1, 1, 1, 1, 2, 2, 3, 5, 12, 23, 24, 25, 60])
        keys = [self.any_key() for _ in range(count)]
        marks = ["one key" if count == 1 else "keys"]
        if self.dice.random() < 0.03:
            keys.append(b"noreply")
            marks.append("noreply a key")
        return [self.line(command, keys, marks,
                          key=keys[0] if count == 1 else None)]

    def retrieve_touching(self):
        command = self.choose(["gat", "gats"])
        roll = self.dice.random()
        marks = []
        if roll < 0.75:
            exptime = self.choose(LASTING)
        elif roll < 0.9:
            exptime, marks = self.choose(DEAD), ["dead exptime"]
        else:
            exptime, marks = self.choose(NO_EXPTIME), ["bad exptime"]
        count = self.choose([1, 1, 1, 2, 3])
        marks.append("one key" if count == 1 else "keys")
        keys = [self.any_key() for _ in range(count)]
        return [self.line(command, [exptime, *keys], marks,
                          key=keys[0] if count == 1 else None)]

    def arithmetic(self):
        command = self.choose(["incr", "decr"])
        if self.dice.random() < 0.05:
            key = NUMBER_KEYS[0]
            return [self._store(b"set", key, b"0", b"0", b"10"),
                    self.line("incr", [key, WIDE_DELTAS[1]], ["wraps"],
                              key=key)]
        quiet, marks = self.quiet_or_loud()
        key = self.choose(NUMBER_KEYS) if self.dice.random() < 0.8 \
            else self.choose(TEXT_KEYS + [MISSING])
        if self.dice.random() < 0.12:
            delta = self.choose(NO_DELTAS)
            marks = marks + ["bad delta"]
        elif command == "decr" and self.dice.random() < 0.2:
            delta, marks = self.choose(WIDE_DELTAS), marks + ["wide delta"]
        else:
            delta = self.choose(DELTAS)
        requests = [self.line(command, [key, delta, *quiet], marks, key=key)]
        if self.dice.random() < 0.3:
            requests.append(self.line("gets", [key], key=key))
        return requests

    def delete(self):
        quiet, marks = self.quiet_or_loud()
        zero = []
        if self.dice.random() < 0.2:
            zero, marks = [b"0"], marks + ["time 0"]
        key = self.any_key()
        return [self.line("delete", [key, *zero, *quiet], marks, key=key)]

    def touch(self):
        quiet, marks = self.quiet_or_loud()
        roll = self.dice.random()
        if roll < 0.7:
            exptime = self.choose(LASTING)
        elif roll < 0.85:
            exptime, marks = self.choose(DEAD), marks + ["dead exptime"]
        else:
            exptime, marks = self.choose(NO_EXPTIME), marks + ["bad exptime"]
        key = self.any_key()
        return [self.line("touch", [key, exptime, *quiet], marks, key=key)]

    def flush(self):
        """Not in the future: 1.6.18 then forgets the flush before."""
        quiet, marks = self.quiet()
        argument = self.choose([[], [], [], [b"0"], [b"-1"], [b"x"],
                                [b"1.5"]])
        if argument:
            marks = marks + ["delay " + argument[0].decode()]
        return [self.line("flush_all", [*argument, *quiet], marks)]

    def verbosity(self):
        quiet, marks = self.quiet()
        level = self.choose([b"0", b"x", b"-1", b"1.5"])
        if not level.isdigit():
            marks = marks + ["bad level"]
        return [self.line("verbosity", [level, *quiet], marks)]

    def operate(self):
        command, words = operator_words.line(self.dice)
        if self.dice.random() < 0.1:
            words = self.choose([[b"cache_memlimit"], [b"slabs"], [b"lru"],
                                 [b"lru_crawler"], [b"shutdown"],
                                 [b"shutdown", b"graceful"],
                                 [b"shutdown", b"x"]])
            return [Line(words[0].decode(), words, ["other words"])]
        # What begins a stream looks first whether replies are waiting.
        return [Line(command, words, ["steers"],
                     is_first=words[0] in (b"watch", b"lru_crawler"))]

    def word(self):
        """Commands that have no arguments, or hardly any."""
        return [Line("version", [b"version", *self.choose(
            [[], [], [b"x"], [b"noreply"]])], ["own version"])]

    def unknown(self):
        words = [self.choose(WORDS)] + self.choose(
            [[], [KEY], [KEY, b"0", b"0", b"1"]])
        return [Line("(unknown)", words)]

    def closing(self):
        roll = self.dice.random()
        if roll < 0.4:
            words = [b"quit"] + self.choose([[], [b"x"], [b"noreply"]])
            return [Line("quit", words, ["arguments"] * (len(words) > 1),
                         may_close=True)]
        if roll < 0.7:
            words = self.choose([[b"GET", b"/", b"HTTP/1.1"],
                                 [b"POST", b"/x", b"HTTP/1.0"],
                                 [b"nonsense", b"HTTP/"]])
            return [Line("(unknown)", words, ["HTTP"], is_first=True,
                         may_close=True)]
        word = self.choose([b"x" * 2100, b"set " + b"k" * 2100,
                            b" " * 101 + b"get " + b"k" * 2100])
        return [Line("(unknown)", [word], ["no end of line"], end=b"",
                     is_alone=True)]

    def bad_block(self):
        """A block that does not end where it should."""
        command = self.choose(STORES)
        quiet, marks = self.quiet()
        key = self.key()
        token = [b"1"] if command == b"cas" else []
        size = self.choose([0, 1, 5, 5, 5, 100])
        # What is left over has to be lines of at least two letters.
        block = self.choose([
            b"a" * size + b"xx",
            b"a" * size + b"\nzzz\r\n",
            b"a" * size + b"zzzz\r\n",
            b"a" * size + b"\r" + b"zzz\r\n",
        ])
        size_word = b"%d" % size
        words = [command, key, b"0", b"0", size_word, *token, *quiet]
        # The sentinel has to begin a line.
        if not block.endswith(b"\n"):
            block += b"yy\r\n"
        return [Line(command.decode(), words, marks + ["bad block"], key,
                     block)]

    def bad_number(self):
        """Of a storage command, with a block that some take for a line."""
        command = self.choose(STORES)
        quiet, marks = self.quiet()
        key = self.key()
        words = [command, key, b"0", b"0", b"8"]
        if command == b"cas":
            words.append(b"1")
        which = self.choose(["flags", "exptime", "bytes"])
        words[{"flags": 2, "exptime": 3, "bytes": 4}[which]] = self.choose(
            {"flags": NO_FLAGS, "exptime": NO_EXPTIME,
             "bytes": NO_BYTES}[which])
        return [Line(command.decode(), words + quiet,
                     marks + ["bad " + which], key, b"nonsense\r\n")]

    def long_key(self):
        key = self.choose(LONG_KEYS)
        command = self.choose(STORES + [b"get", b"gets", b"gat", b"delete",
                                        b"incr", b"touch"])
        name = command.decode()
        quiet, marks = self.quiet()
        marks = marks + ["long key"]
        if command in STORES:
            token = [b"1"] if command == b"cas" else []
            return [Line(name, [command, key, b"0", b"0", b"8", *token,
                                *quiet], marks, None, b"nonsense\r\n")]
        # Behind a hit it would crash 1.6.18, and replies that wait unsent
        # are lost there.
        if name in ("get", "gets"):
            return [self.line(name, self.choose([[key], [key, TEXT_KEYS[0]]]),
                              ["long key"], is_first=True)]
        if name == "gat":
            return [self.line(name, [b"0", key], ["long key"],
                              is_first=True)]
        argument = {"delete": [], "incr": [b"1"], "touch": [b"0"]}[name]
        return [self.line(name, [key, *argument, *quiet], marks)]

    # -- where 1.6.18 is known to differ --

    def oddity(self):
        return self.choose([
            self.too_few, self.too_many, self.leading_blank, self.plus,
            self.after_2038, self.short_line, self.missing_token,
            self.silent_unknown])()

    def too_few(self):
        command, most = self.choose(
            [(name, 5 if name == b"cas" else 4) for name in STORES]
            + [(b"get", 0), (b"gets", 0), (b"gat", 1), (b"gats", 1),
               (b"incr", 1), (b"decr", 1), (b"touch", 1), (b"delete", 0),
               (b"verbosity", 0)])
        words = [KEY + b"few", b"0", b"0", b"8", b"1"]
        if command in (b"gat", b"gats"):
            words = [b"0"]
        if command == b"cas" and most == 5:
            most = 4
        if command in STORES and most == 4:
            most = 3
        count = self.dice.randint(0, most)
        words = [command] + words[:count]
        if (command in STORES and count < 3 or command in COUNTING) and \
                len(words) < 4 - (command in COUNTING) * 2 and \
                self.dice.random() < 0.3:
            words.append(b"noreply")
        return [Line(command.decode(), words, ["too few words"])]

    def missing_token(self):
        if self.dice.random() < 0.3:
            return [Line("cas", [b"cas", KEY + b"few", b"0", b"0", b"8",
                                 b"noreply"],
                         ["no token"], None, b"nonsense\r\n")]
        return [Line("cas", [b"cas", KEY + b"few", b"0", b"0", b"8"],
                     ["no token"], None, b"nonsense\r\n")]

    def too_many(self):
        key = self.choose(TEXT_KEYS)
        n_key = NUMBER_KEYS[0]
        junk = self.choose([[b"junk"], [b"junk", b"more"],
                            [b"noreply", b"junk"]])
        which = self.choose(["set", "delete", "incr", "touch", "cas"])
        if which == "set":
            return [Line("set", [b"set", key, b"5", b"0", b"8", *junk],
                         ["too many words"], key, b"nonsense\r\n")]
        if which == "cas":
            return [self._store(b"set", key, b"5", b"0", b"x"),
                    Line("gets", [b"gets", key], key=key),
                    Line("cas", [b"cas", key, b"5", b"0", b"8",
                                 b"{CAS " + key + b"}", *junk],
                         ["too many words"], key, b"nonsense\r\n")]
        if which == "delete":
            junk = self.choose([junk, [b"junk", b"more", b"words"]])
            return [Line("delete", [b"delete", key, *junk],
                         ["too many words"], key)]
        if which == "incr":
            return [self._store(b"set", n_key, b"5", b"0", b"10"),
                    Line("incr", [b"incr", n_key, b"1", *junk],
                         ["too many words"], n_key)]
        return [self._store(b"set", key, b"5", b"0", b"x"),
                Line("touch", [b"touch", key, b"0", *junk],
                     ["too many words"], key)]

    def leading_blank(self):
        return [Line("get", [b"", b"get", MISSING], ["leading blank"])]

    def plus(self):
        """1.6.18 takes a plus before a number, and a tab for its end."""
        n_key = NUMBER_KEYS[0]
        return self.choose([
            [Line("set", [b"set", KEY + b"few", b"+1", b"0", b"8"], ["plus"],
                  KEY + b"few", b"nonsense\r\n")],
            [Line("set", [b"set", KEY + b"few", b"0", b"+1", b"8"], ["plus"],
                  KEY + b"few", b"nonsense\r\n")],
            [Line("set", [b"set", KEY + b"few", b"0", b"0", b"+8"], ["plus"],
                  KEY + b"few", b"nonsense\r\n")],
            [self._store(b"set", n_key, b"5", b"0", b"10"),
             Line("incr", [b"incr", n_key, b"+1"], ["plus"], n_key)],
            [Line("touch", [b"touch", MISSING, b"+1"], ["plus"], MISSING)],
            [Line("touch", [b"touch", MISSING, b"1\tx"], ["plus"], MISSING)],
        ])

    def after_2038(self):
        key = TEXT_KEYS[0]
        exptime = self.choose([b"2147483648", b"4294967295"])
        return [Line("set", [b"set", key, b"0", exptime, b"1"],
                     ["after 2038"], key, b"x\r\n"),
                Line("get", [b"get", key], ["after 2038"], key)]

    def short_line(self):
        return [Line("(unknown)", [self.choose([b"", b"g", b"x"])],
                     ["short line"], end=self.choose([b"\r\n", b"\n"]))]

    def silent_unknown(self):
        return [Line("(unknown)", [b"nonsense", b"noreply"],
                     ["noreply"])]
