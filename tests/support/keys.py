# SPDX-License-Identifier: BSD-3-Clause
"""
Keys: files of farm keys, which the servers of a test can read and nobody
else.

    path = keys.write(os.path.join(directory, "key"), keys.new())
"""

import os
import pwd
import secrets

import servers


def new():
    """What `grapevine keygen` prints."""
    return secrets.token_hex(32)


def write(path, *lines, mode=0o600):
    """Puts keys in the place of what was there; `path`."""
    fresh = path + ".new"
    with open(fresh, "w", encoding="ascii") as file:
        os.chmod(fresh, mode)
        file.write("".join(line + "\n" for line in lines))
    user = servers.user_arguments()[1:]
    if user:
        entry = pwd.getpwnam(user[0])
        os.chown(fresh, entry.pw_uid, entry.pw_gid)
    os.rename(fresh, path)
    return path
