#!/usr/bin/perl
# SPDX-License-Identifier: BSD-3-Clause
#
# Cache::Memcached::Fast: each of its commands.  Text only, as the library.

use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Scenario;

need('Cache::Memcached::Fast');
my @servers = servers();

sub connect_to {
    return Cache::Memcached::Fast->new({
        servers         => [@_],
        connect_timeout => 10,
        io_timeout      => 20,
        # The server is to refuse what is too large, not the library.
        max_size => 4 << 20,
    });
}

my $turns = Turns->new(map { connect_to($_) } @servers);

$turns->set('short', 'dies',  1);
$turns->set('long',  'lives', 1000);
$turns->set('prolonged', 'lives', 2);
holds($turns->touch('prolonged', 1000), 'touch');
$turns->set('shortened', 'dies', 1000);
holds($turns->touch('shortened', 1), 'touch');

test 'set, set_multi, get and get_multi' => sub {
    holds($turns->set('a', '1'), 'set');
    same('1', $turns->get('a'));
    same(undef, $turns->get('nothing'));
    holds($turns->set('empty', ''), 'set of nothing');
    same('', $turns->get('empty'));
    my $bytes = join('', map { chr } 0 .. 255) . "\r\nEND\r\n";
    holds($turns->set('bytes', $bytes), 'set of bytes');
    same($bytes, $turns->get('bytes'));
    same({ b => 1, c => 1 },
        scalar $turns->set_multi(['b', '2'], ['c', '3', 1000]));
    same({ a => 1, b => 2, c => 3 }, $turns->get_multi(qw(a b c d)));
};

test 'structures come back as they were, compressed too' => sub {
    my $thing = { x => [1, 2], y => 'z' };
    holds($turns->set('thing', $thing), 'set');
    same($thing, $turns->get('thing'));
    my $packing = Cache::Memcached::Fast->new(
        { servers => [$servers[0]], compress_threshold => 1000 });
    $packing->enable_compress(1);
    holds($packing->set('thing', 'long' x 30000), 'set');
    same('long' x 30000, $turns->get('thing'));
};

test 'add, replace and their multiples know what is there' => sub {
    holds(!$turns->replace('added', '0'), 'nothing to replace');
    holds($turns->add('added', '1'), 'added');
    holds(!$turns->add('added', '2'), 'it is there');
    same('1', $turns->get('added'));
    holds($turns->replace('added', '3'), 'replaced');
    my @done = map { $_ ? 1 : 0 }
        $turns->add_multi(['added', '4'], ['fresh', '5']);
    same([0, 1], \@done);
    @done = map { $_ ? 1 : 0 }
        $turns->replace_multi(['added', '6'], ['stale', '7']);
    same([1, 0], \@done);
    same({ added => 6, fresh => 5 }, $turns->get_multi(qw(added fresh)));
};

test 'append, prepend and their multiples extend what is there' => sub {
    holds(!$turns->append('word', 'x'), 'append');
    holds(!$turns->prepend('word', 'x'), 'prepend');
    $turns->set('word', 'b');
    holds($turns->append('word', 'c'), 'append');
    holds($turns->prepend('word', 'a'), 'prepend');
    $turns->append_multi(['word', 'd']);
    $turns->prepend_multi(['word', '_']);
    same('_abcd', $turns->get('word'));
};

test 'delete, remove and delete_multi' => sub {
    $turns->set($_, '1') for 'x1', 'x2', 'x3';
    holds($turns->delete('x1'), 'deleted');
    holds(!$turns->delete('x1'), 'gone');
    holds($turns->remove('x2'), 'removed');
    my @done = map { $_ ? 1 : 0 } $turns->delete_multi('x3', 'x4');
    same([1, 0], \@done);
    same({}, $turns->get_multi('x1', 'x2', 'x3'));
};

test 'incr, decr and their multiples; zero is the least' => sub {
    holds(!$turns->incr('nobody'), 'incr of nothing');
    holds(!$turns->decr('nobody'), 'decr of nothing');
    $turns->set('count', '10');
    $turns->set('other', '1');
    same(15, $turns->incr('count', 5));
    same(9, $turns->decr('count', 6));
    # A 0 is told as "0 but true".
    same(0, $turns->decr('count', 100) + 0);
    same({ count => 1, other => 4 },
        scalar $turns->incr_multi('count', ['other', 3]));
    same({ other => 2 }, scalar $turns->decr_multi(['other', 2]));
    $turns->set('letters', 'abc');
    holds(!$turns->incr('letters'), 'incr of letters');
    same('abc', $turns->get('letters'));
};

test 'gets, gets_multi, cas and cas_multi' => sub {
    $turns->set('token', '1');
    $turns->set('other', '2');
    my $got = $turns->gets('token');
    same('1', $got->[1]);
    holds($turns->cas('token', $got->[0], '2'), 'the token is good');
    holds(!$turns->cas('token', $got->[0], '3'), 'but once');
    same('2', $turns->get('token'));
    holds(!$turns->cas('nothing', $got->[0], '3'), 'nothing there');
    my $many = $turns->gets_multi(qw(token other nothing));
    same([qw(other token)], [sort keys %$many]);
    my @done = map { $_ ? 1 : 0 } $turns->cas_multi(
        ['token', $many->{token}[0], '4'], ['other', $got->[0], '5']);
    same([1, 0], \@done);
};

test 'four writers that use cas lose no update' => sub {
    $turns->set('sum', 0);
    compete(sub {
        my $mine = connect_to($servers[0]);
        my $added = 0;
        for (1 .. ATTEMPTS_MAX) {
            my ($token, $sum) = @{ $mine->gets('sum') };
            $added++ if $mine->cas('sum', $token, $sum + 1);
            last if $added == ROUNDS;
        }
    });
    same(WRITERS * ROUNDS, $turns->get('sum'));
};

test 'touch, gat, gats and their multiples' => sub {
    $turns->set('touched', 'x');
    $turns->set('other', 'y');
    holds($turns->touch('touched', 100), 'touch');
    holds(!$turns->touch('nothing', 100), 'touch of nothing');
    my @done = map { $_ ? 1 : 0 }
        $turns->touch_multi(['touched', 100], ['nothing', 100]);
    same([1, 0], \@done);
    same('x', $turns->gat(100, 'touched'));
    same(undef, $turns->gat(100, 'nothing'));
    same({ touched => 'x', other => 'y' },
        $turns->gat_multi(100, qw(touched other nothing)));
    my $got = $turns->gats(100, 'touched');
    same('x', $got->[1]);
    holds($turns->cas('touched', $got->[0], 'z'), 'cas after gats');
    my $many = $turns->gats_multi(100, qw(touched other));
    same('z', $many->{touched}[1]);
    # The time is the one that gat says.
    holds(defined $turns->gat(1, 'other'), 'gat');
    until_so(sub { !defined $turns->get('other') }, 'gat has its time');
};

test '1,000 keys are set at once and got at once' => sub {
    my %items = map { ("many.$_" => "value $_") } 1 .. MANY;
    my $done = $turns->set_multi(map { [$_, $items{$_}] } keys %items);
    same(MANY, scalar grep { $_ } values %$done);
    same(\%items, $turns->get_multi(keys %items));
    same(MANY, scalar keys %{ $turns->gets_multi(keys %items) });
    $turns->delete_multi(keys %items);
    same({}, $turns->get_multi(keys %items));
};

test 'a key of 250 bytes is a key' => sub {
    my $key = 'k' x KEY_BYTES_MAX;
    holds($turns->set($key, 'long'), 'set');
    same('long', $turns->get($key));
    same(undef, $turns->get(substr $key, 1));
    holds($turns->delete($key), 'deleted');
    holds(!$turns->set($key . 'k', 'x'), 'a key of 251');
    same(undef, $turns->get('nothing'));
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

test 'server_versions' => sub {
    my $versions = connect_to($servers[0])->server_versions;
    my $version = $versions->{ $servers[0] };
    holds($version =~ /^\d+\.\d+\.\d+$/, "version $version");
};

test 'what is sent without waiting for replies is done, in order' => sub {
    my $hasty = Cache::Memcached::Fast->new(
        { servers => [$servers[0]], nowait => 1, io_timeout => 20 });
    # In void context the library does not wait.
    for my $number (1 .. MANY) {
        $hasty->set("hasty.$number", $number);
        $hasty->set('hasty', $number);
    }
    $hasty->append('hasty', '!');
    $hasty->delete('hasty.1');
    $hasty->incr('hasty.2');
    $hasty->nowait_push;
    same(MANY . '!', $hasty->get('hasty'));
    my $found = $hasty->get_multi(map { "hasty.$_" } 1 .. MANY);
    same(MANY - 1, scalar keys %$found);
    same(3, $found->{'hasty.2'});
};

test 'a client of several servers, with a namespace' => sub {
    my $all = Cache::Memcached::Fast->new({
        servers       => [@servers],
        namespace     => 'space.',
        ketama_points => 150,
    });
    same('space.', $all->namespace);
    holds($all->set("spread.$_", $_), $_) for 1 .. 100;
    my $found = $all->get_multi(map { "spread.$_" } 1 .. 100);
    same(100, scalar keys %$found);
};

test 'a client that disconnects may come back' => sub {
    my $one = connect_to($servers[0]);
    $one->set('here', 'x');
    $one->disconnect_all;
    same('x', $one->get('here'));
};

test 'items expire when their time has come, others stay' => sub {
    until_so(sub { !defined $turns->get('short') }, 'short expires');
    until_so(sub { !defined $turns->get('shortened') }, 'shortened expires');
    same('lives', $turns->get('long'));
    same('lives', $turns->get('prolonged'));
};

test 'flush_all leaves nothing, and what comes next lives' => sub {
    $turns->set('f', '1');
    holds((values %{ $turns->flush_all })[0], 'flush_all');
    same(undef, $turns->get('f'));
    holds($turns->set('f', 'again'), 'set');
    same('again', $turns->get('f'));
};

test 'flush_all with a delay flushes later' => sub {
    my $one = connect_to($servers[0]);
    $one->set('doomed', 'x');
    holds((values %{ $one->flush_all(2) })[0], 'flush_all');
    same('x', $one->get('doomed'));
    until_so(sub { !defined $one->get('doomed') }, 'the flush');
};

finish();
