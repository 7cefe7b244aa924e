/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What can be asked of grapevined: every option at its limits and one beyond
 * them, in each way to write it, on the command line and in a file.  Whatever
 * is refused names the option and the remedy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "build.h"
#include "server/config/config.h"

#define MEGABYTE (UINT64_C(1024) * 1024)
#define WORDS_MAX 64

static char error[CONFIG_ERROR_BYTES];
static char path[64];

/* Strings are kept for the life of the process, as promised: no leaks. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return 1;
}

/* Reads the words of `line`, parted by single blanks. */
static enum config_result read_words(struct config *config, const char *line)
{
    static char words[4096];
    char *argv[WORDS_MAX + 1] = {"grapevined"};
    int argc = 1;
    char *rest;

    snprintf(words, sizeof(words), "%s", line);
    for (char *word = strtok_r(words, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        assert_true(argc < WORDS_MAX);
        argv[argc++] = word;
    }
    error[0] = '\0';
    return config_read(config, argc, argv, error);
}

static struct config read_good(const char *line)
{
    struct config config;

    if (read_words(&config, line) != CONFIG_OK)
        print_message("%s: %s\n", line, error);
    assert_string_equal(error, "");
    return config;
}

/* The error has all that is in `parts`, parted by bars. */
static void assert_refused(const char *line, const char *parts)
{
    struct config config;
    char wanted[512];
    char *rest;

    assert_int_equal(read_words(&config, line), CONFIG_BAD);
    snprintf(wanted, sizeof(wanted), "%s", parts);
    for (char *part = strtok_r(wanted, "|", &rest); part != NULL;
         part = strtok_r(NULL, "|", &rest)) {
        if (strstr(error, part) == NULL)
            print_message("%s: '%s' lacks '%s'\n", line, error, part);
        assert_non_null(strstr(error, part));
    }
    assert_null(strchr(error, '\n'));
}

/* ---- values ---- */

static void without_options_it_is_what_help_says(void **state)
{
    struct config config = read_good("");

    (void)state;
    assert_int_equal(config.port, 11211);
    assert_int_equal(config.listen_count, 2);
    assert_string_equal(config.listen[0], "127.0.0.1");
    assert_string_equal(config.listen[1], "::1");
    assert_null(config.unix_socket);
    assert_int_equal(config.unix_mask, 0700);
    assert_int_equal(config.memory_megabytes, 64);
    assert_int_equal(config.item_bytes_max, MEGABYTE);
    assert_int_equal(config.connections_max, 1024);
    assert_int_equal(config.threads, 4);
    assert_int_equal(config.verbosity, 0);
    assert_null(config.user);
    assert_null(config.pid_file);
    assert_false(config.daemon);
    assert_false(config.disable_evictions);
    assert_int_equal(config.turn_commands_max, 512);
    assert_int_equal(config.backlog, 1024);
    assert_int_equal(config.protocol, SPEAKS_AUTO);
    assert_int_equal(config.udp_port, 0);
    assert_false(config.enable_shutdown);
    assert_false(config.disable_flush_all);
    assert_false(config.disable_dumping);
    assert_false(config.disable_watch);
    assert_false(config.disable_cas);
    assert_null(config.prefix_delimiter);
    assert_false(config.core_dumps);
    assert_false(config.locks_memory);
    assert_false(config.large_pages);
    assert_false(config.surplus_waits);
    assert_int_equal(config.idle_timeout_s, 0);
    assert_int_equal(config.watcher_buffer_kilobytes, 256);
    assert_int_equal(config.worker_buffer_kilobytes, 64);
    assert_false(config.track_sizes);
    assert_false(config.help);
    assert_false(config.license);
    assert_false(config.version);
}

struct number {
    const char *letter;
    const char *name;
    size_t offset;
    const char *least;
    const char *below; /* NULL: no number is */
    const char *most;
    const char *above;
    const char *with; /* what the limits need beside them */
    bool is_octal;
};

#define AT(field) offsetof(struct config, field)

static const struct number numbers[] = {
    {"-p", "--port", AT(port), "0", NULL, "65535", "65536", "-s /x", false},
    {"-a", "--unix-mask", AT(unix_mask), "0", NULL, "777", "1000", "", true},
    {"-m", "--memory-limit", AT(memory_megabytes), "2", "1", "16777216",
     "16777217", "-I 1024", false},
    {"-I", "--max-item-size", AT(item_bytes_max), "1024", "1023", "1073741824",
     "1073741825", "-m 4096", false},
    {"-c", "--conn-limit", AT(connections_max), "1", "0", "1000000", "1000001",
     "", false},
    {"-t", "--threads", AT(threads), "1", "0", "256", "257", "", false},
    {"-R", "--max-reqs-per-event", AT(turn_commands_max), "1", "0", "1000000",
     "1000001", "", false},
    {"-b", "--listen-backlog", AT(backlog), "1", "0", "1000000", "1000001", "",
     false},
};

/* Those without a letter. */
static const struct number farm_numbers[] = {
    {NULL, "--farm-heartbeat", AT(farm_heartbeat_ms), "50", "49", "10000",
     "10001", "--farm-join a", false},
    {NULL, "--farm-lookup-timeout", AT(farm_lookup_timeout_ms), "1", "0",
     "1000", "1001", "--farm-join a", false},
    {NULL, "--farm-journal", AT(farm_journal_megabytes), "1", "0", "4096",
     "4097", "--farm-join a -m 8192", false},
    {NULL, "--farm-ack-timeout", AT(farm_ack_timeout_ms), "10", "9", "10000",
     "10001", "--farm-join a", false},
    {NULL, "--farm-leave-timeout", AT(farm_leave_timeout_ms), "0", "-1",
     "60000", "60001", "--farm-join a", false},
};

#define FARM_NUMBERS (sizeof(farm_numbers) / sizeof(farm_numbers[0]))
#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static void assert_number(const struct number *number, const char *text)
{
    /* The ways to write it. */
    static const char *const forms[] = {"%s %s", "%s%s", "%s=%s", "%s %s"};
    uint64_t wanted = strtoull(text, NULL, number->is_octal ? 8 : 10);

    for (size_t i = number->letter == NULL ? 2 : 0; i < 4; i++) {
        char line[128];
        uint64_t got;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        int used = snprintf(line, sizeof(line), forms[i],
                            i < 2 ? number->letter : number->name, text);
#pragma GCC diagnostic pop
        snprintf(line + used, sizeof(line) - (size_t)used, " %s", number->with);
        struct config config = read_good(line);
        memcpy(&got, (char *)&config + number->offset, sizeof(got));
        assert_true(got == wanted);
    }
}

static void assert_no_number(const struct number *number, const char *text)
{
    char line[128];
    char parts[128];

    if (text == NULL)
        return;
    snprintf(line, sizeof(line), "%s %s %s", number->name, text, number->with);
    char written[64];
    if (number->letter == NULL)
        snprintf(written, sizeof(written), "%s", number->name);
    else
        snprintf(written, sizeof(written), "%s (%s)", number->letter,
                 number->name);
    snprintf(parts, sizeof(parts), "option %s|'%s'|give a|from %s|to %s",
             written, text, number->is_octal ? "0" : number->least,
             number->most);
    if (number->is_octal)
        snprintf(parts, sizeof(parts),
                 "option %s|'%s'|give an octal|from 0 to %s", written, text,
                 number->most);
    assert_refused(line, parts);
}

static void numbers_have_their_limits_and_not_one_beyond(void **state)
{
    (void)state;
    for (size_t i = 0; i < NUMBERS; i++) {
        assert_number(&numbers[i], numbers[i].least);
        assert_number(&numbers[i], numbers[i].most);
        assert_no_number(&numbers[i], numbers[i].below);
        assert_no_number(&numbers[i], numbers[i].above);
    }
    for (size_t i = 0; i < FARM_NUMBERS; i++) {
        assert_number(&farm_numbers[i], farm_numbers[i].least);
        assert_number(&farm_numbers[i], farm_numbers[i].most);
        assert_no_number(&farm_numbers[i], farm_numbers[i].below);
        assert_no_number(&farm_numbers[i], farm_numbers[i].above);
    }
}

static void what_is_no_number_is_refused(void **state)
{
    static const char *const others[] = {"x",
                                         "-1",
                                         "+4",
                                         "4x",
                                         "4.0",
                                         "0x4",
                                         "18446744073709551615",
                                         "18446744073709551616",
                                         "99999999999999999999999"};

    (void)state;
    for (size_t i = 0; i < NUMBERS; i++) {
        for (size_t j = 0; j < sizeof(others) / sizeof(others[0]); j++) {
            bool is_any_port = strcmp(numbers[i].letter, "-p") == 0 &&
                               strcmp(others[j], "-1") == 0;
            if (!is_any_port)
                assert_no_number(&numbers[i], others[j]);
        }
    }
    for (size_t i = 0; i < FARM_NUMBERS; i++) {
        for (size_t j = 0; j < sizeof(others) / sizeof(others[0]); j++)
            assert_no_number(&farm_numbers[i], others[j]);
    }
    assert_no_number(&numbers[1], "8");
}

static void sizes_understand_k_m_and_g(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } sizes[] = {{"1k", 1024},
                 {"1K", 1024},
                 {"2m", 2 * MEGABYTE},
                 {"2M", 2 * MEGABYTE},
                 {"1g", 1024 * MEGABYTE},
                 {"1G", 1024 * MEGABYTE},
                 {"1024k", MEGABYTE}};
    char line[64];

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        snprintf(line, sizeof(line), "-m 4096 -I %s", sizes[i].text);
        assert_true(read_good(line).item_bytes_max == sizes[i].bytes);
    }
    assert_refused("-m 4096 -I 1kb", "-I (--max-item-size)|'1kb'|k, m and g");
    assert_refused("-m 4096 -I k", "-I (--max-item-size)|'k'");
    assert_refused("-m 4096 -I 1t", "-I (--max-item-size)|'1t'");
    assert_refused("-m 4096 -I 0k", "-I (--max-item-size)|'0k'");
    assert_refused("-m 4096 -I 2g", "-I (--max-item-size)|'2g'");
    /* 2^64 bytes and a bit, which would wrap to something small. */
    assert_refused("-m 4096 -I 17179869185g", "-I (--max-item-size)");
    assert_refused("-m 4096 -I 18014398509481985k", "-I (--max-item-size)");
    /* Megabytes are a plain number. */
    assert_refused("-m 64m", "-m (--memory-limit)|'64m'");
}

static void an_item_is_at_most_half_of_the_memory(void **state)
{
    (void)state;
    assert_int_equal(read_good("-m 64 -I 32m").item_bytes_max, 32 * MEGABYTE);
    assert_int_equal(read_good("-I 32m -m 64").item_bytes_max, 32 * MEGABYTE);
    assert_refused("-m 64 -I 33554433",
                   "option -I (--max-item-size)|33554433|-m (64 MB)|lower -I "
                   "or raise -m");
    assert_int_equal(read_good("-m 2").memory_megabytes, 2);
    assert_refused("-m 2 -I 2m", "-I (--max-item-size)|raise -m");
}

static void flags_are_set_by_letter_and_by_name(void **state)
{
    (void)state;
    assert_true(read_good("-M").disable_evictions);
    assert_true(read_good("--disable-evictions").disable_evictions);
    assert_true(read_good("-d").daemon);
    assert_true(read_good("--daemon").daemon);
    assert_true(read_good("-h").help);
    assert_true(read_good("--help").help);
    assert_true(read_good("-i").license);
    assert_true(read_good("--license").license);
    assert_true(read_good("-A").enable_shutdown);
    assert_true(read_good("--enable-shutdown").enable_shutdown);
    assert_true(read_good("-F").disable_flush_all);
    assert_true(read_good("--disable-flush-all").disable_flush_all);
    assert_true(read_good("-X").disable_dumping);
    assert_true(read_good("--disable-dumping").disable_dumping);
    assert_true(read_good("-W").disable_watch);
    assert_true(read_good("--disable-watch").disable_watch);
    assert_true(read_good("-C").disable_cas);
    assert_true(read_good("--disable-cas").disable_cas);
    assert_true(read_good("-r").core_dumps);
    assert_true(read_good("--enable-coredumps").core_dumps);
    assert_true(read_good("-k").locks_memory);
    assert_true(read_good("--lock-memory").locks_memory);
    assert_true(read_good("-L").large_pages);
    assert_true(read_good("--enable-largepages").large_pages);
    assert_true(read_good("-V").version);
    assert_true(read_good("--version").version);
}

static void verbosity_is_how_often_it_was_asked_for(void **state)
{
    (void)state;
    assert_int_equal(read_good("-v").verbosity, 1);
    assert_int_equal(read_good("-vv").verbosity, 2);
    assert_int_equal(read_good("-vvv").verbosity, 3);
    assert_int_equal(read_good("-v -v").verbosity, 2);
    assert_int_equal(read_good("--verbose -vv").verbosity, 3);
}

static void letters_may_be_written_together(void **state)
{
    struct config config = read_good("-dMvp 1234 -vt8");

    (void)state;
    assert_true(config.daemon);
    assert_true(config.disable_evictions);
    assert_int_equal(config.port, 1234);
    assert_int_equal(config.verbosity, 2);
    assert_int_equal(config.threads, 8);
    config = read_good("-dunobody");
    assert_true(config.daemon);
    assert_string_equal(config.user, "nobody");
}

static void texts_are_taken_as_they_are(void **state)
{
    struct config config = read_good("-u nobody -P /run/x.pid -s /run/x.sock");

    (void)state;
    assert_string_equal(config.user, "nobody");
    assert_string_equal(config.pid_file, "/run/x.pid");
    assert_string_equal(config.unix_socket, "/run/x.sock");
    config = read_good("--user=a=b --pidfile=-x --unix-socket -y");
    assert_string_equal(config.user, "a=b");
    assert_string_equal(config.pid_file, "-x");
    assert_string_equal(config.unix_socket, "-y");
}

static void of_two_the_last_one_counts(void **state)
{
    (void)state;
    assert_int_equal(read_good("-p 1 --port 2 -p3").port, 3);
}

/* ---- addresses ---- */

static void addresses_add_up_and_replace_the_default(void **state)
{
    struct config config = read_good("-l 10.0.0.1 -l [::1]:5,localhost:6");

    (void)state;
    assert_int_equal(config.listen_count, 3);
    assert_string_equal(config.listen[0], "10.0.0.1");
    assert_string_equal(config.listen[1], "[::1]:5");
    assert_string_equal(config.listen[2], "localhost:6");
    config = read_good("--listen=*");
    assert_int_equal(config.listen_count, 1);
    assert_string_equal(config.listen[0], "*");
    config = read_good("-l ,a,,b,");
    assert_int_equal(config.listen_count, 2);
}

static void addresses_are_at_most_so_many(void **state)
{
    char line[400] = "-l a";

    (void)state;
    for (unsigned i = 1; i < CONFIG_LISTEN_MAX; i++)
        strcat(line, i % 2 == 0 ? " -l b" : ",c");
    assert_int_equal(read_good(line).listen_count, CONFIG_LISTEN_MAX);
    strcat(line, ",d");
    assert_refused(line, "option -l (--listen)|at most 32");
}

static void an_empty_list_of_addresses_is_refused(void **state)
{
    (void)state;
    assert_refused("-l ,", "option -l (--listen)|give an address|*");
}

static void with_nothing_to_listen_on_it_says_so(void **state)
{
    (void)state;
    assert_refused("-p 0", "option -p (--port)|give a port|-s");
    assert_string_equal(read_good("-p 0 -s /x").unix_socket, "/x");
    assert_int_equal(read_good("-p 0 -l 127.0.0.1:5").port, 0);
}

static void addresses_have_a_form_and_a_port_in_range(void **state)
{
    static const char *const options[] = {"-l (--listen)", "--farm-listen",
                                          "--farm-join"};
    static const char *const others[] = {"[::1",   "[::1]5", "a:0", "a:65536",
                                         "a:http", "a:",     ":5",  "[]:5"};
    char line[128];
    char parts[128];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < sizeof(others) / sizeof(others[0]); j++) {
            snprintf(line, sizeof(line), "%s %s", i == 0 ? "-l" : options[i],
                     others[j]);
            snprintf(parts, sizeof(parts),
                     "option %s|'%s' is no address|HOST:PORT|1 to 65535",
                     options[i], others[j]);
            assert_refused(line, parts);
        }
    }
}

/* ---- who one is ---- */

static void users_speak_one_protocol(void **state)
{
    (void)state;
    assert_int_equal(read_good("-Y /u").protocol, SPEAKS_ASCII);
    assert_int_equal(read_good("-Y /u -B ascii").protocol, SPEAKS_ASCII);
    assert_string_equal(read_good("--auth-file=/u").auth_file, "/u");
    assert_refused("-Y /u -B binary", "option -B (--protocol)|-Y|-B ascii");
    assert_refused("-B auto -Y /u", "option -B (--protocol)|-Y|-B ascii");
    assert_refused("-Y /u -l a,proto[binary]:b",
                   "option -l (--listen)|'proto[binary]:b'|proto[ascii]");
    assert_refused("-Y /u -l proto[negotiating]:b", "option -l|proto[ascii]");
    assert_int_equal(read_good("-Y /u -l proto[ascii]:b").listen_count, 1);
    assert_refused("-Y", "option -Y (--auth-file)|FILE");
#ifdef HAVE_SASL
    assert_int_equal(read_good("-S").protocol, SPEAKS_BINARY);
    assert_int_equal(read_good("-S -B binary").protocol, SPEAKS_BINARY);
    assert_refused("-S -B ascii", "option -B (--protocol)|-S|-B binary");
    assert_refused("-S -B auto", "option -B (--protocol)|-S|-B binary");
    assert_refused("-S -l proto[ascii]:b", "option -l|-S|proto[binary]");
    assert_refused("-S -Y /u", "-S (--enable-sasl)|-Y (--auth-file)");
#else
    assert_refused("-S", "option -S (--enable-sasl)|not built in|-Y");
#endif
}

/* ---- TLS ---- */

#define FILES "-Z -o ssl_chain_cert=/c -o ssl_key=/k"

static void what_is_asked_of_tls_is_kept(void **state)
{
    struct config config = read_good(
        FILES " -o ssl_ca_cert=/a,ssl_verify_mode=2,ssl_ciphers=A:B "
              "-o ssl_wbuf_size=4,ssl_session_cache,ssl_kernel_tls "
              "-o ssl_min_version=3 -l mtls:a,proto[ascii]:tag[x]:notls:b:1 "
              "-l unix:/s;btls:[::1]:5");

    (void)state;
    assert_true(config.tls);
    assert_string_equal(config.tls_chain, "/c");
    assert_string_equal(config.tls_key, "/k");
    assert_string_equal(config.tls_authority, "/a");
    assert_string_equal(config.tls_ciphers, "A:B");
    assert_int_equal(config.tls_verify, 2);
    assert_int_equal(config.tls_buffer_kilobytes, 4);
    assert_int_equal(config.tls_version_min, 3);
    assert_true(config.tls_session_cache);
    assert_true(config.tls_in_kernel);
    assert_false(config.tls_key_is_der);
    assert_int_equal(config.listen_count, 4);
    assert_string_equal(config.listen[1], "proto[ascii]:tag[x]:notls:b:1");
    assert_string_equal(config.listen[3], "btls:[::1]:5");
    assert_false(read_good("-o ssl_chain_cert=/c").tls);
}

static void a_key_has_one_of_two_forms(void **state)
{
    (void)state;
    assert_true(read_good(FILES " -o ssl_keyformat=DER").tls_key_is_der);
    assert_true(read_good(FILES " -o ssl_keyformat=2").tls_key_is_der);
    assert_false(read_good(FILES " -o ssl_keyformat=PEM").tls_key_is_der);
    assert_false(read_good(FILES " -o ssl_keyformat=1").tls_key_is_der);
    assert_refused(FILES " -o ssl_keyformat=ENGINE",
                   "option -o ssl_keyformat|'ENGINE'|PEM or DER");
    assert_refused("-Z -o ssl_chain_cert=/c -o ssl_keyformat=DER",
                   "option -o ssl_keyformat|ssl_key=FILE");
}

static void what_tls_lacks_is_named(void **state)
{
    (void)state;
    assert_refused("-Z", "option -Z (--enable-ssl)|ssl_chain_cert=FILE");
    assert_refused("-Z -o ssl_key=/k", "option -Z|ssl_chain_cert=FILE");
    assert_refused(FILES " -o ssl_verify_mode=1",
                   "option -o ssl_verify_mode|ssl_ca_cert=FILE");
    assert_refused(FILES " -o ssl_verify_mode=4", "ssl_verify_mode|'4'|0 to 3");
    assert_refused(FILES " -o ssl_min_version=4", "ssl_min_version|'4'|0 to 3");
    assert_refused(FILES " -o ssl_wbuf_size=0", "ssl_wbuf_size|'0'|from 1");
    assert_refused(FILES " -l mtls:a", "option -l|'mtls:a'|ssl_ca_cert=FILE");
    assert_refused(FILES " -l btls:unix:/s", "option -l|not encrypted");
    assert_refused("-l notls:a", "option -l|'notls:a'|-Z");
    assert_refused("-l btls:a", "option -l|'btls:a'|-Z");
    assert_refused("-l a,mtls:b", "option -l|'mtls:b'|-Z");
}

static void words_before_an_address_are_checked(void **state)
{
    (void)state;
    assert_refused("-l proto[udp]:a", "option -l|'proto[udp]:a'|proto[ascii]:");
    assert_refused("-l tag[123456789]:a", "option -l|1 to 8|tag[NAME]:");
    assert_refused("-l tag_:a", "option -l|1 to 8|tag_NAME_:");
    assert_refused("-l unix:", "option -l|'unix:'|unix:PATH");
    assert_refused("--farm-join unix:/s", "option --farm-join|HOST:PORT");
}

/* ---- the farm ---- */

static void without_farm_options_a_server_stands_alone(void **state)
{
    struct config config = read_good("");

    (void)state;
    assert_null(config.farm_listen);
    assert_int_equal(config.farm_join_count, 0);
    assert_null(config.farm_server_name);
    assert_string_equal(config.farm_name, "grapevine");
    assert_int_equal(config.farm_heartbeat_ms, 500);
    assert_int_equal(config.farm_lookup, LOOKUP_ALWAYS);
    assert_int_equal(config.farm_lookup_timeout_ms, 25);
    assert_int_equal(config.farm_journal_megabytes, 16);
    assert_int_equal(config.farm_ack, ACK_ALL);
    assert_int_equal(config.farm_ack_timeout_ms, 50);
    assert_int_equal(config.farm_ack_fallback, ACK_FALLBACK_ANSWER);
    assert_int_equal(config.farm_leave_timeout_ms, 1000);
    assert_int_equal(config.farm_coordinate, COORDINATE_ATOMIC);
    assert_int_equal(config.farm_quorum, 0);
    assert_int_equal(config.farm_lock_keys_count, 2);
    assert_string_equal(config.farm_lock_keys[0], "memc.sess.key.lock.*");
    assert_string_equal(config.farm_lock_keys[1], "*.lock");
    assert_false(config.farm_insecure);
}

static void either_address_puts_a_server_into_a_farm(void **state)
{
    struct config config = read_good("--farm-listen=[::1]:11312");

    (void)state;
    assert_string_equal(config.farm_listen, "[::1]:11312");
    assert_int_equal(config.farm_join_count, 0);
    config = read_good("--farm-join a,b:5 -l c --farm-join [::1]:6");
    assert_null(config.farm_listen);
    assert_int_equal(config.farm_join_count, 3);
    assert_string_equal(config.farm_join[0], "a");
    assert_string_equal(config.farm_join[1], "b:5");
    assert_string_equal(config.farm_join[2], "[::1]:6");
    assert_int_equal(config.listen_count, 1);
    assert_string_equal(config.listen[0], "c");
    assert_string_equal(read_good("--farm-listen *:1").farm_listen, "*:1");
}

static void others_are_at_most_so_many_single_hosts(void **state)
{
    char line[400] = "--farm-join a";

    (void)state;
    for (unsigned i = 1; i < CONFIG_FARM_JOIN_MAX; i++)
        strcat(line, ",c");
    assert_int_equal(read_good(line).farm_join_count, CONFIG_FARM_JOIN_MAX);
    strcat(line, ",d");
    assert_refused(line, "option --farm-join|at most 64");
    assert_refused("--farm-join ,", "option --farm-join|give an address");
    assert_refused("--farm-join a,*", "option --farm-join|'*'|give HOST");
    assert_refused("--farm-join *:5", "option --farm-join|'*:5'|give HOST");
}

static void other_farm_options_need_a_farm(void **state)
{
    static const char *const others[] = {
        "--farm-name a",           "--farm-server-name a",
        "--farm-heartbeat 500",    "--farm-lookup always",
        "--farm-lookup-timeout 9", "--farm-journal 1",
        "--farm-ack all",          "--farm-ack-timeout 99",
        "--farm-insecure",         "--farm-ack-fallback answer",
        "--farm-leave-timeout 9"};
    char line[128];
    char parts[128];

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        snprintf(parts, sizeof(parts),
                 "option %.*s|no farm|--farm-listen or --farm-join",
                 (int)strcspn(others[i], " "), others[i]);
        assert_refused(others[i], parts);
        snprintf(line, sizeof(line), "%s --farm-listen a", others[i]);
        read_good(line);
        snprintf(line, sizeof(line), "--farm-join a %s", others[i]);
        read_good(line);
    }
}

static void names_have_letters_digits_and_few_marks(void **state)
{
    static const char *const others[] = {"a/b",      "a,b",  "a'b",
                                         "\xc3\xa4", "a\tb", "a*"};
    char line[128];

    (void)state;
    assert_string_equal(read_good("--farm-join a --farm-name A-b._9").farm_name,
                        "A-b._9");
    assert_string_equal(
        read_good("--farm-join a --farm-server-name web-1:11311")
            .farm_server_name,
        "web-1:11311");
    assert_refused("--farm-join a --farm-name a:b",
                   "option --farm-name|'a:b'|1 to 64 letters");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        snprintf(line, sizeof(line), "--farm-join a --farm-name %s", others[i]);
        assert_refused(line, "option --farm-name|1 to 64 letters, digits");
        snprintf(line, sizeof(line), "--farm-join a --farm-server-name %s",
                 others[i]);
        assert_refused(line, "option --farm-server-name|letters|or :");
    }
    assert_refused("--farm-name=", "option --farm-name needs an argument");
}

static void a_name_has_at_most_64_bytes(void **state)
{
    char line[128];
    int used = snprintf(line, sizeof(line), "--farm-join a --farm-name=");

    (void)state;
    memset(line + used, 'n', CONFIG_NAME_BYTES_MAX);
    line[used + CONFIG_NAME_BYTES_MAX] = '\0';
    assert_int_equal(strlen(read_good(line).farm_name), CONFIG_NAME_BYTES_MAX);
    strcat(line, "n");
    assert_refused(line, "option --farm-name|1 to 64");
}

static void choices_are_one_of_their_words(void **state)
{
    static const struct {
        const char *line;
        size_t offset;
        uint64_t value;
    } choices[] = {
        {"--farm-lookup always", AT(farm_lookup), LOOKUP_ALWAYS},
        {"--farm-lookup auto", AT(farm_lookup), LOOKUP_AUTO},
        {"--farm-lookup=never", AT(farm_lookup), LOOKUP_NEVER},
        {"--farm-ack all", AT(farm_ack), ACK_ALL},
        {"--farm-ack majority", AT(farm_ack), ACK_MAJORITY},
        {"--farm-ack one", AT(farm_ack), ACK_ONE},
        {"--farm-ack local", AT(farm_ack), ACK_LOCAL},
        {"--farm-coordinate atomic", AT(farm_coordinate), COORDINATE_ATOMIC},
        {"--farm-coordinate all", AT(farm_coordinate), COORDINATE_ALL},
        {"--farm-coordinate none", AT(farm_coordinate), COORDINATE_NONE},
        {"--farm-ack-fallback answer", AT(farm_ack_fallback),
         ACK_FALLBACK_ANSWER},
        {"--farm-ack-fallback error", AT(farm_ack_fallback),
         ACK_FALLBACK_ERROR}};
    static const char *const others[] = {"al",        "ALL", "alll",  "|",
                                         "all|local", "0",   "local|"};
    char line[128];

    (void)state;
    for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
        uint64_t got;
        snprintf(line, sizeof(line), "--farm-join a %s", choices[i].line);
        struct config config = read_good(line);
        memcpy(&got, (char *)&config + choices[i].offset, sizeof(got));
        assert_int_equal(got, choices[i].value);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        snprintf(line, sizeof(line), "--farm-ack %s", others[i]);
        assert_refused(line, "option --farm-ack: '|give one of all");
    }
    assert_refused("--farm-lookup x", "option --farm-lookup|'x'|always");
}

static void lock_keys_take_the_place_of_the_default(void **state)
{
    (void)state;
    struct config config = read_good("--farm-join a --farm-lock-keys a*,*b "
                                     "--farm-lock-keys c");
    assert_int_equal(config.farm_lock_keys_count, 3);
    assert_string_equal(config.farm_lock_keys[0], "a*");
    assert_string_equal(config.farm_lock_keys[1], "*b");
    assert_string_equal(config.farm_lock_keys[2], "c");
    config = read_good("--farm-join a --farm-lock-keys=");
    assert_int_equal(config.farm_lock_keys_count, 0);
    config = read_good("--farm-join a --farm-lock-keys *");
    assert_int_equal(config.farm_lock_keys_count, 1);
}

static void a_lock_key_has_one_star_at_an_end(void **state)
{
    static const char *const others[] = {"a*b", "**", "*a*", "a,b*c"};
    char line[128];

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        snprintf(line, sizeof(line), "--farm-join a --farm-lock-keys %s",
                 others[i]);
        assert_refused(line, "option --farm-lock-keys: '|one * at the start");
    }
    assert_refused("--farm-join a --farm-lock-keys",
                   "option --farm-lock-keys|needs an argument");
    assert_refused("--farm-lock-keys a", "option --farm-lock-keys|in no farm");
}

static void a_journal_is_a_quarter_of_the_memory_up_to_64(void **state)
{
    (void)state;
    assert_int_equal(read_good("-m 2").farm_journal_megabytes, 1);
    assert_int_equal(read_good("-m 7").farm_journal_megabytes, 1);
    assert_int_equal(read_good("-m 8").farm_journal_megabytes, 2);
    assert_int_equal(read_good("-m 256").farm_journal_megabytes, 64);
    assert_int_equal(read_good("-m 1024").farm_journal_megabytes, 64);
}

static void a_journal_is_at_most_half_of_the_memory(void **state)
{
    (void)state;
    assert_int_equal(read_good("--farm-join a --farm-journal 32 -m 64")
                         .farm_journal_megabytes,
                     32);
    assert_int_equal(
        read_good("--farm-join a --farm-journal 1 -m 2").farm_journal_megabytes,
        1);
    assert_refused("--farm-join a --farm-journal 33 -m 64",
                   "option --farm-journal|33 MB|-m (64 MB)|raise -m");
}

/* ---- what memcached has besides ---- */

static void a_port_may_be_the_systems_choice(void **state)
{
    (void)state;
    assert_int_equal(read_good("-p -1").port, CONFIG_PORT_ANY);
    assert_int_equal(read_good("--port=-1").port, CONFIG_PORT_ANY);
    assert_refused("-p -2", "option -p (--port)|'-2'|0 to 65535, or -1");
    assert_refused("-p -12", "option -p (--port)|'-12'");
}

static void there_is_no_udp(void **state)
{
    (void)state;
    assert_int_equal(read_good("-U 0").udp_port, 0);
    assert_int_equal(read_good("--udp-port=0").udp_port, 0);
    assert_refused("-U 11211", "option -U (--udp-port)|no UDP|flood|give 0");
    assert_refused("-U -1", "option -U (--udp-port)|no UDP|give 0");
    assert_refused("-U x", "option -U (--udp-port)|'x'");
}

static void a_protocol_is_one_of_three(void **state)
{
    (void)state;
    assert_int_equal(read_good("-B ascii").protocol, SPEAKS_ASCII);
    assert_int_equal(read_good("-Bbinary").protocol, SPEAKS_BINARY);
    assert_int_equal(read_good("--protocol=auto").protocol, SPEAKS_AUTO);
    assert_refused("-B text", "option -B (--protocol)|'text'|ascii|binary");
}

static void a_prefix_ends_at_one_character(void **state)
{
    (void)state;
    assert_string_equal(read_good("-D /").prefix_delimiter, "/");
    assert_string_equal(read_good("-D/").prefix_delimiter, "/");
    assert_refused("-D ab", "option -D: 'ab'|one character");
    assert_refused("-D", "option -D needs an argument: CHAR");
}

static void words_behind_o_are_options_too(void **state)
{
    struct config config = read_good("-o idle_timeout=30,no_maxconns_fast");

    (void)state;
    assert_int_equal(config.idle_timeout_s, 30);
    assert_true(config.surplus_waits);
    config = read_good("--extended=track_sizes -o watcher_logbuf_size=1,"
                       "worker_logbuf_size=2 -o ,maxconns_fast,");
    assert_true(config.track_sizes);
    assert_false(config.surplus_waits);
    assert_int_equal(config.watcher_buffer_kilobytes, 1);
    assert_int_equal(config.worker_buffer_kilobytes, 2);
    config = read_good("-o no_maxconns_fast,maxconns_fast");
    assert_false(config.surplus_waits);
    assert_refused("-o", "option -o (--extended) needs an argument");
    assert_refused("-o x", "option -o (--extended): 'x' is not known|-h");
    assert_refused("-o maxconns", "'maxconns' is not known");
    assert_refused("-o idle_timeout", "option -o idle_timeout needs an argu");
    assert_refused("-o idle_timeout=", "option -o idle_timeout needs an argu");
    assert_refused("-o idle_timeout=x", "option -o idle_timeout: 'x'|number");
    assert_refused("-o idle_timeout=-1", "option -o idle_timeout: '-1'");
    assert_refused("-o track_sizes=1", "option -o track_sizes takes no argu");
    assert_refused("-o maxconns_fast,idle_timeout=4294967296",
                   "option -o idle_timeout|0 to 4294967295");
}

/* At its limits, and one beyond. */
static void what_steers_slabs_is_accepted_and_checked(void **state)
{
    static const struct {
        const char *good;
        const char *bad;
    } words[] = {
        {"-f 1.25", "-f 1"},
        {"-f 1.001", "-f 1.0"},
        {"-f 1000", "-f 1000.001"},
        {"-f 2.", "-f -1.5"},
        {"--slab-growth-factor=1.5", "-f 1.5x"},
        {"-n 48", "-n 0"},
        {"--slab-min-size=1", "-n -1"},
        {"-o modern", "-N 0"},
        {"-o hashpower=12", "-o hashpower=11"},
        {"-o hashpower=32", "-o hashpower=33"},
        {"-o no_hashexpand", "-o no_hashexpand=1"},
        {"-o hash_algorithm=jenkins", "-o hash_algorithm=md5"},
        {"-o hash_algorithm=murmur3", "-o hash_algorithm=xxh"},
        {"-o hash_algorithm=xxh3", "-o hash_algorithm"},
        {"-o slab_reassign,no_slab_reassign", "-o slab_reassigns"},
        {"-o slab_automove", "-o slab_automove=3"},
        {"-o slab_automove=2,no_slab_automove", "-o slab_automove=-1"},
        {"-o slab_automove_ratio=0.8", "-o slab_automove_ratio=0"},
        {"-o slab_automove_ratio=1", "-o slab_automove_ratio=1.001"},
        {"-o slab_automove_window=3", "-o slab_automove_window=2"},
        {"-o slab_automove_freeratio=0.01", "-o slab_automove_freeratio=x"},
        {"-o slab_sizes=64-128-256", "-o slab_sizes=64-64"},
        {"-o slab_sizes=64", "-o slab_sizes=64-"},
        {"-o slab_sizes=1-2", "-o slab_sizes=-1-2"},
        {"-o slab_chunk_max=16", "-o slab_chunk_max=0"},
        {"-o no_chunked_items", "-o no_chunked_items=1"},
        {"-o tail_repair_time=10", "-o tail_repair_time=9"},
        {"-o lru_crawler,no_lru_crawler", "-o lru_crawlers"},
        {"-o lru_crawler_sleep=1000000", "-o lru_crawler_sleep=1000001"},
        {"-o lru_crawler_tocrawl=0", "-o lru_crawler_tocrawl=-1"},
        {"-o lru_maintainer,no_lru_maintainer", "-o lru_maintainer=1"},
        {"-o modern", "-o hot_lru_pct=0"},
        {"-o modern", "-o warm_lru_pct=80"},
        {"-o hot_max_factor=0.001", "-o hot_max_factor=0"},
        {"-o warm_max_factor=2", "-o warm_max_factor=.5"},
        {"-o temporary_ttl=61", "-o temporary_ttl=-1"},
        {"-o read_buf_mem_limit=0", "-o read_buf_mem_limit=x"},
        {"-o resp_obj_mem_limit=10", "-o resp_obj_mem_limit"},
        {"-o inline_ascii_resp,no_inline_ascii_resp", "-o inline_ascii"},
        {"-o sock_cookie_id=1", "-o sock_cookie_id="},
        {"-o modern", "-o modern=1"},
        {"-o drop_privileges,no_drop_privileges", "-o drop_privilege"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        struct config config = read_good(words[i].good);
        struct config without = read_good("");
        /* It is shown, and nothing else follows from it. */
        config.tuning = without.tuning;
        assert_memory_equal(&config, &without, offsetof(struct config, listen));
        assert_memory_equal(&config.listen_count, &without.listen_count,
                            offsetof(struct config, farm_name) -
                                offsetof(struct config, listen_count));
        assert_refused(words[i].bad, "option ");
    }
}

static void a_preset_stands_for_its_words(void **state)
{
    struct config config = read_good("-o no_modern");

    (void)state;
    assert_true(config.surplus_waits);
    assert_true(config.tuning.pages_stay);
    assert_int_equal(config.tuning.automove, 0);
    assert_true(config.tuning.has_no_crawler);
    assert_true(config.tuning.has_no_maintainer);
    config = read_good("-o no_modern,maxconns_fast,lru_crawler,slab_automove");
    assert_false(config.surplus_waits);
    assert_false(config.tuning.has_no_crawler);
    assert_int_equal(config.tuning.automove, 1);
    assert_refused("-o no_modern=1", "option -o no_modern takes no argument");
}

static void idle_options_are_looked_at_together(void **state)
{
    (void)state;
    read_good("-N 4");
    read_good("-t 8 -N 8");
    assert_refused("-N 5", "option -N (--napi-ids): 5|-t (4)|lower -N");
    read_good("-o hot_lru_pct=1,warm_lru_pct=79");
    /* Who gives one of them has the default of the other, 40. */
    read_good("-o hot_lru_pct=40");
    assert_refused("-o hot_lru_pct=41", "hot_lru_pct and warm_lru_pct: 41|40");
    assert_refused("-o hot_lru_pct=2,warm_lru_pct=79",
                   "hot_lru_pct and warm_lru_pct: 2 and 79|80|lower");
}

static void what_is_not_here_is_refused_with_the_remedy(void **state)
{
    (void)state;
    assert_refused("-e /x", "option -e (--memory-file)|remove it|--farm-join");
    assert_refused("-o ext_path=/x:1G", "option -o ext_*: |remove it|-m");
    assert_refused("-o ext_threads=1", "option -o ext_*: ");
    assert_refused("-o proxy_config=/x", "option -o proxy_*: |remove it");
}

/* ---- words ---- */

static void an_option_that_lacks_its_argument_says_which(void **state)
{
    static const char *const lines[] = {
        "-p", "-l", "-s",     "-a",      "-m",  "-I",     "-c",      "-t",
        "-u", "-P", "--port", "--port=", "-dp", "--user", "--config"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_refused(lines[i], "option |needs an argument: ");
    assert_refused("-p", "-p (--port)|PORT");
    assert_refused("--config", "option --config|FILE");
}

static void an_option_without_argument_takes_none(void **state)
{
    (void)state;
    assert_refused("--daemon=yes", "option -d (--daemon)|no argument|'yes'");
    assert_refused("--verbose=2", "option -v (--verbose)|no argument|'2'");
    assert_refused("-h 1", "'1' is no option");
}

static void what_is_not_known_is_named(void **state)
{
    (void)state;
    assert_refused("-x", "'-x' is not known|grapevined -h");
    assert_refused("-dx", "'-dx' is not known");
    assert_refused("--por", "'--por' is not known");
    assert_refused("--ports 1", "'--ports' is not known");
    assert_refused("--=1", "'--=1' is not known");
    assert_refused("---port", "'---port' is not known");
    assert_refused("-", "'-' is no option");
    assert_refused("--", "'--' is no option");
    assert_refused("port", "'port' is no option|grapevined -h");
    assert_refused("-p 1 2", "'2' is no option");
}

static void a_word_of_any_length_makes_one_short_line(void **state)
{
    char line[3000];

    (void)state;
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    assert_refused(line, "is no option");
    memcpy(line, "--", 2);
    assert_refused(line, "is not known");
    memcpy(line, "-p ", 3);
    assert_refused(line, "-p (--port)|give a number");
    memcpy(line, "--config ", 9);
    assert_refused(line, "--config|cannot read");
}

static void help_shows_every_option_with_limits_and_default(void **state)
{
    static const char *const lines[] = {
        "-p, --port=PORT ",
        "(0 to 65535) [default: 11211]",
        "-l, --listen=ADDR ",
        "[default: 127.0.0.1,::1]",
        "-s, --unix-socket=FILE ",
        "-a, --unix-mask=MASK ",
        "(0 to 777) [default: 700]",
        "-m, --memory-limit=MB ",
        "(2 to 16777216) [default: 64]",
        "-M, --disable-evictions ",
        "-I, --max-item-size=BYTES ",
        "(1024 to 1073741824) [default: 1m]",
        "-c, --conn-limit=COUNT ",
        "(1 to 1000000) [default: 1024]",
        "-t, --threads=COUNT ",
        "(1 to 256) [default: 4]",
        "-d, --daemon ",
        "-u, --user=USER ",
        "-P, --pidfile=FILE ",
        "-v, --verbose ",
        "    --config=FILE ",
        "    --farm-listen=ADDR[:PORT] ",
        "    --farm-join=HOST[:PORT] ",
        "(at most 64)",
        "    --farm-name=NAME ",
        "- . _) [default: grapevine]",
        "    --farm-server-name=NAME ",
        "    --farm-heartbeat=MS ",
        "(50 to 10000) [default: 500]",
        "    --farm-lookup=always|auto|never ",
        "[default: always]",
        "    --farm-lookup-timeout=MS ",
        "(1 to 1000) [default: 25]",
        "    --farm-journal=MB ",
        "(1 to 4096)",
        "    --farm-ack=all|majority|one|local ",
        "[default: all]",
        "    --farm-ack-timeout=MS ",
        "(10 to 10000) [default: 50]",
        "    --farm-ack-fallback=answer|error ",
        "[default: answer]",
        "    --farm-leave-timeout=MS ",
        "(0 to 60000) [default: 1000]",
        "    --farm-insecure ",
        "-h, --help ",
        "-V, --version "};
    char *help;
    size_t length;
    FILE *to = open_memstream(&help, &length);

    (void)state;
    config_print_help(to);
    fclose(to);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (strstr(help, lines[i]) == NULL)
            print_message("help lacks '%s'\n", lines[i]);
        assert_non_null(strstr(help, lines[i]));
    }
    free(help);
}

/* ---- the file ---- */

static int make_path(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/config_test.XXXXXX");
    int fd = mkstemp(path);
    if (fd >= 0)
        close(fd);
    return fd < 0;
}

static int remove_path(void **state)
{
    (void)state;
    return unlink(path);
}

static const char *write_file(const char *text, size_t length)
{
    static char line[128];
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, length, file), length);
    fclose(file);
    snprintf(line, sizeof(line), "--config %s", path);
    return line;
}

static struct config read_good_file(const char *text)
{
    return read_good(write_file(text, strlen(text)));
}

static void assert_file_refused(const char *text, unsigned line,
                                const char *parts)
{
    char all[512];

    snprintf(all, sizeof(all), "%s line %u: |%s", path, line, parts);
    assert_refused(write_file(text, strlen(text)), all);
}

static void a_file_in_the_form_of_debians_is_read(void **state)
{
    struct config config = read_good_file(
        "# memcached default config file\n"
        "# Run memcached as a daemon.  This command is implied.\n"
        "-d\n"
        "\n"
        "# Log memcached's output to /var/log/memcached\n"
        "logfile /var/log/memcached.log\n"
        "\n"
        "# Be verbose\n"
        "# -v\n"
        "# -vv\n"
        "-m 128\n"
        "-p 11212\n"
        "-u memcache\n"
        "-l 127.0.0.1\n"
        "-l ::1\n"
        "# -c 1024\n"
        "# -k\n"
        "# -M\n"
        "-P /var/run/memcached/memcached.pid\n");

    (void)state;
    assert_true(config.daemon);
    assert_int_equal(config.verbosity, 0);
    assert_int_equal(config.memory_megabytes, 128);
    assert_int_equal(config.port, 11212);
    assert_string_equal(config.user, "memcache");
    assert_int_equal(config.listen_count, 2);
    assert_string_equal(config.listen[0], "127.0.0.1");
    assert_string_equal(config.listen[1], "::1");
    assert_string_equal(config.pid_file, "/var/run/memcached/memcached.pid");
    assert_false(config.disable_evictions);
}

static void a_line_is_an_option_in_any_of_its_forms(void **state)
{
    struct config config = read_good_file("  -vv  \n"
                                          "\t-p\t1234\t\n"
                                          "--memory-limit=100\r\n"
                                          "--threads   7\n"
                                          "-c99\n"
                                          "-Md\n"
                                          "-s /run/with blank/x\n"
                                          "   # indented\n"
                                          "\r\n"
                                          "-u last");

    (void)state;
    assert_int_equal(config.verbosity, 2);
    assert_int_equal(config.port, 1234);
    assert_int_equal(config.memory_megabytes, 100);
    assert_int_equal(config.threads, 7);
    assert_int_equal(config.connections_max, 99);
    assert_true(config.disable_evictions && config.daemon);
    assert_string_equal(config.unix_socket, "/run/with blank/x");
    assert_string_equal(config.user, "last");
}

static void an_empty_file_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(read_good_file("").port, 11211);
    assert_int_equal(read_good_file("\n\n#\n").port, 11211);
}

static void a_file_stands_where_its_option_stands(void **state)
{
    char line[200];

    (void)state;
    write_file("-p 2\n-t 2\n", 10);
    snprintf(line, sizeof(line), "-p 1 -t 1 --config=%s -t 3", path);
    struct config config = read_good(line);
    assert_int_equal(config.port, 2);
    assert_int_equal(config.threads, 3);
}

static void what_is_wrong_in_a_file_names_file_and_line(void **state)
{
    (void)state;
    assert_file_refused("-p 1\n\n# comment\n-t 0\n", 4,
                        "option -t (--threads)|'0'|from 1 to 256");
    assert_file_refused("-x\n", 1, "'-x' is not known");
    assert_file_refused("-d\nport 1\n", 2, "'port' is no option");
    assert_file_refused("-d 1\n", 1, "'-d' takes no argument|'1'");
    assert_file_refused("-vv 1\n", 1, "'-vv' takes no argument");
    assert_file_refused("-p\n", 1, "-p (--port) needs an argument: PORT");
    assert_file_refused("-p 1 2\n", 1, "-p (--port)|'1 2'");
    assert_file_refused("-p1 2\n", 1, "'-p1' takes no argument|'2'");
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
    (void)state;
    assert_refused("--config /nowhere/x",
                   "option --config|'/nowhere/x'|No such file|give a file");
    assert_refused("--config /", "option --config|'/'|cannot read");
}

static void files_that_read_each_other_come_to_an_end(void **state)
{
    char text[200];

    (void)state;
    snprintf(text, sizeof(text), "--config %s\n", path);
    assert_refused(write_file(text, strlen(text)),
                   "option --config|8 deep|remove");
}

/* A file of one comment with so many bytes, and an option behind it. */
static const char *write_long_line(size_t line_bytes)
{
    static char text[6000];

    memset(text, 'c', line_bytes);
    text[0] = '#';
    memcpy(text + line_bytes, "\n-p 77\n", 8);
    return write_file(text, line_bytes + 7);
}

static void a_line_may_have_4094_bytes(void **state)
{
    (void)state;
    assert_int_equal(read_good(write_long_line(4093)).port, 77);
    assert_int_equal(read_good(write_long_line(4094)).port, 77);
}

static void a_longer_line_is_refused_and_not_cut(void **state)
{
    char parts[128];

    (void)state;
    snprintf(parts, sizeof(parts), "%s line 1: |too long|4094", path);
    assert_refused(write_long_line(4095), parts);
    assert_refused(write_long_line(5000), parts);
}

#define ON_FILE(test)                                                          \
    cmocka_unit_test_setup_teardown(test, make_path, remove_path)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_options_it_is_what_help_says),
        cmocka_unit_test(numbers_have_their_limits_and_not_one_beyond),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(sizes_understand_k_m_and_g),
        cmocka_unit_test(an_item_is_at_most_half_of_the_memory),
        cmocka_unit_test(flags_are_set_by_letter_and_by_name),
        cmocka_unit_test(verbosity_is_how_often_it_was_asked_for),
        cmocka_unit_test(letters_may_be_written_together),
        cmocka_unit_test(texts_are_taken_as_they_are),
        cmocka_unit_test(of_two_the_last_one_counts),
        cmocka_unit_test(addresses_add_up_and_replace_the_default),
        cmocka_unit_test(addresses_are_at_most_so_many),
        cmocka_unit_test(an_empty_list_of_addresses_is_refused),
        cmocka_unit_test(with_nothing_to_listen_on_it_says_so),
        cmocka_unit_test(addresses_have_a_form_and_a_port_in_range),
        cmocka_unit_test(users_speak_one_protocol),
        cmocka_unit_test(what_is_asked_of_tls_is_kept),
        cmocka_unit_test(a_key_has_one_of_two_forms),
        cmocka_unit_test(what_tls_lacks_is_named),
        cmocka_unit_test(words_before_an_address_are_checked),
        cmocka_unit_test(without_farm_options_a_server_stands_alone),
        cmocka_unit_test(either_address_puts_a_server_into_a_farm),
        cmocka_unit_test(others_are_at_most_so_many_single_hosts),
        cmocka_unit_test(other_farm_options_need_a_farm),
        cmocka_unit_test(names_have_letters_digits_and_few_marks),
        cmocka_unit_test(a_name_has_at_most_64_bytes),
        cmocka_unit_test(choices_are_one_of_their_words),
        cmocka_unit_test(lock_keys_take_the_place_of_the_default),
        cmocka_unit_test(a_lock_key_has_one_star_at_an_end),
        cmocka_unit_test(a_journal_is_a_quarter_of_the_memory_up_to_64),
        cmocka_unit_test(a_journal_is_at_most_half_of_the_memory),
        cmocka_unit_test(a_port_may_be_the_systems_choice),
        cmocka_unit_test(there_is_no_udp),
        cmocka_unit_test(a_protocol_is_one_of_three),
        cmocka_unit_test(a_prefix_ends_at_one_character),
        cmocka_unit_test(words_behind_o_are_options_too),
        cmocka_unit_test(what_steers_slabs_is_accepted_and_checked),
        cmocka_unit_test(a_preset_stands_for_its_words),
        cmocka_unit_test(idle_options_are_looked_at_together),
        cmocka_unit_test(what_is_not_here_is_refused_with_the_remedy),
        cmocka_unit_test(an_option_that_lacks_its_argument_says_which),
        cmocka_unit_test(an_option_without_argument_takes_none),
        cmocka_unit_test(what_is_not_known_is_named),
        cmocka_unit_test(a_word_of_any_length_makes_one_short_line),
        cmocka_unit_test(help_shows_every_option_with_limits_and_default),
        ON_FILE(a_file_in_the_form_of_debians_is_read),
        ON_FILE(a_line_is_an_option_in_any_of_its_forms),
        ON_FILE(an_empty_file_changes_nothing),
        ON_FILE(a_file_stands_where_its_option_stands),
        ON_FILE(what_is_wrong_in_a_file_names_file_and_line),
        ON_FILE(a_file_that_cannot_be_read_is_named),
        ON_FILE(files_that_read_each_other_come_to_an_end),
        ON_FILE(a_line_may_have_4094_bytes),
        ON_FILE(a_longer_line_is_refused_and_not_cut),
    };

    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
