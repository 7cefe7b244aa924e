/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics: the answers to `stats`, in the words of either protocol.
 */
#include "server/session/statistics.h"
#include "proto/base/decimal.h"
#include "server/session/state.h"

/* Of prefixes, in the binary protocol. */
#define DETAIL_BYTES_MAX ((size_t)256 * 1024)
#define DUMP_CLASSES_MAX 64
#define WORDS_MAX 3

/* All items are of this class, here and in `stats items`. */
#define DUMP_CLASS 1

static size_t split_words(struct span text, struct span words[WORDS_MAX])
{
    size_t count = 0;

    while (count < WORDS_MAX) {
        words[count] = span_take_word(&text);
        if (words[count].length == 0)
            break;
        count++;
    }
    return count;
}

static bool write_report(struct stats_report *report,
                         const struct command *command, struct output *output)
{
    struct span name;
    struct span value;

    while (stats_next(report, &name, &value)) {
        uint8_t *to = output_room(output, REPLY_HEAD_BYTES_MAX);
        if (to == NULL)
            return false;
        output_add(output, reply_stat(command, name, value, to));
    }
    return true;
}

/* Writes one of the short replies that end a report. */
static bool write_end(const struct command *command, struct output *output,
                      size_t (*write)(const struct command *command,
                                      uint8_t *to))
{
    uint8_t *to = output_room(output, REPLY_HEAD_BYTES_MAX);

    if (to == NULL)
        return false;
    output_add(output, write(command, to));
    return true;
}

static bool write_text(struct output *output, const char *line)
{
    struct span text = span_of_string(line);
    uint8_t *to = output_room(output, text.length);

    if (to == NULL)
        return false;
    span_copy(to, text);
    output_add(output, text.length);
    return true;
}

/* `stats cachedump CLASS LIMIT`: key listers ask for every class. */
static bool answer_cachedump(struct session *session, const struct span *words,
                             size_t count, const struct command *command)
{
    struct output *output = &session->output;
    uint64_t class;
    uint64_t lines;

    if (session->crew->clients->settings.disable_dumping)
        return write_text(output, "CLIENT_ERROR stats cachedump not "
                                  "allowed\r\n");
    if (count < 3)
        return write_text(output, "CLIENT_ERROR bad command line\r\n");
    if (!decimal_parse_whole(words[1], &class) ||
        !decimal_parse_whole(words[2], &lines))
        return write_text(output, "CLIENT_ERROR bad command line format\r\n");
    if (class >= DUMP_CLASSES_MAX)
        return write_text(output, "CLIENT_ERROR Illegal slab id\r\n");
    if (class != DUMP_CLASS)
        return write_end(command, output, reply_stats_end);
    struct listing *listing = listing_begin(session, LISTING_ITEMS, command);
    if (listing == NULL)
        return false;
    if (lines > 0)
        listing->lines_left = lines;
    return true;
}

/* In the binary protocol all of it is one packet, and so has to end. */
static bool write_binary_dump(struct session *session,
                              const struct command *command)
{
    struct prefixes *prefixes = session->crew->clients->prefixes;
    struct output *output = &session->output;
    struct span name = SPAN("detailed");
    struct span end = SPAN("END\r\n");
    struct prefix prefix;
    uint8_t *to = output_room(output, REPLY_HEAD_BYTES_MAX + DETAIL_BYTES_MAX +
                                          PREFIX_LINE_BYTES_MAX + end.length);

    if (to == NULL)
        return false;
    uint8_t *body = to + reply_stat_head(command, name, 0, to);
    size_t bytes = 0;
    for (size_t i = 0;
         bytes < DETAIL_BYTES_MAX && prefixes_read(prefixes, i, &prefix); i++)
        bytes += prefix_format(&prefix, body + bytes);
    bytes = (size_t)(span_copy(body + bytes, end) - body);
    reply_stat_head(command, name, bytes, to);
    output_add(output, (size_t)(body - to) + bytes);
    return write_end(command, output, reply_stats_end);
}

/* Protocols differ in how they say yes, and no. */
static bool answer_detail(struct session *session, struct span word,
                          const struct command *command)
{
    struct output *output = &session->output;
    struct clients *clients = session->crew->clients;
    bool is_text = command->protocol == PROTOCOL_TEXT;
    bool is_on = span_equal(word, SPAN("on"));
    bool is_off = span_equal(word, SPAN("off"));
    bool is_dump = span_equal(word, SPAN("dump"));

    if (clients->settings.disable_dumping || (!is_on && !is_off && !is_dump)) {
        if (!is_text)
            return write_end(command, output, reply_stats_unknown);
        return write_text(output,
                          clients->settings.disable_dumping
                              ? "CLIENT_ERROR stats detail not allowed\r\n"
                              : "CLIENT_ERROR usage: stats detail "
                                "on|off|dump\r\n");
    }
    if (is_dump)
        return is_text
                   ? listing_begin(session, LISTING_PREFIXES, command) != NULL
                   : write_binary_dump(session, command);
    if (!clients_count_prefixes(clients, is_on))
        return false;
    return is_text ? write_text(output, "OK\r\n")
                   : write_end(command, output, reply_stats_end);
}

static bool answer_sizes(struct session *session, const struct command *command)
{
    if (store_size_steps(session_store(session)) > 0)
        return listing_begin(session, LISTING_SIZES, command) != NULL;
    uint8_t *to = output_room(&session->output, REPLY_HEAD_BYTES_MAX);
    if (to == NULL)
        return false;
    output_add(&session->output,
               reply_stat(command, SPAN("sizes_status"), SPAN("disabled"), to));
    return write_end(command, &session->output, reply_stats_end);
}

static bool answer_figures(struct session *session, struct span group,
                           const struct command *command)
{
    struct crew *crew = session->crew;
    struct output *output = &session->output;
    struct stats *stats = crew->clients->settings.stats;
    struct stats_live live;
    struct stats_report report;

    clients_read_live(crew->clients, &live);
    if (span_equal(group, SPAN("reset"))) {
        stats_reset(stats, &live);
        return write_end(command, output, reply_stats_reset);
    }
    if (!stats_open(&report, stats, group, &live))
        return write_end(command, output, reply_stats_unknown);
    return write_report(&report, command, output) &&
           write_end(command, output, reply_stats_end);
}

bool statistics_answer(struct session *session, const struct command *command)
{
    struct output *output = &session->output;
    struct span words[WORDS_MAX] = {SPAN(""), SPAN(""), SPAN("")};
    size_t count = split_words(command->argument, words);

    if (command->protocol == PROTOCOL_TEXT) {
        if (span_equal(words[0], SPAN("cachedump")))
            return answer_cachedump(session, words, count, command);
        if (span_equal(words[0], SPAN("conns")))
            return listing_begin(session, LISTING_CONNECTIONS, command) != NULL;
    }
    if (span_equal(words[0], SPAN("detail")))
        return answer_detail(session, words[1], command);
    if (span_equal(words[0], SPAN("sizes")))
        return answer_sizes(session, command);
    if (span_equal(words[0], SPAN("farm")))
        return farm_statistics_write(session->crew, command, output) &&
               write_end(command, output, reply_stats_end);
    return answer_figures(session, words[0], command);
}
