# SPDX-License-Identifier: BSD-3-Clause
"""
Ways: what may come next in a play, some of it more often than other.
"""


class Ways:
    """A grammar's class names its ways in WAYS, with weights: each is a
    method that makes a few requests.  `dice` decides, a random.Random."""

    WAYS = {}

    def __init__(self, dice):
        self.dice = dice
        self.choose = dice.choice
        self._weights = list(self.WAYS.values())
        self._ways = [getattr(self, name) for name in self.WAYS]

    def requests(self):
        """A few that belong together."""
        return self.dice.choices(self._ways, self._weights)[0]()
