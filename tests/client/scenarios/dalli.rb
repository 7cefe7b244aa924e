# SPDX-License-Identifier: BSD-3-Clause
#
# Dalli: each command of its client.  Which protocols it speaks depends on
# its version: 3.0 binary, 3.2 also meta.

KEY_BYTES_MAX = 250
# Just under 1 MB, with room for memcached's own header.
LARGE_BYTES = 1_048_000
TOO_LARGE_BYTES = 1_048_577
MANY = 1000
WRITERS = 4
ROUNDS = 50
# Of one writer; four of them cannot lose so often.
ATTEMPTS_MAX = 100 * ROUNDS
SECONDS_MAX = 15
MISSING = 77
NOT_SPOKEN = 78

begin
  require 'dalli'
  require 'securerandom'
rescue LoadError => e
  warn e.message
  exit MISSING
end

abort "usage: #{$PROGRAM_NAME} PROTOCOL HOST:PORT..." if ARGV.size < 2
PROTOCOL, *SERVERS = ARGV
if PROTOCOL == 'meta' && !defined?(Dalli::Protocol::Meta)
  warn "dalli #{Dalli::VERSION} does not speak it"
  exit NOT_SPOKEN
end
Dalli.logger.level = Logger::FATAL
$stdout.sync = true

# Each call goes to the next of several clients.
class Turns < BasicObject
  def initialize(clients)
    @clients = clients.cycle
  end

  def method_missing(name, *words, &block)
    @clients.next.public_send(name, *words, &block)
  end

  def respond_to_missing?(*)
    true
  end
end

# One test after another, as TAP.
module Tap
  @count = 0
  @failed = 0

  def self.test(name)
    @count += 1
    yield
    puts "ok #{@count} - #{name}"
  rescue StandardError => e
    @failed += 1
    puts "not ok #{@count} - #{name}"
    puts "# #{e.class}: #{e.message[0, 500]}", "# #{e.backtrace.first(3).join(' ')}"
  end

  def self.finish
    puts "1..#{@count}"
    exit(@failed.zero? ? 0 : 1)
  end
end

def test(name, &work)
  Tap.test(name, &work)
end

def same(wanted, found)
  return if wanted == found

  raise "wanted #{wanted.inspect[0, 200]}, found #{found.inspect[0, 200]}"
end

def holds(condition, what)
  raise "it does not hold: #{what}" unless condition
end

def refuses(kind)
  answer = yield
rescue kind
  nil
else
  raise "it was answered #{answer.inspect}"
end

def until_so(what)
  deadline = Time.now + SECONDS_MAX
  until yield
    raise "not in time: #{what}" if Time.now > deadline

    sleep 0.05
  end
end

def connect(*servers, **options)
  # The server is to refuse what is too large, not the library.
  defaults = { socket_timeout: 20, value_max_bytes: 4 << 20, compress: false }
  defaults[:protocol] = :meta if PROTOCOL == 'meta'
  Dalli::Client.new(servers, defaults.merge(options))
end

turns = Turns.new(SERVERS.map { |server| connect(server) })
raw = { raw: true }

turns.set('short', 'dies', 1)
turns.set('long', 'lives', 1000)
turns.set('prolonged', 'lives', 2)
holds(turns.touch('prolonged', 1000), 'touch')
turns.set('shortened', 'dies', 1000)
holds(turns.gat('shortened', 1), 'gat')

test 'set, get and get_multi' do
  holds(turns.set('a', '1'), 'set')
  same('1', turns.get('a'))
  same(nil, turns.get('nothing'))
  holds(turns.set('empty', '', nil, raw), 'set of nothing')
  same('', turns.get('empty'))
  bytes = (0..255).to_a.pack('C*') + "\r\nEND\r\n".b
  turns.set('bytes', bytes)
  same(bytes, turns.get('bytes'))
  turns.set('b', '2')
  same({ 'a' => '1', 'b' => '2' }, turns.get_multi('a', 'b', 'c'))
  seen = []
  turns.get_multi('a', 'b') { |key, value| seen << [key, value] }
  same([%w[a 1], %w[b 2]], seen.sort)
end

test 'objects come back as they were, compressed too' do
  [1, 2.5, nil, true, :sym, 'ünï', [1, { 'x' => nil }]].each do |thing|
    turns.set('thing', thing)
    same(thing, turns.get('thing'))
  end
  packing = connect(SERVERS[0], compress: true)
  packing.set('thing', 'long' * 30_000)
  same('long' * 30_000, turns.get('thing'))
end

test 'fetch fills what is missing, once' do
  same('filled', turns.fetch('through') { 'filled' })
  same('filled', turns.fetch('through') { raise 'again' })
end

test 'add and replace know what is there' do
  # What this says of a miss differs between dalli's versions.
  turns.replace('added', '0')
  same(nil, turns.get('added'))
  holds(turns.add('added', '1'), 'added')
  holds(!turns.add('added', '2'), 'it is there')
  same('1', turns.get('added'))
  holds(turns.replace('added', '3'), 'replaced')
  same('3', turns.get('added'))
end

test 'append and prepend extend what is there, and nothing else' do
  holds(!turns.append('word', 'x'), 'append')
  holds(!turns.prepend('word', 'x'), 'prepend')
  turns.set('word', 'b', nil, raw)
  holds(turns.append('word', 'c'), 'append')
  holds(turns.prepend('word', 'a'), 'prepend')
  same('abc', turns.get('word'))
end

test 'delete' do
  turns.set('x', '1')
  holds(turns.delete('x'), 'deleted')
  holds(!turns.delete('x'), 'gone')
  same(nil, turns.get('x'))
end

test 'incr and decr, with and without a beginning' do
  same(nil, turns.incr('nobody'))
  same(nil, turns.decr('nobody'))
  turns.set('count', '10', nil, raw)
  same(15, turns.incr('count', 5))
  same(9, turns.decr('count', 6))
  same(0, turns.decr('count', 100))
  same(7, turns.incr('initial', 5, 1000, 7))
  same(12, turns.incr('initial', 5, 1000, 7))
  same(7, turns.decr('initial2', 5, 1000, 7))
end

test 'cas, cas!, get_cas, set_cas, replace_cas and delete_cas' do
  same(nil, turns.cas('nothing') { 1 })
  turns.set('token', 1)
  holds(turns.cas('token') { |value| value + 1 }, 'cas')
  same(2, turns.get('token'))
  holds(!turns.cas('token') { |v| turns.set('token', 5) && v + 1 }, 'too late')
  same(5, turns.get('token'))
  holds(turns.cas!('anew') { |value| value.inspect }, 'cas!')
  same('nil', turns.get('anew'))
  value, token = turns.get_cas('token')
  same(5, value)
  many = turns.get_multi_cas('token', 'anew')
  same(token, many['token'][1])
  fresh = turns.set_cas('token', 6, token)
  holds(fresh, 'set_cas')
  holds(!turns.set_cas('token', 7, token), 'an old token')
  fresh = turns.replace_cas('token', 8, turns.get_cas('token')[1])
  holds(fresh, 'replace_cas')
  holds(!turns.delete_cas('token', token), 'an old token')
  holds(turns.delete_cas('token', turns.get_cas('token')[1]), 'delete_cas')
end

test 'four writers that use cas lose no update' do
  turns.set('sum', 0)
  writers = Array.new(WRITERS) do
    Thread.new do
      mine = connect(SERVERS[0])
      added = 0
      ATTEMPTS_MAX.times do
        added += 1 if mine.cas('sum') { |sum| sum + 1 }
        break if added == ROUNDS
      end
      mine.close
    end
  end
  writers.each(&:join)
  same(WRITERS * ROUNDS, turns.get('sum'))
end

test '1,000 keys are set unanswered in one go and got at once' do
  items = (1..MANY).to_h { |number| ["many.#{number}", "value #{number}"] }
  one = connect(SERVERS[0])
  one.multi { items.each { |key, value| one.set(key, value) } }
  same(items, one.get_multi(*items.keys))
  same(MANY, one.get_multi_cas(*items.keys).size)
  one.multi { items.each_key { |key| one.delete(key) } }
  same({}, one.get_multi(*items.keys))
end

test 'a key of 250 bytes is a key; a longer one is hashed' do
  key = 'k' * KEY_BYTES_MAX
  turns.set(key, 'long')
  same('long', turns.get(key))
  same(nil, turns.get(key[1..]))
  turns.set("#{key}k", 'hashed')
  same('hashed', turns.get("#{key}k"))
  same('long', turns.get(key))
end

test 'a value just under 1 MB comes back whole' do
  value = SecureRandom.random_bytes(LARGE_BYTES)
  holds(turns.set('large', value, nil, raw), 'set')
  holds(turns.get('large') == value, 'the same')
  holds(turns.delete('large'), 'deleted')
end

test 'a value above 1 MB is refused, and the old one is gone' do
  one = connect(SERVERS[0])
  one.set('large', 'small')
  refuses(Dalli::DalliError) { one.set('large', 'x' * TOO_LARGE_BYTES) }
  same(nil, one.get('large'))
  one.set('large', 'small')
  same('small', one.get('large'))
end

test 'touch and gat find only what is there' do
  turns.set('touched', 'x')
  same(true, turns.touch('touched', 100))
  same(nil, turns.touch('nothing', 100))
  same('x', turns.gat('touched', 100))
  same(nil, turns.gat('nothing', 100))
end

test 'version, stats and its groups' do
  one = connect(SERVERS[0])
  version = one.version[SERVERS[0]]
  holds(version =~ /\A\d+\.\d+\.\d+\z/, "version #{version}")
  figures = one.stats[SERVERS[0]]
  holds(figures['pid'].to_i.positive?, 'a pid')
  same(version, figures['version'])
  same((64 << 20).to_s, one.stats(:settings)[SERVERS[0]]['maxbytes'])
  holds(!one.stats(:items)[SERVERS[0]].empty?, 'stats items')
  holds(!one.stats(:slabs)[SERVERS[0]].empty?, 'stats slabs')
  one.reset_stats
  holds(one.stats[SERVERS[0]]['cmd_get'].to_i < figures['cmd_get'].to_i,
        'fewer gets')
end

test 'a client of several servers, with a namespace' do
  all = connect(*SERVERS, namespace: 'space')
  all.alive!
  (1..100).each { |number| all.set("spread.#{number}", number) }
  same(100, all.get_multi(*(1..100).map { |number| "spread.#{number}" }).size)
  all.close
end

test 'a client that closes may come back' do
  one = connect(SERVERS[0])
  one.set('here', 'x')
  one.close
  same('x', one.with { |same_one| same_one.get('here') })
end

test 'items expire when their time has come, others stay' do
  until_so('short expires') { turns.get('short').nil? }
  until_so('shortened expires') { turns.get('shortened').nil? }
  same('lives', turns.get('long'))
  same('lives', turns.get('prolonged'))
end

test 'flush leaves nothing, and what comes next lives' do
  turns.set('f', '1')
  turns.flush
  same(nil, turns.get('f'))
  turns.set('f', 'again')
  same('again', turns.get('f'))
end

Tap.finish
