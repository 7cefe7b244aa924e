# SPDX-License-Identifier: BSD-3-Clause
"""
Web servers: PHP's own, several, each with its sessions where it is told.

    with web_servers.running(["127.0.0.1:7001", "127.0.0.1:7002"]) as webs:
        places = [web.place for web in webs]

One web server per save path, so that two may share one cache server or
each may have its own.  Settings are PHP's and php-memcached's defaults
except those given, such as {"memcached.sess_locking": "Off"}.

With hosts (hosts.py) each is on one of its own.

Each serves WORKERS_COUNT requests at a time; without workers PHP's web
server serves one after another and no session lock is ever contended.

Fails: WebServerMissing, a tap.Skip, without PHP or php-memcached;
       WebServerFailed when one does not start.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request

from servers import free_port
from tap import Skip

SITE = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                    "..", "client", "php", "site.php")
WORKERS_COUNT = 4
HOST_PORT = 8080
START_SECONDS_MAX = 20
STOP_SECONDS_MAX = 10
START_ATTEMPTS_MAX = 5
LOG_LINES_MAX = 20
# [worker] [time] its start, or the address of a client and its request.
ROUTINE = re.compile(r"(\[\d+\] )?\[.*?\] ([\d.]+:\d+ |PHP \S+ Devel)")
# Sessions in memcached; and no opcache, so that a request costs what it
# costs on the plainest of installations.
SETTINGS = {
    "session.save_handler": "memcached",
    "display_errors": "1",
    "opcache.enable": "0",
    "opcache.enable_cli": "0",
}


class WebServerMissing(Skip):
    """No PHP here, or none that speaks to memcached."""


class WebServerFailed(AssertionError):
    """It did not start."""


class WebServer:
    """One listening PHP; `about` is what it says of its settings."""

    def __init__(self, process, place, log_path, host):
        self.process = process
        self.place = place
        self.host = host
        self.about = None
        self._log_path = log_path

    def log(self):
        """What went wrong on it last: its log but for what is routine."""
        with open(self._log_path, encoding="utf-8", errors="replace") as log:
            lines = [line for line in log if not ROUTINE.match(line)]
        return "".join(lines[-LOG_LINES_MAX:])

    def stop(self):
        """The master and, its group being its own, all its workers."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextlib.contextmanager
def running(save_paths, settings=None, hosts=None, site=SITE):
    """As many web servers as save paths; yields the WebServers.  `site` is
    the page that they all show."""
    if shutil.which("php") is None:
        raise WebServerMissing("no php here")
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="grapevine-test-"))
        webs = []
        for index, save_path in enumerate(save_paths):
            chosen = {**SETTINGS, "session.save_path": save_path,
                      **(settings or {})}
            log_path = os.path.join(directory, f"log{index}")
            web = _start(chosen, log_path, hosts[index] if hosts else None,
                         site)
            stack.callback(web.stop)
            webs.append(web)
        yield webs


def _start(settings, log_path, host, site):
    """Tries a few ports, as another process may take the one we chose."""
    for _ in range(START_ATTEMPTS_MAX):
        web = _spawn(settings, log_path, host, site)
        if _answers(web):
            break
        web.stop()
        if "in use" not in web.log():
            raise WebServerFailed(f"PHP's web server:\n{web.log()}")
    else:
        raise WebServerFailed("PHP's web server found no free port")
    if web.about["client"] is None:
        web.stop()
        raise WebServerMissing("no php-memcached here")
    return web


def _spawn(settings, log_path, host, site):
    place = (host.address if host else "127.0.0.1",
             HOST_PORT if host else free_port())
    words = host.words() if host else []
    words += ["php"]
    for name, value in settings.items():
        words += ["-d", f"{name}={value}"]
    words += ["-S", "%s:%d" % place, site]
    environment = {**os.environ, "PHP_CLI_SERVER_WORKERS": str(WORKERS_COUNT)}
    with open(log_path, "wb") as log:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, env=environment,
                                   start_new_session=True)
    return WebServer(process, place, log_path, host)


def _answers(web):
    """Waits for its first answer; false if it died or took too long."""
    url = "http://%s:%d/?do=about" % web.place
    deadline = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < deadline:
        try:
            web.about = _fetch(url, web.host)
            return web.process.poll() is None
        except OSError:
            pass
        try:  # the pause between two tries, cut short by its death
            web.process.wait(0.02)
            return False
        except subprocess.TimeoutExpired:
            pass
    return False


def _fetch(url, host):
    with contextlib.ExitStack() as stack:
        if host:
            stack.enter_context(host.inside())
        return json.load(stack.enter_context(
            urllib.request.urlopen(url, timeout=5)))
