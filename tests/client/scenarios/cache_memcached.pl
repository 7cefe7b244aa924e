#!/usr/bin/perl
# SPDX-License-Identifier: BSD-3-Clause
#
# Cache::Memcached: each of its commands but stats_reset, which never ends its
# line.  Text only, and without cas, as the library.

use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Scenario;

need('Cache::Memcached');
my @servers = servers();

sub connect_to {
    return Cache::Memcached->new({
        servers         => [@_],
        connect_timeout => 10,
        select_timeout  => 20,
    });
}

my $turns = Turns->new(map { connect_to($_) } @servers);

$turns->set('short', 'dies',  1);
$turns->set('long',  'lives', 1000);

test 'set, get and get_multi' => sub {
    holds($turns->set('a', '1'), 'set');
    same('1', $turns->get('a'));
    same(undef, $turns->get('nothing'));
    holds($turns->set('empty', ''), 'set of nothing');
    same('', $turns->get('empty'));
    my $bytes = join('', map { chr } 0 .. 255) . "\r\nEND\r\n";
    holds($turns->set('bytes', $bytes), 'set of bytes');
    same($bytes, $turns->get('bytes'));
    $turns->set('b', '2');
    same({ a => 1, b => 2 }, $turns->get_multi('a', 'b', 'c'));
};

test 'structures come back as they were, compressed too' => sub {
    my $thing = { x => [1, 2], y => 'z' };
    holds($turns->set('thing', $thing), 'set');
    same($thing, $turns->get('thing'));
    my $packing = connect_to($servers[0]);
    $packing->set_compress_threshold(1000);
    $packing->enable_compress(1);
    holds($packing->set('thing', 'long' x 30000), 'set');
    same('long' x 30000, $turns->get('thing'));
};

test 'add and replace know what is there' => sub {
    holds(!$turns->replace('added', '0'), 'nothing to replace');
    holds($turns->add('added', '1'), 'added');
    holds(!$turns->add('added', '2'), 'it is there');
    same('1', $turns->get('added'));
    holds($turns->replace('added', '3'), 'replaced');
    same('3', $turns->get('added'));
};

test 'append and prepend extend what is there, and nothing else' => sub {
    holds(!$turns->append('word', 'x'), 'append');
    holds(!$turns->prepend('word', 'x'), 'prepend');
    $turns->set('word', 'b');
    holds($turns->append('word', 'c'), 'append');
    holds($turns->prepend('word', 'a'), 'prepend');
    same('abc', $turns->get('word'));
};

test 'delete and remove' => sub {
    $turns->set($_, '1') for 'x1', 'x2', 'x3';
    holds($turns->delete('x1'), 'deleted');
    holds(!$turns->delete('x1'), 'gone');
    holds($turns->remove('x2'), 'removed');
    # Its time is 0, which servers must bear.
    holds($turns->delete('x3', 0), 'deleted with a time');
    same({}, $turns->get_multi('x1', 'x2', 'x3'));
};

test 'incr and decr, which stops at zero' => sub {
    holds(!$turns->incr('nobody'), 'incr of nothing');
    holds(!$turns->decr('nobody'), 'decr of nothing');
    $turns->set('count', '10');
    same(15, $turns->incr('count', 5));
    same(9, $turns->decr('count', 6));
    same(0, $turns->decr('count', 100));
    $turns->set('letters', 'abc');
    same(undef, $turns->incr('letters'));
    same('abc', $turns->get('letters'));
};

# The library has no cas.
test 'four writers that count lose nothing, and add is given to one' => sub {
    $turns->set('sum', 0);
    $turns->set('winners', 0);
    # All clients of a process share their sockets, in this library.
    $turns->disconnect_all;
    compete(sub {
        my $mine = connect_to($servers[0]);
        $mine->incr('sum') for 1 .. ROUNDS;
        for my $race (1 .. ROUNDS) {
            $mine->incr('winners') if $mine->add("race.$race", $$);
        }
        $mine->disconnect_all;
    });
    same(WRITERS * ROUNDS, $turns->get('sum'));
    same(ROUNDS, $turns->get('winners'));
};

test '1,000 keys are got at once' => sub {
    my %items = map { ("many.$_" => "value $_") } 1 .. MANY;
    holds($turns->set($_, $items{$_}), $_) for keys %items;
    same(\%items, $turns->get_multi(keys %items));
};

test 'a key of 250 bytes is a key' => sub {
    my $key = 'k' x KEY_BYTES_MAX;
    holds($turns->set($key, 'long'), 'set');
    same('long', $turns->get($key));
    same(undef, $turns->get(substr $key, 1));
    holds($turns->delete($key), 'deleted');
    holds(!$turns->set($key . 'k', 'x'), 'a key of 251');
    $turns->disconnect_all for @servers;
};

test 'a value just under 1 MB comes back whole' => sub {
    my $value = pack 'N*', map { int rand 2**32 } 1 .. LARGE_BYTES / 4;
    holds($turns->set('large', $value), 'set');
    holds($turns->get('large') eq $value, 'the same');
    holds($turns->delete('large'), 'deleted');
};

test 'a value above 1 MB is refused, and the old one is gone' => sub {
    $turns->set('large', 'small');
    holds(!$turns->set('large', 'x' x TOO_LARGE_BYTES), 'refused');
    same(undef, $turns->get('large'));
    holds($turns->set('large', 'small'), 'set');
    same('small', $turns->get('large'));
};

test 'stats, and its groups' => sub {
    my $one = connect_to($servers[0]);
    my $misc = $one->stats('misc')->{hosts}{ $servers[0] }{misc};
    holds($misc->{pid} > 0,        'a pid');
    holds($misc->{curr_items} > 0, 'items');
    holds($misc->{version} =~ /^\d+\.\d+\.\d+$/, "version $misc->{version}");
    for my $group (qw(items slabs settings)) {
        my $lines = $one->stats($group)->{hosts}{ $servers[0] }{$group};
        holds($lines =~ /^STAT /, "stats $group");
    }
};

test 'a client of several servers, with a namespace' => sub {
    my $all = Cache::Memcached->new(
        { servers => [@servers], namespace => 'space.' });
    holds($all->set("spread.$_", $_), $_) for 1 .. 100;
    my $found = $all->get_multi(map { "spread.$_" } 1 .. 100);
    same(100, scalar keys %$found);
    $all->forget_dead_hosts;
    $all->disconnect_all;
};

test 'a client that disconnects may come back' => sub {
    my $one = connect_to($servers[0]);
    $one->set('here', 'x');
    $one->disconnect_all;
    same('x', $one->get('here'));
};

test 'items expire when their time has come, others stay' => sub {
    until_so(sub { !defined $turns->get('short') }, 'short expires');
    same('lives', $turns->get('long'));
};

test 'flush_all leaves nothing, and what comes next lives' => sub {
    $turns->set('f', '1');
    holds($turns->flush_all, 'flush_all');
    same(undef, $turns->get('f'));
    holds($turns->set('f', 'again'), 'set');
    same('again', $turns->get('f'));
};

finish();
