# SPDX-License-Identifier: BSD-3-Clause
"""Cache figures: what `memory`, `hits` and `soak` have in common.

Environment: GRAPEVINED (./grapevined), MEMCACHED (from PATH or /usr/bin),
ASIDE (tests/bench/aside).
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

FORBIDDEN_PORT = 11211  # where somebody's real server may be
SECONDS_MAX = 10
MEGABYTE = 1 << 20


class Failure(Exception):
    """What ends the run, in one sentence."""


def program_need(variable, default):
    program = shutil.which(os.environ.get(variable, default),
                           path=os.environ.get('PATH', '') + ':/usr/bin')
    if program is None:
        raise Failure(f'no {os.environ.get(variable, default)}: build it, or '
                      f'name another with {variable}')
    return program


def servers_named():
    return [('memcached', program_need('MEMCACHED', 'memcached')),
            ('grapevined', program_need('GRAPEVINED', './grapevined'))]


def free_port():
    while True:
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            port = probe.getsockname()[1]
        if port != FORBIDDEN_PORT:
            return port


class Running:
    """A server that accepts connections."""

    def __init__(self, name, process, port):
        self.name = name
        self.process = process
        self.port = port

    def aside(self, work, **words):
        """The figures of one run beside it, by name, as numbers."""
        command = [program_need('ASIDE', 'tests/bench/aside'),
                   '--port', str(self.port), '--work', work]
        for name, value in words.items():
            command += ['--' + name, str(value)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False,
                              text=True)
        if done.returncode != 0:
            raise Failure(f'{self.name}: {work} ended with '
                          f'{done.returncode}')
        return {name: int(value) for name, value in
                (word.split('=', 1) for word in done.stdout.split())}

    def stats(self):
        with socket.create_connection(('127.0.0.1', self.port)) as talk:
            talk.sendall(b'stats\r\n')
            text = b''
            while not text.endswith(b'END\r\n'):
                text += talk.recv(65536)
        return {words[1]: words[2] for words in
                (line.split() for line in text.decode().splitlines())
                if len(words) > 2}

    def resident_bytes(self):
        with open(f'/proc/{self.process.pid}/status') as status:
            for line in status:
                if line.startswith('VmRSS:'):
                    return int(line.split()[1]) * 1024
        raise Failure('no resident size to be had')


def await_start(name, process, port):
    deadline = time.monotonic() + SECONDS_MAX
    while True:
        if process.poll() is not None:
            raise Failure(f'{name} ended with {process.returncode}')
        try:
            socket.create_connection(('127.0.0.1', port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise Failure(f'{name} does not accept connections') from None
            time.sleep(0.02)


@contextlib.contextmanager
def server_running(name, program, megabytes, threads=1, words=()):
    port = free_port()
    command = [program, '-l', '127.0.0.1', '-p', str(port),
               '-m', str(megabytes), '-t', str(threads), '-c', '100', *words]
    command += ['-u', 'nobody'] if os.geteuid() == 0 else []
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        await_start(name, process, port)
        yield Running(name, process, port)
    finally:
        process.terminate()
        try:
            process.wait(SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main(program, run):
    """Ends as a program does: a failure is one sentence."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        missed = run()
    except Failure as failure:
        sys.exit(f'{program}: {failure}')
    except KeyboardInterrupt:
        sys.exit(130)
    if missed:
        sys.exit(f'{program}: missed: ' + ', '.join(missed))
