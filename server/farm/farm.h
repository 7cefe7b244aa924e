/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Farm: one server's half of grapevine, as a pure machine.
 *
 * Tell it what happened (farm_step), then carry out what it asks
 * (farm_next_effect).  The same settings and inputs give the same effects,
 * byte for byte, whoever drives it.  It applies what it hears to the store,
 * and reads from the journal what this server's own clients changed.
 *
 * Never reads a clock, draws no chance but from its seed, calls nobody back.
 * Units:   microseconds of the driver's clock, which never goes back.
 * Borrows: spans, both ways, until the next farm_step().
 * Threads: one; the store and the journal are shared with others.
 */
#ifndef SERVER_FARM_FARM_H
#define SERVER_FARM_FARM_H

#include "server/farm/journal.h"
#include "server/store/store.h"

#define FARM_MEMBERS_MAX 128
#define FARM_TEXT_BYTES_MAX 255

struct farm;

/* A connection to one other server, as the driver numbers them; neither 0 nor
 * above INT32_MAX. */
typedef uint32_t farm_link;

/* Who has to hold a change before it is answered: every other member of the
 * view; so many that more than half of it hold it, this server among them; or
 * one other, if there is one. */
enum farm_ack { FARM_ACK_ALL, FARM_ACK_MAJORITY, FARM_ACK_ONE };

struct farm_settings {
    uint64_t id;  /* drawn at this start */
    uint16_t tag; /* of the store's versions */
    const char *farm_name;
    const char *name; /* of this server, for people */
    /* Where others can dial it: HOST:PORT, or :PORT where it listens on every
     * address of its host. */
    const char *address;
    time_us heartbeat;
    enum farm_ack ack;
    time_us ack_timeout;
    time_us lookup_timeout;
    /* What farm_deadline() promises for the ticks of a server that has others,
     * so that a longer gap tells that it slept; less than ack_timeout.  0: no
     * promise. */
    time_us tick_interval;
    uint64_t seed; /* of its chance */
    size_t memory_bytes;
    size_t item_bytes_max; /* of a key and its value together */
};

enum farm_input_kind {
    FARM_TICK,
    FARM_SEED,     /* others may be at the address `bytes` */
    FARM_LINKED,   /* `link` is up; `bytes` is the address that was dialled, or
                      empty; `host` is where the far end is, without port */
    FARM_UNLINKED, /* `link` is gone */
    FARM_REFUSED,  /* dialled `bytes`: nobody listens there */
    FARM_REJECTED, /* who was dialled does not take this server for a member, or
                      is none itself */
    FARM_FRAME,    /* `link` brought `bytes`: kind and body of a message */
    FARM_BACKLOG,  /* `link` has `number` bytes that are not sent yet */
    FARM_WRITTEN,  /* the journal has grown */
    FARM_AWAIT,    /* a client waits for record `number` to be held */
    FARM_LOOKUP,   /* a client waits for what others have of the key `bytes` */
    FARM_LEAVE     /* this server is about to end */
};

struct farm_input {
    enum farm_input_kind kind;
    time_us now;
    farm_link link;
    uint64_t number;
    uint64_t waiter;
    struct span bytes;
    struct span host;
    bool more; /* another input follows at once: the rest waits for that */
};

enum farm_effect_kind {
    FARM_SEND,   /* `bytes`, whole frames, on `link` */
    FARM_DIAL,   /* the address in `bytes` */
    FARM_UNLINK, /* close `link`; `bytes` says why, for the log */
    FARM_ANSWER, /* `waiter` may be answered about all records up to `number`;
                    degraded if not all hold them */
    FARM_FOUND,  /* the store has what there is for the lookup of `waiter`;
                    certain if everybody was heard */
    FARM_EVENT,  /* `bytes` is a line for people, about `event` */
    FARM_LEFT    /* all that was to be sent before the end is sent */
};

/* What people may watch; of lookups and broadcasts only while they do. */
enum farm_event { FARM_MEMBERS, FARM_LOOKUPS, FARM_BROADCASTS };

struct farm_effect {
    enum farm_effect_kind kind;
    enum farm_event event;
    farm_link link;
    uint64_t waiter;
    uint64_t number;
    bool is_degraded;
    bool is_certain;
    struct span bytes;
};

/* What `stats farm` and the judges of the simulator look at. */
struct farm_figures {
    uint8_t state;          /* of this server: enum member_state */
    unsigned members;       /* linked, not DEAD, not LEFT; and this server */
    unsigned members_ready; /* likewise */
    uint64_t journal_head;
    uint64_t records_sent;
    uint64_t records_applied;
    uint64_t records_dropped; /* already known */
    uint64_t splices;         /* in our journal, so far */
    uint64_t splices_wanted;  /* of others, whose value was pulled */
    uint64_t bytes_sent;
    uint64_t bytes_received;
    uint64_t acks_degraded;
    uint64_t syncs_begun;
    uint64_t syncs_done;
    uint64_t waiting;
    uint64_t conflicts; /* records older than what was here already */
    uint64_t lookups;
    uint64_t lookup_hits;
    uint64_t lookups_dropped; /* beyond the cap: answered from here alone */
    uint64_t stale_reads;     /* lookups that were needed and nobody answered */
};

/* One line of the table of members; this server's own comes first. */
struct farm_member {
    const char *name;
    const char *address;
    uint64_t id;
    uint8_t state; /* enum member_state */
    bool is_self;
    uint64_t lag_records; /* of our journal, not held there yet */
    time_us heartbeat_age;
    int64_t clock_offset_us; /* of its clock, against ours */
};

/* NULL if memory is out.  Borrows settings, store and journal for life. */
struct farm *farm_create(const struct farm_settings *settings,
                         struct store *store, struct journal *journal,
                         time_us now);
void farm_destroy(struct farm *farm);

/* Advances by one input.  Effects of the step before must be drained. */
void farm_step(struct farm *farm, const struct farm_input *input);

/* Takes the next effect, oldest first; false once there are none. */
bool farm_next_effect(struct farm *farm, struct farm_effect *effect);

/* When the driver owes the next FARM_TICK. */
time_us farm_deadline(const struct farm *farm);

/*
 * What the farm's clock shows when the driver's shows `now`: versions,
 * exptimes and flushes go by it on every server alike.  It never goes back,
 * but for once: when a server that is not READY yet is told what time it is.
 */
time_us farm_time(const struct farm *farm, time_us now);

/* True once the farm's time is known, or known to be this server's: clients
 * are not to be served before. */
bool farm_has_time(const struct farm *farm);

/* True once whoever may be there is linked, or known not to be. */
bool farm_has_met_all(const struct farm *farm);

/* Of this server: enum member_state. */
uint8_t farm_state(const struct farm *farm);

/* True while anybody is linked, or in the view without a link: only then is
 * there anyone to wait for. */
bool farm_has_others(const struct farm *farm);

/*
 * Until when reads may be answered from this replica alone: a heartbeat
 * exchange with every READY member lies less than three heartbeats back, and
 * all that they had applied when they were last linked is here.  Never beyond
 * four fifths of the ack timeout after the last step, so that it ends for a
 * server whose farm is not run.  0: not at all; a server without others: for
 * ever.
 */
time_us farm_fresh_until(const struct farm *farm);

void farm_read_figures(struct farm *farm, struct farm_figures *figures);

/* Fills `rows`; borrowed texts, until the next step.  Returns how many. */
size_t farm_read_members(struct farm *farm,
                         struct farm_member rows[FARM_MEMBERS_MAX + 1]);

/* Whether FARM_EVENTs of lookups and broadcasts are wanted. */
void farm_watch(struct farm *farm, bool is_watched);

/* Asserts what must always hold; for tests. */
void farm_check(const struct farm *farm);

#endif
