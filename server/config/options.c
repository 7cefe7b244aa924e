/* SPDX-License-Identifier: BSD-3-Clause */
#include "server/config/options.h"

#define AT(field) offsetof(struct config, field)

/* Letters, long names, defaults and units are memcached's where it has the
 * option. */
const struct option_row option_rows[] = {
    {'p', "port", "PORT", OPTION_NUMBER, AT(port), 0, 65535, "11211",
     "TCP port for clients; 0: none"},
    {'l', "listen", "ADDR", OPTION_ADDRESSES, AT(listen), 0, 0, "127.0.0.1,::1",
     "address for clients: HOST, HOST:PORT, [IPV6]:PORT or *; may be "
     "repeated, or a list with commas"},
    {'s', "unix-socket", "FILE", OPTION_TEXT, AT(unix_socket), 0, 0, NULL,
     "unix socket for clients, instead of TCP"},
    {'a', "unix-mask", "MASK", OPTION_OCTAL, AT(unix_mask), 0, 0777, "700",
     "access mode of the unix socket, octal"},
    {'m', "memory-limit", "MB", OPTION_NUMBER, AT(memory_megabytes), 2,
     16 * 1024 * 1024, "64", "memory for items and their index, in megabytes"},
    {'M', "disable-evictions", NULL, OPTION_FLAG, AT(disable_evictions), 0, 0,
     NULL, "answer an error when memory is full, instead of evicting"},
    {'I', "max-item-size", "BYTES", OPTION_BYTES, AT(item_bytes_max), 1024,
     UINT64_C(1024) * 1024 * 1024, "1m",
     "largest value, in bytes or with k or m; at most half of -m"},
    {'c', "conn-limit", "COUNT", OPTION_NUMBER, AT(connections_max), 1, 1000000,
     "1024", "clients connected at the same time"},
    {'t', "threads", "COUNT", OPTION_NUMBER, AT(threads), 1, 256, "4",
     "threads that serve clients"},
    {'d', "daemon", NULL, OPTION_FLAG, AT(daemon), 0, 0, NULL,
     "run in the background and log to syslog"},
    {'u', "user", "USER", OPTION_TEXT, AT(user), 0, 0, NULL,
     "run as this user; required when started by root"},
    {'P', "pidfile", "FILE", OPTION_TEXT, AT(pid_file), 0, 0, NULL,
     "write the process id to this file"},
    {'v', "verbose", NULL, OPTION_COUNT, AT(verbosity), 0, 0, NULL,
     "log more: clients that come and go; -vv: what they ask for wrongly"},
    {0, "config", "FILE", OPTION_FILE, 0, 0, 0, NULL,
     "read options from a file, one per line, # begins a comment"},
    {'h', "help", NULL, OPTION_FLAG, AT(help), 0, 0, NULL,
     "print this and exit"},
    {'V', "version", NULL, OPTION_FLAG, AT(version), 0, 0, NULL,
     "print the version and exit"},
};

const size_t option_rows_count = sizeof(option_rows) / sizeof(option_rows[0]);
