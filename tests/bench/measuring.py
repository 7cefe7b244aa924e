# SPDX-License-Identifier: BSD-3-Clause
"""
Measuring: what a request costs a server, by the load on another core.

    with memcached.running(workload) as running:
        measuring.fill(options, workload, running)
        cost = measuring.measure(options, workload, memcached, running, 2)

The figure is processor time of the server per request, user and system: on a
small shared machine it depends less on the load and on neighbours than a rate
does.

Fails: Failure, in one sentence; also when a value is wrong, or missing.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time

SERVER_CORES = '0'
LOAD_CORES = '1'
MEMORY_MB = 1024
KEY_BYTES = 20
FORBIDDEN_PORT = 11211  # where somebody's real server may be
START_SECONDS_MAX = 10
STOP_SECONDS_MAX = 10
FILL_SECONDS_MAX = 120


class Failure(Exception):
    """What ends the rounds, in one sentence."""


class Workload:
    """A row of the table: what is asked, in words that `load` takes."""

    def __init__(self, name, bar=None, connections=50, pipeline=1,
                 multiget=1, ratio='1:0', protocol='text', value_bytes=100):
        self.name = name
        self.bar = bar  # of the ratio to memcached 1.6.18
        self.multiget = multiget
        self.protocol = protocol
        self.value_bytes = value_bytes
        self.words = ['--protocol', protocol,
                      '--connections', str(connections),
                      '--pipeline', str(pipeline),
                      '--multiget', str(multiget),
                      '--ratio', ratio]

    @property
    def per(self):
        """The unit of cost: in a multiget a key is what is asked for."""
        return 'key' if self.multiget > 1 else 'request'


def keys_count(options, value_bytes):
    """As many keys as asked for, while they fill no more than a quarter."""
    return min(options.keys, (MEMORY_MB << 20) // 4 // value_bytes)


def free_port():
    while True:
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            port = probe.getsockname()[1]
        if port != FORBIDDEN_PORT:
            return port


def accepts(port):
    try:
        socket.create_connection(('127.0.0.1', port), timeout=1).close()
        return True
    except OSError:
        return False


def process_end(process):
    """Asks, waits, insists; for that one process only."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Server:
    """A program that can be started on a port of its own."""

    def __init__(self, name, program, threads=1, cores=SERVER_CORES):
        self.name = name
        self.program = program
        self.threads = threads
        self.cores = cores
        self.is_real = True

    def can_run(self, workload):
        return True

    def command(self, port, workload):
        words = [self.program, '-l', '127.0.0.1', '-p', str(port),
                 '-m', str(MEMORY_MB), '-t', str(self.threads)]
        return words + (['-u', 'nobody'] if os.geteuid() == 0 else [])

    @contextlib.contextmanager
    def running(self, workload):
        """The pid and the port of one that accepts connections."""
        port = free_port()
        process = subprocess.Popen(['taskset', '-c', self.cores] +
                                   self.command(port, workload))
        try:
            self.await_start(process, port)
            yield process.pid, port
        finally:
            process_end(process)

    def await_start(self, process, port):
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            is_open = accepts(port)
            if process.poll() is not None:  # then somebody else is there
                raise Failure(f'{self.name} ended with '
                              f'{process.returncode} instead of serving')
            if is_open:
                return
            if time.monotonic() > deadline:
                raise Failure(f'{self.name} does not accept connections')
            time.sleep(0.02)


class NothingServer(Server):
    """Answers with constants: the floor below which nobody can go."""

    def __init__(self, program):
        super().__init__('nothing', program)
        self.is_real = False

    def can_run(self, workload):
        return workload.protocol == 'text'

    def command(self, port, workload):
        return [self.program, str(port), str(KEY_BYTES),
                str(workload.value_bytes), str(workload.multiget)]


def load_run(options, workload, port, words, seconds_max):
    """The figures that `load` prints, by name."""
    value_bytes = workload.value_bytes
    cores = SERVER_CORES if options.together else LOAD_CORES
    command = ['taskset', '-c', cores, options.load,
               '--port', str(port), '--key-bytes', str(KEY_BYTES),
               '--value-bytes', str(value_bytes),
               '--keys', str(keys_count(options, value_bytes))]
    try:
        done = subprocess.run(command + words, stdout=subprocess.PIPE,
                              timeout=seconds_max, check=False, text=True)
    except subprocess.TimeoutExpired:
        raise Failure(f'load did not end in {seconds_max} s') from None
    if done.returncode != 0:
        raise Failure(f'load failed with {done.returncode}')
    return dict(word.split('=', 1) for word in done.stdout.split())


def measure(options, workload, server, running, seconds):
    """Microseconds of the server per request, if all went as it should."""
    pid, port = running
    words = workload.words + ['--seconds', str(seconds),
                              '--server-pid', str(pid)]
    if not server.is_real:
        words.append('--trust')
    figures = load_run(options, workload, port, words, seconds + 30)
    if options.verbose:
        print(workload.name, server.name, figures, file=sys.stderr)
    for name in ('errors', 'misses'):
        if figures[name] != '0':
            raise Failure(f'{workload.name}: {server.name} has '
                          f'{figures[name]} {name}: nothing to compare')
    return float(figures[f'cpu_us_per_{workload.per}'])


def fill(options, workload, running):
    load_run(options, workload, running[1],
             ['--fill', '--requests', '0', '--connections', '10'],
             FILL_SECONDS_MAX)


def program_find(variable, default):
    """The program that the environment names, or the default, or None."""
    return shutil.which(os.environ.get(variable, default),
                        path=os.environ.get('PATH', '') + ':/usr/bin')


def program_need(variable, default):
    program = program_find(variable, default)
    if program is None:
        raise Failure(f'no {os.environ.get(variable, default)}: build it, or '
                      f'name another with {variable}')
    return program
