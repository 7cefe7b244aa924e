# SPDX-License-Identifier: BSD-3-Clause
"""
Farm: real servers that replicate each other, for the length of a `with`.

    with farm.running(3, "-m", "32") as servers:   # all READY
        servers[0].client().set(b"key", b"value")
        servers[1].kill()
        until(lambda: servers[0].is_rid_of(servers[1]), "it is dead", 5)
        servers[1].start()
        servers.wait_ready()
        servers.wait_equal()

Each is on 127.0.0.1, with ports of its own for clients and for the farm
that stay the same when it is started again, and named s1, s2, s3 ...  All
are given the same --farm-join list.  With a relay (relay.py) each tells the
others to dial it through the relay.  With hosts, a Network of hosts.py, each
is on a host of its own, on the usual ports, and its clients are there, too.
Links are keyed, but for those through a relay, which reads who dials, and
where `keyed` says otherwise.

Turns:   one farm at a time on this machine.
Time:    nothing waits without a deadline; a farm that outlives
         `life_seconds_max` is killed, and so fails its test.
Fails:   as servers.py: a server that ends by itself or not cleanly fails
         the test, with what all of them wrote to stderr.
"""

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time

import keys
import servers
from clients import BinaryClient, TextClient
from waiting import until

PROGRAM = "grapevined"
HOST_PORTS = (11211, 11311)  # for clients, and for the farm
# Who is told to end hangs up on its clients, lest all tests wait for those
# that they have forgotten.
AT_ONCE = ["--farm-leave-timeout", "0"]
READY_SECONDS_MAX = 20
EQUAL_SECONDS_MAX = 20
STOP_SECONDS_MAX = 15
LIFE_SECONDS_MAX = 170
TURN_SECONDS_MAX = 600
START_ATTEMPTS_MAX = 5
GONE = ("dead", "left")
# The name of a test around a farm:
#     with tap.test(farm.ENDS), farm.running(3) as servers:
ENDS = "the servers start, and end as they should"


_hosts = None  # that on() says


@contextlib.contextmanager
def on(hosts):
    """Whatever farm is run meanwhile is on these hosts."""
    global _hosts  # pylint: disable=global-statement
    _hosts = hosts
    try:
        yield
    finally:
        _hosts = None


@contextlib.contextmanager
def running(count, *arguments, relay=None, ready=True, each=None,
            keyed=None, hosts=None, life_seconds_max=LIFE_SECONDS_MAX):
    """A Farm of `count` servers, started together.  `each(number)` tells
    further arguments of one of them, from 1."""
    hosts = hosts or _hosts
    with contextlib.ExitStack() as stack:
        stack.enter_context(_one_at_a_time())
        directory = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="grapevine-farm-"))
        os.chmod(directory, 0o711)  # the servers' user has a key in it
        key_path = None
        if keyed or keyed is None and not relay:
            key_path = keys.write(os.path.join(directory, "key"), keys.new())
        for attempt in range(START_ATTEMPTS_MAX):
            farm = Farm(count, arguments, directory, relay, each, key_path,
                        hosts)
            stack.callback(farm.end)
            if farm.start() or attempt == START_ATTEMPTS_MAX - 1:
                break
            if not any("in use" in member.errors() for member in farm):
                break
            farm.end()
        watchdog = threading.Timer(life_seconds_max, farm.kill_all)
        watchdog.daemon = True
        watchdog.start()
        stack.callback(watchdog.cancel)
        try:
            if ready:
                farm.wait_ready()
            yield farm
        except BaseException:
            farm.show()
            raise
        watchdog.cancel()
        farm.end()
        farm.require_clean_end()


class Farm:
    """The servers, as a list of Members."""

    def __init__(self, count, arguments, directory, relay, each, key_path,
                 hosts):
        self.members = []
        self.key_path = key_path  # None: links are in the clear
        ports = (list(HOST_PORTS) * count if hosts
                 else [servers.free_port() for _ in range(2 * count)])
        for index in range(count):
            name = f"s{index + 1}"
            port, farm_port = ports[2 * index:2 * index + 2]
            error_path = os.path.join(directory, f"{name}.{port}.errors")
            self.members.append(Member(name, port, farm_port, error_path,
                                       hosts[index] if hosts else None))
        addresses = []
        for member in self.members:
            address = f"{member.address}:{member.farm_port}"
            if relay:
                member.extra = ["--farm-advertise", relay.front(
                    member.name, member.farm_port)]
                address = member.extra[1]
            addresses.append(address)
        for number, member in enumerate(self.members, 1):
            member.words = (
                member.place()
                + servers.user_arguments()
                + AT_ONCE
                + ["--farm-listen", f"{member.address}:{member.farm_port}",
                   "--farm-join", ",".join(addresses),
                   "--farm-server-name", member.name]
                + member.extra
                + (["--farm-key-file", key_path] if key_path else
                   ["--farm-insecure"] if hosts else [])
                + [str(word) for word in arguments]
                + [str(word) for word in (each(number) if each else [])])

    def __getitem__(self, index):
        return self.members[index]

    def __len__(self):
        return len(self.members)

    def __iter__(self):
        return iter(self.members)

    def others(self, *members):
        return [member for member in self.members if member not in members]

    def start(self):
        """All at once; true when all serve clients."""
        for member in self.members:
            member.spawn()
        return all([servers.accepts(member.server)
                    for member in self.members])

    def wait_ready(self, members=None, seconds_max=READY_SECONDS_MAX):
        """Until all of them are READY and know it of each other; seconds."""
        members = members or self.members

        def are_ready():
            return all(
                figures.get("farm_state") == "ready"
                and figures.get("farm_members_ready") == str(len(members))
                and figures.get("farm_members") == str(len(members))
                for figures in map(Member.figures, members))

        return until(are_ready, lambda: "all READY\n" + self.story(),
                     seconds_max)

    def wait_equal(self, members=None, seconds_max=EQUAL_SECONDS_MAX):
        """Until they hold the same, by their digests; that digest."""
        members = members or self.members
        digests = set()

        def are_equal():
            digests.clear()
            digests.update(member.figures()["farm_digest"]
                           for member in members)
            return len(digests) == 1

        until(are_equal, lambda: f"equal digests: {digests}", seconds_max)
        return digests.pop()

    def story(self):
        """How each of them sees the farm, for people."""
        lines = []
        for member in self.members:
            try:
                figures = member.figures()
                seen = " ".join(f"{name} {row.get('state')}" for name, row
                                in member.rows().items())
                lines.append(
                    f"{member.name}: {figures.get('farm_state')}, "
                    f"{figures.get('farm_members_ready')} of "
                    f"{figures.get('farm_members')} ready, "
                    f"digest {figures.get('farm_digest')}; sees {seen}")
            except (OSError, AssertionError) as failure:
                lines.append(f"{member.name}: {failure}")
        return "\n".join(lines)

    def kill_all(self):
        for member in self.members:
            if member.is_running():
                member.server.process.kill()

    def end(self):
        """TERM to all, KILL to who does not end."""
        for member in self.members:
            member.ask_to_end()
        for member in self.members:
            member.wait_end()
            member.close()

    def require_clean_end(self):
        for member in self.members:
            if member.complaint:
                self.show()
                raise servers.ServerFailed(member.complaint)

    def show(self):
        for member in self.members:
            for line in member.errors().splitlines()[-40:]:
                print(f"# {member.name}: {line}", flush=True)


class Member:
    """One server of the farm; `server` is its process of the moment."""

    def __init__(self, name, port, farm_port, error_path, host=None):
        self.name = name
        self.host = host
        self.address = host.address if host else "127.0.0.1"
        self.port = port
        self.farm_port = farm_port
        self.extra = []
        self.words = []
        self.server = None
        self.complaint = None
        self._program = None  # but the usual one
        self._error_path = error_path
        self._watcher = None
        self._is_ended = True  # by the test, or not started yet
        self._is_asked = False  # to end

    def place(self):
        """Its program, where it runs, and where its clients come in."""
        words = servers.command("grapevined")
        addresses = ["127.0.0.1"]
        if self.host:
            words = self.host.words() + words
            addresses = [*self.host.local_addresses(), self.address]
        return words + ["-l", ",".join(addresses), "-p", str(self.port)]

    def replace_program(self, path):
        """This one is started from now on."""
        self.words = [path if os.path.basename(word) == PROGRAM
                      or word == self._program else word
                      for word in self.words]
        self._program = path

    # ---- its life ----

    def spawn(self):
        assert not self.is_running(), f"{self.name} runs already"
        self.server = servers.spawn("grapevined", self.words,
                                    self._error_path, port=self.port,
                                    network=self.host or socket)
        self._is_ended = self._is_asked = False

    def start(self):
        """Starts it with its command; returns when it serves clients."""
        self.spawn()
        self.wait_serves()

    def wait_serves(self):
        if not servers.accepts(self.server):
            raise servers.ServerFailed(
                f"{self.name} did not start\n{self.errors()}")

    def kill(self):
        """kill -9; returns when the system has taken it apart."""
        self._is_ended = True
        self.close()
        self.server.process.kill()
        self.server.process.wait()
        servers.forget(self.server)

    def terminate(self):
        """TERM, and until it is gone; seconds that took."""
        start = time.monotonic()
        self.ask_to_end()
        self.wait_end()
        if self.complaint:
            raise servers.ServerFailed(self.complaint)
        return time.monotonic() - start

    def freeze(self):
        servers.freeze(self.server.pid)

    def thaw(self):
        os.kill(self.server.pid, signal.SIGCONT)

    def hang_up(self):
        """Has it read its files again."""
        os.kill(self.server.pid, signal.SIGHUP)

    def is_running(self):
        return self.server is not None and self.server.is_running()

    def ask_to_end(self):
        if self._is_ended or self._is_asked:
            return
        if not self.is_running():
            self.complaint = self.complaint or (
                f"{self.name} ended by itself with code "
                f"{self.server.process.returncode}\n{self.errors()}")
            return
        self._is_asked = True
        self.close()  # it would be waited for
        self.server.process.terminate()
        self.thaw()

    def wait_end(self):
        if self._is_ended:
            return
        self._is_ended = True
        process = self.server.process
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self.complaint = f"{self.name} did not end when asked to"
        servers.forget(self.server)
        if process.returncode not in (0, -9) and not self.complaint:
            self.complaint = (f"{self.name} ended with code "
                              f"{process.returncode}\n{self.errors()}")

    # ---- what clients see ----

    def connect(self, timeout=10):
        return self.server.connect(timeout)

    def client(self, timeout=10):
        return TextClient(self.connect(timeout))

    def binary(self, timeout=10):
        return BinaryClient(self.connect(timeout))

    def rows_of(self, group):
        """`stats GROUP` as (name, value) pairs, on a lasting connection."""
        for attempt in (1, 2):
            try:
                if self._watcher is None:
                    self._watcher = self.client()
                return [tuple(line.decode().split(" ", 2)[1:])
                        for line in self._watcher.rows(b"stats " + group)]
            except OSError:  # it was started again, or is gone
                self.close()
                if attempt == 2:
                    raise
        return []

    def figures(self):
        """`stats farm`; of members with one name the last that lives."""
        return dict(self.rows_of(b"farm"))

    def figure(self, name):
        return int(self.figures()[name])

    def rows(self):
        """By name, what it says of each member: state, id and so on."""
        rows = {}
        for name, value in self.rows_of(b"farm"):
            if not name.startswith("farm_member:"):
                continue
            _, who, field = name.split(":", 2)
            row = rows.setdefault(who, [{}])
            if field in row[-1]:  # one that died had this name before
                row.append({})
            row[-1][field] = value
        living = {}
        for who, found in rows.items():
            found.sort(key=lambda row: row["state"].lower() not in GONE)
            living[who] = {field: value.lower()
                           for field, value in found[-1].items()}
        return living

    def sees(self, other):
        """In which state, such as "ready"; None: it does not know it."""
        return self.sees_name(other.name)

    def sees_name(self, name):
        return self.rows().get(name, {}).get("state")

    def is_rid_of(self, other):
        return self.sees(other) in GONE + (None,)

    def is_ready(self):
        return self.figures().get("farm_state") == "ready"

    def items_count(self):
        return int(dict(self.rows_of(b"")).get("curr_items"))

    def memory_bytes(self):
        """What of it is in memory, by the system."""
        with open(f"/proc/{self.server.pid}/status",
                  encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0

    def errors(self):
        return self.server.errors() if self.server else ""

    def said_bytes(self):
        """How much it has written so far: a mark for said_since()."""
        return os.path.getsize(self._error_path)

    def said_since(self, mark):
        """The lines that it has written since."""
        with open(self._error_path, "rb") as file:
            file.seek(mark)
            return file.read().decode("utf-8", "replace").splitlines()

    def close(self):
        if self._watcher:
            self._watcher.close()
            self._watcher = None


@contextlib.contextmanager
def _one_at_a_time():
    """Tests may run side by side; farms would rob each other of time."""
    path = os.path.join(tempfile.gettempdir(),
                        f"grapevine-farm-tests.{os.geteuid()}")
    with open(path, "w", encoding="ascii") as file:
        deadline = time.monotonic() + TURN_SECONDS_MAX
        while time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(0.1)
        yield
