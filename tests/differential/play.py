# SPDX-License-Identifier: BSD-3-Clause
"""
Play: a sequence of requests, put to both servers and compared as it goes.
"""

import random
import time

import counters
from comparison import Comparison
from pair import Pair
from reply import KIND, Reply
from request import Frame, Slots

BATCH_MAX = 12
PIPELINE_MAX = 8
HOPS_SHARE = 0.3
WARMING_STORES = 100
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Finding:
    """Where the two differ, and no row of the list says so."""

    def __init__(self, index, requests, oracle, ours, note,
                 is_counted=False):
        self.index = index  # of the last request that was answered
        self.requests = requests
        self.oracle = oracle
        self.ours = ours
        self.note = note
        self.is_counted = is_counted  # no reply, but a counter


class Stage:
    """Where plays are played: two servers, and what is counted."""

    def __init__(self, oracle, ours, table, differences):
        self._servers = (oracle, ours)
        self._pairs = {protocol: Pair(oracle, ours, protocol)
                       for protocol in ("text", "binary")}
        self.table = table
        self.differences = differences
        self._epochs_count = 0
        self.padded_count = 0  # numbers that are padded with blanks there
        self.negated_count = 0  # lives that 1.6.18 tells negated
        self.survey = None  # a list, to go on after findings
        self.hops = False  # connections are changed within a play

    def play(self, requests, seed, counts=True):
        """The first Finding, or None.  `seed` decides what goes out in one
        write; None: each request by itself."""
        play = _Play(self, requests, seed, counts)
        if self.hops:
            return play.run()
        before = self._counters()
        finding = play.run()
        if (finding or play.has_differed or not requests
                or not all(map(counters.are_alike, requests))):
            return finding
        return self._miscounted(before, requests)

    def _counters(self):
        return [counters.read(server) for server in self._servers]

    def _miscounted(self, before, requests):
        """A Finding about a counter that did not grow as the other's."""
        oracle, ours = (counters.grown(*both)
                        for both in zip(before, self._counters()))
        for name in counters.NAMES:
            if oracle[name] != ours[name]:
                return Finding(len(requests) - 1, requests[-1:],
                               Reply(b"%+d" % oracle[name]),
                               Reply(b"%+d" % ours[name]),
                               f"{name.decode()} does not grow alike", True)
        return None

    def close(self):
        for pair in self._pairs.values():
            pair.close()

    def warm_up(self):
        """Forgets what was played there before, and has both hand out some
        tokens, so that small ones are none."""
        message = b"flush_all\r\n" \
            + b"set ~~ 0 0 1 noreply\r\n~\r\n" * WARMING_STORES
        self.pair("text").exchange([(message, message)])

    def pair(self, protocol):
        return self._pairs[protocol]

    def next_epoch(self):
        """Six letters that no play at these servers has had."""
        self._epochs_count += 1
        rest, letters = self._epochs_count, ""
        for _ in range(5):
            rest, digit = divmod(rest, len(LETTERS))
            letters += LETTERS[digit]
        return b"e" + letters.encode()


class _Play:
    def __init__(self, stage, requests, seed, counts):
        self._stage = stage
        self._requests = requests
        self._random = random.Random(seed)
        self._counts = counts
        self._pair = stage.pair(requests[0].protocol)
        epoch, now = stage.next_epoch(), int(time.time())
        self._slots = (Slots(epoch, now), Slots(epoch, now))
        self._comparison = Comparison(self._slots, not stage.hops)
        self._batch_max = BATCH_MAX if seed is not None else 1
        self.has_differed = False  # as the list says
        self._pipelines = seed is not None and self._random.random() < 0.2

    def run(self):
        self._pair.close()
        at = 0
        while at < len(self._requests):
            if (self._stage.hops and self._requests[at].may_begin()
                    and self._random.random() < HOPS_SHARE):
                self._hop()
            groups = self._batch(at)
            done, finding = self._put(groups, at)
            if finding:
                if self._stage.survey is None:
                    return finding
                self._stage.survey.append(finding)
                self.has_differed = True
                self._mend(finding.requests)
            at += done
        self._stage.padded_count += self._comparison.padded_count
        self._stage.negated_count += self._comparison.negated_count
        return None

    def _hop(self):
        """To the next member of a farm.  Nobody waits for a change that is
        not answered, but whoever is answered waits for those before it."""
        key = b"~~"
        if self._requests[0].protocol == "text":
            message = b"set %s 0 0 0\r\n\r\n" % key
        else:
            message = Frame("set", 0x01, key=key, extras=bytes(8)).fill(
                self._slots[0])
        self._pair.exchange([(message, message)])
        self._pair.close()

    def _batch(self, at):
        """What goes out in one write: groups of requests, a sentinel behind
        each group."""
        requests, groups = self._requests, []
        limit = self._random.randint(1, self._batch_max)
        first = at
        while at < len(requests) and len(groups) < limit:
            group = [requests[at]]
            if at > first and (group[0].needs_token() or group[0].is_first
                               or group[0].is_large()):
                break
            at += 1
            if self._pipelines and self._is_plain(group[0]):
                length = self._random.randint(1, PIPELINE_MAX)
                while (len(group) < length and at < len(requests)
                       and self._is_plain(requests[at])
                       and not requests[at].needs_token()):
                    group.append(requests[at])
                    at += 1
            groups.append(group)
            last = group[-1]
            if last.may_close or last.is_large() or self._may_mend(last):
                break
        return groups

    def _is_plain(self, request):
        return not (request.may_close or request.is_large()
                    or request.is_first
                    or request.is_number()
                    or self._stage.differences.concern(request))

    def _may_mend(self, request):
        return self._stage.differences.concern(request)

    def _put(self, groups, at):
        """How many requests are done, and the first Finding."""
        messages = [tuple(b"".join(request.fill(slots) for request in group)
                          for slots in self._slots) for group in groups]
        is_alone = groups[0][0].is_alone
        size = len(messages[0][0])
        cut = self._random.randrange(size) if self._random.random() < 0.1 \
            else 0
        answers = self._pair.exchange(messages, not is_alone, cut)
        done = 0
        for group, (oracle, ours) in zip(groups, answers):
            before = self._requests[:at + done]
            done += len(group)
            wrong = self._judge(group, oracle, ours, before)
            if wrong:
                return done, Finding(at + done - 1, group, oracle, ours,
                                     wrong)
            self._count(group, ours)
        return done, None

    def _judge(self, group, oracle, ours, before):
        """What is wrong, in words, or None."""
        row = None
        if len(group) == 1:
            row = self._stage.differences.row(group[0], before)
        if row is None:
            equal = self._comparison.equal(group, oracle, ours)
            return None if equal else "the answers differ"
        empty = self._slots[0].empty
        if ((empty(oracle.data), empty(ours.data)) != (row.oracle, row.ours)
                or {oracle.ended, ours.ended} != {row.ended}):
            return f"no longer as in the list: {row}"
        row.count += self._counts
        self.has_differed = True
        if row.mends:
            self._mend(group)
        return None

    def _mend(self, group):
        """After a difference that leaves different items behind."""
        for request in group:
            key = request.key
            if not key:
                continue
            filled = self._slots[0].fill(key)
            if not 1 <= len(filled) <= 250:
                continue
            if request.protocol == "text":
                message = b"delete %s noreply\r\n" % filled
            else:
                message = b"\x80\x14\x00%c" % len(filled) + bytes(7) + b"%c" \
                    % len(filled) + bytes(12) + filled
            self._pair.exchange([(message, message)])

    def _count(self, group, ours):
        if not self._counts:
            return
        self._stage.table.exchanges_count += len(group)
        if len(group) > 1:
            self._stage.table.count("(pipeline)", ("of several",), "answered")
            return
        request = group[0]
        self._stage.table.count(request.command, request.marks,
                                KIND[request.protocol](ours))
