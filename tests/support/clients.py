# SPDX-License-Identifier: BSD-3-Clause
"""
Clients: one connection each, one request after another.

    text = TextClient(server.connect())
    text.set(b"key", b"value")           # b"STORED"
    text.get(b"key")                     # b"value", or None
    text.gets(b"a", b"b")                # {b"a": Item(value, flags, cas)}
    text.ask(b"incr number 1")           # b"2": one line

    binary = BinaryClient(server.connect())
    binary.ask(SET, b"key", b"value", extras=STORE_EXTRAS.pack(5, 0)).status

Fails: Disconnected, an OSError, when the server hangs up; TimeoutError as
       the socket was told.
"""

import collections
import struct

Item = collections.namedtuple("Item", "value flags cas")
Answer = collections.namedtuple("Answer", "status key value extras cas")

HEADER = struct.Struct("!BBHBBHIIQ")
STORE_EXTRAS = struct.Struct("!II")  # flags, exptime
COUNT_EXTRAS = struct.Struct("!QQI")  # delta, initial, exptime
TOUCH_EXTRAS = struct.Struct("!I")  # exptime
GET, SET, ADD, REPLACE, DELETE, INCR, DECR = range(7)
NOOP, APPEND, TOUCH, SETQ = 0x0a, 0x0e, 0x1c, 0x11
OK, NOT_FOUND, EXISTS = range(3)
CHUNK_BYTES = 65536


class Disconnected(OSError):
    """The server closed the connection."""


class _Client:
    def __init__(self, connection):
        self.connection = connection
        self._bytes = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.connection.close()

    def send(self, data):
        self.connection.sendall(data)

    def _more(self):
        data = self.connection.recv(CHUNK_BYTES)
        if not data:
            raise Disconnected("the server hung up")
        return data

    def take(self, count):
        """The next `count` bytes."""
        parts, have = [self._bytes], len(self._bytes)
        while have < count:
            parts.append(self._more())
            have += len(parts[-1])
        data = b"".join(parts)
        self._bytes = data[count:]
        return data[:count]


class TextClient(_Client):
    def line(self):
        while b"\r\n" not in self._bytes:
            self._bytes += self._more()
        line, _, self._bytes = self._bytes.partition(b"\r\n")
        return line

    def ask(self, request):
        """One line, and the line that answers it."""
        self.send(request + b"\r\n")
        return self.line()

    def store(self, verb, key, value, flags=0, exptime=0, more=b""):
        self.send(b"%s %s %d %d %d%s\r\n%s\r\n" % (
            verb, key, flags, exptime, len(value), more, value))
        return None if b"noreply" in more else self.line()

    def set(self, key, value, flags=0, exptime=0, more=b""):
        return self.store(b"set", key, value, flags, exptime, more)

    def add(self, key, value, flags=0, exptime=0):
        return self.store(b"add", key, value, flags, exptime)

    def delete(self, key):
        return self.ask(b"delete " + key)

    def gets(self, *keys):
        self.send(b"gets " + b" ".join(keys) + b"\r\n")
        items = {}
        while (line := self.line()) != b"END":
            words = line.split()
            if words[:1] != [b"VALUE"]:
                raise AssertionError(f"a get was answered {line!r}")
            items[words[1]] = Item(self.take(int(words[3])), int(words[2]),
                                   int(words[4]))
            self.take(2)
        return items

    def get(self, key):
        item = self.gets(key).get(key)
        return item and item.value

    def rows(self, request):
        """The lines up to END, such as those of `stats`."""
        self.send(request + b"\r\n")
        lines = []
        while (line := self.line()) != b"END":
            if line == b"ERROR" or line.startswith((b"CLIENT_E", b"SERVER_E")):
                raise AssertionError(f"{request!r} was answered {line!r}")
            lines.append(line)
        return lines

    def exptimes(self):
        """By key, when each item expires, seconds since 1970."""
        items = {}
        for line in self.rows(b"stats cachedump 1 0"):
            _, key, _, _, exptime, _ = line.split()  # ITEM k [5 b; 99 s]
            items[key] = int(exptime)
        return items


class BinaryClient(_Client):
    def request(self, opcode, key=b"", value=b"", extras=b"", cas=0):
        return HEADER.pack(0x80, opcode, len(key), len(extras), 0, 0,
                           len(extras) + len(key) + len(value), 0,
                           cas) + extras + key + value

    def ask(self, *request, **fields):
        self.send(self.request(*request, **fields))
        return self.answer()

    def answer(self):
        fields = HEADER.unpack(self.take(HEADER.size))
        body = self.take(fields[6])
        key_at, value_at = fields[3], fields[3] + fields[2]
        return Answer(fields[5], body[key_at:value_at], body[value_at:],
                      body[:key_at], fields[8])
