# SPDX-License-Identifier: BSD-3-Clause
#
# What the scenarios in Perl have in common: TAP, the servers that they are
# told (PROTOCOL HOST:PORT...), several clients as one, several writers.
package Scenario;

use strict;
use warnings;
use Exporter 'import';
use Time::HiRes ();

our @EXPORT = qw(need servers test same holds until_so compete finish
    KEY_BYTES_MAX LARGE_BYTES TOO_LARGE_BYTES MANY WRITERS ROUNDS
    ATTEMPTS_MAX);

use constant {
    KEY_BYTES_MAX => 250,
    # Just under 1 MB, with room for memcached's own header.
    LARGE_BYTES     => 1048000,
    TOO_LARGE_BYTES => 1048577,
    MANY            => 1000,
    WRITERS         => 4,
    ROUNDS          => 50,
    # Of one writer; four of them cannot lose so often.
    ATTEMPTS_MAX => 5000,
    SECONDS_MAX  => 15,
    MISSING      => 77,
};

$| = 1;
my ($count, $failed_count) = (0, 0);

# Loads a module; where it is not the scenario ends.
sub need {
    my ($module) = @_;
    return if eval "require $module; 1";
    print STDERR "no $module here\n";
    exit MISSING;
}

sub servers {
    die "usage: $0 PROTOCOL HOST:PORT...\n" if @ARGV < 2;
    my ($protocol, @servers) = @ARGV;
    return @servers;
}

sub test {
    my ($name, $work) = @_;
    $count++;
    if (eval { $work->(); 1 }) {
        print "ok $count - $name\n";
        return;
    }
    $failed_count++;
    my $why = $@;
    $why =~ s/\n(?=.)/\n# /g;
    print "not ok $count - $name\n# $why\n";
}

sub same {
    my ($wanted, $found) = @_;
    my ($one, $other) = map { shown($_) } $wanted, $found;
    die "wanted $one, found $other\n" . trace() if $one ne $other;
}

sub holds {
    my ($condition, $what) = @_;
    die "it does not hold: $what\n" . trace() unless $condition;
}

sub trace {
    my (undef, $file, $line) = caller(1);
    return "line $line of $file\n";
}

sub shown {
    my ($thing) = @_;
    return 'undef' unless defined $thing;
    if (ref $thing eq 'HASH') {
        return '{' . join(', ', map { "$_: " . shown($thing->{$_}) }
            sort keys %$thing) . '}';
    }
    return '[' . join(', ', map { shown($_) } @$thing) . ']'
        if ref $thing eq 'ARRAY';
    return length $thing > 300 ? length($thing) . ' bytes' : "'$thing'";
}

# Polls until it holds.
sub until_so {
    my ($is_so, $what) = @_;
    my $end = Time::HiRes::time() + SECONDS_MAX;
    until ($is_so->()) {
        die "not in time: $what\n" if Time::HiRes::time() > $end;
        Time::HiRes::sleep(0.05);
    }
}

# Several processes do the same at once.
sub compete {
    my ($work) = @_;
    my @writers;
    for (1 .. WRITERS) {
        my $writer = fork // die "fork: $!\n";
        if ($writer == 0) {
            my $done = eval { $work->(); 1 };
            print STDERR $@ unless $done;
            require POSIX;
            POSIX::_exit($done ? 0 : 1);
        }
        push @writers, $writer;
    }
    my $codes = join ' ', map { waitpid $_, 0; $? } @writers;
    same(join(' ', (0) x WRITERS), $codes);
}

sub finish {
    print "1..$count\n";
    exit($failed_count > 0 ? 1 : 0);
}

# Each call goes to the next of several clients.
package Turns;

our $AUTOLOAD;

sub new {
    my ($class, @clients) = @_;
    return bless { clients => \@clients, next => 0 }, $class;
}

sub pick {
    my ($self) = @_;
    my $clients = $self->{clients};
    return $clients->[$self->{next}++ % @$clients];
}

sub AUTOLOAD {
    my ($self, @words) = @_;
    my ($name) = $AUTOLOAD =~ /(\w+)$/;
    return if $name eq 'DESTROY';
    return $self->pick->$name(@words);
}

1;
