# SPDX-License-Identifier: BSD-3-Clause
"""
Customers of a web site, and what they notice of lost sessions.

    counters = asyncio.run(customers.run(places, Plan(seed=7)))
    assert not counters.damage()
    with Shopping(places, Plan(), host=network.switch) as shopping:
        ...  # as long as this takes; then they leave
    assert not shopping.counters.damage()

Each customer has one session at tests/client/php/site.php and sends each
request to a web server drawn by the seed, with no pause.  A visit is:
login, then buying and looking, now and then under a new session id, at
times logging out and in again, at last logout.  Some requests go out in
bursts, all at once on the one session, so that they need its lock.

Every item bought has a number of its own and stays in the session, so a
customer knows exactly what the session must hold, and says:

    lost session   nobody is logged in, or somebody else
    stale read     an item is missing that an earlier answer had confirmed
    lost update    it is still missing when the customer leaves
    zombie         an id lives after its logout or renewal was answered
    lock timeout   PHP gave up waiting for the lock and served an error;
                   the customer tries again (php-memcached's defaults give
                   up after five waits of 150 ms)
    error          any other failure; the customer tries again
    unserved       the customer tried often enough, and left
    warning        PHP complained where no customer sees it, and went on

Lock timeouts are only unpleasant; what a test makes of errors and warnings
is up to it; all the rest is damage.
"""

import asyncio
import contextlib
import dataclasses
import json
import random
import threading
import time

ANSWER_SECONDS_MAX = 30
TRIES_MAX = 20
# php-memcached's pause before it asks for a lock again, less some slack.
LOCK_WAIT_MS = 140
BURST_REQUESTS_MAX = 4
ENDLESS_COUNT = 1000000  # requests of a customer who is told when to leave
# The login, the last look and the logout of every visit.
AROUND_REQUESTS_COUNT = 3
# How long pages of a burst take, so that they do overlap.
BUSY_US_MAX = 20000


@dataclasses.dataclass
class Plan:
    """Who comes and what they do, the same for the same seed."""

    seed: int = 1
    customers_count: int = 200
    requests_count: int = 30  # per customer, from login to logout
    # The part of all requests that goes out in bursts.  Without session locks
    # PHP loses updates of parallel requests by itself: then it must be 0.
    burst_share: float = 0.25
    # Every other page of one item takes up to so long to make.
    busy_us: int = 0
    seconds_max: float = 180


@dataclasses.dataclass
class Counters:
    requests: int = 0
    bursts: int = 0
    lost_sessions: int = 0
    lost_updates: int = 0
    stale_reads: int = 0
    zombies: int = 0
    unserved: int = 0
    errors: int = 0
    lock_timeouts: int = 0
    lock_waits: int = 0
    warnings: int = 0
    complaints: set = dataclasses.field(default_factory=set)

    def damage(self):
        return (self.lost_sessions + self.lost_updates + self.stale_reads
                + self.zombies + self.unserved)

    def is_noticed(self):
        """Whether anybody could complain."""
        return bool(self.damage() + self.errors + self.lock_timeouts)

    def __str__(self):
        rows = dataclasses.asdict(self)
        complaints = rows.pop("complaints")
        lines = [f"{name} {value}" for name, value in rows.items()]
        lines += [f"complaint: {text}" for text in sorted(complaints)[:10]]
        return "\n".join(lines)


class GaveUp(Exception):
    """A request that failed each time it was tried."""


async def run(places, plan, is_closing=lambda: False):
    """All customers at once, on the web servers at `places`, each a host and
    a port; Counters.  Once it is closing they log out and leave."""
    counters = Counters()
    customers = [Customer(number, places, plan, counters, is_closing)
                 for number in range(plan.customers_count)]
    async with asyncio.timeout(plan.seconds_max):
        await asyncio.gather(*(customer.visit() for customer in customers))
        # A late write must not bring back a session either.
        await asyncio.gather(*(customer.look_back() for customer in customers))
    return counters


class Shopping:
    """Customers in a thread of their own, who come from `host` (hosts.py)
    and shop until the end of the `with`."""

    def __init__(self, places, plan, host=None):
        self.counters = None
        self.seconds = 0
        self._places = places
        self._plan = dataclasses.replace(plan, requests_count=ENDLESS_COUNT)
        self._host = host
        self._failure = None
        self._closes = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        self._closes.set()
        self._thread.join()
        if self._failure and kind is None:
            raise self._failure

    def _run(self):
        start = time.monotonic()
        try:
            with self._host.inside() if self._host else (
                    contextlib.nullcontext()):
                self.counters = asyncio.run(run(self._places, self._plan,
                                                self._closes.is_set))
        except Exception as failure:  # pylint: disable=broad-except
            self._failure = failure
        self.seconds = time.monotonic() - start

    def require_content(self, errors_max=0):
        """They lost nothing and saw no error, or hardly any."""
        seen = self.counters.errors + self.counters.lock_timeouts
        assert self.counters.damage() == 0, "customers lost something"
        assert seen <= errors_max, "customers saw errors"

    def __str__(self):
        return (f"{self._plan.customers_count} customers, "
                f"{len(self._places)} web servers, {self.seconds:.1f} s, seed "
                f"{self._plan.seed}\n{self.counters}")


class Customer:
    """One browser; `_held` is what its session was promised to hold."""

    def __init__(self, number, places, plan, counters, is_closing):
        self._number = number
        self._places = places
        self._plan = plan
        self._counters = counters
        self._is_closing = is_closing
        self._random = random.Random(f"{plan.seed} {number}")
        self._burst_chance = _burst_chance(plan)
        self._logins_count = 0
        self._items_count = 0
        self._login = None
        self._id = None
        self._dead_ids = set()
        self._held = set()
        self._missing = set()

    async def visit(self):
        left = self._plan.requests_count - AROUND_REQUESTS_COUNT
        with self._or_gives_up():
            await self._log_in()
            while left > 0 and not self._is_closing():
                left -= await self._next(left)
            await self._log_out()

    async def look_back(self):
        """Later, when all is quiet: is what was dead still dead?"""
        with self._or_gives_up():
            await self._count_zombies()

    @contextlib.contextmanager
    def _or_gives_up(self):
        try:
            yield
        except GaveUp:
            self._counters.unserved += 1

    async def _count_zombies(self):
        """Asks every web server for every id that must be dead."""
        for dead_id in sorted(self._dead_ids):
            for place in self._places:
                seen = await self._ask("peek", dead_id, place)
                if seen["login"] is not None:
                    self._counters.zombies += 1
                    self._dead_ids.discard(dead_id)  # count it once

    async def _next(self, left):
        """Sends one request or one burst; how many requests that was."""
        if left > 1 and self._random.random() < self._burst_chance:
            return await self._burst(self._random.randint(
                2, min(BURST_REQUESTS_MAX, left)))
        chance = self._random.random()
        if chance < 0.60:
            await self._buy()
        elif chance < 0.90:
            await self._look()
        elif chance < 0.97 or left < AROUND_REQUESTS_COUNT:
            await self._renew()
        else:
            await self._log_out()
            await self._log_in()
            return AROUND_REQUESTS_COUNT
        return 1

    async def _log_in(self):
        self._logins_count += 1
        self._login = f"{self._number}.{self._logins_count}"
        self._held = set()
        self._missing = set()
        seen = await self._ask("login", login=self._login)
        self._id = seen["id"]

    async def _look(self):
        held = set(self._held)
        await self._judge(held, await self._ask("look"))

    async def _buy(self):
        held = set(self._held)
        await self._judge(held, await self._buy_one())

    async def _burst(self, count):
        self._counters.bursts += 1
        held = set(self._held)
        answers = await asyncio.gather(
            *(self._buy_one(busy_us=self._random.randint(0, BUSY_US_MAX))
              for _ in range(count)))
        await self._judge(held, *answers)
        return count

    async def _buy_one(self, **fields):
        self._items_count += 1
        item = self._items_count
        seen = await self._ask("buy", item=item, **fields)
        if seen["login"] == self._login:
            self._held.add(item)
        return seen

    async def _renew(self):
        held = set(self._held)
        old_id = self._id
        seen = await self._ask("renew")
        self._id = seen["id"]
        self._dead_ids.add(old_id)
        await self._judge(held, seen)

    async def _log_out(self):
        """A last look at everything bought, then out, and stay out."""
        await self._look()
        self._counters.lost_updates += len(self._missing)
        requests = [self._ask("logout")]
        if self._random.random() < self._plan.burst_share:
            # Requests on their way at that moment may come before or
            # after it, but must not undo it.
            requests += [self._ask("buy", item=0), self._ask("look")]
        await asyncio.gather(*requests)
        self._dead_ids.add(self._id)
        await self._count_zombies()

    async def _judge(self, held, *answers):
        """Compares answers with what was held before they were asked."""
        if any(seen["login"] != self._login for seen in answers):
            self._counters.lost_sessions += 1
            await self._log_in()
            return
        for seen in answers:
            missing = held - set(seen["bought"])
            if missing - self._missing:  # tell each loss once
                self._counters.stale_reads += 1
            self._missing = missing

    async def _ask(self, what, session_id=None, place=None, **fields):
        """The answer to one request, tried until there is one."""
        if self._plan.busy_us and what in ("buy", "look"):
            fields.setdefault("busy_us", self._random.choice(
                (0, self._random.randint(0, self._plan.busy_us))))
        query = "&".join([f"do={what}"]
                         + [f"{name}={value}"
                            for name, value in fields.items()])
        for _ in range(TRIES_MAX):
            seen = await self._try(query, session_id or self._id,
                                   place or self._random.choice(self._places))
            if seen is not None:
                return seen
        raise GaveUp

    async def _try(self, query, session_id, place):
        """One try, counted; None if it failed."""
        self._counters.requests += 1
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                status, seen = await _get(place, query, session_id)
        except (OSError, TimeoutError, ValueError) as failure:
            self._counters.errors += 1
            self._counters.complaints.add(repr(failure))
            return None
        self._counters.lock_waits += seen["waited_ms"] >= LOCK_WAIT_MS
        if status == 200:
            self._counters.warnings += len(seen["complaints"])
            return seen
        if seen["locked_out"]:
            self._counters.lock_timeouts += 1
        else:
            self._counters.errors += 1
            self._counters.complaints.update(seen["complaints"])
        return None


def _burst_chance(plan):
    """How often to start a burst, for its share of all requests."""
    if plan.requests_count <= AROUND_REQUESTS_COUNT:
        return 0
    share = plan.burst_share * plan.requests_count / (
        plan.requests_count - AROUND_REQUESTS_COUNT)
    # A burst of two to four is three requests on average.
    return share / (3 - 2 * share)


async def _get(place, query, session_id):
    """One request on a connection of its own: status, facts."""
    reader, writer = await asyncio.open_connection(*place)
    try:
        cookie = f"Cookie: PHPSESSID={session_id}\r\n" if session_id else ""
        writer.write(f"GET /?{query} HTTP/1.0\r\n{cookie}\r\n".encode())
        answer = await reader.read(-1)
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head[9:12]), json.loads(body)  # HTTP/1.0 200
