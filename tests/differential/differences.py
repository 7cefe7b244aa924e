# SPDX-License-Identifier: BSD-3-Clause
"""
Differences: where the oracle, memcached 1.6.18, and ours are known to differ.

A row is the exact shape of a request, a regular expression over its template
(request.py), the answer of the oracle, ours, and the reason.  Where a row has
that shape both have to answer exactly so: a difference that is gone is found
as well as a new one.  `after` is the shape of the request before it, where
the answer depends on that one.  `mends`: the two hold different items now,
and the item of the request is deleted at both.

Only requests that bear its mark are looked at, as that is quick.
"""

import re
import struct

ERROR = b"ERROR\r\n"
FORMAT = b"CLIENT_ERROR bad command line format\r\n"
USAGE = (b"CLIENT_ERROR bad command line format.  Usage: delete <key> "
         b"[noreply]\r\n")
EXPTIME = b"CLIENT_ERROR invalid exptime argument\r\n"
DELTA = b"CLIENT_ERROR invalid numeric delta argument\r\n"

TOO_FEW = "its word for too few words is that for unknown commands"
TOO_MANY = "it refuses more words than it knows, and swallows no block then"
NO_SWALLOW = "it takes the block of a refused store for a command"
PLUS = "it takes a plus before a number"
PAST = "2038 is its end of time, and what lies behind it has passed"


class Row:
    def __init__(self, mark, shape, oracle, ours, reason, after=None,
                 mends=False, ended=""):
        self.mark = mark
        self.shape = re.compile(shape + rb"\Z", re.DOTALL)
        self.oracle = oracle
        self.ours = ours
        self.reason = reason
        self.after = after and re.compile(after + rb"\Z", re.DOTALL)
        self.mends = mends
        self.ended = ended  # of both connections
        self.count = 0

    def __str__(self):
        after = f" after {self.after.pattern!r}" if self.after else ""
        return f"{self.mark}: {self.shape.pattern!r}{after}"

    def concerns(self, template, before):
        if not self.shape.match(template):
            return False
        return not self.after or (
            bool(before) and bool(self.after.match(before[-1].template())))


# Its answer to `version` names what it is, and so do we.
VERSION_1_6_18 = b"VERSION 1.6.18\r\n"
VERSION_OURS = b"VERSION 1.6.45\r\n"

STORE = rb"(?:set|add|replace|append|prepend|cas)"

ROWS = [
    Row("own version", rb"version(?: x| noreply)?\r\n", VERSION_1_6_18,
        VERSION_OURS, "each tells its own; ours is what clients expect"),
    Row("short line", rb"[gx]?\r?\n", ERROR, FORMAT,
        "it answers ERROR to all that is no command"),
    Row("too few words",
        STORE + rb"(?: @@@@@@few(?: 0(?: 0)?)?)?\r\n", ERROR, FORMAT,
        TOO_FEW),
    Row("too few words", STORE + rb"(?: @@@@@@few(?: 0)?)? noreply\r\n", ERROR,
        FORMAT, TOO_FEW),
    Row("too few words", rb"(?:incr|decr|touch) noreply\r\n", ERROR, FORMAT,
        TOO_FEW),
    Row("no token", rb"cas @@@@@@few 0 0 8 noreply\r\nnonsense\r\n", ERROR,
        b"", NO_SWALLOW),
    Row("too few words", rb"(?:get|gets|gat|gats|delete|verbosity)\r\n",
        ERROR, FORMAT, TOO_FEW),
    Row("too few words", rb"gats? 0\r\n", b"END\r\n", FORMAT,
        "it takes no key for a list of none"),
    Row("too few words", rb"(?:incr|decr|touch)(?: @@@@@@few)?\r\n", ERROR,
        FORMAT, TOO_FEW),
    Row("other words", rb"(?:cache_memlimit|slabs|lru|lru_crawler)\r\n", ERROR,
        FORMAT, TOO_FEW),
    Row("other words", rb"shutdown(?: graceful| x)?\r\n",
        b"ERROR: shutdown not enabled\r\n",
        b"SERVER_ERROR: shutdown not enabled\r\n", "its words for it"),
    Row("no token", rb"cas @@@@@@few 0 0 8\r\nnonsense\r\n", ERROR + ERROR,
        FORMAT, TOO_FEW + "; " + NO_SWALLOW),
    *[Row(mark, STORE + words + rb"\r\nnonsense\r\n", FORMAT + ERROR, FORMAT,
          NO_SWALLOW)
      for mark, words in (
          ("bad flags", rb" @@@@@@[^ ]+ [0-9x.-]+ 0 8(?: 1)?"),
          ("bad exptime", rb" @@@@@@[^ ]+ 0 [0-9x.-]+ 8(?: 1)?"),
          ("long key", rb" @@@@@@[xyz]{245,1500} 0 0 8(?: 1)?"))],
    *[Row(mark, STORE + words + rb" noreply\r\nnonsense\r\n", ERROR, b"",
          NO_SWALLOW)
      for mark, words in (
          ("bad flags", rb" @@@@@@[^ ]+ [0-9x.-]+ 0 8(?: 1)?"),
          ("bad exptime", rb" @@@@@@[^ ]+ 0 [0-9x.-]+ 8(?: 1)?"),
          ("long key", rb" @@@@@@[xyz]{245,1500} 0 0 8(?: 1)?"))],
    Row("noreply", rb"nonsense noreply\r\n", ERROR, b"",
        "it looks for noreply in commands it knows only"),
    Row("leading blank", rb" get @@@@@@never\r\n", b"END\r\n", ERROR,
        "it skips blanks before the command"),
    Row("plus", rb"set @@@@@@few (?:\+1 0|0 \+1) 8\r\nnonsense\r\n",
        b"STORED\r\n", FORMAT, PLUS, mends=True),
    Row("plus", rb"set @@@@@@few 0 0 \+8\r\nnonsense\r\n",
        b"STORED\r\n", FORMAT + ERROR, PLUS, mends=True),
    Row("plus", rb"incr @@@@@@n1 \+1\r\n", b"11\r\n", DELTA, PLUS,
        after=rb"set @@@@@@n1 5 0 2\r?\n10\r\n", mends=True),
    Row("plus", rb"touch @@@@@@never \+1\r\n", b"NOT_FOUND\r\n", EXPTIME,
        PLUS),
    Row("plus", rb"touch @@@@@@never 1\tx\r\n", b"NOT_FOUND\r\n", EXPTIME,
        "it takes what stands behind a tab for no part of a number"),
    Row("after 2038", rb"get @@@@@@k1\r\n", b"END\r\n",
        b"VALUE @@@@@@k1 0 1\r\nx\r\nEND\r\n", PAST,
        after=rb"set @@@@@@k1 0 (?:2147483648|4294967295) 1\r\nx\r\n",
        mends=True),
    Row("too many words",
        rb"set @@@@@@k\d 5 0 8 (?:junk more|noreply junk)\r\nnonsense\r\n",
        ERROR + ERROR, b"STORED\r\n", TOO_MANY, mends=True),
    Row("too many words",
        rb"cas @@@@@@k\d 5 0 8 \{CAS @@@@@@k\d\} (?:junk more|noreply junk)"
        rb"\r\nnonsense\r\n",
        ERROR + ERROR, b"STORED\r\n", TOO_MANY,
        after=rb"gets @@@@@@k\d\r\n", mends=True),
    Row("too many words",
        rb"delete @@@@@@k\d junk more words\r\n",
        ERROR, USAGE, TOO_MANY),
    Row("too many words",
        rb"incr @@@@@@n1 1 (?:junk more|noreply junk)\r\n",
        ERROR, b"11\r\n", TOO_MANY,
        after=rb"set @@@@@@n1 5 0 2\r?\n10\r\n", mends=True),
    Row("too many words",
        rb"touch @@@@@@k\d 0 (?:junk more|noreply junk)\r\n",
        ERROR, b"TOUCHED\r\n", TOO_MANY,
        after=rb"set @@@@@@k\d 5 0 1\r?\nx\r\n", mends=True),
]


def frame(opcode, status, body):
    """An answer in the binary protocol, its opaque 0."""
    return struct.pack(">BBHBBHIIQ", 0x81, opcode, 0, 0, 0, status, len(body),
                       0, 0) + body


ROWS += [
    Row("own version", rb"version \(bin\) opcode=0x0b key=b'' extras= "
        rb"value=b'' cas=0 opaque=0x0", frame(0x0B, 0, b"1.6.18"),
        frame(0x0B, 0, b"1.6.45"),
        "each tells its own; ours is what clients expect"),
    *[Row("a value", name + rb" \(bin\) opcode=.* key=b'@@@@@@never' "
          rb"extras=00000000 value=b'value' cas=0 opaque=0x0",
          frame(opcode, 1, b"Not found"),
          frame(opcode, 4, b"Invalid arguments"),
          "it executes it, and takes the value for the next request",
          ended="closed")
      for name, opcode in ((b"touch", 0x1C), (b"gat", 0x1D))],
]


FLAG = b"CLIENT_ERROR invalid flag\r\n"
TOKEN = b"CLIENT_ERROR bad token in command line format\r\n"
ANY_FLAG_ERROR = b"CLIENT_ERROR invalid or duplicate flag\r\n"
LENGTH = b"CLIENT_ERROR incorrect length for M token\r\n"
OF_MD = "md has one word for all that is wrong with its flags"
SINCE = "it does not know what came with 1.6.%d"
GONE = rb"md @@@@@@few q\r\n"
THERE = rb"ms @@@@@@few 8\r\nnonsense\r\n"
BLOCK = rb"\r\nnonsense\r\n"

ROWS += [
    Row("no key", rb"m[gda]\r\n", ERROR, FORMAT, TOO_FEW),
    Row("too many flags", rb"m[da] @@@@@@never(?: [kqtcvs]){24}\r\n",
        b"CLIENT_ERROR options flags too long\r\n",
        b"CLIENT_ERROR options flags are too long\r\n", "its words for it"),
    Row("too many flags", rb"ms @@@@@@few 8(?: k q c T0 F0){4}" + BLOCK,
        b"CLIENT_ERROR options flags too long\r\n" + ERROR,
        b"CLIENT_ERROR options flags are too long\r\n",
        "its words for it; " + NO_SWALLOW),
    Row("duplicate flag", rb"md @@@@@@never(?: q| k| O1)*\r\n", ANY_FLAG_ERROR,
        b"CLIENT_ERROR duplicate flag\r\n", OF_MD),
    Row("invalid flag", rb"md @@@@@@never(?: q| k| O1)* [zZg1wA]\r\n",
        ANY_FLAG_ERROR, FLAG, OF_MD),
    Row("no letter", rb"mg @@@@@@never [!@{~:/_-]\r\n", FLAG, FORMAT,
        "what is no letter is an unknown flag to it"),
    Row("bad number", rb"md @@@@@@never(?: q| k| O1)* C(?:x|1x|1\.5|9{23})?\r\n",
        ANY_FLAG_ERROR, TOKEN, OF_MD),
    Row("bad base64", rb"md (?:!!!!|a|QEB|QEBAQEBA=a) b\r\n", ANY_FLAG_ERROR,
        b"CLIENT_ERROR error decoding key\r\n", OF_MD),
    Row("mode word", rb"ma @@@@@@few MINCR\r\n", ANY_FLAG_ERROR, b"NF\r\n",
        "a mode is one letter, where others read the first"),
    Row("mode word", rb"ma @@@@@@few Mdecr\r\n", ANY_FLAG_ERROR,
        b"CLIENT_ERROR invalid mode for ma M token\r\n",
        "a mode is one letter, where others read the first"),
    Row("mode word", rb"ms @@@@@@few 8 MSet" + BLOCK, LENGTH, b"HD\r\n",
        "a mode is one letter, where others read the first", mends=True),
    Row("mode word", rb"ms @@@@@@few 8 Mset" + BLOCK, LENGTH,
        b"CLIENT_ERROR invalid mode for ms M token\r\n",
        "a mode is one letter, where others read the first"),
    Row("made by base64", rb"mg @@@@@@few k\r\n", b"HD k@@@@@@few Z\r\n",
        b"HD kQEBAQEBAZmV3 b Z\r\n",
        "the mark that a key came as base64 is left by ms only",
        after=rb"mg QEBAQEBAZmV3 N1000 b\r\n", mends=True),
    Row("made by base64", rb"mg @@@@@@few k s\r\n",
        b"HD k@@@@@@few s9\r\n", b"HD kQEBAQEBAZmV3 b s9\r\n",
        "the mark that a key came as base64 is lost where it appends",
        after=rb"append @@@@@@few 0 0 1\r\nx\r\n", mends=True),
    Row("T of ma", rb"mg @@@@@@n9 t\r\n", b"HD t-1\r\n", b"HD t1000\r\n",
        "where the number grows it touches the item that it replaces",
        after=rb"ma @@@@@@n9 T1000 t\r\n", mends=True),
    Row("long key", rb"ms @@@@@@x{245} 8(?: q| k| c)*" + BLOCK,
        FORMAT + ERROR, FORMAT, NO_SWALLOW),
    Row("E", rb"ms @@@@@@few 8 E1234567 c" + BLOCK, FLAG,
        b"HD c1234567\r\n", SINCE % 27, after=GONE, mends=True),
    Row("E", rb"mg @@@@@@few N1000 E1234567 c\r\n", FLAG,
        b"HD c1234567 W\r\n", SINCE % 27, after=GONE, mends=True),
    Row("E", rb"ma @@@@@@few N0 E1234567 c\r\n", ANY_FLAG_ERROR,
        b"HD c1234567\r\n", SINCE % 27, after=GONE, mends=True),
    Row("E", rb"md @@@@@@few I E1234567\r\n", ANY_FLAG_ERROR, b"HD\r\n",
        SINCE % 27, after=THERE, mends=True),
    Row("x", rb"md @@@@@@few x\r\n", ANY_FLAG_ERROR, b"HD\r\n", SINCE % 27,
        after=THERE),
    Row("x", rb"mg @@@@@@few v f s\r\n", b"VA 8 f0 s8\r\nnonsense\r\n",
        b"VA 0 f0 s0\r\n\r\n", SINCE % 27, after=rb"md @@@@@@few x\r\n",
        mends=True),
    Row("N of ms", rb"ms @@@@@@few 8 M[AP] N1000" + BLOCK, b"NS\r\n",
        b"HD\r\n", SINCE % 20, after=GONE, mends=True),
    Row("s of ms", rb"ms @@@@@@few 8 s" + BLOCK, b"HD\r\n", b"HD s8\r\n",
        SINCE % 21, after=GONE),
    Row("C of mg", rb"mg @@@@@@few v C\{CAS @@@@@@few\}\r\n",
        b"VA 8\r\nnonsense\r\n", b"HD\r\n", SINCE % 40,
        after=rb"mg @@@@@@few c\r\n"),
]


class Differences:
    """The rows, and how often each of them was seen."""

    def __init__(self, rows):
        self.rows = rows
        self._by_mark = {}
        for row in self.rows:
            self._by_mark.setdefault(row.mark, []).append(row)

    def concern(self, request):
        """The rows that may concern it, by its marks."""
        rows = []
        for mark in request.marks:
            rows += self._by_mark.get(mark, ())
        return rows

    def row(self, request, before):
        """The row that the request, behind those `before`, has the shape
        of, or None."""
        template = request.template()
        for row in self.concern(request):
            if row.concerns(template, before):
                return row
        return None
