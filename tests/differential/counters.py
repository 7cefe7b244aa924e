# SPDX-License-Identifier: BSD-3-Clause
"""
Counters: what `stats` says that clients did, which has to grow alike.
"""

import contextlib

# Not get_expired and get_flushed: of what is dead memcached counts what it has
# not yet swept.
NAMES = (b"cmd_get", b"cmd_set", b"cmd_flush", b"cmd_touch", b"cmd_meta",
         b"get_hits", b"get_misses",
         b"delete_misses", b"delete_hits", b"incr_misses", b"incr_hits",
         b"decr_misses", b"decr_hits", b"cas_misses", b"cas_hits",
         b"cas_badval", b"touch_hits", b"touch_misses", b"store_too_large",
         b"store_no_memory")

# (command, mark) of requests that 1.6.18 is known to count in another way.
UNLIKE = {
    # It looks at an opaque after it has counted.
    ("mg", "long opaque"), ("md", "long opaque"), ("ma", "long opaque"),
    # In the binary protocol it counts none as too large.
    ("set (bin)", "too large"), ("add (bin)", "too large"),
    ("replace (bin)", "too large"),
}


def are_alike(request):
    """Whether the request is counted by both alike."""
    return not any((request.command, mark) in UNLIKE
                   for mark in request.marks)


def read(server):
    """{name: number} of one server, through a connection of its own."""
    answer = b""
    with contextlib.closing(server.connect()) as connection:
        connection.sendall(b"stats\r\n")
        while not answer.endswith(b"END\r\n"):
            more = connection.recv(65536)
            if not more:
                break
            answer += more
    counters = {}
    for line in answer.split(b"\r\n"):
        words = line.split(b" ")
        if len(words) == 3 and words[1] in NAMES:
            counters[words[1]] = int(words[2])
    return counters


def grown(before, after):
    """By how much each of them grew."""
    return {name: after[name] - before[name] for name in NAMES}
