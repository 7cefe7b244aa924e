# SPDX-License-Identifier: BSD-3-Clause
"""
Credentials: servers that ask who one is, and how to tell them.

    with credentials.folder() as folder:
        users = credentials.users_file(folder, "foo:bar")
        with credentials.text_server("grapevined", users) as server:
            credentials.exchange(server, TOKEN + b"get x\\r\\n")
    with credentials.sasl_server("grapevined", folder) as server: ...

The folder can be read by whom a server becomes that root has started.
USER and PASSWORD get into each of these servers.
"""

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import tempfile

import servers
from tap import Skip

USER, PASSWORD = b"foo", b"bar"
REALM = b"here"
HEADER = struct.Struct("!BBHBBHIIQ")
VERSION, STAT, LIST, AUTH, STEP = 0x0b, 0x10, 0x20, 0x21, 0x22
OPAQUE = 0x01020304


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix="grapevine-test-") as path:
        os.chmod(path, 0o755)
        yield path


# ---- text ----

def users_file(where, *lines, name="users"):
    """A file of users; replaced as a whole if it is there."""
    path = os.path.join(where, name)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
    os.chmod(path + ".new", 0o644)
    os.rename(path + ".new", path)
    return path


def token(user=USER, password=PASSWORD):
    words = user + b" " + password
    return b"set auth 0 0 %d\r\n%s\r\n" % (len(words), words)


def _text_pid(connection):
    connection.sendall(token() + b"stats\r\n")
    answer = b""
    while not answer.endswith(b"END\r\n"):
        data = connection.recv(65536)
        if not data:
            return None
        answer += data
    return int(answer.partition(b"STAT pid ")[2].partition(b"\r\n")[0])


def text_server(kind, users, *arguments, **options):
    return servers.running(kind, "-Y", users, *arguments, pid_of=_text_pid,
                           **options)


# ---- SASL ----

def frame(opcode, key=b"", value=b"", extras=b"", body_bytes=None):
    body = extras + key + value
    announced = len(body) if body_bytes is None else body_bytes
    return HEADER.pack(0x80, opcode, len(key), len(extras), 0, 0, announced,
                       OPAQUE, 0) + body


def plain(user=USER + b"@" + REALM, password=PASSWORD, opcode=AUTH):
    return frame(opcode, b"PLAIN", b"\0" + user + b"\0" + password)


def answers(data):
    """The frames of `data`: [(opcode, status, body)]; all of it is frames."""
    found = []
    while data:
        (magic, opcode, _, _, _, status, body_bytes, opaque,
         _) = HEADER.unpack_from(data)
        assert magic == 0x81 and opaque == OPAQUE, data
        body = data[HEADER.size:HEADER.size + body_bytes]
        assert len(body) == body_bytes, data
        found.append((opcode, status, body))
        data = data[HEADER.size + body_bytes:]
    return found


def read_frame(connection):
    """One answer: (opcode, status, key, value)."""
    data = b""
    while len(data) < HEADER.size:
        data += _more(connection, HEADER.size - len(data))
    _, opcode, key_bytes, extras_bytes, _, status, body_bytes, _, _ = \
        HEADER.unpack(data)
    body = b""
    while len(body) < body_bytes:
        body += _more(connection, body_bytes - len(body))
    body = body[extras_bytes:]
    return opcode, status, body[:key_bytes], body[key_bytes:]


def _more(connection, bytes_max):
    data = connection.recv(bytes_max)
    if not data:
        raise ConnectionError("the server hung up")
    return data


def sasl_stats(connection, group=b""):
    """The figures of a server that the connection is let in by."""
    connection.sendall(frame(STAT, group))
    figures = {}
    while True:
        _, status, name, value = read_frame(connection)
        assert status == 0, (status, value)
        if not name:
            return figures
        figures[name.decode()] = value.decode()


def _sasl_pid(connection):
    connection.sendall(plain())
    _, status, _, _ = read_frame(connection)
    if status != 0:
        return None
    return int(sasl_stats(connection)["pid"])


def sasl_folder(where, settings=""):
    """Fills `where` with a user and the settings of SASL."""
    path = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin"
    program = shutil.which("saslpasswd2", path=path)
    if program is None:
        raise Skip("saslpasswd2 is not here")
    database = os.path.join(where, "sasldb2")
    subprocess.run([program, "-c", "-p", "-f", database, "-a", "memcached",
                    "-u", REALM.decode(), USER.decode()], input=PASSWORD,
                   check=True, timeout=20)
    os.chmod(database, 0o644)
    with open(os.path.join(where, "memcached.conf"), "w",
              encoding="utf-8") as file:
        file.write(settings or "mech_list: plain cram-md5\n"
                   "pwcheck_method: auxprop\nauxprop_plugin: sasldb\n"
                   f"sasldb_path: {database}\n")
    return where


@contextlib.contextmanager
def sasl_server(kind, where, *arguments, pid_of=_sasl_pid, **options):
    before = os.environ.get("SASL_CONF_PATH")
    os.environ["SASL_CONF_PATH"] = where
    try:
        with servers.running(kind, "-S", *arguments, pid_of=pid_of,
                             **options) as server:
            yield server
    finally:
        if before is None:
            del os.environ["SASL_CONF_PATH"]
        else:
            os.environ["SASL_CONF_PATH"] = before


# ---- both ----

def exchange(server, said):
    """All that a server answers to all that a client says before it stops
    sending."""
    heard = b""
    with server.connect() as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(said)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while True:
                data = connection.recv(65536)
                if not data:
                    break
                heard += data
    return heard
