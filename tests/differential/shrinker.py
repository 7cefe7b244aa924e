# SPDX-License-Identifier: BSD-3-Clause
"""
Shrinker: the shortest play that still makes the two answer differently.

First whole requests are left out, halves before single ones, then parts of
those that are left.
"""

ATTEMPTS_MAX = 2000
PATIENCE_S = 0.3


def sort_of(finding):
    """What has to stay the same of it."""
    if finding.is_counted:
        return finding.note
    return (len(finding.requests) > 1 or finding.requests[-1].command,
            finding.note)


class Shrinker:
    def __init__(self, stage, seed):
        self._stage = stage
        self._seed = seed
        self._attempts_count = 0

    def shrink(self, requests, finding):
        """(requests, finding), as short as could be found."""
        requests = requests[:finding.index + 1]
        self._sort = sort_of(finding)
        pair = self._stage.pair(requests[0].protocol)
        pair.set_patience(PATIENCE_S)
        try:
            for _ in range(2):
                requests, finding = self._one_by_one(requests, finding)
                requests, finding = self._without_requests(requests, finding)
            while self._seed is None:
                smaller = self._with_less(requests)
                if smaller is None:
                    break
                requests, finding = smaller
                requests, finding = self._without_requests(requests, finding)
            return requests, finding
        finally:
            pair.set_patience(None)

    def _one_by_one(self, requests, finding):
        """Most differences do not need several requests in one write, and
        then it is clear which one is answered differently."""
        other = None
        if self._seed is not None:
            other = self._stage.play(requests, None, counts=False)
        if other is None:
            return requests, finding
        self._seed = None
        self._sort = sort_of(other)
        return requests[:other.index + 1], other

    def _differs(self, requests):
        if not requests or self._attempts_count >= ATTEMPTS_MAX:
            return None
        self._attempts_count += 1
        finding = self._stage.play(requests, self._seed, counts=False)
        # What is left out may make another difference of it, a known one.
        if finding and sort_of(finding) == self._sort:
            return finding
        return None

    def _without_requests(self, requests, finding):
        size = max(1, len(requests) // 2)
        while True:
            at, found = 0, False
            while at < len(requests):
                shorter = requests[:at] + requests[at + size:]
                other = self._differs(shorter)
                if other:
                    requests, finding = shorter[:other.index + 1], other
                    found = True
                else:
                    at += size
            if size == 1 and not found:
                return requests, finding
            size = max(1, size // 2)

    def _with_less(self, requests):
        for index, request in enumerate(requests):
            for smaller in request.smaller():
                candidate = requests[:index] + [smaller] + requests[index + 1:]
                finding = self._differs(candidate)
                if finding:
                    return candidate[:finding.index + 1], finding
        return None
