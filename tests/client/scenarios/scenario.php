<?php
// SPDX-License-Identifier: BSD-3-Clause
/*
 * What the scenarios in PHP have in common: TAP, the servers that they are
 * told (PROTOCOL HOST:PORT...), several clients as one, several writers.
 */

const KEY_BYTES_MAX = 250;
// Just under 1 MB, with room for memcached's own header.
const LARGE_BYTES = 1048000;
const TOO_LARGE_BYTES = 1048577;
const MANY = 1000;
const WRITERS = 4;
const ROUNDS = 50;
const SECONDS_MAX = 15;
// Of one writer; four of them cannot lose so often.
const ATTEMPTS_MAX = 100 * ROUNDS;
const MISSING = 77;

// The extensions themselves do what PHP 8 calls deprecated.
error_reporting(E_ALL & ~E_DEPRECATED);

function need(string $extension): void
{
    if (!extension_loaded($extension)) {
        fwrite(STDERR, "no extension $extension here\n");
        exit(MISSING);
    }
}

/* The protocol, and [host, port] of each server. */
function arguments(array $words): array
{
    if (count($words) < 3) {
        fwrite(STDERR, "usage: $words[0] PROTOCOL HOST:PORT...\n");
        exit(1);
    }
    $servers = array_map(function ($word) {
        [$host, $port] = explode(':', $word);
        return [$host, (int)$port];
    }, array_slice($words, 2));
    return [$words[1], $servers];
}

/* Each call goes to the next of several clients. */
final class Turns
{
    private int $next = 0;

    public function __construct(private array $clients)
    {
    }

    public function pick(): object
    {
        return $this->clients[$this->next++ % count($this->clients)];
    }

    public function __call(string $name, array $words): mixed
    {
        return $this->pick()->$name(...$words);
    }
}

final class Tap
{
    private int $count = 0;
    private int $failed = 0;

    public function test(string $name, callable $work): void
    {
        $this->count++;
        try {
            $work();
            echo "ok $this->count - $name\n";
        } catch (Throwable $failure) {
            $this->failed++;
            echo "not ok $this->count - $name\n# ",
                strtr((string)$failure, ["\n" => "\n# "]), "\n";
        }
    }

    public function finish(): never
    {
        echo "1..$this->count\n";
        exit($this->failed > 0 ? 1 : 0);
    }
}

function same(mixed $wanted, mixed $found): void
{
    if ($wanted !== $found) {
        throw new RuntimeException('wanted ' . shown($wanted) . ', found '
            . shown($found));
    }
}

function holds(mixed $condition, string $what): void
{
    if (!$condition) {
        throw new RuntimeException("it does not hold: $what");
    }
}

function shown(mixed $thing): string
{
    return substr(var_export($thing, true), 0, 500);
}

/* Polls until it holds. */
function until(callable $is_so, string $what): void
{
    $end = microtime(true) + SECONDS_MAX;
    while (!$is_so()) {
        holds(microtime(true) < $end, "in time: $what");
        usleep(50000);
    }
}

/* Several processes do the same at once. */
function compete(callable $work): void
{
    $writers = [];
    for ($i = 0; $i < WRITERS; $i++) {
        $writer = pcntl_fork();
        if ($writer === 0) {
            try {
                $work();
            } catch (Throwable $failure) {
                fwrite(STDERR, "$failure\n");
                posix_kill(getmypid(), SIGKILL);
            }
            // Past the destructors of what the parent still uses.
            posix_kill(getmypid(), SIGTERM);
        }
        $writers[] = $writer;
    }
    foreach ($writers as $writer) {
        pcntl_waitpid($writer, $status);
        same(SIGTERM, pcntl_wtermsig($status));
    }
}
