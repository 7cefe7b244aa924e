/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operator: what operators say to a server, and scripts of theirs.
 *
 * A row for each word.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/decimal.h"
#include "server/session/state.h"

#define OK "OK\r\n"
#define ERROR "ERROR\r\n"
#define BAD_FORMAT "CLIENT_ERROR bad command line format\r\n"
#define CLASSES_MAX 64
#define ALL_CLASSES UINT64_MAX
#define VERBOSITY_MAX 2
#define MEGABYTES_MIN 8
/* Who says more speaks of bytes. */
#define MEGABYTES_MAX 1000000000

/* Answers with a line, or NULL where there is nothing to say. */
typedef const char *answer(struct session *session, const struct words *words);

/* ---- words of this server ---- */

static const char *set_verbosity(struct session *session,
                                 const struct words *words)
{
    uint64_t level;

    if (!words_number(words, 0, &level))
        return BAD_FORMAT;
    log_set_verbosity(session_log(session),
                      level > VERBOSITY_MAX ? VERBOSITY_MAX : (unsigned)level);
    return OK;
}

static const char *set_memory(struct session *session,
                              const struct words *words)
{
    uint64_t megabytes;

    if (!words_number(words, 0, &megabytes))
        return ERROR;
    if (megabytes < MEGABYTES_MIN)
        return "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n";
    if (megabytes > MEGABYTES_MAX)
        return "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n";
    if (!store_resize(session_store(session), (size_t)megabytes << 20))
        return "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n";
    log_event(session_log(session), EVENT_MEMORY, SEVERITY_NOTICE,
              "memory is %llu MB from now on, says connection %d",
              (unsigned long long)megabytes, session->transport.fd);
    report_system(session, "type=cache_memlimit megabytes=%llu cfd=%d",
                  (unsigned long long)megabytes, session->transport.fd);
    return OK;
}

static const char *shut_down(struct session *session, const struct words *words)
{
    const struct clients_settings *settings = &session->crew->clients->settings;

    if (!settings->enable_shutdown)
        return "SERVER_ERROR: shutdown not enabled\r\n";
    if (words->count > 1 ||
        (words->count == 1 && !words_is(words, 0, "graceful")))
        return "CLIENT_ERROR invalid shutdown mode\r\n";
    log_event(session_log(session), EVENT_SERVER, SEVERITY_NOTICE,
              "shutdown by connection %d", session->transport.fd);
    report_system(session, "type=shutdown cfd=%d", session->transport.fd);
    session->departure = DEPARTURE_SHUTDOWN;
    kill(getpid(), words->count == 0 ? SIGINT : SIGUSR1);
    session_end(session, false);
    return NULL;
}

static const char *refresh_certificates(struct session *session,
                                        const struct words *words)
{
    const struct clients_settings *settings = &session->crew->clients->settings;
    char error[TLS_ERROR_BYTES];
    char line[sizeof(error) + 16];

    (void)words;
    if (settings->tls == NULL)
        return "Error TLS not enabled\r\n";
    report_system(session, "type=refresh_certs cfd=%d", session->transport.fd);
    if (tls_reload(settings->tls, error)) {
        log_event(session_log(session), EVENT_SERVER, SEVERITY_NOTICE,
                  "has read certificates again, for connection %d",
                  session->transport.fd);
        return OK;
    }
    log_event(session_log(session), EVENT_SERVER, SEVERITY_ERROR,
              "goes on with certificates as they were: %s", error);
    snprintf(line, sizeof(line), "Error %s\r\n", error);
    replies_say(session, line);
    return NULL;
}

static const char *watch(struct session *session, const struct words *words)
{
    unsigned streams = 0;

    if (session->crew->clients->settings.disable_watch)
        return "CLIENT_ERROR watch commands not allowed\r\n";
    if (!output_is_empty(&session->output))
        return "ERROR cannot pipeline other commands before watch\r\n";
    for (size_t i = 0; i < words->count; i++) {
        unsigned stream = i < WORDS_KEPT_MAX ? watch_stream_named(words->at[i])
                                             : WATCH_NOTHING;
        if (stream == WATCH_NOTHING)
            return ERROR;
        streams |= stream;
    }
    return watching_begin(session, streams == 0 ? WATCH_FETCHERS : streams);
}

/* ---- walks over the items ---- */

/* `1,5,7`; false where one of them is no class. */
static bool parse_classes(struct span list, uint64_t *classes)
{
    *classes = 0;
    while (list.length > 0) {
        size_t length = 0;
        while (length < list.length && list.data[length] != ',')
            length++;
        uint64_t class;
        struct span one = span_of(list.data, length);
        if (one.length > 0 && (!decimal_parse_whole(one, &class) ||
                               class == 0 || class >= CLASSES_MAX))
            return false;
        if (one.length > 0)
            *classes |= UINT64_C(1) << class;
        if (length < list.length)
            length++;
        list = span_of(list.data + length, list.length - length);
    }
    return true;
}

/* NULL, with the classes; or the answer. */
static const char *find_classes(struct span list, uint64_t *classes)
{
    *classes = ALL_CLASSES;
    if (span_equal(list, SPAN("all")))
        return NULL;
    if (!parse_classes(list, classes))
        return "BADCLASS invalid class id\r\n";
    return *classes == 0 ? "NOTSTARTED no items to crawl\r\n" : NULL;
}

/* What has expired and rests until its segment is worth a sweep is swept in
 * the next round of maintenance. */
static const char *crawl(struct session *session, const struct words *words)
{
    uint64_t classes;

    if (span_equal(words->at[1], SPAN("hash")))
        return "ERROR an unknown error happened\r\n";
    const char *fault = find_classes(words->at[1], &classes);
    if (fault != NULL)
        return fault;
    store_sweep_soon(session_store(session), session->now);
    count(&session->crew->counters, COUNTER_CRAWLS, 1);
    report_system(session, "type=lru_crawler cfd=%d", session->transport.fd);
    return OK;
}

static const char *dump(struct session *session, const struct words *words,
                        enum dump_form form)
{
    bool is_metadata = form == DUMP_METADATA;
    uint64_t classes = ALL_CLASSES;
    const char *fault = NULL;

    if (session->crew->clients->settings.disable_dumping)
        return is_metadata ? "ERROR metadump not allowed\r\n"
                           : "ERROR key dump not allowed\r\n";
    if (!output_is_empty(&session->output))
        return is_metadata
                   ? "ERROR cannot pipeline other commands before metadump\r\n"
                   : "ERROR cannot pipeline other commands before mgdump\r\n";
    if (!span_equal(words->at[1], SPAN("hash")))
        fault = find_classes(words->at[1], &classes);
    return fault != NULL ? fault : dump_begin(session, form, classes);
}

static const char *walk(struct session *session, const struct words *words)
{
    bool is_crawl = words_is(words, 0, "crawl");
    bool is_metadump = words_is(words, 0, "metadump");

    if (words->count != 2 ||
        !(is_crawl || is_metadump || words_is(words, 0, "mgdump")))
        return ERROR;
    if (!atomic_load(&session->crew->clients->has_crawler))
        return "CLIENT_ERROR lru crawler disabled\r\n";
    if (is_crawl)
        return crawl(session, words);
    return dump(session, words, is_metadump ? DUMP_METADATA : DUMP_REQUESTS);
}

static const char *steer_crawler(struct session *session,
                                 const struct words *words)
{
    struct clients *clients = session->crew->clients;

    if (words->count == 1 && words_is(words, 0, "enable"))
        return atomic_exchange(&clients->has_crawler, true)
                   ? "ERROR failed to start lru crawler thread\r\n"
                   : OK;
    if (words->count == 1 && words_is(words, 0, "disable")) {
        atomic_store(&clients->has_crawler, false);
        return OK;
    }
    if (words->count == 2 &&
        (words_is(words, 0, "sleep") || words_is(words, 0, "tocrawl")))
        return steering_crawler(session, words);
    return walk(session, words);
}

/* ---- all of them ---- */

static const struct row {
    const char *word;
    answer *answer;
    size_t words_min;
    bool may_be_silent;
} rows[] = {
    {"verbosity", set_verbosity, 1, true},
    {"cache_memlimit", set_memory, 1, true},
    {"shutdown", shut_down, 0, false},
    {"refresh_certs", refresh_certificates, 0, false},
    {"watch", watch, 0, false},
    {"lru_crawler", steer_crawler, 1, false},
    {"slabs", steering_slabs, 1, true},
    {"lru", steering_lru, 1, true},
    {"extstore", steering_disk, 1, false},
};

static const struct row *find_row(struct span word)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (span_equal(word, span_of_string(rows[i].word)))
            return &rows[i];
    }
    return NULL;
}

void operator_answer(struct session *session, const struct command *command)
{
    struct words words;
    const struct row *row = find_row(words_split(command->argument, &words));
    const char *line = ERROR;
    bool is_silent = false;

    if (row != NULL) {
        is_silent = row->may_be_silent && words_drop_noreply(&words);
        line = words.count < row->words_min ? BAD_FORMAT
                                            : row->answer(session, &words);
    }
    if (line != NULL && !is_silent)
        replies_say(session, line);
}
