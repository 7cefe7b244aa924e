/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/config/options.h"

#define AT(field) offsetof(struct config, field)

/* Letters, long names, defaults and units are memcached's where it has the
 * option. */
const struct option_row option_rows[] = {
    {'p', "port", "PORT", OPTION_NUMBER, AT(port), 0, 0, 65535, "11211",
     "TCP port for clients; 0: none"},
    {'l', "listen", "ADDR", OPTION_ADDRESSES, AT(listen), AT(listen_count), 1,
     CONFIG_LISTEN_MAX, "127.0.0.1,::1",
     "address for clients: HOST, HOST:PORT, [IPV6]:PORT or *; may be "
     "repeated, or a list with commas"},
    {'s', "unix-socket", "FILE", OPTION_TEXT, AT(unix_socket), 0, 0, 0, NULL,
     "unix socket for clients, instead of TCP"},
    {'a', "unix-mask", "MASK", OPTION_OCTAL, AT(unix_mask), 0, 0, 0777, "700",
     "access mode of the unix socket, octal"},
    {'m', "memory-limit", "MB", OPTION_NUMBER, AT(memory_megabytes), 0, 2,
     16 * 1024 * 1024, "64", "memory for items and their index, in megabytes"},
    {'M', "disable-evictions", NULL, OPTION_FLAG, AT(disable_evictions), 0, 0,
     0, NULL, "answer an error when memory is full, instead of evicting"},
    {'I', "max-item-size", "BYTES", OPTION_BYTES, AT(item_bytes_max), 0, 1024,
     UINT64_C(1024) * 1024 * 1024, "1m",
     "largest value, in bytes or with k or m; at most half of -m"},
    {'c', "conn-limit", "COUNT", OPTION_NUMBER, AT(connections_max), 0, 1,
     1000000, "1024", "clients connected at the same time"},
    {'t', "threads", "COUNT", OPTION_NUMBER, AT(threads), 0, 1, 256, "4",
     "threads that serve clients"},
    {'d', "daemon", NULL, OPTION_FLAG, AT(daemon), 0, 0, 0, NULL,
     "run in the background and log to syslog"},
    {'u', "user", "USER", OPTION_TEXT, AT(user), 0, 0, 0, NULL,
     "run as this user; required when started by root"},
    {'P', "pidfile", "FILE", OPTION_TEXT, AT(pid_file), 0, 0, 0, NULL,
     "write the process id to this file"},
    {'v', "verbose", NULL, OPTION_COUNT, AT(verbosity), 0, 0, 0, NULL,
     "log more: clients that come and go; -vv: what they ask for wrongly"},
    {0, "config", "FILE", OPTION_FILE, 0, 0, 0, 0, NULL,
     "read options from a file, one per line, # begins a comment"},
    {0, "farm-listen", "ADDR[:PORT]", OPTION_ADDRESS, AT(farm_listen), 0, 0, 0,
     NULL,
     "be a member of a farm, and listen there for the other members, on port "
     "11311 unless another is named"},
    {0, "farm-advertise", "HOST:PORT", OPTION_ADDRESS, AT(farm_advertise), 0, 0,
     0, NULL,
     "where the other members reach this server, if not where it listens: a "
     "numeric address and a port"},
    {0, "farm-join", "HOST[:PORT]", OPTION_ADDRESSES, AT(farm_join),
     AT(farm_join_count), 1, CONFIG_FARM_JOIN_MAX, NULL,
     "be a member of a farm whose others may be there, on port 11311 unless "
     "another is named; may be repeated, or a list with commas"},
    {0, "farm-name", "NAME", OPTION_NAME, AT(farm_name), 0, 1,
     CONFIG_NAME_BYTES_MAX, "grapevine",
     "name of the farm, the same at every member"},
    {0, "farm-server-name", "NAME", OPTION_COLON_NAME, AT(farm_server_name), 0,
     1, CONFIG_NAME_BYTES_MAX, NULL,
     "name of this server, unlike every other's; unless given, host and farm "
     "port"},
    {0, "farm-heartbeat", "MS", OPTION_NUMBER, AT(farm_heartbeat_ms), 0, 50,
     10000, "500", "time between two signs of life, in milliseconds"},
    {0, "farm-lookup", "always|auto|never", OPTION_CHOICE, AT(farm_lookup), 0,
     0, 0, "always",
     "when a key that is not here is asked for at the other members; auto: "
     "unless this server is sure to have all"},
    {0, "farm-lookup-timeout", "MS", OPTION_NUMBER, AT(farm_lookup_timeout_ms),
     0, 1, 1000, "25", "wait at most so long for them, in milliseconds"},
    {0, "farm-journal", "MB", OPTION_NUMBER, AT(farm_journal_megabytes), 0, 1,
     4096, NULL,
     "memory beside -m for changes that others may still ask for, in "
     "megabytes; at most half of -m; unless given a quarter of it, at most "
     "64"},
    {0, "farm-ack", "all|local", OPTION_CHOICE, AT(farm_ack), 0, 0, 0, "all",
     "answer a change when every other member has it, or at once"},
    {0, "farm-ack-timeout", "MS", OPTION_NUMBER, AT(farm_ack_timeout_ms), 0, 10,
     10000, "50", "wait at most so long for all, in milliseconds"},
    {0, "farm-ack-fallback", "answer|error", OPTION_CHOICE,
     AT(farm_ack_fallback), 0, 0, 0, "answer",
     "what a client is told then: the answer all the same, or an error"},
    {0, "farm-insecure", NULL, OPTION_FLAG, AT(farm_insecure), 0, 0, 0, NULL,
     "let farm addresses be other than loopback although nothing between "
     "members is encrypted and anybody may join"},
    {'h', "help", NULL, OPTION_FLAG, AT(help), 0, 0, 0, NULL,
     "print this and exit"},
    {'V', "version", NULL, OPTION_FLAG, AT(version), 0, 0, 0, NULL,
     "print the version and exit"},
};

const size_t option_rows_count = sizeof(option_rows) / sizeof(option_rows[0]);
