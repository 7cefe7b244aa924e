# SPDX-License-Identifier: BSD-3-Clause
"""
Servers: one server process for the length of a `with`.

    with servers.grapevined("-m", "32") as server:
        connection = server.connect()
    with servers.memcached(unix=True) as server: ...
    with servers.running("memcached", "-I", "2k") as server: ...

Which program: GRAPEVINED in the environment (default ./grapevined) and
MEMCACHED (default: looked up on PATH and in /usr/bin).  Either may hold
words in front of or behind the program, such as `valgrind -q ./grapevined`;
what is in front must become the program (exec), as its pid is checked.

Address: a free port on 127.0.0.1, never 11211, where a real memcached of
this machine may live; with unix=True a socket in a directory of its own.
Ports are below those that the system gives to outgoing connections, lest
one is taken, or dials itself, while its server is away.

User:    as root both programs want `-u`: it is GRAPEVINE_TEST_USER, or
         nobody.
Time:    nothing here waits without a deadline; a server that outlives
         `life_seconds_max` is killed, and so fails its test.
Fails:   ServerMissing, a tap.Skip, if there is no memcached here.
         ServerFailed, with what the server wrote to stderr, if it is not
         built, does not start, dies, or does not end cleanly (sanitizers
         report by exit code).  What it wrote is shown too when the body
         raises.
"""

import contextlib
import os
import pwd
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import tls as tls_support
from tap import Skip

KINDS = ("grapevined", "memcached")
DEFAULT_PORT = 11211
PORT_MIN = 12000
PORTS_COUNT_MIN = 1000  # else it is the system that chooses
START_SECONDS_MAX = 20
STOP_SECONDS_MAX = 30
LIFE_SECONDS_MAX = 300
START_ATTEMPTS_MAX = 5
OUTPUT_SHOWN_BYTES_MAX = 16384

_living = set()  # processes, for stop_all()
_given_ports = set()


class ServerMissing(Skip):
    """The oracle is not on this machine."""


class ServerFailed(AssertionError):
    """It did not start, died, or did not end as it should."""


def grapevined(*arguments, **options):
    """A running grapevined; arguments are added to its command line."""
    return running("grapevined", *arguments, **options)


def memcached(*arguments, **options):
    """A running memcached, the oracle; arguments as above."""
    return running("memcached", *arguments, **options)


@contextlib.contextmanager
def running(kind, *arguments, unix=False, tls=None,
            life_seconds_max=LIFE_SECONDS_MAX, pid_of=None):
    """A running server of `kind`; yields a Server.  With `tls`, a
    tls.Certificates, it speaks TLS, and so does who connects to it.
    `pid_of` asks it for its pid on a connection, where that takes more than
    `stats`."""
    with tempfile.TemporaryDirectory(prefix="grapevine-test-") as directory:
        _give_away(directory)
        if tls:
            arguments = [*tls.arguments(), *arguments]
        server = _start(kind, arguments, directory, unix, tls, pid_of)
        # Ends a server that hangs, and with it every read from it.
        watchdog = threading.Timer(life_seconds_max, server.process.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            yield server
        except BaseException:
            show(server)
            raise
        finally:
            watchdog.cancel()
            server.stop()
        server.require_clean_end()


class Server:
    """One process.  TCP: `host` and `port`; unix: `path`; others None.
    `network` makes the sockets of its clients: those of this machine, or of
    a Host (hosts.py) that it runs on."""

    def __init__(self, kind, process, error_path, port=None, path=None,
                 tls=None, network=socket):
        self.kind = kind
        self.process = process
        self.pid = process.pid
        self.host = "127.0.0.1" if port else None
        self.port = port
        self.path = path
        self.tls = tls
        self._network = network
        self._error_path = error_path
        self._died_early = False

    def connect(self, timeout=10):
        """A new connected socket, its reads and writes bounded."""
        connection = self.connect_plain(timeout)
        if not self.tls:
            return connection
        try:
            return self.tls.context().wrap_socket(
                connection, server_hostname="localhost")
        except OSError:
            connection.close()
            raise

    def connect_records(self, timeout=10, context=None, session=None):
        """A tls.Records."""
        connection = self.connect_plain(timeout)
        try:
            return tls_support.Records(connection,
                                       context or self.tls.context(),
                                       timeout, session)
        except OSError:
            connection.close()
            raise

    def connect_plain(self, timeout=10):
        """A new connected socket as the kernel has it."""
        if self.path:
            connection = socket.socket(socket.AF_UNIX)
            address = self.path
        else:
            connection = self._network.socket(socket.AF_INET)
            address = (self.host, self.port)
        try:
            connection.settimeout(timeout)
            connection.connect(address)
            if not self.path:
                connection.setsockopt(socket.IPPROTO_TCP,
                                      socket.TCP_NODELAY, 1)
        except OSError:
            connection.close()
            raise
        return connection

    def is_running(self):
        return self.process.poll() is None

    def errors(self):
        """What it wrote to stderr (and stdout) so far, the last part."""
        with open(self._error_path, "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - OUTPUT_SHOWN_BYTES_MAX))
            return file.read().decode("utf-8", "replace")

    def stop(self):
        """Ends it by its pid: TERM, and KILL if that does not help."""
        self._died_early = not self.is_running()
        _living.discard(self.process)
        if self._died_early:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def require_clean_end(self):
        code = self.process.returncode
        if self._died_early:
            self._fail(f"ended by itself with code {code}")
        if code not in (0, -15):  # -15: nobody caught TERM, fair enough
            self._fail(f"ended with code {code} when asked to stop")

    def _fail(self, what):
        raise ServerFailed(f"{self.kind} {what}\n{self.errors()}")


def forget(server):
    """Of one whom spawn() started, and whose end was waited for."""
    _living.discard(server.process)


def stop_all():
    """For a signal handler: ends what runs, whatever thread waits on it."""
    for process in list(_living):
        process.kill()


def command(kind):
    """The words that start a server of `kind`."""
    if kind == "grapevined":
        words = shlex.split(os.environ.get("GRAPEVINED", "./grapevined"))
    elif kind == "memcached":
        words = shlex.split(os.environ.get("MEMCACHED", "memcached"))
    else:
        raise ValueError(f"{kind} is none of {KINDS}")
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/bin"
    program = shutil.which(words[0], path=path)
    if program is None:
        failure = ServerMissing if kind == "memcached" else ServerFailed
        raise failure(f"{words[0]} is not there")
    return [program] + words[1:]


def user_arguments():
    """`-u NAME` for root, which neither server accepts without."""
    if os.geteuid() != 0:
        return []
    return ["-u", os.environ.get("GRAPEVINE_TEST_USER", "nobody")]


def freeze(pid):
    """SIGSTOP; returns when no thread of the process runs any more."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while not all(_is_stopped(pid, task)
                  for task in os.listdir(f"/proc/{pid}/task")):
        if time.monotonic() > deadline:
            raise ServerFailed(f"process {pid} does not stop")


def _is_stopped(pid, task):
    with open(f"/proc/{pid}/task/{task}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[0] == b"T"


def free_port():
    """A port that was free a moment ago, another one each time; the caller
    retries if it lost."""
    limit = _outgoing_port_min()
    while True:
        port = 0
        if limit - PORT_MIN >= PORTS_COUNT_MIN:
            port = random.randrange(PORT_MIN, limit)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            port = probe.getsockname()[1]
            if port not in _given_ports | {DEFAULT_PORT}:
                _given_ports.add(port)
                return port


def _outgoing_port_min():
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range",
                  encoding="ascii") as file:
            return int(file.read().split()[0])
    except OSError:
        return 32768


def _give_away(directory):
    """The server makes its socket after it has dropped privileges."""
    arguments = user_arguments()
    if arguments:
        user = pwd.getpwnam(arguments[1])
        os.chown(directory, user.pw_uid, user.pw_gid)


def _start(kind, arguments, directory, unix, tls, pid_of):
    """Tries a few ports, as another process may take the one we chose."""
    for attempt in range(START_ATTEMPTS_MAX):
        _forget_errors(directory)
        server = _spawn(kind, arguments, directory, unix)
        server.tls = tls
        if accepts(server, pid_of):
            return server
        server.stop()
        last = attempt == START_ATTEMPTS_MAX - 1
        if unix or last or "in use" not in server.errors().lower():
            break
    raise ServerFailed(f"{kind} did not start\n{server.errors()}")


def _forget_errors(directory):
    """A second try is not judged by what the first one said."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(directory, "errors"))


def _spawn(kind, arguments, directory, unix):
    if unix:
        port, path = None, os.path.join(directory, "socket")
        address = ["-s", path]
    else:
        port, path = free_port(), None
        address = ["-l", "127.0.0.1", "-p", str(port)]
    words = command(kind) + address + user_arguments()
    words += [str(argument) for argument in arguments]
    return spawn(kind, words, os.path.join(directory, "errors"), port, path)


def spawn(kind, words, error_path, port=None, path=None, network=socket):
    """A Server from its whole command line, not waited for.  What it says
    is added to `error_path`.  The caller ends it."""
    with open(error_path, "ab") as errors:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL,
                                   stdout=errors, stderr=errors)
    _living.add(process)
    return Server(kind, process, error_path, port, path, network=network)


def accepts(server, pid_of=None):
    """Waits until it accepts; false when it died or took too long."""
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            with server.connect(timeout=5) as connection:
                if (pid_of or _pid_of)(connection) == server.pid:
                    hang_up(connection)
                    return server.is_running()
        except OSError:
            pass
        try:  # the pause between two tries, cut short by its death
            server.process.wait(0.01)
            return False
        except subprocess.TimeoutExpired:
            pass
    return False


def hang_up(connection):
    """Who counts connections next is not to find this one."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


def _pid_of(connection):
    """Another process may have taken the port and answer in its place."""
    connection.sendall(b"stats\r\n")
    answer = b""
    while not answer.endswith(b"END\r\n"):
        data = connection.recv(65536)
        if not data:
            return None
        answer += data
    pid = answer.partition(b"STAT pid ")[2].partition(b"\r\n")[0]
    return int(pid) if pid.isdigit() else None


def show(server):
    """Its stderr as TAP diagnostics, beside the failure it explains."""
    for line in server.errors().splitlines():
        print(f"# {server.kind}: {line}", file=sys.stdout)
    sys.stdout.flush()
