/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Report: what happens here, as lines for those who watch.
 *
 * The forms are those of memcached's `watch`.  All items are of class 1, and
 * what is not there is of class 0.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include "proto/base/decimal.h"
#include "server/session/state.h"

#define ITEM_CLASS 1
/* Of a request that is shown: its first bytes. */
#define REQUEST_BYTES_MAX ((size_t)COMMAND_KEY_BYTES_MAX)
#define EXPTIME_RELATIVE_MAX (60 * 60 * 24 * 30)

/* ---- lines ---- */

static uint8_t *begin(struct crew *crew, enum watch_stream stream,
                      const char *type)
{
    uint8_t *at = bulletin_begin(&crew->bulletin, crew->clients, stream, type);

    if (at == NULL) {
        report_post(crew);
        at = bulletin_begin(&crew->bulletin, crew->clients, stream, type);
    }
    if (at == NULL)
        count(&crew->counters, COUNTER_LOG_DROPPED, 1);
    return at;
}

static void end(struct crew *crew, uint8_t *at)
{
    bulletin_end(&crew->bulletin, at);
    count(&crew->counters, COUNTER_LOG_WRITTEN, 1);
}

void report_post(struct crew *crew)
{
    count(&crew->counters, COUNTER_LOG_DROPPED,
          bulletin_post(&crew->bulletin, crew->clients));
}

static uint8_t *put(uint8_t *at, const char *name, const char *value)
{
    at = span_copy(at, span_of_string(name));
    return span_copy(at, span_of_string(value));
}

static uint8_t *put_number(uint8_t *at, const char *name, uint64_t number)
{
    return decimal_format(span_copy(at, span_of_string(name)), number);
}

static uint8_t *put_key(uint8_t *at, struct span key)
{
    return uri_escape(span_copy(at, SPAN(" key=")), key);
}

/* -1: what is asked for is dead at once; else 0, or seconds that are left. */
static uint8_t *put_ttl(uint8_t *at, int64_t ttl)
{
    at = span_copy(at, SPAN(" ttl="));
    return ttl < 0 ? span_copy(at, SPAN("-1"))
                   : decimal_format(at, (uint64_t)ttl);
}

static uint8_t *put_place(uint8_t *at, bool is_item, int fd, uint64_t size)
{
    at = put_number(at, " clsid=", is_item ? ITEM_CLASS : 0);
    if (fd >= 0)
        at = put_number(at, " cfd=", (uint64_t)fd);
    return put_number(at, " size=", size);
}

/* ---- commands ---- */

static const char *found_word(const struct sighting *sighting)
{
    if (sighting->is_found)
        return "found";
    if (sighting->absence == STORE_EXPIRED)
        return "expired";
    return sighting->absence == STORE_FLUSHED ? "flushed" : "not_found";
}

static void report_fetch(struct session *session, const struct command *command)
{
    struct crew *crew = session->crew;
    const struct sighting *sighting = &crew->sighting;
    uint8_t *at = begin(crew, WATCH_FETCHERS, "item_get");

    if (at == NULL)
        return;
    at = put_key(at, command->key);
    at = put(at, " status=", found_word(sighting));
    end(crew, put_place(at, sighting->is_found, session->transport.fd,
                        sighting->value_bytes));
}

/* NULL where the command got no further than its words. */
static const char *stored_word(const struct execution *execution)
{
    switch (execution->outcome.kind) {
    case OUTCOME_STORED:
    case OUTCOME_NUMBER:
        return "stored";
    case OUTCOME_NOT_STORED:
        return "not_stored";
    case OUTCOME_EXISTS:
        return "exists";
    case OUTCOME_NOT_FOUND:
        return "not_found";
    case OUTCOME_TOO_LARGE:
        return "too_large";
    case OUTCOME_NO_MEMORY:
        return "no_memory";
    default:
        return NULL;
    }
}

static bool extends(const struct command *command)
{
    return command->mode == MODE_APPEND || command->mode == MODE_PREPEND;
}

static const char *mode_word(const struct command *command)
{
    if (command->kind == COMMAND_STORE && command->has_compare &&
        !extends(command))
        return "cas";
    switch (command->mode) {
    case MODE_SET:
        return "set";
    case MODE_REPLACE:
        return "replace";
    case MODE_APPEND:
        return "append";
    case MODE_PREPEND:
        return "prepend";
    case MODE_ADD:
    case MODE_INCREMENT:
    case MODE_DECREMENT:
        break;
    }
    return "add";
}

/* How long the item lives that a command asked for. */
static int64_t ttl_of(const struct session *session,
                      const struct command *command)
{
    const struct sighting *sighting = &session->crew->sighting;
    int64_t now = (int64_t)time_seconds(session->now);
    int64_t exptime = command->is_meta && command->kind == COMMAND_ARITHMETIC
                          ? command->created_exptime
                          : command->exptime;

    if (command->kind == COMMAND_STORE && extends(command))
        return sighting->exptime == 0 ? 0 : (int64_t)sighting->exptime - now;
    if (exptime <= EXPTIME_RELATIVE_MAX)
        return exptime;
    return exptime > now ? exptime - now : -1;
}

static uint64_t digits_of(uint64_t number)
{
    uint8_t text[DECIMAL_DIGITS_MAX];

    return (uint64_t)(decimal_format(text, number) - text);
}

static uint64_t stored_bytes(const struct session *session,
                             const struct command *command,
                             const struct execution *execution)
{
    if (execution->outcome.kind == OUTCOME_NUMBER)
        return digits_of(execution->outcome.number);
    if (execution->outcome.kind == OUTCOME_TOO_LARGE ||
        execution->outcome.kind == OUTCOME_NO_MEMORY)
        return 0;
    uint64_t bytes = command->value.length > 0 ? command->value.length
                                               : command->value_bytes;
    if (extends(command) && execution->outcome.kind == OUTCOME_STORED)
        bytes += session->crew->sighting.value_bytes;
    return bytes;
}

static void report_store(struct session *session, const struct command *command,
                         const struct execution *execution)
{
    const char *status = stored_word(execution);
    uint8_t *at = status == NULL
                      ? NULL
                      : begin(session->crew, WATCH_MUTATIONS, "item_store");

    if (at == NULL)
        return;
    at = put_key(at, command->key);
    at = put(at, " status=", status);
    at = put(at, " cmd=", mode_word(command));
    at = put_ttl(at, ttl_of(session, command));
    end(session->crew, put_place(at, true, session->transport.fd,
                                 stored_bytes(session, command, execution)));
}

static void report_deletion(struct session *session,
                            const struct command *command)
{
    uint8_t *at = begin(session->crew, WATCH_DELETIONS, "deleted");

    if (at == NULL)
        return;
    at = put_key(at, command->key);
    at = put(at, " cmd=", command->is_meta ? "md" : "delete");
    end(session->crew,
        put_place(at, true, -1, session->crew->sighting.value_bytes));
}

static bool mutates(const struct command *command,
                    const struct execution *execution)
{
    return command->kind == COMMAND_STORE ||
           (command->kind == COMMAND_ARITHMETIC && execution->is_created);
}

static void report_execution(struct session *session,
                             const struct command *command,
                             const struct execution *execution)
{
    unsigned streams = session->crew->reporting;

    /* memcached looks a key up before it stores there, and tells of both. */
    if ((streams & WATCH_FETCHERS) && session->crew->sighting.is_seen)
        report_fetch(session, command);
    if ((streams & WATCH_MUTATIONS) && mutates(command, execution))
        report_store(session, command, execution);
    if ((streams & WATCH_DELETIONS) &&
        execution->outcome.kind == OUTCOME_DELETED && !command->empties)
        report_deletion(session, command);
}

void report_command(struct session *session, const struct command *command,
                    const struct execution *execution)
{
    if (command->kind == COMMAND_FLUSH)
        report_system(session, "type=flush_all cfd=%d", session->transport.fd);
    else if (command_is_executed(command->kind) &&
             command->refusal == REFUSAL_NONE &&
             execution->outcome.kind != OUTCOME_UNTERMINATED)
        report_execution(session, command, execution);
    session->crew->sighting = (struct sighting){.is_seen = false};
}

/* ---- requests ---- */

/* What could be taken for another line, or is no letter, is encoded. */
static uint8_t *put_plainly(uint8_t *at, struct span text)
{
    for (size_t i = 0; i < text.length; i++) {
        uint8_t byte = text.data[i];
        if (byte >= ' ' && byte < 0x7f && byte != '%')
            *at++ = byte;
        else
            at = uri_escape(at, span_of(&text.data[i], 1));
    }
    return at;
}

void report_request(struct session *session, const struct mark *mark)
{
    struct span line = mark->rest;
    const uint8_t *end_of_line = memchr(line.data, '\n', line.length);

    /* Further keys of one line, and binary requests, are not shown. */
    if (end_of_line == NULL || mark->text.line_bytes_left > 0 ||
        session->protocol != PROTOCOL_TEXT)
        return;
    line.length = (size_t)(end_of_line - line.data);
    if (line.length > 0 && line.data[line.length - 1] == '\r')
        line.length--;
    if (line.length > REQUEST_BYTES_MAX)
        line.length = REQUEST_BYTES_MAX;
    uint8_t *at = begin(session->crew, WATCH_RAWCMDS, NULL);
    if (at == NULL)
        return;
    at = put_number(at, "<", (uint64_t)session->transport.fd);
    *at++ = ' ';
    end(session->crew, put_plainly(at, line));
}

/* ---- connections ---- */

static uint8_t *put_peer(uint8_t *at, int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage storage;
    } peer = {.any.sa_family = AF_UNSPEC};
    socklen_t length = sizeof(peer);
    char host[INET6_ADDRSTRLEN] = "unknown";
    uint64_t port = 0;

    if (getpeername(fd, &peer.any, &length) != 0)
        peer.any.sa_family = AF_UNSPEC;
    if (peer.any.sa_family == AF_INET) {
        inet_ntop(AF_INET, &peer.v4.sin_addr, host, sizeof(host));
        port = ntohs(peer.v4.sin_port);
    } else if (peer.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &peer.v6.sin6_addr, host, sizeof(host));
        port = ntohs(peer.v6.sin6_port);
    } else if (peer.any.sa_family == AF_UNIX) {
        snprintf(host, sizeof(host), "unix");
    }
    at = put_number(put(at, " rip=", host), " rport=", port);
    return put(at,
               " transport=", peer.any.sa_family == AF_UNIX ? "local" : "tcp");
}

static bool watches_connections(struct crew *crew)
{
    return (atomic_load(&crew->clients->watched) & WATCH_CONNEVENTS) != 0;
}

void report_arrival(struct session *session)
{
    uint8_t *at = watches_connections(session->crew)
                      ? begin(session->crew, WATCH_CONNEVENTS, "conn_new")
                      : NULL;

    if (at == NULL)
        return;
    at = put_peer(at, session->transport.fd);
    end(session->crew,
        put_number(at, " cfd=", (uint64_t)session->transport.fd));
    report_post(session->crew);
}

void report_departure(struct session *session)
{
    static const char *const words[] = {[DEPARTURE_ERROR] = "error",
                                        [DEPARTURE_NORMAL] = "normal",
                                        [DEPARTURE_IDLE] = "idle_timeout",
                                        [DEPARTURE_SHUTDOWN] = "shutdown"};
    uint8_t *at = watches_connections(session->crew)
                      ? begin(session->crew, WATCH_CONNEVENTS, "conn_close")
                      : NULL;

    if (at == NULL)
        return;
    at = put_peer(at, session->transport.fd);
    at = put(at, " reason=", words[session->departure]);
    end(session->crew,
        put_number(at, " cfd=", (uint64_t)session->transport.fd));
    report_post(session->crew);
}

/* ---- the system ---- */

void report_system(struct session *session, const char *format, ...)
{
    struct crew *crew = session->crew;
    va_list arguments;
    char text[128];

    if ((atomic_load(&crew->clients->watched) & WATCH_SYSEVENTS) == 0)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    uint8_t *at = begin(crew, WATCH_SYSEVENTS, NULL);
    if (at != NULL)
        end(crew, put(at, text, ""));
}

/* ---- what happens in threads that serve no clients ---- */

static void post_outside(void *context)
{
    struct clients *clients = context;
    struct counters *counters = &clients->crews[0]->counters;

    pthread_mutex_lock(&clients->outside_lock);
    struct bulletin bulletin = clients->outside;
    unsigned dropped_count = clients->outside_dropped_count;
    clients->outside = (struct bulletin){0};
    clients->outside_dropped_count = 0;
    pthread_mutex_unlock(&clients->outside_lock);
    count(counters, COUNTER_LOG_WRITTEN, bulletin.lines_count);
    dropped_count += bulletin_post(&bulletin, clients);
    count(counters, COUNTER_LOG_DROPPED, dropped_count);
    bulletin_release(&bulletin);
}

/* Begins a line, with the lock held until end_outside(), or fails. */
static uint8_t *begin_outside(struct clients *clients, enum watch_stream stream,
                              const char *type)
{
    pthread_mutex_lock(&clients->outside_lock);
    uint8_t *at = bulletin_begin(&clients->outside, clients, stream, type);
    if (at != NULL)
        return at;
    clients->outside_dropped_count++;
    pthread_mutex_unlock(&clients->outside_lock);
    return NULL;
}

static void end_outside(struct clients *clients, uint8_t *at)
{
    bulletin_end(&clients->outside, at);
    /* One letter for all that gathers until it is read. */
    if (clients->outside.lines_count == 1 &&
        !worker_post(clients->crews[0]->worker, post_outside, clients)) {
        bulletin_release(&clients->outside);
        clients->outside_dropped_count++;
    }
    pthread_mutex_unlock(&clients->outside_lock);
}

void clients_told(void *context, struct span line)
{
    struct clients *clients = context;

    if ((atomic_load(&clients->watched) & WATCH_FARM) == 0)
        return;
    if (URI_BYTES_MAX(line.length) > BULLETIN_LINE_BYTES_MAX)
        line.length = BULLETIN_LINE_BYTES_MAX / URI_BYTES_MAX(1);
    uint8_t *at = begin_outside(clients, WATCH_FARM, "farm ");
    if (at != NULL)
        end_outside(clients, put_plainly(at, line));
}

void clients_evicted(const struct item *item, time_us now, void *context)
{
    struct clients *clients = context;
    time_s second = time_seconds(now);

    if ((atomic_load_explicit(&clients->watched, memory_order_relaxed) &
         WATCH_EVICTIONS) == 0)
        return;
    uint8_t *at = begin_outside(clients, WATCH_EVICTIONS, "eviction");
    if (at == NULL)
        return;
    time_s accessed = item_accessed(item);
    at = put_key(at, item_key(item));
    at = put(at, " fetch=", item_is_fetched(item) ? "yes" : "no");
    at = put_ttl(at, item_exptime(item) == 0 ? -1
                     : item_exptime(item) > second
                         ? (int64_t)(item_exptime(item) - second)
                         : 0);
    at = put_number(at, " la=", second > accessed ? second - accessed : 0);
    end_outside(clients, put_place(at, true, -1, item_value(item).length));
}
