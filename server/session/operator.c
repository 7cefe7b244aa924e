/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operator: what operators say to a server, and scripts of theirs.
 *
 * A row for each word.  Those that steer a storage of slabs and LRU lists are
 * understood and answered as memcached does, and change nothing here.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "proto/base/decimal.h"
#include "server/session/state.h"

#define WORDS_MAX 12
#define OK "OK\r\n"
#define ERROR "ERROR\r\n"
#define BAD_FORMAT "CLIENT_ERROR bad command line format\r\n"
#define CLASSES_MAX 64
#define ALL_CLASSES UINT64_MAX
#define CRAWLER_SLEEP_US_MAX 1000000
#define VERBOSITY_MAX 2
#define MEGABYTES_MIN 8
/* Who says more speaks of bytes. */
#define MEGABYTES_MAX 1000000000
#define HOT_AND_WARM_PERCENT_MAX 80

/* The words behind the first; those that are missing are empty. */
struct words {
    size_t count; /* of all, also where there are more than these */
    struct span at[WORDS_MAX];
};

/* Answers with a line, or NULL where there is nothing to say. */
typedef const char *answer(struct session *session, const struct words *words);

static struct span next_word(struct span *rest)
{
    const uint8_t *at = rest->data;
    const uint8_t *end = rest->data + rest->length;

    while (at < end && *at == ' ')
        at++;
    const uint8_t *start = at;
    while (at < end && *at != ' ')
        at++;
    *rest = span_of(at, (size_t)(end - at));
    return span_of(start, (size_t)(at - start));
}

/* Returns the first word, and the others in `words`. */
static struct span split(struct span line, struct words *words)
{
    struct span first = next_word(&line);

    *words = (struct words){.count = 0};
    for (;;) {
        struct span word = next_word(&line);
        if (word.length == 0)
            return first;
        if (words->count < WORDS_MAX)
            words->at[words->count] = word;
        words->count++;
    }
}

/* Whoever ends a line so wants no answer, and it is no word of the line. */
static bool drop_noreply(struct words *words)
{
    if (words->count == 0 || words->count > WORDS_MAX ||
        !span_equal(words->at[words->count - 1], SPAN("noreply")))
        return false;
    words->count--;
    words->at[words->count] = (struct span){0};
    return true;
}

static bool is(const struct words *words, size_t index, const char *word)
{
    return span_equal(words->at[index], span_of_string(word));
}

static bool number_at(const struct words *words, size_t index, uint64_t *number)
{
    return decimal_parse_whole(words->at[index], number);
}

/* A whole word that is a number, perhaps with a sign and a fraction. */
static bool real_at(const struct words *words, size_t index, double *number)
{
    char text[32] = {0};
    char *end;

    if (words->at[index].length == 0 || words->at[index].length >= sizeof(text))
        return false;
    span_copy((uint8_t *)text, words->at[index]);
    *number = strtod(text, &end);
    return *end == '\0' && *number == *number;
}

static bool integer_at(const struct words *words, size_t index, bool *is_below)
{
    struct span text = words->at[index];
    uint64_t number;

    *is_below = text.length > 1 && text.data[0] == '-';
    if (*is_below)
        text = span_of(text.data + 1, text.length - 1);
    return decimal_parse_whole(text, &number) && number <= INT32_MAX;
}

/* ---- words of this server ---- */

static const char *set_verbosity(struct session *session,
                                 const struct words *words)
{
    uint64_t level;

    if (!number_at(words, 0, &level))
        return BAD_FORMAT;
    log_set_verbosity(session_log(session),
                      level > VERBOSITY_MAX ? VERBOSITY_MAX : (unsigned)level);
    return OK;
}

static const char *set_memory(struct session *session,
                              const struct words *words)
{
    uint64_t megabytes;

    if (!number_at(words, 0, &megabytes))
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
    if (words->count > 1 || (words->count == 1 && !is(words, 0, "graceful")))
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
        unsigned stream =
            i < WORDS_MAX ? watch_stream_named(words->at[i]) : WATCH_NOTHING;
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
    bool is_crawl = is(words, 0, "crawl");
    bool is_metadump = is(words, 0, "metadump");

    if (words->count != 2 ||
        !(is_crawl || is_metadump || is(words, 0, "mgdump")))
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
    bool is_sleep = is(words, 0, "sleep");
    uint64_t number;

    if (words->count == 1 && is(words, 0, "enable"))
        return atomic_exchange(&clients->has_crawler, true)
                   ? "ERROR failed to start lru crawler thread\r\n"
                   : OK;
    if (words->count == 1 && is(words, 0, "disable")) {
        atomic_store(&clients->has_crawler, false);
        return OK;
    }
    if (words->count != 2 || !(is_sleep || is(words, 0, "tocrawl")))
        return walk(session, words);
    if (!number_at(words, 1, &number))
        return BAD_FORMAT;
    if (is_sleep && number > CRAWLER_SLEEP_US_MAX)
        return "CLIENT_ERROR sleep must be one second or less\r\n";
    return OK;
}

/* ---- words about slabs and LRU lists, which are not here ---- */

static const char *reassign(const struct words *words)
{
    uint64_t from;
    uint64_t to;
    bool is_below;

    if (words->count != 3)
        return ERROR;
    if (!integer_at(words, 1, &is_below) || !integer_at(words, 2, &is_below))
        return BAD_FORMAT;
    if (span_equal(words->at[1], words->at[2]))
        return "SAME src and dst class are identical\r\n";
    if (!number_at(words, 1, &from) || !number_at(words, 2, &to) ||
        from >= CLASSES_MAX || to >= CLASSES_MAX)
        return "BADCLASS invalid src or dst class id\r\n";
    return "NOSPARE source class has no spare pages\r\n";
}

static const char *automove(const struct words *words)
{
    uint64_t number;
    double share;

    if (words->count < 2)
        return ERROR;
    if (is(words, 1, "ratio") || is(words, 1, "freeratio"))
        return real_at(words, 2, &share) ? OK : ERROR;
    if (is(words, 1, "window"))
        return number_at(words, 2, &number) && number > 0 ? OK : ERROR;
    if (!number_at(words, 1, &number))
        return BAD_FORMAT;
    return number <= 2 ? OK : ERROR;
}

static const char *steer_slabs(struct session *session,
                               const struct words *words)
{
    (void)session;
    if (is(words, 0, "reassign"))
        return reassign(words);
    return is(words, 0, "automove") ? automove(words) : ERROR;
}

static const char *tune(const struct words *words)
{
    uint64_t hot_percent;
    uint64_t warm_percent;
    double hot_factor;
    double warm_factor;

    if (words->count < 5 || !number_at(words, 1, &hot_percent) ||
        !number_at(words, 2, &warm_percent) ||
        !real_at(words, 3, &hot_factor) || !real_at(words, 4, &warm_factor))
        return ERROR;
    if (hot_percent > HOT_AND_WARM_PERCENT_MAX ||
        warm_percent > HOT_AND_WARM_PERCENT_MAX - hot_percent)
        return "ERROR hot and warm pcts must not exceed 80\r\n";
    if (hot_factor <= 0 || warm_factor <= 0)
        return "ERROR hot/warm age factors must be greater than 0\r\n";
    return OK;
}

static const char *steer_lru(struct session *session, const struct words *words)
{
    bool is_below;

    (void)session;
    if (is(words, 0, "tune"))
        return tune(words);
    if (is(words, 0, "mode"))
        return is(words, 1, "flat") || is(words, 1, "segmented") ? OK : ERROR;
    if (is(words, 0, "temp_ttl"))
        return integer_at(words, 1, &is_below) ? OK : ERROR;
    return ERROR;
}

/* As a memcached that was started without storage on disk. */
static const char *steer_disk(struct session *session,
                              const struct words *words)
{
    (void)session;
    (void)words;
    return ERROR;
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
    {"slabs", steer_slabs, 1, true},
    {"lru", steer_lru, 1, true},
    {"extstore", steer_disk, 1, false},
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
    const struct row *row = find_row(split(command->argument, &words));
    const char *line = ERROR;
    bool is_silent = false;

    if (row != NULL) {
        is_silent = row->may_be_silent && drop_noreply(&words);
        line = words.count < row->words_min ? BAD_FORMAT
                                            : row->answer(session, &words);
    }
    if (line != NULL && !is_silent)
        replies_say(session, line);
}
