/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log: one line per event whatever a client put into it, in journald's
 * form where journald reads, and never more lines than its rate allows.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/log/log.h"

#define START 1800000000 /* 2027-01-15T08:00:00Z */
#define PREFIX "2027-01-15T08:00:00Z "

/* The rate goes by this clock, so that no test has to wait. */
static time_t clock_seconds;

time_t time(time_t *to)
{
    if (to != NULL)
        *to = clock_seconds;
    return clock_seconds;
}

static struct log *log_of_test;
static int real_stderr;
static int reader;
static char captured[256 * 1024];

/* From here on stderr is a pipe. */
static void capture(void)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_true(fcntl(ends[0], F_SETPIPE_SZ, 256 * 1024) > 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    reader = ends[0];
    fflush(stderr);
    real_stderr = dup(STDERR_FILENO);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    close(ends[1]);
}

/* Stderr is itself again; what came in between. */
static const char *release(void)
{
    assert_int_equal(dup2(real_stderr, STDERR_FILENO), STDERR_FILENO);
    close(real_stderr);
    ssize_t length = read(reader, captured, sizeof(captured) - 1);
    close(reader);
    captured[length > 0 ? length : 0] = '\0';
    return captured;
}

static int set_up(void **state)
{
    (void)state;
    clock_seconds = START;
    unsetenv("JOURNAL_STREAM");
    log_of_test = log_create();
    return log_of_test == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    log_destroy(log_of_test);
    return 0;
}

static unsigned count_lines(const char *text)
{
    unsigned lines = 0;

    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

static void say(enum log_severity severity, const char *text)
{
    log_event(log_of_test, EVENT_SERVER, severity, "%s", text);
}

static void an_event_is_one_line_with_time_and_severity(void **state)
{
    (void)state;
    capture();
    say(SEVERITY_NOTICE, "ready");
    log_event(log_of_test, EVENT_MEMORY, SEVERITY_ERROR, "%d of %s", 3, "4");
    say(SEVERITY_WARNING, "");
    assert_string_equal(release(), PREFIX "notice ready\n" PREFIX
                                          "error 3 of 4\n" PREFIX "warning \n");
}

static void levels_follow_the_verbosity(void **state)
{
    static const char *const expected[] = {
        PREFIX "error x\n" PREFIX "warning x\n" PREFIX "notice x\n",
        PREFIX "error x\n" PREFIX "warning x\n" PREFIX "notice x\n" PREFIX
               "info x\n",
        PREFIX "error x\n" PREFIX "warning x\n" PREFIX "notice x\n" PREFIX
               "info x\n" PREFIX "debug x\n"};

    (void)state;
    assert_int_equal(log_verbosity(log_of_test), 0);
    for (unsigned verbosity = 0; verbosity < 4; verbosity++) {
        log_set_verbosity(log_of_test, verbosity);
        assert_int_equal(log_verbosity(log_of_test), verbosity);
        capture();
        for (int severity = 0; severity <= SEVERITY_DEBUG; severity++)
            say((enum log_severity)severity, "x");
        assert_string_equal(release(), expected[verbosity < 2 ? verbosity : 2]);
    }
}

/* ---- the rate ---- */

static unsigned lines_of(enum log_kind kind, unsigned events)
{
    capture();
    for (unsigned i = 0; i < events; i++)
        log_event(log_of_test, kind, SEVERITY_NOTICE, "x");
    return count_lines(release());
}

static void of_one_kind_so_many_lines_and_not_one_more(void **state)
{
    (void)state;
    assert_int_equal(lines_of(EVENT_REFUSAL, LOG_LINES_MAX), LOG_LINES_MAX);
    assert_int_equal(lines_of(EVENT_REFUSAL, 1), 0);
    assert_int_equal(lines_of(EVENT_REFUSAL, 1000), 0);
    clock_seconds += LOG_WINDOW_S - 1;
    assert_int_equal(lines_of(EVENT_REFUSAL, 1), 0);
}

static void each_kind_has_a_rate_of_its_own(void **state)
{
    (void)state;
    for (int kind = 0; kind < EVENT_KINDS; kind++)
        assert_int_equal(lines_of((enum log_kind)kind, 100), LOG_LINES_MAX);
}

static void a_new_window_tells_what_was_not_shown(void **state)
{
    (void)state;
    lines_of(EVENT_SERVER, LOG_LINES_MAX + 7);
    clock_seconds += LOG_WINDOW_S;
    capture();
    say(SEVERITY_NOTICE, "first");
    say(SEVERITY_NOTICE, "second");
    assert_string_equal(release(),
                        "2027-01-15T08:00:10Z notice first (and 7 like it not "
                        "shown)\n2027-01-15T08:00:10Z notice second\n");
    assert_int_equal(lines_of(EVENT_SERVER, 100), LOG_LINES_MAX - 2);
}

static void what_is_below_the_verbosity_uses_up_nothing(void **state)
{
    (void)state;
    capture();
    for (unsigned i = 0; i < 1000; i++)
        say(SEVERITY_DEBUG, "x");
    assert_string_equal(release(), "");
    assert_int_equal(lines_of(EVENT_SERVER, 100), LOG_LINES_MAX);
}

static void a_clock_set_back_does_not_silence_it(void **state)
{
    (void)state;
    assert_int_equal(lines_of(EVENT_SERVER, 100), LOG_LINES_MAX);
    clock_seconds -= 86400;
    assert_int_equal(lines_of(EVENT_SERVER, 100), LOG_LINES_MAX);
}

static void a_long_line_does_not_lose_the_count(void **state)
{
    char text[3000];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    lines_of(EVENT_SERVER, LOG_LINES_MAX + 7);
    clock_seconds += LOG_WINDOW_S;
    capture();
    say(SEVERITY_NOTICE, text);
    say(SEVERITY_NOTICE, "short");
    assert_non_null(strstr(release(), "(and 7 like it not shown)"));
}

/* ---- what a line may hold ---- */

static void control_bytes_are_made_printable(void **state)
{
    (void)state;
    capture();
    say(SEVERITY_NOTICE, "a\r\nb\t\x1b[31m\x7f\x01\b ~c");
    assert_string_equal(release(), PREFIX "notice a??b??[31m??? ~c\n");
}

static void every_byte_is_printable_or_left_as_it_is(void **state)
{
    (void)state;
    for (int byte = 1; byte < 256; byte++) {
        char text[] = {(char)byte, '\0'};
        clock_seconds += LOG_WINDOW_S;
        capture();
        say(SEVERITY_NOTICE, text);
        const char *line = release();
        assert_int_equal(count_lines(line), 1);
        char got = line[strlen(line) - 2];
        bool is_control = byte < ' ' || byte == 127;
        assert_int_equal((unsigned char)got, is_control ? '?' : byte);
    }
}

static void a_long_line_is_cut_and_still_one_line(void **state)
{
    static const size_t lengths[] = {1000, 1022, 1023, 1024, 1025, 5000};
    char text[6000];

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        memset(text, 'x', lengths[i]);
        text[lengths[i]] = '\0';
        capture();
        say(SEVERITY_NOTICE, text);
        const char *line = release();
        size_t kept = lengths[i] < 1023 ? lengths[i] : 1023;
        assert_int_equal(strlen(line), strlen(PREFIX "notice \n") + kept);
        assert_int_equal(line[strlen(line) - 1], '\n');
        assert_int_equal(count_lines(line), 1);
    }
}

static void a_format_in_a_text_is_text(void **state)
{
    (void)state;
    capture();
    say(SEVERITY_NOTICE, "%s%n%d");
    assert_string_equal(release(), PREFIX "notice %s%n%d\n");
}

/* ---- where it goes ---- */

/* A log that was created while journald's word was `stream`. */
static const char *said_with_stream(const char *stream)
{
    setenv("JOURNAL_STREAM", stream, 1);
    struct log *log = log_create();
    unsetenv("JOURNAL_STREAM");
    log_set_verbosity(log, 2);
    for (int severity = 0; severity <= SEVERITY_DEBUG; severity++)
        log_event(log, EVENT_SERVER, (enum log_severity)severity, "x");
    log_destroy(log);
    return release();
}

static void journald_gets_its_own_form(void **state)
{
    struct stat status;
    char stream[64];

    (void)state;
    capture();
    assert_int_equal(fstat(STDERR_FILENO, &status), 0);
    snprintf(stream, sizeof(stream), "%llu:%llu",
             (unsigned long long)status.st_dev,
             (unsigned long long)status.st_ino);
    assert_string_equal(said_with_stream(stream),
                        "<3>x\n<4>x\n<5>x\n<6>x\n<7>x\n");
}

static void a_journal_that_reads_elsewhere_is_not_meant(void **state)
{
    static const char *const others[] = {
        "1:1", "", "x", ":", "1", "1:x", "99999999999999999999:1"};
    struct stat status;
    char stream[64];

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        capture();
        const char *said = said_with_stream(others[i]);
        assert_int_equal(strncmp(said, PREFIX, strlen(PREFIX)), 0);
    }
    /* The device is right, the inode is not. */
    capture();
    assert_int_equal(fstat(STDERR_FILENO, &status), 0);
    snprintf(stream, sizeof(stream), "%llu:%llu",
             (unsigned long long)status.st_dev,
             (unsigned long long)status.st_ino + 1);
    assert_int_equal(strncmp(said_with_stream(stream), PREFIX, strlen(PREFIX)),
                     0);
}

static void with_syslog_stderr_stays_silent(void **state)
{
    (void)state;
    capture();
    log_use_syslog(log_of_test);
    say(SEVERITY_DEBUG, "x");
    say(SEVERITY_INFO, "x");
    assert_string_equal(release(), "");
}

static void a_stderr_that_nobody_reads_stops_nobody(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    capture();
    close(reader);
    say(SEVERITY_NOTICE, "x");
    release();
}

static void a_stderr_that_is_closed_stops_nobody(void **state)
{
    (void)state;
    capture();
    close(STDERR_FILENO);
    say(SEVERITY_NOTICE, "x");
    release();
}

/* A pipe that takes nothing and makes its writers wait. */
static void fill_stderr(void)
{
    char filler[4096] = {0};
    int flags = fcntl(STDERR_FILENO, F_GETFL);

    fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK);
    while (write(STDERR_FILENO, filler, sizeof(filler)) > 0)
        ;
    fcntl(STDERR_FILENO, F_SETFL, flags);
}

static void a_stderr_that_is_full_stops_nobody(void **state)
{
    int status;

    (void)state;
    capture();
    fill_stderr();
    pid_t child = fork();
    if (child == 0) {
        /* Who is stopped is ended by the alarm. */
        alarm(2);
        say(SEVERITY_NOTICE, "x");
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    release();
    assert_true(WIFEXITED(status));
}

static void *say_five(void *context)
{
    for (unsigned i = 0; i < LOG_LINES_MAX / 4; i++)
        say(SEVERITY_NOTICE, context);
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    static char texts[4][901];
    pthread_t threads[4];

    (void)state;
    capture();
    for (size_t i = 0; i < 4; i++) {
        memset(texts[i], (int)('a' + i), sizeof(texts[i]) - 1);
        assert_int_equal(pthread_create(&threads[i], NULL, say_five, texts[i]),
                         0);
    }
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    const char *said = release();
    assert_int_equal(count_lines(said), LOG_LINES_MAX);
    const size_t prefix_bytes = strlen(PREFIX "notice ");
    for (unsigned i = 0; i < LOG_LINES_MAX; i++) {
        const char *text = said + prefix_bytes;
        assert_int_equal(memcmp(text, texts[text[0] - 'a'], 900), 0);
        assert_int_equal(text[900], '\n');
        said = text + 901;
    }
}

static void nothing_can_be_destroyed(void **state)
{
    (void)state;
    log_destroy(NULL);
}

#define ON_LOG(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_LOG(an_event_is_one_line_with_time_and_severity),
        ON_LOG(levels_follow_the_verbosity),
        ON_LOG(of_one_kind_so_many_lines_and_not_one_more),
        ON_LOG(each_kind_has_a_rate_of_its_own),
        ON_LOG(a_new_window_tells_what_was_not_shown),
        ON_LOG(what_is_below_the_verbosity_uses_up_nothing),
        ON_LOG(a_clock_set_back_does_not_silence_it),
        ON_LOG(a_long_line_does_not_lose_the_count),
        ON_LOG(control_bytes_are_made_printable),
        ON_LOG(every_byte_is_printable_or_left_as_it_is),
        ON_LOG(a_long_line_is_cut_and_still_one_line),
        ON_LOG(a_format_in_a_text_is_text),
        ON_LOG(journald_gets_its_own_form),
        ON_LOG(a_journal_that_reads_elsewhere_is_not_meant),
        ON_LOG(with_syslog_stderr_stays_silent),
        ON_LOG(a_stderr_that_nobody_reads_stops_nobody),
        ON_LOG(a_stderr_that_is_closed_stops_nobody),
        ON_LOG(a_stderr_that_is_full_stops_nobody),
        ON_LOG(lines_of_threads_do_not_mix),
        ON_LOG(nothing_can_be_destroyed),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
