/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics: the answers to `stats`, in the words of either protocol.
 */
#include <stdio.h>

#include "proto/base/decimal.h"
#include "server/session/statistics.h"

/* memcached's bound for a dump: some 2 MB. */
#define DUMP_BYTES_MAX ((size_t)2 * 1024 * 1024)
#define DUMP_CLASSES_MAX 64
#define WORDS_MAX 3

/* All items are of this class, here and in `stats items`. */
#define DUMP_CLASS 1

static size_t split_words(struct span text, struct span words[WORDS_MAX])
{
    size_t count = 0;
    size_t at = 0;

    while (count < WORDS_MAX) {
        while (at < text.length && text.data[at] == ' ')
            at++;
        size_t start = at;
        while (at < text.length && text.data[at] != ' ')
            at++;
        if (at == start)
            break;
        words[count++] = span_of(text.data + start, at - start);
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

struct dump {
    struct output *output;
    size_t bytes_max; /* of the output, where the dump ends */
    uint64_t lines_left;
    bool is_broken;
};

static void dump_item(const struct item *item, void *context)
{
    struct dump *dump = context;
    struct span key = item_key(item);

    if (dump->lines_left == 0 || dump->output->used_bytes >= dump->bytes_max)
        return;
    uint8_t *to = output_room(dump->output, REPLY_HEAD_BYTES_MAX);
    if (to == NULL) {
        dump->is_broken = true;
        return;
    }
    uint8_t *at = span_copy(to, SPAN("ITEM "));
    at = span_copy(at, key);
    at = span_copy(at, SPAN(" ["));
    at = decimal_format(at, item->value_bytes);
    at = span_copy(at, SPAN(" b; "));
    at = decimal_format(at, item->exptime);
    at = span_copy(at, SPAN(" s]\r\n"));
    output_add(dump->output, (size_t)(at - to));
    dump->lines_left--;
}

/* `stats cachedump CLASS LIMIT`: key listers ask for every class. */
static bool write_dump(struct crew *crew, const struct span words[WORDS_MAX],
                       size_t count, const struct command *command,
                       struct output *output)
{
    struct store *store = crew->clients->settings.store;
    struct dump dump = {.output = output,
                        .bytes_max = output->used_bytes + DUMP_BYTES_MAX};
    uint64_t class;

    if (count < 3)
        return write_text(output, "CLIENT_ERROR bad command line\r\n");
    if (!decimal_parse_whole(words[1], &class) ||
        !decimal_parse_whole(words[2], &dump.lines_left))
        return write_text(output, "CLIENT_ERROR bad command line format\r\n");
    if (class >= DUMP_CLASSES_MAX)
        return write_text(output, "CLIENT_ERROR Illegal slab id\r\n");
    if (dump.lines_left == 0)
        dump.lines_left = UINT64_MAX;
    if (class == DUMP_CLASS) {
        time_us now = clock_now(crew->clients->settings.clock);
        for (size_t part = 0;
             part < store_parts(store) && !dump.is_broken &&
             dump.lines_left > 0 && output->used_bytes < dump.bytes_max;
             part++)
            store_visit(store, part, now, dump_item, &dump);
    }
    return !dump.is_broken && write_end(command, output, reply_stats_end);
}

bool statistics_answer(struct crew *crew, const struct command *command,
                       struct output *output)
{
    struct stats *stats = crew->clients->settings.stats;
    struct span words[WORDS_MAX] = {SPAN(""), SPAN(""), SPAN("")};
    size_t count = split_words(command->argument, words);
    struct stats_live live;
    struct stats_report report;

    if (span_equal(words[0], SPAN("cachedump")) &&
        command->protocol == PROTOCOL_TEXT)
        return write_dump(crew, words, count, command, output);
    clients_read_live(crew->clients, &live);
    if (span_equal(words[0], SPAN("reset"))) {
        stats_reset(stats, &live);
        return write_end(command, output, reply_stats_reset);
    }
    if (span_equal(words[0], SPAN("farm")))
        return farm_statistics_write(crew, command, output) &&
               write_end(command, output, reply_stats_end);
    if (!stats_open(&report, stats, words[0], &live))
        return write_end(command, output, reply_stats_unknown);
    return write_report(&report, command, output) &&
           write_end(command, output, reply_stats_end);
}
