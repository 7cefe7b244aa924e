# SPDX-License-Identifier: BSD-3-Clause
"""
Recorder: passes connections on to a port, and keeps what was said.

    with Recorder(member.farm_port) as recorder:
        ...  # somebody connects to recorder.port
    recorder.conversations[0].asked    # bytes, of who connected
    recorder.conversations[0].answered

With `held_after` who connects gets so many bytes through, and the rest when
`recorder.goes_on` is set.

Threads: two for each connection.
"""

import contextlib
import socket
import threading

END_SECONDS_MAX = 5
HELD_SECONDS_MAX = 60


class Conversation:
    def __init__(self):
        self.asked = b""
        self.answered = b""


class Recorder:
    def __init__(self, port, held_after=None):
        self.conversations = []
        self.goes_on = threading.Event()
        self._held_after = held_after
        self._to = port
        self._sockets = []
        self._threads = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self):
        self._start(self._accept)
        return self

    def __exit__(self, *_):
        self.goes_on.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._sockets:
            _end(connection)
        for thread in self._threads:
            thread.join(END_SECONDS_MAX)

    def _start(self, task, *arguments):
        thread = threading.Thread(target=task, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near = self._listener.accept()[0]
                self._sockets.append(near)
                try:
                    far = socket.create_connection(("127.0.0.1", self._to))
                except OSError:
                    _end(near)
                    continue
                self._sockets.append(far)
                conversation = Conversation()
                self.conversations.append(conversation)
                self._start(self._pass, near, far, conversation, "asked",
                            self._held_after)
                self._start(self._pass, far, near, conversation, "answered")

    def _pass(self, source, sink, conversation, field, held_after=None):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                setattr(conversation, field,
                        getattr(conversation, field) + data)
                if held_after is not None:
                    sink.sendall(data[:held_after])
                    data = data[held_after:]
                    held_after = None
                    self.goes_on.wait(HELD_SECONDS_MAX)
                sink.sendall(data)
        _end(source)
        _end(sink)


def _end(connection):
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
