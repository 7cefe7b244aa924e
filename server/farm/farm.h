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

/* Commands that one FARM_COMMAND may bring. */
#define FARM_COMMANDS_MAX 32

/* What came of a command that a home was to decide. */
enum farm_verdict {
    FARM_VERDICT_DECIDED,   /* the result is with it */
    FARM_VERDICT_UNDECIDED, /* nothing was done: no home could be had */
    FARM_VERDICT_UNKNOWN    /* it may have been done, or not, or will be */
};

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
    /* Whether homes decide; else FARM_COMMANDs are executed here, as if this
     * server had no others. */
    bool has_homes;
    /* Servers that the farm is made for: without more than half of them no home
     * decides.  0: any number will do. */
    unsigned quorum;
    /* A digest of all settings that have to be the same on all servers; not
     * 0. */
    uint64_t shared_settings;
    /* How long a lock outlives the silence of the server whose client has
     * it. */
    time_us lock_grace;
    /* What farm_deadline() promises for the ticks of a server that has others,
     * so that a longer gap tells that it slept; less than ack_timeout.  0: no
     * promise. */
    time_us tick_interval;
    uint64_t seed; /* of its chance */
    size_t memory_bytes;
    size_t item_bytes_max; /* of a key and its value together */
};

enum farm_input_kind {
    FARM_TICK,     /* time has passed; and as FARM_WRITTEN */
    FARM_TURN,     /* the inputs before, which said `more`, were all there is */
    FARM_SEED,     /* others may be at the address `bytes` */
    FARM_LINKED,   /* `link` is up; `bytes` is the address that was dialled, or
                      empty; `host` is where the far end is, without port */
    FARM_UNLINKED, /* `link` is gone */
    FARM_REFUSED,  /* dialled `bytes`: nobody listens there */
    FARM_REJECTED, /* who was dialled does not take this server for a member, or
                      is none itself */
    FARM_FRAME,    /* `link` brought `bytes`: kind and body of a message */
    FARM_BACKLOG,  /* `link` has `number` bytes that are not sent yet */
    FARM_WRITTEN,  /* the journal has grown: what is in it is to be streamed */
    FARM_AWAIT,    /* a client waits for record `number` to be held */
    FARM_LOOKUP,   /* a client waits for what others have of the key `bytes` */
    FARM_COMMAND,  /* a client waits for what homes make of the commands in
                      `bytes`: for each, hash u64 of its key, length u32, and
                      what this room passes on as it is */
    FARM_EXECUTED, /* what came of FARM_EXECUTE number `waiter`: the result in
                      `bytes`, and `number` of the record that it wrote, or 0;
                      or it must ask about the key in `bytes` first */
    FARM_LEAVE     /* this server is about to end */
};

/* A lock: which server's client has it. */
struct farm_lock {
    uint64_t version; /* that is there now; 0: none is */
    uint64_t owner;   /* 0: nobody has it, or nobody knows who */
    uint64_t taken;   /* the cas token of its taking; 0: not known */
    bool is_kept;     /* the owner had it before; `taken` is as it was */
};

struct farm_input {
    enum farm_input_kind kind;
    time_us now;
    farm_link link;
    uint64_t number;
    uint64_t waiter;
    struct span bytes;
    struct span host;
    bool must_ask;   /* of FARM_EXECUTED: nothing was done */
    bool is_refused; /* of FARM_EXECUTED: nothing was done, as it came too late,
                        or nobody can tell what there is */
    struct span lock;      /* of FARM_EXECUTED: its key, where that is a lock's
                              and was changed */
    struct farm_lock held; /* and what became of that */
    bool more; /* another input follows at once: the rest waits for that */
};

enum farm_effect_kind {
    FARM_SEND,    /* `bytes`, whole frames, on `link` */
    FARM_DIAL,    /* the address in `bytes` */
    FARM_UNLINK,  /* close `link`; `bytes` says why, for the log */
    FARM_ANSWER,  /* `waiter` may be answered about all records up to `number`;
                     degraded if not all hold them */
    FARM_FOUND,   /* the store has what there is for the lookup of `waiter`;
                     certain if everybody was heard */
    FARM_EXECUTE, /* the command `bytes`, as its home, at once: FARM_EXECUTED is
                     the next input.  `is_asked`: the others were asked about
                     its key; `is_certain`: and all have answered.  `number` is
                     the server whose client asked.  `gives_way`: this may not
                     be the farm any more: what is written of a lock that is
                     there gives way to whatever else was */
    FARM_RELEASE, /* the lock with the key `bytes`, at once, if version `number`
                     of it is still there; `gives_way` as above */
    FARM_DECIDED, /* what homes made of the commands of `waiter`: for each, enum
                     farm_verdict u8, length u32, result */
    FARM_EVENT,   /* `bytes` is a line for people, about `event` */
    FARM_LEFT     /* all that was to be sent before the end is sent */
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
    bool is_asked;
    bool is_certain;
    bool gives_way;
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
    uint64_t commands_forwarded; /* to homes elsewhere */
    uint64_t commands_executed;  /* here, as their home */
    uint64_t commands_retried;   /* who was asked was not their home */
    uint64_t commands_unknown;   /* outcomes that nobody could tell */
    uint64_t commands_undecided; /* for which no home could be had */
    uint64_t barrier_waits;      /* for what the home had seen */
    uint64_t barrier_us;         /* and how long all these took */
    uint64_t locks;              /* that are known */
    uint64_t locks_released;     /* for servers that are gone */
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

/* Somebody was asked to acknowledge what is awaited, and has not yet. */
bool farm_is_asking(const struct farm *farm);

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

/* What is known of the lock with that key; false: nothing. */
MUST_USE bool farm_find_lock(const struct farm *farm, struct span key,
                             struct farm_lock *lock);

/* Whose the lock with that key is after its version `before` was changed, as a
 * client of `asker` asked: that server's where this is a taking, else still
 * that of who had it.  The version is the caller's to set; so is, of a taking,
 * its token. */
struct farm_lock farm_lock_after(const struct farm *farm, struct span key,
                                 uint64_t before, uint64_t asker,
                                 bool is_taking);

/*
 * Who decides the commands that are for homes to decide: nobody, as each server
 * decides for itself; this server without asking, as it is alone; or a home,
 * who has to be asked by FARM_COMMAND.
 */
enum farm_deciding { FARM_DECIDES_EACH, FARM_DECIDES_ALONE, FARM_DECIDES_HOME };
enum farm_deciding farm_deciding(const struct farm *farm);

/* Fills `rows`; borrowed texts, until the next step.  Returns how many. */
size_t farm_read_members(struct farm *farm,
                         struct farm_member rows[FARM_MEMBERS_MAX + 1]);

/* Whether FARM_EVENTs of lookups and broadcasts are wanted. */
void farm_watch(struct farm *farm, bool is_watched);

/* Asserts what must always hold; for tests. */
void farm_check(const struct farm *farm);

#endif
