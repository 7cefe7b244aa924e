# SPDX-License-Identifier: BSD-3-Clause
"""
Losing relay: a server that claims to have stored what it has lost.

    async with LosingRelay(server.port, every=100) as relay:
        ...  # clients of relay.port
    print(relay.swallowed_count)

Stands between clients of the binary protocol and a server, and answers
every so many-th SET itself, with success.  For tests of tests: a check
that passes here as well checks nothing.

Order:  an answer of its own may overtake the server's answers to earlier
        requests; a client that waits for each answer, as PHP's session
        handler does, cannot tell.
"""

import asyncio
import contextlib
import struct

# magic, opcode, key bytes, extras bytes, data type, status or vbucket,
# body bytes, opaque, cas
HEADER = struct.Struct("!BBHBBHIIQ")
REQUEST_MAGIC = 0x80
RESPONSE_MAGIC = 0x81
SET = 0x01
CHUNK_BYTES = 65536


class LosingRelay:
    """Relays 127.0.0.1:`port` to 127.0.0.1:`server_port`."""

    def __init__(self, server_port, every):
        self.port = None
        self.swallowed_count = 0
        self._server_port = server_port
        self._every = every
        self._sets_count = 0
        self._listener = None

    async def __aenter__(self):
        self._listener = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, backlog=1024)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._listener.close()
        await self._listener.wait_closed()

    async def _serve(self, client_in, client_out):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            server_in, server_out = await asyncio.open_connection(
                "127.0.0.1", self._server_port)
            await asyncio.gather(
                self._pass_requests(client_in, client_out, server_out),
                _pass_answers(server_in, client_out))
        client_out.close()

    async def _pass_requests(self, client_in, client_out, server_out):
        try:
            while True:
                header = await client_in.readexactly(HEADER.size)
                fields = HEADER.unpack(header)
                body = await client_in.readexactly(fields[6])
                assert fields[0] == REQUEST_MAGIC, "not the binary protocol"
                if self._is_lost(fields[1]):
                    client_out.write(HEADER.pack(
                        RESPONSE_MAGIC, SET, 0, 0, 0, 0, 0, fields[7],
                        self._sets_count))
                else:
                    server_out.write(header + body)
        finally:
            server_out.close()

    def _is_lost(self, opcode):
        if opcode != SET:
            return False
        self._sets_count += 1
        lost = self._sets_count % self._every == 0
        self.swallowed_count += lost
        return lost


async def _pass_answers(server_in, client_out):
    while chunk := await server_in.read(CHUNK_BYTES):
        client_out.write(chunk)
