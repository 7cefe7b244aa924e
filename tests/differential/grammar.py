# SPDX-License-Identifier: BSD-3-Clause
"""
Grammar: what a play of each protocol consists of, from a seed.
"""

import random

from binary_grammar import BinaryGrammar
from meta_grammar import MetaGrammar
from text_grammar import TextGrammar

GRAMMARS = {"text": TextGrammar, "meta": MetaGrammar,
            "binary": BinaryGrammar}
REQUESTS_PER_PLAY = 100


def generate(protocol, seed):
    """About a hundred requests, always the same for the same seed."""
    grammar = GRAMMARS[protocol](random.Random(f"{protocol} {seed}"))
    requests = []
    while len(requests) < REQUESTS_PER_PLAY:
        requests += grammar.requests()
    return requests
