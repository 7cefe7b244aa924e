# SPDX-License-Identifier: BSD-3-Clause
"""
Pair: two servers that hear the same, over one connection each.

Behind each request comes a sentinel, a request whose answer nothing else
gives, so that a reply is what came before it, whatever the request was.
Several go out in one write.
"""

import re
import socket
import struct

from reply import Reply

PATIENCE_S = 20.0
READ_BYTES_MAX = 1 << 18
# Nothing that is generated has these three answers in a row.
TEXT_SENTINEL = b"version\r\nget ~\r\nversion\r\n"
TEXT_ANSWER = re.compile(rb"VERSION (\S+)\r\nEND\r\nVERSION \1\r\n")
NOOP = 0x0A
SENTINEL_OPAQUE = 0xA5A50000


class Wire:
    """One connection, through which exchanges go in batches."""

    def __init__(self, server, protocol):
        self._server = server
        self._protocol = protocol
        self._socket = None
        self._buffer = b""
        self._sentinels_count = 0
        self.patience_s = PATIENCE_S

    def close(self):
        if self._socket:
            self._socket.close()
            self._socket = None
        self._buffer = b""

    def send(self, messages, has_sentinels, cut=0):
        """Requests, each the bytes of one, in one write, or two."""
        if self._socket is None:
            self._socket = self._server.connect(self.patience_s)
        data = []
        self._awaited = []
        for message in messages:
            data.append(message)
            if has_sentinels:
                sentinel, answer = self._sentinel()
                data.append(sentinel)
                self._awaited.append(answer)
        data = b"".join(data)
        self._socket.settimeout(self.patience_s)
        try:
            if 0 < cut < len(data):
                self._socket.sendall(data[:cut])
                self._socket.sendall(data[cut:])
            else:
                self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError, socket.timeout):
            pass  # what it said before is still to be read

    def replies(self, count):
        """Up to `count`; the last one may say that the connection ended,
        and is then the last of this connection."""
        replies = []
        for index in range(count):
            reply = self._reply(self._awaited[index]
                                if index < len(self._awaited) else None)
            replies.append(reply)
            if reply.ended:
                self.close()
                break
        return replies

    def _sentinel(self):
        if self._protocol == "text":
            return TEXT_SENTINEL, TEXT_ANSWER
        self._sentinels_count += 1
        opaque = SENTINEL_OPAQUE + self._sentinels_count % 0x10000
        frame = struct.pack(">BBHBBHIIQ", 0x80, NOOP, 0, 0, 0, 0, 0, opaque, 0)
        return frame, b"\x81" + struct.pack(">BHBBHIIQ", NOOP, 0, 0, 0, 0, 0,
                                            opaque, 0)

    def _reply(self, awaited):
        """What comes before the answer awaited; all, if there is none."""
        while True:
            found = awaited and self._find(awaited)
            if found:
                start, end = found
                data = self._buffer[:start]
                self._buffer = self._buffer[end:]
                return Reply(data)
            try:
                more = self._socket.recv(READ_BYTES_MAX)
            except socket.timeout:
                return Reply(self._buffer, "waits")
            except ConnectionResetError:
                more = b""
            if not more:
                return Reply(self._buffer, "closed")
            self._buffer += more

    def _find(self, awaited):
        if isinstance(awaited, bytes):
            at = self._buffer.find(awaited)
            return (at, at + len(awaited)) if at >= 0 else None
        match = awaited.search(self._buffer)
        return match.span() if match else None


class Pair:
    """The oracle first, ours second."""

    def __init__(self, oracle, ours, protocol):
        self.wires = (Wire(oracle, protocol), Wire(ours, protocol))

    def close(self):
        for wire in self.wires:
            wire.close()

    def set_patience(self, seconds):
        """How long an answer is waited for; None: as long as usual."""
        for wire in self.wires:
            wire.patience_s = seconds or PATIENCE_S

    def exchange(self, messages, has_sentinels=True, cut=0):
        """[(oracle's reply, our reply)], for as many of the messages as were
        answered before a connection ended; `messages` are pairs of bytes."""
        for side, wire in enumerate(self.wires):
            wire.send([message[side] for message in messages], has_sentinels,
                      cut)
        answers = [wire.replies(len(messages)) for wire in self.wires]
        both = list(zip(*answers))
        if any(reply.ended for replies in both for reply in replies):
            self.close()
        return both
