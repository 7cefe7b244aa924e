// SPDX-License-Identifier: BSD-3-Clause

// gomemcache: each command of its Client.  Text only, as the library.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

const (
	keyBytesMax = 250
	// Just under 1 MB, with room for memcached's own header.
	largeBytes    = 1048000
	tooLargeBytes = 1048577
	many          = 1000
	writers       = 4
	rounds        = 50
	// Of one writer; four of them cannot lose so often.
	attemptsMax = 100 * rounds
	timeMax     = 15 * time.Second
)

var (
	servers []string
	clients []*memcache.Client
	calls   int
	count   int
	failed  int
)

// next is the client whose turn it is, one for each server.
func next() *memcache.Client {
	calls++
	return clients[calls%len(clients)]
}

func connect(servers ...string) *memcache.Client {
	client := memcache.New(servers...)
	client.Timeout = 20 * time.Second
	return client
}

// test reports what the work's panic says, if it does.
func test(name string, work func()) {
	count++
	defer func() {
		if failure := recover(); failure != nil {
			failed++
			fmt.Printf("not ok %d - %s\n# %v\n", count, name, failure)
			return
		}
		fmt.Printf("ok %d - %s\n", count, name)
	}()
	work()
}

func fail(format string, words ...interface{}) {
	panic(fmt.Sprintf(format, words...))
}

// done wants no error.
func done(err error) {
	if err != nil {
		fail("%v", err)
	}
}

// refused wants this error.
func refused(wanted, err error) {
	if !errors.Is(err, wanted) {
		fail("wanted '%v', got '%v'", wanted, err)
	}
}

func item(key, value string) *memcache.Item {
	return &memcache.Item{Key: key, Value: []byte(value)}
}

func set(key, value string) {
	done(next().Set(item(key, value)))
}

// holds wants a value at every client.
func holds(key, value string) {
	for range clients {
		found, err := next().Get(key)
		done(err)
		if string(found.Value) != value {
			fail("%s is '%.100s', not '%.100s'", key, found.Value, value)
		}
	}
}

func isMissing(key string) {
	_, err := next().Get(key)
	refused(memcache.ErrCacheMiss, err)
}

func untilGone(key string) {
	for end := time.Now().Add(timeMax); ; time.Sleep(50 * time.Millisecond) {
		if _, err := next().Get(key); err == memcache.ErrCacheMiss {
			return
		}
		if time.Now().After(end) {
			fail("not in time: %s expires", key)
		}
	}
}

func storesAndReads() {
	set("a", "1")
	holds("a", "1")
	isMissing("nothing")
	set("empty", "")
	holds("empty", "")
	set("bytes", "\x00\xff\r\nEND\r\n")
	holds("bytes", "\x00\xff\r\nEND\r\n")
	flagged := item("flagged", "x")
	flagged.Flags = 1<<32 - 1
	done(next().Set(flagged))
	found, err := next().Get("flagged")
	done(err)
	if found.Flags != flagged.Flags {
		fail("flags %d", found.Flags)
	}
}

func addsAndReplaces() {
	refused(memcache.ErrNotStored, next().Replace(item("added", "0")))
	done(next().Add(item("added", "1")))
	refused(memcache.ErrNotStored, next().Add(item("added", "2")))
	holds("added", "1")
	done(next().Replace(item("added", "3")))
	holds("added", "3")
}

func deletes() {
	set("x", "1")
	done(next().Delete("x"))
	refused(memcache.ErrCacheMiss, next().Delete("x"))
	isMissing("x")
}

func counts() {
	_, err := next().Increment("nobody", 1)
	refused(memcache.ErrCacheMiss, err)
	_, err = next().Decrement("nobody", 1)
	refused(memcache.ErrCacheMiss, err)
	set("count", "10")
	step := func(value, wanted uint64, err error) {
		done(err)
		if value != wanted {
			fail("%d, not %d", value, wanted)
		}
	}
	value, err := next().Increment("count", 5)
	step(value, 15, err)
	value, err = next().Decrement("count", 6)
	step(value, 9, err)
	value, err = next().Decrement("count", 100)
	step(value, 0, err)
	set("count", "18446744073709551615")
	value, err = next().Increment("count", 2)
	step(value, 1, err)
	set("letters", "abc")
	if _, err = next().Increment("letters", 1); err == nil {
		fail("letters were counted")
	}
	holds("letters", "abc")
}

func comparesAndSwaps() {
	set("token", "1")
	slow, err := next().Get("token")
	done(err)
	fast, err := next().Get("token")
	done(err)
	fast.Value = []byte("2")
	done(next().CompareAndSwap(fast))
	slow.Value = []byte("3")
	refused(memcache.ErrCASConflict, next().CompareAndSwap(slow))
	holds("token", "2")
	done(next().Delete("token"))
	if err = next().CompareAndSwap(slow); err == nil {
		fail("a swap of what is gone")
	}
}

// races has one client serve several writers, as is usual in Go.
func races() {
	set("sum", "0")
	client := connect(servers[0])
	failures := make(chan error, writers)
	var group sync.WaitGroup
	for i := 0; i < writers; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			failures <- addUp(client)
		}()
	}
	group.Wait()
	for i := 0; i < writers; i++ {
		done(<-failures)
	}
	holds("sum", strconv.Itoa(writers*rounds))
}

func addUp(client *memcache.Client) error {
	added := 0
	for i := 0; i < attemptsMax && added < rounds; i++ {
		found, err := client.Get("sum")
		if err != nil {
			return err
		}
		sum, err := strconv.Atoi(string(found.Value))
		if err != nil {
			return err
		}
		found.Value = []byte(strconv.Itoa(sum + 1))
		switch err = client.CompareAndSwap(found); err {
		case nil:
			added++
		case memcache.ErrCASConflict:
		default:
			return err
		}
	}
	return nil
}

func readsAThousandKeys() {
	var keys []string
	for i := 0; i < many; i++ {
		key := fmt.Sprintf("many.%d", i)
		keys = append(keys, key)
		set(key, fmt.Sprintf("value %d", i))
	}
	found, err := next().GetMulti(keys)
	done(err)
	if len(found) != many {
		fail("%d keys", len(found))
	}
	for i, key := range keys {
		if string(found[key].Value) != fmt.Sprintf("value %d", i) {
			fail("%s is '%s'", key, found[key].Value)
		}
	}
}

func takesLongKeys() {
	key := strings.Repeat("k", keyBytesMax)
	set(key, "long")
	holds(key, "long")
	isMissing(key[1:])
	done(next().Delete(key))
	refused(memcache.ErrMalformedKey, next().Set(item(key+"k", "x")))
}

func takesLargeValues() {
	value := make([]byte, largeBytes)
	rand.New(rand.NewSource(1)).Read(value)
	done(next().Set(&memcache.Item{Key: "large", Value: value}))
	found, err := next().Get("large")
	done(err)
	if !bytes.Equal(found.Value, value) {
		fail("%d bytes are not the same", len(found.Value))
	}
	done(next().Delete("large"))
}

func refusesTooLargeValues() {
	set("large", "small")
	value := make([]byte, tooLargeBytes)
	if next().Set(&memcache.Item{Key: "large", Value: value}) == nil {
		fail("it was stored")
	}
	isMissing("large")
	set("large", "small")
	holds("large", "small")
}

func touches() {
	set("touched", "x")
	done(next().Touch("touched", 100))
	refused(memcache.ErrCacheMiss, next().Touch("nothing", 100))
}

func spreads() {
	all := connect(servers...)
	var keys []string
	for i := 0; i < 100; i++ {
		keys = append(keys, fmt.Sprintf("spread.%d", i))
		done(all.Set(item(keys[i], "x")))
	}
	found, err := all.GetMulti(keys)
	done(err)
	if len(found) != len(keys) {
		fail("%d keys", len(found))
	}
}

func beginToExpire() {
	begin := func(key, value string, seconds int32) {
		it := item(key, value)
		it.Expiration = seconds
		done(next().Set(it))
	}
	begin("short", "dies", 1)
	begin("long", "lives", 1000)
	begin("prolonged", "lives", 2)
	done(next().Touch("prolonged", 1000))
	begin("shortened", "dies", 1000)
	done(next().Touch("shortened", 1))
}

func expires() {
	untilGone("short")
	untilGone("shortened")
	holds("long", "lives")
	holds("prolonged", "lives")
}

func flushes(flush func() error) func() {
	return func() {
		set("f", "1")
		done(flush())
		isMissing("f")
		set("f", "again")
		holds("f", "again")
	}
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintf(os.Stderr, "usage: %s PROTOCOL HOST:PORT...\n", os.Args[0])
		os.Exit(1)
	}
	servers = os.Args[2:]
	for _, server := range servers {
		clients = append(clients, connect(server))
	}
	test("items are stored with times of life", beginToExpire)
	test("Set and Get, with flags of 32 bits", storesAndReads)
	test("Add and Replace know what is there", addsAndReplaces)
	test("Delete", deletes)
	test("Increment and Decrement, which stops at zero", counts)
	test("CompareAndSwap", comparesAndSwaps)
	test("four writers that use cas lose no update", races)
	test("1,000 keys are got at once", readsAThousandKeys)
	test("a key of 250 bytes is a key; one of 251 never leaves the library",
		takesLongKeys)
	test("a value just under 1 MB comes back whole", takesLargeValues)
	test("a value above 1 MB is refused, and the old one is gone",
		refusesTooLargeValues)
	test("Touch finds only what is there", touches)
	test("a client of several servers finds what it stored", spreads)
	test("items expire when their time has come, others stay", expires)
	test("FlushAll leaves nothing, and what comes next lives",
		flushes(func() error { return next().FlushAll() }))
	test("DeleteAll likewise",
		flushes(func() error { return next().DeleteAll() }))
	fmt.Printf("1..%d\n", count)
	if failed > 0 {
		os.Exit(1)
	}
}
