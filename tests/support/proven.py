# SPDX-License-Identifier: BSD-3-Clause
"""
Proven: connections to a farm port that shake hands first, as `openssl
s_client` does it; TLS of Python has no keys of this kind.

    with proven.peer(port, key) as peer:      # a Peer that knows the key
        peer.join(Hello(name="guest"))
    with proven.shaking("-tls1_2", port=port) as connection: ...

Fails:   OpensslMissing, a tap.Skip, without the program `openssl`.
"""

import contextlib
import hashlib
import shutil
import socket
import subprocess

from peer import Peer
from tls import OpensslMissing

# What the server makes of a key to tell it from others.
PURPOSE = b"grapevine farm key name\0"
END_SECONDS_MAX = 5


def name(key):
    """Of a key: what `farm_keys` in `stats farm` says."""
    return hashlib.sha256(PURPOSE + bytes.fromhex(key)).hexdigest()[:16]


@contextlib.contextmanager
def shaking(*words, port):
    """A socket whose other end is encrypted to `port`, if hands are shaken;
    else it ends."""
    if shutil.which("openssl") is None:
        raise OpensslMissing("openssl is not there")
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        ["openssl", "s_client", "-quiet", "-ign_eof", "-connect",
         f"127.0.0.1:{port}", *words],
        stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL)
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.terminate()
        process.wait(END_SECONDS_MAX)


def key_words(key, key_name=None):
    return ["-tls1_3", "-psk", key, "-psk_identity", key_name or name(key)]


@contextlib.contextmanager
def peer(port, key, key_name=None):
    with shaking(*key_words(key, key_name), port=port) as connection:
        yield Peer(port, connection=connection)
