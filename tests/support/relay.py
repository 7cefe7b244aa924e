# SPDX-License-Identifier: BSD-3-Clause
"""
Relay: the network between the servers of a farm, as bad as a test wants.

    with Relay() as relay:
        address = relay.front("s1", farm_port)   # what s1 advertises
        ...
        relay.delay(0.03)                        # everything, each way
        relay.cut("s1", "s2")                    # what s1 says to s2
        relay.cut("s1", "s2", both=True)
        relay.cut("s1", "s2", both=True, hang_up=True)
        relay.mend()

Stands in front of every server, and tells by the name in its HELLO who
dials.  A cut holds bytes back until it is mended, as a broken network does
that will be repaired; with hang_up links are closed, and whoever dials is
hung up on.  A server that does not listen is not listening here either:
the dialler is reset, though not refused.

Bounds: each direction of a link holds HELD_CHUNKS_MAX pieces, then whoever
        writes has to wait, as with a real network.
Threads: the relay has one of its own; the functions are for others.
"""

import asyncio
import collections
import contextlib
import dataclasses
import socket
import struct
import threading
import time

import peer

CHUNK_BYTES = 65536
HELD_CHUNKS_MAX = 64
ANSWER_SECONDS_MAX = 10
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of nothing: close is a reset


@dataclasses.dataclass
class Way:
    """From one server to another."""

    delay_s: float = 0
    bytes_per_s: float = 0  # 0: as fast as it goes
    is_cut: bool = False
    hangs_up: bool = False


class Relay:
    def __init__(self):
        self.bytes_count = 0
        self._ways = collections.defaultdict(Way)
        self._mended = None  # an Event, new with each change
        self._tasks = set()  # one for each link
        self._links = {}  # by task: who dials whom
        self._strangers_count = 0  # who did not say who they are
        self._listeners = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(ANSWER_SECONDS_MAX)

    def front(self, name, port):
        """A place in front of the server `name`; HOST:PORT."""
        return f"127.0.0.1:{self._do(self._listen(name, port))}"

    def delay(self, seconds, one=None, other=None):
        """Everything, or between these two, that much later each way."""
        self._change(one, other, True, delay_s=seconds)

    def limit(self, bytes_per_s, one=None, other=None):
        self._change(one, other, True, bytes_per_s=bytes_per_s)

    def cut(self, one, other, both=False, hang_up=False):
        """What `one` says to `other` does not arrive; `both`: nor back."""
        assert not self._strangers_count, "a HELLO that peer.py cannot read"
        self._change(one, other, both, is_cut=True, hangs_up=hang_up)

    def are_linked(self, one, other):
        """Whether either has a link to the other, whoever dialled."""
        links = list(self._links.values())
        return (one, other) in links or (other, one) in links

    def mend(self):
        """Whole again; what was held back arrives."""
        self._do(self._mend())

    # ---- in the relay's thread ----

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    def _do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(
            coroutine, self._loop).result(ANSWER_SECONDS_MAX)

    def _change(self, one, other, both, **fields):
        self._do(self._set(one, other, both, fields))

    async def _set(self, one, other, both, fields):
        if one is None:
            self._ways.default_factory = lambda: Way(**fields)
            chosen = list(self._ways.values())
        else:
            chosen = [self._ways[one, other]]
            chosen += [self._ways[other, one]] if both else []
        for way in chosen:
            for name, value in fields.items():
                setattr(way, name, value)
        if fields.get("hangs_up"):
            for task, (dialler, listener) in list(self._links.items()):
                if self._hangs_up(dialler, listener):
                    task.cancel()
        self._wake()

    async def _mend(self):
        for way in self._ways.values():
            way.is_cut = way.hangs_up = False
        self._wake()

    def _wake(self):
        if self._mended:
            self._mended.set()
        self._mended = asyncio.Event()

    async def _listen(self, name, port):
        self._mended = self._mended or asyncio.Event()

        async def serve(reader, writer):
            with contextlib.suppress(asyncio.CancelledError):
                await self._serve(name, port, reader, writer)

        listener = await asyncio.start_server(serve, "127.0.0.1", 0,
                                              backlog=1024)
        self._listeners.append(listener)
        return listener.sockets[0].getsockname()[1]

    async def _end(self):
        for listener in self._listeners:
            listener.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _hangs_up(self, one, other):
        return self._ways[one, other].hangs_up or (
            self._ways[other, one].hangs_up)

    async def _serve(self, name, port, dialler_in, dialler_out):
        task = asyncio.current_task()
        self._tasks.add(task)
        listener_out = None
        try:
            listener_in, listener_out = await asyncio.open_connection(
                "127.0.0.1", port)
            for writer in (dialler_out, listener_out):
                writer.get_extra_info("socket").setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            first, who = await _who(dialler_in)
            self._strangers_count += who is None
            if self._hangs_up(who, name):
                return
            self._links[task] = (who, name)
            async with asyncio.TaskGroup() as both:
                self._pass(both, dialler_in, listener_out,
                           self._ways[who, name], first)
                self._pass(both, listener_in, dialler_out,
                           self._ways[name, who], b"")
        except* (OSError, asyncio.IncompleteReadError):
            pass  # one end is gone
        finally:
            self._tasks.discard(task)
            self._links.pop(task, None)
            for writer in filter(None, (dialler_out, listener_out)):
                _reset(writer)

    def _pass(self, group, reader, writer, way, first):
        """One direction: pieces are stamped, wait, and go on in order."""
        held = asyncio.Queue(HELD_CHUNKS_MAX)
        group.create_task(_receive(reader, held, first))
        group.create_task(self._send(held, writer, way))

    async def _send(self, held, writer, way):
        while True:
            stamp, data = await held.get()
            left_s = stamp + way.delay_s - time.monotonic()
            if left_s > 0:
                await asyncio.sleep(left_s)
            while way.is_cut:
                await self._mended.wait()
            if not data:  # its end arrives as late as all else
                writer.write_eof()
                return
            writer.write(data)
            self.bytes_count += len(data)
            await writer.drain()
            if way.bytes_per_s:
                await asyncio.sleep(len(data) / way.bytes_per_s)


async def _receive(reader, held, data):
    while True:
        if data:
            await held.put((time.monotonic(), data))
        data = await reader.read(CHUNK_BYTES)
        if not data:
            await held.put((time.monotonic(), b""))
            return


def _reset(writer):
    if not writer.is_closing():
        with contextlib.suppress(OSError):
            writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.close()


async def _who(reader):
    """The first frame, and who says HELLO in it."""
    head = await reader.readexactly(peer.FRAME.size)
    length = peer.FRAME.unpack(head)[0]
    if length > peer.HELLO_BYTES_MAX:
        return head, None
    inner = await reader.readexactly(length)
    try:
        return head + inner, peer.Hello.decode(inner).name
    except ValueError:
        return head + inner, None
