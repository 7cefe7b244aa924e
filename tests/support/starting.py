# SPDX-License-Identifier: BSD-3-Clause
"""
Starting: servers that are not to start, and have to say why in one line.
"""

import subprocess

import servers

SECONDS_MAX = 10


def refused(*arguments, says):
    """Its one line, in which each of the words is."""
    words = servers.command("grapevined") + servers.user_arguments()
    try:
        done = subprocess.run(
            words + ["-l", "127.0.0.1", "-p", str(servers.free_port())]
            + list(arguments), capture_output=True, text=True,
            timeout=SECONDS_MAX)
    except subprocess.TimeoutExpired:
        raise AssertionError("it started") from None
    assert done.returncode not in (0, None), done
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    for word in says:
        assert word in lines[0], f"no {word!r} in {lines[0]!r}"
    return lines[0]
