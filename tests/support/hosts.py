# SPDX-License-Identifier: BSD-3-Clause
"""
Hosts: machines with addresses of their own, as network namespaces of this
one, on one switch.

    hosts.seek_permission()                # first of all
    with hosts.running(3) as network:
        one = network[0]
        one.address                        # "10.77.0.1"
        subprocess.Popen(one.words() + ["php", ...])
        with one.socket(socket.AF_INET) as connection: ...
        with one.inside(): ...             # this thread only
        network.unplug(one); network.plug(one)
        network.isolate(one, other)        # a third still reaches both
        with network.capture(one) as capture: ...
        capture.packets_with(b"needle")

The switch is a namespace with a bridge, and an address of its own
(`network.switch`), for who comes from outside.  It sees all that passes
between hosts; what a host says to itself passes nowhere.

Names:  none: the namespaces are held by descriptors of this process, and by
        who runs in them.  When these are gone, so are they, with all links.
Ports:  all of a host's are free, 11211 as well.
Fails:  HostsMissing, a tap.Skip, where the system does not let us.
"""

import contextlib
import ctypes
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading

from tap import Skip

NETWORK = "10.77.0."
SWITCH_NUMBER = 254
CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
OWN = "/proc/thread-self/ns/net"
PACKET_BYTES_MAX = 1 << 17
CAPTURE_BUFFER_BYTES = 64 << 20
SO_RCVBUFFORCE = 33
SOL_PACKET, PACKET_STATISTICS = 263, 6
ETHERNET_BYTES, TCP, IPV4 = 14, 6, 0x0800
IP_SECONDS_MAX = 20
ESTABLISHED = "01"
PERMITTED = "GRAPEVINE_TEST_HOSTS"  # in the environment: it was asked for

_libc = ctypes.CDLL(None, use_errno=True)


class HostsMissing(Skip):
    """Network namespaces are not to be had here."""


def seek_permission():
    """Root may make hosts, and others in a user namespace of theirs, where
    the system lets them have one: then the program starts again in it."""
    if os.geteuid() == 0 or os.environ.get(PERMITTED):
        return
    words = ["unshare", "--user", "--map-current-user", "--keep-caps"]
    with contextlib.suppress(OSError):
        if subprocess.run(words + ["--net", "true"], check=False,
                          capture_output=True).returncode == 0:
            os.environ[PERMITTED] = "yes"
            os.execvp(words[0], words + sys.orig_argv)


@contextlib.contextmanager
def running(count):
    """A Network of `count` hosts, all plugged in."""
    for program in ("ip", "nsenter"):
        if shutil.which(program) is None:
            raise HostsMissing(f"no program `{program}` here")
    network = Network(count)
    try:
        network.build()
        yield network
    finally:
        network.release()


class Network:
    """The hosts, as a list, and the switch between them."""

    def __init__(self, count):
        self.switch = Host("switch", SWITCH_NUMBER)
        self.hosts = [Host(f"host{number}", number, self.switch)
                      for number in range(1, count + 1)]

    def __getitem__(self, index):
        return self.hosts[index]

    def __len__(self):
        return len(self.hosts)

    def __iter__(self):
        return iter(self.hosts)

    def build(self):
        for host in [self.switch, *self.hosts]:
            host.create()
        lines = ["link set lo up",
                 "link add bridge type bridge forward_delay 0 stp_state 0",
                 "link set bridge up",
                 f"address add {self.switch.address}/24 dev bridge"]
        for host in self.hosts:
            lines += [
                f"link add {host.port} type veth peer name eth0 "
                f"netns {host.path()}",
                f"link set {host.port} master bridge",
                f"link set {host.port} up"]
        self.switch.ip(lines)
        for host in self.hosts:
            host.ip(["link set lo up", "link set eth0 up",
                     f"address add {host.address}/24 dev eth0"])

    def release(self):
        for host in [self.switch, *self.hosts]:
            host.release()

    def unplug(self, *hosts):
        """Its cable is out: no carrier, and nothing in or out."""
        self.switch.ip(f"link set {host.port} down" for host in hosts)

    def plug(self, *hosts):
        self.switch.ip(f"link set {host.port} up" for host in hosts)

    def isolate(self, *hosts):
        """These do not reach each other, all others do; nobody: as all."""
        self.switch.ip(
            f"link set {host.port} type bridge_slave isolated "
            + ("on" if host in hosts else "off") for host in self.hosts)

    def are_linked(self, one, other):
        """Whether TCP connects the two, by what `one` has of it."""
        return other.address in one.connected_to()

    def capture(self, host):
        """All that passes between this host and the switch."""
        return Capture(self.switch, host.port)


class Host:
    """One namespace, and the switch that it is on."""

    def __init__(self, name, number, switch=None):
        self.name = name
        self.switch = switch
        self.port = f"port{number}"  # of the switch
        self.address = f"{NETWORK}{number}"
        self._fd = None

    def create(self):
        """In a thread that is for this only: it stays there."""
        failures = []

        def work():
            if _libc.unshare(CLONE_NEWNET) != 0:
                failures.append(os.strerror(ctypes.get_errno()))
            else:
                self._fd = os.open(OWN, os.O_RDONLY | os.O_CLOEXEC)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        if failures:
            raise HostsMissing(f"no network namespaces here: {failures[0]}; "
                               f"root has them")

    def release(self):
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def path(self):
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    def words(self):
        """In front of a command that is to run here, and has this pid."""
        return ["nsenter", f"--net={self.path()}", "--"]

    @contextlib.contextmanager
    def inside(self):
        """This thread is here: what sockets it makes belong here."""
        with open(OWN, "rb") as before:
            _enter(self._fd)
            try:
                yield
            finally:
                _enter(before.fileno())

    def socket(self, *arguments):
        """A socket of this host, for any thread."""
        with self.inside():
            return socket.socket(*arguments)

    def connected_to(self):
        """The IPv4 addresses that TCP connections of this host go to."""
        with self.inside(), open("/proc/thread-self/net/tcp",
                                 encoding="ascii") as table:
            rows = [line.split() for line in table][1:]
        return {socket.inet_ntoa(struct.pack("=I", int(row[2][:8], 16)))
                for row in rows if row[3] == ESTABLISHED}

    def local_addresses(self):
        """What `localhost` may stand for."""
        with contextlib.suppress(OSError), self.socket(
                socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            return ["127.0.0.1", "::1"]
        return ["127.0.0.1"]

    def ip(self, lines):
        """ip(8), a command a line."""
        done = subprocess.run(
            self.words() + ["ip", "-batch", "-"], input="\n".join(lines),
            capture_output=True, text=True, timeout=IP_SECONDS_MAX)
        if done.returncode != 0:
            raise HostsMissing(f"ip(8): {done.stderr.strip()}")


class Capture:
    """Packets of one port, kept until the end of the `with`."""

    def __init__(self, switch, port):
        self.packets = []
        self._stops = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._socket = switch.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        with contextlib.suppress(PermissionError):
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE,
                                    CAPTURE_BUFFER_BYTES)
        self._socket.bind((port, ETH_P_ALL))
        self._socket.settimeout(0.1)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stops.set()
        self._thread.join()
        _, dropped = struct.unpack("II", self._socket.getsockopt(
            SOL_PACKET, PACKET_STATISTICS, 8))
        self._socket.close()
        assert dropped == 0, f"{dropped} packets were not captured"

    def bytes_count(self):
        return sum(map(len, self.packets))

    def packets_with(self, needle):
        """How many packets and conversations show it.  A conversation is
        what one end says to the other, so what is cut in two is found."""
        return sum(needle in data for data in
                   [*self.packets, *self._conversations()])

    def _conversations(self):
        parts = {}
        for packet in self.packets:
            who, number, data = _segment(packet)
            if data:
                parts.setdefault(who, {})[number] = data
        return [b"".join(data for _, data in sorted(said.items()))
                for said in parts.values()]

    def _run(self):
        """Until nothing has come for a while after it was told to stop."""
        while True:
            try:
                self.packets.append(self._socket.recv(PACKET_BYTES_MAX))
            except TimeoutError:
                if self._stops.is_set():
                    return


def _segment(packet):
    """Of a TCP segment over IPv4: who to whom, its number, its data."""
    if int.from_bytes(packet[12:14], "big") != IPV4:
        return None, 0, b""
    inner = packet[ETHERNET_BYTES:]
    if inner[9] != TCP:
        return None, 0, b""
    head_bytes = (inner[0] & 15) * 4
    length = int.from_bytes(inner[2:4], "big") or len(inner)
    segment = inner[head_bytes:length]
    who = inner[12:20] + segment[:4]
    number = int.from_bytes(segment[4:8], "big")
    return who, number, segment[(segment[12] >> 4) * 4:]


def _enter(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
