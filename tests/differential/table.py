# SPDX-License-Identifier: BSD-3-Clause
"""
Table: how often which request was answered how.

A cell is a command, a mark (an option, a flag, a fault; "plain" for none)
and a kind of reply.
"""

import collections


class Table:
    def __init__(self):
        self.exchanges_count = 0
        self._cells = collections.Counter()

    def count(self, command, marks, kind):
        for mark in marks or ("plain",):
            self._cells[command, mark, kind] += 1

    def __contains__(self, cell):
        return self._cells[cell] > 0

    def __len__(self):
        return len(self._cells)

    def empty(self, known):
        """The cells of `known` that nothing was counted in."""
        return [cell for cell in known if cell not in self]

    def lines(self):
        """A line for each command and mark: its kinds, and how often."""
        rows = collections.defaultdict(list)
        for (command, mark, kind), count in sorted(self._cells.items()):
            rows[command, mark].append((count, kind))
        for (command, mark), kinds in sorted(rows.items()):
            text = "; ".join(f"{kind} {count}"
                             for count, kind in sorted(kinds, reverse=True))
            yield f"{command:<20} {mark:<18} {text}"
