# SPDX-License-Identifier: BSD-3-Clause
"""
Breaking relay: a network on which connections break in the middle of things.

    with BreakingRelay(server.port, every=100) as relay:
        ...  # clients of relay.port
    print(relay.broken_count)

Stands between clients and a server.  Every so many-th request, more or less,
is the last of its connection: it is lost, or is carried out and its answer is
lost.  For tests of tests: what clients then do not know may be either.
"""

import asyncio
import contextlib
import random
import threading

CHUNK_BYTES = 65536
STOP_SECONDS_MAX = 10


class BreakingRelay:
    """Relays 127.0.0.1:`port` to 127.0.0.1:`server_port`."""

    def __init__(self, server_port, every, seed=1):
        self.port = None
        self.broken_count = 0
        self._server_port = server_port
        self._every = every
        self._random = random.Random(seed)
        self._tasks = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever,
                                        daemon=True)

    def __enter__(self):
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_):
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_SECONDS_MAX)
        self._loop.close()

    def _do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(
            coroutine, self._loop).result(STOP_SECONDS_MAX)

    async def _listen(self):
        self._listener = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, backlog=1024)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def _end(self):
        self._listener.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, client_in, client_out):
        self._tasks.add(asyncio.current_task())
        server_out = None
        try:
            server_in, server_out = await asyncio.open_connection(
                "127.0.0.1", self._server_port)
            while request := await client_in.read(CHUNK_BYTES):
                breaks = self._random.randrange(self._every) == 0
                self.broken_count += breaks
                if breaks and self._random.random() < 0.5:
                    return
                server_out.write(request)
                answer = await server_in.read(CHUNK_BYTES)
                if breaks or not answer:
                    return
                client_out.write(answer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(asyncio.current_task())
            for writer in filter(None, (client_out, server_out)):
                with contextlib.suppress(OSError):
                    writer.close()
