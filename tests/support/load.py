# SPDX-License-Identifier: BSD-3-Clause
"""
Load: clients that write to a farm all the while, and know what they were
promised.

    with Load(servers) as load:
        ...  # kill, freeze, restart
    load.check(servers[0])       # everything answered is there
    assert not load.complaints

Each client has keys of its own, so it knows what each must hold: the last
state that was answered, or one sent after it whose answer never came.  Now
and then it also reads a key of its own at any server, at once.  When its
server goes away it turns to another.

Threads: one per client; `pause_s` between two requests of a client leaves
         the processors to the servers.
"""

import random
import threading
import time

from clients import TextClient

KEYS_COUNT = 100  # of each client
VALUE_BYTES = 200
DELETE_CHANCE = 0.06
READ_CHANCE = 0.2
MOVE_CHANCE = 0.01
STOP_SECONDS_MAX = 20
COMPLAINTS_MAX = 20
KEYS_AT_ONCE = 50


class Load:
    """`members`: whom the clients turn to.  `reads`: also read elsewhere at
    once; right where an answer means that everybody holds it.  `moves`:
    turn to another server without need."""

    def __init__(self, members, clients_count=6, reads=True, moves=True,
                 pause_s=0.001, seed=1, timeout_s=10):
        self.complaints = []
        self.answered_count = 0
        self.unknown_count = 0
        self.reads_count = 0
        self.longest_s = 0  # that any request took, on a server that lives
        self.errors = set()
        self._stops = threading.Event()
        self._clients = [
            _Writer(self, number, list(members), reads, moves, pause_s,
                    timeout_s,
                    random.Random(f"{seed} {number}"))
            for number in range(clients_count)]

    def __enter__(self):
        for client in self._clients:
            client.thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._stops.set()
        for client in self._clients:
            client.thread.join(STOP_SECONDS_MAX)
        self.answered_count = sum(one.answered_count for one in self._clients)
        self.unknown_count = sum(one.unknown_count for one in self._clients)
        self.reads_count = sum(one.reads_count for one in self._clients)

    def is_stopping(self):
        return self._stops.is_set()

    def complain(self, text):
        if len(self.complaints) < COMPLAINTS_MAX:
            self.complaints.append(text)

    def check(self, member):
        """Reads every key there; what is lost or older is a complaint."""
        with member.client() as client:
            for writer in self._clients:
                keys = sorted(writer.possible)
                for at in range(0, len(keys), KEYS_AT_ONCE):
                    some = keys[at:at + KEYS_AT_ONCE]
                    items = client.gets(*some)
                    for key in some:
                        writer.judge(member, key, items.get(key), "at last")

    def require_kept(self):
        assert not self.complaints, "\n".join(self.complaints)
        assert self.answered_count > 0, "nothing was written"

    def __str__(self):
        return (f"{self.answered_count} changes answered, "
                f"{self.unknown_count} never, {self.reads_count} read at "
                f"once elsewhere, longest {self.longest_s * 1000:.0f} ms")


class _Writer:
    def __init__(self, load, number, members, reads, moves, pause_s,
                 timeout_s, chance):
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.possible = {}  # by key: the numbers that it may hold; None: none
        self.answered_count = 0
        self.unknown_count = 0
        self.reads_count = 0
        self._load = load
        self._members = members
        self._reads = reads
        self._moves = moves
        self._pause_s = pause_s
        self._timeout_s = timeout_s
        self._random = chance
        self._sent = 0
        self._client = None
        self._others = {}
        self._keys = [b"load.%d.%d" % (number, index)
                      for index in range(KEYS_COUNT)]

    def _run(self):
        try:
            while not self._load.is_stopping():
                self._write(self._random.choice(self._keys))
                if self._reads and self._random.random() < READ_CHANCE:
                    self._read(self._random.choice(self._keys))
                time.sleep(self._pause_s)
        except Exception as failure:  # pylint: disable=broad-except
            self._load.complain(f"a client broke: {failure!r}")
        finally:
            for client in [self._client, *self._others.values()]:
                if client:
                    client.close()

    def _write(self, key):
        if self._client is None or (
                self._moves and self._random.random() < MOVE_CHANCE):
            self._turn_elsewhere()
        if self._client is None:
            return
        self._sent += 1
        is_delete = self._random.random() < DELETE_CHANCE
        possible = self.possible.setdefault(key, [None])
        possible.append(None if is_delete else self._sent)
        start = time.monotonic()
        try:
            if is_delete:
                answer = self._client.delete(key)
                is_done = answer in (b"DELETED", b"NOT_FOUND")
            else:
                answer = self._client.set(key, _value(self._sent))
                is_done = answer == b"STORED"
        except OSError:
            self.unknown_count += 1
            self._turn_elsewhere()
            return
        self._load.longest_s = max(self._load.longest_s,
                                   time.monotonic() - start)
        if is_done:
            self.answered_count += 1
            self.possible[key] = possible[-1:]
        else:
            self.unknown_count += 1
            self._load.errors.add(answer)

    def _read(self, key):
        member = self._random.choice(self._members)
        if key not in self.possible:
            return
        try:
            if member not in self._others:
                self._others[member] = TextClient(
                    member.connect(self._timeout_s))
            item = self._others[member].gets(key).get(key)
        except OSError:
            if member in self._others:
                self._others.pop(member).close()
            return
        self.reads_count += 1
        self.judge(member, key, item, "at once")

    def judge(self, member, key, item, when):
        """May `member` hold that for `key`?"""
        number = None if item is None else _number(item.value)
        if number not in self.possible[key]:
            self._load.complain(
                f"{member.name} has {number} of {key.decode()} {when}, which "
                f"may be {self.possible[key][-3:]}")

    def _turn_elsewhere(self):
        if self._client:
            self._client.close()
            self._client = None
        members = list(self._members)
        self._random.shuffle(members)
        for member in members:
            try:
                self._client = TextClient(member.connect(self._timeout_s))
                return
            except OSError:
                continue


def _value(number):
    return (b"%d " % number).ljust(VALUE_BYTES, b"x")


def _number(value):
    if len(value) != VALUE_BYTES:
        return "cut off"
    return int(value.split(b" ")[0])
