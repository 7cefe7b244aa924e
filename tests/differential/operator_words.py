# SPDX-License-Identifier: BSD-3-Clause
"""
Operator words: lines that steer a server, with the arguments they may get.

Only what both answer at once, by the line alone: nothing that dumps, watches,
crawls or counts anew.
"""

# Not of more than 32 bits, of which 1.6.18 keeps the low ones.
NUMBERS = (b"0", b"1", b"2", b"3", b"7", b"100", b"-1", b"x", b"1.5",
           b"99999999999999999999999")

# Words, and for each argument what it may be.
WORDS = (
    (b"cache_memlimit", ((b"x", b"7", b"0", b"1024", b"1.5"),)),
    (b"slabs reassign", ()),
    (b"slabs reassign", ((b"1", b"x"),)),
    (b"slabs reassign", ((b"x", b"y"), (b"x", b"y"))),
    (b"slabs automove", ()),
    (b"slabs automove", (NUMBERS,)),
    (b"slabs automove ratio", ()),
    (b"slabs nonsense", ()),
    (b"lru tune", ()),
    (b"lru tune", ((b"10", b"100", b"x"), (b"25", b"90", b"x"),
                   (b"0.1", b"0", b"x"), (b"2.0", b"0", b"x"))),
    (b"lru tune", ((b"10",), (b"25",), (b"0.1",))),
    (b"lru tune", ((b"10",), (b"25",), (b"0.1",), (b"2.0",))),
    (b"lru mode", ()),
    (b"lru mode", ((b"flat", b"segmented", b"x"),)),
    (b"lru temp_ttl", ()),
    (b"lru temp_ttl", (NUMBERS,)),
    (b"lru nonsense", ()),
    (b"lru_crawler tocrawl", ()),
    (b"lru_crawler tocrawl", (NUMBERS,)),
    (b"lru_crawler sleep", ()),
    (b"lru_crawler sleep", ((b"0", b"100", b"1000000", b"1000001", b"x"),)),
    (b"lru_crawler metadump", ()),
    (b"lru_crawler nonsense", ()),
    (b"watch", ((b"nonsense",),)),
    (b"refresh_certs", ()),
    (b"stats nonsense", ()),
    (b"stats detail", ()),
    (b"stats detail", ((b"x",),)),
    (b"stats cachedump", ()),
    (b"stats cachedump", (NUMBERS,)),
    (b"stats cachedump", ((b"x", b"64", b"256"), (b"0", b"1", b"x"))),
)


def line(dice):
    """(command, words of one such line)."""
    words, arguments = dice.choice(WORDS)
    command = words.split(b" ")
    name = words.decode()
    return name, command + [dice.choice(argument) for argument in arguments]
