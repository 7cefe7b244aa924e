# SPDX-License-Identifier: BSD-3-Clause
"""
Peer: the other end of a farm's link, made by hand.

    with Peer(member.farm_port) as peer:
        peer.join(Hello(name="guest"))
        peer.send(HEARTBEAT_REQUEST, u64(0))
        kind, body = peer.wait_for(HEARTBEAT)

Says whatever a test wants, sense or nonsense; knows of grapevine only the
frame and HELLO (proto/grapevine/message.h).
"""

import dataclasses
import random
import socket
import struct
import time

FRAME = struct.Struct("!I")
HELLO_HEAD = struct.Struct("!HHQHBQQQQI")
HELLO_BYTES_MAX = 1 + HELLO_HEAD.size + 3 * 256 + 1024

(HELLO, REFUSE, MEMBERS, HEARTBEAT, HEARTBEAT_REQUEST, ALIVE, ATTACH, OVERRUN,
 RECORD, ACK, REQUEST, STATE, HAVE, MISSING, FETCH, PIECE, FORWARD,
 SYNC_BEGIN, SYNC_LIST, SYNC_PULL, SYNC_STATE, SYNC_END) = range(1, 23)
JOINING, SYNCING, READY = 1, 2, 3


def u8(number):
    return struct.pack("!B", number)


def u16(number):
    return struct.pack("!H", number)


def u32(number):
    return struct.pack("!I", number)


def u64(number):
    return struct.pack("!Q", number)


def text(words):
    """A short text behind its length."""
    words = words.encode() if isinstance(words, str) else words
    return u8(len(words)) + words


def frame(kind, body=b""):
    return FRAME.pack(1 + len(body)) + u8(kind) + body


def clock():
    """What a server's clock shows: microseconds since 1970."""
    return time.time_ns() // 1000


def create(key, value, version):
    """A record that makes an item."""
    return (u8(1) + u8(0) + u8(0) + u32(0) + u32(0) + u64(version)
            + text(key) + u32(len(value)) + value)


def heartbeat(head, state=JOINING):
    """Of one that has applied nothing of anybody."""
    return (u8(state) + u16(0) + u64(clock()) + u64(0) + u64(clock())
            + u64(0) + u32(0) + u64(head) + u64(0) + u16(0))


@dataclasses.dataclass
class Hello:
    name: str = "guest"
    farm: str = "grapevine"
    address: str = "127.0.0.1:1"  # nobody listens there
    id: int = dataclasses.field(default_factory=lambda: random.getrandbits(63))
    tag: int = dataclasses.field(
        default_factory=lambda: random.getrandbits(12))
    state: int = JOINING
    versions: tuple = (1, 1)
    clock: int = None  # None: that of now
    ready_since: int = 0
    settings: int = 0
    memory_bytes: int = 64 << 20
    item_bytes_max: int = 1 << 20
    more: bytes = b""  # of a later version

    def encode(self):
        return HELLO_HEAD.pack(
            *self.versions, self.id, self.tag, self.state,
            clock() if self.clock is None else self.clock,
            self.ready_since, self.settings, self.memory_bytes,
            self.item_bytes_max) + (
            text(self.farm) + text(self.name) + text(self.address)
            + self.more)

    @staticmethod
    def decode(inner):
        """From kind and body; ValueError if they are no HELLO."""
        if inner[:1] != u8(HELLO) or len(inner) < 1 + HELLO_HEAD.size:
            raise ValueError("no HELLO")
        low, high, *fields = HELLO_HEAD.unpack_from(inner, 1)
        texts, at = [], 1 + HELLO_HEAD.size
        for _ in range(3):
            if at >= len(inner):
                raise ValueError("a HELLO that is cut off")
            end = at + 1 + inner[at]
            texts.append(inner[at + 1:end].decode("utf-8", "replace"))
            at = end
        return Hello(texts[1], texts[0], texts[2], *fields[:3],
                     (low, high), *fields[3:], inner[at:])


class Peer:
    """A connection to a farm port, or whatever else leads there."""

    def __init__(self, port, timeout=5, connection=None):
        self.connection = connection or socket.create_connection(
            ("127.0.0.1", port), timeout)
        self.connection.settimeout(timeout)
        self._bytes = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.connection.close()

    def write(self, data):
        self.connection.sendall(data)

    def send(self, kind, body=b""):
        self.write(frame(kind, body))

    def join(self, hello):
        """Who dials says HELLO first; the server's own follows."""
        self.send(HELLO, hello.encode())

    def receive(self):
        """The next frame: kind, body.  ConnectionError at the end."""
        length = FRAME.unpack(self._take(FRAME.size))[0]
        inner = self._take(length)
        return inner[0], inner[1:]

    def wait_for(self, wanted, frames_max=1000):
        """The next frame of this kind."""
        for _ in range(frames_max):
            kind, body = self.receive()
            if kind == wanted:
                return body
        raise AssertionError(f"no frame of kind {wanted}")

    def is_cut(self, seconds_max=5):
        """Waits for the server to hang up; whether it did."""
        deadline = time.monotonic() + seconds_max
        try:
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self.connection.settimeout(left)
                if not self.connection.recv(65536):
                    return True
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    def _take(self, count):
        while len(self._bytes) < count:
            data = self.connection.recv(65536)
            if not data:
                raise ConnectionError("the server hung up")
            self._bytes += data
        taken, self._bytes = self._bytes[:count], self._bytes[count:]
        return taken
