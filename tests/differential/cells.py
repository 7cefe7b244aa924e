# SPDX-License-Identifier: BSD-3-Clause
"""
Cells: the cells of the table that have to be filled, as memcached's clients
can meet each of them.

    commands | marks | kinds of reply

Each of the commands with each of the marks has to be answered in each of the
ways.
"""

FORMAT = "CLIENT_ERROR bad command line format"
EXPTIME = "CLIENT_ERROR invalid exptime argument"
DELTA = "CLIENT_ERROR invalid numeric delta argument"
NUMBER = "CLIENT_ERROR cannot increment or decrement non-numeric value"
CHUNK = "CLIENT_ERROR bad data chunk"
LARGE = "SERVER_ERROR object too large for cache"

TEXT = f"""
set | plain, empty value, large, dead exptime, wide flags | STORED
add | plain, empty value, large, dead exptime, wide flags | STORED, NOT_STORED
replace, append, prepend | plain, empty value, large, dead exptime, wide flags
    | STORED, NOT_STORED
set, add, replace, append, prepend, cas | noreply | silent, ERROR
set, add, replace, append, prepend, cas | bad block | {CHUNK}, ERROR
set, add, replace, append, prepend, cas | bad flags, bad exptime
    | {FORMAT}, silent
set, add, replace, append, prepend, cas | bad bytes | {FORMAT}, ERROR
set, add, replace, append, prepend, cas | long key | {FORMAT}, silent
set, add, replace, append, prepend, cas | too large | {LARGE}, silent
set, add, replace, append, prepend, cas | too few words | {FORMAT}
set, cas | too many words | STORED
set | plus | {FORMAT}
cas | token | STORED, NOT_FOUND
cas | stale token, foreign token | EXISTS, NOT_FOUND
cas | large | NOT_FOUND, EXISTS
cas | no token | {FORMAT}
get, gets | one key, keys, LF, blanks, noreply a key | VALUE, END
get, gets | long key, too few words | {FORMAT}
get | leading blank | ERROR
get | after 2038 | VALUE
gat, gats | one key, keys, LF, blanks, dead exptime | VALUE, END
gat, gats | bad exptime | {EXPTIME}
gat, gats | too few words | {FORMAT}
gat | long key | {FORMAT}
incr, decr | plain | number, NOT_FOUND, {NUMBER}
incr, decr | noreply | silent
incr, decr | bad delta | {DELTA}, silent
incr, decr | too few words | {FORMAT}
incr | long key | {FORMAT}, silent
incr | wraps | number
decr | wide delta | number, NOT_FOUND, silent
set, add, replace, append, prepend | NOREPLY | STORED
cas | NOREPLY | NOT_FOUND
touch | NOREPLY | TOUCHED, NOT_FOUND
delete | NOREPLY
    | CLIENT_ERROR bad command line format.  Usage: delete <key> [
incr, decr | NOREPLY | number
incr | plus | {DELTA}
incr | too many words | number
delete | plain, time 0 | DELETED, NOT_FOUND
delete | noreply | silent
delete | long key | {FORMAT}, silent
delete | too few words | {FORMAT}
delete | too many words
    | CLIENT_ERROR bad command line format.  Usage: delete <key> [
touch | plain, dead exptime | TOUCHED, NOT_FOUND
touch | noreply | silent
touch | bad exptime, plus | {EXPTIME}
touch | bad exptime | silent
touch | long key | {FORMAT}, silent
touch | too few words | {FORMAT}
touch | too many words | TOUCHED
flush_all | plain, delay 0, delay -1 | OK
flush_all | delay x, delay 1.5 | {EXPTIME}
flush_all | noreply | silent
verbosity | plain | OK
verbosity | bad level, too few words | {FORMAT}
verbosity | noreply | silent
version | own version | VERSION
quit | plain, arguments | closed
cache_memlimit | steers
    | OK, ERROR, MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m
slabs automove | steers | OK, ERROR, {FORMAT}
slabs reassign | steers | ERROR, {FORMAT}
lru mode, lru temp_ttl | steers | OK, ERROR
lru tune | steers | OK, ERROR
lru tune | steers | ERROR hot and warm pcts must not exceed 80
lru_crawler tocrawl | steers | OK, ERROR, {FORMAT}
lru_crawler sleep | steers | OK, ERROR, {FORMAT}
lru_crawler sleep | steers | CLIENT_ERROR sleep must be one second or less
lru_crawler metadump, watch, stats nonsense | steers | ERROR
refresh_certs | steers | Error TLS not enabled
stats detail | steers | CLIENT_ERROR usage: stats detail on|off|dump
stats cachedump | steers | CLIENT_ERROR bad command line
stats cachedump | steers | CLIENT_ERROR Illegal slab id
cache_memlimit, slabs, lru, lru_crawler | other words | {FORMAT}
shutdown | other words | SERVER_ERROR: shutdown not enabled
(unknown) | plain | ERROR
(unknown) | noreply | silent
(unknown) | short line | {FORMAT}
(unknown) | HTTP, no end of line | closed
"""

META = f"""
mg | plain | HD, EN
mg | v | VA, EN, silent, VA+W, VA+Z, VA+Z+X, VA+W+X
mg | c, f, h, k, l, t, O, u | VA, HD, EN, silent
mg | s | VA, HD, EN, silent, VA+W, VA+Z
mg | q | VA, HD, silent
mg | T | VA, HD, EN
mg | N | HD, VA, HD+W, VA+W, HD+Z, VA+Z
mg | R | EN, HD, VA, HD+W, VA+W, HD+Z, VA+Z
mg | b | VA, HD, EN
mg | E | HD+W
mg | C of mg | HD, VA
mg | q miss | silent
mg | no letter | CLIENT_ERROR bad command line format
ms | plain, E, N of ms, s of ms | HD
ms | c, k, O, F, T | HD, NS, NF, EX, silent
ms | q | silent, NS, NF, EX
ms | b | HD
ms | I | HD, NF, EX, silent
ms | C | HD, NF, EX, NS, silent
ms | token | HD, NF, NS
ms | stale token, foreign token | EX, NF
ms | ME, MA, MP, MR | HD, NS, silent
ms | MS | HD, silent
ms | MA, MP, MR | EX
ms | MR, MS | NF
ms | large | HD
ms | too large | {LARGE}
ms | bad block | {CHUNK}
ms | bad mode, mode word | CLIENT_ERROR invalid mode for ms M token
ms | no size, bad size, old syntax, long key | {FORMAT}
ms | bad number | CLIENT_ERROR bad token in command line format, {FORMAT}
md | plain | HD, NF
md | q | silent, NF, EX
md | k, O | HD, NF, EX
md | b, I, T | HD, NF, silent
md | C, token | HD, NF, EX
md | stale token, foreign token | EX, NF
md | E, x | HD
md | q miss | NF
mg, ms, md | duplicate flag | CLIENT_ERROR duplicate flag
mg, ms, md | invalid flag | CLIENT_ERROR invalid flag
mg, md | bad number | CLIENT_ERROR bad token in command line format
mg, ms, md | bad base64 | CLIENT_ERROR error decoding key
mg, md, ma | long opaque | CLIENT_ERROR opaque token too long
mg, md, ma | long key, no key | {FORMAT}
mg, ms, md, ma | too many flags | CLIENT_ERROR options flags are too long
ma | plain, M | HD, NF, {NUMBER}
ma | v | VA, NF, {NUMBER}
ma | q | silent, NF, HD, VA, {NUMBER}
ma | c, k, O, t, D | HD, VA, NF, silent
ma | N, J | HD, VA, silent
ma | T | HD, VA
ma | b | HD, NF
ma | C | HD, NF, EX
ma | stale token | EX, NF
ma | MI, M+, MD, M- | HD, VA, NF
ma | Mi, Md, mode word | CLIENT_ERROR invalid mode for ma M token
ma | E | HD
ma | wraps | VA
ma | duplicate flag, invalid flag, bad number, bad base64
    | CLIENT_ERROR invalid or duplicate flag
mn | plain, arguments | MN
me | plain | ME, EN
me | b | ME
"""

BINARY = """
get, getk, gat, gatk, touch | plain | ok, not found
getq, getkq, gatq, gatkq | plain | ok, silent
gat, gatk, touch | dead exptime | ok, not found
set | plain, empty value, dead exptime, large | ok
add | plain, empty value, dead exptime | ok, exists
replace | plain, empty value, dead exptime | ok, not found
set, add, replace | quiet | silent
add | quiet | exists
replace | quiet | not found
set, add, replace | token | ok, not found
set, add, replace | stale token, foreign token | exists, not found
set, add, replace | too large | too large
append, prepend | plain, empty value | ok, not stored
append, prepend | quiet | silent, not stored
append, prepend | token | ok, not stored
append, prepend | stale token | exists
delete | plain, token | ok, not found
delete | quiet | silent, not found
delete | stale token, foreign token | exists, not found
increment, decrement | plain | ok, not found, non-numeric
increment, decrement | creates | ok, non-numeric
increment, decrement | quiet | silent, not found, non-numeric
increment, decrement | token | ok
increment, decrement | stale token | exists
increment | wraps | ok
flush | plain, delay 0 | ok
flush | quiet | silent
noop | plain | ok
version | own version | ok
quit | plain | ok closed
quit | quiet | closed
sasl | plain | unknown
stat | no group | not found
(unknown) | plain | unknown
get, getk, set, add, append, delete, increment, touch, gat
    | no key, key of 251 | invalid closed
get, set, delete, increment, touch, noop, version, quit, flush
    | extras too long | invalid closed
set, add, replace, increment, touch, gat | extras too short | invalid closed
get, getk, delete, increment, touch, gat, noop, version, flush, quit
    | a value | invalid closed
noop, version, flush, quit | a key | invalid closed
get, set, delete, noop | more than the body | unknown closed
get | magic | closed
get, delete | vbucket, datatype | ok, not found
noop | vbucket, datatype | ok
"""


def known_cells():
    """Of all three, as the table has them."""
    for text, suffix in ((TEXT, ""), (META, ""), (BINARY, " (bin)")):
        for line in text.replace("\n    |", " |").strip().split("\n"):
            commands, marks, kinds = line.split(" | ")
            for command in commands.split(", "):
                for mark in _marks(marks):
                    for kind in kinds.split(", "):
                        yield _name(command, suffix), mark, kind


def _marks(text):
    """One of them has a comma of its own."""
    return ["vbucket, datatype"] if text == "vbucket, datatype" \
        else text.split(", ")


def _name(command, suffix):
    if command == "(unknown)" and suffix:
        return "(unknown, bin)"
    return command + suffix
