# SPDX-License-Identifier: BSD-3-Clause
"""
Comparison: whether two replies are the same, but for what a server chooses.

Tokens are mapped by first appearance: what is new at one server has to be
new at the other, what was seen before has to be the same one, and a new one
has to be larger and smaller than the same others; not in a farm, where the
homes of two keys may decide about both at once.
"""

import bisect
import re
import struct

from reply import ATOMS, Seconds, Token

SECONDS_APART_MAX = 2
PADDED = re.compile(rb"\d+ *(\r\n)?\Z")
MAY_HAVE_TOKENS = re.compile(rb"(?:^|\n)(?:VALUE|HD|VA|EN|ME|NF|NS|EX) ")
NUMBER_KEY = re.compile(rb"VALUE @{6}n\d ")


class Tokens:
    """Both servers' cas tokens of one play."""

    def __init__(self, in_order):
        self._in_order = in_order
        self._index = ({}, {})
        self._sorted = ([], [])

    def equal(self, one, other):
        if one == 0 or other == 0:
            return one == other
        first, second = self._index
        if one in first or other in second:
            return first.get(one, -1) == second.get(other, -2)
        first[one] = second[other] = len(first)
        if not self._in_order:
            return True
        place = bisect.bisect(self._sorted[0], one)
        if place != bisect.bisect(self._sorted[1], other):
            return False
        self._sorted[0].insert(place, one)
        self._sorted[1].insert(place, other)
        return True


class Comparison:
    """Of the replies of one play, in their order."""

    def __init__(self, slots, in_order=True):
        self.tokens = Tokens(in_order)
        self._slots = slots  # of both servers
        self.padded_count = 0
        self.negated_count = 0

    def equal(self, requests, oracle, ours):
        """`requests` is what both answered, one or a pipeline."""
        if oracle.ended != ours.ended:
            return False
        protocol = requests[0].protocol
        key = requests[0].key if len(requests) == 1 else None
        if oracle.data == ours.data and not _has_tokens(protocol, ours.data):
            return True
        left = ATOMS[protocol](oracle.data)
        right = ATOMS[protocol](ours.data)
        if len(left) != len(right):
            return False
        return all(self._atoms_equal(one, other, protocol, key)
                   for one, other in zip(left, right))

    def _atoms_equal(self, one, other, protocol, key):
        head, fields, block = one
        if head != other[0] or len(fields) != len(other[1]):
            if protocol != "binary" or not self._binary_padded(one, other,
                                                               key):
                return False
        elif block != other[2] and not self._padded(key, head, block,
                                                    other[2]):
            return False
        for ours, theirs in zip(other[1], fields):
            if not self._fields_equal(theirs, ours):
                return False
            if isinstance(ours, Token) and ours:
                self._learn(protocol, head, key, theirs, ours)
        return True

    def _fields_equal(self, theirs, ours):
        if type(theirs) is not type(ours):
            return False
        if isinstance(ours, Token):
            return self.tokens.equal(theirs, ours)
        if isinstance(ours, Seconds):
            if theirs < -1 and ours >= 0:  # 1.6.18 negates exp= of me
                self.negated_count += 1
                theirs = -theirs
            if (theirs == -1) != (ours == -1):
                return False
            return abs(theirs - ours) <= SECONDS_APART_MAX
        return theirs == ours

    def _learn(self, protocol, head, key, theirs, ours):
        if protocol == "text" and head.startswith(b"VALUE "):
            key = self._slots[0].empty(head.split(b" ")[1])
        if key:
            self._slots[0].tokens[key] = theirs
            self._slots[1].tokens[key] = ours

    def _padded(self, key, head, theirs, ours):
        """memcached pads a number that became shorter with blanks."""
        if not theirs or not ours:
            return False
        if head.startswith(b"VALUE "):
            if not NUMBER_KEY.match(self._slots[0].empty(head)):
                return False
        elif not (key and key[6:7] == b"n"):
            return False
        return self._digits_equal(theirs, ours)

    def _digits_equal(self, theirs, ours):
        """It does so unless a reply that is not sent yet has the number, so
        that nobody knows how many blanks there will be."""
        if not PADDED.match(theirs) or not PADDED.match(ours):
            return False
        self.padded_count += 1
        return theirs.split() == ours.split()

    def _binary_padded(self, one, other, key):
        """The same in a frame, whose header tells the length."""
        if not key or key[6:7] != b"n" or len(one[0]) != 16:
            return False
        if one[0][:8] + one[0][12:] != other[0][:8] + other[0][12:]:
            return False
        # Four bytes of flags; getk and gatk name the key, too.
        at = 4 + struct.unpack_from(">H", one[0], 2)[0]
        return (one[2][:at] == other[2][:at]
                and self._digits_equal(one[2][at:], other[2][at:]))


def _has_tokens(protocol, data):
    return protocol == "binary" or MAY_HAVE_TOKENS.search(data)
