# SPDX-License-Identifier: BSD-3-Clause
"""
TLS for tests: certificates that live as long as a `with`, and connections
whose records the test cuts itself.

    with tls.certificates() as files:
        with servers.grapevined(tls=files) as server:
            connection = server.connect()          # an ssl.SSLSocket
            records = server.connect_records()     # a Records

An authority signs the certificates `server`, `renewed` (another one for the
server) and `client`; `stranger` is signed by nobody known.  Each has NAME.pem
and NAME.key in the folder.

Fails:   tls.OpensslMissing, a tap.Skip, without the program `openssl`.
"""

import contextlib
import copy
import os
import select
import shutil
import ssl
import subprocess
import tempfile
import time

from tap import Skip

HOST = "localhost"
RECORD_BYTES_MAX = 16384
READ_BYTES_MAX = 1 << 18
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


class OpensslMissing(Skip):
    """Nobody can make certificates."""


@contextlib.contextmanager
def certificates():
    """A Certificates, whose files are gone after the `with`."""
    with tempfile.TemporaryDirectory(prefix="grapevine-tls-") as folder:
        os.chmod(folder, 0o755)
        files = Certificates(folder)
        files.make()
        yield files


class Certificates:
    def __init__(self, folder):
        self.folder = folder
        self._words = None
        self._client = None

    def variant(self, words=None, client=None):
        """The same files, other words of -o for the server, or clients
        that have a certificate."""
        variant = copy.copy(self)
        variant._words = words
        variant._client = client
        return variant

    def path(self, name):
        return os.path.join(self.folder, name)

    def make(self):
        if shutil.which("openssl") is None:
            raise OpensslMissing("openssl is not there")
        self._make("authority", [])
        for name in ("server", "renewed", "client"):
            self._make(name, ["-CA", self.path("authority.pem"),
                              "-CAkey", self.path("authority.key")])
        self._make("stranger", [])

    def _make(self, name, signed, names=f"DNS:{HOST},IP:127.0.0.1"):
        subprocess.run(
            ["openssl", "req", "-x509", "-days", "3", *KEY, *signed,
             "-subj", f"/CN={name}", "-keyout", self.path(name + ".key"),
             "-out", self.path(name + ".pem"), "-addext",
             f"subjectAltName={names}"],
            check=True, capture_output=True, timeout=60)
        # The server reads them as another user.
        os.chmod(self.path(name + ".key"), 0o644)

    def authority(self, name):
        """Another one, which signs what is issued with its name."""
        self._make(name, [])

    def issue(self, name, host, authority="authority", signed=True):
        """A certificate for `host`."""
        signers = ["-CA", self.path(authority + ".pem"),
                   "-CAkey", self.path(authority + ".key")]
        self._make(name, signers if signed else [], f"DNS:{host}")

    def give(self, name):
        """Makes the key one that the servers' user can read, and nobody
        else."""
        os.chmod(self.path(name + ".key"), 0o600)
        user = os.environ.get("GRAPEVINE_TEST_USER", "nobody")
        if os.geteuid() == 0:
            shutil.chown(self.path(name + ".key"), user)

    def install(self, name, to="live"):
        """Puts a certificate and its key where a server finds them, each
        as a renewal does: another file under the same name."""
        for suffix in (".pem", ".key"):
            fresh = self.path(to + suffix + ".new")
            shutil.copyfile(self.path(name + suffix), fresh)
            os.chmod(fresh, 0o644)
            os.rename(fresh, self.path(to + suffix))

    def arguments(self):
        """What makes a server speak TLS."""
        words = self._words or [f"ssl_chain_cert={self.path('server.pem')}",
                                f"ssl_key={self.path('server.key')}",
                                f"ssl_ca_cert={self.path('authority.pem')}"]
        return ["-Z", "-o", ",".join(words)]

    def context(self, client=None, version=None):
        """Of a client that trusts the authority."""
        context = ssl.create_default_context(cafile=self.path("authority.pem"))
        client = client or self._client
        if client:
            context.load_cert_chain(self.path(client + ".pem"),
                                    self.path(client + ".key"))
        if version:
            context.minimum_version = context.maximum_version = version
        return context


class Records:
    """A TLS connection that decides itself what is a record, and what goes
    to the kernel in one piece.  Like a socket where a player needs it."""

    def __init__(self, connection, context, timeout=10, session=None):
        self._connection = connection
        self._timeout = timeout
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing,
                                     server_hostname=HOST, session=session)
        self._is_ended = False
        connection.settimeout(timeout)
        self._shake_hands()

    def _shake_hands(self):
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._connection.sendall(self._outgoing.read())
                data = self._connection.recv(READ_BYTES_MAX)
                if not data:
                    raise ConnectionResetError("closed in the handshake")
                self._incoming.write(data)
            else:
                break
        self._connection.sendall(self._outgoing.read())

    # -- as sockets are ----------------------------------------------------

    def fileno(self):
        return self._connection.fileno()

    def setblocking(self, blocks):
        self._connection.setblocking(blocks)

    def close(self):
        self._connection.close()

    def send(self, data):
        return self.send_records([data])

    sendall = send

    def recv(self, _most=0):
        """All that is there, of what came or comes now; b"" at the end."""
        data = self._decrypt()
        while not data and not self._is_ended:
            received = self._connection.recv(READ_BYTES_MAX)
            self._take(received)
            data = self._decrypt()
        return data

    # -- as only this one is -----------------------------------------------

    def has_data(self):
        """recv() has something without asking the kernel."""
        return self._incoming.pending > 0 or self._is_ended

    def encrypt(self, data):
        """The bytes of its records."""
        for start in range(0, len(data), RECORD_BYTES_MAX):
            self._tls.write(data[start:start + RECORD_BYTES_MAX])
        return self._outgoing.read()

    def send_records(self, parts):
        """A record for each part (more for a long one), all handed over in
        one piece."""
        parts = [bytes(part) for part in parts]
        self.send_raw(b"".join(self.encrypt(part) for part in parts))
        return sum(map(len, parts))

    def send_raw(self, data):
        """What is encrypted already; what comes meanwhile is kept."""
        view = memoryview(data)
        deadline = time.monotonic() + self._timeout
        while view:
            with contextlib.suppress(BlockingIOError):
                view = view[self._connection.send(view):]
                continue
            left = deadline - time.monotonic()
            readable, writable, _ = select.select(
                [self._connection], [self._connection], [], max(0, left))
            if readable:
                with contextlib.suppress(BlockingIOError):
                    self._take(self._connection.recv(READ_BYTES_MAX))
            elif not writable:
                raise TimeoutError("the server stopped reading")

    def say_goodbye(self):
        """close_notify, and no more."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self._connection.sendall(self._outgoing.read())

    def _take(self, received):
        if received:
            self._incoming.write(received)
        else:
            self._is_ended = True

    def _decrypt(self):
        parts = []
        while True:
            try:
                data = self._tls.read(READ_BYTES_MAX)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                self._is_ended = True
                break
            if not data:
                self._is_ended = True
                break
            parts.append(data)
        return b"".join(parts)
