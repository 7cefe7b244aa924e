/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Farm statistics: the rows of `stats farm`, one table row per figure.
 */
#include <stdio.h>
#include <stdlib.h>

#include "server/session/statistics.h"

static const char *const state_names[] = {
    [MEMBER_JOINING] = "joining", [MEMBER_SYNCING] = "syncing",
    [MEMBER_READY] = "ready",     [MEMBER_SUSPECT] = "suspect",
    [MEMBER_DEAD] = "dead",       [MEMBER_LEFT] = "left"};

struct farm_row {
    const char *name;
    size_t offset; /* of a uint64_t in struct farm_figures */
};

#define AT(field) offsetof(struct farm_figures, field)

static const struct farm_row rows[] = {
    {"farm_journal_head", AT(journal_head)},
    {"farm_lookups", AT(lookups)},
    {"farm_lookup_hits", AT(lookup_hits)},
    {"farm_lookups_dropped", AT(lookups_dropped)},
    {"farm_stale_reads", AT(stale_reads)},
    {"farm_records_sent", AT(records_sent)},
    {"farm_records_applied", AT(records_applied)},
    {"farm_records_dropped", AT(records_dropped)},
    {"farm_splices", AT(splices)},
    {"farm_splices_wanted", AT(splices_wanted)},
    {"farm_conflicts", AT(conflicts)},
    {"farm_bytes_sent", AT(bytes_sent)},
    {"farm_bytes_received", AT(bytes_received)},
    {"farm_syncs_begun", AT(syncs_begun)},
    {"farm_syncs_done", AT(syncs_done)},
    {"farm_waiting", AT(waiting)},
    {"farm_commands_forwarded", AT(commands_forwarded)},
    {"farm_commands_executed", AT(commands_executed)},
    {"farm_commands_retried", AT(commands_retried)},
    {"farm_commands_undecided", AT(commands_undecided)},
    {"farm_commands_unknown", AT(commands_unknown)},
    {"farm_barrier_waits", AT(barrier_waits)},
    {"farm_barrier_us", AT(barrier_us)},
    {"farm_locks", AT(locks)},
    {"farm_locks_released", AT(locks_released)},
};

/* Writing, until the first that finds no memory. */
struct sheet {
    const struct command *command;
    struct output *output;
    bool is_whole;
};

static void write_text(struct sheet *sheet, const char *name, const char *value)
{
    uint8_t *to = output_room(sheet->output, REPLY_HEAD_BYTES_MAX);

    if (to == NULL) {
        sheet->is_whole = false;
        return;
    }
    output_add(sheet->output, reply_stat(sheet->command, span_of_string(name),
                                         span_of_string(value), to));
}

static void write_number(struct sheet *sheet, const char *name, int64_t value)
{
    char text[32];

    snprintf(text, sizeof(text), "%lld", (long long)value);
    write_text(sheet, name, text);
}

static void write_id(struct sheet *sheet, const char *name, uint64_t value)
{
    char text[32];

    snprintf(text, sizeof(text), "%016llx", (unsigned long long)value);
    write_text(sheet, name, text);
}

static const char *name_of(uint8_t state)
{
    return state >= MEMBER_JOINING && state <= MEMBER_LEFT ? state_names[state]
                                                           : "unknown";
}

static void write_member(struct sheet *sheet, const struct peers_member *member)
{
    const struct farm_member *row = &member->row;
    char name[FARM_TEXT_BYTES_MAX + 64];
    int length =
        snprintf(name, sizeof(name), "farm_member:%.200s:", member->name);
    char *what = name + length;
    size_t room = sizeof(name) - (size_t)length;

    snprintf(what, room, "state");
    write_text(sheet, name,
               row->is_self && row->state == MEMBER_LEFT ? "leaving"
                                                         : name_of(row->state));
    snprintf(what, room, "id");
    write_id(sheet, name, row->id);
    snprintf(what, room, "address");
    write_text(sheet, name, member->address);
    snprintf(what, room, "lag_records");
    write_number(sheet, name, (int64_t)row->lag_records);
    snprintf(what, room, "heartbeat_age_ms");
    write_number(sheet, name, (int64_t)(row->heartbeat_age / 1000));
    snprintf(what, room, "clock_offset_ms");
    write_number(sheet, name, row->clock_offset_us / 1000);
}

static void write_view(struct sheet *sheet, const struct peers_view *view,
                       uint64_t degraded)
{
    const struct farm_figures *figures = &view->figures;

    write_text(sheet, "farm_state",
               figures->state == MEMBER_LEFT ? "leaving"
                                             : name_of(figures->state));
    write_number(sheet, "farm_members", figures->members);
    write_number(sheet, "farm_members_ready", figures->members_ready);
    write_id(sheet, "farm_digest", view->digest);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t value;
        memcpy(&value, (const uint8_t *)figures + rows[i].offset,
               sizeof(value));
        write_number(sheet, rows[i].name, (int64_t)value);
    }
    write_number(sheet, "farm_ack_degraded", (int64_t)degraded);
    write_number(sheet, "farm_handshakes_failed",
                 (int64_t)view->handshakes_failed);
    write_text(sheet, "farm_keys", view->keys[0] != '\0' ? view->keys : "none");
    for (size_t i = 0; i < view->members_count; i++)
        write_member(sheet, &view->members[i]);
}

/* A server alone has the same figures, and they are those of one. */
static void write_alone(struct sheet *sheet, struct store *store)
{
    write_text(sheet, "farm_state", "alone");
    write_number(sheet, "farm_members", 1);
    write_number(sheet, "farm_members_ready", 1);
    write_id(sheet, "farm_digest", store_digest(store));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        write_number(sheet, rows[i].name, 0);
    write_number(sheet, "farm_ack_degraded", 0);
    write_number(sheet, "farm_handshakes_failed", 0);
    write_text(sheet, "farm_keys", "none");
}

bool farm_statistics_write(struct crew *crew, const struct command *command,
                           struct output *output)
{
    struct sheet sheet = {command, output, true};
    struct clients *clients = crew->clients;

    if (clients->settings.peers == NULL) {
        write_alone(&sheet, clients->settings.store);
        return sheet.is_whole;
    }
    struct stats_live live;
    struct peers_view *view = malloc(sizeof(*view));
    if (view == NULL)
        return false;
    peers_read(clients->settings.peers, view);
    clients_read_live(clients, &live);
    write_view(&sheet, view, live.counters[COUNTER_FARM_ACK_DEGRADED]);
    free(view);
    return sheet.is_whole;
}
