<?php
// SPDX-License-Identifier: BSD-3-Clause
/*
 * php-memcache (pecl): each command of Memcache, as method and as function,
 * in text and binary.
 */

require __DIR__ . '/scenario.php';

need('pcntl');
need('memcache');
[$protocol, $servers] = arguments($argv);
ini_set('memcache.protocol', $protocol === 'binary' ? 'binary' : 'ascii');
ini_set('memcache.default_port', (string)$servers[0][1]);

$connect = function (array $server): Memcache {
    $client = new Memcache();
    holds($client->connect($server[0], $server[1], 10), 'connect');
    return $client;
};
$turns = new Turns(array_map($connect, $servers));
$one = $connect($servers[0]);
// What finds nothing ends the connection in this library, and for a client
// whose only server that was it is down for a while: so each gets its own.
$fresh = fn() => $connect($servers[array_rand($servers)]);
$tap = new Tap();

$turns->set('short', 'dies', 0, 1);
$turns->set('long', 'lives', 0, 1000);

$tap->test('set and get, of several keys too', function () use ($turns) {
    same(true, $turns->set('a', '1'));
    same('1', $turns->get('a'));
    same(false, $turns->get('nothing'));
    same(true, $turns->set('empty', ''));
    same('', $turns->get('empty'));
    $bytes = implode('', array_map('chr', range(0, 255))) . "\r\nEND\r\n";
    same(true, $turns->set('bytes', $bytes));
    same($bytes, $turns->get('bytes'));
    same(true, $turns->set(['b' => '2', 'c' => '3']));
    $found = $turns->get(['a', 'b', 'c', 'd']);
    ksort($found);
    same(['a' => '1', 'b' => '2', 'c' => '3'], $found);
    same(true, $turns->set('flagged', 'x', 1 << 16));
    $flags = null;
    same('x', $turns->get('flagged', $flags));
});

$tap->test('types come back as they were, compressed too',
    function () use ($turns) {
        foreach ([1, 2.5, true, false, 'ünï', ['x' => [1, 2]]] as $thing) {
            same(true, $turns->set('thing', $thing));
            same($thing, $turns->get('thing'));
        }
        $long = str_repeat('long', 30000);
        same(true, $turns->set('thing', $long, MEMCACHE_COMPRESSED));
        same($long, $turns->get('thing'));
        $client = $turns->pick();
        same(true, $client->setCompressThreshold(1000, 0.2));
        same(true, $client->set('thing', $long));
        same($long, $turns->get('thing'));
    });

$tap->test('add and replace know what is there', function () use ($turns,
    $fresh) {
    same(false, @$fresh()->replace('added', '0'));
    same(true, $turns->add('added', '1'));
    same(false, @$fresh()->add('added', '2'));
    same('1', $turns->get('added'));
    same(true, $turns->replace('added', '3'));
    same('3', $turns->get('added'));
});

$tap->test('append and prepend extend what is there, and nothing else',
    function () use ($turns, $fresh) {
        same(false, @$fresh()->append('word', 'x'));
        same(false, @$fresh()->prepend('word', 'x'));
        same(true, $turns->set('word', 'b'));
        same(true, $turns->append('word', 'c'));
        same(true, $turns->prepend('word', 'a'));
        same('abc', $turns->get('word'));
    });

$tap->test('delete', function () use ($turns, $fresh) {
    $turns->set('x', '1');
    same(true, $turns->delete('x'));
    same(false, @$fresh()->delete('x'));
    same(false, $turns->get('x'));
    $turns->set('x', '1');
    same(true, $turns->delete('x', 0));
    same(false, $turns->get('x'));
});

$tap->test('increment and decrement, which stops at zero',
    function () use ($turns, $fresh, $protocol) {
        same(false, @$fresh()->increment('nobody'));
        same(false, @$fresh()->decrement('nobody'));
        $turns->set('count', '10');
        same(15, $turns->increment('count', 5));
        same(9, $turns->decrement('count', 6));
        same(0, $turns->decrement('count', 100));
        if ($protocol === 'binary') {
            same(4, $turns->increment('initial', 1, 4));
            same(5, $turns->increment('initial', 1, 4));
        }
    });

$tap->test('get with its token, and cas', function () use ($turns, $fresh) {
    $turns->set('token', '1');
    $flags = $cas = null;
    same('1', $turns->pick()->get('token', $flags, $cas));
    same(true, $turns->cas('token', '2', 0, 0, $cas));
    same(false, @$fresh()->cas('token', '3', 0, 0, $cas));
    same('2', $turns->get('token'));
    same(false, @$fresh()->cas('nothing', '3', 0, 0, $cas));
});

$tap->test('four writers that use cas lose no update',
    function () use ($connect, $servers, $turns) {
        $turns->set('sum', '0');
        compete(function () use ($connect, $servers) {
            $mine = $connect($servers[0]);
            $added = 0;
            for ($i = 0; $i < ATTEMPTS_MAX && $added < ROUNDS; $i++) {
                $flags = $cas = null;
                $sum = $mine->get('sum', $flags, $cas);
                if (@$mine->cas('sum', (string)($sum + 1), 0, 0, $cas)) {
                    $added++;
                }
            }
            $mine->close();
        });
        same((string)(WRITERS * ROUNDS), $turns->get('sum'));
    });

$tap->test('1,000 keys are set at once and got at once',
    function () use ($turns) {
        $items = [];
        for ($i = 0; $i < MANY; $i++) {
            $items["many.$i"] = "value $i";
        }
        same(true, $turns->set($items));
        $found = $turns->get(array_keys($items));
        ksort($items);
        ksort($found);
        same($items, $found);
        same(true, $turns->delete(array_keys($items)));
        same([], $turns->get(array_keys($items)));
    });

$tap->test('a key of 250 bytes is a key', function () use ($turns) {
    $key = str_repeat('k', KEY_BYTES_MAX);
    same(true, $turns->set($key, 'long'));
    same('long', $turns->get($key));
    same(false, $turns->get(substr($key, 1)));
    same(true, $turns->delete($key));
});

$tap->test('a value just under 1 MB comes back whole',
    function () use ($turns) {
        $value = random_bytes(LARGE_BYTES);
        same(true, $turns->set('large', $value));
        holds($value === $turns->get('large'), 'the same');
        same(true, $turns->delete('large'));
    });

$tap->test('a value above 1 MB is refused, and the old one is gone',
    function () use ($turns, $fresh) {
        $turns->set('large', 'small');
        same(false,
            @$fresh()->set('large', random_bytes(TOO_LARGE_BYTES)));
        same(false, $turns->get('large'));
    });

$tap->test('getVersion', function () use ($one) {
    $version = $one->getVersion();
    holds(version_compare($version, '1.4.8', '>='), "version $version");
});

// The library asks for figures in text only.
if ($protocol === 'text') {
    $tap->test('getStats and getExtendedStats',
        function () use ($one, $servers) {
            $figures = $one->getStats();
            holds($figures['pid'] > 0, 'a pid');
            holds($figures['curr_items'] > 0, 'items');
            same($one->getVersion(), $figures['version']);
            $name = "{$servers[0][0]}:{$servers[0][1]}";
            same($figures['pid'], $one->getExtendedStats()[$name]['pid']);
            holds($one->getStats('slabs'), 'stats slabs');
            $keys = [];
            foreach ($one->getStats('items')['items'] as $class => $_) {
                $keys += $one->getStats('cachedump', $class, 0);
            }
            holds(isset($keys['long']), 'stats cachedump lists a key');
        });
}

$tap->test('addServer, setServerParams, getServerStatus and findServer',
    function () use ($servers) {
        $all = new Memcache();
        foreach ($servers as $server) {
            same(true, $all->addServer($server[0], $server[1], false));
        }
        [$host, $port] = $servers[0];
        same(true, $all->setServerParams($host, $port, 10, 15, true));
        holds($all->getServerStatus($host, $port) !== 0, 'it is up');
        holds(str_contains($all->findServer('a'), $host), 'a server');
        same(true, $all->set('spread', 'x'));
        same('x', $all->get('spread'));
        same(true, $all->close());
    });

$tap->test('the same by functions, on a lasting connection',
    function () use ($servers, $protocol) {
        $it = memcache_pconnect(...$servers[0]);
        same(true, memcache_set($it, 'f', 'b'));
        same(true, memcache_replace($it, 'f', 'c'));
        same(true, memcache_append($it, 'f', 'd'));
        same(true, memcache_prepend($it, 'f', 'b'));
        same('bcd', memcache_get($it, 'f'));
        same(true, memcache_delete($it, 'f'));
        same(true, memcache_add($it, 'n', '1'));
        same(3, memcache_increment($it, 'n', 2));
        same(2, memcache_decrement($it, 'n'));
        holds(memcache_get_version($it), 'a version');
        holds($protocol !== 'text' || memcache_get_stats($it)['pid'],
            'figures');
        same(true, memcache_close($it));
    });

$tap->test('items expire when their time has come, others stay',
    function () use ($turns) {
        until(fn() => $turns->get('short') === false, 'short expires');
        same('lives', $turns->get('long'));
    });

$tap->test('flush leaves nothing, and what comes next lives',
    function () use ($turns) {
        $turns->set('f', '1');
        same(true, $turns->flush());
        same(false, $turns->get('f'));
        same(true, $turns->set('f', 'again'));
        same('again', $turns->get('f'));
    });

$tap->finish();
