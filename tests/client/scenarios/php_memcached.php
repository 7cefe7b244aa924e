<?php
// SPDX-License-Identifier: BSD-3-Clause
/*
 * php-memcached: each command of Memcached, in text and binary.
 */

require __DIR__ . '/scenario.php';

need('pcntl');
need('memcached');
[$protocol, $servers] = arguments($argv);

$connect = function (array $server) use ($protocol): Memcached {
    $client = new Memcached();
    $client->setOptions([
        Memcached::OPT_BINARY_PROTOCOL => $protocol === 'binary',
        Memcached::OPT_TCP_NODELAY => true,
        Memcached::OPT_CONNECT_TIMEOUT => 10000,
        Memcached::OPT_POLL_TIMEOUT => 20000,
    ]);
    $client->addServer(...$server);
    return $client;
};
$turns = new Turns(array_map($connect, $servers));
$one = $connect($servers[0]);
$tap = new Tap();

/* The code of a call, which it and those that follow it agree on. */
function code(object $turns, int $wanted, callable $work): void
{
    $client = $turns instanceof Turns ? $turns->pick() : $turns;
    $work($client);
    holds($client->getResultCode() === $wanted, "code $wanted, not "
        . $client->getResultCode() . ' ' . $client->getResultMessage());
}

$turns->set('short', 'dies', 1);
$turns->set('long', 'lives', 1000);
$turns->set('prolonged', 'lives', 2);
holds($turns->touch('prolonged', 1000), 'touch');
$turns->set('shortened', 'dies', 1000);
holds($turns->touch('shortened', 1), 'touch');

$tap->test('set, get, setMulti and getMulti', function () use ($turns) {
    same(true, $turns->set('a', '1'));
    same('1', $turns->get('a'));
    same(false, $turns->get('nothing'));
    code($turns, Memcached::RES_NOTFOUND, fn($c) => $c->get('nothing'));
    same(true, $turns->set('empty', ''));
    same('', $turns->get('empty'));
    $bytes = implode('', array_map('chr', range(0, 255))) . "\r\nEND\r\n";
    same(true, $turns->set('bytes', $bytes));
    same($bytes, $turns->get('bytes'));
    same(true, $turns->setMulti(['b' => '2', 'c' => '3']));
    $found = $turns->getMulti(['a', 'b', 'c', 'd']);
    ksort($found);
    same(['a' => '1', 'b' => '2', 'c' => '3'], $found);
    $ordered = $turns->getMulti(['c', 'd', 'a'],
        Memcached::GET_PRESERVE_ORDER);
    same(['c' => '3', 'd' => null, 'a' => '1'], $ordered);
});

$tap->test('types come back as they were, compressed too',
    function () use ($turns) {
        foreach ([1, 2.5, true, false, 'ünï', ['x' => [1, 2]],
            str_repeat('long', 30000)] as $thing) {
            same(true, $turns->set('thing', $thing));
            same($thing, $turns->get('thing'));
        }
    });

$tap->test('get fills what is missing by its callback',
    function () use ($turns) {
        $fill = function ($client, $key, &$value) {
            $value = "filled $key";
            return true;
        };
        same('filled through', $turns->get('through', $fill));
        same('filled through', $turns->get('through'));
    });

$tap->test('add and replace know what is there', function () use ($turns,
    $protocol) {
    code($turns, $protocol === 'text' ? Memcached::RES_NOTSTORED :
        Memcached::RES_NOTFOUND,
        fn($c) => same(false, $c->replace('added', '0')));
    same(true, $turns->add('added', '1'));
    code($turns, $protocol === 'text' ? Memcached::RES_NOTSTORED :
        Memcached::RES_DATA_EXISTS,
        fn($c) => same(false, $c->add('added', '2')));
    same('1', $turns->get('added'));
    same(true, $turns->replace('added', '3'));
    same('3', $turns->get('added'));
});

$tap->test('append and prepend extend what is there, and nothing else',
    function () use ($connect, $servers) {
        // Of compressed values the library would refuse to.
        $clients = array_map($connect, $servers);
        foreach ($clients as $client) {
            $client->setOption(Memcached::OPT_COMPRESSION, false);
        }
        $turns = new Turns($clients);
        same(false, $turns->append('word', 'x'));
        same(false, $turns->prepend('word', 'x'));
        same(true, $turns->set('word', 'b'));
        same(true, $turns->append('word', 'c'));
        same(true, $turns->prepend('word', 'a'));
        same('abc', $turns->get('word'));
    });

$tap->test('delete and deleteMulti', function () use ($turns) {
    $turns->setMulti(['x1' => 1, 'x2' => 2, 'x3' => 3]);
    same(true, $turns->delete('x1'));
    code($turns, Memcached::RES_NOTFOUND,
        fn($c) => same(false, $c->delete('x1')));
    same(['x2' => true, 'x4' => Memcached::RES_NOTFOUND, 'x3' => true],
        $turns->deleteMulti(['x2', 'x4', 'x3']));
    same([], $turns->getMulti(['x1', 'x2', 'x3']));
});

$tap->test('increment and decrement, which stops at zero',
    function () use ($turns) {
        same(false, $turns->increment('nobody'));
        same(false, $turns->decrement('nobody'));
        $turns->set('count', 10);
        same(15, $turns->increment('count', 5));
        same(9, $turns->decrement('count', 6));
        same(0, $turns->decrement('count', 100));
        same(0, (int)$turns->get('count'));
        $turns->set('letters', 'abc');
        same(false, $turns->increment('letters'));
        same('abc', $turns->get('letters'));
    });

if ($protocol === 'binary') {
    $tap->test('a counter starts at its initial value',
        function () use ($turns) {
            same(7, $turns->increment('initial', 5, 7, 1000));
            same(12, $turns->increment('initial', 5, 7, 1000));
            same(11, $turns->decrement('initial', 1, 7, 1000));
        });
}

$tap->test('get with its token, and cas', function () use ($turns) {
    $turns->set('token', '1');
    $got = $turns->get('token', null, Memcached::GET_EXTENDED);
    same('1', $got['value']);
    same(true, $turns->cas($got['cas'], 'token', '2'));
    code($turns, Memcached::RES_DATA_EXISTS,
        fn($c) => same(false, $c->cas($got['cas'], 'token', '3')));
    same('2', $turns->get('token'));
    code($turns, Memcached::RES_NOTFOUND,
        fn($c) => same(false, $c->cas($got['cas'], 'nothing', '3')));
    $many = $turns->getMulti(['token', 'nothing'], Memcached::GET_EXTENDED);
    same(true, $turns->cas($many['token']['cas'], 'token', '4'));
});

$tap->test('four writers that use cas lose no update',
    function () use ($connect, $servers, $turns) {
        $turns->set('sum', 0);
        compete(function () use ($connect, $servers) {
            $mine = $connect($servers[0]);
            $added = 0;
            for ($i = 0; $i < ATTEMPTS_MAX && $added < ROUNDS; $i++) {
                $got = $mine->get('sum', null, Memcached::GET_EXTENDED);
                $added += $mine->cas($got['cas'], 'sum', $got['value'] + 1);
            }
            $mine->quit();
        });
        same(WRITERS * ROUNDS, $turns->get('sum'));
    });

$tap->test('getDelayed, fetch and fetchAll', function () use ($one) {
    $one->setMulti(['l1' => 1, 'l2' => 2, 'l3' => 3]);
    same(true, $one->getDelayed(['l1', 'l2', 'l3'], true));
    $first = $one->fetch();
    holds($first['cas'] > 0, 'a token');
    same(2, count($one->fetchAll()));
    $seen = [];
    $one->getDelayed(['l1', 'l2'], false, function ($client, $item) use
        (&$seen) {
        $seen[$item['key']] = $item['value'];
    });
    ksort($seen);
    same(['l1' => 1, 'l2' => 2], $seen);
});

$tap->test('the commands that name a server by a key',
    function () use ($connect, $servers) {
        $all = $connect($servers[0]);
        foreach (array_slice($servers, 1) as $server) {
            $all->addServer(...$server);
        }
        same(true, $all->setByKey('s', 'k1', 'b'));
        same('b', $all->getByKey('s', 'k1'));
        same(false, $all->addByKey('s', 'k1', 'x'));
        same(true, $all->replaceByKey('s', 'k1', 'c'));
        same(true, $all->setMultiByKey('s', ['k2' => 2, 'k3' => 3]));
        same(3, count($all->getMultiByKey('s', ['k1', 'k2', 'k3'])));
        same(true, $all->touchByKey('s', 'k1', 1000));
        $got = $all->getByKey('s', 'k1', null, Memcached::GET_EXTENDED);
        same(true, $all->casByKey($got['cas'], 's', 'k1', 'd'));
        same(3, $all->incrementByKey('s', 'k2'));
        same(2, $all->decrementByKey('s', 'k2'));
        same(true, $all->getDelayedByKey('s', ['k1', 'k2']));
        same(2, count($all->fetchAll()));
        $all->setOption(Memcached::OPT_COMPRESSION, false);
        same(true, $all->appendByKey('s', 'k1', 'e'));
        same(true, $all->prependByKey('s', 'k1', 'c'));
        same('cde', $all->getByKey('s', 'k1'));
        same(true, $all->deleteByKey('s', 'k1'));
        same(['k2' => true, 'k3' => true],
            $all->deleteMultiByKey('s', ['k2', 'k3']));
    });

$tap->test('1,000 keys are set at once and got at once',
    function () use ($turns) {
        $items = [];
        for ($i = 0; $i < MANY; $i++) {
            $items["many.$i"] = "value $i";
        }
        same(true, $turns->setMulti($items));
        $found = $turns->getMulti(array_keys($items),
            Memcached::GET_PRESERVE_ORDER);
        same($items, $found);
        $turns->deleteMulti(array_keys($items));
        same([], $turns->getMulti(array_keys($items)));
    });

$tap->test('a key of 250 bytes is a key; one of 251 never leaves the library',
    function () use ($turns, $protocol) {
        $key = str_repeat('k', KEY_BYTES_MAX);
        same(true, $turns->set($key, 'long'));
        same('long', $turns->get($key));
        same(false, $turns->get(substr($key, 1)));
        same(true, $turns->delete($key));
        code($turns, Memcached::RES_BAD_KEY_PROVIDED,
            fn($c) => same(false, $c->set($key . 'k', 'x')));
    });

$tap->test('a value just under 1 MB comes back whole',
    function () use ($turns) {
        $value = random_bytes(LARGE_BYTES);
        same(true, $turns->set('large', $value));
        holds($value === $turns->get('large'), 'the same');
        same(true, $turns->delete('large'));
    });

$tap->test('a value above 1 MB is refused, and the old one is gone',
    function () use ($turns) {
        $client = $turns->pick();
        $client->set('large', 'small');
        same(false, $client->set('large', random_bytes(TOO_LARGE_BYTES)));
        same(false, $client->get('large'));
        same(true, $client->set('large', 'small'));
        same('small', $client->get('large'));
    });

$tap->test('touch finds only what is there', function () use ($turns) {
    $turns->set('touched', 'x');
    same(true, $turns->touch('touched', 100));
    code($turns, Memcached::RES_NOTFOUND,
        fn($c) => same(false, $c->touch('nothing', 100)));
});

$tap->test('getVersion and getStats', function () use ($one, $servers) {
    $name = "{$servers[0][0]}:{$servers[0][1]}";
    $version = $one->getVersion()[$name];
    holds(version_compare($version, '1.4.8', '>='), "version $version");
    $figures = $one->getStats()[$name];
    holds($figures['pid'] > 0 && $figures['curr_items'] > 0, 'figures');
    same($version, $figures['version']);
    same(64 << 20, $one->getStats('settings')[$name]['maxbytes']);
    holds($one->getStats('items')[$name], 'stats items');
    holds($one->getStats('slabs')[$name], 'stats slabs');
});

if ($protocol === 'text') {
    $tap->test('getAllKeys lists what is there', function () use ($one) {
        $one->set('listed', 'x');
        holds(in_array('listed', $one->getAllKeys()), 'listed');
    });
}

$tap->test('buffered and unanswered sets all arrive, in order',
    function () use ($connect, $servers) {
        $mine = $connect($servers[0]);
        $mine->setOption(Memcached::OPT_BUFFER_WRITES, true);
        for ($i = 0; $i < MANY; $i++) {
            $mine->set('buffered', $i);
        }
        same(true, $mine->flushBuffers());
        same(MANY - 1, $mine->get('buffered'));
        $mine = $connect($servers[0]);
        $mine->setOption(Memcached::OPT_NOREPLY, true);
        $mine->setOption(Memcached::OPT_NO_BLOCK, true);
        for ($i = 0; $i < MANY; $i++) {
            $mine->set('unanswered', $i);
        }
        $other = $connect($servers[0]);
        until(fn() => $other->get('unanswered') === MANY - 1, 'the last');
    });

$tap->test('prefix, json, encryption: what the library adds comes back',
    function () use ($connect, $servers) {
        $mine = $connect($servers[0]);
        $mine->setOption(Memcached::OPT_PREFIX_KEY, 'prefix.');
        $mine->setOption(Memcached::OPT_SERIALIZER,
            Memcached::SERIALIZER_JSON);
        same(true, $mine->set('k', [1, 'two']));
        same([1, 'two'], $mine->get('k'));
        $plain = $connect($servers[0]);
        $plain->setOption(Memcached::OPT_SERIALIZER,
            Memcached::SERIALIZER_JSON);
        same([1, 'two'], $plain->get('prefix.k'));
    });

$tap->test('a client that quits may come back', function () use ($one) {
    $one->set('here', 'x');
    $one->quit();
    same('x', $one->get('here'));
});

$tap->test('items expire when their time has come, others stay',
    function () use ($turns) {
        until(fn() => $turns->get('short') === false, 'short expires');
        until(fn() => $turns->get('shortened') === false, 'shortened expires');
        same('lives', $turns->get('long'));
        same('lives', $turns->get('prolonged'));
    });

$tap->test('flush leaves nothing, and what comes next lives',
    function () use ($turns) {
        $turns->setMulti(['f1' => 1, 'f2' => 2]);
        same(true, $turns->flush());
        same([], $turns->getMulti(['f1', 'f2']));
        same(true, $turns->set('f1', 'again'));
        same('again', $turns->get('f1'));
    });

$tap->test('flush with a delay flushes later', function () use ($turns) {
    $turns->set('doomed', 'x');
    same(true, $turns->flush(2));
    same('x', $turns->get('doomed'));
    until(fn() => $turns->get('doomed') === false, 'the flush');
});

$tap->finish();
